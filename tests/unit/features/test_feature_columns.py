"""Column types: their names, Arrow's types, and what columns cannot have."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from replay.errors import UsageError
from replay.features.columns import columns_of, is_id, is_time, logical, name_of, plain, require_keys, type_of, unit_of

NAMES = [
    "bool", "int8", "uint64", "float16", "float64", "string", "binary", "date", "timestamp[ms]", "timestamp[ns, UTC]",
    "time[ms]", "time[ns]", "duration[us]", "decimal(10, 2)", "decimal(38, -3)", "binary[16]", "list<float32>",
    "list<float64>[3]", "list<list<string>>", "list<list<int8>[2]>", "list<list<int8>>[2]",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_means_one_type_for_good(name: str) -> None:
    assert name_of(type_of(name)) == name


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pa.dictionary(pa.int8(), pa.string()), "string"),
        (pa.large_string(), "string"),
        (pa.string_view(), "string"),
        (pa.large_binary(), "binary"),
        (pa.timestamp("us", tz="Europe/Berlin"), "timestamp[us, UTC]"),
        (pa.timestamp("us", tz="+05:30"), "timestamp[us, UTC]"),
        (pa.timestamp("s"), "timestamp[ms]"),
        (pa.timestamp("s", tz="UTC"), "timestamp[ms, UTC]"),
        (pa.time32("s"), "time[ms]"),
        (pa.duration("s"), "duration[ms]"),
        (pa.date64(), "date"),
        (pa.large_list(pa.dictionary(pa.int32(), pa.large_string())), "list<string>"),
        (pa.list_(pa.field("element", pa.int64(), nullable=False)), "list<int64>"),
        (pa.uuid(), "binary[16]"),
        (pa.decimal256(20, 4), "decimal(20, 4)"),
        (pa.run_end_encoded(pa.int32(), pa.int64()), "int64"),
    ],
)
def test_encoding_is_no_part_of_a_type(kind: Any, name: str) -> None:
    assert name_of(kind) == name


UUIDS = pa.array([b"x" * 16], pa.binary(16))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array(["a", None, "a"]).dictionary_encode(), pa.array(["a", None, "a"])),
        (pa.array([1, None], pa.timestamp("us", tz="Asia/Tokyo")), pa.array([1, None], pa.timestamp("us", tz="UTC"))),
        (pa.array([["a"]], pa.large_list(pa.large_string())), pa.array([["a"]], pa.list_(pa.string()))),
        (pa.array([7, None], pa.timestamp("s")), pa.array([7000, None], pa.timestamp("ms"))),
        (pa.array([86_400_000], pa.date64()), pa.array([1], pa.date32())),
        (pa.ExtensionArray.from_storage(pa.uuid(), UUIDS), UUIDS),
    ],
)  # fmt: skip
def test_values_come_in_their_plain_type(array: Any, expected: Any) -> None:
    assert plain(array).equals(expected)
    assert plain(array).type == logical(array.type) == expected.type


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (pa.schema([("a", pa.null())]), "every value is null"),
        (pa.schema([("a", pa.struct([("x", pa.int8())]))]), "its type is struct"),
        (pa.schema([("a", pa.map_(pa.string(), pa.int8()))]), "its type is map"),
        (pa.schema([("a", pa.decimal256(60, 2))]), "its type is decimal256"),
        (pa.schema([("a", pa.int8()), ("a", pa.int8())]), "several columns named 'a'"),
        (pa.schema([]), "got 0 columns"),
        (pa.schema([("good", pa.int8()), ("one", pa.null()), ("two", pa.null())]), "'one'.*'two'"),
    ],
)
def test_columns_that_no_group_can_have_are_named(schema: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        columns_of(schema)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "int",
        "int128",
        "list<>",
        "list<struct>",
        "timestamp[us, CET]",
        "timestamp[s]",
        "decimal(50, 2)",
        "decimal",
        "Date",
    ],
)
def test_an_unknown_type_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="got the column type"):
        type_of(name)


KEYS = (("id", "string"), ("at", "timestamp[us]"), ("close", "float64"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": None}, "the record id 'id' is no column"),
        ({"at": None}, "the event time 'at' is no column"),
        ({"id": "float64"}, "got float64, expected an integer"),
        ({"id": "bool"}, "got bool"),
        ({"at": "string"}, "got string, expected a timestamp"),
        ({"at": "int64"}, "got int64, expected a timestamp"),
        ({"is_deleted": "int8"}, "'is_deleted' marks deletions: got int8, expected bool"),
    ],
)
def test_keys_of_other_types_are_refused(changes: dict[str, str | None], message: str) -> None:
    columns = tuple((name, kind) for name, kind in (dict(KEYS) | changes).items() if kind is not None)
    with pytest.raises(UsageError, match=message):
        require_keys(columns, "id", "at")


def test_keys_that_fit_pass() -> None:
    for kind in ("int64", "uint8", "string", "binary", "binary[16]", "date"):
        require_keys((("id", kind), ("at", "date"), ("is_deleted", "bool")), "id", "at")
        with pytest.raises(UsageError):
            require_keys((("id", kind), ("at", "date"), ("is_deleted", "bool")), "at", "id_of_none")


@pytest.mark.parametrize("name", NAMES)
def test_ids_and_times_are_some_of_the_types(name: str) -> None:
    assert is_id(name) == (name in {"int8", "uint64", "string", "binary", "binary[16]", "date"})
    assert is_time(name) == (name in {"date", "timestamp[ms]", "timestamp[ns, UTC]"})


def test_the_unit_of_an_event_time() -> None:
    assert [unit_of(f"timestamp[{unit}{zone}]") for unit in ("ms", "us", "ns") for zone in ("", ", UTC")] == [
        10**6, 10**6, 10**3, 10**3, 1, 1,
    ]  # fmt: skip
    assert unit_of("date") == 86_400 * 10**9
