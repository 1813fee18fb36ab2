"""Words of full text: the same on every database, because they are told apart here and nowhere else.

A word is a run of letters and digits, whatever the script; case and the form of compatible characters (full width,
ligatures) do not matter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

LONGEST = 128
"""So many characters of a word count."""
MOST = 32
"""So many words a phrase has at most."""
_WORD = re.compile(r"[^\W_]+")
_END = "\x1e"
_RUNNING = re.compile(rf"[^\W_]+|{_END}")
_DIGEST = re.compile(r"[0-9a-f]{32,}")


def words_of(text: str) -> list[str]:
    """The words of a text in their order."""
    return [word[:LONGEST] for word in _WORD.findall(_plain(text))]


def running(texts: Iterable[str], gap: str) -> list[str]:
    """The words of several texts, with ``gap`` after each text and in place of each digest."""
    whole = _plain(_END.join(text.replace(_END, " ") for text in texts)) + _END
    found: list[str] = []
    for word in _RUNNING.findall(whole):
        if word == _END or (len(word) >= 32 and _DIGEST.fullmatch(word)):
            if found and found[-1] != gap:
                found.append(gap)
        else:
            found.append(word[:LONGEST])
    return found


def _plain(text: str) -> str:
    """Without what does not matter: case, and the form of compatible characters."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def is_digest(word: str) -> bool:
    """Whether it is a digest: nobody searches for one by its words, and they would be most of the index."""
    return len(word) >= 32 and _DIGEST.fullmatch(word) is not None
