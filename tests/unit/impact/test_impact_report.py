"""The order of a blast radius, and its counts in one line."""

from __future__ import annotations

from replay.impact.report import headline_of, summary_of, worst_first
from replay.registry.standing import Deployment, Replayed, Said, Standing


def version(
    model_id: str, *, status: str = "", running: tuple[str, ...] = (), past: tuple[str, ...] = (), verdict: str = ""
) -> Standing:
    deployments = [Deployment(uid=f"id:{place}", to=place, current=True, since="2026-01-01") for place in running]
    deployments += [Deployment(uid=f"id:{place}", to=place, current=False, since="2025-01-01") for place in past]
    return Standing(
        uid=f"id:{model_id}",
        model_id=model_id,
        recorded="2026-01-01",
        status=Said(value=status) if status else None,
        deployments=tuple(deployments),
        replays=(Replayed(replay="rp_1", verdict=verdict, when="2026-01-02"),) if verdict else (),
    )


def test_what_runs_and_should_not_comes_first_and_what_was_rejected_last() -> None:
    expected = [
        version("a:1", status="rejected", running=("prod",)),
        version("a:2", running=("prod",)),
        version("a:3", status="approved", running=("prod",)),
        version("a:4", status="approved", past=("prod",)),
        version("a:5"),
        version("a:6", status="rejected"),
    ]
    assert list(worst_first(reversed(expected))) == expected


def test_within_that_the_newest_verdict_counts() -> None:
    verdicts = ["diverged", "failed", "not-self-reproducible", "not-replayable", "inconclusive", "", "reproduced"]
    expected = [version("a:1", verdict=verdict) for verdict in verdicts]
    assert list(worst_first(reversed(expected))) == expected


def test_versions_are_counted_up_not_spelled() -> None:
    names = ["a:2", "a:10", "b:1"]
    assert [one.model_id for one in worst_first(version(name) for name in reversed(names))] == names


def test_a_verdict_of_another_program_is_no_verdict() -> None:
    strange, bad, good = (
        version("a:1", verdict="wow"),
        version("a:2", verdict="diverged"),
        version("a:3", verdict="reproduced"),
    )
    assert [one.model_id for one in worst_first([good, strange, bad])] == ["a:2", "a:1", "a:3"]


def test_the_counts_say_how_many_are_approved_and_where_they_run() -> None:
    summary = summary_of(
        [
            version("a:1", status="approved", running=("prod", "shadow"), verdict="reproduced"),
            version("a:2", status="rejected", running=("prod",), past=("prod",), verdict="diverged"),
            version("b:1"),
        ]
    )
    assert (summary.versions, summary.models) == (3, 2)
    assert summary.statuses == {"approved": 1, "rejected": 1, "undecided": 1}
    assert summary.deployed == {"prod": 2, "shadow": 1}
    assert summary.replays == {"diverged": 1, "never": 1, "reproduced": 1}
    assert headline_of(summary) == (
        "3 model versions of 2 models, 1 approved, 1 rejected, 2 deployed to prod, 1 deployed to shadow, "
        "1 diverged when last replayed"
    )


def test_the_counts_of_one_and_of_nothing() -> None:
    assert headline_of(summary_of([version("a:1", status="approved", running=("prod",))])) == (
        "1 model version, 1 approved, 1 deployed to prod"
    )
    assert headline_of(summary_of([version("a:1")])) == "1 model version, none deployed"
    assert headline_of(summary_of([])) == "no model version"


def test_what_else_runs_is_counted_too() -> None:
    other = [Deployment(uid="id:x", to="prod", current=now, since="2026-01-01") for now in (True, False)]
    assert headline_of(summary_of([], other)) == "no model version, 1 deployed to prod"
