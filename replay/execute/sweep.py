"""Removes containers and volumes whose owner process is dead: what ``kill -9`` leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from replay.errors import ExecuteError
from replay.execute.engine import engine_errors
from replay.execute.owner import OWNER_LABEL, RUN_LABEL, is_gone

if TYPE_CHECKING:
    from docker import DockerClient

_GONE, _BUSY = 404, 409


def sweep(client: DockerClient) -> tuple[str, ...]:
    """Remove every orphan; the names of what was removed, containers first.

    Containers of living owners, of other machines and of other pid namespaces are left alone.

    Raises:
        EngineUnavailableError: The engine does not answer.
        ExecuteError: It refused, or something bears our label with an owner that is none.
    """
    with engine_errors("looking for orphaned containers"):
        containers = client.api.containers(all=True, filters={"label": RUN_LABEL})
        volumes = (client.api.volumes(filters={"label": RUN_LABEL}) or {}).get("Volumes") or []
    removed = [found["Names"][0].lstrip("/") for found in containers if _orphan(found) and _remove(client, found["Id"])]
    for found in volumes:
        if _orphan(found):
            with engine_errors("removing an orphaned volume"):
                client.api.remove_volume(found["Name"], force=True)
            removed.append(found["Name"])
    return tuple(removed)


def _orphan(found: Any) -> bool:
    label = (found.get("Labels") or {}).get(OWNER_LABEL)
    if label is None:
        raise ExecuteError(f"got a container or volume with the label {RUN_LABEL}, expected {OWNER_LABEL} beside it",
                           hint=f"somebody else made it: {found.get('Names') or found.get('Name')}")  # fmt: skip
    return is_gone(label)


def _remove(client: DockerClient, container: str) -> bool:
    from docker.errors import APIError

    with engine_errors("removing an orphaned container"):
        try:
            client.api.remove_container(container, force=True, v=True)
        except APIError as error:
            if error.status_code not in (_GONE, _BUSY):  # another sweep was faster
                raise
            return False
    return True
