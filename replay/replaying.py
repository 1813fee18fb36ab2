"""One replay: what is brought, what is run, how often, and what is compared. ``engine.replay`` tells it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from replay.evidence import Evidence, inside
from replay.flatten import flatten_yaml
from replay.order import predecessors
from replay.outcome import Comparison, Deviation, Ending, Mode
from replay.recipe import ConfigSnapshot, Judgement, Output, Recipe, Step
from replay.rounds import Round
from replay.session import Session
from replay.store.hashing import describe
from replay.tombstones import Tombstone, dropped_of
from replay.workspace import Workspace

if TYPE_CHECKING:
    from replay.execute.container import DockerExecutor
    from replay.execute.schedule import Task
    from replay.rebuild.interface import Prepared


class Replaying:
    """The parts of one replay that share a recipe, a workspace and an executor."""

    def __init__(self, recipe: Recipe, session: Session, workspace: Workspace, executor: DockerExecutor,
                 judgements: dict[str, Judgement], told: dict[str, Tombstone]) -> None:  # fmt: skip
        from replay.execute.determinism import restoration
        from replay.execute.probe import host_facts

        self.recipe = recipe
        self.session = session
        self.workspace = workspace
        self.executor = executor
        self.image = ""
        """What the engine calls the image, once it is there."""
        self._loading = threading.Lock()
        self.judgements = judgements
        self.told = told
        """What was forgotten of the recipe."""
        self.host = host_facts()
        self.environment = restoration(recipe.machine, self.host, recipe.profile)
        self.produced = {o.artifact.path for step in recipe.steps for o in step.outputs}
        self.record = Evidence(session.fetcher(recipe.code), workspace, dropped_of(told))

    def bring(self, steps: Collection[Step]) -> Prepared:
        """Bring code, inputs and image at the same time.

        Raises:
            FetchError: The code or a source input is gone, damaged or out of reach.
            RebuildError: The environment cannot be made.
        """
        progress = self.session.progress
        progress.started("fetch code and data")
        with ThreadPoolExecutor(max_workers=3, thread_name_prefix="bring") as pool:
            image = pool.submit(self._prepare)
            code = pool.submit(self.workspace.write_code)
            self.record.bring_inputs(steps)
            code.result()
            progress.finished("fetch code and data", f"{len(self.record.files)} artifacts verified")
            prepared = image.result()
        self.image = prepared.reference
        return prepared

    def _prepare(self) -> Prepared:
        from replay.rebuild import prepare_for_replay

        mirror, code = self.session.mirror(self.recipe.code), self.recipe.code

        def read_code(path: str) -> bytes | None:
            mirror.ensure(code.commit, self.session.code_sources(code))
            return mirror.read(code.commit, str(PurePosixPath(code.directory) / path))

        self.executor.sweep()
        return prepare_for_replay(
            self.session.docker,
            self.recipe.environment,
            read_code=read_code,
            blobs=self.session.store.blobs,
            offline=self.session.settings.fetch.offline,
            progress=self.session.progress,
            context=self._build_context,
        )

    def _build_context(self) -> Path:
        """The code version's files for a Dockerfile build: a copy of its own, for the steps' tree is being written."""
        code, place = self.recipe.code, self.workspace.root / "context"
        mirror = self.session.mirror(code)
        mirror.ensure(code.commit, self.session.code_sources(code))
        mirror.write_tree(code.commit, place, expect_tree=code.tree, patch=self.session.patch(code))
        return place / code.directory

    @contextlib.contextmanager
    def bringing_outputs(self, steps: Collection[Step]) -> Iterator[None]:
        """While steps run, bring and verify the recorded outputs too."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="outputs") as pool:
            pending = pool.submit(self.record.bring_outputs, steps)
            spare = self.executor.engine_cpus > len(steps)
            loading = pool.submit(self._load_report) if spare else None
            yield
            pending.result()
            if loading is not None:
                loading.result()

    def _load_report(self) -> None:
        """Load what will write the result (0.6 s of imports) while steps run; whoever comes second does not wait."""
        if not self._loading.acquire(blocking=False):
            return
        try:
            import_module("replay.store.writes")
            if self.session.settings.report.html:
                from replay.report.html import load

                load(self.recipe)
        finally:
            self._loading.release()

    def run_round(
        self, steps: Collection[Step], inputs: Callable[[Step, Round], dict[str, Path]], mode: Mode, label: str
    ) -> Round:
        """Run steps (in parallel where their order does not matter) and compare what they made with the record."""
        from replay.execute.schedule import run_all

        done = Round(executions={}, comparisons=[], made={}, configs={}, notes=[])
        by_name = {step.name: step for step in steps}
        waiting = set(by_name)

        def run(name: str) -> bool:
            waiting.discard(name)
            step = by_name[name]
            self._run_step(step, inputs(step, done), mode, f"{label}-{step.name}", done)
            if not waiting:  # nothing is left to start, so this CPU idles while the last steps run
                self._load_report()
            return name not in done.failed

        jobs = self.session.settings.executor.jobs or self.executor.engine_cpus
        schedule = run_all(
            [self._task(step, by_name, mode) for step in steps],
            run,
            succeeded=bool,
            jobs=jobs,
            cpus=self.executor.engine_cpus,
            memory_bytes=self.executor.engine_memory,
            cancellation=self.executor.cancellation,
        )
        done.notes += [
            f"{name} was not run: it stands on {failed}, which failed" for name, failed in schedule.stopped.items()
        ]
        return done

    def _task(self, step: Step, among: Collection[str], mode: Mode) -> Task:
        from replay.execute.schedule import Task

        needs = predecessors(self.recipe, step) & set(among) if mode is Mode.CHAINED else set()
        return Task(name=step.name, memory_bytes=step.resources.memory_bytes, needs=frozenset(needs))

    def _run_step(self, step: Step, inputs: Mapping[str, Path], mode: Mode, label: str, done: Round) -> None:
        progress = self.session.progress
        which = label.removesuffix(f"-{step.name}")
        task = f"replay {step.name}" + ("" if which == "isolated" else f" ({which})")
        progress.started(task)
        result = self.workspace.run(
            self.executor,
            step,
            self.image,
            inputs,
            step.outputs,
            exclude=self.produced,
            mode=mode,
            environment=self.environment,
            label=label,
        )
        done.executions[step.name] = result.execution
        done.notes += [f"{step.name}: {note}" for note in result.notes]
        if result.execution.ending is not Ending.SUCCEEDED:
            progress.finished(task, f"{result.execution.ending.value}: {result.execution.reason}")
            return
        from replay.compare.outputs import unexpected

        done.configs[step.name] = result.configs
        kinds = {o.artifact.path: o.artifact.kind for o in step.outputs}
        collected = self.workspace.collect(label, result, list(kinds), kinds=kinds)
        for output in step.outputs:
            self._compare(step, output, collected.found, collected.problems, mode, done)
        done.comparisons += [unexpected(step.name, path, None, mode) for path in collected.unexpected]
        mine = [c for c in done.comparisons if c.step == step.name and c.mode is mode]
        progress.finished(task, ", ".join(f"{c.path} {c.match.value}" for c in mine))

    def _compare(self, step: Step, output: Output, found: Mapping[str, Path], problems: Mapping[str, str], mode: Mode,
                 done: Round) -> None:  # fmt: skip
        from replay.compare import compare_output

        path = output.artifact.path
        place = found.get(path)
        described = describe(place) if place else None
        if place and described:
            done.made[path] = (place, described)
        same = bool(described and described.digests == output.artifact.digests)
        recorded = self.record.files.get(path) if same else self.record.bring_output(output.artifact)
        done.comparisons.append(
            compare_output(step.name, self._judged(output), recorded, place, described, problems.get(path), mode)
        )

    def ready(self, steps: Collection[Step]) -> list[Step]:
        """The steps whose recorded inputs are all here."""
        return [step for step in steps if all(a.path in self.record.files for a in step.inputs)]

    def repeat(self, first: Round, second: Round, mode: Mode) -> list[Comparison]:
        """A/A: what two unchanged runs of the same steps made, against each other."""
        from replay.compare.outputs import compare_repeats

        steps = [self.recipe.step(name) for name in second.executions]
        outputs = [(step.name, output, output.artifact.path) for step in steps for output in step.outputs]
        return [
            compare_repeats(name, self._judged(output), first.made.get(path), second.made.get(path), mode)
            for name, output, path in outputs
        ]

    def _judged(self, output: Output) -> Output:
        """The output with the judgement of this replay, which may be stricter than the sealed one."""
        return msgspec.structs.replace(output, judgement=self.judgements[output.artifact.path])

    def recorded_inputs(self, step: Step, _done: Round) -> dict[str, Path]:
        """Isolated: every input as it was recorded."""
        return {a.path: self.record.file(a) for a in step.inputs}

    def chained_inputs(self, earlier: Mapping[str, Path]) -> Callable[[Step, Round], dict[str, Path]]:
        """Chained: what predecessors made in this round, else in an earlier one, else as recorded."""

        def choose(step: Step, done: Round) -> dict[str, Path]:
            made = {**earlier, **done.files}
            return {a.path: inside(made, a.path) or self.record.file(a) for a in step.inputs}

        return choose

    def unchanged_inputs(self, made: Mapping[str, Path]) -> Callable[[Step, Round], dict[str, Path]]:
        """What each step was given the first time."""
        choose = self.chained_inputs(made)
        return lambda step, _done: choose(step, Round())

    def config_deviations(self, rounds: Collection[Round]) -> list[Deviation]:
        """Where the workflow composed another configuration than the recorded one."""
        found: list[Deviation] = []
        for done in rounds:
            for name, configs in done.configs.items():
                found += _config_differences(name, self.recipe.step(name).configs, configs)
        return list(dict.fromkeys(found))


def judgements_of(recipe: Recipe, session: Session) -> dict[str, Judgement]:
    """The sealed judgements, made stricter where conf/compare asks for it.

    Raises:
        PolicyError: It asks for a looser tolerance than the sealed one.
    """
    from replay.compare.tolerance import tighten_recipe
    from replay.recipe import Tolerance

    wish = session.settings.compare.tolerance
    given = Tolerance(
        absolute=None if wish.absolute is None else wish.absolute.hex(),
        relative=None if wish.relative is None else wish.relative.hex(),
        ulp=wish.ulp,
    )
    if given == Tolerance():
        return {o.artifact.path: o.judgement for step in recipe.steps for o in step.outputs}
    return tighten_recipe(recipe, given)


def _config_differences(
    step: str, recorded: Collection[ConfigSnapshot], replayed: Collection[ConfigSnapshot]
) -> Iterator[Deviation]:
    after = {c.name: flatten_yaml(c.resolved) or {} for c in replayed}
    consequence = "the workflow was configured otherwise than recorded; its outputs may differ for that reason alone"
    for config in recorded:
        old, new = flatten_yaml(config.resolved) or {}, after.get(config.name, {})
        for key in sorted(old.keys() | new.keys()):
            was, now = old.get(key, "absent"), new.get(key, "absent")
            if was != now:
                yield Deviation(
                    facet=f"config {config.name}.{key} of {step}", recorded=was, actual=now, consequence=consequence
                )
