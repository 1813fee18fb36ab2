import json
from pathlib import Path

start = json.loads(Path("params.json").read_text())["start"]
head, *rows = Path("data/prices.csv").read_text().splitlines()
Path("out/clean.csv").write_text("\n".join([head, *(row for row in rows if row >= start)]) + "\n")
