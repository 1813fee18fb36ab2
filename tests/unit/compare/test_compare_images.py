from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from replay.compare import comparator
from replay.compare.ssim import ssim
from replay.errors import CompareError
from replay.outcome import Finding, Match
from replay.recipe import Judgement, Tolerance

RNG = np.random.default_rng(1)
PIXELS = RNG.integers(0, 256, (40, 50, 3), np.uint8)


def png(pixels: Any, mode: str | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(np.asarray(pixels))
    (image.convert(mode) if mode else image).save(file, "PNG", **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def run(folder: Path, one: bytes, two: bytes, **judgement: Any) -> Finding:
    (folder / "one").write_bytes(one)
    (folder / "two").write_bytes(two)
    return comparator("image").compare(folder / "one", folder / "two", Judgement(comparator="image", **judgement))


def measures(finding: Finding) -> dict[str, str]:
    return {m.name: m.value for m in finding.measures}


def test_metadata_and_compression_are_format(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("Software", "another version")
    finding = run(tmp_path, png(PIXELS), png(PIXELS, pnginfo=info, compress_level=1))
    assert finding.match is Match.EQUIVALENT
    assert finding.summary == "pixels equal, only file metadata or encoding differs"
    assert run(tmp_path, png(PIXELS), png(PIXELS, "RGBA")).match is Match.EQUIVALENT


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_one_bit(tmp_path: Path, mode: str) -> None:
    other = PIXELS.copy()
    other[7, 9] ^= 1
    finding = run(tmp_path, png(PIXELS, mode), png(other, mode))
    assert finding.match is Match.DIFFERENT
    assert finding.first.startswith("pixel (9, 7):")
    assert "1 of 2,000 pixels differ, largest channel difference 1" in finding.summary
    assert float(measures(finding)["SSIM"]) < 1
    assert run(tmp_path, png(PIXELS, mode), png(other, mode), max_pixels=1).match is Match.EQUIVALENT


def test_max_pixels_and_channel_tolerance(tmp_path: Path) -> None:
    other = PIXELS.copy()
    other[3, 3:6, 0] ^= 2
    one, two = png(PIXELS), png(other)
    assert run(tmp_path, one, two, max_pixels=2).match is Match.DIFFERENT
    assert run(tmp_path, one, two, max_pixels=3).match is Match.EQUIVALENT
    assert run(tmp_path, one, two, tolerance=Tolerance(absolute=(2.0).hex())).match is Match.EQUIVALENT
    assert run(tmp_path, one, two, tolerance=Tolerance(absolute=(1.0).hex())).match is Match.DIFFERENT


def test_transparency_counts(tmp_path: Path) -> None:
    one = np.dstack([PIXELS, np.full((40, 50), 255, np.uint8)])
    two = one.copy()
    two[0, 0, 3] = 254
    assert run(tmp_path, png(one), png(two)).match is Match.DIFFERENT


def test_size(tmp_path: Path) -> None:
    finding = run(tmp_path, png(PIXELS), png(PIXELS[:-1]), max_pixels=10**6)
    assert finding.match is Match.DIFFERENT
    assert finding.summary == "size: got 50 × 39 of 8 bits, recorded 50 × 40 of 8 bits"


def test_sixteen_bits(tmp_path: Path) -> None:
    grey = RNG.integers(0, 65536, (10, 10), np.uint16)
    other = grey.copy()
    other[2, 3] ^= 1
    finding = run(tmp_path, png(grey), png(other))
    assert finding.match is Match.DIFFERENT
    assert finding.first.startswith("pixel (3, 2)")
    colour = bytes([0]) + bytes(range(6)) * 4
    low_bit = bytearray(colour)
    low_bit[2] ^= 1
    finding = run(tmp_path, raw_png(4, 1, 16, 2, colour), raw_png(4, 1, 16, 2, bytes(low_bit)))
    assert finding.match is Match.DIFFERENT
    assert "16-bit colour" in finding.summary


def test_animation(tmp_path: Path) -> None:
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    changed = [frames[0], Image.fromarray(PIXELS // 2)]
    files = []
    for first, second in (frames, changed):
        file = io.BytesIO()
        first.save(file, "PNG", save_all=True, append_images=[second])
        files.append(file.getvalue())
    finding = run(tmp_path, *files)
    assert finding.match is Match.DIFFERENT
    assert "animated" in finding.summary


HOSTILE = {
    "giant": raw_png(100_000, 100_000, 8, 2, b""),
    "zero": raw_png(0, 10, 8, 2, b""),
    "no-rows": raw_png(50, 40, 8, 2, b""),
    "cut": png(PIXELS)[:-200],
    "crc": png(PIXELS)[:50] + bytes([png(PIXELS)[50] ^ 1]) + png(PIXELS)[51:],
    "jpeg": b"\xff\xd8\xff\xe0" + b"\0" * 100,
    "empty": b"",
    "text-bomb": png(PIXELS)[:33] + chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * (200 << 20))) + png(PIXELS)[33:],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(tmp_path: Path, name: str) -> None:
    finding = run(tmp_path, png(255 - PIXELS), HOSTILE[name])
    assert finding.match is Match.DIFFERENT
    assert "replayed" in finding.summary
    with pytest.raises(CompareError, match="recorded"):
        run(tmp_path, HOSTILE[name], png(PIXELS))


def naive_ssim(one: Any, two: Any, peak: float) -> float:
    x, y = one.astype(float), two.astype(float)
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    found = []
    for i in range(x.shape[0] - 6):
        for j in range(x.shape[1] - 6):
            a, b = x[i : i + 7, j : j + 7].ravel(), y[i : i + 7, j : j + 7].ravel()
            cov = np.cov(a, b)
            top = (2 * a.mean() * b.mean() + c1) * (2 * cov[0, 1] + c2)
            found.append(top / ((a.mean() ** 2 + b.mean() ** 2 + c1) * (cov[0, 0] + cov[1, 1] + c2)))
    return float(np.mean(found))


@given(st.integers(7, 20), st.integers(7, 20), st.integers(0, 2**31), st.integers(1, 10))
def test_ssim_is_the_formula(height: int, width: int, seed: int, changes: int) -> None:
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 256, (height, width)).astype(np.uint8)
    two = one.copy()
    two.ravel()[rng.integers(0, one.size, changes)] = 128
    assert ssim(one, two, 255) == pytest.approx(naive_ssim(one, two, 255), abs=1e-9)


def test_ssim_of_a_small_change_in_a_tall_image() -> None:
    one = RNG.integers(0, 256, (600, 9)).astype(np.uint8)
    two = 255 - one
    assert ssim(one, two, 255) == pytest.approx(naive_ssim(one, two, 255), abs=1e-9)
    assert ssim(one, one, 255) == 1.0
    assert ssim(one[:, :6], two[:, :6], 255) is None
