"""What `replay verify` says besides its findings: how much was checked, and the root that came out."""

from __future__ import annotations

import pytest
from tests_support.stores import build, set_alias, tamper

from replay import merkle
from replay.errors import UsageError
from replay.progress import Silent
from replay.store.audit import Audit, Kept, audit, is_large
from replay.store.database import Store


@pytest.fixture
def filled(store: Store) -> Store:
    for _ in range(2):
        store.blobs.put_bytes(f"blob {len(store.models())}".encode())
        set_alias(store, "momentum", "champion", store.register("momentum", build))
        store.note("record")
    return store


class Told(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.tasks: list[str] = []
        self.notes: list[str] = []

    def finished(self, task: str, note: str = "") -> None:
        self.tasks.append(task)
        self.notes.append(note)


def test_everything_is_counted(filled: Store) -> None:
    done = audit(filled)
    rows = {
        table: filled.database.rows(f"SELECT count(*) FROM {table}")[0][0]
        for table in done.checked
        if table != "journal"
    }
    assert done.checked == {**rows, "journal": 2}
    assert done.checked["nodes"] > 5
    made = filled.checkpoint()
    assert made is not None
    assert (done.findings, done.size, done.root) == ([], made.size, made.root.hex())


def test_an_empty_store_has_the_root_of_nothing(store: Store) -> None:
    done = audit(store)
    assert (done.findings, done.size, done.root) == ([], 0, merkle.EMPTY.hex())
    assert set(done.checked.values()) == {0}


def test_a_root_kept_elsewhere_fits_for_good(filled: Store) -> None:
    kept = []
    for _ in range(3):
        now = audit(filled)
        kept.append(Kept(size=now.size, root=now.root))
        filled.register("momentum", build)
    assert audit(filled, kept=kept).findings == []
    assert audit(filled, kept=[Kept(size=0, root=merkle.EMPTY.hex())]).findings == []


def test_a_root_that_does_not_fit_is_named(filled: Store) -> None:
    now = audit(filled)
    wrong = "0" * 64
    done = audit(
        filled, kept=[Kept(size=1, root=wrong), Kept(size=99, root=now.root), Kept(size=now.size, root=now.root)]
    )
    assert [finding.place for finding in done.findings] == [
        "root of 1 transactions, kept elsewhere",
        "root of 99 transactions, kept elsewhere",
    ]
    assert f"expected {wrong}" in done.findings[0].problem
    assert f"only {now.size} transactions" in done.findings[1].problem


def test_a_history_that_was_rewritten_whole_is_told_by_a_root_alone(
    filled: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Another store that is intact by itself."""
    now = audit(filled)
    with Store.open(tmp_path_factory.mktemp("other") / ".replay", create=True) as other:
        for _ in range(now.size):
            other.register("momentum", build)
        assert audit(other).findings == []
        assert len(audit(other, kept=[Kept(size=now.size, root=now.root)]).findings) == 1


@pytest.mark.parametrize("table", ["facets", "blobs", "model_versions"])
def test_what_cannot_be_read_is_not_counted(filled: Store, table: str) -> None:
    before = audit(filled)
    tamper(filled, f"DROP TABLE {table}")
    done = audit(filled)
    assert any(table in finding.place for finding in done.findings)
    assert table not in done.checked
    assert done.checked["nodes"] == before.checked["nodes"]
    assert (done.size, done.root) == (before.size, before.root)


def test_without_its_chain_nothing_is_claimed(filled: Store) -> None:
    tamper(filled, "DROP TABLE transactions" + ("" if filled.database.shared is False else " CASCADE"))
    done = audit(filled, kept=[Kept(size=1, root="0" * 64)])
    assert done.findings
    assert (done.size, done.root) == (0, merkle.EMPTY.hex())


def test_whoever_watches_is_told(filled: Store) -> None:
    told = Told()
    assert audit(filled, progress=told).findings == []
    assert {"verify chain", "verify blobs", "verify journal", "verify size"} <= set(told.tasks)
    tamper(filled, "UPDATE nodes SET name = 'other' WHERE id = 2")
    told = Told()
    assert audit(filled, progress=told).findings
    assert told.notes[told.tasks.index("verify chain")] == "1 findings"


def test_only_a_large_store_is_watched_unasked(filled: Store) -> None:
    assert not is_large(filled)
    tamper(filled, "UPDATE blobs SET size = 5000000000")
    assert is_large(filled)


@pytest.mark.parametrize(
    "text", ["", "5", "5:", ":" + "a" * 64, "x:" + "a" * 64, "5:" + "g" * 64, "5:" + "a" * 63, "-5:" + "a" * 64]
)
def test_what_is_no_root(text: str) -> None:
    with pytest.raises(UsageError, match="expected SIZE:HEX"):
        Kept.parse(text)


def test_a_root_may_be_written_in_capitals() -> None:
    assert Kept.parse(f" 5:{'AB' * 32}\n") == Kept(size=5, root="ab" * 32)


def test_nothing_is_known_before_it_was_checked() -> None:
    assert Audit() == Audit(findings=[], checked={}, size=0, root=merkle.EMPTY.hex())
