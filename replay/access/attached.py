"""Stores of other teams that are read beside one's own: which, where, and opening them for reading only.

``.replay/attached.json`` has a name, a place and the store's id of each; never a password. A store is known by its id:
what is found at its place later must be the same store.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from replay.access.ground import ATTACHED
from replay.errors import AttachedStoreError, ConfigError, StoreError, UsageError
from replay.store import backends, fsops
from replay.store.addresses import is_address, require_address
from replay.store.database import NAME, Store
from replay.store.interface import Database

_LOCK = "attached.lock"
_NAMES = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class Attachment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where another team's store is."""

    place: str
    """Its ``.replay`` folder, or the address of its PostgreSQL database."""
    id: str


class _Attached(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    schema_version: str
    stores: dict[str, Attachment]


_SCHEMA = "replay.attached/1"


class AttachedStore(Store):
    """Another team's store. Whatever goes wrong with it is an `AttachedStoreError` with its name."""

    def __init__(self, name: str, root: Path, database: Database) -> None:
        """Use `open_attached`, which checks first."""
        super().__init__(root, database)
        self.name = name

    @contextlib.contextmanager
    def reading(self) -> Iterator[Database]:
        """The database, for this thread alone.

        Raises:
            AttachedStoreError: It cannot be read.
        """
        try:
            with super().reading() as database:
                yield database
        except AttachedStoreError:
            raise
        except StoreError as error:
            raise AttachedStoreError(str(error), name=self.name, hint=error.hint) from error


def attachments(root: Path) -> dict[str, Attachment]:
    """The stores that are attached to the one in ``root``, by name.

    Raises:
        ConfigError: The file that names them cannot be read.
    """
    path = root / ATTACHED
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Attached)
        if found.schema_version != _SCHEMA:
            raise msgspec.ValidationError(f"got {found.schema_version!r}, expected {_SCHEMA!r}")
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read: {error}", hint="move it away and attach the stores again: `replay store attach`"
        ) from error
    return dict(sorted(found.stores.items()))


def attach(own: Store, name: str, place: str, start: Path) -> Attachment:
    """Read another team's store beside one's own from now on.

    Args:
        own: One's own store.
        name: What it is to be called here.
        place: Its ``.replay`` folder, the folder that this lies in, or the address of its PostgreSQL database.
        start: What a path is relative to.

    Raises:
        UsageError: The name is none or taken, the address has a password, or it is this store.
        AttachedStoreError: It cannot be read.
    """
    if not _NAMES.fullmatch(name):
        raise UsageError(
            f"got the name {name!r}, expected small letters, digits, dots, dashes and underscores, at most 63"
        )
    with fsops.lock(own.root / _LOCK):
        known = attachments(own.root)
        if name in known:
            raise UsageError(f"{name} is attached already: {known[name].place}", hint=f"`replay store detach {name}`")
        whole = require_address(place) if is_address(place) else str(_folder(start / place))
        with _opened(name, whole, own.root) as opened:
            made = Attachment(place=whole, id=opened.id)
        if made.id == own.id:
            raise UsageError(f"{whole} is this store itself, or a copy of it: both are {own.id}")
        twin = next((other for other, attached in known.items() if attached.id == made.id), None)
        if twin is not None:
            raise UsageError(f"{whole} is attached already, as {twin}: both are {made.id}")
        _write(own.root, known | {name: made})
    return made


def detach(own: Store, name: str) -> Attachment:
    """Read an attached store no more.

    Raises:
        UsageError: None is attached under this name.
    """
    with fsops.lock(own.root / _LOCK):
        known = attachments(own.root)
        if name not in known:
            raise UsageError(f"no store is attached as {name!r}", hint=f"attached are: {', '.join(known) or 'none'}")
        gone = known.pop(name)
        _write(own.root, known)
    return gone


def open_attached(name: str, attachment: Attachment, own_root: Path) -> AttachedStore:
    """Open an attached store for reading.

    Raises:
        AttachedStoreError: It is gone, unreachable, damaged, of another release, or another store.
    """
    opened = _opened(name, attachment.place, own_root)
    try:
        if opened.id != attachment.id:
            raise AttachedStoreError(
                f"{opened.database.place}: got the store {opened.id}, expected {attachment.id}",
                name=name,
                hint=f"another store is there now; `replay store detach {name}`, and attach the one that you mean",
            )
    except BaseException:
        opened.close()
        raise
    return opened


def _opened(name: str, place: str, own_root: Path) -> AttachedStore:
    with _of(name):
        if is_address(place):
            return AttachedStore(name, own_root / "attached" / name, _on_server(place))
        root = Path(place)
        if not root.is_dir():
            raise StoreError(f"{root}: is no folder, expected the {NAME} folder of a store")
        url = backends.url_of(root)
        if url is not None:
            return AttachedStore(name, root, _on_server(url))
        return AttachedStore(name, root, backends.open_database(root, create=False, url=None, read_only=True))


def _on_server(url: str) -> Database:
    """A database of PostgreSQL; its sessions cannot write."""
    from replay.store.postgres import PostgresDatabase

    base, _, query = url.partition("?")
    values = dict(parse_qsl(query))
    values["options"] = f"{values.get('options', '')} -c default_transaction_read_only=on".strip()
    return PostgresDatabase(f"{base}?{urlencode(values, quote_via=quote)}")


@contextlib.contextmanager
def _of(name: str) -> Iterator[None]:
    """Say of an error of the body that it is about the attached store ``name``."""
    try:
        yield
    except AttachedStoreError:
        raise
    except StoreError as error:
        raise AttachedStoreError(str(error), name=name, hint=error.hint) from error
    except UsageError as error:  # its hint is for one's own store
        raise AttachedStoreError(str(error), name=name, hint=f"expected the {NAME} folder of a store") from error
    except OSError as error:
        hint = "its folder must be readable for this user"
        raise AttachedStoreError(f"{error.filename}: {error.strerror}", name=name, hint=hint) from error


def _folder(given: Path) -> Path:
    """The ``.replay`` folder that is meant by it or by the folder it lies in."""
    whole = given.resolve()
    return whole / NAME if whole.name != NAME and (whole / NAME).is_dir() else whole


def _write(root: Path, stores: dict[str, Attachment]) -> None:
    content = _Attached(schema_version=_SCHEMA, stores=stores)
    fsops.write_bytes(root / ATTACHED, msgspec.json.format(msgspec.json.encode(content)) + b"\n")
