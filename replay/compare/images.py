"""PNG images, pixel by pixel."""

from __future__ import annotations

import math
import struct
from typing import Any

import msgspec
import numpy as np

from replay.compare.interface import Comparator
from replay.compare.numeric import Array
from replay.compare.reading import Source, UnreadableError, reading
from replay.compare.ssim import ssim
from replay.compare.tolerance import Limits
from replay.outcome import Finding, Match, Measure
from replay.recipe import Judgement

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = 64 << 20
_GREY, _RGB_WEIGHTS = 0, (0.299, 0.587, 0.114)
_COLOURS = {0, 2, 3, 4, 6}


class _Header(msgspec.Struct, frozen=True):
    """The ``IHDR`` chunk (PNG 3rd edition, 11.2.1), read before anything is decoded."""

    width: int
    height: int
    depth: int
    colour: int


class ImageComparator(Comparator):
    """Equal size, and at most ``max_pixels`` pixels that differ; a tolerance's ``absolute`` is that of one channel.

    Text chunks, compression and palettes do not count. Animated images and 16-bit colour are never ``equivalent``,
    because the decoder shows the first frame and the upper eight bits only.
    """

    name = "image"

    def _compare(self, recorded: Source, replayed: Source, judgement: Judgement) -> Finding:
        heads = _header(recorded), _header(replayed)
        sizes = [f"{head.width} × {head.height} of {head.depth} bits" for head in heads]
        grey16 = [head.depth == 16 and head.colour == _GREY for head in heads]
        if (heads[0].width, heads[0].height) != (heads[1].width, heads[1].height) or grey16[0] != grey16[1]:
            text = f"size: got {sizes[1]}, recorded {sizes[0]}"
            return Finding(match=Match.DIFFERENT, comparator=self.name, summary=text, first="size")
        one, still = _pixels(recorded)
        two, also_still = _pixels(replayed)
        unseen = []
        if not (still and also_still):
            unseen.append("animated, only the first frame is measured")
        if any(head.depth == 16 and head.colour != _GREY for head in heads):
            unseen.append("16-bit colour, only the upper 8 bits are measured")
        return self._judge(one, two, judgement, unseen)

    def _judge(self, one: Array, two: Array, judgement: Judgement, unseen: list[str]) -> Finding:
        limit = Limits.of(judgement.tolerance).absolute
        count, beyond, largest, first = _differences(one, two, limit)
        failed = beyond > judgement.max_pixels or bool(unseen)
        total = one.shape[0] * one.shape[1]
        text = "pixels equal, only file metadata or encoding differs"
        measures = [Measure(name="differing", value=str(count), unit="pixels")]
        if count:
            text = f"{count:,} of {total:,} pixels differ, largest channel difference {largest}"
            text += "" if failed else ", all within what is allowed"
            measures.append(Measure(name="largest channel difference", value=str(largest)))
            similarity = ssim(_grey(one), _grey(two), 65535.0 if one.dtype.itemsize > 1 else 255.0)
            if similarity is not None:
                text += f", SSIM {_rounded_down(similarity)}"
                measures.append(Measure(name="SSIM", value=_rounded_down(similarity)))
        return Finding(
            match=Match.DIFFERENT if failed else Match.EQUIVALENT,
            comparator=self.name,
            summary="; ".join([text, *unseen]),
            first=first,
            measures=tuple(measures),
        )


def _rounded_down(similarity: float) -> str:
    """Seven digits, never rounded up to 1 while pixels differ."""
    return f"{math.floor(similarity * 1e7) / 1e7:.7f}"


def _header(source: Source) -> _Header:
    data = source.head(33)
    with reading(source.side, "PNG image"):
        if data[:8] != _SIGNATURE or data[12:16] != b"IHDR":
            raise ValueError("it does not begin as one")
        found = _Header(*struct.unpack(">IIBB", data[16:26]))
    pixels = found.width * found.height
    if not 0 < pixels <= _PIXELS or found.colour not in _COLOURS:
        raise UnreadableError(
            f"the {source.side} image: got {found.width} × {found.height} pixels, expected at most {_PIXELS:,}",
            side=source.side,
        )
    return found


def _pixels(source: Source) -> tuple[Array, bool]:
    """Height × width × 4 bytes (RGBA), or height × width × 1 of 16 bits; and whether it is a still image."""
    from PIL import Image

    with source.stream() as file, reading(source.side, "PNG image"), Image.open(file, formats=("PNG",)) as image:
        still = int(getattr(image, "n_frames", 1)) == 1
        image.load()
        values: Any = np.asarray(image if image.mode.startswith("I") else image.convert("RGBA"))
    if values.ndim == 2:
        values = values.astype(np.int32)[:, :, None]
    return values, still


def _differences(one: Array, two: Array, limit: float) -> tuple[int, int, int, str]:
    """Pixels that differ, those beyond ``limit``, the largest difference of a channel, the first place."""
    count = beyond = largest = 0
    first = ""
    for top in range(0, one.shape[0], 256):
        left, right = one[top : top + 256], two[top : top + 256]
        if np.array_equal(left, right):
            continue
        gaps = np.abs(left.astype(np.int32) - right.astype(np.int32)).max(axis=2)
        count, beyond = count + int((gaps > 0).sum()), beyond + int((gaps > limit).sum())
        largest = max(largest, int(gaps.max()))
        if not first:
            row, column = np.unravel_index(int(np.argmax(gaps > 0)), gaps.shape)
            values = f"recorded {left[row, column].tolist()}, replayed {right[row, column].tolist()}"
            first = f"pixel ({int(column)}, {top + int(row)}): {values}"
    return count, beyond, largest, first


def _grey(pixels: Array) -> Array:
    """ITU-R BT.601 luma; transparency is left out."""
    if pixels.shape[2] == 1:
        return pixels[:, :, 0]
    weights = np.array(_RGB_WEIGHTS, np.float32)
    result: Array = pixels[:, :, :3].astype(np.float32) @ weights
    return result
