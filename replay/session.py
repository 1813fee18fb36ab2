"""What a command works with: the repository, its store, the settings, and whoever watches. Opens things when needed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from replay.errors import SourceNotFoundError, UsageError
from replay.progress import Progress
from replay.settings_cache import kept_parts
from replay.store import fsops
from replay.store.database import NAME, Store

if TYPE_CHECKING:
    from docker import DockerClient

    from replay.acting import Asker
    from replay.ask import Ground
    from replay.config import AccessSettings, Settings
    from replay.execute.container import DockerExecutor
    from replay.fetch import Fetcher
    from replay.fetch.dvcconfig import DvcConfig
    from replay.fetch.git import Mirror
    from replay.recipe import Code


class Session:
    """One command's ground. Use it as a context manager; it closes what it opened."""

    def __init__(self, root: Path, store: Store, overrides: Sequence[str], progress: Progress) -> None:
        self.root = root
        """The repository's root: where ``.replay`` and ``recipes`` lie."""
        self.store = store
        self._overrides = overrides
        self.progress = progress
        self._closing = ExitStack()
        self._closing.enter_context(store)

    @classmethod
    def open(
        cls, start: Path, *, overrides: Sequence[str], progress: Progress, create: bool, in_repository: bool = False
    ) -> Self:
        """Find the store from ``start`` upwards; with ``create`` make one at the repository's root when there is none.

        Without a repository it is made in ``start``, unless ``in_repository`` forbids that.

        Raises:
            UsageError: There is no store (without ``create``), or no Git repository to make one in.
        """
        found = Store.find(start)
        if found is None and not create and not overrides and git_root(start) is None:
            raise _no_store(start)
        url = _store_url(overrides)
        if found is not None:
            # its maker may have been killed, or still be at work, before the database was there
            return cls(found.parent, Store.open(found, create=create, url=url), overrides, progress)
        if not create and url is None:
            raise _no_store(start)
        root = git_root(start)
        if root is None and in_repository:
            raise UsageError(
                f"{start} is not a git repository, and lies in none", hint="`git init` and commit the workflow"
            )
        root = root or start
        return cls(root, Store.open(root / ".replay", create=True, url=url), overrides, progress)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    @cached_property
    def settings(self) -> Settings:
        """Everything that conf/ holds, with the overrides of this command.

        Raises:
            ConfigError: An override or a value is wrong.
        """
        from replay.config import load

        return load(self._overrides)

    @cached_property
    def asker(self) -> Asker:
        """Who runs this command."""
        from replay.access import current

        return current(self.store, self._access)

    @cached_property
    def ground(self) -> Ground:
        """Where questions are asked: this store and those that are attached to it."""
        from replay.access import close, ground_of

        ground = ground_of(self.store, self._access)
        self._closing.callback(close, ground)
        return ground

    @cached_property
    def _access(self) -> AccessSettings | None:
        """What conf/ says of who asks; nothing when that is the operating system, as it nearly always is."""
        kept = kept_parts(self._overrides)
        return None if kept is not None and kept.access.identity == "os" else self.settings.access

    def require(self, action: str, uids: Collection[str]) -> None:
        """Check that who runs this command may do ``action`` (see `access.require`) to these nodes.

        Raises:
            PolicyError: They may not.
        """
        from replay.access import has_attachments, is_open, require, require_attached

        if not is_open(self.store, self._access):
            require(action, uids, self.asker, self.store)
        if has_attachments(self.store):
            require_attached(action, [uid for uid in uids if not self.store.has(uid)], self.ground)

    @cached_property
    def docker(self) -> DockerClient:
        """The Docker Engine's client.

        Raises:
            EngineUnavailableError: None answers.
        """
        from replay.rebuild.engine import connect

        client = connect()
        self._closing.callback(client.close)
        return client

    def workspace(self, name: str) -> Path:
        """A new empty folder for the files of one record or replay."""
        path = self.store.root / "workspaces" / name
        fsops.make_dir(path)
        return path

    def mirror(self, code: Code) -> Mirror:
        """The bare mirror that holds (or is to hold) the recorded commit."""
        from replay.fetch.git import Mirror, mirror_path

        return Mirror(mirror_path(self.store.root / "mirrors", code.url or str(self.root)))

    def code_sources(self, code: Code) -> list[str]:
        """Where the commit may come from: this repository first, then the recorded remote."""
        local = [str(self.root)] if git_root(self.root) else []
        remote = [code.url] if code.url and not (self.settings.fetch.offline and "://" in code.url) else []
        return [*local, *remote]

    def patch(self, code: Code) -> bytes | None:
        """The recorded uncommitted diff.

        Raises:
            SourceNotFoundError: The store does not hold it.
        """
        if code.patch is None:
            return None
        if not self.store.blobs.has(code.patch):
            from replay.tombstones import PATCH, standing
            from replay.uid import uid_of

            told = standing(PATCH, self.store.history(uid_of({"commit": code.commit, "patch": code.patch})))
            raise SourceNotFoundError(
                str(told or f"{PATCH} sha256:{code.patch[:12]}… is not in this store"),
                hint="replay in the repository that recorded it, or record again from a commit",
            )
        return self.store.blobs.read(code.patch)

    def fetcher(self, code: Code) -> Fetcher:
        """The sources of recorded data: the store, this repository's DVC cache and remotes, the code version."""
        from replay.fetch import Fetcher
        from replay.fetch.dvc import DvcSource
        from replay.fetch.git_source import GitSource
        from replay.fetch.interface import Source
        from replay.fetch.objects import place_of
        from replay.fetch.store import StoreSource

        offline, mirror = self.settings.fetch.offline, self.mirror(code)
        git = GitSource(
            mirror, code.commit, directory=code.directory, sources=self.code_sources(code), patch=self.patch(code)
        )
        sources: list[Source] = [StoreSource(self.store.blobs), git]
        found = self.dvc_of(code)
        if found is not None:
            inside, config = found
            sources.append(DvcSource(config, offline=offline))
            if not offline and any(place_of(remote) is None for remote in config.remotes):
                from replay.fetch.dvc_process import DvcProcessSource

                root = "" if inside == ".dvc" else inside.removesuffix("/.dvc")
                sources.append(DvcProcessSource(mirror, code.commit, config, directory=code.directory, root=root))
        return Fetcher(sources, offline=offline)

    def dvc_of(self, code: Code) -> tuple[str, DvcConfig] | None:
        """Where the ``.dvc`` lies that rules a workflow, from the repository's root, and cache and remotes of DVC.

        The remotes are those that are configured now and those of the recorded commit. ``None`` without DVC.

        Raises:
            FetchError: A file of DVC's configuration cannot be read.
        """
        from replay.fetch.dvcconfig import find_dvc_dir, load

        dvc_dir, mirror = find_dvc_dir(self.root / code.directory, self.root), self.mirror(code)
        if dvc_dir is None:
            return None
        inside = dvc_dir.relative_to(self.root).as_posix()
        historical = mirror.read(code.commit, f"{inside}/config") if mirror.contains(code.commit) else None
        return inside, load(dvc_dir, historical=historical)

    def executor(self) -> DockerExecutor:
        """The executor on this session's engine.

        Raises:
            EngineUnavailableError: No engine answers.
        """
        from replay.execute.container import DockerExecutor
        from replay.rebuild.engine import is_remote

        return DockerExecutor(
            self.docker,
            remote=is_remote(self.docker),
            transport=self.settings.executor.transport,
            progress=Notes(self.progress),
        )


class Notes:
    """Passes on what is noted on the way, and not that a task begins and ends: the caller tells that better."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def started(self, task: str, total: int | None = None) -> None:
        """Say nothing."""

    def advanced(self, task: str, note: str = "", amount: int = 0) -> None:
        """Pass the note on."""
        self._progress.advanced(task, note, amount)

    def finished(self, task: str, note: str = "") -> None:
        """Say nothing."""


def _no_store(start: Path) -> UsageError:
    return UsageError(f"no .replay store in {start} or above", hint="record a model first: `replay record --help`")


def store_root(start: Path) -> Path:
    """The nearest ``.replay`` folder from ``start`` upwards; where it would be made when there is none."""
    return Store.find(start) or (git_root(start) or start.resolve()) / NAME


def _store_url(overrides: Sequence[str]) -> str | None:
    """The setting ``store.url``, without composing all settings where that was done before."""
    kept = kept_parts(overrides)
    if kept is None:
        from replay.config import load

        return load(overrides).store.url
    return kept.store.url


def git_root(start: Path) -> Path | None:
    """The nearest folder from ``start`` upwards that holds ``.git``."""
    here = start.resolve()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), None)
