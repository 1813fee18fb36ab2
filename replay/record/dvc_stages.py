"""Prints the stages of a DVC project as JSON, in dependency order. Run as ``python -m``, in the project.

DVC itself resolves templating, ``foreach`` and ``matrix``; its internals stay in this file and in this process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    """Print ``{"stages": […], "artifacts": […]}``, or ``{"error": …}``."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(".") as repo:
            json.dump({"stages": _stages(repo), "artifacts": _artifacts(repo)}, sys.stdout, default=str)
    except DvcException as error:
        json.dump({"error": f"{error}" + (f": {error.__cause__}" if error.__cause__ else "")}, sys.stdout)
    return 0


def _stages(repo: Any) -> list[dict[str, Any]]:
    import networkx

    graph = repo.index.graph
    order = list(networkx.lexicographical_topological_sort(graph.reverse(copy=True), key=lambda s: s.addressing))
    return [_stage(repo, stage) for stage in order if stage.cmd]


def _stage(repo: Any, stage: Any) -> dict[str, Any]:
    here = Path.cwd()
    parameters: dict[str, str] = {}
    inputs = []
    for dependency in stage.deps:
        path = str(dependency)
        if hasattr(dependency, "read_params"):
            values = dependency.read_params()
            parameters |= {f"{path}:{key}": json.dumps(value, default=str) for key, value in values.items()}
        inputs.append({"path": path, "repo": bool(getattr(dependency, "def_repo", None))})
    command = stage.cmd if isinstance(stage.cmd, list) else [stage.cmd]
    return {
        "name": stage.addressing,
        "commands": command,
        "directory": _relative(here, stage.wdir),
        "inputs": sorted({_relative(here, d.fs_path) for d in stage.deps}),
        "parameters": parameters,
        "frozen": bool(stage.frozen),
        "outputs": [
            {
                "path": _relative(here, out.fs_path),
                "cache": bool(out.use_cache),
                "metric": bool(out.metric),
                "plot": bool(out.plot),
            }
            for out in stage.outs
        ],
    }


def _artifacts(repo: Any) -> list[dict[str, Any]]:
    here = Path.cwd()
    found = []
    for file, entries in repo.artifacts.read().items():
        base = Path(repo.root_dir) / Path(file).parent
        found += [
            {"name": name, "path": _relative(here, str(base / a.path)), "type": a.type} for name, a in entries.items()
        ]
    return found


def _relative(here: Path, path: str) -> str:
    import os

    relative = os.path.relpath(path, here)
    return "" if relative == "." else Path(relative).as_posix()


if __name__ == "__main__":
    sys.exit(main())
