"""What answers about model versions say together, version by version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from replay.lineage import Edge, EdgeType, Kind, group_node
from replay.query import Answer, Entry
from replay.registry.deploying import is_withdrawn
from replay.registry.doing import SAYS
from replay.registry.standing import Deployment, Replayed, Said, Standing

_SAYING = ("annotate", "approve", "reject")
"""Types of actions that say something of the version which they used."""


class View:
    """What the answers say together."""

    def __init__(self, versions: dict[str, Entry], answers: Sequence[Answer]) -> None:
        self._nodes = dict(versions)
        self._up: dict[str, list[Edge]] = {}
        self._down: dict[str, list[Edge]] = {}
        for answer in answers:
            self._nodes |= answer.nodes
        self._met = {uid: number for number, uid in enumerate(self._nodes)}
        for edge in {(e.source, e.type, e.role, e.target): e for a in answers for e in a.edges}.values():
            self._up.setdefault(edge.younger, []).append(edge)
            self._down.setdefault(edge.older, []).append(edge)

    def standing(self, entry: Entry) -> Standing:
        """How one version stands."""
        acts = self._acts_on(entry.uid)
        owner, ownership = self._owner(entry)
        model, version = entry.identity.get("model", ""), entry.identity.get("version", "")
        return Standing(
            uid=entry.uid,
            model_id=entry.name or f"{model}:{version}",
            recorded=entry.created,
            commit=str(entry.attrs.get("commit", "")),
            grade=str(entry.attrs.get("grade", "")),
            status=self._said("status", entry, acts),
            stage=self._said("stage", entry, acts),
            owner=owner,
            ownership=ownership,
            aliases=self._aliases(model, version),
            deployments=tuple(self._deployments(entry.uid)),
            replays=tuple(self._replayed(act) for act in acts if act.type == "replay" and "verdict" in act.attrs),
            experiments=tuple(self._experiments(entry.uid)),
            stores=entry.stores,
        )

    def _acts_on(self, uid: str) -> list[Entry]:
        """Actions on a node, newest first."""
        return self._newest_first(e.younger for e in self._down.get(uid, ()) if self._is(e.younger, Kind.ACTION))

    def _newest_first(self, uids: Iterable[str]) -> list[Entry]:
        unique = (self._nodes[uid] for uid in dict.fromkeys(uids))
        return sorted(unique, key=lambda entry: (entry.created, self._met[entry.uid]), reverse=True)

    def _is(self, uid: str, kind: Kind) -> bool:
        return uid in self._nodes and self._nodes[uid].kind is kind

    def _said(self, key: str, entry: Entry, acts: Sequence[Entry]) -> Said | None:
        if (value := entry.facets.get(key)) is None:
            return None
        act = next((act for act in acts if act.type in _SAYING and key in act.attrs.get(SAYS, {})), None)
        if act is None or act.attrs[SAYS][key] != value:
            return Said(value=str(value))
        why = str(act.attrs.get("reason", ""))
        return Said(value=str(value), by=act.basis, when=act.created, why=why, action=act.uid)

    def _owner(self, entry: Entry) -> tuple[str, str]:
        if owner := entry.facets.get("owner"):
            return str(owner), "version"
        group = self._nodes.get(group_node(entry.identity.get("model", "")).uid)
        if group is not None and (owner := group.facets.get("owner")):
            return str(owner), "model"
        for execution in self._executions(entry.uid):
            for edge in self._up.get(execution, ()):
                if edge.type is EdgeType.ACTED_BY and self._is(edge.older, Kind.AGENT):
                    return self._nodes[edge.older].name, "recorded"
        return "", ""

    def _executions(self, uid: str) -> list[str]:
        found = [e.older for e in self._up.get(uid, ()) if e.type is EdgeType.DERIVED_FROM]
        return [uid for uid in found if self._is(uid, Kind.COLLECTION)]

    def _experiments(self, uid: str) -> Iterable[str]:
        for execution in self._executions(uid):
            for trial in self._parts(execution, "trial"):
                for experiment in self._parts(trial, "experiment"):
                    yield f"{self._nodes[experiment].name} / {self._nodes[trial].name}"

    def _parts(self, uid: str, type_: str) -> list[str]:
        wholes = [e.older for e in self._up.get(uid, ()) if e.type is EdgeType.PART_OF and e.older in self._nodes]
        return [whole for whole in wholes if self._nodes[whole].type == type_]

    def _aliases(self, model: str, version: str) -> tuple[str, ...]:
        group = self._nodes.get(group_node(model).uid)
        facets: dict[str, Any] = group.facets if group else {}
        named = [key.partition(":")[2] for key, value in facets.items() if key.startswith("alias:")]
        return tuple(sorted(name for name in named if str(facets[f"alias:{name}"]) == version))

    def _replayed(self, act: Entry) -> Replayed:
        return Replayed(
            replay=f"rp_{act.identity.get('action', '')}",
            verdict=str(act.attrs["verdict"]),
            when=str(act.attrs.get("started", act.created)),
            by=self._agent(act),
            certificate=bool(act.attrs.get("certificate", False)),
        )

    def _agent(self, act: Entry) -> str:
        by = [e for e in self._up.get(act.uid, ()) if e.type is EdgeType.ACTED_BY and e.role != "teller"]
        return next((self._nodes[e.older].name for e in by if e.older in self._nodes), act.basis)

    def _deployments(self, uid: str) -> Iterable[Deployment]:
        below = {uid: None}
        for one in below.copy():
            found = [e for e in self._down.get(one, ()) if self._is(e.younger, Kind.DEPLOYMENT)]
            below.update(dict.fromkeys(e.younger for e in found))
        for act in self._acts_on(uid):
            if act.type == "deploy" and self._uses(act.uid, uid):
                below.update(dict.fromkeys(e.younger for e in self._down.get(act.uid, ())))
        for entry in self._newest_first(one for one in below if self._is(one, Kind.DEPLOYMENT)):
            yield self.deployment(entry)

    def _uses(self, act: str, version: str) -> bool:
        return any(e.older == version and e.role == "version" for e in self._up.get(act, ()))

    def deployment(self, entry: Entry) -> Deployment:
        """One deployment."""
        act = next((self._nodes[e.older] for e in self._up.get(entry.uid, ()) if self._is(e.older, Kind.ACTION)), None)
        after = self._after(entry)
        ended = next((a for a in self._acts_on(entry.uid) if a.type == "withdraw"), None)
        withdrawn = is_withdrawn(entry.facets)
        until = ended.created if withdrawn and ended else (after[-1].created if after else "")
        return Deployment(
            uid=entry.uid,
            to=entry.name,
            current=not after and not withdrawn,
            since=entry.created,
            by=self._agent(act) if act else entry.basis,
            until=until,
            approved=bool(act and any(e.role == "approval" for e in self._up.get(act.uid, ()))),
            forced=bool(act and act.attrs.get("forced", False)),
        )

    def _after(self, entry: Entry) -> list[Entry]:
        """Later deployments to the same place, newest first."""
        places = [e.older for e in self._up.get(entry.uid, ()) if e.type is EdgeType.SPECIALIZES]
        there = [
            e.younger for place in places for e in self._down.get(place, ()) if self._is(e.younger, Kind.DEPLOYMENT)
        ]
        newest = self._newest_first(there)
        return newest[: [one.uid for one in newest].index(entry.uid)] if there else []
