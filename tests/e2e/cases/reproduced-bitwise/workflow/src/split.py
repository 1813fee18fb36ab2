from pathlib import Path

for name in ("fast", "slow"):
    folder = Path("out/folds") / name
    folder.mkdir(parents=True)
    for number, row in enumerate(Path(f"out/{name}.csv").read_text().splitlines()):
        (folder / f"{number}.txt").write_text(row)
