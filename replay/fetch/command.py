"""Running git so that no repository, configuration, object or URL can make it do more than it was asked.

The rules, each of which answers an attack that was tried: ids are full hex only (``--output=FILE`` is a fine "commit"
for ``git show``); URLs never begin with ``-`` and use three known transports (``ext::`` runs commands); no hooks, no
fsmonitor, no system or global configuration, no replace refs, no lazy fetching, no prompts.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from replay.errors import FetchError, UsageError

FULL_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SCHEMES = frozenset({"https", "ssh", "file"})
_SCP_LIKE = re.compile(r"(?:[A-Za-z0-9_.][\w.-]*@)?[A-Za-z0-9][\w.-]*:[^\s]+")
_USERINFO = re.compile(r"(://)[^/@\s]*@")
_KEPT = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH")
_CONFIG = (
    ("core.hooksPath", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.attributesFile", os.devnull),
    ("core.pager", "cat"),
    ("core.askPass", ""),
    ("core.protectHFS", "true"),
    ("core.protectNTFS", "true"),
    ("credential.helper", ""),
    ("fetch.recurseSubmodules", "false"),
    ("submodule.recurse", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "60"),
    ("init.defaultRefFormat", "files"),
    ("log.showSignature", "false"),
    ("protocol.version", "2"),
    ("safe.bareRepository", "explicit"),
    ("transfer.fsckObjects", "true"),
)


class Ran(NamedTuple):
    """What a git command answered."""

    code: int
    out: bytes
    err: str
    """Its complaint with credentials stripped."""

    @property
    def reason(self) -> str:
        """The line of the complaint that says most: the first ``fatal:`` or ``error:``, else the last one."""
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        told = [line for line in lines if line.startswith(("fatal:", "error:"))]
        return (told or lines[-1:] or [f"git ended with {self.code}"])[0]


def check_id(text: str) -> str:
    """``text``, when it is a full hex object id.

    Raises:
        UsageError: It is anything else, an abbreviation or an option in disguise included.
    """
    if not FULL_ID.fullmatch(text):
        raise UsageError(f"got {text!r}, expected a full Git id of 40 or 64 hex digits")
    return text


def strip_credentials(url: str) -> str:
    """``url`` without user name and password; ``git@host:path`` keeps its user, which is no secret there."""
    return _USERINFO.sub(r"\1", url)


def check_source(source: str) -> tuple[str, bool]:
    """Where to fetch from, and whether that is a local path.

    Raises:
        UsageError: An option in disguise, or a transport other than https, ssh and file.
    """
    shown = strip_credentials(source)
    hint = "expected a local path or a URL with https://, ssh:// or file://"
    if not source or source.startswith("-") or any(ord(c) < 32 for c in source):
        raise UsageError(f"got the Git source {shown!r}, which is neither a path nor a URL", hint=hint)
    if "://" in source:
        if urlsplit(source).scheme not in _SCHEMES or "::" in source.split("://", 1)[0]:
            raise UsageError(f"got the Git source {shown!r}, whose transport is refused", hint=hint)
        return source, source.startswith("file://")
    if Path(source).is_dir():
        return str(Path(source).resolve()), True
    if "::" in source:
        raise UsageError(f"got the Git source {shown!r}, whose transport is refused", hint=hint)
    if _SCP_LIKE.fullmatch(source):
        return source, False
    return str(Path(source).absolute()), True


def environment(config: Iterable[tuple[str, str]] = (), *, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a git command: the caller's without any ``GIT_*``, plus the rules of this module.

    Configuration travels as ``GIT_CONFIG_KEY_n``, so that a key may hold any character.
    """
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in _KEPT}
    env.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=20")
    env |= {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_PARAMETERS": "",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file:https:ssh",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
        "LANGUAGE": "C",
    }
    pairs = [*_CONFIG, *config]
    env["GIT_CONFIG_COUNT"] = str(len(pairs))
    for number, (key, value) in enumerate(pairs):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env | dict(extra or {})


def run(
    args: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    git_dir: Path | None = None,
    stdin: bytes = b"",
    config: Iterable[tuple[str, str]] = (),
    extra: Mapping[str, str] | None = None,
) -> Ran:
    """Run one git command and return what it answered, whatever its exit code.

    Raises:
        FetchError: There is no git.
    """
    where = () if git_dir is None else (f"--git-dir={git_dir}",)
    try:
        done = subprocess.run(
            ["git", *where, *map(str, args)],
            cwd=cwd or git_dir,
            env=environment(config, extra=extra),
            input=stdin,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise FetchError("git cannot be run: no such program", hint="install git (2.31 or newer)") from error
    return Ran(done.returncode, done.stdout, strip_credentials(done.stderr.decode("utf-8", "replace")))


def users_own(keys: Sequence[str]) -> list[tuple[str, str]]:
    """The values of single harmless keys in the user's own global configuration, which is otherwise not read."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k == "GIT_CONFIG_GLOBAL"}
    pattern = "^(" + "|".join(key.lower().replace(".", r"\.") for key in keys) + ")$"
    try:
        done = subprocess.run(
            ["git", "config", "--global", "--includes", "-z", "--get-regexp", pattern],
            env=env,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:  # the command that follows says so
        return []
    items = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    return [(key, value) for key, _, value in (item.partition("\n") for item in items) if key]
