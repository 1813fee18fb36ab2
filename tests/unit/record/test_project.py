import pytest

from replay.errors import ConfigError
from replay.recipe import PathKind, Tolerance
from replay.record.project import decode, parse_size


def test_without_a_file_everything_is_judged_bit_for_bit():
    project = decode(None)
    assert project.judgement("out/x.parquet", PathKind.FILE).comparator == "bytes"
    assert project.profile == "pinned"


def test_the_first_matching_rule_is_sealed_with_owner_and_reason():
    project = decode(b"""
outputs:
  - {match: "out/*.json", tolerance: {relative: 1.0e-6, ulp: 4}, owner: model risk, reason: last bits}
  - {match: "out/*", volatile: true, owner: desk, reason: has a clock}
""")
    metrics = project.judgement("out/metrics.json", PathKind.FILE)
    assert metrics.comparator == "metrics"
    assert metrics.tolerance == Tolerance(relative=(1e-6).hex(), ulp=4)
    assert (metrics.owner, metrics.reason, metrics.volatile) == ("model risk", "last bits", False)
    log = project.judgement("out/log.txt", PathKind.FILE)
    assert (log.comparator, log.volatile) == ("bytes", True)


@pytest.mark.parametrize(
    ("path", "comparator"),
    [
        ("a.parquet", "table"),
        ("a.csv", "table"),
        ("a.npy", "array"),
        ("a.png", "image"),
        ("a.json", "metrics"),
        ("a.txt", "text"),
    ],
)
def test_a_rule_with_a_tolerance_takes_the_comparator_of_the_suffix(path, comparator):
    project = decode(b"outputs: [{match: '*', tolerance: {absolute: 1}, owner: o, reason: r}]")
    assert project.judgement(path, PathKind.FILE).comparator == comparator


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"outptus: []", "unknown field `outptus`"),
        (b"profile: fast", "expected one of pinned, portable-v3"),
        (b"time_limit: soon", "Expected `int"),
        (b"environment: {image: a, lock: b}", "expected one of them"),
        (b"outputs: [{match: '*', volatile: true}]", "needs its owner and reason"),
        (b"outputs: [{match: '*', comparator: magic, owner: o, reason: r}]", "got comparator 'magic'"),
        (
            b"outputs: [{match: '*', comparator: bytes, tolerance: {absolute: 1}, owner: o, reason: r}]",
            "takes no tolerance",
        ),
        (b"outputs: [{match: '*', tolerance: {absolute: -1}, owner: o, reason: r}]", "must not be negative"),
        (b"outputs: [{match: '*', tolerance: {absolute: .nan}, owner: o, reason: r}]", "must not be negative or NaN"),
        (b"a: [", "no YAML"),
        (b"!!python/object/apply:os.system [id]", "no YAML"),
    ],
)
def test_a_wrong_setting_is_named(text, message):
    with pytest.raises(ConfigError, match=message):
        decode(text)


@pytest.mark.parametrize(("text", "size"), [("4g", 4 << 30), ("512M", 512 << 20), ("100", 100)])
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "g", "-1g", "4gb", "1.5g", "0"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ConfigError, match="expected a number"):
        parse_size(text)


def test_resources_never_exceed_what_the_engine_has():
    project = decode(b"resources: {cpus: 64, memory: 1g}")
    limits = project.limits(cpus=2, memory_bytes=4 << 30, timeout_seconds=10)
    assert (limits.cpus, limits.memory_bytes, limits.timeout_seconds) == (2, 1 << 30, 10)
