"""A recipe as it lies in a file: strict decoding of what may come from anywhere.

Unknown fields, wrong types, floats, unsafe paths and oversized files are refused before anything is done with them.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import msgspec

from replay.errors import RecipeFormatError, StoreCorruptError
from replay.identity import Digests, canonical_json
from replay.recipe import SCHEMA, Recipe

MAX_BYTES = 64 << 20  # a recipe of 10,000 steps is about 20 MB


class RecipeFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A recipe as it lies in a file: with its own id, so that one flipped bit anywhere is noticed."""

    recipe_id: str
    recipe: Recipe


def encode(recipe: Recipe) -> bytes:
    """The bytes of a recipe file: canonical JSON and a newline."""
    return canonical_json(RecipeFile(recipe_id=recipe.recipe_id, recipe=recipe)) + b"\n"


def decode(data: bytes, origin: str) -> Recipe:
    """Decode an untrusted recipe file.

    Raises:
        RecipeFormatError: Too large, no JSON, a float, an unknown field, a wrong type, an unknown schema version, an
            unsafe path, or a digest that is none. The message names the place.
        StoreCorruptError: The content is not the one its id was taken from.
    """
    if len(data) > MAX_BYTES:
        raise RecipeFormatError(f"{origin}: got {len(data)} bytes, expected at most {MAX_BYTES}")
    try:
        file = msgspec.json.decode(data, type=RecipeFile)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RecipeFormatError(
            f"{origin}: no recipe: {error}", hint="`replay schema recipe` prints the JSON Schema"
        ) from error
    recipe = file.recipe
    if recipe.schema_version != SCHEMA:
        raise RecipeFormatError(
            f"{origin}: got schema version {recipe.schema_version!r}, expected {SCHEMA!r}",
            hint="a newer release of replay may read it",
        )
    issues = _issues(recipe)
    if issues:
        raise RecipeFormatError(f"{origin}: " + "; ".join(issues))
    if encode(recipe) != data or recipe.recipe_id != file.recipe_id:
        raise StoreCorruptError(
            f"{origin}: the recipe was changed after it was frozen: its content has the id {recipe.recipe_id[:12]}…, "
            f"the file says {file.recipe_id[:12]!r}…",
            hint="restore the file from version control, or freeze it again with `replay record`",
        )
    return recipe


_HEX = {"sha256": 64, "blake3": 64, "md5": 32}
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_IMAGE = re.compile(r"sha256:[0-9a-f]{64}")


def _issues(recipe: Recipe) -> list[str]:
    found = [
        f"code: got {i!r}, expected a full hex id"
        for i in (recipe.code.commit, recipe.code.tree)
        if not _COMMIT.fullmatch(i)
    ]
    found += _unsafe("code.directory", recipe.code.directory, empty=True)
    for image in filter(None, (recipe.environment.image, recipe.environment.base)):
        found += [
            f"environment: got {d!r}, expected sha256:…"
            for d in (image.config, *image.layers)
            if not _IMAGE.fullmatch(d)
        ]
    for path in filter(None, (recipe.environment.lock, recipe.environment.dockerfile)):
        found += _unsafe("environment", path)
    if len({step.name for step in recipe.steps}) != len(recipe.steps):
        found.append("steps: two steps have one name")
    if recipe.producer(recipe.model) is None:
        found.append(f"model: {recipe.model!r} is no output of any step")
    for step in recipe.steps:
        found += _unsafe(f"steps.{step.name}.directory", step.directory, empty=True)
        for artifact in (*step.inputs, *(o.artifact for o in step.outputs)):
            found += _unsafe(f"steps.{step.name}", artifact.path)
            found += _bad_digests(f"steps.{step.name}.{artifact.path}", artifact.digests)
    return found


def _bad_digests(place: str, digests: Digests) -> list[str]:
    given = {"sha256": digests.sha256, "blake3": digests.blake3, "md5": digests.md5.removesuffix(".dir")}
    return [
        f"{place}: got {v!r}, expected {_HEX[k]} hex digits of {k}"
        for k, v in given.items()
        if len(v) != _HEX[k] or not set(v) <= set("0123456789abcdef")
    ]


def _unsafe(place: str, path: str, *, empty: bool = False) -> list[str]:
    pure = PurePosixPath(path)
    plain = path == str(pure) if path else empty
    if not plain or path == "." or pure.is_absolute() or ".." in pure.parts or "\0" in path:
        return [f"{place}: got the path {path!r}, expected a plain relative path without '..'"]
    if pure.parts and pure.parts[0] in {".git", ".replay"}:
        return [f"{place}: the path {path!r} lies inside {pure.parts[0]!r}"]
    return []
