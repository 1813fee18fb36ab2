import json
import random
from pathlib import Path

Path("model.json").write_text(json.dumps({"weight": random.random()}))
