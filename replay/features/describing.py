"""Files that describe a group: a definition, and the columns."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from replay.errors import UsageError
from replay.features.values import Columns
from replay.store import fsops

_MAX_BYTES = 64 << 10


def read_document(path: Path) -> str:
    """The text of a definition: a YAML or JSON file that holds a mapping, of whatever describes the group.

    Raises:
        UsageError: It is none, or larger than 64 KiB.
    """
    text = _small(path)
    if not isinstance(_parsed(path, text), dict):
        raise UsageError(f"{path}: got no mapping, expected fields such as `description: …`")
    return text


def read_columns(path: Path) -> Columns:
    """Columns from a file: those of a Parquet file, or a mapping of names to types in YAML or JSON.

    Raises:
        UsageError: It is none of these, or has a column type that groups cannot have.
    """
    from replay.features.columns import columns_of, schema_of
    from replay.features.incoming import columns_in, is_parquet

    os.close(fsops.open_regular(path))
    if is_parquet(path):
        return columns_in(path)
    found = _parsed(path, _small(path))
    if not isinstance(found, dict) or not all(isinstance(text, str) for pair in found.items() for text in pair):
        raise UsageError(
            f"{path}: got no mapping of columns to types", hint="write lines such as `close: float64`, or give Parquet"
        )
    try:
        return columns_of(schema_of(found.items()))
    except UsageError as error:
        raise UsageError(f"{path}: {error}", hint=error.hint) from error


def _small(path: Path) -> str:
    with os.fdopen(fsops.open_regular(path), "rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise UsageError(f"{path}: got more than {_MAX_BYTES:,} bytes, expected a short text")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: got text that is no UTF-8") from error


def _parsed(path: Path, text: str) -> Any:
    """The document in a YAML or JSON file."""
    if path.suffix not in {".yaml", ".yml", ".json"}:
        raise UsageError(f"{path}: got a file {path.suffix or 'without suffix'}, expected .yaml or .json")
    try:
        return json.loads(text, object_pairs_hook=_once) if path.suffix == ".json" else _yaml(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping; of a key that stands there twice nobody knows which value is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"got {next(key for key in names if names.count(key) > 1)!r} twice, expected it once")
    return found


def _yaml(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses a mapping with a key that stands there twice."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            _once([(str(key.value), None) for key, _ in node.value])
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
