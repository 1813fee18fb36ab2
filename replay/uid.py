"""The id of a node: what it is known by everywhere, in every store.

A node's identity is a small object; its uid follows from it alone, so the same bytes, commit or image recorded by two
teams is one node. An identity with one key of `_FORMS` keeps its own value in the uid (``sha256:…``, ``commit:…``,
``run:…``), so that a person knows it again and a prefix of it can be looked for. Any other identity is ``id:`` and the
SHA-256 of its canonical JSON. Inside a database a uid is a code byte and the raw value (17 to 33 bytes).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from replay.errors import UsageError
from replay.identity import canonical_json, from_crockford, sha256_hex, to_crockford

_HEX64, _HEX40, _ULID = r"[0-9a-f]{64}", r"[0-9a-f]{40}", r"[0-7][0-9A-HJKMNP-TV-Z]{25}"
HASHED = "id"
_FORMS: tuple[tuple[int, str, str, str], ...] = (
    (0, HASHED, "", _HEX64),
    (1, "sha256", "", _HEX64),
    (2, "commit", "", _HEX40),
    (3, "commit", "", _HEX64),
    (4, "image", "sha256:", _HEX64),
    (5, "run", "", _ULID),
    (6, "action", "", _ULID),
    (7, "execution", "", _ULID),
    (8, "plan", "", _HEX64),
    (9, "config", "", _HEX64),
)
"""Code byte, key of the identity, what stands before the value in it, and the form of the value."""

_BY_CODE = {code: (key, before, form == _ULID) for code, key, before, form in _FORMS}
_BY_KEY = {
    key: [(code, before, re.compile(form)) for code, other, before, form in _FORMS if other == key]
    for _, key, _, _ in _FORMS
}
_ULID_CODES = tuple(code for code, (_, _, is_ulid) in _BY_CODE.items() if is_ulid)
_HEX_CODES = tuple(code for code, (_, _, is_ulid) in _BY_CODE.items() if not is_ulid)
_PLAIN = {key: bytes((code,)) for code, key, before, form in _FORMS if key != HASHED and not before and form == _HEX64}
_SIZES = {code: {_HEX64: 32, _HEX40: 20, _ULID: 16}[form] for code, _, _, form in _FORMS}
"""Bytes of the raw value."""
HEX_HEADS = {code: f"{key}:" for code, (key, _, is_ulid) in _BY_CODE.items() if not is_ulid}
"""Of each code whose value is hex: what stands before it in the text."""
_ULIDS = {key: bytes((code,)) for code, key, _, form in _FORMS if form == _ULID}
_MIN_PREFIX = 4


def forms_of(identity: Mapping[str, str]) -> tuple[str, bytes]:
    """The uid of the node with this identity, as text and as databases keep it.

    Raises:
        UsageError: The identity is empty or has a value that is no text.
    """
    if len(identity) == 1:
        ((key, value),) = identity.items()
        raw = _plain(key, value)
        if raw is not None:
            return f"{key}:{value}", raw
    if not identity or not all(isinstance(value, str) for value in identity.values()):
        raise UsageError(f"got the identity {dict(identity)!r}, expected text values, at least one")
    if len(identity) == 1:
        for number, before, form in _BY_KEY.get(key, ()) if key != HASHED else ():
            if value.startswith(before) and form.fullmatch(value, len(before)):
                return f"{key}:{value[len(before) :]}", _raw(number, value[len(before) :])
    digest = sha256_hex(canonical_json(identity))
    return f"{HASHED}:{digest}", _raw(0, digest)


def _plain(key: str, value: str) -> bytes | None:
    """The raw form of most nodes by a short way: a SHA-256 or a ULID as it should be; ``None`` for all others."""
    code = _PLAIN.get(key)
    try:
        if code is not None and len(value) == 64:
            raw = bytes.fromhex(value)
            return code + raw if raw.hex() == value else None
        code = _ULIDS.get(key)
        if code is not None and len(value) == 26 and value[0] <= "7":
            return code + from_crockford(value).to_bytes(16)
    except (ValueError, TypeError):  # it only looks like one, or is no text
        return None
    return None


def uid_of(identity: Mapping[str, str]) -> str:
    """The uid of the node with this identity.

    Raises:
        UsageError: The identity is empty or has a value that is no text.
    """
    return forms_of(identity)[0]


def raw_of(uid: str) -> bytes:
    """The uid as databases keep it.

    Raises:
        UsageError: ``uid`` is none.
    """
    key, _, value = uid.partition(":")
    raw = _plain(key, value)
    if raw is not None:
        return raw
    for code, _, form in _BY_KEY.get(key, ()):
        if form.fullmatch(value):
            return _raw(code, value)
    raise UsageError(
        f"got the uid {uid!r}, expected {', '.join(sorted({f'{key}:…' for key in _BY_KEY}))}",
        hint="`replay search` finds nodes by name and content",
    )


def _raw(code: int, value: str) -> bytes:
    return bytes((code,)) + (from_crockford(value).to_bytes(16) if code in _ULID_CODES else bytes.fromhex(value))


def text_of(raw: bytes) -> str:
    """The uid of the raw form.

    Raises:
        ValueError: ``raw`` is none.
    """
    try:
        key, _, is_ulid = _BY_CODE[raw[0]]
    except (KeyError, IndexError, TypeError):  # SQLite keeps values of any type
        raise ValueError(f"{raw!r} is no uid") from None
    if len(raw) != 1 + _SIZES[raw[0]]:
        raise ValueError(f"{raw!r} is no uid")
    return f"{key}:{to_crockford(int.from_bytes(raw[1:])) if is_ulid else raw[1:].hex()}"


def identity_of(uid: str) -> dict[str, str] | None:
    """The identity that a uid tells by itself; ``None`` for ``id:…``."""
    key, _, value = uid.partition(":")
    return None if key == HASHED else {key: _BY_KEY[key][0][1] + value}


def ranges_of(prefix: str) -> list[tuple[bytes, bytes]]:
    """Where the raw forms of all uids lie that ``prefix`` may begin: pairs of first and last, both included.

    ``prefix`` is that of a hex digest or ULID, at least 4 characters, or of a whole uid such as ``commit:12ab``.
    Empty when it is neither.
    """
    key, colon, value = prefix.partition(":")
    if not colon:
        key, value = "", prefix
    codes = [code for code, (known, _, _) in _BY_CODE.items() if known == key or not key]
    found = []
    if len(value) >= _MIN_PREFIX and re.fullmatch(r"[0-9a-f]{4,64}", value.lower()):
        low = value.lower()
        found += [_hex_range(code, low) for code in codes if code in _HEX_CODES and len(low) <= 2 * _SIZES[code]]
    if len(value) >= _MIN_PREFIX and re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{3,25}", value.upper()):
        ends = [from_crockford(value.upper().ljust(26, fill)).to_bytes(16) for fill in "0Z"]
        found += [(bytes((code,)) + ends[0], bytes((code,)) + ends[1]) for code in codes if code in _ULID_CODES]
    return found


def _hex_range(code: int, prefix: str) -> tuple[bytes, bytes]:
    low, high = (bytes.fromhex(prefix.ljust(2 * _SIZES[code], fill)) for fill in "0f")
    return bytes((code,)) + low, bytes((code,)) + high
