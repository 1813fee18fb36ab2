from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.errors import UsageError
from replay.fetch.command import FULL_ID, Ran, check_id, check_source, environment, strip_credentials


@given(st.text(alphabet="0123456789abcdefABCDEFg-\n", max_size=70))
def test_only_full_hex_ids_pass(text: str) -> None:
    good = len(text) in {40, 64} and set(text) <= set("0123456789abcdef")
    assert bool(FULL_ID.fullmatch(text)) == good


@pytest.mark.parametrize("text", ["", "HEAD", "--output=/tmp/x", "a" * 39, "a" * 41, "A" * 40, "a" * 40 + "\n"])
def test_other_ids_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected a full Git id"):
        check_id(text)


@pytest.mark.parametrize(
    "source",
    ["", "-", "--upload-pack=sh", "ext::sh -c x", "ext::ssh://h/x", "fd::7", "http://h/x", "git://h/x", "ftp://h/x",
     "https::/x", "a\nb", "HTTPS+EXT://h", "x::https://h"],
)  # fmt: skip
def test_sources_that_could_run_something(source: str) -> None:
    with pytest.raises(UsageError):
        check_source(source)


def test_sources_that_pass(tmp_path: Path) -> None:
    assert check_source(str(tmp_path)) == (str(tmp_path.resolve()), True)
    assert check_source(str(tmp_path / "gone")) == (str(tmp_path / "gone"), True)
    assert check_source("https://h/x.git") == ("https://h/x.git", False)
    assert check_source("ssh://git@h/x.git") == ("ssh://git@h/x.git", False)
    assert check_source("git@host.example:team/x.git") == ("git@host.example:team/x.git", False)
    assert check_source("file:///srv/x.git") == ("file:///srv/x.git", True)


def test_a_refused_source_does_not_tell_its_password() -> None:
    with pytest.raises(UsageError) as error:
        check_source("http://me:hunter2@h/x.git")
    assert "hunter2" not in str(error.value)
    assert strip_credentials("https://me:hunter2@h:8443/x") == "https://h:8443/x"
    assert strip_credentials("git@h:x") == "git@h:x"


def test_the_environment_keeps_nothing_of_a_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/evil")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "/evil")
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -i key")
    env = environment([("filter.a=b.clean", "")])
    assert "GIT_DIR" not in env
    assert "GIT_EXTERNAL_DIFF" not in env
    assert env["GIT_SSH_COMMAND"] == "ssh -i key"
    last = int(env["GIT_CONFIG_COUNT"]) - 1
    assert (env[f"GIT_CONFIG_KEY_{last}"], env[f"GIT_CONFIG_VALUE_{last}"]) == ("filter.a=b.clean", "")


def test_the_reason_is_the_first_complaint() -> None:
    assert Ran(128, b"", "warning: a\nfatal: b\nfatal: c\n").reason == "fatal: b"
    assert Ran(1, b"", "one\ntwo\n").reason == "two"
    assert Ran(3, b"", "").reason == "git ended with 3"
