"""Questions that run nothing: what would a replay do, what is recorded, who made this file, what differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from replay.engine import recipe_of
from replay.errors import EngineUnavailableError, SourceUnreachableError
from replay.lineage import EdgeType, Kind
from replay.recipe import Artifact, Recipe, Storage
from replay.report.plan import Availability, Plan, PlanItem, PlanStep
from replay.session import Session
from replay.tombstones import Tombstone, tombstones
from replay.uid import uid_of

if TYPE_CHECKING:
    from docker import DockerClient

    from replay.diff import CodeHistory, RecipeDiff
    from replay.fetch import Fetcher


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """A run that made or used some bytes."""

    role: str
    """``output`` or ``input``."""
    path: str
    step: str
    run: str
    started: str
    models: tuple[str, ...]
    """The model versions that this run was made for."""


def recipe_or_file(text: str, session: Session) -> Recipe:
    """The recipe of a model id, or of a recipe file.

    Raises:
        RecipeFormatError: The file is no recipe.
        ModelNotFoundError: There is no such model version.
    """
    from replay.freeze import load_recipe

    path = Path(text)
    return load_recipe(path) if path.suffix == ".json" or path.exists() else recipe_of(text, session)


def is_recipe_file(path: Path) -> bool:
    """Whether a file says of itself that it is a recipe; whether it is a good one is another question."""
    if path.suffix != ".json" or not path.is_file() or path.stat().st_size > 1 << 26:
        return False
    try:
        return "recipe_id" in json.loads(path.read_bytes())
    except ValueError:
        return False


def plan(recipe: Recipe, session: Session, mode: str) -> Plan:
    """What a replay would fetch, build and run, from where; nothing is touched."""
    from replay.execute.determinism import deviations
    from replay.execute.probe import host_facts

    fetcher = session.fetcher(recipe.code)
    how, engine = _image_place(recipe, session)
    told = tombstones(recipe, session.store)
    items = [_code_item(recipe, session), *_data_items(recipe, fetcher, mode, told), _image_item(recipe, how)]
    return Plan(
        model_id=recipe.model_id,
        recipe_id=recipe.recipe_id,
        grade=recipe.grade,
        profile=recipe.profile,
        image=recipe.environment.image.config,
        image_how=f"{how or 'from nowhere'}{engine}",
        items=tuple(items),
        steps=tuple(
            PlanStep(name=s.name, command=s.command, inputs=len(s.inputs), outputs=len(s.outputs)) for s in recipe.steps
        ),
        gaps=recipe.gaps,
        cannot_restore=tuple(deviations(recipe.machine, host_facts(), recipe.profile)),
    )


def _image_place(recipe: Recipe, session: Session) -> tuple[str | None, str]:
    """Where the image would come from, and what is not known about that."""
    from replay.rebuild.glance import LOCAL, has_image

    if has_image(recipe.environment.image):  # the usual answer, without the 70 ms of importing docker
        return LOCAL, ""
    from replay.rebuild import locate

    client, engine = _client(session)
    return locate(client, recipe.environment, session.store.blobs), engine


def _client(session: Session) -> tuple[DockerClient | None, str]:
    try:
        return session.docker, ""
    except EngineUnavailableError as error:
        return None, f" (local images are unknown: {error})"


def _code_item(recipe: Recipe, session: Session) -> PlanItem:
    code = recipe.code
    mirror = session.mirror(code)
    what = f"code {code.commit[:12]}"
    if mirror.contains(code.commit):
        return PlanItem(what=what, source="this store's mirror", available=Availability.HERE)
    place = mirror.locate(code.commit, session.code_sources(code))
    if place is None:
        return PlanItem(what=what, source="no source has it", available=Availability.MISSING)
    unknown = place.endswith("(not asked)")
    return PlanItem(what=what, source=place, available=Availability.UNKNOWN if unknown else Availability.HERE)


def _data_items(recipe: Recipe, fetcher: Fetcher, mode: str, told: dict[str, Tombstone]) -> list[PlanItem]:
    """Source inputs must be there; recorded intermediates and outputs are wanted for isolated steps and comparison."""
    produced = {o.artifact.path: o.artifact for s in recipe.steps for o in s.outputs}
    wanted = {a.path: a for s in recipe.steps for a in s.inputs}
    if mode == "chained":
        wanted = {path: a for path, a in wanted.items() if path not in produced}
    artifacts = list((wanted | produced).values())
    fetcher.expect(artifacts)
    return [_data_item(artifact, fetcher, told.get(artifact.path)) for artifact in artifacts]


def _data_item(artifact: Artifact, fetcher: Fetcher, tombstone: Tombstone | None) -> PlanItem:
    if artifact.storage is Storage.NONE:
        return PlanItem(
            what=artifact.path, source="only its digests were kept", available=Availability.MISSING, bytes=artifact.size
        )
    try:
        place = fetcher.locate(artifact)
    except SourceUnreachableError as error:
        return PlanItem(what=artifact.path, source=str(error), available=Availability.UNKNOWN, bytes=artifact.size)
    if place is not None:
        return PlanItem(what=artifact.path, source=place, available=_nearness(place), bytes=artifact.size)
    again = tombstone is not None and tombstone.recomputable
    source = f"{tombstone}; its step makes it again" if again else str(tombstone or "no source has it")
    available = Availability.REBUILD if again else Availability.MISSING
    return PlanItem(what=artifact.path, source=source, available=available, bytes=artifact.size)


def _nearness(place: str) -> Availability:
    return Availability.REMOTE if "://" in place and not place.startswith("file://") else Availability.HERE


def _image_item(recipe: Recipe, how: str | None) -> PlanItem:
    what = f"image {recipe.environment.image.config[:19]}"
    if how is None:
        return PlanItem(what=what, source="nothing to make it from", available=Availability.MISSING)
    kinds = {"local": Availability.HERE, "archive": Availability.HERE, "pull": Availability.REMOTE}
    return PlanItem(what=what, source=how, available=kinds.get(how.split()[0], Availability.REBUILD))


def origins_of(path: Path, session: Session) -> list[Origin]:
    """The runs that made or used exactly these bytes, as far as they may be read.

    Raises:
        UsageError: The path is neither a file nor a folder.
        PolicyError: A policy forbids to read what is recorded of these bytes.
    """
    from replay.ask.seen import seen
    from replay.store.hashing import describe

    found: list[Origin] = []
    uid = uid_of({"sha256": describe(path).digests.sha256})
    if not session.store.has(uid):
        return []
    session.require("read", [uid])
    both = (*session.store.neighbours(uid, direction="up"), *session.store.neighbours(uid, direction="down"))
    shown = seen([node.uid for _, node in both], session.ground)
    for edge, run in both:
        if run.uid in shown and run.kind is Kind.RUN and edge.type in {EdgeType.USED, EdgeType.GENERATED}:
            role, _, name = edge.role.partition(":")
            facts = run.attrs["facts"]
            found.append(
                Origin(
                    role=role,
                    path=name,
                    step=run.name,
                    run=run.identity["run"],
                    started=facts["started"],
                    models=_models_of(run.uid, session),
                )
            )
    return sorted(found, key=lambda o: (o.role != "output", o.started))


def _models_of(run: str, session: Session) -> tuple[str, ...]:
    """The model versions whose execution the run is part of, as far as they may be read."""
    from replay.ask.seen import seen

    store = session.store
    executions = [n for e, n in store.neighbours(run, direction="up") if e.type is EdgeType.PART_OF]
    versions = [
        v for x in executions for _, v in store.neighbours(x.uid, direction="down") if v.kind is Kind.MODEL_VERSION
    ]
    shown = seen([version.uid for version in versions], session.ground)
    return tuple(sorted(version.name for version in versions if version.uid in shown))


def diff(one: Recipe, other: Recipe, session: Session) -> RecipeDiff:
    """What changed between two recipes; commits and metrics are read where this store has them."""
    from replay.diff import diff_recipes

    return diff_recipes(
        one,
        other,
        commits=lambda a, b: _between(one, other, session),
        read_output=lambda r, a: _recorded(r, a, session),
    )


def _between(one: Recipe, other: Recipe, session: Session) -> CodeHistory | None:
    from replay.diff import history
    from replay.errors import FetchError

    mirror = session.mirror(other.code)
    try:
        for code in (one.code, other.code):
            mirror.ensure(code.commit, session.code_sources(code))
    except FetchError:  # the commits are not to be had here: their ids still tell that they differ
        return None
    a, b = one.code.commit, other.code.commit
    return history(mirror.commits_between(a, b), mirror.files_changed(a, b))


def _recorded(recipe: Recipe, artifact: Artifact, session: Session) -> Path | None:
    """A verified copy of a small recorded output, or ``None`` when it is not to be had."""
    from replay.errors import FetchError
    from replay.store import fsops

    folder = session.store.root / "workspaces" / "diff"
    place = folder / artifact.digests.sha256
    if not place.exists():
        fsops.make_dir(folder)
        try:
            session.fetcher(recipe.code).fetch(artifact, place)
        except FetchError:  # shown as unknown
            return None
    return place
