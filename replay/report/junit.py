"""JUnit XML, the one format that every CI system reads: one test case per recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from replay.outcome import Verdict
from replay.report.clean import clean, tail
from replay.report.words import VERDICTS
from replay.store import fsops

if TYPE_CHECKING:
    from junitparser import Error, Failure, TestCase


class CheckRow(msgspec.Struct, frozen=True, kw_only=True):
    """What checking one recipe gave: a verdict, or the error that stood in its way."""

    recipe: str
    """Path of the recipe file, as it was named."""
    model_id: str = ""
    verdict: Verdict | None = None
    """``None`` when an error prevented one."""
    reason: str = ""
    """The verdict's reason, or the error's message."""
    hint: str = ""
    seconds: float = 0.0
    report: str | None = None
    log: str = ""
    """Last lines of the failing step."""

    @property
    def passed(self) -> bool:
        """Whether the recipe reproduced; nothing else passes."""
        return self.verdict is Verdict.REPRODUCED


def to_junit(results: Sequence[CheckRow], path: Path) -> None:
    """Write ``path``: a *failure* for each verdict but ``reproduced``, an *error* where there is no verdict."""
    from junitparser import JUnitXml, TestSuite

    suite = TestSuite("replay")
    for row in results:
        suite.add_testcase(_case(row))
    document: Any = JUnitXml()
    document.add_testsuite(suite)
    document.update_statistics()
    fsops.write_bytes(path, document.tostring())


def _case(row: CheckRow) -> TestCase:
    from junitparser import TestCase

    case = TestCase(clean(row.model_id or row.recipe), "replay.check", max(0.0, row.seconds))
    if row.passed:
        case.system_out = clean(f"{row.recipe}: {row.reason}")
        return case
    case.result = [_problem(row)]
    if row.log:
        case.system_err = tail(row.log, 200)
    return case


def _problem(row: CheckRow) -> Error | Failure:
    from junitparser import Error, Failure

    reason = clean(row.reason)
    problem: Error | Failure = Error(reason, "error")
    if row.verdict:
        problem = Failure(f"{VERDICTS[row.verdict].word}: {reason}", row.verdict.value)
    parts = (row.recipe, row.reason, row.hint, f"report: {row.report}" if row.report else "")
    problem.text = "\n".join(clean(part) for part in parts if part)
    return problem
