"""The types that columns may have: their names, which stay the same for good, and Arrow's types for them.

How values are encoded is no part of a type: a dictionary of strings is a string, a time with a zone is an instant
whatever its zone (it comes back in UTC), and a time in whole seconds is one in milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from replay.errors import UsageError
from replay.features.times import DAY, UNITS
from replay.features.values import DELETED, Columns

_SIMPLE: dict[str, Any] = {
    "bool": pa.bool_(),
    **{f"{sign}int{bits}": getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": getattr(pa, f"float{bits}")() for bits in (16, 32, 64)},
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
}
_NAMES = {kind: name for name, kind in _SIMPLE.items()}
_UNIT = "(?P<unit>ms|us|ns)"
_PARSED: tuple[tuple[str, Callable[[dict[str, str]], Any]], ...] = (
    (rf"timestamp\[{_UNIT}(?P<zone>, UTC)?\]", lambda p: pa.timestamp(p["unit"], tz="UTC" if p["zone"] else None)),
    (rf"time\[{_UNIT}\]", lambda p: (pa.time32 if p["unit"] == "ms" else pa.time64)(p["unit"])),
    (rf"duration\[{_UNIT}\]", lambda p: pa.duration(p["unit"])),
    (
        r"decimal\((?P<digits>\d{1,2}), (?P<scale>-?\d{1,2})\)",
        lambda p: pa.decimal128(int(p["digits"]), int(p["scale"])),
    ),
    (r"binary\[(?P<width>[1-9]\d{0,5})\]", lambda p: pa.binary(int(p["width"]))),
    (r"list<(?P<inner>.+)>", lambda p: pa.list_(type_of(p["inner"]))),
    (r"list<(?P<inner>.+)>\[(?P<width>[1-9]\d{0,5})\]", lambda p: pa.list_(type_of(p["inner"]), int(p["width"]))),
)  # fmt: skip


def _finer(unit: str) -> str:
    """Parquet knows no seconds: whoever writes them reads milliseconds."""
    return "ms" if unit == "s" else unit


_LOGICAL: tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...] = (
    (pa.types.is_large_string, lambda kind: pa.string()),
    (pa.types.is_string_view, lambda kind: pa.string()),
    (pa.types.is_large_binary, lambda kind: pa.binary()),
    (pa.types.is_binary_view, lambda kind: pa.binary()),
    (pa.types.is_timestamp, lambda kind: pa.timestamp(_finer(kind.unit), tz=kind.tz and "UTC")),
    (pa.types.is_time32, lambda kind: pa.time32("ms")),
    (pa.types.is_duration, lambda kind: pa.duration(_finer(kind.unit))),
    (pa.types.is_date64, lambda kind: pa.date32()),
    (pa.types.is_fixed_size_list, lambda kind: pa.list_(logical(kind.value_type), kind.list_size)),
    (pa.types.is_list, lambda kind: _list_of(kind)),
    (pa.types.is_large_list, lambda kind: _list_of(kind)),
    (pa.types.is_list_view, lambda kind: _list_of(kind)),
    (pa.types.is_large_list_view, lambda kind: _list_of(kind)),
    (pa.types.is_decimal, lambda kind: pa.decimal128(kind.precision, kind.scale) if kind.precision <= 38 else kind),
)
"""Of each type that only encodes another one: how to tell it, and what it is."""
_MAX_COLUMNS = 10_000
_IDS = "an integer, string, binary, binary[N] or date"


def type_of(name: str) -> Any:
    """Arrow's type of this name.

    Raises:
        UsageError: There is none.
    """
    if name in _SIMPLE:
        return _SIMPLE[name]
    for form, build in _PARSED:
        if found := re.fullmatch(form, name):
            try:
                return build(found.groupdict())
            except (pa.ArrowException, ValueError) as error:
                raise UsageError(f"got the column type {name!r}: {error}") from error
    raise UsageError(
        f"got the column type {name!r}",
        hint=f"valid: {', '.join(_SIMPLE)}, timestamp[us], timestamp[us, UTC], time[us], duration[us], "
        "decimal(10, 2), binary[16], list<float64>, list<float64>[3] (units ms, us, ns)",
    )


def logical(kind: Any) -> Any:
    """Arrow's type without what is mere encoding; a type that columns cannot have stays as it is."""
    if isinstance(kind, pa.BaseExtensionType):
        return logical(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return logical(kind.value_type)
    return next((build(kind) for is_one, build in _LOGICAL if is_one(kind)), kind)


def _list_of(kind: Any) -> Any:
    return pa.list_(logical(kind.value_type))


def name_of(kind: Any) -> str:
    """The name of one of Arrow's types, however it is encoded.

    Raises:
        UsageError: Columns cannot have it; the hint says what to do.
    """
    kind, is_a = logical(kind), pa.types
    if kind in _NAMES:
        return _NAMES[kind]
    if is_a.is_timestamp(kind):
        return f"timestamp[{kind.unit}{', UTC' if kind.tz else ''}]"
    if is_a.is_time(kind):
        return f"time[{kind.unit}]"
    if is_a.is_duration(kind):
        return f"duration[{kind.unit}]"
    if is_a.is_decimal128(kind):
        return f"decimal({kind.precision}, {kind.scale})"
    if is_a.is_fixed_size_binary(kind):
        return f"binary[{kind.byte_width}]"
    if is_a.is_fixed_size_list(kind):
        return f"list<{name_of(kind.value_type)}>[{kind.list_size}]"
    if is_a.is_list(kind):
        return f"list<{name_of(kind.value_type)}>"
    if is_a.is_null(kind):
        raise UsageError("every value is null, so it has no type", hint="cast it to the type that it is to have")
    raise UsageError(f"its type is {kind}", hint="put each part of it into a column of its own")


def columns_of(schema: Any) -> Columns:
    """Names and types of a file's columns.

    Raises:
        UsageError: Two columns of one name, or a type that columns cannot have; every column is named.
    """
    if not 0 < len(schema) <= _MAX_COLUMNS:
        raise UsageError(f"got {len(schema)} columns, expected 1 to {_MAX_COLUMNS:,}")
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise UsageError(f"got several columns named {', '.join(map(repr, twice))}, expected one of each")
    found, wrong, hint = [], [], None
    for field in schema:
        try:
            found.append((field.name, name_of(field.type)))
        except UsageError as error:
            wrong.append(f"column {field.name!r}: {error}")
            hint = error.hint
    if wrong:
        raise UsageError("; ".join(wrong), hint=hint)
    return tuple(found)


def schema_of(columns: Iterable[tuple[str, str]]) -> Any:
    """Arrow's schema of these columns."""
    return pa.schema([(name, type_of(kind)) for name, kind in columns])


def plain(array: Any) -> Any:
    """``array`` in its `logical` type.

    Raises:
        pyarrow.ArrowException: A value does not fit, which a file may lie about.
    """
    if isinstance(array.type, pa.BaseExtensionType):
        return plain(array.storage)
    kind = logical(array.type)
    return array if kind == array.type else array.cast(kind)


def require_keys(columns: Columns, record_id: str, event_time: str) -> None:
    """Check that the columns hold a record id, an event time, and perhaps deletions, of types that can be such.

    Raises:
        UsageError: One is missing or has another type.
    """
    kinds = dict(columns)
    for what, name in (("record id", record_id), ("event time", event_time)):
        if name not in kinds:
            raise UsageError(f"the {what} {name!r} is no column", hint=f"there are: {', '.join(kinds)}")
    if not is_id(kinds[record_id]):
        raise UsageError(f"the record id {record_id!r}: got {kinds[record_id]}, expected {_IDS}")
    if not is_time(kinds[event_time]):
        raise UsageError(
            f"the event time {event_time!r}: got {kinds[event_time]}, "
            "expected a timestamp (with or without zone) or a date",
            hint="numbers and text do not say which unit, day or zone they mean: convert them",
        )
    if kinds.get(DELETED, "bool") != "bool":
        raise UsageError(f"the column {DELETED!r} marks deletions: got {kinds[DELETED]}, expected bool")


def is_id(kind: str) -> bool:
    """Whether records may be told apart by it: values that have one order and are equal or not."""
    return re.fullmatch(r"u?int\d+|string|binary(\[\d+\])?|date", kind) is not None


def is_time(kind: str) -> bool:
    """Whether it is a time on the calendar."""
    return kind == "date" or kind.startswith("timestamp[")


def unit_of(kind: str) -> int:
    """Nanoseconds of one unit of an event time; without a zone it is UTC, a date is its first moment."""
    return DAY if kind == "date" else UNITS[kind.removeprefix("timestamp[").partition(",")[0].rstrip("]")]
