import sys
import urllib.request
from pathlib import Path

Path("model.txt").write_bytes(urllib.request.urlopen(f"http://{sys.argv[1]}/prices.csv", timeout=5).read())
