"""What a look at feature groups imports: Arrow only when rows are read or written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"pyarrow", "numpy", "sqlalchemy", "hydra", "docker", "cedarpy", "psycopg"}
TELL = """
import sys
from replay.cli import main
sys.argv[1:] = {words}
try:
    main()
except SystemExit:
    pass
print("\\n" + " ".join(sys.modules))
"""


@pytest.mark.parametrize(
    "words",
    [["features", "--help"], ["features", "list"], ["features", "show", "prices"], ["features", "read", "--help"]],
)
def test_a_look_is_cheap(words: list[str], tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    register = ["features", "register", "prices", "--record-id", "id", "--event-time", "at"]
    for command in (register, words):
        done = subprocess.run(
            [sys.executable, "-c", TELL.format(words=command)], cwd=tmp_path, capture_output=True, text=True, check=True
        )
    modules = set(done.stdout.rpartition("\n\n")[2].split())
    assert "replay.cli.features" in modules, done.stderr
    assert not HEAVY & modules
