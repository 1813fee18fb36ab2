"""A fresh repository for every case; it is removed when all went well and kept when not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests_support.project import Project

_passed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.stash[_passed] = report.passed
    return report


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Project]:
    """An empty Git repository; afterwards no container of it may be left."""
    made = Project(tmp_path / "project")
    yield made
    assert made.leftovers() == []
    if request.node.stash.get(_passed, False):
        made.remove()
