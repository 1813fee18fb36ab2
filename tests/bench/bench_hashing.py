"""Digests of one input of 1 GiB that lies in the page cache."""

from __future__ import annotations

import os
from pathlib import Path

from race import Row, called, command, medians, ratio

from replay.recipe import Artifact, PathKind, Storage
from replay.store.hashing import digest_file, verify

ROUNDS = 5
SIZE = 1 << 30


def rows(folder: Path) -> list[Row]:
    """Recording takes three digests, use checks one; ``folder`` needs 1 GiB."""
    path = folder / "input"
    with path.open("wb") as file:
        for _ in range(SIZE >> 20):
            file.write(os.urandom(1 << 20))
    size, digests = digest_file(path)
    artifact = Artifact(path="input", kind=PathKind.FILE, size=size, files=1, digests=digests, storage=Storage.STORE)
    record, md5sum, use, sha256sum = medians(
        [
            called(lambda: digest_file(path)),
            command("md5sum", path),
            called(lambda: verify(path, artifact)),
            command("sha256sum", path),
        ],
        ROUNDS,
    )
    path.unlink()
    return [
        ratio("record 1 GiB (sha256, BLAKE3, md5) / `md5sum`", 1.1, record, md5sum),
        ratio("verify 1 GiB on use / `sha256sum`", 0.25, use, sha256sum),
    ]
