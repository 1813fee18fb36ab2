"""``make bench``: every ratio in one run, written into README.md's table; what has a goal to results.json too."""

from __future__ import annotations

import argparse
import compileall
import json
import os
import sys
import tempfile
from pathlib import Path

import bench_compare
import bench_hashing
import bench_lineage
import bench_replay
import bench_search
import bench_startup
from race import Row, settle

import replay

HERE = Path(__file__).resolve().parent
README = HERE.parents[1] / "README.md"
BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


def measure(demo: Path | None, folder: Path, only: str | None = None) -> list[Row]:
    """All rows; without a ``demo`` one is made in ``folder``, which needs 3 GB."""
    compileall.compile_dir(Path(replay.__file__).parent, quiet=1)  # as an install is
    if only in {None, "startup", "replay"}:
        demo = demo or bench_replay.make_demo(folder)
    found: list[Row] = []
    benches = (
        (bench_startup, demo),
        (bench_hashing, folder),
        (bench_compare, folder),
        (bench_replay, demo),
        (bench_lineage, folder),
        (bench_search, folder),
    )
    for bench, place in benches:
        if only and bench.__name__ != f"bench_{only}":
            continue
        settle()
        for row in bench.rows(place):
            print(line(row), flush=True)
            found.append(row)
    return sorted(found, key=lambda row: row["goal"] is None)


def line(row: Row) -> str:
    """A row of the table."""
    goal = "" if row["goal"] is None else f"{row.get('sign', '≤')} {row['goal']:,} {row['unit']}".rstrip()
    met = {True: "yes", False: "**no**", None: ""}[row["ok"]]
    value = f"{row['value']:,} {row['unit']}".rstrip()
    return f"| {row['name']} | {value} | {goal} | {met} | {row.get('note', '')} |"


def write_table(rows: list[Row], readme: Path = README) -> bool:
    """Replace what stands between the markers; false when the file has none."""
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        return False
    head = "| what | measured | goal | met | medians |\n|---|---|---|---|---|"
    table = "\n".join([head, *map(line, rows)])
    readme.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
    return True


def main() -> int:
    """Measure, write, and name what misses its goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, help="a recorded demo repository to use instead of a new one")
    parser.add_argument(
        "--only", choices=["startup", "hashing", "compare", "replay", "lineage", "search"], help="print these alone"
    )
    given = parser.parse_args()
    demo = given.demo
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    with tempfile.TemporaryDirectory(prefix="replay-bench-") as folder:
        rows = measure(demo.resolve() if demo else None, Path(folder), given.only)
    if given.only:
        return 0
    keys = ("name", "value", "unit", "goal", "ok")
    goals = [{key: row[key] for key in keys} for row in rows if row["goal"] is not None]
    (HERE / "results.json").write_text(json.dumps(goals, indent=2, ensure_ascii=False) + "\n")
    if not write_table(rows):
        print(f"README.md has no {BEGIN} … {END}: the table was not inserted")
    for row in rows:
        if row["ok"] is False:
            sign = row.get("sign", "≤")
            print(f"misses its goal: {row['name']}: got {row['value']} {row['unit']}, expected {sign} {row['goal']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
