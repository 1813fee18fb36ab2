"""What the doctor says of this machine: tools, disk, CPU, BLAS and name clashes."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from replay.doctor.check import Check, Status
from replay.errors import RebuildError

OURS = "replay-engine"
_FREE_FAIL, _FREE_WARN = 1 << 30, 10 << 30

# x86-64 psABI, "micro-architecture levels": the flags of /proc/cpuinfo that each level adds.
_LEVELS = (
    ("v2", {"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"}),
    ("v3", {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}),
    ("v4", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
)


def checks(root: Path) -> list[Check]:
    """Look at everything that needs no engine."""
    return [git(), uv(), disk(root), cpu(), blas(), name_clash(installed_distributions())]


def git() -> Check:
    """Git, with which code is fetched."""
    meaning = "code cannot be fetched without it: install git"
    return _tool("git", ["git", "--version"], lambda: shutil.which("git"), meaning)


def uv() -> Check:
    """uv, with which locked wheels are installed."""
    from replay.rebuild.wheels import uv_binary

    def find() -> str | None:
        try:
            return uv_binary()
        except RebuildError:
            return None

    return _tool("uv", ["uv", "--version"], find, "locked environments cannot be built without it: pip install uv")


def _tool(name: str, command: list[str], find: Callable[[], str | None], meaning: str) -> Check:
    path = find()
    if path is None:
        return Check(name=name, status=Status.FAIL, finding="missing", meaning=meaning)
    done = subprocess.run([path, *command[1:]], capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        finding = f"{path} fails: {done.stderr.strip()[:200]}"
        return Check(name=name, status=Status.FAIL, finding=finding, meaning=meaning)
    return Check(name=name, status=Status.OK, finding=done.stdout.strip())


def disk(root: Path) -> Check:
    """Free space where the store lies."""
    place = next(p for p in (root, *root.parents) if p.is_dir())
    return free_space(shutil.disk_usage(place).free, place)


def free_space(free: int, place: Path) -> Check:
    """What ``free`` bytes are enough for."""
    finding = f"{free / 2**30:.1f} GiB free at {place}"
    if free < _FREE_FAIL:
        meaning = "an image alone needs about 1 GiB; free some space"
        return Check(name="disk", status=Status.FAIL, finding=finding, meaning=meaning)
    if free < _FREE_WARN:
        meaning = "images and kept outputs fill this quickly"
        return Check(name="disk", status=Status.WARN, finding=finding, meaning=meaning)
    return Check(name="disk", status=Status.OK, finding=finding)


def cpu() -> Check:
    """The CPU's level."""
    flags: set[str] = set()
    model = platform.processor() or platform.machine()
    path = Path("/proc/cpuinfo")
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        key, _, value = line.partition(":")
        if key.strip() in {"flags", "Features"}:
            flags |= set(value.split())
        elif key.strip() == "model name":
            model = value.strip()
    return cpu_level(platform.machine(), model, flags)


def cpu_level(machine: str, model: str, flags: Iterable[str]) -> Check:
    """What a CPU with ``flags`` can restore: bits depend on the vector instructions that libraries choose."""
    have = set(flags)
    if machine not in {"x86_64", "AMD64"}:
        return Check(
            name="CPU",
            status=Status.WARN,
            finding=f"{model} ({machine})",
            meaning="records made on x86-64 cannot be restored bit for bit here",
        )
    level = "v1"
    for name, needed in _LEVELS:
        if not needed <= have:
            break
        level = name
    wide = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if name in have]
    finding = f"{model}: x86-64-{level} ({', '.join(wide) or 'no AVX2'})"
    if level == "v4":
        return Check(name="CPU", status=Status.OK, finding=finding, meaning="can restore records of every profile")
    if level == "v3":
        return Check(
            name="CPU",
            status=Status.OK,
            finding=finding,
            meaning="can restore `portable-v3` records; one that used AVX-512 may differ in its last bits",
        )
    return Check(
        name="CPU",
        status=Status.WARN,
        finding=finding,
        meaning="even `portable-v3` records need AVX2 and FMA: numbers may differ in their last bits",
    )


def blas() -> Check:
    """The BLAS of this machine's numpy: what comparing uses, not what steps use."""
    from replay.doctor.pools import thread_pools

    pools = thread_pools()
    if not pools:
        meaning = "only this process is concerned"
        return Check(name="BLAS", status=Status.WARN, finding="numpy shows none", meaning=meaning)
    finding = "; ".join(
        f"{p.get('internal_api')} {p.get('version') or ''} kernel {p.get('architecture') or '?'}, "
        f"{p.get('num_threads')} threads"
        for p in pools
    )
    return Check(
        name="BLAS", status=Status.OK, finding=finding,
        meaning="of this process; steps use their image's, whose kernel and threads are part of the recipe",
    )  # fmt: skip


def installed_distributions() -> list[str]:
    """The distributions that bring a top-level package ``replay``."""
    from importlib.metadata import packages_distributions

    return sorted(set(packages_distributions().get("replay", ())))


def name_clash(distributions: Iterable[str]) -> Check:
    """Whether another installed distribution brings a package of our import name."""
    others = sorted(name for name in distributions if name.lower().replace("_", "-") != OURS)
    if not others:
        return Check(name="import name", status=Status.OK, finding="`replay` is ours alone")
    return Check(
        name="import name",
        status=Status.FAIL,
        finding=f"{', '.join(others)} also brings a package `replay`",
        meaning=f"their files lie in one folder and overwrite each other: uninstall {', '.join(others)}, "
        f"reinstall {OURS}, and keep them in separate environments",
    )
