from __future__ import annotations

import pytest

from replay.errors import ConfigError, UsageError
from replay.execute.engine import CpuPool
from replay.execute.options import check_image, environment, hermetic
from replay.execute.transport import choose
from replay.recipe import Resources


@pytest.mark.parametrize("image", ["python:3", "sha256:abc", "python@sha256:" + "0" * 64, "sha256:" + "G" * 64, ""])
def test_an_image_is_called_by_its_content(image: str) -> None:
    with pytest.raises(UsageError, match="a tag may move"):
        check_image(image)
    assert check_image("sha256:" + "0" * 64)


def test_recorded_variables_win_and_the_hook_goes_first() -> None:
    made = environment({"A": "recorded"}, {"A": "restored", "B": "2"}, ["PYTHONPATH=/image", "C=3"], hook=True)
    assert made == {"A": "recorded", "B": "2", "PYTHONPATH": "/replay/hook:/image"}
    assert environment({"PYTHONPATH": "lib"}, {}, ["PYTHONPATH=/image"], hook=True)["PYTHONPATH"] == "/replay/hook:lib"
    assert environment({}, {}, [], hook=True) == {"PYTHONPATH": "/replay/hook"}
    assert environment({"A": "1"}, {}, [], hook=False) == {"A": "1"}


def test_nothing_is_left_open() -> None:
    made = hermetic(Resources(cpus=2, memory_bytes=1 << 30, pids=99), "0,1")
    assert made["network_mode"] == "none"
    assert made["read_only"] is True
    assert made["cap_drop"] == ["ALL"]
    assert made["security_opt"] == ["no-new-privileges:true"]
    assert (made["mem_limit"], made["memswap_limit"], made["pids_limit"]) == (1 << 30, 1 << 30, 99)
    assert {u["Name"] for u in made["ulimits"]} == {"nofile", "core", "fsize"}
    assert "privileged" not in made


def test_cpus_are_shared_out_evenly_and_from_the_first() -> None:
    pool = CpuPool(3)
    with pool.take(1) as a, pool.take(1) as b, pool.take(2) as c:
        assert (a, b, c) == ("0", "1", "0,2")
    with pool.take(64) as everything:
        assert everything == "0,1,2"
    with pool.take(2) as first:
        assert first == "0,1"


def test_transport_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose("bind", remote=False) == "bind"
    assert choose("auto", remote=True) == choose("archive", remote=False) == "archive"
    for uid, expected in ((0, "bind"), (1000, "archive")):
        monkeypatch.setattr("os.geteuid", lambda uid=uid: uid)
        assert choose("auto", remote=False) == expected
    for name, remote in (("bind", True), ("carrier pigeon", False)):
        with pytest.raises(ConfigError, match="got the transport"):
            choose(name, remote=remote)
