"""Forgetting is killed, or its disk fails, at every step of its writes, on both databases."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from replay.store.database import Store

# One process imports everything once and forks a child for each crash point.
DRIVER = '''
import itertools, json, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests_support.keeping import blobs_of, pipeline, record
from tests_support.recordings import session_of
import replay.store.writes
from replay.errors import StoreError
from replay.retention.deleting import clear
from replay.retention.forgetting import Wish, forget
from replay.store import steps
from replay.store.database import Store
from replay.store.verify import verify_store

MANY = 40

def child(work):
    pid = os.fork()
    if pid == 0:
        code = 9
        try:
            with session_of(Store.open(root)) as session:
                code = work(session) or 0
        except StoreError as error:
            code = 3
        except BaseException:
            import traceback; traceback.print_exc()
        finally:
            sys.stderr.flush(); os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def mine(session, number):
    return {text for text in blobs_of(session.store) if text.endswith(f" {number}!") and text != "shared !"}

def crashed(session, number):
    steps._crash_at, steps._fault, steps._steps = number, fault, itertools.count(1)
    forget([f"m{number}:1"], session, Wish(reason="a test", really=True))

def looked(session, number):
    """0: nothing was forgotten. 1: it was, and files are left. 2: it was, and all files are gone. 13: findings."""
    found = [str(finding) for finding in verify_store(session.store) if "journal" not in finding.place]
    for one in found: print(number, one, file=sys.stderr)
    if any("although it was forgotten" not in one for one in found): return 13
    buried = "forgotten" in session.store.facets(session.store.models(f"m{number}")[0].uid)
    left = mine(session, number)
    if not buried:
        assert not found and len(left) == 3, (number, left)
        return 0
    return 1 if left else 2

def finished(session, number):
    """The next forgetting, of another model, finishes the one before; or the command that does just that."""
    if number % 2:
        forget([f"x{number}:1"], session, Wish(reason="a test", really=True))
    else:
        clear(session, really=True)
    forget([f"m{number}:1"], session, Wish(reason="a test", really=True))
    assert not mine(session, number), number
    assert verify_store(session.store) == [], verify_store(session.store)
    assert "shared !" in blobs_of(session.store)

root, fault = Path(sys.argv[1]), sys.argv[2]
with Store.open(root) as store:
    for number in range(1, MANY):
        texts = {name: f"{name} {number}!" for name in ("clean", "model")}
        record(store, pipeline(store, name=f"m{number}", raw=f"raw {number}!", **texts))
        record(store, pipeline(store, name=f"x{number}", raw="shared !", clean=f"x {number}", model=f"y {number}"))
    record(store, pipeline(store, name="keeper", raw="shared !", clean="keeper", model="keeper"))
rows = []
for number in range(1, MANY):
    row = [child(lambda session: work(session, number)) for work in (crashed, looked, finished)]
    rows.append(row)
    if row[0] == 0: break
print(json.dumps(rows))
'''


@pytest.mark.parametrize(("fault", "ending"), [("", 137), ("ENOSPC", 3)])
def test_every_crash_point_leaves_nothing_forgotten_or_a_tombstone(fault: str, ending: int, store: Store) -> None:
    support = next(path for path in sys.path if path.endswith("tests"))
    store.close()
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, store.root, fault, support], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) > 10, "the sequence has that many steps"
    assert [row[0] for row in rows] == [ending] * (len(rows) - 1) + [0], (rows, done.stderr)
    assert {row[1] for row in rows} == {0, 1, 2}, (rows, done.stderr)
    assert [row[1] for row in rows] == sorted(row[1] for row in rows), "first nothing, then a tombstone, then all"
    assert [row[2] for row in rows] == [0] * len(rows), (rows, done.stderr)
