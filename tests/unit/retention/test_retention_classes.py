"""Retention classes and legal holds, as decisions about values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from replay.config import RetentionSettings
from replay.errors import ConfigError
from replay.retention.classes import Standing, Subject, checked, standing

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CLASSES = {"standard": {"keep_days": 0}, "short": {"keep_days": 30}, "regulated": {"keep_days": 1826}}


def settings(**changes: Any) -> RetentionSettings:
    return msgspec.convert({"classes": CLASSES, "default": "standard", **changes}, RetentionSettings)


def subject(*, days: float = 100, **changes: Any) -> Subject:
    whole = {"name": "credit/pd", "version": 3, "created": NOW - timedelta(days=days), **changes}
    return Subject(**whole)


def judged(rules: list[dict[str, Any]] | None = None, holds: list[dict[str, Any]] | None = None, **of: Any) -> Standing:
    return standing(subject(**of), [settings(rules=rules or [], holds=holds or [])], NOW)


def test_without_a_rule_the_default_class_counts() -> None:
    found = judged()
    assert found.classes == ("standard",)
    assert found.refusals == ()
    assert found.until == NOW - timedelta(days=100)


@pytest.mark.parametrize(
    ("rule", "of", "expected"),
    [
        ({"model": "credit/pd"}, {}, True),
        ({"model": "credit/*"}, {}, True),
        ({"model": "credit/pd:3"}, {}, True),
        ({"model": "credit/pd:4"}, {}, False),
        ({"model": "Credit/*"}, {}, False),
        ({"model": "credit"}, {}, False),
        ({"tags": {"desk": "rates"}}, {"tags": {"desk": "rates"}}, True),
        ({"tags": {"desk": "ra*"}}, {"tags": {"desk": "rates"}}, True),
        ({"tags": {"desk": "*"}}, {}, False),
        ({"tags": {"desk": "rates", "region": "eu"}}, {"tags": {"desk": "rates"}}, False),
        ({"status": "approved"}, {"status": "approved"}, True),
        ({"status": "approved"}, {}, False),
        ({"model": "credit/*", "status": "approved"}, {"status": "rejected"}, False),
    ],
)
def test_all_criteria_of_a_rule_must_match(rule: dict[str, Any], of: dict[str, Any], expected: bool) -> None:
    found = judged([{"class": "regulated", **rule}], **of)
    assert found.classes == (("regulated",) if expected else ("standard",))
    assert bool(found.refusals) is expected


def test_of_several_classes_the_longest_time_counts() -> None:
    rules = [{"class": "short", "model": "credit/*"}, {"class": "regulated", "model": "*"}]
    assert judged(rules).classes == ("regulated", "short")
    assert judged(list(reversed(rules))).until == NOW - timedelta(days=100) + timedelta(days=1826)


def test_a_facet_prolongs_and_never_shortens() -> None:
    assert judged(chosen=("regulated",)).classes == ("regulated", "standard")
    assert judged([{"class": "regulated", "model": "*"}], chosen=("short",)).classes == ("regulated", "short")


@pytest.mark.parametrize(("days", "kept"), [(29.9, True), (30, False), (30.1, False)])
def test_the_time_ends_to_the_second(days: float, kept: bool) -> None:
    assert bool(judged(chosen=("short",), days=days).refusals) is kept


def test_of_two_facets_both_count() -> None:
    assert judged(chosen=("short", "regulated")).classes == ("regulated", "short", "standard")


def test_an_unknown_class_of_a_facet_forbids() -> None:
    (why,) = judged(chosen=("forever",), days=9999).refusals
    assert why == (
        "its retention class 'forever' is not defined in conf/retention, which has regulated, short, standard"
    )


def test_holds_count_whatever_the_class() -> None:
    found = judged(holds=[{"model": "credit/pd:3", "reason": "case 17"}, {"model": "other", "reason": "no"}])
    assert found.refusals == ("it is under legal hold: case 17",)


def test_a_hold_with_a_path_holds_that_alone() -> None:
    found = judged(holds=[{"model": "*", "path": "data/*", "reason": "case 17"}])
    assert found.refusals == ()
    assert found.holds("data/raw.csv") == "legal hold: case 17"
    assert found.holds("data/deep/raw.csv") == "legal hold: case 17"
    assert found.holds("out/model.txt") is None


def test_a_hold_on_a_path_alone_is_about_every_model() -> None:
    assert judged(holds=[{"path": "*.csv", "reason": "audit"}]).holds("a.csv") == "legal hold: audit"


def test_two_settings_add_and_take_nothing_from_each_other() -> None:
    floor = settings(rules=[{"class": "regulated", "model": "*"}], holds=[{"model": "*", "reason": "case 17"}])
    asked = settings(classes=CLASSES | {"regulated": {"keep_days": 0}}, holds=[{"model": "*", "reason": "audit"}])
    found = standing(subject(), [floor, asked], NOW)
    assert found.until == NOW - timedelta(days=100) + timedelta(days=1826)
    assert found.refusals[:2] == ("it is under legal hold: case 17", "it is under legal hold: audit")


def test_settings_that_contradict_themselves_name_every_place() -> None:
    wrong = settings(
        default="none",
        rules=[{"class": "forever", "model": "*"}, {"class": "short"}],
        holds=[{"reason": "everything?"}],
    )
    with pytest.raises(ConfigError) as error:
        checked(wrong)
    for place in (
        "default: got the class 'none'",
        "rule 1: got the class 'forever'",
        "rule 2: expected model",
        "hold 1",
    ):
        assert place in str(error.value)
    assert checked(settings()) == settings()


@pytest.mark.parametrize(
    "wrong",
    [
        {"classes": {"a": {"keep_days": -1}}},
        {"classes": {"a": {"keep_days": 1.5}}},
        {"classes": {"a": {"days": 1}}},
        {"holds": [{"model": "*"}]},
        {"holds": [{"model": "*", "reason": ""}]},
        {"rules": [{"model": "*"}]},
    ],
)
def test_what_is_no_setting_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        settings(**wrong)
