"""Places that hold DVC objects by md5: a directory or an S3 prefix, in the layouts of DVC 3 and of DVC 2. Read only."""

from __future__ import annotations

import abc
import functools
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from replay.errors import FetchError, SourceUnreachableError, UsageError
from replay.fetch.dvcconfig import Remote
from replay.store import fsops

_BLOCK = 1 << 20  # the legacy hash depends on it: DVC 2 judged "text" and joined CR LF block by block
_TEXT = bytes(range(32, 127)) + b"\n\r\t\f\b"
_GONE = {"404", "NoSuchKey", "NotFound", "NoSuchBucket"}
_MAX_LISTING = 1 << 30


class Place(abc.ABC):
    """One place that may hold objects, each under ``files/md5/ab/cdef…`` (DVC 3) or ``ab/cdef…`` (DVC 2)."""

    def __init__(self, name: str, *, local: bool) -> None:
        self.name = name
        self.local = local

    @abc.abstractmethod
    def size(self, key: str) -> int | None:
        """Size of the object at ``key``; ``None`` when there is none.

        Raises:
            SourceUnreachableError: The place did not answer.
        """

    @abc.abstractmethod
    def copy(self, key: str, dest: Path) -> None:
        """Copy the object at ``key`` to ``dest``."""

    @abc.abstractmethod
    def read(self, key: str) -> bytes:
        """The object at ``key``, a directory listing."""

    def listing(self, key: str, size: int) -> bytes:
        """A directory listing, when its size is sane.

        Raises:
            FetchError: It is larger than any listing.
        """
        if size > _MAX_LISTING:
            raise FetchError(f"{self.name}: {key}: got {size} bytes, expected a directory listing")
        return self.read(key)


def keys(oid: str) -> tuple[str, str]:
    """Where an object lies below a cache or remote: the layout of DVC 3, then that of DVC 2."""
    tail = f"{oid[:2]}/{oid[2:]}"
    return f"files/md5/{tail}", tail


class Directory(Place):
    """A DVC cache, or a remote that is a local path."""

    def __init__(self, name: str, root: Path, *, must_exist: bool = False) -> None:
        super().__init__(name, local=True)
        self._root = root
        self._must_exist = must_exist

    def size(self, key: str) -> int | None:
        """See `Place.size`; a remote whose directory is gone did not answer (a mount may be missing)."""
        try:
            path = self._root / key
            if path.is_file():
                return path.stat().st_size
            if self._must_exist and not self._root.is_dir():
                raise SourceUnreachableError(f"{self.name}: the directory does not exist", hint="is it mounted?")
        except PermissionError as error:
            raise SourceUnreachableError(f"{self.name}: {error.strerror}: {error.filename}") from error
        return None

    def copy(self, key: str, dest: Path) -> None:
        """See `Place.copy`."""
        try:
            fsops.copy_file((self._root / key).resolve(), dest, mode=0o444, durable=False)
        except UsageError as error:  # not readable, or no longer there
            raise SourceUnreachableError(f"{self.name}: {error}", hint=error.hint) from error

    def read(self, key: str) -> bytes:
        """See `Place.read`."""
        return (self._root / key).read_bytes()


class S3(Place):
    """A prefix in an S3 bucket."""

    def __init__(self, remote: Remote) -> None:
        super().__init__(f"remote {remote.name} ({remote.url})", local=False)
        self._remote = remote
        bucket, _, prefix = remote.url.removeprefix("s3://").partition("/")
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._lock = threading.Lock()

    @functools.cached_property
    def _made(self) -> Any:
        import boto3
        import botocore.session
        from botocore import UNSIGNED
        from botocore.config import Config

        options = self._remote.options
        base = botocore.session.Session(profile=self._remote.profile)
        for option, variable in (("credentialpath", "credentials_file"), ("configpath", "config_file")):
            if options.get(option):
                base.set_config_variable(variable, str(Path(options[option]).expanduser()))
        anonymous = self._remote.flag("allow_anonymous_login")
        config = Config(
            connect_timeout=float(options.get("connect_timeout", 10)),
            read_timeout=float(options.get("read_timeout", 60)),
            retries={"mode": "standard", "total_max_attempts": 3},
            s3={"addressing_style": "path" if self._remote.endpointurl else "auto"},
            **({"signature_version": UNSIGNED} if anonymous else {}),
        )
        return boto3.Session(botocore_session=base).client(
            "s3",
            endpoint_url=self._remote.endpointurl,
            region_name=self._remote.region,
            aws_access_key_id=options.get("access_key_id"),
            aws_secret_access_key=options.get("secret_access_key"),
            aws_session_token=options.get("session_token"),
            use_ssl=self._remote.flag("use_ssl", True),
            verify=_verify(options.get("ssl_verify")),
            config=config,
        )

    def size(self, key: str) -> int | None:
        """See `Place.size`."""
        answer = self._ask("head_object", key)
        return None if answer is None else int(answer["ContentLength"])

    def copy(self, key: str, dest: Path) -> None:
        """See `Place.copy`."""
        answer = self._ask("get_object", key)
        if answer is None:
            raise FetchError(f"{self.name}: {key} went away while it was fetched")
        with fsops.temporary(dest.parent) as (temp, fd):
            for block in self._blocks(key, answer):
                fsops.write_all(fd, block, temp)
            fsops.publish(temp, fd, dest, mode=0o444, durable=False)

    def read(self, key: str) -> bytes:
        """See `Place.read`."""
        answer = self._ask("get_object", key)
        if answer is None:
            raise FetchError(f"{self.name}: {key} went away while it was fetched")
        return b"".join(self._blocks(key, answer))

    def _blocks(self, key: str, answer: dict[str, Any]) -> Iterator[bytes]:
        """The content; only what goes wrong with the network, not with the disk, is the place's silence."""
        with self._told(key):
            yield from answer["Body"].iter_chunks(_BLOCK)

    def _ask(self, operation: str, key: str) -> dict[str, Any] | None:
        with self._told(key):
            with self._lock:  # making a client is not thread-safe; using one is
                client = self._made
            from botocore.exceptions import ClientError

            try:
                answer: dict[str, Any] = getattr(client, operation)(Bucket=self._bucket, Key=self._prefix + key)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in _GONE:
                    return None
                raise
            return answer

    def _told(self, key: str) -> _Told:
        return _Told(self.name, key)


class _Told:
    """Turn what boto3 raises into our own errors."""

    def __init__(self, name: str, key: str) -> None:
        self._what = f"{name}: {key}"

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception):
            return
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, ClientError):
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            hint = "check the credentials" if status in {400, 401, 403} else "try again later"
            raise SourceUnreachableError(f"{self._what}: {error}", hint=hint) from error
        if isinstance(error, BotoCoreError | OSError):
            raise SourceUnreachableError(
                f"{self._what}: {error}", hint="check the network, endpointurl and credentials"
            ) from error


def _verify(text: str | None) -> bool | str | None:
    lowered = (text or "").lower()
    if lowered in {"", "true", "yes", "1", "on"}:
        return None
    return False if lowered in {"false", "no", "0", "off"} else text


def place_of(remote: Remote) -> Place | None:
    """The place of a remote that holds objects by md5; ``None`` for one that only DVC itself can read."""
    if remote.flag("version_aware") or remote.flag("worktree") or "sse_customer_key" in remote.options:
        return None
    if remote.scheme == "":
        return Directory(f"remote {remote.name} ({remote.url})", Path(remote.url), must_exist=True)
    return S3(remote) if remote.scheme == "s3" else None


def has_hash(path: Path, oid: str) -> str | None:
    """``None`` when the file at ``path`` has the md5 ``oid``, plain or the way DVC 2 took it; else its plain md5."""
    plain, legacy = hashlib.md5(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            plain.update(block)
            legacy.update(block.replace(b"\r\n", b"\n") if _is_text(block[:512]) else block)
    return None if oid in {plain.hexdigest(), legacy.hexdigest()} else plain.hexdigest()


def _is_text(head: bytes) -> bool:
    """DVC's guess: no NUL, and at most 30 % bytes that are neither printable ASCII nor white space."""
    return b"\0" not in head and len(head.translate(None, _TEXT)) <= 0.3 * len(head)
