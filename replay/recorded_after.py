"""A run that was made already: nothing is executed, what lies in the work tree is described, somebody asserts it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from replay.errors import RecordError
from replay.features.using import views_among
from replay.identity import ulid
from replay.permitted import require_use
from replay.recipe import Artifact, Machine, PathKind, Step
from replay.record.metrics import metrics_of
from replay.record.pipeline import Plan, PlannedOutput, PlannedStep, shell_command
from replay.record.recorded import RunFacts
from replay.record.secrets import refuse_secrets
from replay.record.seeds import find_seeds, missing_seeds
from replay.recorded_steps import Ran, Recording

if TYPE_CHECKING:
    from replay.fetch.dvcfiles import LockedStage

UNKNOWN = Machine(cpu_model="", cpu_flags=(), cpus=0, memory_bytes=0, kernel="")
"""The machine of a run that nobody watched."""


def require_there(plan: Plan, directory: Path) -> None:
    """Check that everything is there that was made or read, before anything else is done.

    Raises:
        RecordError: A declared input or output is not there; all are named.
    """
    paths = [path for step in plan.steps for path in (*step.inputs, *(output.path for output in step.outputs))]
    if lost := [path for path in dict.fromkeys(paths) if not (directory / path).exists()]:
        raise RecordError(
            f"of the run that was made, {', '.join(map(repr, lost))} is not there",
            hint="`dvc checkout` brings what DVC tracks; without --after the workflow is run",
        )


class Asserting(Recording):
    """As `Recording`, without running anything."""

    def run(self, image: str) -> tuple[list[Ran], Machine]:
        """Describe the declared inputs and outputs of every step as they lie in the work tree.

        Raises:
            RecordError: One is not there, or ``dvc.lock`` names other bytes, another command or other parameters.
            PolicyError: A secret would have been recorded, or a policy forbids to use an input.
        """
        done: list[Ran] = []
        for planned in self._ground.plan.steps:
            ran = self._assert_step(planned)
            self._made |= {o.artifact.path: (o.artifact, ran.files[o.artifact.path]) for o in ran.step.outputs}
            done.append(ran)
        if self._ground.plan.dvc:
            self._expect_locked(done)
        return done, UNKNOWN

    def publish(self, ran: list[Ran]) -> None:
        """Leave the outputs where they were."""

    def _assert_step(self, planned: PlannedStep) -> Ran:
        ground, session = self._ground, self._session
        refuse_secrets(
            {
                f"command of {planned.name}": planned.command,
                f"parameters of {planned.name}": planned.parameters.values(),
            }
        )
        inputs = {path: self._input(path) for path in planned.inputs}
        self._read |= {path: place for path, (_, place) in inputs.items()}
        require_use((inputs[path][0] for path in inputs if path not in self._produced), session)
        files = {output.path: self._place(output.path) for output in planned.outputs}
        seeds = find_seeds(planned.command, planned.parameters, (), {})  # of its environment nothing is known
        sources = [place for path, (_, place) in inputs.items() if path.endswith(".py") and place.is_file()]
        step = Step(
            name=planned.name,
            command=planned.command,
            directory=planned.directory,
            inputs=tuple(artifact for artifact, _ in inputs.values()),
            outputs=tuple(self._output(self._kept(output), files[output.path]) for output in planned.outputs),
            parameters=planned.parameters,
            environment=ground.variables,
            resources=ground.resources,
            seeds=seeds,
            seeds_missing=missing_seeds(sources, seeds),
        )
        return Ran(
            step=step,
            facts=RunFacts(run=ulid(), started="", seconds="", exit_code=None, log=""),
            files=files,
            metrics={o.path: metrics_of(files[o.path]) for o in planned.outputs if o.metric},
            views=views_among(inputs.values(), session.store),
        )

    def _place(self, path: str) -> Path:
        """Where an output lies; a copy, where DVC has put links into its cache."""
        place = self._base / path
        links = place.is_symlink() or (place.is_dir() and any(inner.is_symlink() for inner in place.rglob("*")))
        return self._workspace.copy_input(place, path) if links else place

    def _kept(self, output: PlannedOutput) -> PlannedOutput:
        """The output; what DVC's cache does not hold is kept in the store instead."""
        md5 = self._locked_outputs.get(output.path) or ""
        return msgspec.structs.replace(output, cache=output.cache and self._is_cached(md5))

    def _is_cached(self, md5: str) -> bool:
        from replay.fetch.objects import keys

        found = self._session.dvc_of(self._ground.code) if md5 else None
        return found is not None and any((found[1].cache / key).is_file() for key in keys(md5))

    @cached_property
    def _read(self) -> dict[str, Path]:
        """Where the inputs lie that were looked at."""
        return {}

    @cached_property
    def _stages(self) -> dict[str, LockedStage]:
        from replay.fetch.dvcfiles import stages_of

        file = self._base / "dvc.lock"
        if not self._ground.plan.dvc:
            return {}
        if not file.is_file():
            raise RecordError(f"{file}: is not there, so DVC has run nothing here", hint=_NOT_RUN)
        return {stage.name: stage for stage in stages_of("dvc.lock", file.read_bytes(), self._ground.plan.directories)}

    @cached_property
    def _locked_outputs(self) -> dict[str, str | None]:
        return {out.path: out.md5 for stage in self._stages.values() for out in stage.outs}

    def _expect_locked(self, done: list[Ran]) -> None:
        """``dvc.lock`` must say that DVC ran exactly this: its word is the only evidence there is."""
        issues = [issue for one in done for issue in self._issues(one)]
        if issues:
            raise RecordError(f"dvc.lock does not say so: {'; '.join(dict.fromkeys(issues))}", hint=_NOT_RUN)

    def _issues(self, ran: Ran) -> Iterator[str]:
        step, stage = ran.step, self._stages.get(ran.step.name)
        if stage is None:
            yield f"it has no stage {step.name}"
            return
        if shell_command(stage.command) != step.command:
            yield f"stage {step.name} was run with another command"
        locked = {
            f"{file}:{key}": json.dumps(v, default=str) for file, d in stage.params.items() for key, v in d.items()
        }
        for key in sorted(locked.keys() | step.parameters.keys()):
            if locked.get(key) != step.parameters.get(key):
                yield f"{key}: got {step.parameters.get(key, 'nothing')}, it names {locked.get(key, 'nothing')}"
        inputs = {a.path: a for a in step.inputs if a.path not in stage.params}
        outputs = {output.artifact.path: output.artifact for output in step.outputs}
        yield from _other_bytes(inputs, {dep.path: dep.md5 for dep in stage.deps}, self._read)
        yield from _other_bytes(outputs, {out.path: out.md5 for out in stage.outs}, ran.files)


def _other_bytes(
    here: Mapping[str, Artifact], locked: Mapping[str, str | None], files: Mapping[str, Path]
) -> Iterator[str]:
    from replay.fetch.objects import has_hash

    for path, artifact in here.items():
        md5, named = artifact.digests.md5, locked.get(path)
        if named is None:
            yield f"{path}: it names no such path"
        elif md5 != named:
            is_file = artifact.kind is PathKind.FILE and path in files
            if not (is_file and has_hash(files[path], named) is None):  # DVC 2 took its md5 otherwise
                yield f"{path}: got md5 {md5}, it names {named}"


_NOT_RUN = "`dvc repro` runs what is not run; `replay record` without --after runs it in a container and watches"
