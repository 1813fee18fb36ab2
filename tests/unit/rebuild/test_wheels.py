import base64
import hashlib

import pytest

from replay.errors import RebuildError
from replay.rebuild.wheels import Interpreter, normalise


def python(libc: str, machine: str = "x86_64") -> Interpreter:
    return Interpreter(executable="/usr/bin/python3", version="3.11.2", libc=libc, machine=machine)


@pytest.mark.parametrize(
    ("libc", "platform"),
    [
        ("glibc 2.36", "x86_64-manylinux_2_36"),
        ("glibc 2.30", "x86_64-manylinux_2_28"),
        ("glibc 2.99", "x86_64-manylinux_2_40"),
        ("", "x86_64-unknown-linux-musl"),
    ],
)
def test_platform_is_the_newest_that_the_libc_can_load(libc, platform):
    assert python(libc).platform == platform


def test_ancient_libc_is_refused():
    with pytest.raises(RebuildError, match=r"glibc 2\.12"):
        _ = python("glibc 2.12").platform


def tree(root, shebang: bytes):
    (root / "bin").mkdir(parents=True)
    script = root / "bin" / "tool"
    script.write_bytes(shebang + b"import sys\n")
    script.chmod(0o755)
    (root / "bin" / "data").write_bytes(b"\x7fELF no script")
    info = root / "tool-1.dist-info"
    info.mkdir()
    (info / "uv_cache.json").write_text('{"timestamp": 1}')
    (info / "RECORD").write_text("tool.py,,\n../../bin/tool,sha256=old,3\ntool-1.dist-info/uv_cache.json,sha256=x,1\n")
    (root / ".lock").touch()
    return script, info / "RECORD"


@pytest.mark.parametrize(
    "shebang",
    [
        b"#!/home/someone/venv/bin/python\n",
        b"#!/home/someone/venv/bin/python3.11\n",
        b"#!/bin/sh\n'''exec' \"/a very long/path/python\" \"$0\" \"$@\"\n' '''\n",
    ],
)
def test_scripts_forget_the_machine_and_records_follow(tmp_path, shebang):
    script, record = tree(tmp_path / "site", shebang)
    normalise(tmp_path / "site", "/usr/bin/python3")
    content = script.read_bytes()
    assert content == b"#!/usr/bin/python3\nimport sys\n"
    assert script.stat().st_mode & 0o100
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    assert f"../../bin/tool,sha256={digest},{len(content)}\n" in record.read_text()
    assert "uv_cache" not in record.read_text()
    assert not (record.parent / "uv_cache.json").exists()
    assert not (tmp_path / "site" / ".lock").exists()
    assert (tmp_path / "site" / "bin" / "data").read_bytes() == b"\x7fELF no script"


def test_shell_scripts_keep_their_shebang(tmp_path):
    script, _ = tree(tmp_path / "site", b"#!/bin/sh\n")
    normalise(tmp_path / "site", "/usr/bin/python3")
    assert script.read_bytes().startswith(b"#!/bin/sh\n")


def test_hard_links_into_a_cache_are_not_written_through(tmp_path):
    script, _ = tree(tmp_path / "site", b"#!/x/python\n")
    (tmp_path / "cache").hardlink_to(script)
    normalise(tmp_path / "site", "/usr/bin/python3")
    assert (tmp_path / "cache").read_bytes().startswith(b"#!/x/python")
