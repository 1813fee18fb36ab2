"""What `replay store` says, and when it says what it is at."""

import pytest

from replay.cli.progress import Patient
from replay.cli.store_words import counted, plural, size


class Told:
    def __init__(self) -> None:
        self.said: list[tuple[str, ...]] = []

    def started(self, task: str, total: int | None = None) -> None:
        self.said.append(("started", task))

    def advanced(self, task: str, note: str = "", amount: int = 0) -> None:
        self.said.append(("advanced", task, note))

    def finished(self, task: str, note: str = "") -> None:
        self.said.append(("finished", task, note))


def test_what_is_quick_needs_no_words():
    told = Told()
    patient = Patient(told, seconds=1000)
    for task in ("one", "two"):
        patient.started(task)
        patient.advanced(task, "half")
        patient.finished(task, "all")
    assert told.said == []


def test_what_goes_on_for_long_is_told_from_its_beginning():
    told = Told()
    patient = Patient(told, seconds=0)
    patient.started("one")
    patient.advanced("one", "half")
    patient.finished("one", "all")
    assert told.said == [("started", "one"), ("advanced", "one", "half"), ("finished", "one", "all")]


def test_a_task_that_began_before_is_told_when_it_goes_on():
    told = Told()
    patient = Patient(told, seconds=1000)
    patient.started("quick")
    patient.finished("quick")
    patient.started("long")
    patient._due = 0
    patient.advanced("long", "half")
    patient.finished("long")
    assert told.said == [("started", "long"), ("advanced", "long", "half"), ("finished", "long", "")]


def test_rows_are_counted_in_words():
    rows = {"meta": 3, "blobs": 0, "nodes": 1, "transactions": 12345}
    assert counted(rows) == "12,345 transactions, 1 node, 0 blobs"


@pytest.mark.parametrize(("number", "text"), [(0, "0 roots"), (1, "1 root"), (1000, "1,000 roots")])
def test_one_or_many(number, text):
    assert plural(number, "root") == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536 << 20, "1.5 GiB"), (3 << 40, "3.0 TiB")]
)
def test_bytes_for_people(count, text):
    assert size(count) == text
