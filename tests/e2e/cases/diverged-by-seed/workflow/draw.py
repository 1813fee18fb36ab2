import json
import random
from pathlib import Path

random.seed(json.loads(Path("params.json").read_text())["seed"])
head, *rows = Path("out/base.csv").read_text().splitlines()
days = [row.split(",")[0] for row in rows]
Path("out/weights.csv").write_text("\n".join([head, *(f"{day},{random.random()!r}" for day in days)]) + "\n")
