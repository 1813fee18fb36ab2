"""From what a replay found to its result, and from there to the evidence that is kept."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from replay.errors import (
    DigestMismatchError,
    ImageUnavailableError,
    ReplayError,
    SourceNotFoundError,
    StoreCorruptError,
)
from replay.lineage import Edge, EdgeType, Kind, Node, agent_node
from replay.outcome import Comparison, Deviation, Match, Mode, ReplayResult, Verdict
from replay.recipe import Recipe
from replay.replaying import Replaying
from replay.rounds import Repeat, Round, Wishes
from replay.session import Session
from replay.store import fsops
from replay.tombstones import Tombstone, explained

if TYPE_CHECKING:
    from replay.rebuild.interface import Prepared

EVIDENCE_LOST = (SourceNotFoundError, DigestMismatchError, ImageUnavailableError, StoreCorruptError)
"""Errors that mean: the recorded evidence is gone or corrupt, so nothing can be replayed from it."""

_GRAVITY = (Match.IDENTICAL, Match.EQUIVALENT, Match.UNCOMPARED, Match.MISSING, Match.DIFFERENT)


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """Which replay this is, and since when."""

    replay_id: str
    started: str
    clock: float

    @classmethod
    def now(cls, replay_id: str) -> Self:
        """Start the clock."""
        return cls(replay_id=replay_id, started=datetime.now(UTC).isoformat(timespec="seconds"), clock=time.monotonic())


def not_replayable(
    recipe: Recipe, begun: Begun, wishes: Wishes, error: ReplayError, told: dict[str, Tombstone]
) -> ReplayResult:
    """The result when evidence is missing or corrupt: nothing was run. What was forgotten on purpose is told first."""
    reason = explained(str(error), told, recipe)
    notes = (error.hint,) if error.hint and reason == str(error) else ()  # of no use where it was done on purpose
    return ReplayResult(
        replay_id=begun.replay_id,
        recipe_id=recipe.recipe_id,
        model_id=recipe.model_id,
        verdict=Verdict.NOT_REPLAYABLE,
        reason=reason,
        mode=Mode(wishes.mode),
        repeat=wishes.repeat,
        started=begun.started,
        seconds=time.monotonic() - begun.clock,
        image=recipe.environment.image.config,
        engine={},
        comparisons=(),
        executions=(),
        notes=notes,
    )


def result_of(
    one: Replaying, begun: Begun, wishes: Wishes, prepared: Prepared, rounds: list[Round], repeats: list[Repeat]
) -> ReplayResult:
    """Judge what was found."""
    from replay.compare.verdict import judge
    from replay.rebuild.engine import engine_info

    recipe = one.recipe
    comparisons = tuple(c for done in rounds for c in done.comparisons)
    executions = tuple(e for done in (*rounds, *(r.round for r in repeats)) for e in done.executions.values())
    repeated = [c for repeat in repeats for c in repeat.comparisons]
    verdict, reason, first = judge(executions, comparisons, repeated or None, recipe)
    if one.record.damaged:
        place, why = next(iter(sorted(one.record.damaged.items())))
        reason = f"the record itself is damaged, first {place}: {why}; apart from that: {verdict.value}, {reason}"
        verdict = Verdict.NOT_REPLAYABLE
    info = engine_info(one.session.docker)
    engine = {"engine": info.version, "api": info.api, "runc": info.runc, "storage": info.storage_driver}
    return ReplayResult(
        replay_id=begun.replay_id,
        recipe_id=recipe.recipe_id,
        model_id=recipe.model_id,
        verdict=verdict,
        reason=reason,
        mode=Mode(wishes.mode),
        repeat=wishes.repeat,
        started=begun.started,
        seconds=time.monotonic() - begun.clock,
        image=f"{prepared.image.config} ({prepared.how})",
        engine=engine,
        comparisons=comparisons,
        executions=executions,
        deviations=_deviations(one, prepared, rounds),
        first_divergence=first,
        notes=_notes(one, rounds, repeats, repeated),
        workspace=str(one.workspace.root) if wishes.keep else None,
    )


def _deviations(one: Replaying, prepared: Prepared, rounds: list[Round]) -> tuple[Deviation, ...]:
    from replay.execute.determinism import deviations

    machine = deviations(one.recipe.machine, one.host, one.recipe.profile)
    return (*machine, *prepared.deviations, *one.config_deviations(rounds))


def _notes(one: Replaying, rounds: list[Round], repeats: list[Repeat], repeated: list[Comparison]) -> tuple[str, ...]:
    notes = [f"A copy that is damaged was left aside: {finding}" for finding in one.record.findings]
    notes += [_absent(path, why, one, rounds) for path, why in sorted(one.record.absent.items())]
    notes += [
        f"{tombstone}; a copy was still to be had, and was used"
        for path, tombstone in sorted(one.told.items())
        if path in one.record.files and not tombstone.recomputable
    ]
    notes += [f"{path}: the record is damaged ({why})" for path, why in sorted(one.record.damaged.items())]
    notes += [note for done in (*rounds, *(r.round for r in repeats)) for note in done.notes]
    unsteady = sorted({f"{c.step} {c.path}" for c in repeated if c.match.value == "different"})
    if repeats:
        notes.append(
            f"{len(repeats)} unchanged further runs: "
            + (f"they differ from the first in {', '.join(unsteady)}" if unsteady else "each like the first")
        )
    return tuple(dict.fromkeys(notes))


def _absent(path: str, why: str, one: Replaying, rounds: list[Round]) -> str:
    """Why recorded bytes were not to be had; of what was dropped to be recomputed, what came of that."""
    tombstone = one.told.get(path)
    if tombstone is None:
        return f"{path}: its recorded bytes are not to be had ({why})"
    if not tombstone.recomputable:
        return f"{tombstone}; only its digests are left"
    found = {c.match for done in rounds for c in done.comparisons if c.path == path}
    if found == {Match.IDENTICAL}:
        return f"{tombstone}; it was recomputed, and its digests are the recorded ones"
    came = ", ".join(sorted(match.value for match in found)) or "was not made"
    return f"{tombstone}; it was recomputed, and is not what was recorded: {came}"


def keep_result(result: ReplayResult, recipe: Recipe, session: Session, wishes: Wishes) -> ReplayResult:
    """Write result and report, and record the replay in the lineage and the journal."""
    from replay.report.machine import to_json

    folder = session.store.root / "replays" / result.replay_id
    fsops.make_dir(folder)
    result = msgspec.structs.replace(
        result, report=str(folder / "report.html") if session.settings.report.html else None
    )
    html = _html(result, recipe) if session.settings.report.html else None
    folders = [folder] + ([wishes.report] if wishes.report else [])
    for place in folders:
        fsops.make_dir(place)
        _write_logs(result, place)
        fsops.write_bytes(place / "result.json", to_json(result))
        fsops.write_bytes(place / "recipe.json", _encoded(recipe))
        if html is not None:
            fsops.write_bytes(place / "report.html", html)
    _remember(result, recipe, session, wishes)
    return result


def _encoded(recipe: Recipe) -> bytes:
    from replay.recipe_file import encode

    return encode(recipe)


def _html(result: ReplayResult, recipe: Recipe) -> bytes:
    from replay.report.html import render_html

    return render_html(result, recipe).encode()


def _write_logs(result: ReplayResult, place: Path) -> None:
    for execution in result.executions:
        source = Path(execution.log_path) if execution.log_path else None
        if source is not None and source.is_file():
            fsops.make_dir(place / "logs")
            fsops.copy_file(source, place / "logs" / source.name, durable=False)


def _remember(result: ReplayResult, recipe: Recipe, session: Session, wishes: Wishes) -> None:
    attrs = {
        "verdict": result.verdict.value,
        "reason": result.reason,
        "recipe": result.recipe_id,
        "started": result.started,
        "mode": result.mode.value,
        "certificate": wishes.certify,
        "matches": matches_of(result.comparisons),
    }
    who = agent_node(session.asker.user, session.asker.basis)
    action = Node(
        kind=Kind.ACTION,
        type="replay",
        identity={"action": result.replay_id.removeprefix("rp_")},
        name=f"replay of {result.model_id}",
        attrs=attrs,
    )
    edges = [Edge(source=action.uid, type=EdgeType.ACTED_BY, target=who.uid)]
    edges += [Edge(source=action.uid, type=EdgeType.REPLAYS, target=uid) for uid in _own_version(recipe, session)]
    session.store.append([action, who], edges)
    session.store.note(
        "replay", replay=result.replay_id, model=result.model_id, recipe=result.recipe_id, verdict=result.verdict.value
    )


def matches_of(comparisons: Iterable[Comparison]) -> dict[str, list[str]]:
    """Match → outputs, each at the worst that was found of it; undeclared files are none."""
    worst: dict[str, Match] = {}
    for comparison in comparisons:
        if comparison.match is not Match.UNEXPECTED:
            known = worst.get(comparison.path, Match.IDENTICAL)
            worst[comparison.path] = max(known, comparison.match, key=_GRAVITY.index)
    return {match.value: sorted(p for p, m in worst.items() if m is match) for match in sorted(set(worst.values()))}


def _own_version(recipe: Recipe, session: Session) -> list[str]:
    """The model version's node, when this store recorded it."""
    return [row.uid for row in session.store.models(recipe.name) if row.version == recipe.version]
