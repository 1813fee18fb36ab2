from itertools import pairwise
from pathlib import Path

prices = [float(row.split(",")[1]) for row in Path("data/prices.csv").read_text().splitlines()[1:]]
rows = [f"{day},{now / before - 1!r}" for day, (before, now) in enumerate(pairwise(prices), start=2)]
Path("out/returns.csv").write_text("\n".join(["day,return", *rows]) + "\n")
