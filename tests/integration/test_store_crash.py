"""Every step of every write, ended there by a kill or a full disk: the store verifies, and the same again finishes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from replay.store.database import Store
from replay.store.verify import verify_store

# One process imports everything once and forks a child for each crash point: some hundred starts would take minutes.
DRIVER = '''
import itertools, json, os, sys
from pathlib import Path
import sqlalchemy, rfc8785
from replay.errors import ReplayError, StoreError, UsageError
from replay.lineage import Edge, EdgeType, Kind, Node
from replay.store import fsops, schema, steps, writes
from replay.store.database import Store
from replay.store.verify import verify_store

def sequence(top):
    """What a recorder does."""
    workspace = top / "workspace"
    fsops.remove_tree(workspace)
    fsops.make_dir(workspace / "in")
    with Store.open(top / ".replay", create=True) as store:
        log = store.blobs.put_bytes(b"log")
        data = store.blobs.put_file(top / "data")
        fsops.copy_file(top / "data", workspace / "in/copy")
        fsops.link_or_copy(top / "data", workspace / "in/link", durable=True)
        def build(version):
            run = Node(kind=Kind.RUN, identity={"id": f"run-{version}"}, attrs={"log": log})
            model = Node(kind=Kind.MODEL, identity={"sha256": data})
            made = Node(kind=Kind.MODEL_VERSION, identity={"name": "m", "version": str(version)})
            edges = [Edge(source=run.uid, type=EdgeType.GENERATED, target=model.uid, role=str(version)),
                     Edge(source=made.uid, type=EdgeType.DERIVED_FROM, target=model.uid)]
            return [run, model, made], edges, made.uid
        version = store.register("m", build)
        store.set_alias("m", "newest", version)
        store.journal.append("recorded", version=version)
    fsops.write_bytes(top / "recipe.json", b"{}")
    fsops.remove_tree(workspace)

def child(work):
    pid = os.fork()
    if pid == 0:
        code = 9
        try:
            code = work() or 0
        except StoreError as error:
            code = 3 if error.hint else 4
        except BaseException:
            import traceback; traceback.print_exc()
        finally:
            sys.stderr.flush(); os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def crashed(top, step, fault):
    steps._crash_at, steps._fault, steps._steps = step, fault, itertools.count(1)
    sequence(top)

def checked(top, may_be_empty):
    """11: there is no store yet. 0: all is well. 13: findings."""
    try:
        with Store.open(top / ".replay") as store:
            findings = verify_store(store)
            for finding in findings: print(finding, file=sys.stderr)
            models = store.models()
            assert [m.version for m in models] == list(range(1, len(models) + 1)), models
            for model in models: assert len(store.closure(model.uid).nodes) >= 3
            assert models or may_be_empty
            return 13 if findings else 0
    except UsageError: return 11

top, fault = Path(sys.argv[1]), sys.argv[2]
rows = []
for step in itertools.count(1):
    here = top / str(step); here.mkdir(); (here / "data").write_bytes(b"data" * 1000)
    end = child(lambda: crashed(here, step, fault))
    before = child(lambda: checked(here, True))
    again = child(lambda: sequence(here))
    after = child(lambda: checked(here, False))
    left = sorted(p.name for p in (here / ".replay").rglob(".replay-*"))
    half = (here / "recipe.json").read_bytes() != b"{}" or (here / "workspace").exists()
    rows.append({"step": step, "end": end, "before": before, "again": again, "after": after})
    rows[-1] |= {"left": left, "half": half}
    if end == 0: break
print(json.dumps(rows))
'''


@pytest.mark.parametrize(("fault", "ending"), [("", 137), ("ENOSPC", 3)])
def test_every_crash_point(tmp_path: Path, fault: str, ending: int) -> None:
    done = subprocess.run([sys.executable, "-c", DRIVER, tmp_path, fault], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) > 40, "the sequence has that many steps"
    for row in rows[:-1]:
        assert row["end"] == ending, (row, done.stderr)
    for row in rows:
        assert row["before"] in {0, 11}, (row, done.stderr)
        assert (row["again"], row["after"], row["left"], row["half"]) == (0, 0, [], False), (row, done.stderr)
    assert {row["before"] for row in rows} == {0, 11}, "crashes before and after the making of the store"


RECORDER = """
import sys
from pathlib import Path
from replay.lineage import Kind, Node
from replay.store.database import Store
with Store.open(Path(sys.argv[1]), create=True) as store:
    def build(version):
        made = Node(kind=Kind.MODEL_VERSION, identity={"name": "m", "version": str(version)}, attrs={"by": sys.argv[2]})
        return [made], [], made.uid
    print("ready", flush=True)
    for _ in range(int(sys.argv[3])):
        store.blobs.put_bytes(f"{sys.argv[2]} {_}".encode())
        print(store.register("m", build), flush=True)
"""


def recorder(root: Path, name: str, count: int) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", RECORDER, str(root), name, str(count)]
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_recorders_at_once_share_the_versions(tmp_path: Path) -> None:
    """Four processes that also race to make the store."""
    root = tmp_path / ".replay"
    running = [recorder(root, name, 25) for name in "abcd"]
    ended = [(*process.communicate(), process.returncode) for process in running]
    assert [code for _, _, code in ended] == [0] * 4, [err for _, err, _ in ended]
    allotted = [int(line) for out, _, _ in ended for line in out.split()[1:]]
    assert sorted(allotted) == list(range(1, 101))
    with Store.open(root) as store:
        assert [m.version for m in store.models()] == list(range(1, 101))
        authors = [store.node(m.uid).attrs["by"] for m in store.models()]
        assert {name: authors.count(name) for name in "abcd"} == dict.fromkeys("abcd", 25)
        assert verify_store(store) == []


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.01, 0.02])
def test_a_recorder_killed_at_any_moment(tmp_path: Path, delay: float) -> None:
    root = tmp_path / ".replay"
    process = recorder(root, "killed", 100_000)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    told = [int(line) for line in process.communicate()[0].split("\n")[:-1]]
    with Store.open(root) as store:
        torn = [f for f in verify_store(store) if "torn" not in f.problem and "newline" not in f.problem]
        assert torn == []
        assert len(store.models()) >= len(told), "what was told to be recorded is recorded"
    again = recorder(root, "again", 3)
    assert again.wait() == 0, again.communicate()[1]
    again.communicate()
    with Store.open(root) as store:
        assert verify_store(store) == []
        assert store.node(store.models()[-1].uid).attrs == {"by": "again"}
