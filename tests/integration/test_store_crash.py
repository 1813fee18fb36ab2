"""Recorders that are killed, stopped, or many at once, on both databases: the store verifies, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tests_support.forking import driven
from tests_support.stores import build, contents, raw

from replay.errors import StoreBusyError
from replay.store import postgres, sqlite
from replay.store.database import Store
from replay.store.verify import verify_store

# One process imports everything once and forks a child for each crash point: some hundred starts would take minutes.
DRIVER = '''
import itertools, json, os, sys
from pathlib import Path
import alembic.command, rfc8785, sqlalchemy
from replay.errors import ReplayError, StoreError, UsageError
from replay.identity import to_crockford
from replay.lineage import Edge, EdgeType, Facet, Kind, Node, group_node
from replay.store import backends, fsops, postgres, schema, steps, verify, writes
from replay.store.database import Store
from tests_support.forking import child, ended

def sequence(top, number):
    """What a recorder does. The number makes its bytes new ones, which are all to be written."""
    workspace = top / "workspace"
    if not url:  # these steps are the same on both
        fsops.remove_tree(workspace)
        fsops.make_dir(workspace / "in")
    (top / "data").write_bytes(b"data %d" % number * 1000)
    with Store.open(top / ".replay", create=True) as store:
        log = store.blobs.put_bytes(b"log %d" % number)
        data = store.blobs.put_file(top / "data")
        if not url:
            fsops.copy_file(top / "data", workspace / "in/copy")
            fsops.link_or_copy(top / "data", workspace / "in/link", durable=True)
        def build(version):
            run = Node(kind=Kind.RUN, identity={"run": to_crockford(version)}, attrs={"log": log})
            model = Node(kind=Kind.MODEL, identity={"sha256": data})
            made = Node(kind=Kind.MODEL_VERSION, identity={"model": "m", "version": str(version)})
            edges = [Edge(source=run.uid, type=EdgeType.GENERATED, target=model.uid, role=str(version)),
                     Edge(source=made.uid, type=EdgeType.DERIVED_FROM, target=model.uid)]
            return [run, model, made], edges, made.uid
        version = store.register("m", build)
        group = group_node("m")
        store.append([group], facets=[Facet(node=group.uid, key="alias:newest", value=version)])
        store.note("recorded", version=version)
    fsops.write_bytes(top / "recipe.json", b"{}")
    fsops.remove_tree(workspace)

def crashed(top, step, fault):
    steps._crash_at, steps._fault, steps._steps = step, fault, itertools.count(1)
    sequence(top, step)

def checked(top, may_be_empty):
    """11: there is no store yet. 0: all is well. 13: findings."""
    try:
        with Store.open(top / ".replay") as store:
            findings = verify.verify_store(store)
            for finding in findings: print(finding, file=sys.stderr)
            models = store.models()
            assert [m.version for m in models] == list(range(1, len(models) + 1)), models
            for model in models: assert len(store.closure(model.uid).nodes) >= 3
            told = [r.fields["version"] for r in store.journal.records() if r.action == "recorded"]
            assert told == sorted(set(told)) and set(told) <= {m.version for m in models}, told
            assert models or may_be_empty
            assert may_be_empty or store.alias("m", "newest") == models[-1].version
            return 13 if [f for f in findings if not (may_be_empty and "the next append" in f.problem)] else 0
    except UsageError: return 11

top, fault, url = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
rows = []
for step in itertools.count(1):
    here = top / ("all" if url else str(step))
    here.mkdir(exist_ok=True)
    if url and step == 1:  # a database is made once: all recorders write into it
        backends.make_directory(here / ".replay"); backends.point_to(here / ".replay", url)
    end = child(lambda: crashed(here, step, fault))
    before = ended(lambda: checked(here, True))
    again = ended(lambda: sequence(here, step))
    after = ended(lambda: checked(here, False))
    left = sorted(p.name for p in (here / ".replay").rglob(".replay-*"))
    half = (here / "recipe.json").read_bytes() != b"{}" or (here / "workspace").exists()
    rows.append({"step": step, "end": end, "before": before, "again": again, "after": after})
    rows[-1] |= {"left": left, "half": half}
    if end == 0: break
print(json.dumps(rows))
'''


@pytest.mark.parametrize(("fault", "ending"), [("", 137), ("ENOSPC", 3)])
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_every_crash_point(
    request: pytest.FixtureRequest, quick_path: Path, database: str, fault: str, ending: int
) -> None:
    """Every step of every write, ended there by a kill or a full disk; then the same again, which finishes."""
    url = request.getfixturevalue("postgres_url") if database == "postgres" else ""
    rows = driven(DRIVER, quick_path, fault, url)
    assert len(rows) > (50 if database == "sqlite" else 20), "the sequence has that many steps"
    for row in rows[:-1]:
        assert row["end"] == ending, row
    for row in rows:
        assert row["before"] in {0, 11}, row
        assert (row["again"], row["after"], row["left"], row["half"]) == (0, 0, [], False), row
    if database == "sqlite":
        assert {row["before"] for row in rows} == {0, 11}, "crashes before and after the making of the store"


# -- kill -9 ----------------------------------------------------------------------------------------------------------


RECORDER = """
import sys
from pathlib import Path
from replay.lineage import Kind, Node
from replay.store.database import Store
with Store.open(Path(sys.argv[1]), create=True) as store:
    def build(version):
        identity = {"model": "m", "version": str(version)}
        made = Node(kind=Kind.MODEL_VERSION, identity=identity, attrs={"by": sys.argv[2]})
        return [made], [], made.uid
    print("ready", flush=True)
    for number in range(int(sys.argv[3])):
        store.blobs.put_bytes(f"{sys.argv[2]} {number}".encode())
        version = store.register("m", build)
        store.note("recorded", version=version)
        print(version, flush=True)
"""


def recorder(root: Path, name: str, count: int) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", RECORDER, str(root), name, str(count)]
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.01, 0.02])
def test_a_recorder_killed_at_any_moment(store: Store, delay: float) -> None:
    process = recorder(store.root, "killed", 100_000)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    told = [int(line) for line in process.communicate()[0].split("\n")[:-1]]
    findings = [f for f in verify_store(store) if "torn" not in f.problem and "newline" not in f.problem]
    assert findings == []
    assert len(store.models()) >= len(told), "what was told to be recorded is recorded"
    noted = [record.fields["version"] for record in store.journal.records()]
    assert noted[: len(told)] == told
    again = recorder(store.root, "again", 3)
    assert (again.communicate()[1], again.returncode) == ("", 0)
    assert verify_store(store) == []
    assert store.node(store.models()[-1].uid).attrs == {"by": "again"}


LOADER = """
import os, signal, sys
from pathlib import Path
from replay.lineage import Kind, Node
from replay.store import sqlite, steps
from replay.store.database import Store
sqlite._LOAD_CACHE_KIB = 50  # so that pages are written into the file before the end
if sys.argv[2] == "at the commit":
    steps._crash_at = 1
with Store.open(Path(sys.argv[1])) as store:
    def batches():
        for start in range(0, 3000, 500):
            if start == 2000 and sys.argv[2] == "in a batch":
                os.kill(os.getpid(), signal.SIGKILL)
            yield [Node(kind=Kind.DATASET, identity={"id": str(i)}) for i in range(start, start + 500)], []
    print(store.load(batches()))
"""


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "not empty"])
@pytest.mark.parametrize("moment", ["in a batch", "at the commit"])
def test_a_killed_load_leaves_nothing(store: Store, moment: str, filled: bool) -> None:
    if filled:
        store.register("other", lambda version: build(version, "other"))
    before = contents(store)
    store.close()
    program = [sys.executable, "-c", LOADER, store.root]
    killed = subprocess.run([*program, moment], check=False, capture_output=True, text=True)
    assert killed.returncode == (137 if moment == "at the commit" else -signal.SIGKILL), killed.stderr
    with Store.open(store.root) as again:
        assert contents(again) == before
        assert verify_store(again) == []
        assert again.register("momentum", build) == 1
        if not again.database.shared:
            with raw(again) as run:
                assert run("PRAGMA journal_mode") == [("wal",)]
    done = subprocess.run([*program, "never"], check=True, capture_output=True, text=True)
    assert done.stdout == "3000\n"
    with Store.open(store.root) as again:
        assert verify_store(again) == []


# -- many at once -----------------------------------------------------------------------------------------------------


def test_recorders_that_race_to_make_the_store(tmp_path: Path) -> None:
    root = tmp_path / ".replay"
    running = [recorder(root, name, 25) for name in "abcd"]
    ended = [(*process.communicate(), process.returncode) for process in running]
    assert [code for _, _, code in ended] == [0] * 4, [err for _, err, _ in ended]
    allotted = [int(line) for out, _, _ in ended for line in out.split()[1:]]
    assert sorted(allotted) == list(range(1, 101))
    with Store.open(root) as store:
        assert [m.version for m in store.models()] == list(range(1, 101))
        authors = Counter(store.node(m.uid).attrs["by"] for m in store.models())
        assert authors == dict.fromkeys("abcd", 25)
        assert verify_store(store) == []


# Each process opens the store for each of its threads, all begin together; every version allotted is told.
CROWD = """
import os, sys, threading
from pathlib import Path
from replay.errors import ReplayError
from replay.lineage import Edge, EdgeType, Facet, Kind, Node
from replay.store import backends, journal, postgres, sqlite, writes
from replay.store.database import Store
root, processes, threads, each, own = Path(sys.argv[1]), *map(int, sys.argv[2:])
DATA = Node(kind=Kind.DATASET, identity={"sha256": "ab" * 32})
begin, go = os.pipe()
told, tell = os.pipe()
def record(store, name):
    for number in range(each):
        def build(version):
            identity = {"model": "m", "version": str(version)}
            made = Node(kind=Kind.MODEL_VERSION, identity=identity, attrs={"by": name})
            return [DATA, made], [Edge(source=made.uid, type=EdgeType.DERIVED_FROM, target=DATA.uid)], made.uid
        version = store.register("m", build)
        if number % 3 == 0:
            store.append([], facets=[Facet(node=DATA.uid, key="newest", value=version)])
        if number % 5 == 0:
            store.note("recorded", version=version)
        os.write(tell, f"{version} {name}\\n".encode())
def work(store, name):
    try:
        if own:
            with Store.open(root) as store: record(store, name)
        else: record(store, name)
    except BaseException as error:
        os.write(tell, f"failed {name}: {error!r}\\n".encode())
def process(number):
    with Store.open(root) as store:
        os.write(tell, b"ready\\n")
        os.read(begin, 1)
        crowd = [threading.Thread(target=work, args=(store, f"{number}.{n}")) for n in range(threads)]
        for one in crowd: one.start()
        for one in crowd: one.join()
for number in range(processes):
    if os.fork() == 0:
        try: process(number)
        finally: os._exit(0)
with os.fdopen(told) as pipe:
    for _ in range(processes): assert pipe.readline() == "ready\\n"
    os.close(tell)
    os.write(go, b"x" * processes)
    sys.stdout.write(pipe.read())
"""


@pytest.mark.parametrize(("processes", "threads", "each"), [(16, 1, 12), (16, 13, 1)], ids=["16", "208"])
def test_many_recorders_at_once_lose_nothing(store: Store, processes: int, threads: int, each: int) -> None:
    """Threads with stores of their own where a store is a file; on a server they share their process's connection."""
    own = int(not store.database.shared)
    program = [sys.executable, "-c", CROWD, store.root, *map(str, (processes, threads, each, own))]
    done = subprocess.run(program, check=True, capture_output=True, text=True)
    told = [line.split(" ", 1) for line in done.stdout.splitlines()]
    total = processes * threads * each
    assert sorted(line[0] for line in told) == sorted(str(version) for version in range(1, total + 1)), done.stderr
    models = store.models()
    assert {str(m.version): store.node(m.uid).attrs["by"] for m in models} == dict(told)
    assert Counter(name for _, name in told) == {f"{p}.{t}": each for p in range(processes) for t in range(threads)}
    said = store.history("sha256:" + "ab" * 32)
    assert len(said) == processes * threads * len(range(0, each, 3))
    assert len({facet.value for facet in said}) == len(said)
    noted = [record.fields["version"] for record in store.journal.records()]
    assert len(noted) == len(set(noted)) == processes * threads * len(range(0, each, 5))
    assert verify_store(store) == []


STOPPED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests_support.stores import build
from replay.store.database import Store
def stopping(version):
    os.kill(os.getpid(), signal.SIGSTOP)
    return build(version)
with Store.open(Path(sys.argv[1])) as store:
    print(store.register("momentum", stopping))
"""


def test_a_writer_that_was_stopped_keeps_others_out_for_a_while(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    program = [sys.executable, "-c", STOPPED, store.root, Path(__file__).parents[1]]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), process.communicate()
        with monkeypatch.context() as patched:
            for module in (sqlite, postgres):
                patched.setattr(module, "BUSY_SECONDS", 0.1)
            for write in (lambda: store.register("momentum", build), lambda: store.note("x"), lambda: store.load([])):
                with pytest.raises(StoreBusyError, match=r"other writers held it for more than 0\.1 s") as caught:
                    write()
                assert "again" in (caught.value.hint or "")
        assert store.models() == [], "readers are never kept out"
    finally:
        process.send_signal(signal.SIGCONT)
    assert process.communicate() == ("1\n", "")
    assert store.register("momentum", build) == 2, "whoever gave up holds nothing"
    assert [m.version for m in store.models()] == [1, 2]
    assert verify_store(store) == []
