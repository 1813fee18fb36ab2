"""Make untrusted text harmless to look at: no escape sequences, no invisible or reordering characters."""

from __future__ import annotations

import re

# C0 and C1 controls, joiners and zero-width marks, bidirectional overrides, line separators, tags, lone surrogates
# (file names that are no UTF-8), non-characters. Each can hide text, move it, or command the terminal.
HOSTILE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
"""What never reaches a terminal or a page as it is."""
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def clean(text: str, *, lines: bool = False, ascii_only: bool = False) -> str:
    r"""Replace every hostile character by its escape, e.g. ``\x1b``; printable text stays as it is.

    Args:
        text: Anything, from anywhere.
        lines: Keep line ends and tabs (logs); otherwise the answer is one line.
        ascii_only: Escape what is not ASCII as well, for a terminal that cannot show it.
    """
    if lines:
        text = text.replace("\r\n", "\n")
    shown = HOSTILE.sub(lambda found: found[0] if lines and found[0] in "\n\t" else _escape(found[0]), text)
    return shown.encode("ascii", "backslashreplace").decode("ascii") if ascii_only else shown


def clean_json(text: str) -> str:
    r"""JSON in which every hostile character is written as ``\uXXXX``; it decodes to the same value."""
    return HOSTILE.sub(_json_escape, text)


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    pairs = (units[i : i + 2].hex() for i in range(0, len(units), 2))
    return found[0] if found[0] == "\n" else "".join(f"\\u{unit}" for unit in pairs)


def _escape(char: str) -> str:
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def tail(text: str, lines: int) -> str:
    """The last ``lines`` lines of a log, cleaned, each cut at 2,000 characters."""
    kept = clean(text, lines=True).rstrip("\n").split("\n")[-lines:]
    return "\n".join(line if len(line) <= 2_000 else f"{line[:2_000]}… ({len(line)} characters)" for line in kept)
