"""The words and marks of the reports: every state is a symbol and a word, so that colour is never needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from replay.outcome import Ending, Match, ReplayResult, Verdict
from replay.recipe import Grade


class Badge(msgspec.Struct, frozen=True):
    """How one state is shown: a symbol, the same in ASCII, a word, and the tone that picks its colour."""

    symbol: str
    plain: str
    word: str
    tone: str
    """``ok``, ``near``, ``bad``, ``warn`` or ``dim``."""


STYLES = {"ok": "bold green", "near": "bold cyan", "bad": "bold red", "warn": "bold yellow", "dim": "bold"}
"""Terminal style of each tone; ``dim`` is not dimmed, since faint text is unreadable on many terminals."""

VERDICTS = {
    Verdict.REPRODUCED: Badge("✓", "[ok]", "reproduced", "ok"),
    Verdict.DIVERGED: Badge("✗", "[x]", "diverged", "bad"),
    Verdict.NOT_SELF_REPRODUCIBLE: Badge("↯", "[~]", "not self-reproducible", "warn"),
    Verdict.NOT_REPLAYABLE: Badge("∅", "[-]", "not replayable", "bad"),
    Verdict.FAILED: Badge("!", "[!]", "failed", "bad"),
    Verdict.INCONCLUSIVE: Badge("?", "[?]", "inconclusive", "warn"),
}

STATUSES = {
    "approved": Badge("✓", "[ok]", "approved", "ok"),
    "rejected": Badge("✗", "[x]", "rejected", "bad"),
}
"""What people decided about a model version; other statuses are shown as they were written."""

MATCHES = {
    Match.IDENTICAL: Badge("=", "=", "identical", "ok"),
    Match.EQUIVALENT: Badge("≈", "~", "equivalent", "near"),
    Match.DIFFERENT: Badge("≠", "!=", "different", "bad"),
    Match.MISSING: Badge("∅", "-", "missing", "bad"),
    Match.UNEXPECTED: Badge("+", "+", "unexpected", "warn"),
    Match.UNCOMPARED: Badge("?", "?", "uncompared", "dim"),
}

ENDINGS = {
    Ending.SUCCEEDED: Badge("✓", "ok", "succeeded", "ok"),
    Ending.EXITED: Badge("!", "!", "exited", "bad"),
    Ending.OUT_OF_MEMORY: Badge("!", "!", "out of memory", "bad"),
    Ending.TIMED_OUT: Badge("!", "!", "timed out", "bad"),
    Ending.SIGNALLED: Badge("!", "!", "killed by a signal", "bad"),
    Ending.INTERRUPTED: Badge("!", "!", "interrupted", "bad"),
}

NOT_RUN = Badge("·", ".", "not run", "dim")
RAN = Badge("?", "?", "ran, nothing compared", "dim")

CLAIMS = {
    Verdict.REPRODUCED: (
        "Run again from its frozen recipe, every judged output came out byte for byte as recorded, or equal within the "
        "tolerance that was sealed in the recipe before this run.",
        "That the model is correct, fair or fit for its use; that outputs shown as volatile or uncompared reproduce; "
        "that a machine which restores fewer of the recorded facets gives the same bytes.",
    ),
    Verdict.DIVERGED: (
        "Run again from its frozen recipe, at least one judged output came out different, and unchanged replays agree "
        "with each other: the record and this replay are two different results.",
        "That the recorded model is wrong. The difference can come from the code, the data, the environment or the "
        "machine; the first output that differs tells where to look.",
    ),
    Verdict.NOT_SELF_REPRODUCIBLE: (
        "Two unchanged replays of this recipe on this machine differ from each other, so the workflow does not "
        "determine its own result.",
        "That anything changed since the record was made. Until the randomness is pinned, no replay can confirm or "
        "refute this record.",
    ),
    Verdict.NOT_REPLAYABLE: (
        "Evidence that the recipe needs is missing, or its bytes are no longer the recorded ones. Nothing is concluded "
        "about the model's outputs.",
        "That the model could not be made again in other ways; only that this record alone no longer suffices.",
    ),
    Verdict.FAILED: (
        "The workflow itself failed when it was run again from its frozen recipe.",
        "That its outputs would differ: what had not been made could not be compared.",
    ),
    Verdict.INCONCLUSIVE: (
        "The workflow ran, and no output could be compared with its record.",
        "Anything about the outputs. Nothing compared is never counted as success.",
    ),
}
"""For each verdict: what it says, and what it does not say."""


GRADES = {
    Grade.A: "everything is pinned and hashed",
    Grade.B: "the environment must be rebuilt",
    Grade.C: "code and data only",
    Grade.D: "not replayable",
}


def plural(count: int, noun: str) -> str:
    """``1 step``, ``2 steps``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def size(count: int) -> str:
    """A number of bytes for people, in binary units: ``1.5 MiB``."""
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(value) < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{count:,} B" if unit == "B" else f"{value:,.1f} {unit}"


def duration(seconds: float) -> str:
    """A duration for people: ``0.42 s``, ``12.3 s``, ``3 min 5 s``, ``2 h 4 min``."""
    if not seconds < 60:  # also NaN
        if seconds != seconds or seconds == float("inf"):
            return "unknown"
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"


def utc(text: str) -> str:
    """An ISO 8601 time as ``2026-03-01 10:20:30 UTC``; what is no time is shown as it is, nothing as ``unknown``."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text or "unknown"
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def command_text(command: Sequence[str]) -> str:
    """A command as one would type it; the shell that DVC puts around a stage's command is taken off."""
    import shlex

    if len(command) == 3 and tuple(command[:2]) == ("/bin/sh", "-c"):
        return command[2]
    return shlex.join(command)


def next_command(result: ReplayResult) -> tuple[str, str]:
    """What to try next after a verdict: why, and the command line."""
    model = result.model_id
    bad = next((e.step for e in result.executions if e.ending is not Ending.SUCCEEDED), None)
    first = result.first_divergence
    if result.verdict is Verdict.REPRODUCED:
        if result.mode == "isolated":
            return "run the whole chain end to end", f"replay {model} --chained"
        return "see everything the recipe pins", f"replay show {model}"
    if result.verdict is Verdict.FAILED:
        return "run from the failing step and keep its workspace", _from_step(model, bad)
    if result.verdict is Verdict.DIVERGED:
        return "run from the first step that differs and keep its workspace", _from_step(
            model, first.step if first else None
        )
    if result.verdict is Verdict.NOT_SELF_REPRODUCIBLE:
        return "measure how far unchanged runs lie apart", f"replay {model} --repeat 5"
    return "see what is missing, and what follows from it", f"replay {model} --plan"


def _from_step(model: str, step: str | None) -> str:
    import shlex

    return f"replay {model} --from-step {shlex.quote(step)} --keep" if step else f"replay {model} --keep"
