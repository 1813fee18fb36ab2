import sys
from pathlib import Path

Path("big.bin").write_bytes(sys.argv[1].encode() * (2 << 20))
Path("steady.bin").write_bytes(b"x" * (2 << 20))
Path("small.json").write_text(f'{{"value": {sys.argv[1]}}}')
