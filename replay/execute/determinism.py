"""Determinism profiles: what a step's environment must say, what a machine must have, what it cannot restore. Pure."""

from __future__ import annotations

from collections.abc import Callable

from replay.errors import ConfigError
from replay.execute.interface import HostFacts
from replay.outcome import Deviation
from replay.recipe import Machine

PINNED = "pinned"
PORTABLE_V3 = "portable-v3"
PROFILES = (PINNED, PORTABLE_V3)
HOME = "/tmp/home"

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "PYTHON_CPU_COUNT",
)
_FIXED = {
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "LANG": "C.UTF-8",
    "PYTHONUTF8": "1",
    "PYTHONIOENCODING": "utf-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_DYNAMIC": "FALSE",
    "MKL_DYNAMIC": "FALSE",
    "HOME": HOME,
    "XDG_CACHE_HOME": f"{HOME}/.cache",
    "XDG_CONFIG_HOME": f"{HOME}/.config",
    "MPLCONFIGDIR": f"{HOME}/matplotlib",
    "MPLBACKEND": "Agg",
    "NUMBA_CACHE_DIR": f"{HOME}/numba",
    "TORCHINDUCTOR_CACHE_DIR": f"{HOME}/inductor",
    "TRITON_CACHE_DIR": f"{HOME}/triton",
    "HF_HOME": f"{HOME}/huggingface",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}
# Every library that chooses code by CPU is held at AVX2 + FMA. numpy is told in all its naming schemes (1.x to 2.3:
# AVX512F …, from 2.4 on: X86_V4 …): a name that it does not know costs an ImportWarning, which the hook silences.
_NUMPY_ABOVE_V3 = "AVX512F AVX512CD AVX512_KNL AVX512_KNM AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V4"
_GLIBC_ABOVE_V3 = ("AVX512F", "AVX512CD", "AVX512BW", "AVX512DQ", "AVX512VL", "AVX512ER", "AVX512PF")
_AVX2 = {
    "OPENBLAS_CORETYPE": "Haswell",
    "BLIS_ARCH_TYPE": "haswell",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": _NUMPY_ABOVE_V3,
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=" + ",".join(f"-{name}" for name in _GLIBC_ABOVE_V3),
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "DNNL_MAX_CPU_ISA": "AVX2",
    "ARROW_USER_SIMD_LEVEL": "AVX2",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "",
}
_V3 = ("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave")
_AVX512 = ("avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl")
# The kernels of a BLAS need these; a core type that the CPU cannot run ends in SIGILL, so it is asked beforehand.
_CORE_FLAGS = {
    "sapphirerapids": (*_AVX512, "avx512_bf16"),
    "cooperlake": (*_AVX512, "avx512_bf16"),
    "skylakex": _AVX512,
    "haswell": ("avx2", "fma"),
    "zen": ("avx2", "fma"),
    "excavator": ("avx2", "fma"),
    "sandybridge": ("avx",),
    "nehalem": ("sse4_2",),
    "core2": ("ssse3",),
    "prescott": ("pni",),
}
_DECIDES_BITS = ("fma", "avx", "avx2", "f16c", *_AVX512, "avx512_bf16", "avx512_fp16", "avx512_vnni", "avx_vnni",
                 "amx_tile", "amx_bf16", "amx_int8", "asimd", "sve", "sve2", "bf16")  # fmt: skip


def environment_for(profile: str, *, cpus: int, commit_time: int) -> dict[str, str]:
    """The variables of a new record under ``profile``.

    Args:
        profile: ``pinned`` or ``portable-v3`` (pinned, one thread, AVX2 everywhere).
        cpus: CPUs that the step may see; every thread pool gets that size.
        commit_time: Seconds since the epoch; becomes ``SOURCE_DATE_EPOCH``.

    Raises:
        ConfigError: There is no such profile, or no CPU.
    """
    if profile not in PROFILES:
        raise ConfigError(f"got the profile {profile!r}, expected one of {', '.join(PROFILES)}")
    if cpus < 1:
        raise ConfigError(f"got {cpus} CPUs, expected at least 1")
    threads = "1" if profile == PORTABLE_V3 else str(cpus)
    made = _FIXED | dict.fromkeys(_THREADS, threads) | {"SOURCE_DATE_EPOCH": str(commit_time)}
    if profile == PORTABLE_V3:
        # MKL knows no AVX2 branch on CPUs that are not Intel's; COMPATIBLE is the one that all of them run.
        made |= _AVX2 | {"MKL_CBWR": "COMPATIBLE"}
    return made


def required_flags(profile: str, machine: Machine) -> tuple[str, ...]:
    """The CPU flags (as in /proc/cpuinfo) that a host must have to restore a record of ``machine``."""
    if profile == PORTABLE_V3:
        return _V3
    return tuple(flag for flag in _DECIDES_BITS if flag in machine.cpu_flags)


def restoration(machine: Machine, host: HostFacts, profile: str) -> dict[str, str]:
    """Variables that hold a more capable ``host`` at the recorded CPU features; empty when nothing must be held.

    The step's own variables win over these: what was recorded is restored as it was.
    """
    if profile == PORTABLE_V3:
        return {}
    made: dict[str, str] = {}
    if "avx512f" in host.cpu_flags and "avx512f" not in machine.cpu_flags and "avx2" in machine.cpu_flags:
        made |= {name: value for name, value in _AVX2.items() if not name.startswith(("MKL_", "BLIS_"))}
    core = _recorded_core(machine)
    if core and (host.cpu_model != machine.cpu_model or made):
        made.pop("OPENBLAS_CORETYPE", None)
        if set(_CORE_FLAGS.get(core.lower(), ("unknown",))) <= set(host.cpu_flags):
            made["OPENBLAS_CORETYPE"] = core
    return made


def _recorded_core(machine: Machine) -> str | None:
    return next((b.architecture for b in machine.blas if b.library == "openblas" and b.architecture), None)


def deviations(machine: Machine, host: HostFacts, profile: str) -> list[Deviation]:
    """What of ``machine`` this ``host`` cannot restore, each with what may come of it; said before anything runs."""
    if machine.cpus == 0:
        return [_unknown(host)]
    checks: tuple[Callable[[Machine, HostFacts, str], Deviation | None], ...] = (
        _missing_flags, _extra_flags, _model, _fewer_cpus, _less_memory,
    )  # fmt: skip
    return [found for check in checks if (found := check(machine, host, profile)) is not None]


def _unknown(host: HostFacts) -> Deviation:
    return Deviation(
        facet="machine",
        recorded="unknown: nobody watched the run",
        actual=host.cpu_model,
        consequence="nothing is restored; a difference may come from the machine alone",
    )


def _missing_flags(machine: Machine, host: HostFacts, profile: str) -> Deviation | None:
    missing = [flag for flag in required_flags(profile, machine) if flag not in host.cpu_flags]
    if not missing:
        return None
    named = ", ".join(missing)
    return Deviation(
        facet="cpu features",
        recorded=f"with {named}",
        actual=f"without {named}",
        consequence="other kernels run, so bitwise equality is not to be expected; only tolerances can hold",
    )


def _extra_flags(machine: Machine, host: HostFacts, profile: str) -> Deviation | None:
    extra = [f for f in _DECIDES_BITS if f in host.cpu_flags and f not in machine.cpu_flags]
    if profile == PORTABLE_V3 or not extra:
        return None
    named = ", ".join(extra)
    held = ", ".join(sorted(restoration(machine, host, profile))) or "nothing"
    return Deviation(
        facet="cpu features",
        recorded=f"without {named}",
        actual=f"with {named}",
        consequence=f"held back by {held}; a library that chooses its kernels by other means may differ",
    )


def _model(machine: Machine, host: HostFacts, profile: str) -> Deviation | None:
    if profile == PORTABLE_V3 or host.cpu_model == machine.cpu_model:
        return None
    return Deviation(
        facet="cpu model",
        recorded=machine.cpu_model,
        actual=host.cpu_model,
        consequence="may matter: libraries choose kernels and block sizes by model and cache; "
        "records under portable-v3 do not depend on it",
    )


def _fewer_cpus(machine: Machine, host: HostFacts, profile: str) -> Deviation | None:
    if host.cpus >= machine.cpus:
        return None
    capped = "thread pools are capped at the visible CPUs, so sums are taken in another order and bits may differ"
    single = "one thread is used either way; only code that counts CPUs by itself sees the difference"
    return Deviation(
        facet="cpus",
        recorded=str(machine.cpus),
        actual=str(host.cpus),
        consequence=single if profile == PORTABLE_V3 else capped,
    )


def _less_memory(machine: Machine, host: HostFacts, _profile: str) -> Deviation | None:
    # The kernel keeps some for itself, so the same size of machine differs by a little.
    if host.memory_bytes >= machine.memory_bytes - machine.memory_bytes // 16:
        return None
    return Deviation(
        facet="memory",
        recorded=f"{machine.memory_bytes >> 20} MiB",
        actual=f"{host.memory_bytes >> 20} MiB",
        consequence="a step may run out of memory, and code that sizes its batches by free memory may differ",
    )
