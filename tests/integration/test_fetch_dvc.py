"""DVC for real: a repository made by `dvc`, a local remote, S3 over HTTP, both layouts, every kind of damage."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from replay.errors import DigestMismatchError, FetchError, SourceNotFoundError, SourceUnreachableError
from replay.fetch import Fetcher
from replay.fetch.dvc import DvcSource
from replay.fetch.dvc_process import DvcProcessSource
from replay.fetch.dvcconfig import load
from replay.fetch.dvcfiles import outs_of
from replay.fetch.git import Mirror
from replay.recipe import Artifact, Storage
from replay.store.hashing import describe

TABLE = b"day,price\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(1000))
FILES = {"a.csv": b"1\n", "deep/er/b.bin": bytes(range(256)) * 50, "deep/c.txt": b"", "twin.csv": b"1\n"}
KEYS = {"access_key_id": "testing", "secret_access_key": "testing", "region": "us-east-1"}


def run(cwd: Path, *command: str) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "DVC_"))}
    env |= {
        "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "DVC_NO_ANALYTICS": "1",
        "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.invalid", "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@example.invalid", "DVC_SITE_CACHE_DIR": str(cwd.parent / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(cwd.parent / "global"),
    }  # fmt: skip
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def dvc(cwd: Path, *args: str) -> str:
    return run(cwd, str(Path(sys.executable).with_name("dvc")), *args)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a tracked table and directory, pushed to a local remote called ``storage``."""
    base = tmp_path_factory.mktemp("dvc")
    repo = base / "repo"
    repo.mkdir()
    run(repo, "git", "init", "-q", "-b", "main")
    dvc(repo, "init", "-q")
    dvc(repo, "remote", "add", "-d", "storage", "../remote")
    (repo / "data").mkdir()
    (repo / "data" / "table.csv").write_bytes(TABLE)
    for name, content in FILES.items():
        (repo / "data" / "many" / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / "data" / "many" / name).write_bytes(content)
    dvc(repo, "add", "-q", "data/table.csv", "data/many")
    run(repo, "git", "add", "-A")
    run(repo, "git", "commit", "-q", "-m", "data")
    dvc(repo, "push", "-q")
    return base


@pytest.fixture
def base(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private copy of `made`; the user's own DVC configuration is out of sight."""
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "no-global"))
    shutil.copytree(made, tmp_path / "base", symlinks=True)
    return tmp_path / "base"


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3: str, base: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[str, str]]]:
    """Everything of the local remote, put into a fresh bucket; its name and the remote's options."""
    import boto3

    client = boto3.client(
        "s3", endpoint_url=s3, aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1"
    )
    name = f"bucket-{hashlib.md5(request.node.name.encode()).hexdigest()}"
    client.create_bucket(Bucket=name)
    for path in (base / "remote").rglob("*"):
        if path.is_file():
            client.put_object(Bucket=name, Key=f"pre/fix/{path.relative_to(base / 'remote')}", Body=path.read_bytes())
    options = {"url": f"s3://{name}/pre/fix", "endpointurl": s3, **KEYS}
    yield name, options
    client.close()


def artifact(base: Path, name: str) -> Artifact:
    found = describe(base / "repo" / name)
    return Artifact(
        path=name, kind=found.kind, size=found.size, files=found.files, digests=found.digests, storage=Storage.DVC
    )


def source(base: Path, *, offline: bool = False, **remotes: dict[str, str]) -> DvcSource:
    return DvcSource(load(base / "repo" / ".dvc", injected=remotes), offline=offline)


def objects(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def drop_cache(base: Path) -> None:
    shutil.rmtree(base / "repo" / ".dvc" / "cache")


def object_path(root: Path, md5: str) -> Path:
    return root / "files" / "md5" / md5[:2] / md5[2:]


def flip(path: Path) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def to_legacy(root: Path) -> None:
    """Move every object to where DVC 2 kept it."""
    for path in [path for path in (root / "files" / "md5").rglob("*") if path.is_file()]:
        target = root / path.parent.name / path.name
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
    shutil.rmtree(root / "files")


def test_from_the_cache_offline(base: Path, tmp_path: Path) -> None:
    shutil.rmtree(base / "remote")
    cache = objects(base / "repo" / ".dvc" / "cache")
    table, many = artifact(base, "data/table.csv"), artifact(base, "data/many")
    fetcher = Fetcher([source(base, offline=True)], offline=True)
    assert fetcher.locate(table) == fetcher.locate(many) == "the DVC cache"
    assert fetcher.fetch(table, tmp_path / "table") == "the DVC cache"
    assert fetcher.fetch(many, tmp_path / "many") == "the DVC cache"
    assert (tmp_path / "table").read_bytes() == TABLE
    assert objects(tmp_path / "many") == FILES
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "many").rglob("*") if path.is_file()} == {0o444}
    assert objects(base / "repo" / ".dvc" / "cache") == cache


def test_another_cache_directory(base: Path, tmp_path: Path) -> None:
    shutil.rmtree(base / "remote")
    (base / "repo" / ".dvc" / "cache").rename(base / "shared")
    dvc(base / "repo", "cache", "dir", "--local", "../shared")
    assert source(base).fetch(artifact(base, "data/table.csv"), tmp_path / "t") == "the DVC cache"


@pytest.mark.parametrize("legacy", [False, True])
def test_from_a_local_remote(base: Path, tmp_path: Path, legacy: bool) -> None:
    drop_cache(base)
    if legacy:
        to_legacy(base / "remote")
    before = objects(base / "remote")
    place = f"remote storage ({base / 'remote'})"
    bring = source(base)
    assert bring.locate(artifact(base, "data/many")) == place
    assert bring.fetch(artifact(base, "data/many"), tmp_path / "many") == place
    assert bring.fetch(artifact(base, "data/table.csv"), tmp_path / "table") == place
    assert objects(tmp_path / "many") == FILES
    assert objects(base / "remote") == before
    assert not (base / "repo" / ".dvc" / "cache").exists()


@pytest.mark.parametrize("legacy", [False, True])
def test_from_s3(base: Path, tmp_path: Path, s3: str, request: pytest.FixtureRequest, legacy: bool) -> None:
    drop_cache(base)
    if legacy:
        to_legacy(base / "remote")
    _, options = request.getfixturevalue("bucket")
    shutil.rmtree(base / "remote")
    (base / "remote").mkdir()
    bring = source(base, cloud=options)
    place = f"remote cloud ({options['url']})"
    assert bring.locate(artifact(base, "data/table.csv")) == bring.locate(artifact(base, "data/many")) == place
    assert bring.fetch(artifact(base, "data/table.csv"), tmp_path / "table") == place
    assert bring.fetch(artifact(base, "data/many"), tmp_path / "many") == place
    assert (tmp_path / "table").read_bytes() == TABLE
    assert objects(tmp_path / "many") == FILES


def test_pushed_to_s3_by_dvc(base: Path, tmp_path: Path, bucket: tuple[str, dict[str, str]]) -> None:
    options = {**bucket[1], "url": f"s3://{bucket[0]}/by-dvc"}
    repo = base / "repo"
    dvc(repo, "remote", "add", "-d", "cloud", options["url"])
    dvc(repo, "remote", "modify", "cloud", "endpointurl", options["endpointurl"])
    for key, value in KEYS.items():
        dvc(repo, "remote", "modify", "--local", "cloud", key, value)
    dvc(repo, "push", "-q")
    drop_cache(base)
    assert source(base).fetch(artifact(base, "data/many"), tmp_path / "m") == f"remote storage ({base / 'remote'})"
    shutil.rmtree(base / "remote")
    (base / "remote").mkdir()
    bring = source(base)
    assert "testing" not in repr(load(repo / ".dvc"))
    assert bring.fetch(artifact(base, "data/many"), tmp_path / "many") == f"remote cloud ({options['url']})"
    with pytest.raises(SourceNotFoundError):
        source(base, offline=True).fetch(artifact(base, "data/many"), tmp_path / "off")


@pytest.mark.parametrize("change", ["flip", "truncate"])
@pytest.mark.parametrize("name", ["data/table.csv", "data/many"])
def test_a_damaged_object_is_passed_over_and_reported(base: Path, tmp_path: Path, change: str, name: str) -> None:
    md5 = hashlib.md5(TABLE if name == "data/table.csv" else FILES["deep/er/b.bin"]).hexdigest()
    bad = object_path(base / "repo" / ".dvc" / "cache", md5)
    bad.chmod(0o644)
    flip(bad) if change == "flip" else bad.write_bytes(bad.read_bytes()[:-1])
    damaged = bad.read_bytes()
    bring = source(base)
    place = bring.fetch(artifact(base, name), tmp_path / "out")
    assert str(base / "remote") in place
    assert describe(tmp_path / "out").digests == artifact(base, name).digests
    assert any("the DVC cache" in finding and "expected" in finding for finding in bring.findings)
    if (name, change) == ("data/table.csv", "truncate"):
        assert any(f"got size:{len(damaged)}, expected size:{len(TABLE)}" in finding for finding in bring.findings)
    assert bad.read_bytes() == damaged  # evidence is never repaired

    shutil.rmtree(base / "remote")
    (base / "remote").mkdir()
    with pytest.raises(DigestMismatchError, match=r"from the DVC cache.*got .*, expected ") as error:
        source(base).fetch(artifact(base, name), tmp_path / "again")
    assert error.value.expected != error.value.actual
    assert not (tmp_path / "again").exists()
    assert bad.read_bytes() == damaged


def test_a_damaged_object_on_s3(base: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    drop_cache(base)
    flip(object_path(base / "remote", hashlib.md5(TABLE).hexdigest()))
    _, options = request.getfixturevalue("bucket")
    shutil.rmtree(base / "remote")
    (base / "remote").mkdir()
    with pytest.raises(DigestMismatchError, match="remote cloud"):
        source(base, cloud=options).fetch(artifact(base, "data/table.csv"), tmp_path / "out")


def test_a_damaged_listing(base: Path, tmp_path: Path) -> None:
    many = artifact(base, "data/many")
    flip(object_path(base / "repo" / ".dvc" / "cache", many.digests.md5))
    bring = source(base)
    assert bring.locate(many)
    bring.fetch(many, tmp_path / "out")
    assert objects(tmp_path / "out") == FILES
    assert any(many.digests.md5 in finding for finding in bring.findings)


def test_a_listing_that_climbs_out(base: Path, tmp_path: Path) -> None:
    many = artifact(base, "data/many")
    for relpath in ("../evil", "/tmp/evil", "a/../../evil", "", "a//b"):
        listing = json.dumps([{"md5": hashlib.md5(b"1\n").hexdigest(), "relpath": relpath}]).encode()
        md5 = hashlib.md5(listing).hexdigest() + ".dir"
        path = object_path(base / "repo" / ".dvc" / "cache", md5)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(listing)
        keyed = DvcSource(load(base / "repo" / ".dvc"), keys={"data/many": md5})
        with pytest.raises(FetchError, match="expected a path inside"):
            keyed.fetch(many, tmp_path / "a" / "b")
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("name", ["data/table.csv", "data/many"])
def test_missing_everywhere(base: Path, tmp_path: Path, name: str) -> None:
    wanted = artifact(base, name)
    md5 = hashlib.md5(TABLE if name == "data/table.csv" else FILES["a.csv"]).hexdigest()
    for root in (base / "remote", base / "repo" / ".dvc" / "cache"):
        object_path(root, md5).unlink()
    bring = source(base)
    assert bring.locate(wanted) is None
    with pytest.raises(SourceNotFoundError) as error:
        bring.fetch(wanted, tmp_path / "out")
    assert all(part in str(error.value) for part in (md5, "the DVC cache", "remote storage"))
    assert error.value.hint
    assert not (tmp_path / "out").exists()


def test_unreachable_remotes(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    table = artifact(base, "data/table.csv")
    dead = {"url": "s3://bucket/x", "endpointurl": "http://127.0.0.1:1", "connect_timeout": "1", **KEYS}
    assert source(base, cloud=dead).locate(table) == "the DVC cache"  # nobody asked the dead one
    drop_cache(base)
    assert source(base, cloud=dead).fetch(table, tmp_path / "t") == f"remote storage ({base / 'remote'})"
    shutil.rmtree(base / "remote")
    (base / "remote").mkdir()
    bring = source(base, cloud=dead)
    with pytest.raises(SourceUnreachableError, match="remote cloud"):
        bring.locate(table)
    with pytest.raises(SourceUnreachableError, match="remote cloud"):
        bring.fetch(table, tmp_path / "out")
    (base / "remote").rmdir()
    with pytest.raises(SourceUnreachableError, match="does not exist") as error:
        source(base).fetch(artifact(base, "data/many"), tmp_path / "out")
    assert "mounted" in str(error.value.hint)


def test_wrong_keys_are_not_absence(base: Path, tmp_path: Path, s3: str) -> None:
    drop_cache(base)
    shutil.rmtree(base / "remote")
    (base / "remote").mkdir()
    options = {"url": "s3://bucket/x", "endpointurl": s3, "profile": "no-such-profile"}
    with pytest.raises(SourceUnreachableError, match="no-such-profile"):
        source(base, cloud=options).fetch(artifact(base, "data/table.csv"), tmp_path / "out")
    gone = {"url": "s3://no-such-bucket-here/x", "endpointurl": s3, **KEYS}
    with pytest.raises(SourceNotFoundError, match="no-such-bucket-here"):
        source(base, cloud=gone).fetch(artifact(base, "data/table.csv"), tmp_path / "out")


def test_a_text_with_crlf_recorded_by_dvc_2(base: Path, tmp_path: Path) -> None:
    """DVC 2 hashed text after turning CR LF into LF: its key is not the md5 of the bytes."""
    from dvc_data.hashfile.hash import file_md5

    text = base / "repo" / "old.csv"
    text.write_bytes(b"a,b\r\n1,2\r\n" * 20)
    key = file_md5(str(text), name="md5-dos2unix")
    assert key != hashlib.md5(text.read_bytes()).hexdigest()
    kept = base / "remote" / key[:2] / key[2:]
    kept.parent.mkdir(exist_ok=True)
    shutil.copyfile(text, kept)
    dvcfile = f"outs:\n- md5: {key}\n  size: {text.stat().st_size}\n  path: old.csv\n".encode()
    (out,) = outs_of("old.csv.dvc", dvcfile)
    assert out.hash == "md5-dos2unix"
    wanted = artifact(base, "old.csv")
    config = load(base / "repo" / ".dvc")
    assert DvcSource(config).locate(wanted) is None
    bring = DvcSource(config, keys={out.path: key})
    assert bring.locate(wanted)
    bring.fetch(wanted, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == text.read_bytes()


def test_a_directory_with_crlf_recorded_by_dvc_2(base: Path, tmp_path: Path) -> None:
    from dvc_data.hashfile.hash import file_md5

    folder = base / "repo" / "old"
    folder.mkdir()
    (folder / "t.csv").write_bytes(b"a,b\r\n1,2\r\n" * 20)
    (folder / "b.bin").write_bytes(bytes(range(256)) + b"\r\n")
    listing = []
    for path in sorted(folder.iterdir()):
        key = file_md5(str(path), name="md5-dos2unix")
        listing.append({"md5": key, "relpath": path.name})
        (base / "remote" / key[:2]).mkdir(exist_ok=True)
        shutil.copyfile(path, base / "remote" / key[:2] / key[2:])
    data = json.dumps(listing, sort_keys=True).encode()
    key = hashlib.md5(data).hexdigest() + ".dir"
    (base / "remote" / key[:2]).mkdir(exist_ok=True)
    (base / "remote" / key[:2] / key[2:]).write_bytes(data)
    bring = DvcSource(load(base / "repo" / ".dvc"), keys={"old": key})
    bring.fetch(artifact(base, "old"), tmp_path / "out")
    assert objects(tmp_path / "out") == objects(folder)


def test_the_remote_of_then_is_asked_too(base: Path, tmp_path: Path) -> None:
    then = (base / "repo" / ".dvc" / "config").read_bytes()
    (base / "elsewhere").mkdir()
    dvc(base / "repo", "remote", "modify", "storage", "url", "../elsewhere")
    drop_cache(base)
    table = artifact(base, "data/table.csv")
    assert source(base).locate(table) is None
    bring = DvcSource(load(base / "repo" / ".dvc", historical=then))
    assert bring.locate(table) == f"remote storage (then) ({base / 'remote'})"
    bring.fetch(table, tmp_path / "out")


@pytest.mark.parametrize("where", ["local", "s3"])
def test_both_implementations_give_the_same_tree(
    base: Path, tmp_path: Path, bucket: tuple[str, dict[str, str]], where: str
) -> None:
    drop_cache(base)
    if where == "s3":
        shutil.rmtree(base / "remote")
        (base / "remote").mkdir()
    repo, remote = base / "repo", objects(base / "remote")
    commit = run(repo, "git", "rev-parse", "HEAD")
    mirror = Mirror(tmp_path / "mirror.git")
    mirror.ensure(commit, [str(repo)])
    config = load(repo / ".dvc", injected={"cloud": bucket[1]})
    name = "cloud" if where == "s3" else "storage"
    own = DvcSource(config)
    process = DvcProcessSource(mirror, commit, config, directory="data", remotes=[name])
    for path in ("data/table.csv", "data/many"):
        wanted = artifact(base, path)
        inside = Artifact(**{**{f: getattr(wanted, f) for f in wanted.__struct_fields__}, "path": path[5:]})
        own.fetch(wanted, tmp_path / f"own-{wanted.kind}")
        assert process.fetch(inside, tmp_path / f"dvc-{wanted.kind}") == f"remote {name} through DVC"
        assert describe(tmp_path / f"own-{wanted.kind}") == describe(tmp_path / f"dvc-{wanted.kind}")
    assert objects(base / "remote") == remote
    assert not (repo / ".dvc" / "cache").exists()
    assert run(repo, "git", "status", "--porcelain") == ""


def test_dvc_itself_is_verified_and_its_failures_told(base: Path, tmp_path: Path) -> None:
    drop_cache(base)
    repo = base / "repo"
    commit = run(repo, "git", "rev-parse", "HEAD")
    mirror = Mirror(tmp_path / "mirror.git")
    mirror.ensure(commit, [str(repo)])
    dead = {"url": "s3://bucket/x", "endpointurl": "http://127.0.0.1:1", "connect_timeout": "1", **KEYS}
    config = load(repo / ".dvc", injected={"cloud": dead})
    table = artifact(base, "data/table.csv")
    bad = object_path(base / "remote", table.digests.md5)
    flip(bad)
    damaged = bad.read_bytes()
    process = DvcProcessSource(mirror, commit, config, remotes=["storage"])
    with pytest.raises(DigestMismatchError, match="through DVC"):
        process.fetch(table, tmp_path / "out")
    assert bad.read_bytes() == damaged
    bad.unlink()
    with pytest.raises(SourceNotFoundError):
        process.fetch(table, tmp_path / "out")
    with pytest.raises(SourceUnreachableError):
        DvcProcessSource(mirror, commit, config, remotes=["cloud"]).fetch(table, tmp_path / "out")
    assert DvcProcessSource(mirror, commit, config).locate(table) is None  # our reader can read all of these
    with pytest.raises(SourceNotFoundError):
        DvcProcessSource(mirror, commit, config).fetch(table, tmp_path / "out")
