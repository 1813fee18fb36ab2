"""Options and fixtures of every test."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from tests_support import postgres, stores
from tests_support.folders import quick_folder

from replay.store.database import Store

if TYPE_CHECKING:
    from xdist.scheduler import Scheduling

os.environ["DVC_NO_ANALYTICS"] = "1"
settings.register_profile("replay", deadline=None)  # how long an example takes says more of the machine than of us
settings.load_profile("replay")


TOGETHER = {
    "test_demo": "demo",
    "test_forgetting": "forgetting",
    "test_lineage_cli": "lineage",
    "test_rebuild_engine": "images",
    "test_rebuild_images": "images",
    "test_registry_cli": "registry",
    "test_search_cli": "search",
}
"""Files whose tests stay in one process: they share what is dear to make, or an image that only one may remove."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """By `TOGETHER`: the marks of pytest-xdist 3.8 have no effect with pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class Grouped(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return TOGETHER.get(Path(nodeid.partition("::")[0]).stem, nodeid)

    return Grouped(config, log)


def pytest_configure() -> None:
    """A file that has another name now must not lose its process silently."""
    files = {path.stem for path in Path(__file__).parent.rglob("test_*.py")}
    if lost := TOGETHER.keys() - files:
        raise pytest.UsageError(f"TOGETHER in {__file__} names files that are not there: {', '.join(sorted(lost))}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-docker", action="store_true", help="Fail at once when no Docker Engine answers (CI).")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without an engine, tests that need one are deselected aloud; with --require-docker the run fails instead."""
    needing = [item for item in items if item.get_closest_marker("docker")]
    if not needing or _engine_answers():
        return
    if config.getoption("--require-docker"):
        pytest.exit("no Docker Engine answers; run `replay doctor --fix`", returncode=1)
    config.hook.pytest_deselected(items=needing)
    items[:] = [item for item in items if item not in needing]


def _engine_answers() -> bool:
    return subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0


@pytest.fixture(autouse=True)
def _private_surroundings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own git configuration or caches."""
    home = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@localhost")
        monkeypatch.setenv(f"GIT_{role}_DATE", "2020-01-01T00:00:00+0000")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty Git repository."""
    root = tmp_path / "repository"
    root.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main", root], check=True)
    return root


@pytest.fixture
def quick_path() -> Iterator[Path]:
    """As `tmp_path`, in memory where that can be, and never kept: for tests that write and sync very often."""
    with tempfile.TemporaryDirectory(prefix="replay-test-", dir=quick_folder()) as made:
        yield Path(made)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A PostgreSQL server, started when the first test of this process wants it."""
    with postgres.serving() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: postgres.Server) -> Iterator[str]:
    """The address of an empty lineage database of the test's own."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def postgres_store(postgres_url: str, tmp_path: Path) -> Iterator[Store]:
    """An empty store in PostgreSQL."""
    with stores.pointing_to(postgres_url, tmp_path / ".replay") as store:
        yield store


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """An empty store in a file."""
    with Store.open(tmp_path / ".replay", create=True) as store:
        yield store


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    """An empty store, on each database."""
    return request.getfixturevalue(f"{request.param}_store")
