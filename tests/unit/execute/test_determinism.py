from __future__ import annotations

from typing import Any

import pytest

from replay.errors import ConfigError
from replay.execute.determinism import PROFILES, deviations, environment_for, required_flags, restoration
from replay.execute.interface import HostFacts
from replay.recipe import Blas, Machine

V3 = ("abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave")
V4 = (*V3, "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl")


def machine(flags: tuple[str, ...] = V4, core: str | None = "SkylakeX", **changed: Any) -> Machine:
    blas = (Blas(library="openblas", architecture=core, threads=2),)
    return Machine(**{"cpu_model": "Xeon", "cpu_flags": flags, "cpus": 2, "memory_bytes": 8 << 30, "kernel": "6.1",
                      "blas": blas} | changed)  # fmt: skip


def host(flags: tuple[str, ...] = V4, **changed: Any) -> HostFacts:
    return HostFacts(**{"cpu_model": "Xeon", "cpu_flags": flags, "cpus": 2, "memory_bytes": 8 << 30, "kernel": "6.1",
                        "architecture": "x86_64"} | changed)  # fmt: skip


def test_pinned_gives_every_pool_the_cpus() -> None:
    made = environment_for("pinned", cpus=3, commit_time=1_600_000_000)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        assert made[name] == "3"
    assert made["SOURCE_DATE_EPOCH"] == "1600000000"
    assert (made["PYTHONHASHSEED"], made["TZ"], made["LC_ALL"], made["OMP_DYNAMIC"]) == ("0", "UTC", "C.UTF-8", "FALSE")
    assert made["HOME"] == "/tmp/home"
    assert "OPENBLAS_CORETYPE" not in made
    assert "GLIBC_TUNABLES" not in made


def test_portable_is_pinned_with_one_thread_and_avx2() -> None:
    pinned = environment_for("pinned", cpus=1, commit_time=0)
    made = environment_for("portable-v3", cpus=8, commit_time=0)
    assert made.items() >= pinned.items()
    added = {name: made[name] for name in made.keys() - pinned.keys()}
    assert added["OPENBLAS_CORETYPE"] == "Haswell"
    assert {"AVX512F", "AVX512_SKX", "X86_V4", "AVX512_SPR"} <= set(added["NPY_DISABLE_CPU_FEATURES"].split())
    assert added["GLIBC_TUNABLES"].startswith("glibc.cpu.hwcaps=-AVX512F,")
    assert not any(flag in added["GLIBC_TUNABLES"] for flag in ("AVX2", "FMA"))


@pytest.mark.parametrize(("profile", "cpus"), [("sealed", 1), ("", 1), ("pinned", 0)])
def test_unknown_profile_or_no_cpu(profile: str, cpus: int) -> None:
    with pytest.raises(ConfigError, match="got "):
        environment_for(profile, cpus=cpus, commit_time=0)


def test_required_flags() -> None:
    assert set(required_flags("portable-v3", machine())) == set(V3)
    assert "avx512f" in required_flags("pinned", machine())
    assert "avx512f" not in required_flags("pinned", machine(V3))


@pytest.mark.parametrize("profile", PROFILES)
def test_the_same_machine_deviates_in_nothing(profile: str) -> None:
    assert deviations(machine(), host(), profile) == []
    assert restoration(machine(), host(), profile) == {}


def test_missing_features_make_bitwise_impossible() -> None:
    found = deviations(machine(), host(V3), "pinned")
    assert [d.facet for d in found] == ["cpu features"]
    assert "avx512f" in found[0].recorded
    assert "bitwise equality is not to be expected" in found[0].consequence
    assert deviations(machine(), host(V3), "portable-v3") == []
    assert [d.facet for d in deviations(machine(), host(("avx",)), "portable-v3")] == ["cpu features"]


def test_a_more_capable_host_is_held_back() -> None:
    made = restoration(machine(V3, "Haswell"), host(V4, cpu_model="Other"), "pinned")
    assert made["OPENBLAS_CORETYPE"] == "Haswell"
    assert "AVX512F" in made["NPY_DISABLE_CPU_FEATURES"]
    assert "-AVX512F" in made["GLIBC_TUNABLES"]
    assert not any(name.startswith("MKL_") for name in made)
    found = deviations(machine(V3, "Haswell"), host(V4, cpu_model="Other"), "pinned")
    assert [d.facet for d in found] == ["cpu features", "cpu model"]
    assert "held back by" in found[0].consequence
    assert "OPENBLAS_CORETYPE" in found[0].consequence


def test_a_core_type_that_the_host_cannot_run_is_never_asked_for() -> None:
    assert restoration(machine(), host(V3, cpu_model="Other"), "pinned") == {}
    assert restoration(machine(V4, "Mystery"), host(V4, cpu_model="Other"), "pinned") == {}
    assert restoration(machine(), host(V4, cpu_model="Other"), "pinned") == {"OPENBLAS_CORETYPE": "SkylakeX"}


def test_fewer_cpus_and_less_memory() -> None:
    small = host(cpus=1, memory_bytes=4 << 30)
    pinned = deviations(machine(), small, "pinned")
    assert [(d.facet, d.recorded, d.actual) for d in pinned] == [("cpus", "2", "1"), ("memory", "8192 MiB", "4096 MiB")]
    assert "bits may differ" in pinned[0].consequence
    assert "one thread" in deviations(machine(), small, "portable-v3")[0].consequence
    assert deviations(machine(), host(memory_bytes=(8 << 30) - (100 << 20)), "pinned") == []
