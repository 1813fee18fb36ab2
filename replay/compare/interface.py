"""What every comparator is."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import ClassVar

from replay.compare.reading import Side, Source, UnreadableError, first_difference, opened
from replay.errors import CompareError
from replay.outcome import Finding, Match
from replay.recipe import Judgement


class Comparator(abc.ABC):
    """Compares one replayed file with its record.

    ``identical`` is decided here, on bytes, before any parser sees the files. What remains is the comparator's own:
    ``equivalent`` when the contents are equal in other bytes or within the tolerance that the judgement seals,
    else ``different``.
    """

    name: ClassVar[str]
    """Its key in ``replay.compare.COMPARATORS``."""

    def compare(self, recorded: Path, replayed: Path, judgement: Judgement) -> Finding:
        """Compare two files.

        A replayed file that cannot be read or parsed is ``different`` and the summary says why.

        Raises:
            CompareError: The recorded file cannot be read or parsed, or the machine is in trouble.
        """
        try:
            with opened(recorded, Side.RECORDED) as one, opened(replayed, Side.REPLAYED) as two:
                if one.size == two.size and first_difference(one, two) is None:
                    return Finding(match=Match.IDENTICAL, comparator=self.name, summary=f"{one.size:,} bytes identical")
                return self._compare(one, two, judgement)
        except UnreadableError as error:
            if error.side is Side.RECORDED:
                raise
            return Finding(match=Match.DIFFERENT, comparator=self.name, summary=str(error))
        except CompareError:
            raise
        except Exception as error:
            raise CompareError(f"comparator {self.name!r} failed: {error}") from error

    @abc.abstractmethod
    def _compare(self, recorded: Source, replayed: Source, judgement: Judgement) -> Finding:
        """Compare two files whose bytes differ.

        Raises:
            UnreadableError: One side cannot be parsed; it says which.
        """
