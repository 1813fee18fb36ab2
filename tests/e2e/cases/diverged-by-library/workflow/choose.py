import random
from pathlib import Path

from more_itertools import sample

random.seed(7)
names = Path("out/universe.txt").read_text().splitlines()
Path("out/chosen.txt").write_text("\n".join(sample(names, 5)) + "\n")
