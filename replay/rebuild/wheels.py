"""Install hash-locked wheels with uv for another platform, and make the tree free of this machine."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import msgspec

from replay.errors import ImageBuildError, RebuildError

TARGET = "/opt/replay/site-packages"
_MANYLINUX = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)  # the glibc versions that uv has platforms for
_SHEBANG = re.compile(rb"\A#!(?:/bin/sh\n'''exec' [^\n]*\n' '''\n|[^\n]*python[^\n]*\n)")
_NOTES = ("uv_cache.json", "uv_build.json")
_NOT_INHERITED = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PYTHON", "UV_TARGET", "UV_PREFIX", "UV_SYSTEM_PYTHON",
                  "UV_COMPILE_BYTECODE", "UV_REQUIRE_HASHES", "UV_OFFLINE", "UV_CONSTRAINT", "UV_OVERRIDE",
                  "UV_EXCLUDE_NEWER", "UV_PRERELEASE", "UV_RESOLUTION")  # fmt: skip


class Interpreter(msgspec.Struct, frozen=True, kw_only=True):
    """The Python inside an image."""

    executable: str
    version: str
    libc: str
    """``glibc 2.36``, or empty where it is no glibc (Alpine's musl)."""
    machine: str

    @property
    def platform(self) -> str:
        """The ``--python-platform`` of uv: the newest manylinux that this libc can load."""
        name, _, version = self.libc.partition(" ")
        if name != "glibc":
            return f"{self.machine}-unknown-linux-musl"
        minor = int(version.split(".")[1])
        fitting = [m for m in _MANYLINUX if m <= minor]
        if not fitting:
            raise RebuildError(f"the base image has {self.libc}, expected glibc 2.17 or newer")
        return f"{self.machine}-manylinux_2_{fitting[-1]}"


def uv_binary() -> str:
    """Path of uv: the one installed beside this package.

    Raises:
        RebuildError: There is none.
    """
    from uv import find_uv_bin

    try:
        return str(find_uv_bin())
    except FileNotFoundError as error:
        raise RebuildError(f"uv is not installed: {error}", hint="pip install uv") from error


def installer() -> str:
    """Name and version of the installer, e.g. ``uv 0.13.9``, as a recipe keeps it."""
    done = subprocess.run([uv_binary(), "--version"], capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split()[:2])


def install(
    lock: bytes, target: Path, interpreter: Interpreter, *, links: Path | None = None, offline: bool = False
) -> None:
    """Install the wheels of ``lock`` into ``target`` for ``interpreter``.

    Indexes and caches are those of uv's own configuration on this machine; the hashes decide what is accepted.

    Args:
        lock: Requirements, each with its hashes.
        target: The folder; it may hold packages already.
        interpreter: The Python of the image.
        links: Take wheels from this folder and from nowhere else.
        offline: Use uv's cache only.

    Raises:
        NoWheelError: A package has no wheel for this interpreter.
        ImageBuildError: uv failed otherwise, e.g. a hash does not match; uv's words are in the message.
    """
    arguments = [
        "pip", "install", "--quiet", "--no-progress", "--require-hashes", "--no-deps", "--only-binary", ":all:",
        "--python", sys.executable, "--python-version", interpreter.version, "--python-platform", interpreter.platform,
        "--target", str(target), "--requirement", "requirements.lock",
        *(["--no-index", "--no-cache", "--find-links", str(links)] if links else []),
    ]  # fmt: skip
    run_uv(arguments, target.parent, {"requirements.lock": lock}, offline=offline)
    target.mkdir(exist_ok=True)  # uv makes none for an empty lock


def run_uv(arguments: Sequence[str], folder: Path, files: Mapping[str, bytes], *, offline: bool) -> None:
    """Run uv in ``folder`` with ``files`` put there, with the machine's uv configuration and no project's.

    Raises:
        NoWheelError: uv says that a package has no wheel.
        ImageBuildError: It failed otherwise.
    """
    for name, content in files.items():
        (folder / name).write_bytes(content)
    command = [uv_binary(), *arguments, *(["--offline"] if offline else [])]
    environment = {k: v for k, v in os.environ.items() if k not in _NOT_INHERITED}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        words = done.stderr or done.stdout
        lacking = re.search(r"has no( usable)? wheels|no wheels? (with|are|is)", words)
        kind = NoWheelError if lacking else ImageBuildError
        raise kind(f"uv could not install the lock: {_essence(words)}", hint=_hint(words, offline))


class NoWheelError(ImageBuildError):
    """A locked package has no wheel for the image's Python and platform."""


def _essence(text: str) -> str:
    lines = [line.strip(" ×├─▶╰│") for line in text.splitlines() if line.strip() and not line.startswith("warning:")]
    return " ".join(lines)[:2000] or "it said nothing"


def _hint(text: str, offline: bool) -> str:
    if "ash mismatch" in text:
        return "the index serves other bytes than were locked; the lock is right, or it was never made from this index"
    if offline:
        return "without --offline missing wheels would be fetched"
    if "wheels" in text:
        return "every package needs a wheel for the image's Python and platform, or a pure-Python sdist"
    return "uv takes its indexes from its own configuration (uv.toml, UV_INDEX…)"


def normalise(target: Path, executable: str) -> None:
    """Make the tree independent of the machine that installed it.

    Scripts get the image's interpreter as their shebang; uv's notes about its cache (they hold times) are dropped; and
    the RECORD of each wheel follows.
    """
    for lock in (target / ".lock", target / ".gitignore", target / "CACHEDIR.TAG"):
        lock.unlink(missing_ok=True)
    changed: dict[str, bytes] = {}
    for script in sorted((target / "bin").glob("*")):
        old = script.read_bytes()
        new = _SHEBANG.sub(f"#!{executable}\n".encode().replace(b"\\", b"\\\\"), old)
        if new != old:
            mode = script.stat().st_mode
            script.unlink()  # it may be a hard link into uv's cache
            script.write_bytes(new)
            script.chmod(mode)
            changed[f"bin/{script.name}"] = new
    for note in [note for name in _NOTES for note in target.glob(f"*.dist-info/{name}")]:
        note.unlink()
    for record in sorted(target.glob("*.dist-info/RECORD")):
        _follow(record, changed)


def _follow(record: Path, changed: Mapping[str, bytes]) -> None:
    """Rewrite a RECORD: new digests of changed scripts, no dropped notes, rows sorted."""
    rows = list(csv.reader(io.StringIO(record.read_text(encoding="utf-8"), newline="")))
    rows = [row for row in rows if row and PurePosixPath(row[0]).name not in _NOTES]
    for row in rows:
        parts = PurePosixPath(row[0]).parts
        if len(row) == 3 and len(parts) >= 2 and "/".join(parts[-2:]) in changed and set(parts[:-2]) <= {".."}:
            content = changed["/".join(parts[-2:])]
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            row[1:] = [f"sha256={digest}", str(len(content))]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    record.unlink()
    record.write_text(text.getvalue(), encoding="utf-8", newline="")
