from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from replay.errors import DigestMismatchError, StoreCorruptError, UsageError
from replay.store.blobs import Blobs

ABC = hashlib.sha256(b"abc").hexdigest()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def spoil(blobs: Blobs, sha256: str, data: bytes) -> None:
    blobs.path(sha256).chmod(0o644)
    blobs.path(sha256).write_bytes(data)


def test_what_is_put_is_read(blobs: Blobs, tmp_path: Path) -> None:
    assert blobs.put_bytes(b"abc") == ABC
    assert blobs.read(ABC) == b"abc"
    assert blobs.path(ABC) == tmp_path / "blobs/sha256" / ABC[:2] / ABC[2:]
    assert stat.S_IMODE(blobs.path(ABC).stat().st_mode) == 0o444
    assert (blobs.has(ABC), blobs.size(ABC), list(blobs.iter_ids())) == (True, 3, [ABC])


@pytest.mark.parametrize("size", [0, 5, 3_000_001])
def test_a_file_is_hashed_while_it_is_copied(blobs: Blobs, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    sha256 = blobs.put_file(tmp_path / "file")
    assert sha256 == hashlib.sha256(data).hexdigest() == blobs.put_file(tmp_path / "file", sha256)
    blobs.copy_to(sha256, tmp_path / "copy", mode=0o600)
    assert (tmp_path / "copy").read_bytes() == data
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    assert list((tmp_path / "blobs/tmp").iterdir()) == []


def test_equal_content_is_kept_once_and_not_touched(blobs: Blobs, tmp_path: Path) -> None:
    blobs.put_bytes(b"abc")
    before = blobs.path(ABC).stat()
    (tmp_path / "file").write_bytes(b"abc")
    blobs.put_bytes(b"abc")
    blobs.put_file(tmp_path / "file")
    after = blobs.path(ABC).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_file_that_is_not_the_announced_one_is_refused(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abd")
    with pytest.raises(DigestMismatchError) as caught:
        blobs.put_file(tmp_path / "file", ABC)
    assert caught.value.expected == f"sha256:{ABC}"
    assert list(blobs.iter_ids()) == []
    assert blobs.take_new() == {}


@pytest.mark.parametrize("damage", [b"abd", b"ab", b"abcd", b""])
def test_damage_is_noticed_by_every_use(blobs: Blobs, tmp_path: Path, damage: bytes) -> None:
    blobs.put_bytes(b"abc")
    spoil(blobs, ABC, damage)
    (tmp_path / "file").write_bytes(b"abc")
    for use in (
        lambda: blobs.read(ABC),
        lambda: blobs.verify(ABC),
        lambda: blobs.copy_to(ABC, tmp_path / "copy"),
        lambda: blobs.put_bytes(b"abc"),
        lambda: blobs.put_file(tmp_path / "file"),
    ):
        with pytest.raises(StoreCorruptError, match=ABC) as caught:
            use()
        assert caught.value.hint
    assert not (tmp_path / "copy").exists()
    assert blobs.path(ABC).read_bytes() == damage, "evidence is never repaired in place"


def test_a_blob_that_is_gone_or_a_link_is_no_blob(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises(StoreCorruptError, match="does not exist"):
        blobs.read(ABC)
    (tmp_path / "abc").write_bytes(b"abc")
    blobs.path(ABC).parent.mkdir(parents=True)
    blobs.path(ABC).symlink_to(tmp_path / "abc")
    with pytest.raises(StoreCorruptError, match="symbolic link"):
        blobs.read(ABC)
    with pytest.raises(StoreCorruptError, match="symbolic link"):
        blobs.size(ABC)


@pytest.mark.parametrize("bad", ["", "../../etc/passwd", ABC.upper(), ABC[:-1], f"{ABC}\n"])
def test_only_digests_name_blobs(blobs: Blobs, bad: str) -> None:
    with pytest.raises(UsageError, match="64 hex digits"):
        blobs.path(bad)


def test_rubbish_of_killed_writers_is_swept(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "blobs/tmp").mkdir(parents=True)
    (tmp_path / "blobs/tmp/.replay-tmp-1-dead").write_bytes(b"half")
    blobs.put_bytes(b"abc")
    assert list((tmp_path / "blobs/tmp").iterdir()) == []


def test_new_blobs_are_told_once(blobs: Blobs) -> None:
    blobs.put_bytes(b"abc")
    taken = blobs.take_new()
    assert taken == {ABC: 3}
    assert blobs.take_new() == {}
    blobs.give_back(taken)
    blobs.put_bytes(b"")
    assert blobs.take_new() == {ABC: 3, hashlib.sha256(b"").hexdigest(): 0}
