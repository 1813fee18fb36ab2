import json
from pathlib import Path
from statistics import fmean

shrinkage = json.loads(Path("params.json").read_text())["shrinkage"]
values = [float(path.read_text()) for path in sorted(Path("out/folds").rglob("*.txt"))]
Path("out/model.txt").write_text(f"{fmean(values) * shrinkage!r}\n")
Path("out/metrics.json").write_text(json.dumps({"count": len(values), "mean": fmean(values)}))
