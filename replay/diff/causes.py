"""What two recipes pin differently: one pure function per kind of cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from replay.diff.tree import Change, CodeDiff, CodeHistory, ConfigChange, DataChange, EnvironmentDiff
from replay.flatten import flatten_yaml
from replay.identity import sha256_hex
from replay.recipe import Artifact, Code, ConfigSnapshot, Environment, Image, Output, Recipe, Step, Storage
from replay.report.standing import tolerance_text
from replay.report.words import command_text, duration, size


def changes(a: Mapping[str, str | None], b: Mapping[str, str | None]) -> tuple[Change, ...]:
    """What differs between two mappings, in the order of ``a``, then what only ``b`` has; ``None`` is not there."""
    keys = dict.fromkeys((*a, *b))
    return tuple(Change(key=key, a=a.get(key), b=b.get(key)) for key in keys if a.get(key) != b.get(key))


def code(a: Recipe, b: Recipe, commits: Callable[[str, str], CodeHistory | None] | None) -> CodeDiff:
    """The code versions; ``commits`` is asked only when the commits differ."""
    identity = changes(_code(a.code), _code(b.code))
    sides = [{i.path: i.digests.sha256 for i in inputs(r) if i.storage is Storage.GIT} for r in (a, b)]
    history = commits(a.code.commit, b.code.commit) if commits and a.code.commit != b.code.commit else None
    return CodeDiff(identity=identity, inputs=changes(*sides), history=history)


def _code(of: Code) -> dict[str, str | None]:
    facts = {"commit": of.commit, "tree": of.tree, "remote": of.url, "directory": of.directory or None}
    return facts | {"uncommitted diff": of.patch}


def inputs(recipe: Recipe) -> list[Artifact]:
    """The inputs that no step makes, each once."""
    found = {i.path: i for step in recipe.steps for i in step.inputs if recipe.producer(i.path) is None}
    return list(found.values())


def data(a: Recipe, b: Recipe) -> tuple[DataChange, ...]:
    """Inputs from outside the code version whose content differs, or that one side lacks."""
    before, after = ({i.path: i for i in inputs(r)} for r in (a, b))
    found = []
    for path in dict.fromkeys((*before, *after)):
        x, y = before.get(path), after.get(path)
        in_code = all(side is None or side.storage is Storage.GIT for side in (x, y))
        if in_code or (x and y and x.digests.sha256 == y.digests.sha256):
            continue
        found.append(
            DataChange(
                path=path,
                a_sha256=x.digests.sha256 if x else None,
                b_sha256=y.digests.sha256 if y else None,
                a_bytes=x.size if x else None,
                b_bytes=y.size if y else None,
            )
        )
    return tuple(found)


def config(a: Recipe, b: Recipe) -> tuple[ConfigChange, ...]:
    """Keys of the resolved configurations that differ; steps with the same difference are named together."""
    return _by_steps(a, b, _resolved)


def overrides(a: Recipe, b: Recipe) -> tuple[ConfigChange, ...]:
    """Hydra overrides that differ, by the key that they set."""
    return _by_steps(a, b, lambda snapshot: {_override_key(o): o for o in snapshot.overrides})


def _override_key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _resolved(snapshot: ConfigSnapshot) -> Mapping[str, str]:
    flat = flatten_yaml(snapshot.resolved)
    if flat is not None:
        return flat
    return {"(unreadable YAML)": f"sha256 {sha256_hex(snapshot.resolved.encode('utf-8', 'replace'))}"}


def _by_steps(a: Recipe, b: Recipe, read: Callable[[ConfigSnapshot], Mapping[str, str]]) -> tuple[ConfigChange, ...]:
    found: dict[tuple[str, Change], list[str]] = {}
    before, after = ({(s.name, c.name): c for s in r.steps for c in s.configs} for r in (a, b))
    for step, name in dict.fromkeys((*before, *after)):
        sides = [read(side[step, name]) if (step, name) in side else {} for side in (before, after)]
        for change in changes(*sides):
            found.setdefault((name, change), []).append(step)
    return tuple(
        ConfigChange(steps=tuple(steps), config=name, key=change.key, a=change.a, b=change.b)
        for (name, change), steps in found.items()
    )


def parameters(a: Recipe, b: Recipe) -> tuple[Change, ...]:
    """Values of parameters files, by ``file:key``; a key that two steps read differently is named with the step."""
    return changes(*(_merged(r, lambda step: step.parameters) for r in (a, b)))


def _merged(recipe: Recipe, read: Callable[[Step], Mapping[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for step in recipe.steps:
        for key, value in read(step).items():
            found[key if found.get(key, value) == value else f"{step.name}: {key}"] = value
    return found


def seeds(a: Recipe, b: Recipe) -> tuple[Change, ...]:
    """Seeds found, by name and place, and sources of randomness for which none was found."""

    def read(step: Step) -> dict[str, str]:
        found = {f"{seed.name} ({seed.place})": seed.value for seed in step.seeds}
        return found | dict.fromkeys(step.seeds_missing, "no seed found")

    return changes(*(_merged(r, read) for r in (a, b)))


def commands(a: Recipe, b: Recipe) -> tuple[Change, ...]:
    """Steps added or removed; of the others the command, the directory, the variables and the resources."""
    return changes(*(_facets(r) for r in (a, b)))


_FOLLOW_FROM_COMMIT = {"SOURCE_DATE_EPOCH"}
"""Variables that the determinism profile takes from the commit: no difference of their own."""


def _facets(recipe: Recipe) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for step in recipe.steps:
        limits = step.resources
        found[f"{step.name}: command"] = command_text(step.command)
        found[f"{step.name}: directory"] = step.directory or None
        found |= {f"{step.name}: ${k}": v for k, v in step.environment.items() if k not in _FOLLOW_FROM_COMMIT}
        found[f"{step.name}: CPUs"] = str(limits.cpus)
        found[f"{step.name}: memory"] = size(limits.memory_bytes)
        found[f"{step.name}: time limit"] = duration(limits.timeout_seconds)
        others = f"shm {size(limits.shm_bytes)}, pids {limits.pids}, file {size(limits.file_bytes)}"
        found[f"{step.name}: other limits"] = others
        found[f"{step.name}: reads"] = ", ".join(sorted(i.path for i in step.inputs)) or None
        found[f"{step.name}: writes"] = ", ".join(sorted(o.artifact.path for o in step.outputs)) or None
    return found


def environment(a: Recipe, b: Recipe) -> EnvironmentDiff:
    """Images, lock and installer; packages by system and name."""
    facts = changes(*(_environment(r.environment) for r in (a, b)))
    packages = changes(*(_packages(r.environment) for r in (a, b)))
    return EnvironmentDiff(facts=facts, packages=packages)


def _environment(of: Environment) -> dict[str, str | None]:
    return {"made by": of.kind.value, **_image("image", of.image), **_image("base", of.base), "lock": of.lock,
            "lock sha256": of.lock_sha256, "installer": of.installer, "Dockerfile": of.dockerfile}  # fmt: skip


def _image(name: str, image: Image | None) -> dict[str, str | None]:
    if image is None:
        return {}
    return {name: image.config, f"{name} layers": " ".join(image.layers), f"{name} platform": image.platform}


def _packages(of: Environment) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for package in of.packages:
        found.setdefault(f"{package.system} {package.name}", []).append(package.version)
    return {name: ", ".join(sorted(versions)) for name, versions in sorted(found.items())}


def machine(a: Recipe, b: Recipe) -> tuple[Change, ...]:
    """Machine facets and the determinism profile."""
    return changes(*(_machine(r) for r in (a, b)))


def _machine(recipe: Recipe) -> dict[str, str | None]:
    of = recipe.machine
    pools = (" ".join(filter(None, (b.library, b.version, b.architecture, f"{b.threads} threads"))) for b in of.blas)
    return {
        "profile": recipe.profile, "CPU": of.cpu_model, "CPU features": " ".join(sorted(of.cpu_flags)),
        "CPUs": str(of.cpus), "memory": size(of.memory_bytes), "kernel": of.kernel, "C library": of.libc or None,
        "Python": of.python or None,
        "thread pools": "; ".join(sorted(pools)) or None, "numpy": of.numpy or None,
        "numpy features": " ".join(sorted(of.numpy_dispatch)) or None,
    }  # fmt: skip


def judgement(a: Recipe, b: Recipe) -> tuple[Change, ...]:
    """How the outputs that both sides have are judged."""
    before, after = ({o.artifact.path: _judged(o) for s in r.steps for o in s.outputs} for r in (a, b))
    both = [path for path in before if path in after]
    return changes({path: before[path] for path in both}, {path: after[path] for path in both})


def _judged(output: Output) -> str:
    sealed = output.judgement
    text = f"{sealed.comparator}, tolerance {tolerance_text(output)}{', volatile' if sealed.volatile else ''}"
    return text + (f", set by {sealed.owner}" if sealed.owner else "") + (f": {sealed.reason}" if sealed.reason else "")
