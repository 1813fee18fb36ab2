"""Files that describe a group: what they may hold, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replay.errors import UsageError
from replay.features.describing import read_columns, read_document


def test_columns_come_from_parquet_yaml_or_json_in_their_order(tmp_path: Path) -> None:
    expected = (("id", "string"), ("at", "timestamp[us, UTC]"), ("a", "float64"))
    schema = pa.schema([("id", pa.large_string()), ("at", pa.timestamp("us", "Asia/Tokyo")), ("a", pa.float64())])
    pq.write_table(schema.empty_table(), tmp_path / "a.parquet")
    (tmp_path / "a.yaml").write_text("id: string\nat: timestamp[us, UTC]\na: float64\n")
    (tmp_path / "a.json").write_text('{"id": "string", "at": "timestamp[us, UTC]", "a": "float64"}')
    assert {read_columns(tmp_path / f"a.{suffix}") for suffix in ("parquet", "yaml", "json")} == {expected}


def test_a_definition_is_kept_as_it_was_written(tmp_path: Path) -> None:
    text = "# by hand\ndescription:  closes \nsince: 2020-01-01\nlag: 0.5\nunits: {close: USD}\n"
    (tmp_path / "a.yaml").write_text(text)
    assert read_document(tmp_path / "a.yaml") == text


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "- one\n", "got no mapping"),
        ("a.yaml", "a: [1\n", "cannot be read"),
        ("a.yaml", "a: 1\na: 2\n", "got 'a' twice"),
        ("a.yaml", "b: {a: 1, a: 2}\n", "got 'a' twice"),
        ("a.json", '{"a": 1, "a": 2}', "got 'a' twice"),
        ("a.yaml", "a: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
        ("a.json", "[" * 100_000, "cannot be read|got more than"),
        ("a.yaml", "a: " + "x" * (64 << 10), "got more than 65,536 bytes"),
        ("a.txt", "a: 1\n", "got a file .txt, expected .yaml or .json"),
        ("a", "a: 1\n", "got a file without suffix"),
        ("a.yaml", b"a: \xff\n", "no UTF-8"),
    ],
)
def test_what_is_no_definition_is_refused(name: str, text: str | bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(UsageError, match=message):
        read_document(tmp_path / name)


@pytest.mark.parametrize("text", ["a: 1\n", "a: {b: string}\n", "1: string\n", "- a\n"])
def test_columns_are_names_and_types(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UsageError, match="got no mapping of columns to types"):
        read_columns(tmp_path / "a.yaml")


def test_unreadable_schemas_name_their_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: money\n")
    with pytest.raises(UsageError, match=r"a\.yaml: got the column type 'money'"):
        read_columns(tmp_path / "a.yaml")
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match=r"a\.parquet: no readable Parquet file"):
        read_columns(tmp_path / "a.parquet")
    (tmp_path / "empty.yaml").write_text("{}\n")
    with pytest.raises(UsageError, match=r"empty\.yaml: got 0 columns"):
        read_columns(tmp_path / "empty.yaml")
