"""The whole flow on one screen: record a model, resolve and freeze it, replay it, judge it.

model id → resolve → [lineage] → freeze → [recipe] → fetch code + data, rebuild image → execute → compare → report
              ↑ record writes the lineage                                       [outcome] → evidence
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from replay import recording
from replay.identity import ulid
from replay.order import selected
from replay.outcome import Match, Mode, ReplayResult
from replay.permitted import lineage_of, readable_lineage, require_replay
from replay.recipe import Recipe, Step
from replay.recomputing import with_recomputed
from replay.record.graph import to_lineage
from replay.recorded_after import Asserting, require_there
from replay.recorded_steps import Recording, recorded_of
from replay.recording import RecordRequest
from replay.replaying import Replaying, judgements_of
from replay.results import EVIDENCE_LOST, Begun, keep_result, not_replayable, result_of
from replay.rounds import Repeat, Round, Wishes
from replay.session import Session
from replay.tombstones import tombstones
from replay.workspace import Workspace, sweep_workspaces

__all__ = ["RecordRequest", "Recorded", "Wishes", "certify", "recipe_of", "record", "replay"]


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What `record` made."""

    recipe: Recipe
    recipe_path: Path
    undeclared: tuple[str, ...]


def record(request: RecordRequest, session: Session) -> Recorded:
    """Run a workflow in its environment and record everything that a replay needs.

    Of a run that was made already (`RecordRequest.after`) what lies in the work tree is recorded, as asserted.

    Raises:
        DirtyTreeError: Uncommitted changes; nothing was run.
        WorkflowFailedError: A step failed; nothing was recorded.
        PolicyError: A secret would have been recorded, or a policy forbids to use an input.
    """
    from replay.fetch.git import WorkTree
    from replay.freeze import freeze, write_recipe
    from replay.rebuild import find_local, keep_image, prepare_for_record

    tree = WorkTree(Path.cwd())
    plan = recording.plan_of(request, tree.root / tree.directory)
    if request.after:
        require_there(plan, tree.root / tree.directory)
    code = recording.code_of(tree, plan, request, session)
    executor = session.executor()
    sweep_workspaces(session)
    with Workspace(session, f"record-{ulid()}", code) as workspace:
        workspace.write_code()
        project = recording.project_of(workspace.code)
        executor.sweep()
        with executor.cancellation.trap():
            environment = prepare_for_record(
                session.docker,
                recording.environment_of(project, session.settings.environment),
                workspace.code / code.directory,
                session.progress,
                offline=session.settings.fetch.offline,
            )
            ground = recording.ground_of(plan, project, code, request, executor.engine_cpus, session)
            reference = find_local(session.docker, environment.image) or environment.image.config
            steps = (Asserting if request.after else Recording)(ground, workspace, executor, session)
            ran, machine = steps.run(reference)
            steps.publish(ran)
        archived = session.settings.store.archive_images and not request.metadata_only
        if archived:
            keep_image(session.docker, reference, environment.image, session.store.blobs)
    written = recorded_of(ground, ran, environment, machine, session, archived=archived)
    version = session.store.register(plan.model_name, lambda number: to_lineage(written, number))
    recipe = freeze(lineage_of(f"{plan.model_name}:{version}", session))
    path = write_recipe(session.root, recipe)
    session.store.note("record", model=recipe.model_id, recipe=recipe.recipe_id, execution=written.execution)
    return Recorded(recipe=recipe, recipe_path=path, undeclared=tuple(u for one in ran for u in one.facts.undeclared))


def recipe_of(model_id: str, session: Session) -> Recipe:
    """Walk the lineage of a model version and freeze its recipe.

    Raises:
        ModelNotFoundError: There is no such model version.
        FreezeError: Its lineage lacks a part.
        PolicyError: A policy forbids to read a part of it.
    """
    from replay.freeze import freeze

    return freeze(readable_lineage(model_id, session))


def replay(recipe: Recipe, session: Session, wishes: Wishes | None = None) -> ReplayResult:
    """Rebuild the environment, rerun the workflow, compare every output with the record, and judge.

    Evidence that is missing or corrupt gives the verdict ``not-replayable``.

    Raises:
        EngineUnavailableError: No Docker Engine answers.
        SourceUnreachableError: A source did not answer; a retry may help.
        PolicyError: A tolerance looser than the sealed one is asked for, or a policy forbids to replay the model.
    """
    wishes = wishes or Wishes()
    require_replay(recipe, session)
    asked, judgements = selected(recipe, wishes.from_step), judgements_of(recipe, session)
    told = tombstones(recipe, session.store)
    begun = Begun.now(f"rp_{ulid()}")
    executor = session.executor()
    sweep_workspaces(session)
    with Workspace(session, begun.replay_id, recipe.code, keep=wishes.keep) as workspace:
        with executor.cancellation.trap():
            try:
                steps = with_recomputed(recipe, asked, told, session)
                one = Replaying(recipe, session, workspace, executor, judgements, told)
                prepared = one.bring(steps)
            except EVIDENCE_LOST as error:
                told = tombstones(recipe, session.store)  # it may have been forgotten just now
                return keep_result(not_replayable(recipe, begun, wishes, error, told), recipe, session, wishes)
            with one.bringing_outputs(steps):
                rounds = run_rounds(one, steps, wishes)
                repeats = run_again(one, rounds, wishes)
            executor.cancellation.check("the replay")
        result = result_of(one, begun, wishes, prepared, rounds, repeats)
        return keep_result(result, recipe, session, wishes)


def run_rounds(one: Replaying, steps: list[Step], wishes: Wishes) -> list[Round]:
    """Isolated: each step from its recorded inputs; then the chain from whatever is not identical on, end to end."""
    if wishes.mode == Mode.CHAINED:
        return [one.run_round(steps, one.chained_inputs({}), Mode.CHAINED, "chained")]
    from replay.compare.chain import steps_to_chain

    ready = one.ready(steps)
    isolated = one.run_round(ready, one.recorded_inputs, Mode.ISOLATED, "isolated")
    if isolated.failed:
        return [isolated]
    replayed = msgspec.structs.replace(one.recipe, steps=tuple(steps))
    names = {step.name for step in steps if step not in ready} | set(steps_to_chain(replayed, isolated.comparisons))
    rest = [step for step in steps if step.name in names]
    if not rest:
        return [isolated]
    kept = {o.artifact.path for step in one.recipe.steps if step not in rest for o in step.outputs}
    earlier = {path: place for path, place in isolated.files.items() if path in kept}
    return [isolated, one.run_round(rest, one.chained_inputs(earlier), Mode.CHAINED, "chained")]


def run_again(one: Replaying, rounds: list[Round], wishes: Wishes) -> list[Repeat]:
    """Run again unchanged: everything when asked for, else the steps that differ, to tell chance from change."""
    repeats: list[Repeat] = []
    earlier = {path: place for done in rounds for path, place in done.files.items()}
    for done in rounds:
        mode = next((e.mode for e in done.executions.values()), Mode.ISOLATED)
        differing = done.steps_with(Match.DIFFERENT, Match.MISSING)
        names = set(done.executions) if wishes.repeat > 1 else differing
        steps = [step for step in one.recipe.steps if step.name in names]
        if not steps or done.failed:
            continue
        same = one.recorded_inputs if mode is Mode.ISOLATED else one.unchanged_inputs(earlier)
        for number in range(2, max(2, wishes.repeat) + 1):
            second = one.run_round(steps, same, mode, f"{mode.value}-{number}")
            repeats.append(Repeat(round=second, comparisons=one.repeat(done, second, mode)))
    return repeats


def certify(recorded: Recorded, session: Session) -> ReplayResult:
    """Replay what was just recorded end to end, and record whether it reproduces itself."""
    return replay(recorded.recipe, session, Wishes(certify=True))
