"""A whole replay of the demo, against `docker run` of the same commands by hand."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from race import BIN, ENVIRONMENT, Row, command, medians, ratio, told

from replay.engine import recipe_of
from replay.progress import Silent
from replay.rebuild import connect, find_local
from replay.recipe import Recipe
from replay.session import Session

ROUNDS = 5
MODEL = "momentum:1"


def make_demo(folder: Path) -> Path:
    """The demo, recorded and replayed."""
    place = folder / "demo"
    subprocess.run([BIN / "replay", "demo", place], env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
    return place


def rows(demo: Path) -> list[Row]:
    """Ours fetches and verifies code, data and outputs, isolates, collects, compares and reports; theirs only runs."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        Session.open(demo, overrides=(), progress=Silent(), create=False) as session,
    ):
        by_hand = _by_hand(recipe_of(MODEL, session), session, Path(scratch))
        ours, theirs = medians([command(BIN / "replay", MODEL, cwd=demo), by_hand], ROUNDS)
    note = "the whole process, `--network none` on both sides"
    recorded = command(BIN / "replay", "record", "--model", "bench", "--profile", "portable-v3", cwd=demo)()
    return [
        ratio(f"`replay {MODEL}` / `docker run` of its four commands", 1.0, ours, theirs, note),
        told("`replay record` of the demo", recorded, "four steps in a chain, image here already"),
    ]


def _by_hand(recipe: Recipe, session: Session, scratch: Path) -> Callable[[], float]:
    """Run each step's command in the recorded image on a checkout, one after another; says how long that took."""
    client = connect()
    image = find_local(client, recipe.environment.image)
    client.close()
    if image is None:
        raise SystemExit(f"{recipe.model_id} was replayed, and yet its image is not here")
    work = scratch / "work"
    subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", session.root, work], check=True)
    subprocess.run(["git", "-c", "advice.detachedHead=false", "checkout", "--quiet", recipe.code.commit], cwd=work,
                   check=True)  # fmt: skip
    made = {output.artifact.path for step in recipe.steps for output in step.outputs}
    fetcher = session.fetcher(recipe.code)
    for artifact in {a.path: a for step in recipe.steps for a in step.inputs if a.path not in made}.values():
        place = work / artifact.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        fetcher.fetch(artifact, place)
    for path in made:
        (work / path).parent.mkdir(parents=True, exist_ok=True)
    run = ("docker", "run", "--rm", "--network", "none", "-v", f"{work}:/work", "-w", "/work", image)

    def chain() -> float:
        begun = time.perf_counter()
        for step in recipe.steps:
            command(*run, *step.command)()
        return time.perf_counter() - begun

    return chain
