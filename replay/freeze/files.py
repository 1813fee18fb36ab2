"""Recipe files: ``recipes/<model>/<version>.json``, write-once."""

from __future__ import annotations

from pathlib import Path

from replay.errors import FreezeError, RecipeFormatError
from replay.recipe import Recipe
from replay.recipe_file import MAX_BYTES, decode, encode
from replay.store import fsops


def recipe_path(root: Path, recipe: Recipe) -> Path:
    """Where the recipe of a model version lies in the user's repository."""
    return root / "recipes" / recipe.name / f"{recipe.version}.json"


def write_recipe(root: Path, recipe: Recipe) -> Path:
    """Write a recipe to its place below ``root``; the same bytes again are no error.

    Raises:
        FreezeError: Another recipe is there already.
    """
    path = recipe_path(root, recipe)
    data = encode(recipe)
    if path.exists():
        if path.read_bytes() == data:
            return path
        raise FreezeError(
            f"{path} holds another recipe of {recipe.model_id}: recipes are write-once",
            hint="move that file away if it was made by another store",
        )
    fsops.make_dir(path.parent)
    fsops.sweep(path.parent)  # what a killed process left here would make the work tree dirty
    fsops.write_bytes(path, data)
    return path


def load_recipe(path: Path) -> Recipe:
    """Read a recipe file strictly.

    Raises:
        RecipeFormatError: It is no regular file, too large, or no recipe.
    """
    try:
        if path.is_symlink() or not path.is_file():
            raise RecipeFormatError(
                f"{path}: got {'a symlink' if path.is_symlink() else 'no file'}, expected a recipe file"
            )
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise RecipeFormatError(f"{path}: got {size} bytes, expected at most {MAX_BYTES}")
        return decode(path.read_bytes(), str(path))
    except OSError as error:
        raise RecipeFormatError(f"{path}: cannot be read: {error.strerror}") from error
