"""What a recipe needs and its record lacks or leaves floating, each with its consequence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from replay.recipe import Code, Environment, EnvironmentKind, Gap, Interpolation, Step, Storage

_STABLE = {"oc.select", "oc.decode", "oc.create", "oc.dict.keys", "oc.dict.values", "oc.deprecated"}


def collect_gaps(code: Code, environment: Environment, steps: Sequence[Step]) -> tuple[Gap, ...]:
    """Every gap that can be seen in the recorded parts."""
    return (
        *_code_gaps(code),
        *_environment_gaps(environment),
        *(g for step in steps for g in _step_gaps(step)),
    )


def _code_gaps(code: Code) -> Iterable[Gap]:
    if code.url is None:
        yield Gap(
            item="code.url",
            consequence="no remote is recorded: the commit can only come from this repository or a clone of it",
        )
    if code.patch is not None:
        yield Gap(
            item="code.patch",
            consequence="a dirty tree was recorded: its diff is a blob of this store, not a commit",
        )


def _environment_gaps(environment: Environment) -> Iterable[Gap]:
    if environment.kind is EnvironmentKind.DOCKERFILE:
        yield Gap(
            item="environment.dockerfile",
            consequence="a Dockerfile build is not reproducible: without the image a rebuild gives another one",
        )
    if environment.kind is EnvironmentKind.IMAGE and not environment.image.repo_digests:
        yield Gap(
            item="environment.image",
            consequence="the image is in no registry: it can only come from this engine or from the store's archive",
        )


def _step_gaps(step: Step) -> Iterable[Gap]:
    for name in step.seeds_missing:
        yield Gap(
            item=f"seed of {name}",
            step=step.name,
            consequence=f"the code uses {name} and no seed was found: the step may not reproduce itself",
        )
    for config in step.configs:
        for interpolation in config.interpolations:
            consequence = _floating(interpolation, step)
            if consequence:
                yield Gap(item=interpolation.expression, step=step.name, consequence=consequence)
    for output in step.outputs:
        if output.artifact.storage is Storage.NONE:
            yield Gap(
                item=output.artifact.path,
                step=step.name,
                consequence="only its digests were kept: a difference can be seen, not sized, and no tolerance applied",
            )


def _floating(interpolation: Interpolation, step: Step) -> str | None:
    """Why an interpolation may resolve to another value in a replay, or ``None`` when it is pinned."""
    resolver = interpolation.resolver
    if resolver in {"", "hydra"} | _STABLE:
        return None
    if resolver == "oc.env":
        if interpolation.variable in step.environment:
            return None
        return (
            f"the environment variable {interpolation.variable} is not recorded: steps see its default, whatever the "
            "shell says; name it under environment.variables in replay.yaml to record it"
        )
    if resolver == "now":
        return "resolves to the time of the run: a replay composes another value"
    return f"the resolver {resolver!r} runs project code: its value is recorded, a replay may compute another"
