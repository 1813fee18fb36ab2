"""Seeds found in what a step was given, and sources of randomness for which none was found.

The search is by name and by import, so it can miss; what it says is *found here* and *not found*, never *complete*.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from replay.flatten import flatten, flatten_yaml
from replay.recipe import ConfigSnapshot, Seed

_NAME = re.compile(r"(^|[._-])(seed|random_state)(\.value)?$", re.IGNORECASE)
_OPTION = re.compile(r"(?:^|\s)(?:--)?([\w.-]*(?:seed|random_state))[=\s]+(-?\d+)\b", re.IGNORECASE)
_RANDOM_LIBRARIES = {
    "random": "random",
    "numpy.random": "numpy.random",
    "torch": "torch",
    "tensorflow": "tensorflow",
    "jax": "jax",
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
    "catboost": "catboost",
    "sklearn": "sklearn",
}
_SEEDING = re.compile(r"(?i:seed|random_state)|(?:default_rng|RandomState|Random|PRNGKey)\(\s*[^\s)]")


def find_seeds(
    command: Iterable[str],
    parameters: Mapping[str, str],
    configs: Iterable[ConfigSnapshot],
    environment: Mapping[str, str],
) -> tuple[Seed, ...]:
    """Every seed in the command line, the parameters, the composed configs and the environment."""
    found = [Seed(name=name, value=value, place="command") for name, value in _OPTION.findall(" ".join(command))]
    for key, value in parameters.items():
        file, _, inner = key.rpartition(":")
        found += _named_seeds(flatten(json.loads(value), inner), file)
    for config in configs:
        found += _named_seeds(flatten_yaml(config.resolved), f"config {config.name}")
    if environment.get("PYTHONHASHSEED", "random") != "random":
        found.append(Seed(name="PYTHONHASHSEED", value=environment["PYTHONHASHSEED"], place="environment"))
    return tuple(dict.fromkeys(found))


def _named_seeds(values: Mapping[str, str] | None, place: str) -> list[Seed]:
    return [
        Seed(name=name, value=text.strip('"'), place=place)
        for name, text in (values or {}).items()
        if _NAME.search(name)
    ]


def missing_seeds(sources: Iterable[Path], seeds: Iterable[Seed]) -> tuple[str, ...]:
    """Libraries with a random generator that ``sources`` import, when neither a seed nor a seeding call is found."""
    if any(seed.place != "environment" for seed in seeds):
        return ()
    used: set[str] = set()
    for path in sources:
        text = path.read_text(errors="replace")
        if not _SEEDING.search(text):
            used |= _random_libraries(text)
    return tuple(sorted(used))


def _random_libraries(text: str) -> set[str]:
    try:
        tree = ast.parse(text)
    except (
        SyntaxError,
        ValueError,
        RecursionError,
    ):  # not Python 3, or not Python at all: nothing is claimed of it
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in {"np", "numpy"}:
            names.add(f"numpy.{node.attr}")
    return {
        label for name in names for key, label in _RANDOM_LIBRARIES.items() if name == key or name.startswith(key + ".")
    }
