from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from unit.report.sample import scenario

from replay.outcome import Ending, Match, Mode, Verdict
from replay.report import words


def test_every_state_has_a_mark_and_a_word_of_its_own() -> None:
    for table, kinds in ((words.VERDICTS, Verdict), (words.MATCHES, Match), (words.ENDINGS, Ending)):
        assert set(table) == set(kinds)
        assert len({badge.word for badge in table.values()}) == len(table)
        assert all(badge.plain.isascii() and badge.tone in words.STYLES for badge in table.values())
    assert set(words.CLAIMS) == set(Verdict)
    assert len({badge.symbol for badge in words.VERDICTS.values()}) == len(words.VERDICTS)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1,023 B"), (1024, "1.0 KiB"), (3 << 29, "1.5 GiB"), (5 << 50, "5,120.0 TiB")],
)
def test_size(count: int, text: str) -> None:
    assert words.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.42 s"),
        (12.34, "12.3 s"),
        (185, "3 min 5 s"),
        (7440, "2 h 4 min"),
        (float("nan"), "unknown"),
        (float("inf"), "unknown"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-03-01T10:20:30.5+02:00", "2026-03-01 08:20:30 UTC"),
        ("2026-03-01T10:20:30", "2026-03-01 10:20:30 UTC"),
        ("", "unknown"),
        ("yesterday", "yesterday"),
    ],
)
def test_utc(text: str, shown: str) -> None:
    assert words.utc(text) == shown


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("reproduced", "replay momentum:1 --chained"),
        ("diverged", "replay momentum:1 --from-step train --keep"),
        ("failed", "replay momentum:1 --from-step train --keep"),
        ("not-self-reproducible", "replay momentum:1 --repeat 5"),
        ("not-replayable", "replay momentum:1 --plan"),
        ("inconclusive", "replay momentum:1 --plan"),
    ],
)
def test_next_command_fits_the_verdict(name: str, command: str, tmp_path: Path) -> None:
    assert words.next_command(scenario(name, tmp_path)[0])[1] == command


def test_next_command_quotes_what_a_shell_would_run(tmp_path: Path) -> None:
    result, _ = scenario("reproduced", tmp_path)
    chained = msgspec.structs.replace(result, mode=Mode.CHAINED)
    assert words.next_command(chained)[1] == "replay show momentum:1"
    diverged, _ = scenario("diverged", tmp_path)
    assert diverged.first_divergence
    first = msgspec.structs.replace(diverged.first_divergence, step="x; rm -rf /")
    assert "'x; rm -rf /'" in words.next_command(msgspec.structs.replace(diverged, first_divergence=first))[1]
