"""Composed settings are found again, and only those that follow from the same files and overrides."""

from __future__ import annotations

from pathlib import Path

import pytest

from replay import config
from replay.settings_cache import kept, kept_parts, place

OFFLINE = ("fetch.offline=true",)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_composed_settings_are_found_again() -> None:
    assert kept(OFFLINE) is None
    composed = config.load(OFFLINE)
    assert kept(OFFLINE) is not None
    assert kept(()) is None
    assert config.load(OFFLINE) == composed
    parts = kept_parts(OFFLINE)
    assert parts is not None
    assert (parts.store.url, parts.access.identity) == (None, "os")


def test_a_file_that_two_states_share_by_chance_is_that_of_the_last_one() -> None:
    config.load(OFFLINE)
    ours, state = place(OFFLINE)
    other = state.replace(b"true", b"false")
    ours.write_bytes(other + ours.read_bytes()[len(state) :])
    assert kept(OFFLINE) is None
    assert config.load(OFFLINE).fetch.offline
    assert kept(OFFLINE) is not None


def test_a_damaged_file_is_composed_anew() -> None:
    composed = config.load(OFFLINE)
    path, state = place(OFFLINE)
    path.write_bytes(state + b"{")
    assert kept_parts(OFFLINE) is None
    assert config.load(OFFLINE) == composed
    assert kept_parts(OFFLINE) is not None
