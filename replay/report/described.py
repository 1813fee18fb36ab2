"""What the fields of our values mean, taken from where they are defined, for the published schemas."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from typing import Any


def describe(schema: dict[str, Any], kind: type) -> None:
    """Add a description to each property of a schema's definitions whose field is documented.

    Args:
        schema: A schema as ``msgspec.json.schema`` makes it, with ``$defs``; it is changed.
        kind: What it is of; other definitions are looked up where that is defined.
    """
    module = sys.modules[kind.__module__]
    for name, definition in schema["$defs"].items():
        documented = getattr(module, name, None)
        if inspect.isclass(documented):
            words = _words(documented)
            for field, value in definition.get("properties", {}).items():
                if field in words and "description" not in value:
                    value["description"] = words[field]


def _words(kind: type) -> dict[str, str]:
    """Of each documented field of a class, and of what it inherits from: the text behind it, as one line."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each.__module__.partition(".")[0] == "replay":
            found |= _classes(each.__module__).get(each.__name__, {})
    return found


@cache
def _classes(module: str) -> dict[str, dict[str, str]]:
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except OSError:  # installed without its source: a schema is whole without descriptions
        return {}
    return {node.name: dict(_documented(node)) for node in tree.body if isinstance(node, ast.ClassDef)}


def _documented(node: ast.ClassDef) -> list[tuple[str, str]]:
    found = []
    for field, text in pairwise(node.body):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found.append((field.target.id, " ".join(str(text.value.value).split())))
    return found
