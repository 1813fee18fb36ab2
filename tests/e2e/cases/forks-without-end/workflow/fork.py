import os
import time
from pathlib import Path

LIMIT = 64  # as in replay.yaml

while True:
    try:
        os.fork()
    except OSError:
        running = sum(entry.name.isdigit() for entry in Path("/proc").iterdir())
        print("no more processes" if running <= LIMIT else f"too many processes: {running}", flush=True)
        time.sleep(1)
