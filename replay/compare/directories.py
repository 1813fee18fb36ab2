"""Directories, file by file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from replay.compare.reading import shown
from replay.errors import CompareError
from replay.outcome import Finding, Match, Measure
from replay.recipe import Judgement

FILES = 1_000_000
_ORDER = (Match.IDENTICAL, Match.EQUIVALENT, Match.DIFFERENT)
CompareFile = Callable[[Path, Path, str, Judgement], Finding]


def compare_directories(recorded: Path, replayed: Path, judgement: Judgement, compare_file: CompareFile) -> Finding:
    """Compare every file of two directories; the worst match is that of the directory.

    Empty directories do not count. A link, FIFO or device in the replay is ``different``, and is not opened.

    Args:
        recorded: The directory on record.
        replayed: The replayed one.
        judgement: How each file is judged.
        compare_file: Compares two files, given also the member's path.

    Raises:
        CompareError: The recorded directory holds something else than files, or cannot be read.
    """
    (ours, odd), (theirs, strange) = _files(recorded), _files(replayed)
    if odd:
        raise CompareError(f"the recorded directory holds {shown(odd[0], 200)}, which is no regular file")
    missing, extra = sorted(ours - theirs), sorted(theirs - ours)
    found = [(name, compare_file(recorded / name, replayed / name, name, judgement)) for name in sorted(ours & theirs)]
    problems = [(missing, "missing"), (extra, "not in the record"), (strange, "no regular file")]
    lost = [f"{shown(name, 200)}: {word}" for names, word in problems for name in names]
    worst = max((finding.match for _, finding in found), key=_ORDER.index, default=Match.IDENTICAL)
    touched = [(name, finding) for name, finding in found if finding.match is not Match.IDENTICAL]
    lead = next(((n, f) for n, f in touched if f.match is worst), None)
    parts = [f"{len(names):,} {word}" for names, word in problems if names]
    text = (
        f"{len(touched):,} of {len(ours):,} files differ in their bytes"
        if touched
        else f"{len(found):,} files identical"
    )
    text = ", ".join([text, *parts])
    if lead:
        text += f"; {shown(lead[0], 200)}: {lead[1].summary}"
    counts = [Measure(name=f"files {word}", value=str(len(names))) for names, word in problems if names]
    firsts = [f"{shown(n, 200)}: {f.first or f.summary}" for n, f in touched if f.match is worst]
    return Finding(
        match=Match.DIFFERENT if lost else worst,
        comparator=judgement.comparator,
        summary=text,
        first=next(iter([*lost, *firsts] if worst is not Match.DIFFERENT else [*firsts, *lost]), ""),
        measures=(
            Measure(name="files compared", value=str(len(found))),
            Measure(name="files differing", value=str(len(touched))),
            *counts,
            *(lead[1].measures if lead else ()),
        ),
    )


def _files(root: Path) -> tuple[set[str], list[str]]:
    """Relative paths of the regular files, and of everything else that is no directory; links are not followed."""
    regular: set[str] = set()
    odd: list[str] = []
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    path = f"{folder}{entry.name}"
                    mode = entry.stat(follow_symlinks=False).st_mode
                    if stat.S_ISDIR(mode):
                        pending.append(f"{path}/")
                    elif stat.S_ISREG(mode):
                        regular.add(path)
                    else:
                        odd.append(path)
        except OSError as error:
            raise CompareError(f"{shown(root / folder, 200)} could not be read: {error}") from error
        if len(regular) > FILES:
            raise CompareError(f"{shown(root, 200)}: got more than {FILES:,} files")
    return regular, sorted(odd)
