from __future__ import annotations

import base64
import io
import struct
import zlib

import pytest
from PIL import Image

from replay.report.pictures import WIDTH, compare_pictures


def png(size: tuple[int, int] = (40, 30), spots: tuple[tuple[int, int], ...] = (), mode: str = "RGB") -> bytes:
    image = Image.new(mode, size, "white")
    for spot in spots:
        image.putpixel(spot, (0, 0, 0, 255)[: len(image.getbands())] if mode != "L" else 0)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def opened(uri: str) -> Image.Image:
    assert uri.startswith("data:image/png;base64,")
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")


def red(image: Image.Image) -> int:
    return sum(pixel == (200, 20, 40) for pixel in image.get_flattened_data())


def test_one_pixel_of_difference_is_counted_and_marked() -> None:
    found = compare_pictures(png(), png(spots=((7, 9),)))
    assert found.caption == "1 of 1,200 pixels differ (0.083 %)"
    mask = opened(found.mask)
    assert red(mask) == 1
    assert mask.getpixel((7, 9)) == (200, 20, 40)


def test_equal_images_are_shown_once() -> None:
    found = compare_pictures(png(spots=((1, 1),)), png(spots=((1, 1),)))
    assert found.caption == "all 1,200 pixels are equal"
    assert (found.replayed, found.mask) == ("", "")
    assert opened(found.recorded).getpixel((1, 1)) == (0, 0, 0)


def test_a_lone_pixel_survives_the_reduction_of_a_large_image() -> None:
    found = compare_pictures(png((4_000, 1_000)), png((4_000, 1_000), ((2_001, 503),)))
    mask = opened(found.mask)
    assert mask.width == WIDTH
    assert red(mask) >= 1


def test_other_sizes_have_no_mask() -> None:
    found = compare_pictures(png((40, 30)), png((41, 30)))
    assert found.caption == "sizes differ: 40 × 30 recorded, 41 × 30 replayed; no mask"
    assert found.mask == ""
    assert found.replayed


def test_transparency_alone_is_a_difference() -> None:
    clear = io.BytesIO()
    Image.new("RGBA", (4, 4), (255, 255, 255, 0)).save(clear, "PNG")
    assert compare_pictures(png((4, 4), mode="RGBA"), clear.getvalue()).caption.startswith("16 of 16 pixels differ")


def bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("data", [b"", b"GIF89a" + b"\x00" * 20, png()[:60], bomb()])
def test_what_cannot_be_decoded_is_an_answer(data: bytes) -> None:
    found = compare_pictures(png(), data)
    assert found.why.startswith("the image cannot be shown: ")
    assert not found.recorded
