from __future__ import annotations

import hashlib
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.errors import DigestMismatchError, UsageError
from replay.identity import Digests
from replay.recipe import Artifact, PathKind, Storage
from replay.store import hashing


def expected(data: bytes) -> Digests:
    return Digests(
        sha256=hashlib.sha256(data).hexdigest(), blake3=blake3(data).hexdigest(), md5=hashlib.md5(data).hexdigest()
    )


def artifact(described: hashing.Described) -> Artifact:
    return Artifact(
        path="p",
        kind=described.kind,
        size=described.size,
        files=described.files,
        digests=described.digests,
        storage=Storage.NONE,
    )


@pytest.mark.parametrize("size", [0, 1, (128 << 10) - 1, 128 << 10, 1 << 20, (1 << 20) + 1, (20 << 20) + 7])
def test_digests_of_a_file(tmp_path: Path, size: int) -> None:
    """Sizes on both sides of each threshold, and more chunks than the ring holds."""
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    assert hashing.digest_file(tmp_path / "file") == (size, expected(data))
    assert hashing.blake3_file(tmp_path / "file") == expected(data).blake3
    described = hashing.describe(tmp_path / "file")
    assert (described.kind, described.size, described.files) == (PathKind.FILE, size, 1)
    assert described.digests == expected(data)
    assert described.entries == ()


def test_known_digests(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert hashing.digest_file(tmp_path / "file")[1] == Digests(
        sha256="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        blake3="6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
        md5="900150983cd24fb0d6963f7d28e17f72",
    )


def test_directory_digests_are_those_of_the_documented_lists(tmp_path: Path) -> None:
    files = {"b": b"2", "a/ü": b"", "a.txt": b"1" * 200_000, "a/deep/er": b"x"}
    for name, data in files.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(data)
    (tmp_path / "tree/empty").mkdir()
    described = hashing.describe(tmp_path / "tree")
    order = ["a.txt", "a/deep/er", "a/ü", "b"]
    assert [e.path for e in described.entries] == order
    assert (described.kind, described.files, described.size) == (PathKind.DIRECTORY, 4, 200_002)

    def listing(algorithm: str) -> bytes:
        rows = [[n, len(files[n]), getattr(expected(files[n]), algorithm)] for n in order]
        return json.dumps(rows, separators=(",", ":"), ensure_ascii=False).encode()

    assert described.digests.sha256 == hashlib.sha256(listing("sha256")).hexdigest()
    assert described.digests.blake3 == blake3(listing("blake3")).hexdigest()
    hashing.verify(tmp_path / "tree", artifact(described))


NAMES = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1)


@given(st.dictionaries(NAMES, st.binary()))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_listing_is_dvcs_own(files: dict[str, bytes]) -> None:
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    entries = [hashing.Entry(path=n, size=len(d), digests=expected(d)) for n, d in files.items()]
    tree = Tree()
    for entry in entries:
        tree.add((entry.path,), None, HashInfo("md5", entry.digests.md5))
    assert hashing.dvc_listing(entries) == tree.as_bytes()
    tree.digest()
    assert hashing.digest_entries(entries).md5 == tree.oid


def make_bad(place: Path, what: str) -> Any:
    match what:
        case "symbolic link":
            place.symlink_to("/etc/hostname")
        case "FIFO":
            os.mkfifo(place)
        case "socket":
            bound = socket.socket(socket.AF_UNIX)
            bound.bind(str(place))
            return bound
    return None


@pytest.mark.parametrize("what", ["symbolic link", "FIFO", "socket"])
@pytest.mark.parametrize("inside", [False, True])
def test_only_regular_files_are_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, inside: bool
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    Path("tree/sub").mkdir(parents=True)
    bad = Path("tree/sub/bad") if inside else Path("bad")
    held = make_bad(bad, what)
    target = Path("tree") if inside else bad
    good = Artifact(
        path="p", kind=PathKind.DIRECTORY if inside else PathKind.FILE, size=0, files=0, digests=expected(b""),
        storage=Storage.NONE,
    )  # fmt: skip
    with pytest.raises(UsageError, match=rf"{bad}: got a {what}"):
        hashing.describe(target)
    with pytest.raises(UsageError, match=rf"{bad}: got a {what}"):
        hashing.verify(target, good)
    if not inside:
        with pytest.raises(UsageError, match=what):
            hashing.digest_file(target)
        with pytest.raises(UsageError, match=what):
            hashing.blake3_file(target)
    if held is not None:
        held.close()


def test_devices_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="character device"):
        hashing.describe(Path("/dev/null"))
    with pytest.raises(UsageError, match="character device"):
        hashing.digest_file(Path("/dev/zero"))
    for work in (hashing.describe, hashing.digest_file, hashing.blake3_file):
        with pytest.raises(UsageError, match="does not exist"):
            work(tmp_path / "none")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="does not exist"):
        hashing.describe(tmp_path / "file/below")


def test_a_link_to_a_directory_is_not_walked(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link").symlink_to(tmp_path / "other", target_is_directory=True)
    with pytest.raises(UsageError, match="symbolic link"):
        hashing.describe(tmp_path / "tree")


def test_names_must_be_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    with pytest.raises(UsageError, match=r"b'caf\\xe9', expected UTF-8"):
        hashing.describe(tmp_path)


def test_depth_and_size_are_limited(tmp_path: Path) -> None:
    deep = tmp_path / "deep" / Path(*["d"] * 120)
    deep.mkdir(parents=True)
    with pytest.raises(UsageError, match="deep"):
        hashing.describe(tmp_path / "deep")
    (tmp_path / "big").mkdir()
    for name in "ab":
        (tmp_path / "big" / name).write_bytes(b"x" * 10)
    assert hashing.describe(tmp_path / "big", max_bytes=20).size == 20
    with pytest.raises(UsageError, match="expected at most"):
        hashing.describe(tmp_path / "big", max_bytes=19)


def test_the_limit_is_checked_before_reading(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 42)
    with pytest.raises(UsageError, match="expected at most"):
        hashing.describe(tmp_path / "sparse", max_bytes=1 << 30)


@pytest.mark.parametrize("size", [100, 3 << 20])
def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    name = "_digest_small" if size <= 1 << 20 else "_digest_large"
    real = getattr(hashing, name)

    def meddled(fd: int) -> Any:
        answer = real(fd)
        path.write_bytes(b"y" * (size + 1))
        return answer

    monkeypatch.setattr(hashing, name, meddled)
    with pytest.raises(UsageError, match="changed while"):
        hashing.digest_file(path)


def test_a_file_without_a_size_is_refused() -> None:
    """Such as those of the kernel: what was read is not what the file says it holds."""
    with pytest.raises(UsageError, match="changed while"):
        hashing.digest_file(Path("/proc/self/status"))


@pytest.mark.parametrize("size", [10, 300_000])
def test_verify_notices_every_single_bit(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    data = bytearray(os.urandom(size))
    path.write_bytes(data)
    good = artifact(hashing.describe(path))
    hashing.verify(path, good)
    for position in {0, size // 2, size - 1}:
        data[position] ^= 1
        path.write_bytes(data)
        with pytest.raises(DigestMismatchError, match="got blake3") as caught:
            hashing.verify(path, good)
        assert caught.value.expected == f"blake3:{good.digests.blake3}"
        assert caught.value.actual == f"blake3:{blake3(data).hexdigest()}"
        data[position] ^= 1
    path.write_bytes(data[:-1])
    with pytest.raises(DigestMismatchError, match=f"{size - 1} bytes"):
        hashing.verify(path, good)


@pytest.mark.parametrize("change", ["content", "name", "more", "less"])
def test_verify_notices_every_change_of_a_directory(tmp_path: Path, change: str) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a").write_bytes(b"1")
    (tree / "b").write_bytes(b"2")
    good = artifact(hashing.describe(tree))
    match change:
        case "content":
            (tree / "b").write_bytes(b"3")
        case "name":
            (tree / "b").rename(tree / "c")
        case "more":
            (tree / "c").write_bytes(b"")
        case "less":
            (tree / "b").unlink()
    with pytest.raises(DigestMismatchError):
        hashing.verify(tree, good)


def test_verify_tells_a_file_from_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "tree").mkdir()
    for here, there in (("file", "tree"), ("tree", "file")):
        with pytest.raises(DigestMismatchError, match=r"got a (file|directory), expected the"):
            hashing.verify(tmp_path / there, artifact(hashing.describe(tmp_path / here)))
