"""What DVC tracked at a commit: ``*.dvc`` files and ``dvc.lock``, read strictly from bytes. No I/O."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

import msgspec
import yaml

from replay.errors import FetchError

_T = TypeVar("_T")
_MAX_BYTES = 64 << 20
_MD5 = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
_FOREIGN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class DvcOut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One path that DVC tracks."""

    path: str
    """From the root of the repository, normalised; as written when ``external``."""
    md5: str | None = None
    """DVC's own hash; a directory's ends in ``.dir``. ``None`` when DVC recorded none (not yet, or another kind)."""
    hash: str = "md5"
    """``md5``, or ``md5-dos2unix`` for what DVC 2 recorded (text is hashed with CR LF turned into LF)."""
    size: int | None = None
    nfiles: int | None = None
    isexec: bool = False
    cache: bool = True
    """False: the content lies in Git."""
    push: bool = True
    """False: no remote ever gets it."""
    remote: str | None = None
    """The only remote that holds it, when one is named."""
    imported: bool = False
    """It was imported from another repository or URL, and may lie there alone."""
    external: bool = False
    """It lies outside the repository: absolute, a URL, or above the root."""


class LockedStage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage of ``dvc.lock``: what DVC last ran, with which inputs, and what came out."""

    name: str
    command: tuple[str, ...]
    deps: tuple[DvcOut, ...] = ()
    outs: tuple[DvcOut, ...] = ()
    params: dict[str, dict[str, Any]] = {}


class _Entry(msgspec.Struct, frozen=True):
    path: str
    md5: str | None = None
    hash: str | None = None
    size: int | None = None
    nfiles: int | None = None
    isexec: bool = False
    cache: bool = True
    push: bool = True
    remote: str | None = None
    repo: dict[str, Any] | None = None


class _DvcFile(msgspec.Struct, frozen=True):
    outs: list[_Entry] | None = None
    deps: list[_Entry] | None = None
    wdir: str | None = None


class _LockStage(msgspec.Struct, frozen=True):
    cmd: str | list[str]
    deps: list[_Entry] = []
    outs: list[_Entry] = []
    params: dict[str, dict[str, Any]] = {}


class _Lock(msgspec.Struct, frozen=True):
    schema: str
    stages: dict[str, _LockStage] = {}


class _Loader(yaml.CSafeLoader):
    """Safe YAML that refuses a key given twice, where YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = {key for key in keys if keys.count(key) > 1} if len(keys) != len(set(keys)) else set()
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {min(twice)!r} is given twice", node.start_mark
            )
        return super().construct_mapping(node, deep=deep)


def outs_of(path: str, data: bytes) -> tuple[DvcOut, ...]:
    """The outputs that the ``.dvc`` file at ``path`` (from the repository's root) tracks.

    Raises:
        FetchError: No YAML, a wrong type, or a hash that is none.
    """
    file = _load(path, data, _DvcFile)
    base = posixpath.join(posixpath.dirname(path), file.wdir or "")
    return tuple(_out(path, base, entry, imported=bool(file.deps)) for entry in file.outs or [])


def stages_of(path: str, data: bytes, working_directories: Mapping[str, str] | None = None) -> tuple[LockedStage, ...]:
    """The stages of the ``dvc.lock`` at ``path``.

    Args:
        path: From the repository's root.
        data: Its content.
        working_directories: ``wdir`` of the stages that have one in ``dvc.yaml``, which the lock does not repeat.

    Raises:
        FetchError: No YAML, a wrong type, a schema other than 2.0, or a hash that is none.
    """
    lock = _load(path, data, _Lock)
    if lock.schema != "2.0":
        raise FetchError(
            f"{path}: got schema {lock.schema!r}, expected '2.0'", hint="`dvc repro` with DVC 2 or 3 writes it"
        )
    stages = []
    for name, stage in lock.stages.items():
        base = posixpath.join(posixpath.dirname(path), (working_directories or {}).get(name, ""))
        stages.append(
            LockedStage(
                name=name,
                command=(stage.cmd,) if isinstance(stage.cmd, str) else tuple(stage.cmd),
                deps=tuple(_out(path, base, entry) for entry in stage.deps),
                outs=tuple(_out(path, base, entry) for entry in stage.outs),
                params=stage.params,
            )
        )
    return tuple(stages)


def _load(path: str, data: bytes, type_: type[_T]) -> _T:
    if len(data) > _MAX_BYTES:
        raise FetchError(f"{path}: got {len(data)} bytes, expected at most {_MAX_BYTES}")
    try:
        return msgspec.convert(yaml.load(data, Loader=_Loader) or {}, type=type_)
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise FetchError(f"{path}: no file that DVC writes: {' '.join(str(error).split())}") from error


def _out(origin: str, base: str, entry: _Entry, *, imported: bool = False) -> DvcOut:
    if entry.md5 is not None and not _MD5.fullmatch(entry.md5):
        raise FetchError(f"{origin}: {entry.path}: got the md5 {entry.md5!r}, expected 32 hex digits")
    path = posixpath.normpath(posixpath.join(base, entry.path))
    foreign = bool(_FOREIGN.match(entry.path)) or path.startswith(("/", "../")) or path == ".."
    return DvcOut(
        path=entry.path if foreign else path,
        md5=entry.md5,
        hash=entry.hash or "md5-dos2unix",  # DVC 3 writes `hash: md5`, DVC 2 wrote nothing
        size=entry.size,
        nfiles=entry.nfiles,
        isexec=entry.isexec,
        cache=entry.cache,
        push=entry.push,
        remote=entry.remote,
        imported=imported or entry.repo is not None,
        external=foreign,
    )
