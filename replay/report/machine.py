"""JSON for machines, and the published JSON Schemas of what is written and read."""

from __future__ import annotations

from typing import Any

import msgspec

from replay.errors import UsageError
from replay.outcome import RESULT_SCHEMA, ReplayResult
from replay.query import SCHEMA as ANSWER_SCHEMA
from replay.query import Answer, Query
from replay.recipe import SCHEMA as RECIPE_SCHEMA
from replay.recipe import Recipe
from replay.recipe_file import RecipeFile
from replay.report.clean import clean_json
from replay.report.described import describe
from replay.report.plan import PLAN_SCHEMA, Plan
from replay.search.request import SCHEMA as FOUND_SCHEMA
from replay.search.request import Found, Search

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_PUBLISHED: dict[str, tuple[type[msgspec.Struct], str, str]] = {
    "recipe": (RecipeFile, RECIPE_SCHEMA, "A frozen recipe of a model version"),
    "result": (ReplayResult, RESULT_SCHEMA, "The result of one replay"),
    "plan": (Plan, PLAN_SCHEMA, "What a replay would do"),
    "query": (Query, "replay.query/1", "A question to the lineage, as `replay lineage --query` reads it"),
    "lineage": (Answer, ANSWER_SCHEMA, "The answer to a question to the lineage"),
    "search": (Search, "replay.search-query/1", "A search, as `replay search --query` reads it"),
    "found": (Found, FOUND_SCHEMA, "What a search found"),
}


def to_json(value: ReplayResult | Plan) -> bytes:
    """The value as indented JSON with a final line end; it decodes to an equal value."""
    return pretty(value)


def pretty(value: msgspec.Struct) -> bytes:
    r"""Any of the package's values as indented JSON.

    What could command a terminal (also the C1 controls and reordering marks that JSON itself leaves alone) is written
    as ``\uXXXX``; text that is no Unicode (lone surrogates of a file name) is replaced by its escape.
    """
    try:
        data = msgspec.json.encode(value)
    except UnicodeEncodeError:
        data = msgspec.json.encode(_readable(msgspec.to_builtins(value)))
    text = msgspec.json.format(data, indent=2).decode() + "\n"
    return clean_json(text).encode()


def _readable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_readable(key): _readable(item) for key, item in value.items()}
    return [_readable(item) for item in value] if isinstance(value, list | tuple) else value


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``recipe``, ``result``, ``plan``, ``query`` or ``lineage``.

    Raises:
        UsageError: No schema has that name.
    """
    if name not in _PUBLISHED:
        raise UsageError(f"got the schema name {name!r}, expected one of {', '.join(sorted(_PUBLISHED))}")
    return schema_of(*_PUBLISHED[name])


def schema_of(kind: type[msgspec.Struct], version: str, title: str) -> dict[str, Any]:
    """The JSON Schema of one of the package's values; ``version`` is its ``schema_version``, e.g. ``replay.plan/1``."""
    body = msgspec.json.schema(kind)
    versioned = Recipe if kind is RecipeFile else kind
    properties = body["$defs"][versioned.__name__]["properties"]
    if "schema_version" in properties:
        properties["schema_version"] = {"const": version, "default": version}
    describe(body, kind)
    return {"$schema": DRAFT, "$id": f"urn:{version.replace('/', ':').replace('.', ':')}", "title": title, **body}
