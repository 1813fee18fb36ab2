from pathlib import Path

Path("model.txt").write_text(str(len(Path("data/prices.csv").read_text())))
