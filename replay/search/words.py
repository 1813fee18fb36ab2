"""Words of full text: the same on every database, because they are told apart here and nowhere else.

A word is a run of letters and digits, whatever the script; case and the form of compatible characters (full width,
ligatures) do not matter.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 128
"""So many characters of a word count."""
MOST = 32
"""So many words a phrase has at most."""
_WORD = re.compile(r"[^\W_]+")
_DIGEST = re.compile(r"[0-9a-f]{32,}")


def words_of(text: str) -> list[str]:
    """The words of a text in their order."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    else:
        text = text.lower()
    return [word[:LONGEST] for word in _WORD.findall(text)]


def is_digest(word: str) -> bool:
    """Whether it is a digest: nobody searches for one by its words, and they would be most of the index."""
    return len(word) >= 32 and _DIGEST.fullmatch(word) is not None
