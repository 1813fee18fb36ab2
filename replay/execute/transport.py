"""How a step's tree reaches its container and comes back: by bind mounts, or as archives over the engine's API."""

from __future__ import annotations

import abc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replay.errors import ConfigError
from replay.execute import archive
from replay.execute.engine import engine_errors
from replay.execute.interface import Staged

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.types import Mount

TRANSPORTS = ("auto", "bind", "archive")
MAX_BYTES = 256 << 30
_MAX_MOUNTS = 200
# The engine never sets the permissions of the directory that it unpacks into, so the tree goes in from one level up.
_ALIAS = "/replay/work"


def choose(name: str, *, remote: bool) -> str:
    """``bind`` or ``archive`` for the operator's choice.

    ``auto`` binds only for root on the engine's own machine: another user could not remove what the container's user
    leaves in a bound directory.

    Raises:
        ConfigError: There is no such transport, or bind mounts cannot reach this machine's files.
    """
    if name not in TRANSPORTS:
        raise ConfigError(f"got the transport {name!r}, expected one of {', '.join(TRANSPORTS)}")
    if name == "bind" and remote:
        raise ConfigError("got the transport 'bind' with a remote engine, expected 'archive' or 'auto'")
    if name == "auto":
        return "archive" if remote or os.geteuid() != 0 else "bind"
    return name


class Transport(abc.ABC):
    """Carries one step's tree to one container and back."""

    @abc.abstractmethod
    def mounts(self) -> list[Mount]:
        """What the container is created with."""

    @abc.abstractmethod
    def put(self, container: str) -> None:
        """Bring the tree to the created container."""

    @abc.abstractmethod
    def get(self, container: str) -> tuple[Path, dict[str, str]]:
        """Bring back what the stopped container left: where it lies, and what was refused."""

    @abc.abstractmethod
    def close(self) -> None:
        """Leave nothing on the engine; the container is gone already."""


def _input_mounts(staged: Staged) -> list[Mount]:
    from docker.types import Mount

    # File permissions protect the inputs already; beyond some number, mounts cost more than a second lock is worth.
    return [
        Mount(f"/work/{path}", str(staged.work / path), type="bind", read_only=True)
        for path in staged.inputs[:_MAX_MOUNTS]
    ]


class BindTransport(Transport):
    """The container works in the staged tree itself."""

    def __init__(self, staged: Staged) -> None:
        self._staged = staged

    def mounts(self) -> list[Mount]:
        """The tree, the inputs on top of themselves read-only, the hook read-only, and where the hook writes."""
        from docker.types import Mount

        staged = self._staged
        return [
            Mount("/work", str(staged.work), type="bind"),
            *_input_mounts(staged),
            Mount("/replay/hook", str(staged.hook), type="bind", read_only=True),
            Mount("/replay/out", str(staged.out), type="bind"),
        ]

    def put(self, container: str) -> None:
        """Nothing travels: the tree is mounted."""

    def get(self, container: str) -> tuple[Path, dict[str, str]]:
        """Nothing travels: the tree is here."""
        return self._staged.work, {}

    def close(self) -> None:
        """Nothing is left on the engine."""


class ArchiveTransport(Transport):
    """The container works in a volume, which is filled before it starts and read after it has stopped."""

    def __init__(self, client: DockerClient, staged: Staged, labels: dict[str, str], *, remote: bool) -> None:
        """Make the volume.

        Args:
            client: Of the engine.
            staged: The tree.
            labels: Of the volume, so that a sweep finds it.
            remote: The engine sees other files: inputs travel too, instead of being mounted.
        """
        self._client, self._staged, self._remote = client, staged, remote
        self._volumes: dict[str, str] = {}
        for target in ("/work", "/replay"):
            with engine_errors("making a volume"):
                made: dict[str, Any] = client.api.create_volume(labels=labels)
            self._volumes[target] = made["Name"]

    def mounts(self) -> list[Mount]:
        """The volumes, and the inputs where they can be mounted."""
        from docker.types import Mount

        places = {**self._volumes, _ALIAS: self._volumes["/work"]}
        made = [Mount(target, name, type="volume", no_copy=True) for target, name in places.items()]
        return made if self._remote else [*made, *_input_mounts(self._staged)]

    def put(self, container: str) -> None:
        """Send the tree, owned by root, with its permissions."""
        staged = self._staged
        mounted = () if self._remote else [f"work/{path}" for path in staged.inputs[:_MAX_MOUNTS]]
        parts = (("work", staged.work), ("hook", staged.hook), ("out", staged.out))
        stream = archive.pack(dict(parts), mounted)
        with engine_errors("sending the step's tree"):
            self._client.api.put_archive(container, "/replay", stream)

    def get(self, container: str) -> tuple[Path, dict[str, str]]:
        """Fetch what is new in ``/work``, and what the hook wrote into the staged ``out``."""
        staged = self._staged
        tree = staged.dest / "returned"
        tree.mkdir()
        with engine_errors("fetching the step's outputs"):
            chunks, _ = self._client.api.get_archive(container, "/work")
            refused = archive.unpack(chunks, tree, max_bytes=MAX_BYTES, skip=self._was_there)
            chunks, _ = self._client.api.get_archive(container, "/replay/out")
            archive.unpack(chunks, staged.out, max_bytes=64 << 20)
        return tree, refused

    def _was_there(self, path: str) -> bool:
        """Files that were sent are not fetched: nobody could change them."""
        here = self._staged.work / path
        return here.is_symlink() or here.is_file()

    def close(self) -> None:
        """Remove the volumes."""
        for name in self._volumes.values():
            with engine_errors("removing a volume"):
                self._client.api.remove_volume(name, force=True)
