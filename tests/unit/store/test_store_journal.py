from __future__ import annotations

import json
from pathlib import Path

import pytest

from replay.errors import UsageError
from replay.identity import canonical_json, sha256_hex
from replay.store.journal import RECOVERED, Journal


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "journal.jsonl")
    for number in range(3):
        journal.append("recorded", object=f"run-{number}", size=number)
    return journal


def places(journal: Journal) -> list[str]:
    return [finding.place for finding in journal.verify()]


def test_records_are_chained_as_documented(journal: Journal) -> None:
    lines = journal.path.read_bytes().splitlines()
    prev = "0" * 64
    for seq, line in enumerate(lines, start=1):
        record = json.loads(line)
        own = record.pop("hash")
        assert own == sha256_hex(canonical_json(record))
        assert (record["seq"], record["prev"], record["action"]) == (seq, prev, "recorded")
        assert record["time"].endswith("+00:00")
        prev = sha256_hex(line)
    assert [r.fields["object"] for r in journal.records()] == ["run-0", "run-1", "run-2"]
    assert journal.verify() == []


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    assert (journal.verify(), journal.records()) == ([], [])
    journal.path.touch()
    assert journal.verify() == []
    assert journal.append("first").seq == 1


def test_floats_are_refused_before_anything_is_written(journal: Journal) -> None:
    before = journal.path.read_bytes()
    with pytest.raises(UsageError, match="float"):
        journal.append("recorded", seconds=1.5)
    assert journal.path.read_bytes() == before


def test_every_flipped_bit_is_noticed(journal: Journal) -> None:
    good = journal.path.read_bytes()
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1 << position % 8
        journal.path.write_bytes(bad)
        assert journal.verify(), f"byte {position}"


def test_a_bad_record_is_named_and_the_others_are_still_checked(journal: Journal) -> None:
    for number in range(3, 8):
        journal.append("recorded", object=f"run-{number}")
    lines = journal.path.read_bytes().splitlines()
    lines[1] = lines[1].replace(b"run-1", b"run-X")
    lines[4] = b"no json"
    journal.path.write_bytes(b"\n".join(lines) + b"\n")
    assert places(journal) == [
        "journal line 2",  # its own hash
        "journal line 3",  # what it binds
        "journal line 5",
        "journal line 6",  # prev
        "journal line 6",  # seq
    ]


def test_equal_bad_lines_are_all_named(journal: Journal) -> None:
    with journal.path.open("ab") as file:
        file.write(b"no json\n" * 2)
    assert places(journal) == ["journal line 4", "journal line 5"]
    journal.append("recorded", object="after")
    assert places(journal)[:2] == ["journal line 4", "journal line 5"]


def test_the_ends_of_the_journal_are_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    assert journal.ends() is None
    journal.path.touch()
    assert journal.ends() is None
    first = journal.append("recorded")
    assert journal.ends() == (first, first)
    second = journal.append("recorded")
    with journal.path.open("ab") as file:
        file.write(b"torn")
    assert journal.ends() == (first, second)
    journal.path.write_bytes(b"no json\n" + journal.path.read_bytes())
    assert journal.ends() == (first, second)


def test_another_spelling_is_noticed(journal: Journal) -> None:
    journal.path.write_bytes(journal.path.read_bytes()[:-2] + b" }\n")
    assert places(journal) == ["journal line 3"]


def test_a_removed_or_moved_line_is_noticed(journal: Journal) -> None:
    lines = journal.path.read_bytes().splitlines(keepends=True)
    for order in ([0, 2], [1, 2], [1, 0, 2], [0, 1, 1, 2]):
        journal.path.write_bytes(b"".join(lines[i] for i in order))
        assert journal.verify(), order


def test_a_torn_last_line_is_named_and_survived_at_every_byte(journal: Journal) -> None:
    whole = journal.path.read_bytes()
    start = whole.rstrip(b"\n").rindex(b"\n") + 1
    for end in range(start + 1, len(whole)):
        journal.path.write_bytes(whole[:end])
        (finding,) = journal.verify()
        assert finding.place == "journal line 3"
        assert "append" in finding.problem
        journal.append("recorded", object="after")
        assert journal.verify() == []
        assert journal.path.read_bytes().startswith(whole[:end]), "nothing was deleted"
        actions = [record.action for record in journal.records()]
        complete = end == len(whole) - 1
        assert actions == ["recorded"] * (4 if complete else 2) + ([] if complete else [RECOVERED, "recorded"])


def test_a_recovery_that_is_torn_is_survived_too(journal: Journal) -> None:
    journal.path.write_bytes(journal.path.read_bytes()[:-20])
    before = journal.path.stat().st_size
    journal.append("recorded", object="after")
    recovered = journal.path.read_bytes()
    for end in (before + 2, before + 50):
        journal.path.write_bytes(recovered[:end])
        assert places(journal) == ["journal line 3", "journal line 4"]
        journal.append("recorded", object="again")
        assert journal.verify() == []


def test_a_set_aside_line_is_still_bound(journal: Journal) -> None:
    journal.path.write_bytes(journal.path.read_bytes()[:-20])
    journal.append("recorded", object="after")
    lines = journal.path.read_bytes().splitlines()
    lines[2] = lines[2].replace(b"run-2", b"run-X")
    journal.path.write_bytes(b"\n".join(lines) + b"\n")
    assert "journal line 3" in places(journal)


def test_a_broken_complete_line_is_not_explained_away(journal: Journal) -> None:
    journal.path.write_bytes(journal.path.read_bytes().replace(b'"seq":3', b'"seq";3'))
    journal.append("recorded", object="after")
    assert places(journal) == ["journal line 3"]


def test_long_lines_are_read_backwards(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    for number, size in enumerate([70_000, 10, 65_536, 200_000, 1], start=1):
        assert journal.append("recorded", text="x" * size).seq == number
    assert journal.verify() == []
