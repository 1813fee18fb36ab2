from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest
from unit.report.answers import SHAPES
from unit.report.sample import HOSTILE, SCENARIOS, hostile, recipe, scenario
from unit.report.test_text import plan

from replay.errors import UsageError
from replay.outcome import ReplayResult
from replay.query import Answer, Query
from replay.recipe_file import encode
from replay.report.machine import schema, to_json


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_result_decodes_to_itself_and_fits_its_schema(name: str, tmp_path: Path) -> None:
    result, _ = scenario(name, tmp_path)
    data = to_json(result)
    assert msgspec.json.decode(data, type=ReplayResult) == result
    jsonschema.validate(json.loads(data), schema("result"))


def test_a_recipe_and_a_plan_fit_their_schemas() -> None:
    of = recipe()
    assert jsonschema.validate(json.loads(encode(of)), schema("recipe")) is None
    assert jsonschema.validate(json.loads(to_json(plan(of))), schema("plan")) is None


def test_schemas_refuse_another_version_and_unknown_fields() -> None:
    value = json.loads(encode(recipe()))
    inner = value["recipe"]
    changed = (value | {"recipe": inner | more} for more in ({"schema_version": "replay.recipe/2"}, {"surprise": 1}))
    for wrong in (*changed, value | {"surprise": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema("recipe"))


@pytest.mark.parametrize("name", ["recipe", "result", "plan", "query", "lineage"])
def test_schemas_have_an_id_and_a_title(name: str) -> None:
    found = schema(name)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$id"] == f"urn:replay:{name}:1"
    assert found["title"]


@pytest.mark.parametrize("name", SHAPES)
def test_an_answer_and_its_question_fit_their_schemas(name: str) -> None:
    data = msgspec.json.encode(SHAPES[name])
    assert msgspec.json.decode(data, type=Answer) == SHAPES[name]
    jsonschema.validate(json.loads(data), schema("lineage"))
    jsonschema.validate(json.loads(data)["query"], schema("query"))


def test_an_answer_tells_what_is_missing_even_when_nothing_is() -> None:
    whole = json.loads(msgspec.json.encode(SHAPES["alone"]))
    told = {
        key: whole[key] for key in ("schema_version", "complete", "truncated_by", "frontier", "unresolved", "hidden")
    }
    assert told == {
        "schema_version": "replay.lineage/1",
        "complete": True,
        "truncated_by": [],
        "frontier": [],
        "unresolved": [],
        "hidden": 0,
    }


def test_the_schema_of_a_question_documents_every_field() -> None:
    fields = schema("query")["$defs"]["Query"]["properties"]
    assert set(fields) == set(Query.__struct_fields__)
    assert all(field["description"] for field in fields.values())
    assert fields["max_depth"]["description"] == "Edges from the start; no bound by default."
    for wrong in ({"start": ["x"], "kinds": ["datset"]}, {"start": ["x"], "surprise": 1}, {}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema("query"))


def test_an_unknown_schema_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="got the schema name 'nope', expected one of found, lineage, plan"):
        schema("nope")


def test_json_on_a_terminal_holds_nothing_that_commands_it(tmp_path: Path) -> None:
    result, _ = hostile(tmp_path)
    data = to_json(result)
    assert not set(data.decode()) & set("\x1b\x07\x9b\u202e")
    assert msgspec.json.decode(data, type=ReplayResult) == result
    assert HOSTILE in json.loads(data)["reason"]


def test_a_name_that_is_no_unicode_is_escaped_and_loses_nothing_else(tmp_path: Path) -> None:
    result, _ = scenario("reproduced", tmp_path)
    data = to_json(msgspec.structs.replace(result, notes=("caf\udce9.csv", "é")))
    assert json.loads(data)["notes"] == ["caf\\udce9.csv", "é"]
