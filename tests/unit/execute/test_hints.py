from __future__ import annotations

import pytest

from replay.execute.hints import explain

KNOWN = {"data/extra.csv", "data/in.csv", "src/util.py", "helpers.py", "conf/a b.yaml"}


def why(log: str, directory: str = "") -> str:
    return explain(log, step="train", known=KNOWN, declared={"data/in.csv", "out"}, directory=directory)


@pytest.mark.parametrize(
    "log",
    [
        "FileNotFoundError: [Errno 2] No such file or directory: 'data/extra.csv'",
        "FileNotFoundError: [Errno 2] No such file or directory: '/work/data/extra.csv'",
        "cat: ./data/extra.csv: No such file or directory",
        "cat: src/../data/extra.csv: No such file or directory",
        "pandas: data/extra.csv does not exist",
    ],
)
def test_undeclared_inputs_are_named(log: str) -> None:
    assert why(log) == (
        "data/extra.csv exists in the repository but is not a declared input of step train; add it to deps"
    )


def test_names_with_spaces_and_modules_and_subdirectories() -> None:
    assert why("No such file or directory: 'conf/a b.yaml'").startswith("conf/a b.yaml exists")
    assert why("ModuleNotFoundError: No module named 'helpers'").startswith("helpers.py exists")
    assert why("No such file: '/work/projects/one/data/extra.csv'", "projects/one").startswith("data/extra.csv exists")
    assert "\n" not in why("No such file: 'data/extra.csv'\nNo module named 'helpers'")


@pytest.mark.parametrize(
    "log",
    ["", "No such file: 'data/in.csv'", "No such file: 'out/x'", "No such file: 'nobody/knows.csv'",
     "reading data/extra.csv went well", "PermissionError: [Errno 13] Permission denied: 'out/x'"],
)  # fmt: skip
def test_nothing_is_said_without_a_reason(log: str) -> None:
    assert why(log) == ""


@pytest.mark.parametrize(
    "log",
    ["OSError: [Errno 101] Network is unreachable", "socket.gaierror: [Errno -3] Temporary failure in name resolution",
     "curl: (6) Could not resolve host: example.org", "NameResolutionError: ..."],
)  # fmt: skip
def test_network(log: str) -> None:
    assert "the network, which is off in a replay" in why(log)


def test_undeclared_outputs_and_full_disks() -> None:
    assert "it tried to write src/cache.bin" in why("PermissionError: [Errno 13] Permission denied: 'src/cache.bin'")
    assert "a file system was full" in why("OSError: [Errno 28] No space left on device")
