"""Cursors of searches: which question, which state of which stores, and how much was told."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence

import msgspec

from replay.errors import UsageError
from replay.search.request import Search


class Cursor(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Where an answer ended."""

    question: str
    pins: tuple[tuple[str, int], ...]
    """Of each store its name and its last transaction that counts."""
    skip: int


def cursor_of(question: Search, pins: Sequence[tuple[str, int]], skip: int) -> str:
    """The cursor as text.

    Args:
        question: Without cursor and limit.
        pins: Of each store its name and its last transaction that counts.
        skip: How much was told.
    """
    raw = msgspec.json.encode(Cursor(_digest(question), tuple(pins), skip))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decoded(text: str, question: Search, names: Sequence[str]) -> Cursor:
    """The cursor of a question.

    Raises:
        UsageError: It is none, or belongs to another question or to other stores.
    """
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Cursor)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"got the cursor {text!r}, which is none", hint="use `next` of the answer before") from error
    if found.question != _digest(question):
        raise UsageError(
            "the cursor belongs to another question", hint="ask the same question as before, with its cursor added"
        )
    if [name for name, _ in found.pins] != list(names) or found.skip < 0:
        raise UsageError("the cursor belongs to other attached stores", hint="ask again without it")
    return found


def _digest(question: Search) -> str:
    return hashlib.sha256(msgspec.json.encode(question, order="sorted")).hexdigest()[:16]
