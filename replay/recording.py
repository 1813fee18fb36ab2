"""One recording: what is run, in which environment, from which inputs, what came out. ``engine.record`` tells it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from replay.config import ExecutorSettings
from replay.errors import DirtyTreeError, UsageError
from replay.naming import name_of
from replay.rebuild.interface import BaseSpec, EnvironmentSettings
from replay.recipe import Code, Resources
from replay.record.pipeline import Plan, command_plan, dvc_plan
from replay.record.project import FILE, Project, decode
from replay.record.secrets import refuse_secrets
from replay.session import Session

if TYPE_CHECKING:
    from replay.fetch.git import WorkTree


class RecordRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked to record; see ``replay record --help``."""

    command: tuple[str, ...] = ()
    model_name: str | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    artifact: str | None = None
    dirty: bool = False
    metadata_only: bool = False
    profile: str | None = None
    experiment: str | None = None
    trial: str | None = None
    after: bool = False
    """The run was made already: nothing is executed."""


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What every step of one recording stands on."""

    plan: Plan
    project: Project
    code: Code
    profile: str
    variables: dict[str, str]
    """Determinism profile and allow-listed variables."""
    resources: Resources
    metadata_only: bool
    experiment: str = ""
    trial: str = ""
    after: bool = False


def plan_of(request: RecordRequest, project: Path) -> Plan:
    """The steps that were asked for: one command, or the DVC pipeline in ``project``."""
    experiment_of(request)  # what is wrong with it is said before anything is built
    if not request.command:
        return dvc_plan(project, name=request.model_name, artifact=request.artifact)
    inputs, outputs = (tuple(_inside(path, project) for path in paths) for paths in (request.inputs, request.outputs))
    return command_plan(
        request.command,
        inputs=inputs,
        outputs=outputs,
        name=request.model_name or project.resolve().name.lower(),
        artifact=_inside(request.artifact, project) if request.artifact else None,
    )


def code_of(tree: WorkTree, plan: Plan, request: RecordRequest, session: Session) -> Code:
    """The code version that is recorded; uncommitted changes are refused, or kept as a blob with ``--dirty``.

    What recording itself writes (outputs, ``dvc.lock``, DVC's ``.gitignore`` files) is no change.

    Raises:
        DirtyTreeError: Uncommitted changes, and no ``--dirty``.
    """
    own = [output.path for step in plan.steps for output in step.outputs]
    written = {*own, "dvc.lock", *(str(Path(path).parent / ".gitignore") for path in own)}
    inputs = {path for step in plan.steps for path in step.inputs} - set(own)
    loose = set() if plan.dvc else {path for path in inputs if not tree.tracked([path])}  # kept in the store instead
    ignored = written | loose
    state = tree.state(ignore=[str(Path(tree.directory) / path) for path in ignored])
    if state.dirty and not request.dirty:
        shown = ", ".join(state.dirty[:5]) + (f" and {len(state.dirty) - 5} more" if len(state.dirty) > 5 else "")
        raise DirtyTreeError(
            f"the work tree differs from commit {state.commit[:12]}: {shown}",
            hint="commit the changes, or record them as a diff with --dirty",
        )
    patch = session.store.blobs.put_bytes(state.patch) if state.dirty else None
    return Code(commit=state.commit, tree=state.tree, url=state.url, directory=state.directory, patch=patch)


def ground_of(
    plan: Plan, project: Project, code: Code, request: RecordRequest, engine_cpus: int, session: Session
) -> Ground:
    """What every step stands on: profile, variables, limits."""
    profile = request.profile or project.profile
    experiment, trial = experiment_of(request)
    resources = resources_of(project, profile, engine_cpus, session.settings.executor)
    variables = variables_of(project, profile, resources.cpus, session.mirror(code).commit_time(code.commit))
    return Ground(
        plan=plan,
        project=project,
        code=code,
        profile=profile,
        variables=variables,
        resources=resources,
        metadata_only=request.metadata_only,
        experiment=experiment,
        trial=trial,
        after=request.after,
    )


def experiment_of(request: RecordRequest) -> tuple[str, str]:
    """The experiment and its trial; empty when none was named, the trial also when it is to be the model id.

    Raises:
        UsageError: A trial without its experiment, or a text that is no name.
    """
    if request.experiment is None:
        if request.trial is not None:
            raise UsageError(
                f"got the trial {request.trial!r} and no experiment", hint="name its experiment with --experiment NAME"
            )
        return "", ""
    trial = "" if request.trial is None else name_of(request.trial, "trial")
    return name_of(request.experiment, "experiment"), trial


def project_of(code_tree: Path) -> Project:
    """The settings of the code version that is recorded."""
    file = code_tree / FILE
    return decode(file.read_bytes() if file.is_file() else None)


def environment_of(project: Project, settings: EnvironmentSettings) -> EnvironmentSettings:
    """Where the environment comes from: ``replay.yaml`` goes before conf/."""
    rule = project.environment
    if rule.image or rule.lock or rule.dockerfile:
        settings = msgspec.structs.replace(settings, image=rule.image, lock=rule.lock, dockerfile=rule.dockerfile)
    if rule.base:
        settings = msgspec.structs.replace(settings, base=BaseSpec(name=rule.base))
    return settings


def resources_of(project: Project, profile: str, engine_cpus: int, limits: ExecutorSettings) -> Resources:
    """The limits of every step; under ``portable-v3`` a step sees one CPU, which every machine has."""
    cpus = limits.cpus or (1 if profile == "portable-v3" else engine_cpus)
    return project.limits(min(cpus, engine_cpus), limits.memory_bytes, limits.timeout_seconds)


def variables_of(project: Project, profile: str, cpus: int, commit_time: int) -> dict[str, str]:
    """The environment of every step: the determinism profile and what ``replay.yaml`` allows from this shell."""
    from replay.execute.determinism import environment_for

    allowed = {name: os.environ[name] for name in project.environment.variables if name in os.environ}
    refuse_secrets({f"environment variable {name}": f"{name}={value}" for name, value in allowed.items()})
    return environment_for(profile, cpus=cpus, commit_time=commit_time) | allowed


def _inside(path: str, project: Path) -> str:
    """``path`` relative to the workflow's directory."""
    resolved = Path(os.path.normpath(project.resolve() / path))
    if not resolved.is_relative_to(project.resolve()) or resolved == project.resolve():
        raise UsageError(
            f"{path!r} lies outside {project}", hint="record from the directory that holds inputs and outputs"
        )
    return resolved.relative_to(project.resolve()).as_posix()
