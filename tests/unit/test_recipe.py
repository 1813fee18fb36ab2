import json
from pathlib import Path

import msgspec
import pytest
from tests_support.recipes import a_recipe

from replay.errors import RecipeFormatError, StoreCorruptError
from replay.recipe_file import MAX_BYTES, decode, encode


def changed(change) -> bytes:
    document = json.loads(encode(a_recipe()))
    change(document["recipe"])
    return json.dumps(document).encode()


def test_a_recipe_file_reads_back_as_written():
    recipe = a_recipe()
    assert decode(encode(recipe), "x.json") == recipe


def test_the_id_does_not_depend_on_where_it_was_frozen():
    assert a_recipe().recipe_id == a_recipe().recipe_id
    assert a_recipe().recipe_id != msgspec.structs.replace(a_recipe(), version=2).recipe_id


def test_every_single_flipped_byte_is_noticed():
    data = encode(a_recipe())
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 1
        with pytest.raises((RecipeFormatError, StoreCorruptError)):
            decode(bytes(broken), "x.json")


def step(recipe):
    return recipe["steps"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(extra=1), "unknown field"),
        (lambda r: r.update(version="1"), "Expected `int`"),
        (lambda r: r.update(version=1.5), "Expected `int`"),
        (lambda r: step(r)["parameters"].update({"p": 0.5}), "Expected `str`"),
        (lambda r: r.update(schema_version="replay.recipe/9"), "expected 'replay.recipe/1'"),
        (lambda r: step(r)["inputs"][0].update(path="../secret"), "without '..'"),
        (lambda r: step(r)["inputs"][0].update(path="/etc/passwd"), "plain relative path"),
        (lambda r: step(r)["outputs"][0]["artifact"].update(path=".git/hooks/x"), "inside '.git'"),
        (lambda r: step(r).update(directory="a/../.."), "without '..'"),
        (lambda r: r["code"].update(commit="--output=/tmp/x"), "expected a full hex id"),
        (lambda r: r["code"].update(commit="abc123"), "expected a full hex id"),
        (lambda r: r["environment"]["image"].update(config="latest"), "expected sha256"),
        (lambda r: step(r)["inputs"][0]["digests"].update(sha256="zz"), "64 hex digits"),
        (lambda r: r.update(model="nowhere.txt"), "no output of any step"),
        (lambda r: r["steps"].append(step(r)), "two steps have one name"),
    ],
)
def test_a_bad_recipe_is_refused_with_the_place(change, message):
    with pytest.raises(RecipeFormatError, match=message):
        decode(changed(change), "x.json")


def test_a_value_changed_with_care_is_noticed_by_the_id():
    with pytest.raises(StoreCorruptError, match="changed after it was frozen"):
        decode(changed(lambda r: step(r).update(command=["/bin/sh", "-c", "rm -rf /"])), "x.json")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_refused(data):
    with pytest.raises(RecipeFormatError, match="no recipe"):
        decode(data, "x.json")


def test_a_gigabyte_of_json_is_refused_before_it_is_read(tmp_path: Path):
    from replay.freeze import load_recipe

    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(RecipeFormatError, match=f"expected at most {MAX_BYTES}"):
        load_recipe(path)


def test_a_symlink_is_no_recipe_file(tmp_path: Path):
    from replay.freeze import load_recipe

    (tmp_path / "real.json").write_bytes(encode(a_recipe()))
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    with pytest.raises(RecipeFormatError, match="got a symlink"):
        load_recipe(tmp_path / "link.json")


def test_recipes_are_write_once(tmp_path: Path):
    from replay.errors import FreezeError
    from replay.freeze import load_recipe, write_recipe

    path = write_recipe(tmp_path, a_recipe())
    assert path == tmp_path / "recipes" / "momentum" / "1.json"
    assert load_recipe(path) == a_recipe()
    assert write_recipe(tmp_path, a_recipe()) == path
    with pytest.raises(FreezeError, match="write-once"):
        write_recipe(tmp_path, msgspec.structs.replace(a_recipe(), profile="portable-v3"))
