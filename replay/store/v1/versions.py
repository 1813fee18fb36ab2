"""What today's model versions say of themselves, read from the execution that made an old one: its commit and grade."""

from __future__ import annotations

import msgspec

from replay.grading import graded
from replay.lineage import EdgeType, Kind
from replay.recipe import Environment, Storage
from replay.store.interface import Row
from replay.store.v1.tables import Written


class _Execution(msgspec.Struct, frozen=True):
    """What is read of an execution's attributes."""

    code: dict[str, str | None]
    environment: Environment
    image_archived: bool


def facts_of(one: Written) -> dict[int, dict[str, str]]:
    """Of each model version that a transaction registered, by its number: attributes that it lacks."""
    executions = {row[0]: row[5] for row in one.rows["nodes"] if row[2] == Kind.COLLECTION}
    found = {}
    for younger, older, type_, role, _ in one.rows["edges"]:
        if (type_, role) == (EdgeType.DERIVED_FROM, "execution") and older in executions:
            try:
                execution = msgspec.json.decode(executions[older], type=_Execution)
                storages = _sources(one.rows["edges"], older)
                commit = execution.code["commit"]
            except (msgspec.MsgspecError, KeyError, ValueError):  # no execution that `replay record` wrote
                continue
            grade = graded(execution.environment, storages, image_archived=execution.image_archived)
            found[younger] = {"commit": str(commit), "grade": grade.value}
    return found


def _sources(edges: list[Row], execution: int) -> list[Storage]:
    """Where the inputs are kept that no step of the execution made."""
    runs = {younger for younger, older, type_, *_ in edges if type_ == EdgeType.PART_OF and older == execution}
    made = {_path(role) for _, older, type_, role, _ in edges if type_ == EdgeType.GENERATED and older in runs}
    return [
        Storage(msgspec.json.decode(attrs)["storage"])
        for younger, _, type_, role, attrs in edges
        if type_ == EdgeType.USED and younger in runs and role.startswith("input:") and _path(role) not in made
    ]


def _path(role: str) -> str:
    return role.partition(":")[2]
