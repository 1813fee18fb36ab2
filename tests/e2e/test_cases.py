"""Runs every folder of ``cases/``: a tiny project and what is expected of recording and replaying it.

``tests/README.md`` says how a case is written.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from tests_support.project import NO_ARCHIVE, Project

pytestmark = pytest.mark.docker
CASES = Path(__file__).parent / "cases"


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A typing error in a case is an error."""


class Expected(_Part, frozen=True, kw_only=True):
    """One command line and what must come of it."""

    args: tuple[str, ...] = ()
    exit: int = 0
    variables: dict[str, str] = {}
    says: tuple[str, ...] = ()
    """Texts that must stand on stdout or stderr."""
    silent: tuple[str, ...] = ()
    """Texts that must stand on neither."""


class Record(Expected, frozen=True, kw_only=True):
    """``replay record --json ARGS``."""

    grade: str | None = None
    gaps: tuple[str, ...] | None = None
    """Items of the gaps that must be listed, among others."""
    undeclared: tuple[str, ...] | None = None
    archive: bool = False
    """Keep the image in the store, as is the default for users."""


class First(_Part, frozen=True, kw_only=True):
    """The first divergence."""

    step: str
    path: str


class Replay(Expected, frozen=True, kw_only=True):
    """``replay run --json ARGS``; exits with 0 unless something else is said."""

    verdict: str
    matches: dict[str, str] = {}
    """Path → match in every mode; ``PATH (chained)`` → match in that mode."""
    first: First | None = None
    endings: dict[str, str] = {}
    """Step → how each of its executions ended."""


class Variant(_Part, frozen=True, kw_only=True):
    """A recipe with recorded outputs that is run from other code, data or packages; see `Project.variant`."""

    of: str
    file: str
    environment_of: str | None = None
    commands: dict[str, str] = {}


class Action(_Part, frozen=True, kw_only=True):
    """One thing to do; exactly one field is set."""

    record: Record | None = None
    replay: Replay | None = None
    cli: Expected | None = None
    write: dict[str, str] | None = None
    shell: str | None = None
    commit: str | None = None
    variant: Variant | None = None


class Case(_Part, frozen=True, kw_only=True):
    """The whole of ``case.yaml``."""

    title: str
    why: str
    dvc: bool = False
    track: tuple[str, ...] = ()
    """Data that DVC tracks."""
    directory: str = ""
    """The workflow lies there in the repository."""
    lock: bool = False
    """The project gets ``library.lock``, which such cases share so that its image is made once."""
    actions: tuple[Action, ...]


@pytest.mark.parametrize("name", sorted(path.parent.name for path in CASES.glob("*/case.yaml")))
def test_case(name: str, project: Project) -> None:
    case = msgspec.convert(yaml.safe_load((CASES / name / "case.yaml").read_text()), Case)
    project.directory = project.root / case.directory
    shutil.copytree(CASES / name / "workflow", project.directory, dirs_exist_ok=True)
    if case.lock:
        shutil.copyfile(CASES / "library.lock", project.directory / "requirements.lock")
    if case.dvc:
        project.init_dvc(case.track)
    project.commit(case.title)
    assert case.actions, "a case without actions shows nothing"
    for number, action in enumerate(case.actions, start=1):
        (kind,) = [field for field in action.__struct_fields__ if getattr(action, field) is not None]
        with _told(f"{name}: action {number}, {kind}"):
            _DO[kind](project, getattr(action, kind))


def _record(project: Project, expected: Record) -> None:
    extra = () if expected.archive else NO_ARCHIVE
    done = project.replay("record", "--json", *extra, *expected.args, variables=expected.variables)
    _check_words(expected, done.code, done.stdout + done.stderr)
    if expected.exit != 0:
        assert done.stdout == "", "a failed record writes no JSON"
        return
    told = done.json()
    if expected.grade is not None:
        assert told["grade"] == expected.grade
    if expected.gaps is not None:
        assert set(expected.gaps) <= {gap["item"] for gap in told["gaps"]}, told["gaps"]
    if expected.undeclared is not None:
        assert tuple(told["undeclared"]) == expected.undeclared


def _replay(project: Project, expected: Replay) -> None:
    done = project.replay("run", "--json", *expected.args, variables=expected.variables)
    _check_words(expected, done.code, done.stdout + done.stderr)
    result = done.json()
    assert result["verdict"] == expected.verdict, result["reason"]
    for key, match in expected.matches.items():
        assert _matches(result, key) == {match}, f"{key}: {_findings(result)}"
    first = result.get("first_divergence")
    if expected.first is None:
        assert first is None or expected.verdict != "reproduced"
    else:
        assert first is not None
        assert (first["step"], first["path"]) == (expected.first.step, expected.first.path), _findings(result)
    for step, ending in expected.endings.items():
        assert {e["ending"] for e in result["executions"] if e["step"] == step} == {ending}, result["executions"]


def _matches(result: dict[str, Any], key: str) -> set[str]:
    path, _, mode = key.partition(" (")
    return {
        c["finding"]["match"]
        for c in result["comparisons"]
        if c["path"] == path and mode.rstrip(")") in ("", c["mode"])
    }


def _findings(result: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    return [(c["path"], c["mode"], c["finding"]["match"], c["finding"]["summary"]) for c in result["comparisons"]]


def _cli(project: Project, expected: Expected) -> None:
    done = project.replay(*expected.args, variables=expected.variables)
    _check_words(expected, done.code, done.stdout + done.stderr)


def _check_words(expected: Expected, code: int, text: str) -> None:
    assert code == expected.exit, f"got exit code {code}, expected {expected.exit}:\n{text}"
    for words in expected.says:
        assert words in text, f"{words!r} is not in\n{text}"
    for words in expected.silent:
        assert words not in text, f"{words!r} is in\n{text}"


def _variant(project: Project, wanted: Variant) -> None:
    project.variant(wanted.of, wanted.file, environment=wanted.environment_of, commands=wanted.commands)


class _told:  # noqa: N801  # reads like a word of the loop above
    """Names the action that went wrong."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            error.add_note(self._place)


_DO: dict[str, Any] = {
    "record": _record,
    "replay": _replay,
    "cli": _cli,
    "write": Project.write,
    "shell": lambda project, command: project.run("sh", "-ec", command),
    "commit": Project.commit,
    "variant": _variant,
}
