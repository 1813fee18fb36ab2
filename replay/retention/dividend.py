"""The dividend of reproducibility: an intermediate that replays identically may be dropped and made again. Pure.

An output is *recomputable* in a model version when its step stands on sources that are here or on other recomputable
outputs, it must come out bit for bit, and of the replays of exactly this recipe the newest one found all outputs of the
step identical and none found otherwise. It may be dropped when that holds in every model version that counts on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from replay.retention.costing import GIT
from replay.retention.world import Kept, World, fate, title
from replay.store.holdings import Holder, StepFacts, Thing

SCHEMA = "replay.dividend/1"
IDENTICAL = "identical"


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What one replay of a model version's own recipe found."""

    uid: str
    """Of the action."""
    matches: Mapping[str, str]
    """Output → match, at its worst."""


class Recomputable(msgspec.Struct, frozen=True, kw_only=True):
    """An intermediate that can be dropped."""

    model: str
    what: str
    uid: str
    step: str
    bytes: int
    frees: int
    seconds: float | None
    """How long its step took when it was recorded; ``None`` when nobody watched."""
    proof: str
    """The replay that made it identically."""


class Dividend(msgspec.Struct, frozen=True, kw_only=True):
    """What could be dropped, and what making it again would cost."""

    schema_version: str = SCHEMA
    recomputable: tuple[Recomputable, ...]
    frees: int
    """Bytes that dropping all of it gives back."""
    seconds: float
    """Of the steps that would run again, as far as they are known, each once."""
    unknown_steps: int
    """Steps whose time was not recorded."""
    kept: tuple[Kept, ...]
    """Intermediates that may not be dropped, each with the reason."""


class Proof(NamedTuple):
    """Whether an output is recomputable in a model version."""

    replay: str
    """The uid of the replay that shows it; empty when none does."""
    why_not: str = ""


def dividend(
    world: World,
    replays: Mapping[str, Sequence[Replay]],
    chosen: Collection[Holder],
    *,
    without_code: Collection[str] = (),
) -> Dividend:
    """What could be dropped of these model versions.

    Args:
        world: What is known.
        replays: Of each model version (by uid) the replays of its own recipe, oldest first.
        chosen: Whose intermediates are asked for.
        without_code: The model versions (by uid) whose code version is not on this machine.
    """
    judge = _Judge(world, replays, without_code)
    found: dict[str, tuple[Holder, Thing, str]] = {}
    kept: dict[str, Kept] = {}
    for holder in chosen:
        for thing in intermediates(holder, world):
            if thing.uid not in found and thing.uid not in kept:
                proof = judge.thing(thing)
                alone = fate(world, [thing], (), settled=True)
                why = proof.why_not or ("" if alone.delete else alone.kept[0].why)
                if why:
                    size = sum(world.pieces[key].size for key in world.keys[thing.uid])
                    kept[thing.uid] = Kept(what=f"{title(thing)} of {holder.label}", why=why, bytes=size)
                else:
                    found[thing.uid] = holder, thing, proof.replay
    whole = fate(world, [thing for _, thing, _ in found.values()], (), settled=True)
    times = {(holder.uid, thing.step): _step(holder, thing.step).seconds for holder, thing, _ in found.values()}
    return Dividend(
        recomputable=tuple(_line(world, *one) for one in found.values()),
        frees=whole.frees,
        seconds=sum(seconds for seconds in times.values() if seconds is not None),
        unknown_steps=sum(seconds is None for seconds in times.values()),
        kept=tuple(kept.values()),
    )


def intermediates(holder: Holder, world: World) -> Iterator[Thing]:
    """Outputs that other steps of the same model version read, and of which something lies here."""
    read = {path for step in holder.steps for path in step.inputs}
    for thing in holder.things:
        used = any(path == thing.name or path.startswith(f"{thing.name}/") for path in read)
        if thing.role == "output" and thing.intermediate and used and world.keys.get(thing.uid) and holder.needs(thing):
            yield thing


def _line(world: World, holder: Holder, thing: Thing, proof: str) -> Recomputable:
    alone = fate(world, [thing], (), settled=True)
    return Recomputable(
        model=holder.label,
        what=title(thing),
        uid=thing.uid,
        step=thing.step,
        bytes=sum(world.pieces[key].size for key in alone.delete),
        frees=alone.frees,
        seconds=_step(holder, thing.step).seconds,
        proof=replay_id(proof),
    )


class _Judge:
    """Says what is recomputable; each step is looked at once."""

    def __init__(self, world: World, replays: Mapping[str, Sequence[Replay]], without_code: Collection[str]) -> None:
        self._world = world
        self._without_code = without_code
        self._replays = replays
        self._steps: dict[tuple[str, str], Proof] = {}

    def thing(self, thing: Thing) -> Proof:
        """Whether a thing is recomputable for everybody who counts on it; the proof is that of the first one."""
        proofs = [self._for(holder, thing, why) for holder, why in self._world.counting(thing.uid)]
        return next((proof for proof in proofs if proof.why_not), proofs[0])

    def _for(self, holder: Holder, thing: Thing, why: str) -> Proof:
        held = self._world.held.get(holder.uid) or self._world.held_paths.get(holder.uid, {}).get(thing.uid)
        if held:
            return Proof("", f"{holder.label}: {held}")
        made = [one for one in holder.things if one.uid == thing.uid and one.role == "output"]
        if not made or _is_source(holder, thing):
            return Proof("", f"{why}, and does not make it itself")
        if not all(one.bitwise for one in made):
            return Proof("", f"{holder.label} judges it otherwise than bit for bit: its recorded bytes are the measure")
        if holder.uid in self._without_code or any(t.kind == "patch" and self._is_absent(t) for t in holder.things):
            return Proof("", f"{holder.label}: its code is not here")
        proofs = [self._step(holder, one.step) for one in made]
        return next((proof for proof in proofs if proof.why_not), proofs[0])

    def _step(self, holder: Holder, name: str) -> Proof:
        """Whether a step makes all of its outputs again, from sources that are here."""
        if (holder.uid, name) not in self._steps:
            self._steps[holder.uid, name] = Proof("", f"step {name} stands on itself")  # until it is known
            proof = self._replayed(holder, _step(holder, name))
            why = "" if proof.why_not else self._ungrounded(holder, _step(holder, name))
            self._steps[holder.uid, name] = Proof("", f"{holder.label}: {why}") if why else proof
        return self._steps[holder.uid, name]

    def _replayed(self, holder: Holder, step: StepFacts) -> Proof:
        compared = [(one, _found(one, step)) for one in self._replays.get(holder.uid, ())]
        compared = [(replay, matches) for replay, matches in compared if matches]
        if not compared:
            return Proof("", f"{holder.label}: no replay on record says how step {step.name} comes out")
        for replay, matches in compared:
            if matches != {IDENTICAL}:
                other = ", ".join(sorted(matches - {IDENTICAL}))
                return Proof("", f"{holder.label}: step {step.name} came out {other} in {replay_id(replay.uid)}")
        return Proof(compared[-1][0].uid)

    def _ungrounded(self, holder: Holder, step: StepFacts) -> str:
        """What a step stands on that is neither here nor recomputable."""
        for path in step.inputs:
            maker = _maker(holder, path)
            sources = [thing for thing in holder.things if thing.role == "input" and thing.name == path]
            if maker is None and any(self._is_absent(thing) for thing in sources):
                return f"its source {path} is not here"
            if maker is not None and (below := self._step(holder, maker.name)).why_not:
                return below.why_not.removeprefix(f"{holder.label}: ")
        return ""

    def _is_absent(self, thing: Thing) -> bool:
        return thing.storage != GIT and thing.uid in self._world.absent


def replay_id(uid: str) -> str:
    """What a replay is called, from the uid of its action."""
    return f"rp_{uid.removeprefix('action:')}"


def _is_source(holder: Holder, thing: Thing) -> bool:
    """Whether a model version also reads it from where no step of its own has put it."""
    return any(t.role == "input" and t.uid == thing.uid and _maker(holder, t.name) is None for t in holder.things)


def _found(replay: Replay, step: StepFacts) -> set[str]:
    """The matches of a step's outputs; empty when the replay did not compare all of them."""
    found = [replay.matches.get(path, "") for path in step.outputs]
    return set() if "" in found else set(found)


def _maker(holder: Holder, path: str) -> StepFacts | None:
    makes: Iterable[StepFacts] = (
        step for step in holder.steps if any(path == out or path.startswith(f"{out}/") for out in step.outputs)
    )
    return next(iter(makes), None)


def _step(holder: Holder, name: str) -> StepFacts:
    return next(step for step in holder.steps if step.name == name)
