"""One recording: what is run, in which environment, from which inputs, what came out. ``engine.record`` tells it."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from replay.config import ExecutorSettings
from replay.errors import DirtyTreeError, RecordError, UsageError, WorkflowFailedError
from replay.outcome import Ending, Mode
from replay.rebuild.interface import BaseSpec, EnvironmentSettings
from replay.recipe import (
    Artifact,
    Code,
    Environment,
    Machine,
    Output,
    PathKind,
    Resources,
    Step,
    Storage,
)
from replay.record.graph import Recorded, RunFacts, new_execution, to_lineage
from replay.record.pipeline import Plan, PlannedStep, command_plan, commit_to_dvc, dvc_plan
from replay.record.project import FILE, Project, decode, role_of
from replay.record.secrets import refuse_secrets
from replay.record.seeds import find_seeds, missing_seeds
from replay.session import Session
from replay.store import fsops
from replay.store.hashing import Described, describe
from replay.workspace import Workspace

if TYPE_CHECKING:
    from replay.execute.interface import Executor, StepResult
    from replay.fetch.git import WorkTree


__all__ = ["Ground", "RecordRequest", "to_lineage"]


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


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What every step of one recording stands on."""

    plan: Plan
    project: Project
    code: Code
    profile: str
    variables: dict[str, str]
    """Determinism profile and allow-listed variables."""
    resources: Resources


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded step, its facts, and where its outputs lie in the workspace."""

    step: Step
    facts: RunFacts
    files: dict[str, Path]


def plan_of(request: RecordRequest, project: Path) -> Plan:
    """The steps that were asked for: one command, or the DVC pipeline in ``project``."""
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
    resources = resources_of(project, profile, engine_cpus, session.settings.executor)
    variables = variables_of(project, profile, resources.cpus, session.mirror(code).commit_time(code.commit))
    return Ground(plan=plan, project=project, code=code, profile=profile, variables=variables, resources=resources)


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


def run_steps(
    ground: Ground, workspace: Workspace, executor: Executor, image: str, request: RecordRequest, session: Session
) -> tuple[list[Ran], Machine]:
    """Probe the machine inside the image and run every step in dependency order; the first failure ends it all.

    Raises:
        WorkflowFailedError: A step failed; the message says how, with the end of its log.
        RecordError: A declared input or output is not there, or is no regular file or folder.
    """
    machine = executor.probe(image, cpus=ground.resources.cpus, environment=ground.variables)
    done: list[Ran] = []
    made: dict[str, tuple[Artifact, Path]] = {}
    for planned in ground.plan.steps:
        session.progress.started(f"run {planned.name}")
        inputs = _inputs(planned, ground, made, workspace, session)
        ran = _run_step(planned, inputs, ground, workspace, executor, image, request, session)
        made |= {
            output.artifact.path: (output.artifact, ran.files[output.artifact.path]) for output in ran.step.outputs
        }
        done.append(ran)
        session.progress.finished(f"run {planned.name}", f"{len(ran.step.outputs)} outputs")
    return done, machine


def _run_step(planned: PlannedStep, inputs: Mapping[str, tuple[Artifact, Path]], ground: Ground, workspace: Workspace,
              executor: Executor, image: str, request: RecordRequest, session: Session) -> Ran:  # fmt: skip
    artifacts = tuple(artifact for artifact, _ in inputs.values())
    step = Step(
        name=planned.name,
        command=planned.command,
        directory=planned.directory,
        inputs=artifacts,
        outputs=(),
        parameters=planned.parameters,
        environment=ground.variables,
        resources=ground.resources,
    )
    outputs = [output.path for output in planned.outputs]
    produced = {o.path for s in ground.plan.steps for o in s.outputs}
    result = workspace.run(executor, step, image, {p: path for p, (_, path) in inputs.items()}, outputs,
                           exclude=produced, mode=Mode.ISOLATED)  # fmt: skip
    _expect_success(planned, result)
    collected = workspace.collect(step.name, result, outputs, kinds=None)
    if collected.problems:
        issues = "; ".join(f"{path}: {problem}" for path, problem in sorted(collected.problems.items()))
        raise RecordError(f"step {planned.name} ended well, but {issues}", hint="declare what the step really writes")
    recorded = tuple(
        _output(output.path, planned, collected.found[output.path], ground, request, session)
        for output in planned.outputs
    )
    seeds = find_seeds(planned.command, planned.parameters, result.configs, ground.variables)
    refuse_secrets(
        {
            f"command of {planned.name}": planned.command,
            f"parameters of {planned.name}": planned.parameters.values(),
            **{f"config {config.name} of {planned.name}": config.resolved for config in result.configs},
        }
    )
    facts = RunFacts(
        run=new_execution(),
        started=result.execution.started,
        seconds=f"{result.execution.seconds:.3f}",
        exit_code=result.execution.exit_code,
        log=session.store.blobs.put_file(workspace.log_of(step.name)),
        undeclared=collected.unexpected,
    )
    sources = _sources(planned, inputs)
    step = msgspec.structs.replace(
        step, outputs=recorded, configs=result.configs, seeds=seeds, seeds_missing=missing_seeds(sources, seeds)
    )
    return Ran(step=step, facts=facts, files=dict(collected.found))


def _expect_success(planned: PlannedStep, result: StepResult) -> None:
    execution = result.execution
    if execution.ending is Ending.SUCCEEDED:
        return
    raise WorkflowFailedError(
        f"step {planned.name} {execution.reason or execution.ending.value}",
        log=execution.log,
        hint="nothing was recorded; correct the workflow and record again",
    )


def _sources(planned: PlannedStep, inputs: Mapping[str, tuple[Artifact, Path]]) -> Iterable[Path]:
    """The Python files that the step declares: where randomness is looked for."""
    return [path for name, (_, path) in inputs.items() if name.endswith(".py") and path.is_file()]


def _inputs(planned: PlannedStep, ground: Ground, made: Mapping[str, tuple[Artifact, Path]], workspace: Workspace,
            session: Session) -> dict[str, tuple[Artifact, Path]]:  # fmt: skip
    """Each declared input with the verified copy that the step gets."""
    found: dict[str, tuple[Artifact, Path]] = {}
    for path in planned.inputs:
        if path not in made:
            made_here = _below_output(path, made, workspace) or _source_input(path, ground, workspace, session)
            found[path] = made_here
        else:
            found[path] = made[path]
    return found


def _below_output(
    path: str, made: Mapping[str, tuple[Artifact, Path]], workspace: Workspace
) -> tuple[Artifact, Path] | None:
    """A file inside a directory that an earlier step made."""
    for parent, (artifact, place) in made.items():
        if path.startswith(f"{parent}/") and artifact.kind is PathKind.DIRECTORY:
            inner = place / path.removeprefix(f"{parent}/")
            if inner.exists():
                return _artifact(path, describe(inner), artifact.storage), inner
    return None


def _source_input(path: str, ground: Ground, workspace: Workspace, session: Session) -> tuple[Artifact, Path]:
    """An input that no step makes: from the code version, from DVC, or from the work tree."""
    in_code = workspace.code / ground.code.directory / path
    if in_code.exists() and not in_code.is_symlink():
        return _artifact(path, describe(in_code), Storage.GIT), in_code
    place = session.root / ground.code.directory / path
    if not place.exists():
        raise RecordError(f"the input {path!r} is not there", hint="`dvc pull` brings what DVC tracks")
    copy = workspace.copy_input(place, path)
    described = describe(copy)
    expected = workspace.tracked_by_dvc(path)
    if expected is None:
        from replay.fetch.store import keep

        keep(copy, described, session.store.blobs)
        return _artifact(path, described, Storage.STORE), copy
    if described.digests.md5 != expected:
        raise DirtyTreeError(
            f"the input {path!r} is not the version that its .dvc file names: got md5 {described.digests.md5}, "
            f"expected {expected}",
            hint="`dvc add` and commit the new version, or `dvc checkout` the old one",
        )
    return _artifact(path, described, Storage.DVC), copy


def _output(
    path: str, planned: PlannedStep, place: Path, ground: Ground, request: RecordRequest, session: Session
) -> Output:
    described = describe(place)
    declared = next(output for output in planned.outputs if output.path == path)
    storage = Storage.DVC if declared.cache else Storage.STORE
    small = described.size <= session.settings.store.small_output_bytes
    if request.metadata_only and not small:
        storage = Storage.NONE
    if storage is Storage.STORE or (request.metadata_only and small):
        from replay.fetch.store import keep

        keep(place, described, session.store.blobs)
        storage = Storage.STORE
    return Output(
        artifact=_artifact(path, described, storage),
        role=role_of(path, model=ground.plan.model, metric=declared.metric, plot=declared.plot),
        judgement=ground.project.judgement(path, described.kind),
    )


def publish(ran: list[Ran], ground: Ground, session: Session) -> None:
    """Put the outputs into the user's work tree, and let DVC take them into its cache and ``dvc.lock``.

    Raises:
        RecordError: DVC refused, or recorded other bytes than we did.
    """
    base = session.root / ground.code.directory
    for one in ran:
        for path, place in one.files.items():
            target = base / path
            fsops.make_dir(target.parent)
            if target.is_symlink() or target.exists():
                _remove(target)
            _copy(place, target)
    if ground.plan.dvc:
        commit_to_dvc(base)


def _remove(target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        fsops.remove_tree(target)
    else:
        target.unlink()


def _copy(place: Path, target: Path) -> None:
    if place.is_dir():
        fsops.make_dir(target)
        for child in sorted(place.iterdir()):
            _copy(child, target / child.name)
    else:
        fsops.copy_file(place, target, mode=0o644)


def recorded_of(
    ground: Ground, ran: list[Ran], environment: Environment, machine: Machine, *, archived: bool
) -> Recorded:
    """Everything of this recording as one value, ready for the lineage."""
    from importlib.metadata import version

    return Recorded(
        execution=new_execution(),
        name=ground.plan.model_name,
        model=ground.plan.model,
        profile=ground.profile,
        code=ground.code,
        environment=environment,
        machine=machine,
        steps=tuple(one.step for one in ran),
        facts=tuple(one.facts for one in ran),
        gaps=(),
        image_archived=archived,
        recorded_by=f"{getpass.getuser()} (asserted by the operating system)",
        tool=f"replay {version('replay-engine')}",
    )


def _artifact(path: str, described: Described, storage: Storage) -> Artifact:
    return Artifact(path=path, kind=described.kind, size=described.size, files=described.files,
                    digests=described.digests, storage=storage)  # fmt: skip


def _inside(path: str, project: Path) -> str:
    """``path`` relative to the workflow's directory."""
    resolved = Path(os.path.normpath(project.resolve() / path))
    if not resolved.is_relative_to(project.resolve()) or resolved == project.resolve():
        raise UsageError(
            f"{path!r} lies outside {project}", hint="record from the directory that holds inputs and outputs"
        )
    return resolved.relative_to(project.resolve()).as_posix()
