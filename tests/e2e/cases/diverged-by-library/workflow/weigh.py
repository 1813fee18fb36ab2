import json
from pathlib import Path

names = Path("out/chosen.txt").read_text().splitlines()
Path("out/model.json").write_text(json.dumps({name: 1 / rank for rank, name in enumerate(names, start=1)}))
