"""Recorded model versions whose bytes really lie in the store, without running anything."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from blake3 import blake3
from tests_support.recipes import a_recipe
from tests_support.recordings import recorded

from replay.acting import Asker, act
from replay.fetch.store import keep
from replay.identity import Digests, ModelId, ulid
from replay.lineage import Edge, EdgeType
from replay.recipe import Artifact, Image, Judgement, Output, OutputRole, PathKind, Recipe, Step, Storage
from replay.record.graph import to_lineage
from replay.record.recorded import RunFacts
from replay.session import Session
from replay.store.database import Store
from replay.store.hashing import describe

BYTES = Judgement(comparator="bytes")


def digests_of(data: bytes) -> Digests:
    return Digests(
        sha256=hashlib.sha256(data).hexdigest(), blake3=blake3(data).hexdigest(), md5=hashlib.md5(data).hexdigest()
    )


def kept(store: Store, path: str, text: str, storage: Storage = Storage.STORE) -> Artifact:
    """A file of this content, in the store unless it lies elsewhere."""
    if storage is Storage.STORE:
        store.blobs.put_bytes(text.encode())
    return Artifact(
        path=path, kind=PathKind.FILE, size=len(text), files=1, digests=digests_of(text.encode()), storage=storage
    )


def kept_directory(store: Store, path: str, files: Mapping[str, str]) -> Artifact:
    """A directory of these files, in the store."""
    place = store.root / "made" / ulid() / path
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    described = describe(place)
    keep(place, described, store.blobs)
    return Artifact(
        path=path,
        kind=PathKind.DIRECTORY,
        size=described.size,
        files=described.files,
        digests=described.digests,
        storage=Storage.STORE,
    )


def made(artifact: Artifact, role: OutputRole = OutputRole.DATA, judgement: Judgement = BYTES) -> Output:
    return Output(artifact=artifact, role=role, judgement=judgement)


def pipeline(
    store: Store,
    *,
    name: str = "momentum",
    raw: Artifact | str = "raw",
    clean: Artifact | str = "clean",
    model: str = "model",
    judgement: Judgement = BYTES,
) -> Recipe:
    """``data/raw.csv`` → *prepare* → ``out/clean.csv`` → *train* → ``out/model.txt``, all of it in the store."""
    source = raw if isinstance(raw, Artifact) else kept(store, "data/raw.csv", raw)
    middle = clean if isinstance(clean, Artifact) else kept(store, "out/clean.csv", clean)
    parts: dict[str, Any] = {"configs": (), "seeds": ()}
    sample = a_recipe().steps[0]
    steps = (
        msgspec.structs.replace(sample, name="prepare", inputs=(source,), outputs=(made(middle, judgement=judgement),)),
        msgspec.structs.replace(
            sample,
            name="train",
            inputs=(middle,),
            outputs=(made(kept(store, "out/model.txt", model), OutputRole.MODEL),),
        ),
    )
    return with_steps(a_recipe(), name, tuple(msgspec.structs.replace(step, **parts) for step in steps))


def with_steps(recipe: Recipe, name: str, steps: tuple[Step, ...]) -> Recipe:
    image = Image(config=f"sha256:{'e' * 64}", layers=(f"sha256:{'d' * 64}",), platform="linux/amd64", origin="local")
    environment = msgspec.structs.replace(recipe.environment, image=image)
    return msgspec.structs.replace(recipe, name=name, steps=steps, environment=environment)


def archive(store: Store, recipe: Recipe, *parts: str) -> Recipe:
    """The recipe in an image of these parts (config first), which the store keeps."""
    config, *layers = (f"sha256:{store.blobs.put_bytes(part.encode())}" for part in parts)
    image = msgspec.structs.replace(recipe.environment.image, config=config, layers=tuple(layers))
    environment = msgspec.structs.replace(recipe.environment, image=image)
    return msgspec.structs.replace(recipe, environment=environment)


def record(store: Store, recipe: Recipe, *, seconds: str = "1.5", log: str = "", **changes: Any) -> str:
    """Register the next version of the model; the uid of its node. ``log`` is what every step wrote."""
    facts = tuple(
        RunFacts(
            run=ulid(),
            started="2026-01-01T00:00:00Z" if seconds else "",
            seconds=seconds,
            exit_code=0,
            log=store.blobs.put_bytes(f"{log}{recipe.name} {step.name} {ulid()}".encode()),
        )
        for step in recipe.steps
    )
    whole = recorded(recipe, **{"store": store.id, "facts": facts} | changes)
    version = store.register(recipe.name, lambda number: to_lineage(whole, number))
    return store.model_version(ModelId(name=recipe.name, version=version))


def replayed(session: Session, version: str, matches: Mapping[str, list[str]], *, recipe: str | None = None) -> str:
    """Record a replay of a model version (of its own recipe, unless another is named); the uid of the action."""
    from replay.freeze import freeze
    from replay.resolve import resolve

    node = session.store.node(version)
    own = freeze(resolve(ModelId(name=node.identity["model"], version=int(node.identity["version"])), session.store))
    attrs = {
        "verdict": "reproduced",
        "started": "2026-01-02T00:00:00+00:00",
        "certificate": False,
        "recipe": recipe or own.recipe_id,
        "matches": dict(matches),
    }
    action = act("replay", Asker(user="tester"), {}, attrs=attrs)
    session.store.append(action.nodes, (*action.edges, Edge(source=action.uid, type=EdgeType.REPLAYS, target=version)))
    return action.uid


def blobs_of(store: Store) -> set[str]:
    """The contents of all blobs that are there, as text."""
    return {store.blobs.read(sha256).decode() for sha256 in store.blobs.iter_ids()}


def blob_path(store: Store, text: str) -> Path:
    return store.blobs.path(hashlib.sha256(text.encode()).hexdigest())
