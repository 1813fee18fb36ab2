"""What forgetting does to a real DVC cache: its own uses, other projects, remotes, links, and lies in listings."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests_support.keeping import digests_of, kept, made, record, with_steps
from tests_support.project import Project
from tests_support.recipes import a_recipe

from replay.errors import FetchError
from replay.identity import Digests
from replay.progress import Silent
from replay.recipe import Artifact, Code, OutputRole, PathKind, Storage
from replay.retention.bill import bill
from replay.retention.deleting import finish
from replay.retention.forgetting import Forgetting, Wish, forget
from replay.session import Session
from replay.store.database import Store
from replay.store.hashing import describe
from replay.store.journal import Record

RAW, PARTS = "data/raw.csv", "data/parts"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which DVC tracks a file and a directory; ``HEAD`` has other versions of both than ``first``."""
    made = Project(tmp_path_factory.mktemp("dvc") / "template")
    made.init_dvc()
    for tag, text, names in (("first", "raw", "ab"), ("", "newer", "ac")):
        shutil.rmtree(made.root / "data", ignore_errors=True)
        made.run("git", "checkout", "-q", "--", ".")
        made.write({RAW: text, **{f"{PARTS}/{name}.csv": f"{name} {tag}" for name in names}})
        made.dvc("add", "-q", RAW, PARTS)
        made.commit("data")
        if tag:
            made.run("git", "tag", tag)
    return made.root


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Project:
    shutil.copytree(template, tmp_path / "project")
    return Project.at(tmp_path / "project")


@pytest.fixture
def session(project: Project) -> Iterator[Session]:
    with Session(project.root, Store.open(project.root / ".replay", create=True), (), Silent()) as opened:
        yield opened


def first(project: Project) -> None:
    """Go back to where the first versions are what DVC tracks, as one who works there."""
    project.run("git", "checkout", "-q", "first")
    project.run("git", "branch", "-q", "-D", "main")
    (project.root / RAW).unlink()
    project.write({RAW: "raw"})


def the_file(text: str = "raw") -> Artifact:
    digests = digests_of(text.encode())
    return Artifact(path=RAW, kind=PathKind.FILE, size=len(text), files=1, digests=digests, storage=Storage.DVC)


def the_directory(tmp_path: Path) -> Artifact:
    """The first version of the directory."""
    for name in "ab":
        (tmp_path / "parts").mkdir(exist_ok=True)
        (tmp_path / "parts" / f"{name}.csv").write_text(f"{name} first")
    found = describe(tmp_path / "parts")
    return Artifact(
        path=PARTS,
        kind=PathKind.DIRECTORY,
        size=found.size,
        files=found.files,
        digests=found.digests,
        storage=Storage.DVC,
    )


def version(project: Project, session: Session, data: Artifact, name: str = "m") -> str:
    """A model version that used ``data``."""
    commit, tree = project.run("git", "rev-parse", "HEAD", "HEAD^{tree}").split()
    model = made(kept(session.store, "model.txt", f"model of {name} {data.path}"), OutputRole.MODEL)
    sample = a_recipe().steps[0]
    step = msgspec.structs.replace(sample, inputs=(data,), outputs=(model,), configs=(), seeds=())
    recipe = with_steps(a_recipe(), name, (step,))
    return record(session.store, recipe, model="model.txt", code=Code(commit=commit, tree=tree))


def cached(project: Project, artifact: Artifact) -> Path:
    md5 = artifact.digests.md5
    return project.root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]


def gone(session: Session, dvc: str = "unused", *, offline: bool = True, really: bool = True) -> Forgetting:
    return forget(["m:1"], session, Wish(reason="a test", really=really, dvc=dvc, offline=offline))


def why(answer: Forgetting) -> dict[str, str]:
    return {kept.what: kept.why for kept in answer.kept}


def test_an_object_that_the_checkout_names_stays(project: Project, session: Session) -> None:
    first(project)
    version(project, session, the_file())
    answer = gone(session)
    assert why(answer) == {RAW: "data/raw.csv.dvc of the checkout names it, so DVC still uses it"}
    assert cached(project, the_file()).read_text() == "raw"
    assert {(s.what, s.where) for s in answer.still} == {(RAW, "the work tree")}


def test_an_object_that_nothing_names_any_more_goes(project: Project, session: Session) -> None:
    version(project, session, the_file())
    answer = gone(session)
    assert not cached(project, the_file()).exists()
    assert {one.what for one in answer.dropped if one.places == ("the DVC cache",)} == {RAW}
    assert answer.still == ()
    assert project.dvc("status").strip() == "Data and pipelines are up to date."


def test_an_object_at_the_tip_of_a_branch_stays(project: Project, session: Session) -> None:
    project.run("git", "branch", "release", "first")
    version(project, session, the_file())
    assert why(gone(session)) == {RAW: "data/raw.csv.dvc at the tip of branch release names it, so DVC still uses it"}
    project.run("git", "checkout", "-q", "release")
    project.dvc("checkout", "-q")
    assert (project.root / RAW).read_text() == "raw"


@pytest.mark.parametrize(("mode", "left"), [("all", False), ("none", True)])
def test_all_or_nothing_of_the_cache_when_asked_for(mode: str, left: bool, project: Project, session: Session) -> None:
    first(project)
    version(project, session, the_file())
    answer = gone(session, mode)
    assert cached(project, the_file()).exists() is left
    assert (RAW in why(answer)) is left


def test_a_file_of_a_directory_that_is_still_tracked_stays(project: Project, session: Session, tmp_path: Path) -> None:
    first(project)
    inner = digests_of(b"a first")
    part = Artifact(path=f"{PARTS}/a.csv", kind=PathKind.FILE, size=7, files=1, digests=inner, storage=Storage.DVC)
    version(project, session, part)
    assert why(gone(session)) == {part.path: "data/parts.dvc of the checkout names it, so DVC still uses it"}


def test_a_directory_goes_file_by_file_and_its_listing_stays(
    project: Project, session: Session, tmp_path: Path
) -> None:
    data = the_directory(tmp_path)
    part = Artifact(
        path="b.csv", kind=PathKind.FILE, size=7, files=1, digests=digests_of(b"b first"), storage=Storage.DVC
    )
    version(project, session, data)
    version(project, session, part, name="other")
    answer = gone(session)
    assert cached(project, data).exists(), "a listing is a digest"
    assert not cached(project, Artifact(**_fields(part, digests_of(b"a first")))).exists()
    assert cached(project, part).exists()
    assert why(answer) == {"data/parts (1 of 2 files)": "other:1 needs it, as part of b.csv"}


def _fields(artifact: Artifact, digests: Digests) -> dict[str, Any]:
    return {field: getattr(artifact, field) for field in artifact.__struct_fields__} | {"digests": digests}


def test_a_cache_outside_the_repository_is_shared(project: Project, session: Session, tmp_path: Path) -> None:
    shutil.move(project.root / ".dvc" / "cache", tmp_path / "shared")
    project.write({".dvc/config.local": f"[cache]\n    dir = {tmp_path / 'shared'}\n"})
    version(project, session, the_file())
    md5 = the_file().digests.md5
    place = tmp_path / "shared" / "files" / "md5" / md5[:2] / md5[2:]
    assert "is shared: other projects may use it" in why(gone(session))[RAW]
    assert place.exists()
    version(project, session, the_file(), name="n")
    forget(["n:1"], session, Wish(reason="a test", really=True, dvc="all", offline=True))
    assert not place.exists()


def test_both_layouts_of_the_cache_are_cleared(project: Project, session: Session) -> None:
    data = the_file()
    old = project.root / ".dvc" / "cache" / data.digests.md5[:2] / data.digests.md5[2:]
    old.parent.mkdir(parents=True)
    old.write_text("raw")
    version(project, session, data)
    gone(session)
    assert not old.exists()
    assert not cached(project, data).exists()


def test_a_hard_link_frees_nothing(project: Project, session: Session) -> None:
    version(project, session, the_file())
    before = bill(["m:1"], session).models[0].frees
    os.link(cached(project, the_file()), project.root / "linked")
    assert before - bill(["m:1"], session).models[0].frees == len("raw")


def test_lies_in_a_listing_lead_nowhere(project: Project, session: Session, tmp_path: Path) -> None:
    """What a listing names becomes a path to delete."""
    victim = tmp_path / "victim"
    victim.write_text("not yours")
    data = the_directory(tmp_path)
    version(project, session, data)
    listing = cached(project, data)
    listing.chmod(0o644)
    listing.write_text(json.dumps([{"md5": "../../../../../../victim", "relpath": "a.csv"}]))
    answer = gone(session, "all")
    assert victim.exists()
    assert any("names something that is no object" in line for line in answer.unknown)


@pytest.mark.parametrize("text", ["outs: [", "outs:\n- md5: nonsense\n  path: raw.csv\n", "<<<<<<< HEAD\n"])
def test_files_of_dvc_that_cannot_be_read_stop_it(text: str, project: Project, session: Session) -> None:
    uid = version(project, session, the_file())
    whole = bill([], session).models[0].frees
    project.write({"other.dvc": text})
    with pytest.raises(FetchError, match=r"other\.dvc"):
        gone(session)
    assert cached(project, the_file()).exists()
    assert session.store.facets(uid) == {}
    found = bill([], session)
    assert any("what DVC uses of its cache" in line for line in found.unknown)
    assert whole - found.models[0].frees == len("raw"), "nothing of DVC's counts as freed"
    assert gone(session, "none").dropped, "who leaves the cache alone need not know"


def test_remotes_are_named_and_not_touched(project: Project, session: Session, tmp_path: Path) -> None:
    remote = tmp_path / "remote" / "files" / "md5" / cached(project, the_file()).parent.name
    remote.mkdir(parents=True)
    shutil.copy(cached(project, the_file()), remote)
    project.write(
        {
            ".dvc/config.local": f"['remote \"storage\"']\n    url = {tmp_path / 'remote'}\n"
            "['remote \"far\"']\n    url = s3://nowhere/desk\n    endpointurl = http://127.0.0.1:9\n"
            "    access_key_id = x\n    secret_access_key = y\n"
            "['remote \"ssh\"']\n    url = ssh://nowhere/desk\n"
        }
    )
    version(project, session, the_file())
    told = gone(session, offline=True, really=False)
    assert {(s.what, s.where) for s in told.still} == {(RAW, f"remote storage ({tmp_path / 'remote'})")}
    assert [line for line in told.unknown if "far" in line] == ["remote far (s3://nowhere/desk): was not asked"]
    answer = gone(session, offline=False)
    assert any("remote far (s3://nowhere/desk): did not answer" in line for line in answer.unknown), answer.unknown
    assert any("remote ssh (ssh://nowhere/desk): was not asked" in line for line in answer.unknown)
    assert answer.still == told.still
    assert [path.read_text() for path in remote.iterdir()] == ["raw"]


def test_data_that_only_a_remote_may_hold_is_called_unknown(project: Project, session: Session) -> None:
    version(project, session, the_file())
    cached(project, the_file()).unlink()
    line = bill([], session).models[0]
    assert (line.elsewhere, line.elsewhere_bytes) == (1, 3)


def test_what_dvc_needs_again_is_not_deleted_when_a_killed_forgetting_is_finished(
    project: Project, session: Session
) -> None:
    version(project, session, the_file())
    with Session(project.root, Ending(session.store), (), Silent()) as killed, pytest.raises(Stop):
        gone(killed)
    assert cached(project, the_file()).exists(), "its process ended before anything was deleted"
    project.run("git", "branch", "release", "first")
    assert RAW not in finish(session)
    assert cached(project, the_file()).read_text() == "raw"
    assert finish(session) == (), "it is finished"


class Stop(Exception):  # noqa: N818  # no error: the end of a process
    pass


class Ending(Store):
    """A store whose process ends when the tombstone is told to the journal, before a file is deleted."""

    def __init__(self, other: Store) -> None:
        super().__init__(other.root, Store.open(other.root).database)

    def note(self, action: str, /, **fields: Any) -> Record:
        raise Stop
