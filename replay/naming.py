"""Names and short texts that people give to things: what they may hold."""

from __future__ import annotations

import re

from replay.errors import UsageError

MAX_NAME = 200
MAX_TEXT = 4096
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def name_of(text: str, what: str) -> str:
    """``text`` as the name of ``what``: one line, no spaces around it.

    Raises:
        UsageError: It is empty, too long, or holds control characters.
    """
    if not text.strip() or text != text.strip():
        raise UsageError(f"{what}: got the name {text!r}, expected one that neither begins nor ends with a space")
    return _bounded(text, what, MAX_NAME)


def text_of(text: str, what: str) -> str:
    """``text`` as one line that says something.

    Raises:
        UsageError: It is empty, too long, or holds control characters.
    """
    if not text.strip():
        raise UsageError(f"{what}: got an empty text, expected words")
    return _bounded(text.strip(), what, MAX_TEXT)


def pairs_of(texts: tuple[str, ...], what: str) -> dict[str, str]:
    """``KEY=VALUE`` texts; the same key twice must have the same value.

    Raises:
        UsageError: One is no such text, or a key has two values.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"{what}: got {text!r}, expected KEY=VALUE")
        key, value = name_of(key, what), _bounded(value, f"{what} {key}", MAX_TEXT)
        if found.setdefault(key, value) != value:
            raise UsageError(f"{what} {key}: got {found[key]!r} and {value!r}, expected one value")
    return found


def _bounded(text: str, what: str, limit: int) -> str:
    if bad := _CONTROL.search(text):
        raise UsageError(f"{what}: got the control character {bad[0]!r} in {text!r}, expected plain text in one line")
    if len(text) > limit:
        raise UsageError(f"{what}: got {len(text)} characters, expected at most {limit}")
    return text
