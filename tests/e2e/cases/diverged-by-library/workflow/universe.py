from pathlib import Path

Path("out/universe.txt").write_text("".join(f"share {number}\n" for number in range(100)))
