"""One output of a step against its record: presence, kind, digests, then content."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from replay.compare.interface import Comparator
from replay.compare.reading import shown
from replay.errors import CompareError
from replay.judgement import comparator_of
from replay.outcome import Comparison, Finding, Match, Mode
from replay.recipe import Judgement, Output, OutputRole, PathKind

if TYPE_CHECKING:
    from replay.store.hashing import Described

COMPARATORS = {
    "bytes": "exact:BytesComparator",
    "text": "text:TextComparator",
    "metrics": "metrics:MetricsComparator",
    "table": "tables:TableComparator",
    "array": "arrays:ArrayComparator",
    "image": "images:ImageComparator",
}
"""Every comparator by the name that a recipe uses, as ``module:class`` of this package; loaded when needed."""
PRESENCE = "presence"
"""Comparator of findings that no content was needed for."""


def comparator(name: str) -> Comparator:
    """The comparator called ``name``.

    Raises:
        CompareError: There is none.
    """
    if name not in COMPARATORS:
        raise CompareError(
            f"got the comparator {shown(name)!r}, expected one of {', '.join(COMPARATORS)}",
            hint="a newer release of replay may know it",
        )
    module, _, cls = COMPARATORS[name].partition(":")
    found = getattr(importlib.import_module(f"replay.compare.{module}"), cls)()
    assert isinstance(found, Comparator)
    return found


def default_judgement(path: str, role: OutputRole, kind: PathKind) -> Judgement:
    """How an output is judged when the project says nothing: bit for bit, whatever it is."""
    return Judgement(comparator="bytes")


def measure(recorded: Path, replayed: Path, path: str) -> Finding | None:
    """The semantic size of a difference, by the suffix of ``path``; it never decides a match.

    Returns:
        ``None`` when no comparator understands the suffix, or the recorded file is not what its suffix says.
    """
    name = comparator_of(path)
    if name is None:
        return None
    try:
        return comparator(name).compare(recorded, replayed, Judgement(comparator=name))
    except CompareError:
        return None


def compare_content(recorded: Path, replayed: Path, path: str, judgement: Judgement) -> Finding:
    """Compare two files, or two directories file by file.

    In a directory a semantic comparator judges the files that have its suffix; all others are compared bit for bit.

    Raises:
        CompareError: The recorded content cannot be read.
    """
    if recorded.is_dir():
        from replay.compare.directories import compare_directories

        return compare_directories(recorded, replayed, judgement, _compare_member)
    finding = comparator(judgement.comparator).compare(recorded, replayed, judgement)
    if judgement.comparator != "bytes" or finding.match is not Match.DIFFERENT:
        return finding
    size = measure(recorded, replayed, path)
    if size is None:
        return finding
    return msgspec.structs.replace(
        finding,
        summary=f"{size.summary} ({finding.summary})",
        first=size.first or finding.first,
        measures=(*size.measures, *finding.measures),
    )


def _compare_member(recorded: Path, replayed: Path, name: str, judgement: Judgement) -> Finding:
    fits = comparator_of(name) == judgement.comparator
    return compare_content(recorded, replayed, name, judgement if fits else Judgement(comparator="bytes"))


def compare_output(
    step: str,
    output: Output,
    recorded: Path | None,
    replayed: Path | None,
    described: Described | None,
    problem: str | None,
    mode: Mode,
) -> Comparison:
    """Judge one replayed output.

    Args:
        step: Name of the step.
        output: The record of the output, with its judgement.
        recorded: Where the recorded bytes lie, or ``None`` when only their digests were kept.
        replayed: Where the replayed bytes lie, or ``None`` when there are none.
        described: Digests of the replayed bytes, taken when they were collected; required with ``replayed``.
        problem: Why the path could not be collected (a link, a FIFO, too large …), or ``None``.
        mode: Which inputs the step was given.

    Raises:
        CompareError: The recorded bytes cannot be read, or ``described`` is missing.
        DigestMismatchError: The recorded bytes no longer are what was recorded.
    """
    finding = _find(output, recorded, replayed, described, problem)
    return Comparison(
        step=step,
        path=output.artifact.path,
        mode=mode,
        finding=finding,
        volatile=output.judgement.volatile,
        recorded=output.artifact.digests,
        replayed=described.digests if described else None,
        recorded_path=str(recorded) if recorded else None,
        replayed_path=str(replayed) if replayed else None,
    )


def _find(
    output: Output, recorded: Path | None, replayed: Path | None, described: Described | None, problem: str | None
) -> Finding:
    artifact, judgement = output.artifact, output.judgement
    if problem or replayed is None:
        return _presence(Match.MISSING, f"declared, and not there: {shown(problem or 'nothing lies at its path', 300)}")
    if described is None:
        raise CompareError(f"{artifact.path}: got replayed bytes without digests, expected both")
    if described.kind is not artifact.kind:
        return _presence(Match.DIFFERENT, f"got a {described.kind}, recorded a {artifact.kind}")
    if described.digests == artifact.digests:
        return Finding(
            match=Match.IDENTICAL,
            comparator=judgement.comparator,
            summary=f"{artifact.size:,} bytes, all digests equal",
        )
    if recorded is None:
        return _unkept(judgement)
    from replay.store.hashing import verify

    verify(recorded, artifact)
    finding = compare_content(recorded, replayed, artifact.path, judgement)
    if finding.match is Match.IDENTICAL:
        raise CompareError(
            f"{artifact.path}: the bytes are equal, the digests are not", hint="the digests of the replay are wrong"
        )
    return finding


def _unkept(judgement: Judgement) -> Finding:
    if judgement.comparator == "bytes":
        return Finding(
            match=Match.DIFFERENT,
            comparator="bytes",
            summary="digests differ; the recorded content was not kept, so the size of the difference is unknown",
        )
    return _presence(
        Match.UNCOMPARED, f"digests differ and the recorded content, which {judgement.comparator!r} needs, was not kept"
    )


def compare_repeats(
    step: str,
    output: Output,
    first: tuple[Path, Described] | None,
    second: tuple[Path, Described] | None,
    mode: Mode,
) -> Comparison:
    """A/A: the same output of two unchanged replays, judged as against the record; ``None`` where a replay lacks it.

    Raises:
        CompareError: The first replay's bytes cannot be read, for instance when they are no such format.
    """
    if first is None or second is None:
        both = first is None and second is None
        text = (
            "missing in both replays"
            if both
            else f"missing in the {'first' if first is None else 'second'} replay only"
        )
        finding = _presence(Match.IDENTICAL if both else Match.DIFFERENT, text)
    else:
        finding = _repeat(output, first, second)
    return Comparison(
        step=step,
        path=output.artifact.path,
        mode=mode,
        finding=finding,
        volatile=output.judgement.volatile,
        recorded=first[1].digests if first else None,
        replayed=second[1].digests if second else None,
        recorded_path=str(first[0]) if first else None,
        replayed_path=str(second[0]) if second else None,
    )


def _repeat(output: Output, first: tuple[Path, Described], second: tuple[Path, Described]) -> Finding:
    judgement = output.judgement
    if first[1].digests == second[1].digests:
        return Finding(match=Match.IDENTICAL, comparator=judgement.comparator, summary="all digests equal")
    if first[1].kind is not second[1].kind:
        return _presence(Match.DIFFERENT, f"got a {second[1].kind}, the first replay a {first[1].kind}")
    try:
        return compare_content(first[0], second[0], output.artifact.path, judgement)
    except CompareError:
        if judgement.comparator == "bytes":
            raise
        # The first replay's file is untrusted too; when it is no such format, only its bytes can speak.
        return compare_content(first[0], second[0], output.artifact.path, Judgement(comparator="bytes"))


def unexpected(step: str, path: str, described: Described | None, mode: Mode) -> Comparison:
    """A file that the step wrote and did not declare: shown, and no reason for or against a verdict."""
    return Comparison(
        step=step,
        path=path,
        mode=mode,
        finding=_presence(Match.UNEXPECTED, "written, and not declared as an output"),
        replayed=described.digests if described else None,
    )


def _presence(match: Match, summary: str) -> Finding:
    return Finding(match=match, comparator=PRESENCE, summary=summary)
