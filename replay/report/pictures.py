"""Two images side by side and the mask of the pixels that differ, as small PNG data URIs."""

from __future__ import annotations

import base64
import io
import warnings
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_BYTES = 20 << 20
MAX_PIXELS = 25_000_000
WIDTH = 720
"""Wider images are shown reduced to this width."""


class Picture(msgspec.Struct, frozen=True):
    """What is drawn of one image output; ``why`` says what could not be drawn, and ``uri`` fields are then empty."""

    recorded: str = ""
    replayed: str = ""
    mask: str = ""
    caption: str = ""
    why: str = ""


def compare_pictures(recorded: bytes, replayed: bytes) -> Picture:
    """Decode both images (PNG or JPEG, at most `MAX_PIXELS` pixels) and mark each pixel that differs in any channel."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            sides = [_decode(data) for data in (recorded, replayed)]
    # What Pillow's decoders raise on hostile bytes is wide and not documented; none of it may cost the report.
    except Exception as error:
        return Picture(why=f"the image cannot be shown: {error}")
    before, after = sides
    total = before.width * before.height
    if before.size == after.size and before.tobytes() == after.tobytes():
        return Picture(recorded=_uri(_reduced(before)), caption=f"all {total:,} pixels are equal")
    uris = [_uri(_reduced(side)) for side in sides]
    if before.size != after.size:
        caption = f"sizes differ: {_dimensions(before)} recorded, {_dimensions(after)} replayed; no mask"
        return Picture(recorded=uris[0], replayed=uris[1], caption=caption)
    mask, count = _mask(before, after)
    share = 100 * count / total
    caption = f"{count:,} of {total:,} pixels differ ({share:.2g} %)"
    return Picture(recorded=uris[0], replayed=uris[1], mask=_uri(mask), caption=caption)


def _decode(data: bytes) -> Image:
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"got {image.width} × {image.height} pixels, expected at most {MAX_PIXELS:,} in all")
        image.load()
        return image.convert("RGBA")


def _dimensions(image: Image) -> str:
    return f"{image.width} × {image.height}"


def _on_white(image: Image) -> Image:
    from PIL import Image

    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _reduced(image: Image) -> Image:
    from PIL import Image

    flat = _on_white(image)
    if flat.width <= WIDTH and flat.height <= 2 * WIDTH:
        return flat
    flat.thumbnail((WIDTH, 2 * WIDTH), Image.Resampling.LANCZOS)
    return flat


def _mask(before: Image, after: Image) -> tuple[Image, int]:
    """The recorded image, faded, with each differing pixel in red; how many there are."""
    import numpy as np
    from PIL import Image, ImageFilter

    changed = np.any(np.asarray(before) != np.asarray(after), axis=2)
    spots = Image.fromarray((changed * np.uint8(255)).astype(np.uint8))
    factor = max(1.0, before.width / WIDTH, before.height / (2 * WIDTH))
    if factor > 1:
        # One lone pixel must survive the reduction: spread it over the pixels that become one.
        spots = spots.filter(ImageFilter.MaxFilter(2 * int(factor) + 1))
    faded = Image.blend(_on_white(before).convert("L").convert("RGB"), Image.new("RGB", before.size, "white"), 0.75)
    small = _reduced(faded.convert("RGBA"))
    spots = spots.resize(small.size, Image.Resampling.NEAREST)
    small.paste((200, 20, 40), mask=spots)
    return small, int(np.count_nonzero(changed))


def _uri(image: Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
