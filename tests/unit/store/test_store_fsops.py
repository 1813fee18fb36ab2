from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from replay.errors import StoreBusyError, StoreError, UsageError
from replay.store import fsops, steps


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A directory that any user may enter."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o777)
        yield Path(made)


def as_plain_user(work: Callable[[], None]) -> int:
    """Run ``work`` in a child that is not root (root may do everything); its exit code."""
    child = os.fork()
    if child == 0:
        code = 9
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fail_from(monkeypatch: pytest.MonkeyPatch, op: str, code: int = errno.ENOSPC) -> None:
    def checkpoint(given: str, path: Path) -> None:
        if given == op:
            raise OSError(code, os.strerror(code), str(path))

    for module in (fsops, steps):
        monkeypatch.setattr(module, "checkpoint", checkpoint)


def test_write_bytes_replaces_whole_and_sets_the_mode(tmp_path: Path) -> None:
    target = tmp_path / "file"
    fsops.write_bytes(target, b"old")
    fsops.write_bytes(target, b"new", mode=0o444)
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o444
    assert list(tmp_path.iterdir()) == [target]


def test_exclusive_write_refuses_to_replace(tmp_path: Path) -> None:
    target = tmp_path / "recipe.json"
    fsops.write_bytes(target, b"first", exclusive=True)
    with pytest.raises(StoreError, match="written once"):
        fsops.write_bytes(target, b"second", exclusive=True)
    assert target.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("op", ["create", "write", "fsync", "rename"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failed_write_leaves_the_old_content_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, op: str, code: int
) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    fail_from(monkeypatch, op, code)
    with pytest.raises(StoreError) as caught:
        fsops.write_bytes(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
    assert ("nothing was half-written" in (caught.value.hint or "")) == (code == errno.ENOSPC)


def test_append_line_takes_a_failed_line_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "lines"
    fsops.append_line(target, b"one")
    fsops.append_line(target, b"two")
    fail_from(monkeypatch, "fsync")
    with pytest.raises(StoreError):
        fsops.append_line(target, b"three")
    assert target.read_bytes() == b"one\ntwo\n"


def test_a_write_that_the_system_cuts_short_is_taken_back(tmp_path: Path) -> None:
    """A file size limit makes the kernel accept a part of the data, as a full disk does."""
    lines, target = tmp_path / "lines", tmp_path / "file"
    lines.write_bytes(b"x" * 1000 + b"\n")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from replay.store import fsops; from replay.errors import StoreError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))\n"
        "for work in (fsops.append_line, fsops.write_bytes):\n"
        "    try: work(Path(sys.argv[1 + (work is fsops.write_bytes)]), b'y' * 4000)\n"
        "    except StoreError as error: assert 'half-written' in error.hint, error.hint\n"
        "    else: sys.exit('was written')\n"
    )
    subprocess.run([sys.executable, "-c", code, lines, target], check=True)
    assert lines.read_bytes() == b"x" * 1000 + b"\n"
    assert list(tmp_path.iterdir()) == [lines]


@pytest.mark.parametrize("size", [0, 1, 3_000_001])
def test_copy_file_copies_content_and_mode(tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    source.chmod(0o755)
    fsops.copy_file(source, tmp_path / "copy")
    fsops.copy_file(source, tmp_path / "plain", mode=0o444, durable=False)
    assert (tmp_path / "copy").read_bytes() == source.read_bytes() == (tmp_path / "plain").read_bytes()
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == 0o444


def test_copy_file_without_copy_file_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> int:
        raise OSError(errno.EXDEV, "cross-device")

    monkeypatch.setattr(os, "copy_file_range", unsupported)
    (tmp_path / "source").write_bytes(data := os.urandom(100_000))
    fsops.copy_file(tmp_path / "source", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data


@pytest.mark.parametrize("work", [fsops.copy_file, fsops.link_or_copy])
def test_only_regular_files_are_copied(tmp_path: Path, work: Callable[[Path, Path], object]) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "fifo")
    for name, word in [("link", "symbolic link"), ("fifo", "FIFO"), ("none", "does not exist"), (".", "directory")]:
        with pytest.raises(UsageError, match=word):
            work(tmp_path / name, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_link_or_copy_links_and_replaces(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"data")
    target.write_bytes(b"other")
    assert fsops.link_or_copy(source, target) is True
    assert fsops.link_or_copy(source, target) is True, "again, when both are one file already"
    assert target.samefile(source)
    assert sorted(tmp_path.iterdir()) == [source, target]


def test_link_or_copy_copies_where_no_link_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "cross-device")

    monkeypatch.setattr(os, "link", refused)
    (tmp_path / "source").write_bytes(b"data")
    assert fsops.link_or_copy(tmp_path / "source", tmp_path / "target") is False
    assert (tmp_path / "target").read_bytes() == b"data"
    assert not (tmp_path / "target").samefile(tmp_path / "source")


def test_make_dir_makes_parents_and_refuses_a_file(tmp_path: Path) -> None:
    fsops.make_dir(tmp_path / "a/b/c")
    fsops.make_dir(tmp_path / "a/b/c")
    assert (tmp_path / "a/b/c").is_dir()
    (tmp_path / "file").write_bytes(b"")
    for bad in ("file", "file/below"):
        with pytest.raises(StoreError):
            fsops.make_dir(tmp_path / bad)


def test_make_dir_while_another_process_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.mkdir

    def raced(self: Path, *args: Any, **options: Any) -> None:
        real(self, *args, **options)
        real(self, *args, **options)

    monkeypatch.setattr(Path, "mkdir", raced)
    fsops.make_dir(tmp_path / "a/b")
    assert (tmp_path / "a/b").is_dir()


def test_remove_tree_copes_with_read_only_trees(open_dir: Path) -> None:
    def work() -> None:
        inner = open_dir / "tree/a/b"
        inner.mkdir(parents=True)
        (inner / "file").write_bytes(b"x")
        (inner / "file").chmod(0o444)
        for directory in (inner, inner.parent, open_dir / "tree"):
            directory.chmod(0o555)
        fsops.remove_tree(open_dir / "tree")

    assert as_plain_user(work) == 0
    assert not (open_dir / "tree").exists()


def test_remove_tree_never_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_bytes(b"x")
    (tmp_path / "tree/deeper").mkdir(parents=True)
    (tmp_path / "tree/link").symlink_to(tmp_path / "kept")
    (tmp_path / "tree/deeper/link").symlink_to(tmp_path / "kept")
    os.mkfifo(tmp_path / "tree/fifo")
    fsops.remove_tree(tmp_path / "tree")
    fsops.remove_tree(tmp_path / "tree")
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept/file").exists()
    (tmp_path / "alone").symlink_to(tmp_path / "kept")
    fsops.remove_tree(tmp_path / "alone")
    assert (tmp_path / "kept/file").exists()


def test_remove_tree_has_no_limit_of_depth(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):  # beyond Python's recursion limit and, with these names, the longest path
        os.mkdir("deeper", dir_fd=here)
        below = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    fsops.remove_tree(tmp_path / "deeper")
    assert list(tmp_path.iterdir()) == []


def test_remove_tree_names_what_it_cannot_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/stuck").write_bytes(b"")

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EPERM, "immutable", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        with pytest.raises(StoreError, match="tree/stuck"):
            fsops.remove_tree(tmp_path / "tree")
    assert (tmp_path / "tree/stuck").exists()


def test_an_unwritable_directory_has_a_hint(open_dir: Path) -> None:
    (open_dir / "closed").mkdir(mode=0o555)

    def work() -> None:
        with pytest.raises(StoreError) as caught:
            fsops.write_bytes(open_dir / "closed/file", b"x")
        assert "writable" in (caught.value.hint or "")

    assert as_plain_user(work) == 0


def test_sweep_removes_what_dead_writers_left_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".replay-tmp-1-dead").write_bytes(b"half")
    (tmp_path / "other").write_bytes(b"")
    with fsops.temporary(tmp_path) as (temp, _):
        assert fsops.sweep(tmp_path) == 1
        assert temp.exists(), "its writer lives"
    assert [p.name for p in tmp_path.iterdir()] == ["other"]


@pytest.mark.parametrize("swept", ["before the lock", "during the lock"])
def test_a_sweep_that_is_faster_than_a_new_file_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swept: str
) -> None:
    real, pending, held = fcntl.flock, [swept], []

    def flock(fd: int, how: int) -> None:
        if pending:
            temp = next(tmp_path.glob(".replay-tmp-*"))
            if pending.pop() == "before the lock":
                temp.unlink()
            else:
                held.append(os.open(temp, os.O_RDONLY))
                real(held[0], fcntl.LOCK_EX)
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    fsops.write_bytes(tmp_path / "file", b"x")
    assert (tmp_path / "file").read_bytes() == b"x"
    for fd in held:
        os.close(fd)


def test_lock_names_its_holder_and_falls_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    busy = pytest.raises(StoreBusyError, match=f"process {os.getpid()} ")
    with fsops.lock(path), busy as caught, fsops.lock(path, timeout=0.05):
        pass
    assert caught.value.hint
    with fsops.lock(path, timeout=0):
        pass


def test_lock_keeps_threads_apart(tmp_path: Path) -> None:
    inside: list[int] = []
    worst: list[int] = []

    def work() -> None:
        for _ in range(20):
            with fsops.lock(tmp_path / "lock"):
                inside.append(1)
                worst.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert worst == [1] * 80


def test_lock_of_a_killed_process_falls_free(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from replay.store import fsops\n"
        "with fsops.lock(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, tmp_path / "lock"], check=False)
    assert ended.returncode == -9
    with fsops.lock(tmp_path / "lock", timeout=0):
        pass


@pytest.mark.parametrize(("fault", "code"), [("", 137), ("EIO", 1)])
def test_the_environment_sets_the_crash_point(tmp_path: Path, fault: str, code: int) -> None:
    program = (
        "import sys; from pathlib import Path; from replay.store import fsops\n"
        "fsops.write_bytes(Path(sys.argv[1]), b'x')\n"
    )
    env = {**os.environ, "REPLAY_CRASH_AT": "4", "REPLAY_FAULT": fault}
    ended = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "file"], env=env, check=False, capture_output=True, text=True
    )
    assert ended.returncode == code, ended.stderr
    assert ("injected at step 4, rename" in ended.stderr) == bool(fault)
    assert not (tmp_path / "file").exists()
