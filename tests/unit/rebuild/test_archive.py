import hashlib
import io
import tarfile

import pytest

from replay.errors import ImageUnavailableError, StoreCorruptError
from replay.rebuild.archive import archived, load_image, read_tar
from replay.recipe import Image
from replay.store.blobs import Blobs


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def image(config: bytes, *layers: bytes) -> Image:
    return Image(config=digest(config), layers=tuple(map(digest, layers)), platform="linux/amd64")


def test_archived_means_every_part(tmp_path):
    blobs = Blobs(tmp_path)
    it = image(b"{}", b"one", b"two")
    for part in (b"{}", b"one"):
        blobs.put_bytes(part)
    assert not archived(it, blobs)
    blobs.put_bytes(b"two")
    assert archived(it, blobs)


def test_a_missing_part_is_named(tmp_path):
    blobs = Blobs(tmp_path)
    blobs.put_bytes(b"{}")
    with pytest.raises(ImageUnavailableError, match=digest(b"one")):
        load_image(None, image(b"{}", b"one"), blobs)


def test_a_flipped_byte_is_noticed_before_the_engine_sees_it(tmp_path):
    blobs = Blobs(tmp_path)
    it = image(b'{"rootfs":{"diff_ids":[]}}', b"one")
    for part in (b'{"rootfs":{"diff_ids":[]}}', b"one"):
        blobs.put_bytes(part)
    path = blobs.path(digest(b"one").removeprefix("sha256:"))
    path.chmod(0o644)
    path.write_bytes(b"onf")
    with pytest.raises(StoreCorruptError, match=digest(b"one")):
        load_image(None, it, blobs)


def test_a_config_of_other_layers_is_refused(tmp_path):
    blobs = Blobs(tmp_path)
    config = b'{"rootfs":{"diff_ids":["sha256:00"]}}'
    for part in (config, b"one"):
        blobs.put_bytes(part)
    with pytest.raises(StoreCorruptError, match="other layers"):
        load_image(None, image(config, b"one"), blobs)


@pytest.mark.parametrize("size", [1, 511, 512, 4096, 1 << 20])
def test_reading_a_tar_in_pieces_of_any_size(size):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in ("a", "b"):
            info = tarfile.TarInfo(name)
            info.size = 3000
            tar.addfile(info, io.BytesIO(name.encode() * 3000))
    data = out.getvalue()
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    with read_tar([b"", *pieces]) as tar:
        assert {m.name: tar.extractfile(m).read() for m in tar} == {"a": b"a" * 3000, "b": b"b" * 3000}
