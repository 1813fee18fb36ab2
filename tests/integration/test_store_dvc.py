"""Our digests against what a real DVC writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from replay.recipe import PathKind
from replay.store import hashing


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "data/a.csv": b"a,b\r\n1,2\r\n",  # DVC 2 would have changed the line ends before hashing
        "data/sub/ü ñ.txt": "ä".encode(),
        "data/sub.txt": b"sorts between sub and sub/",
        'data/quo"te\\and\ttab': b"x",
        "data/empty": b"",
        "data/big.bin": os.urandom(3 << 20),
        "single.csv": b"x\r\n" * 1000,
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "data/no-files-here").mkdir()
    env = {**os.environ, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(tmp_path / ".site")}
    for command in (["init", "--no-scm", "-q"], ["add", "-q", "data", "single.csv"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=tmp_path, env=env, check=True)
    return tmp_path


def test_the_md5_of_files_and_directories_is_dvcs(project: Path) -> None:
    for name, kind in (("data", PathKind.DIRECTORY), ("single.csv", PathKind.FILE)):
        (out,) = yaml.safe_load((project / f"{name}.dvc").read_text())["outs"]
        described = hashing.describe(project / name)
        assert described.kind is kind
        assert described.digests.md5 == out["md5"]
        assert described.size == out["size"]
        assert described.files == out.get("nfiles", 1)


def test_the_listing_is_the_object_in_dvcs_cache(project: Path) -> None:
    described = hashing.describe(project / "data")
    md5 = described.digests.md5
    kept = project / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    assert hashing.dvc_listing(list(described.entries)) == kept.read_bytes()
