"""Values as the search compares them: numbers with numbers, texts with texts.

A number counts as a double; integers are also told apart beyond 2^53, up to 64 bits. An integer beyond those, and what
is no number in JSON (``NaN``), is text.
"""

from __future__ import annotations

import hashlib
import math
import re
from typing import NamedTuple

HEAD = 200
"""So many characters of a text are in the indexes."""
_EXACT = 2**53
_INT64 = range(-(2**63), 2**64)
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_LONGEST = 40


class Number(NamedTuple):
    """A number, ready to be compared."""

    num: float
    exact: str
    """The digits of a whole number that a double may not hold; else empty."""


class Text(NamedTuple):
    """A text, ready to be compared: both parts together, in the order of code points."""

    head: str
    rest: str


Comparable = Number | Text


def comparable(value: float | int | str) -> Comparable:
    """A value of an expression or of the record, as it is compared."""
    if isinstance(value, str):
        return as_text(value)
    if math.isnan(value):
        return Text("NaN", "")
    if isinstance(value, int) and value not in _INT64:
        return as_text(str(value))
    whole = abs(value) >= _EXACT and not math.isinf(value)
    return Number(float(value) or 0.0, str(int(value)) if whole else "")  # `or`: there is one zero


def as_text(value: str) -> Text:
    """A text, as it is compared."""
    value = cleaned(value)
    return Text(value[:HEAD], value[HEAD:])


def cleaned(text: str) -> str:
    """A text that every database takes: without NUL, and Unicode all of it."""
    return text if text.isprintable() else text.replace("\0", "\u2400").encode("utf-8", "replace").decode()


def key_of(text: str) -> str:
    """A key of the index: what is very long is known by its beginning and its digest."""
    text = cleaned(text)
    if len(text) <= HEAD:
        return text
    return f"{text[:HEAD]}…{hashlib.sha256(text.encode()).hexdigest()}"


def number_of(text: str) -> int | float | None:
    """The number that an unquoted word of an expression is, else ``None``."""
    if not _NUMBER.fullmatch(text):
        return None
    if text.lstrip("-+").isdigit():
        number = int(text)
        return number if number in _INT64 else None
    return float(text)


def reads_as_number(text: str) -> int | float | None:
    """The number that a recorded text can be read as: the record itself keeps no floats."""
    if len(text) > _LONGEST or not _JSON_NUMBER.fullmatch(text):
        return None
    found = number_of(text)
    return None if found is None or math.isinf(found) else found
