"""Asks, inside an image, for the machine facets that decide bits."""

from __future__ import annotations

import base64
import os
import platform
import zlib
from pathlib import Path

import msgspec

from replay.errors import ExecuteError
from replay.execute.interface import HostFacts
from replay.execute.logs import escape
from replay.recipe import Machine

TIMEOUT_SECONDS = 120
_MAX_BYTES = 1 << 20
_SCRIPT = Path(__file__).with_name("probe_script.py")
_MARK = b"replay-probe:"


def command(python: str) -> list[str]:
    """The argument vector of the probe: script and threadpoolctl travel in it, so nothing has to be mounted."""
    import threadpoolctl

    packed = base64.b85encode(zlib.compress(Path(threadpoolctl.__file__).read_bytes(), 9)).decode("ascii")
    return [python, "-c", _SCRIPT.read_text("utf-8"), packed]


def decode(code: int, out: bytes) -> Machine:
    """The machine that the probe saw; the image is untrusted, so its answer is decoded strictly.

    Raises:
        ExecuteError: The probe failed, or answered nonsense.
    """
    _, mark, answer = out.rpartition(_MARK)
    if code != 0 or not mark or len(answer) > _MAX_BYTES:
        said = escape(out[-2000:].decode("utf-8", "backslashreplace"))
        raise ExecuteError(f"the probe inside the image ended with code {code}, expected a report: {said}",
                           hint="does `python3 -c pass` run in the image?")  # fmt: skip
    try:
        return msgspec.json.decode(answer, type=Machine)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ExecuteError(f"the probe inside the image answered no machine: {error}") from error


def without_python(host: HostFacts, cpus: int) -> Machine:
    """What can be said of an image that has no Python: the host's own facts."""
    return Machine(
        cpu_model=host.cpu_model, cpu_flags=host.cpu_flags, cpus=cpus, memory_bytes=host.memory_bytes,
        kernel=host.kernel,
    )  # fmt: skip


def facts_of(machine: Machine, architecture: str, cpus: int) -> HostFacts:
    """The facts of an engine's machine, when it is not this one, from a probe in one of its containers."""
    return HostFacts(
        cpu_model=machine.cpu_model, cpu_flags=machine.cpu_flags, cpus=cpus, memory_bytes=machine.memory_bytes,
        kernel=machine.kernel, architecture=architecture,
    )  # fmt: skip


def host_facts() -> HostFacts:
    """What this machine has to offer; on systems without /proc the CPU's flags are unknown and empty."""
    fields = _cpuinfo()
    flags = fields.get("flags") or fields.get("Features") or ""
    return HostFacts(
        cpu_model=fields.get("model name") or platform.processor() or platform.machine(),
        cpu_flags=tuple(sorted(flags.split())),
        cpus=_affinity(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        architecture=platform.machine(),
    )


def _affinity() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpuinfo() -> dict[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:  # no Linux
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
