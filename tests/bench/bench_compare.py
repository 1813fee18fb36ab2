"""Comparators against what a data scientist would write, as ratios taken in one run.

Each measurement runs in a process of its own and times only the comparison (imports excluded on both sides, since a
replay imports once); ours and theirs alternate, the median of three counts. Peak memory is the process's whole
``VmHWM`` less what it maps from files, so it includes the interpreter and every library.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
ROUNDS = 3

_MAKE_ARRAYS = """
import numpy as np
count = {count}
rng = np.random.default_rng(1)
values = rng.standard_normal(count)
np.save(one, values)
values[rng.choice(count, 1000, replace=False)] += 1e-3
np.save(two, values)
"""
_OUR_ARRAYS = """
from replay.compare.arrays import ArrayComparator as C
from replay.recipe import Judgement, Tolerance
judgement = Judgement(comparator="array", tolerance=Tolerance(absolute=(1e-8).hex(), relative=(1e-6).hex()))
def work():
    found = C().compare(Path(one), Path(two), judgement)
    assert "1,000 of" in found.summary and found.match == "different", found
"""
_THEIR_ARRAYS = """
import numpy as np
def work():
    a, b = np.load(one, mmap_mode="r"), np.load(two, mmap_mode="r")
    assert not np.allclose(a, b, rtol=1e-6, atol=1e-8)
"""
_MAKE_TABLES = """
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
rows = {count}
rng = np.random.default_rng(1)
columns = {{f"x{{i}}": rng.standard_normal(rows) for i in range(6)}}
columns |= {{"id": np.arange(rows), "count": rng.integers(0, 1000, rows)}}
pq.write_table(pa.table(columns), one)
columns["x3"][rng.choice(rows, 500, replace=False)] += 1e-3
pq.write_table(pa.table(columns), two)
"""
_OUR_TABLES = """
from replay.compare.tables import TableComparator as C
from replay.recipe import Judgement, Tolerance
judgement = Judgement(comparator="table", tolerance=Tolerance(absolute=(1e-8).hex(), relative=(1e-6).hex()))
def work():
    found = C().compare(Path(one), Path(two), judgement)
    assert "500 of" in found.summary and found.match == "different", found
"""
_THEIR_TABLES = """
import numpy as np, pandas as pd
def work():
    a, b = pd.read_parquet(one), pd.read_parquet(two)
    bad = {c: int((~np.isclose(b[c], a[c], rtol=1e-6, atol=1e-8, equal_nan=True)).sum()) for c in a.columns}
    assert sum(bad.values()) == 500, bad
"""
_FRAME = """
import json, sys, time
from pathlib import Path
one, two = sys.argv[1:]
{body}
start = time.perf_counter()
work()
seconds = time.perf_counter() - start
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
kib = lambda name: int(status[name].split()[0])
print(json.dumps({{"seconds": seconds, "peak": kib("VmHWM"), "files": kib("RssFile")}}))
"""


def _measure(body: str, one: Path, two: Path) -> dict[str, float]:
    command = [sys.executable, "-c", _FRAME.format(body=body), str(one), str(two)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def _make(body: str, one: Path, two: Path) -> None:
    code = f"import sys\none, two = sys.argv[1:]\n{body}"
    subprocess.run([sys.executable, "-c", code, str(one), str(two)], check=True)


def _race(name: str, ours: str, theirs: str, one: Path, two: Path, goal: float) -> tuple[Row, dict[str, float]]:
    _measure(ours, one, two)  # both files are in the page cache from here on
    mine, other = [], []
    for _ in range(ROUNDS):
        mine.append(_measure(ours, one, two))
        other.append(_measure(theirs, one, two))
    seconds = [statistics.median(m["seconds"] for m in side) for side in (mine, other)]
    ratio = seconds[0] / seconds[1]
    note = f"{seconds[0]:.2f} s against {seconds[1]:.2f} s, peak {max(m['peak'] for m in mine) / 1024:.0f} MiB"
    row: Row = {"name": name, "value": round(ratio, 3), "unit": "×", "goal": goal, "ok": ratio <= goal, "note": note}
    return row, max(mine, key=lambda m: m["peak"])


def bench_arrays(folder: Path, count: int = 125_000_000) -> list[Row]:
    """Two float64 ``.npy`` of ``count`` values that differ in 1,000, against ``numpy.allclose`` on mapped arrays."""
    one, two = folder / "one.npy", folder / "two.npy"
    _make(_MAKE_ARRAYS.format(count=count), one, two)
    row, worst = _race("compare two 1 GB .npy / numpy.allclose", _OUR_ARRAYS, _THEIR_ARRAYS, one, two, 0.4)
    peak = (worst["peak"] - worst["files"]) / 1024
    memory: Row = {"name": "compare two 1 GB .npy, peak memory", "value": round(peak), "unit": "MiB", "goal": 300}
    one.unlink()
    two.unlink()
    return [row, {**memory, "ok": peak <= 300, "note": "the files are not mapped; interpreter and numpy included"}]


def bench_tables(folder: Path, count: int = 5_000_000) -> list[Row]:
    """Two parquet tables of ``count`` × 8 in the same order, 500 cells differ, against pandas and ``numpy.isclose``."""
    one, two = folder / "one.parquet", folder / "two.parquet"
    _make(_MAKE_TABLES.format(count=count), one, two)
    row, _ = _race("compare two 5M × 8 parquet / pandas + numpy.isclose", _OUR_TABLES, _THEIR_TABLES, one, two, 1.0)
    one.unlink()
    two.unlink()
    return [row]


def rows(folder: Path) -> list[Row]:
    """All rows of this file; ``folder`` needs 2.5 GB."""
    return [*bench_arrays(folder), *bench_tables(folder)]


def main() -> None:
    """Print the rows."""
    print(f"numpy {np.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(Path(folder)):
            print(
                f"{row['name']:55} {row['value']:>8} {row['unit']:4} goal {row['goal']:<5} {row['ok']}  {row['note']}"
            )


if __name__ == "__main__":
    main()
