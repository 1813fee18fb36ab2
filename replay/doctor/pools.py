"""The thread pools of this process's numpy."""

from __future__ import annotations

from typing import Any


def thread_pools() -> list[dict[str, Any]]:
    """What threadpoolctl sees once numpy is loaded; only BLAS libraries."""
    import numpy  # noqa: F401 - loads the library that is looked for
    from threadpoolctl import threadpool_info

    return [dict(pool) for pool in threadpool_info() if pool.get("user_api") == "blas"]
