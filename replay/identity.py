"""Names for things: digests, model ids, canonical JSON, time-ordered ids."""

from __future__ import annotations

import functools
import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from replay.errors import UsageError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*)?")
_MODEL_ID = re.compile(rf"(?P<name>{_NAME.pattern})(?::(?P<version>[1-9][0-9]{{0,8}})|@(?P<alias>{_NAME.pattern}))?")
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [one + two for one in _CROCKFORD for two in _CROCKFORD]
_DIGITS = "0123456789abcdefghijklmnopqrstuv"
"""Python's own of base 32."""
_FROM_CROCKFORD = dict.fromkeys(range(128), "!") | str.maketrans(_CROCKFORD, _DIGITS)


class Digests(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The digests of one artifact, all lower-case hex.

    For a directory, ``sha256`` and ``blake3`` are taken over the canonical JSON of the sorted list
    ``[[path, size, hex], …]`` of its files with the same algorithm, and ``md5`` is DVC's own (``….dir``).
    """

    sha256: str
    blake3: str
    md5: str


class ModelId(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``name:version``, ``name@alias`` or ``name`` (then the newest version is meant)."""

    name: str
    version: int | None = None
    alias: str | None = None

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.name}:{self.version}"
        return f"{self.name}@{self.alias}" if self.alias else self.name

    @classmethod
    def parse(cls, text: str) -> ModelId:
        """Read a model id.

        Raises:
            UsageError: ``text`` is no model id.
        """
        found = _MODEL_ID.fullmatch(text)
        if found is None:
            raise UsageError(
                f"{text!r} is not a model id",
                hint="expected name:version or name@alias, e.g. momentum:3; `replay models` lists what is recorded",
            )
        version = found["version"]
        return cls(name=found["name"], version=int(version) if version else None, alias=found["alias"])


_SAFE = 2**53 - 1
_DEPTH = 8
_ENCODER = msgspec.json.Encoder(order="sorted")
_BEYOND_BMP = re.compile(rb"[\xf0-\xff]")


@functools.cache
def _checker(null: bool) -> msgspec.json.Decoder[Any]:
    """Decodes JSON without floats and great integers; what is nested deeper than `_DEPTH` takes the careful way."""
    leaf: Any = Annotated[int, msgspec.Meta(ge=-_SAFE, le=_SAFE)] | str | bool
    leaf = leaf | None if null else leaf
    known: Any = leaf
    for _ in range(_DEPTH):  # msgspec has no recursive types
        known = leaf | list[known] | dict[str, known]
    return msgspec.json.Decoder(known)


_TROUBLE = (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError)


def canonical_json(value: Any) -> bytes:
    """The canonical bytes of a JSON value, after RFC 8785 with floats forbidden.

    Floats are no fixed point of RFC 8785 (``1.0`` becomes ``1``), so they are kept out; write ``float.hex()`` text.
    Almost every value takes msgspec's way, which gives the same bytes 20 × faster: the two differ only in how they sort
    keys beyond U+FFFF, and NaN becomes null there.

    Raises:
        UsageError: The value holds a float, an integer beyond ±(2^53−1), or something that is no JSON.
    """
    try:
        text = _ENCODER.encode(value)
        if text.isascii() or not _BEYOND_BMP.search(text):
            null = b"null" in text
            _checker(null).decode(text)
            if null:
                _forbid_floats(msgspec.to_builtins(value), "$")
            return text
    except _TROUBLE:
        return _exactly(value)  # which names the place
    return _exactly(value)


def canonical_texts(values: Sequence[Any]) -> list[str]:
    """The canonical JSON of many values, in half the time.

    Raises:
        UsageError: As `canonical_json`.
    """
    try:
        lines = _ENCODER.encode_lines(values)
        if lines.isascii():
            _checker(null=False).decode_lines(lines)
            return lines.decode().split("\n")[:-1]
    except _TROUBLE:
        pass  # one by one: one of them is unusual, or wrong
    return [canonical_json(value).decode() for value in values]


def _exactly(value: Any) -> bytes:
    import rfc8785

    try:
        plain = msgspec.to_builtins(value)
        _forbid_floats(plain, "$")
        return rfc8785.dumps(plain)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError, TypeError) as error:
        raise UsageError(f"no canonical JSON: {error}") from error


def _forbid_floats(value: Any, place: str) -> None:
    if isinstance(value, float):
        raise UsageError(f"{place}: got the float {value!r}, expected text such as {value.hex()!r}")
    if isinstance(value, Mapping):
        for key, item in value.items():
            _forbid_floats(item, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _forbid_floats(item, f"{place}[{index}]")


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of ``data`` as hex."""
    import hashlib  # 2 ms, which only those pay who hash

    return hashlib.sha256(data).hexdigest()


def ulid() -> str:
    """A new ULID (https://github.com/ulid/spec): 48 bits of milliseconds, 80 random bits, Crockford base 32."""
    return to_crockford((time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10)))


def to_crockford(number: int) -> str:
    """A 128-bit number as the 26 characters of a ULID."""
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -10, -10)])


def from_crockford(text: str) -> int:
    """The number of a ULID's 26 characters.

    Raises:
        ValueError: A character is none of Crockford's.
    """
    if not text.isascii():
        raise ValueError(f"{text!r} is no ULID")
    return int(text.translate(_FROM_CROCKFORD), 32)
