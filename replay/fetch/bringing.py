"""Bringing one commit from one repository into a mirror, and telling why that failed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from replay.errors import FetchError, SourceNotFoundError, SourceUnreachableError
from replay.fetch.command import Ran, run, users_own

_NETWORK = (
    "could not resolve", "connection refused", "timed out", "unable to access", "failed to connect", "early eof",
    "network is unreachable", "no route to host", "connection reset", "host key verification", "permission denied (",
    "authentication failed", "could not read username", "remote end hung up", "terminal prompts disabled",
)  # fmt: skip


def ref_of(commit: str) -> str:
    """The ref that pins ``commit`` in a mirror."""
    return f"refs/recipes/{commit}"


def bring(mirror: Path, commit: str, place: str, *, local: bool) -> Ran:
    """Ask one source for one commit; where it only gives what its refs name, for all its branches and tags.

    Only when the whole commit is in the mirror is its ref there afterwards.
    """
    ref = ref_of(commit)
    options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--update-shallow", "--", place)
    with _trust(local) as extra:
        done = run(["fetch", *options, f"{commit}:{ref}"], git_dir=mirror, extra=extra)
        if done.code == 0 and (kind := _type(mirror, commit)) != "commit":
            run(["update-ref", "-d", ref], git_dir=mirror)
            return done._replace(err=f"fatal: {commit} is a {kind}, expected a commit")
        if done.code == 0 or is_network(done):
            return done
        specs = [f"+refs/{kind}/*:refs/asked/{kind}/*" for kind in ("heads", "tags")]
        run(["fetch", *options, *specs], git_dir=mirror, extra=extra)
    if _type(mirror, commit) == "commit" and _complete(mirror, commit):
        run(["update-ref", ref, commit], git_dir=mirror)
    return done


def is_network(done: Ran) -> bool:
    """Whether git complained about the way to the source, not about what it holds."""
    return any(sign in done.err.lower() for sign in _NETWORK)


def _type(mirror: Path, id_: str) -> str:
    return run(["cat-file", "-t", id_], git_dir=mirror).out.decode().strip()


def _complete(mirror: Path, commit: str) -> bool:
    """Whether every object of the commit is here: a killed or refused fetch may have left some of them."""
    asked = ["rev-list", "--objects", "--quiet", commit, "--not", "--glob=refs/recipes/*"]
    return run(asked, git_dir=mirror).code == 0


@contextlib.contextmanager
def _trust(local: bool) -> Iterator[dict[str, str]]:
    """Hand the user's ``safe.directory`` on: git asks for it in the source, where only a file reaches it."""
    trusted = users_own(("safe.directory",)) if local else []
    if not trusted:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="replay-git-") as scratch:
        config = Path(scratch, "config")
        for key, value in trusted:
            run(["config", "--file", config, "--add", key, value])
        yield {"GIT_CONFIG_GLOBAL": str(config)}


def is_shallow(path: Path) -> bool:
    """Whether the local repository at ``path`` is a shallow clone."""
    common = path / ".git" if (path / ".git").is_dir() else path
    if (path / ".git").is_file():  # a linked work tree
        done = run(["rev-parse", "--path-format=absolute", "--git-common-dir"], cwd=path)
        common = Path(os.fsdecode(done.out).strip())
    return (common / "shallow").exists()


def local_type(path: Path, spec: str) -> str:
    """The type of an object in somebody's local repository, looked at without running anything it configures."""
    if not path.is_dir():
        return ""
    trust = users_own(("safe.directory",))
    bare = None if (path / ".git").exists() else path
    return run(["cat-file", "-t", spec], cwd=path, git_dir=bare, config=trust).out.decode().strip()


def gone(commit: str, asked: list[str], *, shallow: bool, silent: bool) -> FetchError:
    """The error for a commit that no source gave."""
    message = f"commit {commit} was not found; asked: {'; '.join(asked) or 'nobody, no source is known'}"
    if shallow:
        return SourceNotFoundError(
            message, hint="the repository is a shallow clone: `git fetch --unshallow`, then again"
        )
    if silent:
        return SourceUnreachableError(message, hint="check the network, or clone by hand and give the clone's path")
    return SourceNotFoundError(
        message, hint="fetch the branch or tag that held it into the local repository, then again"
    )
