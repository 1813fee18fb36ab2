"""Run in a process of its own by `dvc_process`: let DVC itself fetch one path. Reads one JSON object from stdin.

It knows nothing of this package, and nothing it says is believed: what it wrote is verified afterwards.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> int:
    """Fetch; on failure print ``{"error": class, "message": text}`` and return 1."""
    asked: dict[str, Any] = json.load(sys.stdin)
    try:
        from dvc.api import DVCFileSystem

        fs = DVCFileSystem(asked["root"], config=asked["config"], remote=asked["remote"])
        fs.get(asked["path"], asked["dest"], recursive=asked["directory"])
    except Exception as error:
        told = [error.__class__.__name__ for error in _causes(error)]
        json.dump({"error": told, "message": str(error)}, sys.stdout)
        return 1
    return 0


def _causes(error: BaseException | None) -> list[BaseException]:
    found = []
    while error is not None:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


if __name__ == "__main__":
    sys.exit(main())
