from __future__ import annotations

from pathlib import Path

import pytest

from replay.errors import FetchError
from replay.fetch.dvcconfig import find_dvc_dir, load, parse, remotes

HISTORICAL = b"""[core]
    remote = storage
    analytics = false
['remote "storage"']
    url = ../../old
['remote "Cloud"']
    url = s3://bucket/path # the archive
    EndpointURL = "http://h:9000/#x"
"""


@pytest.fixture(autouse=True)
def nothing_global(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    return tmp_path / "global"


@pytest.fixture
def dvc_dir(tmp_path: Path) -> Path:
    (tmp_path / "repo" / ".dvc").mkdir(parents=True)
    return tmp_path / "repo" / ".dvc"


def test_what_dvc_writes_is_read_like_dvc_reads_it(dvc_dir: Path) -> None:
    """DVC's own reader on the same file gives the same sections."""
    from dvc.config import Config

    (dvc_dir / "config").write_bytes(
        HISTORICAL + b"['remote \"x\"']\nurl = /a path, with comma\n    password = '#a\"b'\n"
    )
    theirs = Config.load_file(str(dvc_dir / "config"))
    ours = parse((dvc_dir / "config").read_bytes(), "x")
    assert ours["core"] == theirs["core"]
    for name in ("storage", "cloud"):
        assert ours[f'remote "{name}"'] == theirs["remote"][name]
    assert ours['remote "x"']["password"] == theirs["remote"]["x"]["password"]


def test_layers_in_dvc_s_order(dvc_dir: Path, nothing_global: Path) -> None:
    nothing_global.mkdir()
    (nothing_global / "config").write_text("['remote \"everywhere\"']\nurl = /srv/x\n[cache]\ndir = /global\n")
    (dvc_dir / "config").write_text("[core]\nremote = b\n['remote \"b\"']\nurl = s3://b/p\nprofile = one\n")
    (dvc_dir / "config.local").write_text(
        "['remote \"b\"']\nprofile = two\naccess_key_id = AKIA\n[cache]\ndir = ../c\n"
    )
    found = load(dvc_dir, injected={"mine": {"url": "s3://m"}, "b": {"region": "eu"}})
    assert found.cache == dvc_dir.parent / "c"
    assert [remote.name for remote in found.remotes] == ["b", "everywhere", "mine"]
    first = found.remotes[0]
    assert (first.url, first.profile, first.region, first.scheme) == ("s3://b/p", "two", "eu", "s3")
    assert "AKIA" not in repr(found)


def test_the_remotes_of_then(dvc_dir: Path) -> None:
    (dvc_dir / "config").write_text("['remote \"storage\"']\nurl = ../../new\n")
    found = remotes(dvc_dir, historical=HISTORICAL)
    assert [(remote.name, remote.url) for remote in found] == [
        ("storage", str(dvc_dir.parents[1] / "new")),
        ("storage (then)", str(dvc_dir.parents[1] / "old")),
        ("cloud", "s3://bucket/path"),
    ]
    assert found[2].endpointurl == "http://h:9000/#x"


def test_nothing_configured(dvc_dir: Path) -> None:
    assert load(dvc_dir).cache == dvc_dir / "cache"
    assert load(dvc_dir).remotes == ()


def test_a_remote_on_a_remote(dvc_dir: Path) -> None:
    (dvc_dir / "config").write_text(
        "['remote \"base\"']\nurl = s3://bucket\nprofile = p\n['remote \"sub\"']\nurl = remote://base/deep\n"
    )
    sub = load(dvc_dir).remotes[1]
    assert (sub.url, sub.profile) == ("s3://bucket/deep", "p")
    (dvc_dir / "config").write_text("['remote \"a\"']\nurl = remote://b/x\n['remote \"b\"']\nurl = remote://a/x\n")
    with pytest.raises(FetchError, match="stands on"):
        load(dvc_dir)


def test_a_broken_file_is_not_quoted(dvc_dir: Path) -> None:
    (dvc_dir / "config.local").write_text("secret_access_key = hunter2\n")
    with pytest.raises(FetchError, match=r"config\.local: not a configuration file") as error:
        load(dvc_dir)
    assert "hunter2" not in str(error.value)
    assert error.value.__cause__ is None


def test_the_dvc_directory_is_found_upwards(dvc_dir: Path) -> None:
    root = dvc_dir.parent
    (root / "a" / "b").mkdir(parents=True)
    assert find_dvc_dir(root / "a" / "b", root) == dvc_dir
    assert find_dvc_dir(root / "a" / "b", root / "a") is None


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("1", True), ("no", False)])
def test_flags(dvc_dir: Path, text: str, value: bool) -> None:
    (remote,) = load(dvc_dir, injected={"r": {"url": "s3://x", "use_ssl": text}}).remotes
    assert remote.flag("use_ssl", True) is value
    assert remote.flag("other") is False
