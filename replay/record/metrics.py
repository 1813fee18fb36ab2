"""The numbers in a metrics file, as DVC reads them: JSON, YAML or TOML, key by key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from replay.flatten import MAX_BYTES, flatten

_SUFFIXES = {".json", ".yaml", ".yml", ".toml"}


def metrics_of(path: Path) -> dict[str, str]:
    """Name → value as JSON text; nothing for a file that is too large, or that is none of these formats.

    The file itself is recorded and compared by its bytes: these values only make it searchable.
    """
    if path.suffix not in _SUFFIXES or not path.is_file() or path.stat().st_size > MAX_BYTES:
        return {}
    try:
        value = _load(path.suffix, path.read_text())
    except (ValueError, RecursionError):
        return {}
    return {key: leaf for key, leaf in (flatten(value) or {}).items() if key}


def _load(suffix: str, text: str) -> Any:
    """The document.

    Raises:
        ValueError: It is not of this format.
    """
    if suffix == ".json":
        return json.loads(text)
    if suffix == ".toml":
        import tomllib

        return tomllib.loads(text)
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
