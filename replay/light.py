"""Imports msgspec without typing_extensions, which it does not need from Python 3.11 on.

It asks for it first, and behind it stand inspect, ast and dis: a tenth of the shortest commands' time. Nothing is done
where another thread could want it in the meantime.
"""

from __future__ import annotations

import sys


def _alone() -> bool:
    threading = sys.modules.get("threading")
    return threading is None or threading.active_count() == 1


if "msgspec" not in sys.modules and "typing_extensions" not in sys.modules and _alone():
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]
