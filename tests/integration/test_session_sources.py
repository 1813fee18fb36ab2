"""Which sources a session asks: DVC itself only where a remote needs it, and never offline."""

import subprocess
from pathlib import Path

import pytest

from replay.progress import Silent
from replay.recipe import Code
from replay.session import Session


def sources(repository: Path, url: str, *overrides: str) -> set[str]:
    (repository / ".dvc").mkdir(exist_ok=True)
    (repository / ".dvc" / "config").write_text(f"[core]\n    remote = far\n['remote \"far\"']\n    url = {url}\n")
    subprocess.run(["git", "-C", repository, "add", "-A"], check=True)
    subprocess.run(["git", "-C", repository, "commit", "-qm", "remote"], check=True)
    commit = subprocess.run(
        ["git", "-C", repository, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    with Session.open(repository, overrides=overrides, progress=Silent(), create=True) as session:
        return set(session.fetcher(Code(commit=commit, tree="1" * 40))._sources)


@pytest.mark.parametrize(
    ("url", "asked"), [("ssh://host.invalid/store", True), ("s3://bucket/store", False), ("../storage", False)]
)
def test_dvc_itself_is_asked_where_only_it_can_read_the_remote(repository: Path, url: str, asked: bool) -> None:
    assert ("dvc-process" in sources(repository, url)) is asked


def test_dvc_itself_is_never_asked_offline(repository: Path) -> None:
    assert "dvc-process" not in sources(repository, "ssh://host.invalid/store", "fetch.offline=true")
