import sys
from pathlib import Path

lag = int(sys.argv[1])
prices = [float(row.split(",")[1]) for row in Path("out/clean.csv").read_text().splitlines()[1:]]
moves = [now / before - 1 for before, now in zip(prices, prices[lag:], strict=False)]
Path(sys.argv[2]).write_text("".join(f"{move!r}\n" for move in moves))
