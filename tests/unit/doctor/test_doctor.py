from pathlib import Path

import pytest

from replay.doctor import docker, host
from replay.doctor.check import Status
from replay.rebuild.engine import EngineInfo

V2 = {"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"}
V3 = V2 | {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}
V4 = V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("1.1.5+ds1-1+deb12u1", Status.OK),
        ("1.1.7-0ubuntu1~22.04.2", Status.OK),
        ("1.1.5+ds1-1", Status.WARN),
        ("1.1.11", Status.WARN),
        ("v1.1.12-0-g51d5e946", Status.OK),
        ("1.3.3", Status.OK),
        ("", Status.WARN),
        ("51d5e946", Status.WARN),
    ],
)
def test_runc(version, status):
    found = docker.runc(version)
    assert found.status is status
    assert status is Status.OK or "CVE-2024-21626" in found.meaning


@pytest.mark.parametrize(
    ("flags", "level", "status"),
    [
        (set(), "v1", Status.WARN),
        (V2, "v2", Status.WARN),
        (V3, "v3", Status.OK),
        (V4, "v4", Status.OK),
        (V4 - {"fma"}, "v2", Status.WARN),
    ],
)
def test_cpu_levels_build_on_each_other(flags, level, status):
    found = host.cpu_level("x86_64", "A CPU", flags)
    assert f"x86-64-{level} " in found.finding
    assert found.status is status


def test_another_architecture_is_said():
    assert host.cpu_level("aarch64", "N1", {"asimd"}).status is Status.WARN


def test_a_stranger_of_our_import_name_is_a_failure():
    assert host.name_clash(["replay-engine"]).status is Status.OK
    assert host.name_clash([]).status is Status.OK
    clash = host.name_clash(["replay-engine", "replay-rec"])
    assert clash.status is Status.FAIL
    assert "uninstall replay-rec" in clash.meaning


@pytest.mark.parametrize(("free", "status"), [(1 << 20, Status.FAIL), (5 << 30, Status.WARN), (50 << 30, Status.OK)])
def test_disk(free, status):
    assert host.free_space(free, Path("/")).status is status


def test_the_host_checks_look_at_the_real_machine(tmp_path):
    found = {c.name: c for c in host.checks(tmp_path / "not" / "there")}
    assert found["git"].finding.startswith("git version")
    assert found["uv"].finding.startswith("uv ")
    assert str(tmp_path) in found["disk"].finding
    assert "kernel" in found["BLAS"].finding


def test_a_missing_tool_fails():
    found = host._tool("x", ["x"], lambda: None, "install x")
    assert (found.status, found.meaning) == (Status.FAIL, "install x")


def info(**changes) -> EngineInfo:
    plain = {
        "address": "unix:///var/run/docker.sock", "version": "20.10", "api": "1.41", "runc": "1.1.12",
        "storage_driver": "overlay2", "containerd_store": False, "remote": False, "architecture": "amd64",
        "os": "Linux", "kernel": "6", "cpus": 2, "memory_bytes": 1 << 30, "root_dir": "/var/lib/docker", "cgroup": "2",
        "security": ("name=seccomp,profile=default",),
    }  # fmt: skip
    return EngineInfo(**{**plain, **changes})


def test_engine_findings():
    assert "another machine" in docker.engine(info(remote=True)).meaning
    assert docker.api(info(api="1.40")).status is Status.WARN
    assert docker.api(info(api="1.100")).status is Status.OK
    assert docker.storage(info(storage_driver="vfs")).status is Status.WARN
    assert "manifest" in docker.storage(info(containerd_store=True)).meaning
    assert docker.isolation(info(security=())).status is Status.WARN
    assert docker.isolation(info()).status is Status.OK
    assert docker.buildx(False).status is Status.WARN


def test_no_engine_is_a_failure_with_a_hint(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    (found,) = docker.checks()
    assert found.status is Status.FAIL
    assert "doctor --fix" in found.meaning
