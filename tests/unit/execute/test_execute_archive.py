from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from replay.errors import ExecuteError
from replay.execute.archive import pack, unpack


def entry(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(data), link
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape") + data + bytes(-len(data) % 512)


def test_what_is_packed_is_owned_by_root_and_keeps_permissions(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "d").mkdir(parents=True)
    (root / "d" / "big").write_bytes(os.urandom(3_000_001))
    (root / os.fsdecode(b"\xff")).write_bytes(b"odd")
    (root / "link").symlink_to("d")
    (root / "skipped").mkdir()
    (root / "skipped" / "x").touch()
    root.chmod(0o1777)
    (root / "d").chmod(0o555)
    data = b"".join(pack({"work": root}, ["work/skipped"]))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = {m.name: m for m in archive}
        assert set(members) == {"work", "work/d", "work/d/big", "work/link", os.fsdecode(b"work/\xff")}
        assert {(m.uid, m.gid) for m in members.values()} == {(0, 0)}
        assert (members["work"].mode, members["work/d"].mode) == (0o1777, 0o555)
        assert members["work/link"].linkname == "d"
    out = tmp_path / "out"
    out.mkdir()
    chunks = (data[i : i + 1000] for i in range(0, len(data), 1000))
    assert unpack(chunks, out, max_bytes=1 << 30) == {"link": "a symbolic link"}
    assert (out / "d" / "big").read_bytes() == (root / "d" / "big").read_bytes()
    assert (out / os.fsdecode(b"\xff")).read_bytes() == b"odd"
    (root / "d").chmod(0o755)


def test_a_fifo_is_not_packed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ExecuteError, match="got a FIFO"):
        list(pack({"x": tmp_path}))


ATTACKS = {
    "../../evil": entry("work/../../evil", data=b"x"),
    "absolute": entry("/evil", data=b"x"),
    "link": entry("work/l", tarfile.SYMTYPE, link="/etc"),
    "hard link": entry("work/h", tarfile.LNKTYPE, link="/etc/passwd"),
    "fifo": entry("work/f", tarfile.FIFOTYPE),
    "character device": entry("work/c", tarfile.CHRTYPE),
    "block device": entry("work/b", tarfile.BLKTYPE),
    "large": entry("work/large", data=b"x" * 2000),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_refused_and_the_rest_is_taken(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    stream = entry("work", tarfile.DIRTYPE) + ATTACKS[name] + entry("work/good", data=b"good") + bytes(1024)
    refused = unpack([stream], out, max_bytes=1000)
    assert len(refused) == 1
    assert [p.name for p in out.iterdir()] == ["good"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_nothing_is_written_through_a_link_or_twice(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    through = entry("work/l", tarfile.SYMTYPE, link="/tmp") + entry("work/l/x", data=b"x") + bytes(1024)
    with pytest.raises(Exception, match="No such file"):
        unpack([through], out, max_bytes=1000)
    twice = entry("work/a", data=b"1") + entry("work/a", data=b"2") + bytes(1024)
    with pytest.raises(Exception, match="exists"):
        unpack([twice], out, max_bytes=1000)
    assert (out / "a").read_bytes() == b"1"


def test_permissions_of_the_stream_are_dropped(tmp_path: Path) -> None:
    info = tarfile.TarInfo("work/s")
    info.mode = 0o6777
    unpack([info.tobuf() + bytes(1024)], tmp_path, max_bytes=0)
    assert not stat.S_IMODE((tmp_path / "s").stat().st_mode) & 0o7133


@pytest.mark.parametrize("cut", [100, 512, 600])
def test_a_broken_stream(tmp_path: Path, cut: int) -> None:
    with pytest.raises(ExecuteError, match="archive is broken"):
        unpack([entry("work/a", data=b"x" * 700)[:cut]], tmp_path, max_bytes=10_000)
