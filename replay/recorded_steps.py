"""The steps of one recording: run in their containers, described, and put where the user expects them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from replay.errors import DirtyTreeError, RecordError, WorkflowFailedError
from replay.features.using import views_among
from replay.identity import ulid
from replay.outcome import Ending, Execution, Mode
from replay.permitted import require_use
from replay.recipe import Artifact, Environment, Gap, Machine, Output, PathKind, Step, Storage
from replay.record.metrics import metrics_of
from replay.record.pipeline import PlannedOutput, PlannedStep, commit_to_dvc, definition_of
from replay.record.project import role_of
from replay.record.recorded import Recorded, RunFacts
from replay.record.secrets import refuse_secrets
from replay.record.seeds import find_seeds, missing_seeds
from replay.record.views import UsedView
from replay.recording import Ground
from replay.session import Session
from replay.store import fsops
from replay.store.hashing import Described, describe
from replay.workspace import Workspace

if TYPE_CHECKING:
    from replay.execute.interface import Executor, StepResult

Input = tuple[Artifact, Path]
"""What was recorded of an input, and the copy that the step gets."""

_UNWATCHED = {
    "run": "that this command made these outputs from these inputs is asserted, and only a replay can show it",
    "time": "when it began, how long it took and how it ended is not known, and there is no log",
    "machine": "on which machine it ran is not known, so a replay restores none; that alone may make a difference",
    "environment": "image, variables and limits are what the project asks for now; the run may have had others",
    "config": "which configuration Hydra composed, if any, is not known, and no replay can be held against it",
}


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded step, its facts, and where its outputs lie in the workspace."""

    step: Step
    facts: RunFacts
    files: dict[str, Path]
    metrics: dict[str, dict[str, str]] = {}
    """Of each output that holds metrics: name → value as JSON text."""
    views: tuple[UsedView, ...] = ()
    """The feature views among its inputs."""


class Recording:
    """The parts of one recording that share its ground, a workspace and an executor."""

    def __init__(self, ground: Ground, workspace: Workspace, executor: Executor, session: Session) -> None:
        self._ground = ground
        self._workspace = workspace
        self._executor = executor
        self._session = session
        self._base = session.root / ground.code.directory
        self._produced = {output.path for step in ground.plan.steps for output in step.outputs}
        self._made: dict[str, Input] = {}

    def run(self, image: str) -> tuple[list[Ran], Machine]:
        """Probe the machine inside the image and run every step in dependency order; the first failure ends it all.

        Raises:
            WorkflowFailedError: A step failed; the message says how, with the end of its log.
            RecordError: A declared input or output is not there, or is no regular file or folder.
            PolicyError: A secret would have been recorded, or a policy forbids to use an input.
        """
        ground, progress = self._ground, self._session.progress
        machine = self._executor.probe(image, cpus=ground.resources.cpus, environment=ground.variables)
        done: list[Ran] = []
        for planned in ground.plan.steps:
            progress.started(f"run {planned.name}")
            inputs = {path: self._input(path) for path in planned.inputs}
            require_use((inputs[path][0] for path in inputs if path not in self._produced), self._session)
            ran = self._run_step(planned, inputs, image)
            self._made |= {o.artifact.path: (o.artifact, ran.files[o.artifact.path]) for o in ran.step.outputs}
            done.append(ran)
            progress.finished(f"run {planned.name}", f"{len(ran.step.outputs)} outputs")
        return done, machine

    def publish(self, ran: list[Ran]) -> None:
        """Put the outputs into the user's work tree, and let DVC take them into its cache and ``dvc.lock``.

        Raises:
            RecordError: DVC refused, or its lock names other bytes than were recorded.
        """
        for one in ran:
            for path, place in one.files.items():
                target = self._base / path
                fsops.make_dir(target.parent)
                if target.is_symlink() or target.is_file():
                    target.unlink()
                elif target.exists():
                    fsops.remove_tree(target)
                _copy(place, target)
        if self._ground.plan.dvc:
            commit_to_dvc(self._base)
            self._check_lock(ran)

    def _check_lock(self, ran: list[Ran]) -> None:
        from replay.fetch.dvcfiles import stages_of

        stages = stages_of("dvc.lock", (self._base / "dvc.lock").read_bytes(), self._ground.plan.directories)
        locked = {out.path: out.md5 for stage in stages for out in stage.outs}
        recorded = {o.artifact.path: o.artifact.digests.md5 for one in ran for o in one.step.outputs}
        wrong = sorted(path for path, md5 in recorded.items() if locked.get(path) != md5)
        if wrong:
            raise RecordError(
                f"dvc.lock does not name the bytes that were recorded of {', '.join(wrong)}",
                hint="something changed the work tree meanwhile; record again",
            )

    def _run_step(self, planned: PlannedStep, inputs: Mapping[str, Input], image: str) -> Ran:
        ground, session = self._ground, self._session
        step = Step(
            name=planned.name,
            command=planned.command,
            directory=planned.directory,
            inputs=tuple(artifact for artifact, _ in inputs.values()),
            outputs=(),
            parameters=planned.parameters,
            environment=ground.variables,
            resources=ground.resources,
        )
        outputs = [output.path for output in planned.outputs]
        files = {path: place for path, (_, place) in inputs.items()}
        result = self._workspace.run(
            self._executor, step, image, files, outputs, exclude=self._produced, mode=Mode.ISOLATED
        )
        _expect_success(planned, result.execution)
        collected = self._workspace.collect(step.name, result, outputs, kinds=None)
        if collected.problems:
            issues = "; ".join(f"{path}: {problem}" for path, problem in sorted(collected.problems.items()))
            hint = "declare what the step really writes"
            raise RecordError(f"step {planned.name} ended well, but {issues}", hint=hint)
        _expect_no_secrets(planned, result)
        seeds = find_seeds(planned.command, planned.parameters, result.configs, ground.variables)
        sources = [place for path, place in files.items() if path.endswith(".py") and place.is_file()]
        step = msgspec.structs.replace(
            step,
            outputs=tuple(self._output(output, collected.found[output.path]) for output in planned.outputs),
            configs=result.configs,
            seeds=seeds,
            seeds_missing=missing_seeds(sources, seeds),
        )
        facts = RunFacts(
            run=ulid(),
            started=result.execution.started,
            seconds=f"{result.execution.seconds:.3f}",
            exit_code=result.execution.exit_code,
            log=session.store.blobs.put_file(self._workspace.log_of(step.name)),
            undeclared=collected.unexpected,
        )
        metrics = {o.path: metrics_of(collected.found[o.path]) for o in planned.outputs if o.metric}
        views = views_among(inputs.values(), session.store)
        return Ran(step=step, facts=facts, files=dict(collected.found), metrics=metrics, views=views)

    def _input(self, path: str) -> Input:
        """A declared input: what an earlier step made, else from the code version, from DVC, or from the work tree."""
        return self._made.get(path) or self._below_made(path) or self._in_code(path) or self._in_work_tree(path)

    def _below_made(self, path: str) -> Input | None:
        """A file inside a directory that an earlier step made."""
        for parent, (artifact, place) in self._made.items():
            inner = place / path.removeprefix(f"{parent}/")
            if path.startswith(f"{parent}/") and artifact.kind is PathKind.DIRECTORY and inner.exists():
                return _artifact(path, describe(inner), artifact.storage), inner
        return None

    def _in_code(self, path: str) -> Input | None:
        place = self._workspace.code / self._ground.code.directory / path
        if not place.exists() or place.is_symlink():
            return None
        return _artifact(path, describe(place), Storage.GIT), place

    def _in_work_tree(self, path: str) -> Input:
        place = self._base / path
        if not place.exists():
            raise RecordError(f"the input {path!r} is not there", hint="`dvc pull` brings what DVC tracks")
        copy = self._workspace.copy_input(place, path)
        described = describe(copy)
        expected = self._workspace.tracked_by_dvc(path)
        if expected is None:
            self._keep(copy, described)
            return _artifact(path, described, Storage.STORE), copy
        if described.digests.md5 != expected:
            raise DirtyTreeError(
                f"the input {path!r} is not the version that its .dvc file names: got md5 {described.digests.md5}, "
                f"expected {expected}",
                hint="`dvc add` and commit the new version, or `dvc checkout` the old one",
            )
        return _artifact(path, described, Storage.DVC), copy

    def _output(self, declared: PlannedOutput, place: Path) -> Output:
        ground, path, described = self._ground, declared.path, describe(place)
        storage = Storage.DVC if declared.cache else Storage.STORE
        if ground.metadata_only:
            small = described.size <= self._session.settings.store.small_output_bytes
            storage = Storage.STORE if small else Storage.NONE
        if storage is Storage.STORE:
            self._keep(place, described)
        return Output(
            artifact=_artifact(path, described, storage),
            role=role_of(path, model=ground.plan.model, metric=declared.metric, plot=declared.plot),
            judgement=ground.project.judgement(path, described.kind),
        )

    def _keep(self, place: Path, described: Described) -> None:
        from replay.fetch.store import keep

        keep(place, described, self._session.store.blobs)


def recorded_of(
    ground: Ground, ran: list[Ran], environment: Environment, machine: Machine, session: Session, *, archived: bool
) -> Recorded:
    """Everything of this recording as one value, ready for the lineage."""
    from importlib.metadata import version

    return Recorded(
        execution=ulid(),
        name=ground.plan.model_name,
        model=ground.plan.model,
        profile=ground.profile,
        code=ground.code,
        environment=environment,
        machine=machine,
        steps=tuple(one.step for one in ran),
        facts=tuple(one.facts for one in ran),
        gaps=gaps_of(ground),
        image_archived=archived,
        recorded_by=session.asker.user,
        tool=f"replay {version('replay-engine')}",
        plan=definition_of(ground.plan),
        repository=ground.code.url or f"store:{session.store.id}",
        metrics={path: values for one in ran for path, values in one.metrics.items()},
        experiment=ground.experiment,
        trial=ground.trial,
        store=session.store.id,
        views={one.facts.run: one.views for one in ran if one.views},
        asserted_by=session.asker.user if ground.after else "",
        template=(rule.name, str(rule.version), rule.digest) if (rule := ground.project.template) else None,
    )


def gaps_of(ground: Ground) -> tuple[Gap, ...]:
    """What is not known of a run that nobody watched."""
    if not ground.after:
        return ()
    return tuple(Gap(item=item, consequence=f"nobody watched the run: {text}") for item, text in _UNWATCHED.items())


def _expect_success(planned: PlannedStep, execution: Execution) -> None:
    if execution.ending is not Ending.SUCCEEDED:
        raise WorkflowFailedError(
            f"step {planned.name}: {execution.reason or execution.ending.value}",
            log=execution.log,
            hint="nothing was recorded; correct the workflow and record again",
        )


def _expect_no_secrets(planned: PlannedStep, result: StepResult) -> None:
    places = {
        f"command of {planned.name}": planned.command,
        f"parameters of {planned.name}": planned.parameters.values(),
        **{f"config {config.name} of {planned.name}": config.resolved for config in result.configs},
    }
    refuse_secrets(places)


def _artifact(path: str, described: Described, storage: Storage) -> Artifact:
    return Artifact(
        path=path,
        kind=described.kind,
        size=described.size,
        files=described.files,
        digests=described.digests,
        storage=storage,
    )


def _copy(place: Path, target: Path) -> None:
    if place.is_dir():
        fsops.make_dir(target)
        for child in sorted(place.iterdir()):
            _copy(child, target / child.name)
    else:
        fsops.copy_file(place, target, mode=0o644)
