"""From an experiment's node to its table: two questions to the lineage, however many trials there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from replay.ask import Ground, ask
from replay.errors import UsageError
from replay.experiments.parameters import Leaf, chosen, metric_names, named
from replay.experiments.table import Table, Trial, labelled, table
from replay.lineage import Edge, EdgeType, Kind
from replay.query import Answer, Direction, Entry, Query
from replay.recipe import OutputRole

_KEPT = 12
"""Characters of a commit that are shown."""
_TOLD = ("dvc.yaml", "dvc.lock", ".gitignore")

Files = Callable[[Mapping[str, Any], Mapping[str, Any]], Sequence[str] | None]
"""The paths that differ between two code versions (as executions have them); nothing when that cannot be told here."""


def table_of(uid: str, ground: Ground, *, files: Files | None = None) -> Table:
    """The table of an experiment, in the order in which its trials were recorded.

    Args:
        uid: The experiment's node.
        ground: Where to ask.
        files: Which files differ between two code versions.

    Raises:
        UsageError: The node is no experiment.
    """
    parts = _parts(uid, ground)
    entry = parts.nodes[uid]
    if entry.type != "experiment":
        raise UsageError(f"{entry.name or uid} is no experiment", hint="`replay experiments` lists them")
    runs = [one for one in parts.found if parts.nodes[one].kind is Kind.RUN]
    around = _around([*runs, *_executions(parts)], ground) if parts.found else None
    return _View(parts, around).table(entry, files)


def _parts(uid: str, ground: Ground) -> Answer:
    """Trials, executions and steps of an experiment, and the model versions that were recorded of them."""
    query = Query(
        start=(uid,),
        direction=Direction.DOWN,
        follow=(EdgeType.PART_OF, EdgeType.DERIVED_FROM),
        stop_at=(Kind.MODEL_VERSION,),
    )
    return ask(query, ground)


def _around(uids: Sequence[str], ground: Ground) -> Answer:
    """What the steps used and made, and the plans that the executions followed."""
    query = Query(
        start=tuple(uids),
        direction=Direction.UPDOWN,
        follow=(EdgeType.USED, EdgeType.GENERATED, EdgeType.FOLLOWS_PLAN),
        stop_at=tuple(Kind),
    )
    return ask(query, ground)


def _executions(parts: Answer) -> list[str]:
    return [uid for uid in parts.found if parts.nodes[uid].type == "execution"]


class _View:
    """What the two answers say together."""

    def __init__(self, parts: Answer, around: Answer | None) -> None:
        self._parts = parts
        self._nodes = parts.nodes | (around.nodes if around else {})
        self._hidden = parts.hidden + (around.hidden if around else 0)
        self._from: dict[str, list[Edge]] = {}
        self._to: dict[str, list[Edge]] = {}
        every = {(e.source, e.type, e.role, e.target): e for e in (*parts.edges, *(around.edges if around else ()))}
        for edge in every.values():
            self._from.setdefault(edge.source, []).append(edge)
            self._to.setdefault(edge.target, []).append(edge)

    def table(self, experiment: Entry, files: Files | None) -> Table:
        """The table."""
        executions = sorted((self._nodes[uid] for uid in _executions(self._parts)), key=lambda entry: entry.created)
        parameters = named([list(self._leaves(entry)) for entry in executions])
        metrics = metric_names([dict(self._metrics(entry)) for entry in executions])
        trials = [
            self._trial(entry, chosen_, measured)
            for entry, chosen_, measured in zip(executions, parameters, metrics, strict=True)
        ]
        return table(
            experiment.name,
            experiment.uid,
            labelled(trials),
            also=lambda a, b: list(self._differences(a, b, files)),
            hidden=self._hidden,
        )

    def _trial(self, execution: Entry, parameters: dict[str, str], metrics: dict[str, str]) -> Trial:
        trials = [self._nodes[e.target] for e in self._from.get(execution.uid, ()) if e.type is EdgeType.PART_OF]
        trial = next((one.name for one in trials if one.type == "trial"), "")
        versions = [self._nodes[e.source] for e in self._to.get(execution.uid, ()) if e.type is EdgeType.DERIVED_FROM]
        return Trial(
            label=trial,
            trial=trial,
            models=tuple(sorted(one.name for one in versions if one.kind is Kind.MODEL_VERSION)),
            execution=execution.uid,
            recorded=execution.created,
            commit=str(execution.attrs.get("code", {}).get("commit", "")),
            parameters=dict(sorted(parameters.items())),
            metrics=dict(sorted(metrics.items())),
            conditions=dict(sorted(self._conditions(execution))),
        )

    def _runs(self, execution: Entry) -> list[Entry]:
        members = [self._nodes[e.source] for e in self._to.get(execution.uid, ()) if e.type is EdgeType.PART_OF]
        return [one for one in members if one.kind is Kind.RUN]

    def _leaves(self, execution: Entry) -> Iterable[Leaf]:
        for run in self._runs(execution):
            for key, value in run.attrs.get("parameters", {}).items():
                yield Leaf(run.name, "", key, value)
            for edge in self._from.get(run.uid, ()):
                config = self._nodes.get(edge.target)
                if edge.type is EdgeType.USED and config is not None and config.kind is Kind.CONFIG:
                    texts = (str(config.attrs.get(part, "")) for part in ("resolved", "unresolved"))
                    for key, value in chosen(*texts).items():
                        yield Leaf(run.name, config.name, key, value)

    def _metrics(self, execution: Entry) -> Iterable[tuple[tuple[str, str], str]]:
        for run in self._runs(execution):
            for edge in self._from.get(run.uid, ()):
                if edge.type is EdgeType.GENERATED and edge.attrs.get("role") == OutputRole.METRICS:
                    values = edge.attrs.get("values") or self._nodes[edge.target].attrs.get("values", {})
                    path = edge.role.partition(":")[2]
                    yield from (((path, name), value) for name, value in values.items())

    def _conditions(self, execution: Entry) -> Iterable[tuple[str, str]]:
        """What else an execution stood on. Files of parameters are told by their parameters."""
        yield "profile", str(execution.attrs.get("profile", ""))
        yield "uncommitted changes", str(execution.attrs.get("code", {}).get("patch") or "")
        for edge in self._from.get(execution.uid, ()):
            if edge.type is EdgeType.FOLLOWS_PLAN:
                yield f"{edge.role} definition", edge.target
        told = self._made(execution) | self._parameter_files(execution)
        for edge in (edge for run in self._runs(execution) for edge in self._from.get(run.uid, ())):
            role, _, path = edge.role.partition(":")
            if edge.type is EdgeType.USED and role == "image":
                yield "image", edge.target
            if edge.type is EdgeType.USED and role == "input" and path not in told:
                yield f"input {path}", edge.target

    def _made(self, execution: Entry) -> set[str]:
        edges = (edge for run in self._runs(execution) for edge in self._from.get(run.uid, ()))
        return {edge.role.partition(":")[2] for edge in edges if edge.type is EdgeType.GENERATED}

    def _parameter_files(self, execution: Entry) -> set[str]:
        runs = self._runs(execution)
        return {key.partition(":")[0] for run in runs for key in run.attrs.get("parameters", {})}

    def _differences(self, a: Trial, b: Trial, files: Files | None) -> Iterator[str]:
        """What differs between two trials besides their parameters."""
        names = dict.fromkeys((*a.conditions, *b.conditions))
        yield from (name for name in names if a.conditions.get(name) != b.conditions.get(name))
        if a.commit == b.commit:
            return
        executions = [self._nodes[one.execution] for one in (a, b)]
        codes = [one.attrs.get("code", {}) for one in executions]
        changed = files(*codes) if files else None
        if changed is None:
            yield f"code (commits {a.commit[:_KEPT]} and {b.commit[:_KEPT]} are not both here to be compared)"
            return
        told = {name.partition(" ")[2] for name in names}
        told = told.union(*map(self._parameter_files, executions), *map(self._made, executions))
        configured = all(run.attrs.get("configs") for execution in executions for run in self._runs(execution)[:1])
        for path in changed:
            inside = path.removeprefix(f"{codes[1].get('directory', '')}/")
            if inside not in told and not _is_told(inside, configured=configured):
                yield f"code {path}"


def _is_told(path: str, *, configured: bool) -> bool:
    """Whether a change of this file is one of parameters, of the plan, of data, or of our own, not of code."""
    name, suffix = PurePosixPath(path).name, PurePosixPath(path).suffix
    if name in _TOLD or suffix == ".dvc" or path.startswith("recipes/"):
        return True
    return configured and suffix in {".yaml", ".yml"}
