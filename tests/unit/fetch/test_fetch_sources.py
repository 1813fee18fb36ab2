"""The base class, the fetcher and the store's source, with sources that are real subclasses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import ClassVar

import pytest

from replay.errors import (
    DigestMismatchError,
    FetchError,
    ReplayError,
    SourceNotFoundError,
    SourceUnreachableError,
    StoreCorruptError,
)
from replay.fetch import SOURCES, Fetcher, Source
from replay.fetch.store import StoreSource, keep
from replay.recipe import Artifact, Storage
from replay.store.blobs import Blobs
from replay.store.hashing import describe


class Offers(Source):
    """Writes one given content after another, then raises what it was given."""

    name: ClassVar[str] = "store"

    def __init__(self, *offers: bytes, error: BaseException | None = None) -> None:
        super().__init__()
        self.offers, self.error, self.closed = offers, error, False

    def locate(self, artifact: Artifact) -> str | None:
        if self.error and isinstance(self.error, FetchError):
            raise self.error
        return "here" if self.offers else None

    def _fetch(self, artifact: Artifact, dest: Path) -> Generator[str]:
        try:
            for number, offer in enumerate(self.offers):
                assert not dest.exists()
                dest.write_bytes(offer)
                yield f"place {number}"
            if self.error:
                raise self.error
        finally:
            self.closed = True


class Second(Offers):
    name: ClassVar[str] = "dvc"


def artifact(path: Path, storage: Storage = Storage.STORE) -> Artifact:
    found = describe(path)
    return Artifact(
        path=path.name, kind=found.kind, size=found.size, files=found.files, digests=found.digests, storage=storage
    )


@pytest.fixture
def wanted(tmp_path: Path) -> Artifact:
    (tmp_path / "file").write_bytes(b"good")
    return artifact(tmp_path / "file")


def test_the_first_good_copy_wins_and_the_bad_one_is_reported(wanted: Artifact, tmp_path: Path) -> None:
    source = Offers(b"gooe", b"good", b"never reached")
    assert source.fetch(wanted, tmp_path / "out") == "place 1"
    assert (tmp_path / "out").read_bytes() == b"good"
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o444
    assert [finding.split(":")[0] for finding in source.findings] == ["file from place 0"]
    assert source.closed


def test_only_bad_copies(wanted: Artifact, tmp_path: Path) -> None:
    source = Offers(b"bad", error=SourceNotFoundError("nothing else"))
    with pytest.raises(DigestMismatchError, match=r"file from place 0: got blake3:\w{64}, expected blake3:") as error:
        source.fetch(wanted, tmp_path / "out")
    assert error.value.expected == f"blake3:{wanted.digests.blake3}"
    assert not (tmp_path / "out").exists()


def test_foreign_exceptions_become_ours(wanted: Artifact, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="store: ValueError: odd") as error:
        Offers(error=ValueError("odd")).fetch(wanted, tmp_path / "out")
    assert isinstance(error.value.__cause__, ValueError)
    with pytest.raises(KeyboardInterrupt):
        Offers(error=KeyboardInterrupt()).fetch(wanted, tmp_path / "out")


def test_nothing_is_overwritten(wanted: Artifact, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("nowhere")
    with pytest.raises(FetchError, match="expected a free name"):
        Offers(b"good").fetch(wanted, tmp_path / "out")
    assert (tmp_path / "out").is_symlink()


def test_the_next_source_is_asked(wanted: Artifact, tmp_path: Path) -> None:
    fetcher = Fetcher([Second(b"good"), Offers(b"bad")])
    assert fetcher.fetch(wanted, tmp_path / "out") == "place 0"
    assert len(fetcher.findings) == 1
    assert fetcher.locate(wanted) == "here"


@pytest.mark.parametrize(
    ("one", "two", "kind"),
    [
        (SourceNotFoundError("a"), SourceNotFoundError("b"), SourceNotFoundError),
        (SourceNotFoundError("a"), SourceUnreachableError("b"), SourceUnreachableError),
        (SourceUnreachableError("a"), FetchError("b"), FetchError),
        (DigestMismatchError("a", expected="x", actual="y"), SourceUnreachableError("b"), DigestMismatchError),
    ],
)
def test_the_error_that_says_most(
    wanted: Artifact, tmp_path: Path, one: FetchError, two: FetchError, kind: type[FetchError]
) -> None:
    for pair in ((one, two), (two, one)):
        with pytest.raises(kind) as error:
            Fetcher([Offers(error=pair[0]), Second(error=pair[1])]).fetch(wanted, tmp_path / "out")
        assert type(error.value) is kind


def test_locate_tells_silence_from_absence(wanted: Artifact) -> None:
    assert Fetcher([Offers(), Second()]).locate(wanted) is None
    with pytest.raises(SourceUnreachableError):
        Fetcher([Offers(error=SourceUnreachableError("s")), Second()]).locate(wanted)
    assert Fetcher([Offers(error=SourceUnreachableError("s")), Second(b"good")]).locate(wanted) == "here"


def test_digests_only(wanted: Artifact, tmp_path: Path) -> None:
    assert set(SOURCES) == set(Storage)
    with pytest.raises(SourceNotFoundError, match="recorded with the storage 'git'"):
        Fetcher([Second(b"good")]).fetch(artifact(tmp_path / "file", Storage.GIT), tmp_path / "out")


def test_kept_files_and_directories_come_back(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    (tmp_path / "dir" / "deep").mkdir(parents=True)
    (tmp_path / "dir" / "a").write_bytes(b"1")
    (tmp_path / "dir" / "deep" / "b").write_bytes(b"2")
    (tmp_path / "file").write_bytes(b"3")
    source = StoreSource(blobs)
    for name in ("dir", "file"):
        wanted = artifact(tmp_path / name)
        assert source.locate(wanted) is None
        with pytest.raises(SourceNotFoundError, match="is not in the store"):
            source.fetch(wanted, tmp_path / f"{name}-out")
        keep(tmp_path / name, describe(tmp_path / name), blobs)
        assert source.locate(wanted) == "the store"
        source.fetch(wanted, tmp_path / f"{name}-out")
        assert describe(tmp_path / f"{name}-out") == describe(tmp_path / name)


@pytest.mark.parametrize("which", [b"1", None])
def test_one_flipped_byte_in_the_store(tmp_path: Path, which: bytes | None) -> None:
    blobs = Blobs(tmp_path / "blobs")
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a").write_bytes(b"1")
    found = describe(tmp_path / "dir")
    keep(tmp_path / "dir", found, blobs)
    bad = blobs.path(found.entries[0].digests.sha256 if which else found.digests.sha256)
    bad.chmod(0o644)
    data = bytearray(bad.read_bytes())
    data[len(data) // 2] ^= 1
    bad.write_bytes(bytes(data))
    with pytest.raises(ReplayError) as error:
        StoreSource(blobs).fetch(artifact(tmp_path / "dir"), tmp_path / "out")
    assert isinstance(error.value, DigestMismatchError | FetchError | StoreCorruptError)
    assert not (tmp_path / "out").exists()


def test_a_listing_in_the_store_that_climbs_out(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    sha = blobs.put_bytes(b"evil")
    listing = blobs.put_bytes(f'[["../evil",4,"{sha}"]]'.encode())
    (tmp_path / "dir").mkdir()
    template = artifact(tmp_path / "dir")
    digests = type(template.digests)(sha256=listing, blake3="0" * 64, md5="0" * 32)
    fields = {name: getattr(template, name) for name in template.__struct_fields__} | {"digests": digests}
    with pytest.raises(FetchError, match="expected one inside"):
        StoreSource(blobs).fetch(Artifact(**fields), tmp_path / "a")
    assert not (tmp_path / "evil").exists()


def test_looking_into_the_cache_imports_nothing_heavy(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from replay.fetch import Fetcher
from replay.fetch.dvc import DvcSource
from replay.fetch.dvcconfig import load
from replay.fetch.git_source import GitSource
from replay.identity import Digests
from replay.recipe import Artifact, PathKind, Storage
root = Path({str(tmp_path)!r})
(root / ".dvc/cache/files/md5/00").mkdir(parents=True)
(root / ".dvc/cache/files/md5/00" / ("0" * 30)).write_bytes(b"x")
(root / ".dvc/config").write_text("['remote \\"r\\"']\\nurl = s3://bucket\\n")
digests = Digests(sha256="0" * 64, blake3="0" * 64, md5="0" * 32)
wanted = Artifact(path="x", kind=PathKind.FILE, size=1, files=1, digests=digests, storage=Storage.DVC)
assert Fetcher([DvcSource(load(root / ".dvc"))]).locate(wanted) == "the DVC cache"
heavy = {{"git", "boto3", "botocore", "dvc", "sqlalchemy", "numpy"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
