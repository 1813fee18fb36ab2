"""What a search imports: a process that asks once should cost little more than its question."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests_support.search_sample import record

from replay.store.database import Store

HEAVY = {"docker", "git", "sqlalchemy", "alembic", "psycopg", "hydra", "omegaconf", "numpy", "pyarrow", "boto3", "yaml"}
TELL = """
import sys
try:
    sys.argv[1:] = {words}; from replay.cli import main; main()
except SystemExit:
    pass
open("modules", "w").write("\\n".join(sys.modules))
"""


def imported(folder: Path, *words: str) -> set[str]:
    command = [sys.executable, "-c", TELL.format(words=list(words))]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set((folder / "modules").read_text().split("\n"))


def test_a_search_imports_nothing_heavy(tmp_path: Path) -> None:
    with Store.open(tmp_path / ".replay", create=True) as store:
        record(store, "churn")
    imported(tmp_path, "search", "kind=run", "--json")  # settings and index are made
    modules = imported(tmp_path, "search", "kind=run and params.lr>0", "--json")
    assert {"lark", "replay.store.search.searcher"} <= modules
    assert not HEAVY & modules
    assert "rich" not in modules


def test_what_needs_no_expression_needs_no_grammar(tmp_path: Path) -> None:
    with Store.open(tmp_path / ".replay", create=True) as store:
        record(store, "churn")
    assert "lark" not in imported(tmp_path, "search", "--kind", "run", "--count")
