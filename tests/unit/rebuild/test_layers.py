import hashlib
import os
import tarfile

import pytest

from replay.errors import ImageBuildError
from replay.rebuild.layers import write_layer


def plant(root, order):
    root.mkdir()
    for name in order:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (root / "bin").mkdir(exist_ok=True)
    (root / "bin" / "run").write_bytes(b"#!")
    (root / "bin" / "run").chmod(0o700)
    return root


def test_equal_trees_give_equal_bytes(tmp_path):
    names = ["b/x.py", "a.py", "b/a.py", "ä.py", "b/__pycache__/x.pyc"]
    one = plant(tmp_path / "one", names)
    two = plant(tmp_path / "two", reversed(names))
    os.utime(two / "a.py", (1, 1))
    (two / "a.py").chmod(0o600)
    first = write_layer(one, "/opt/replay/site", tmp_path / "1.tar")
    second = write_layer(two, "/opt/replay/site", tmp_path / "2.tar")
    assert first == second == "sha256:" + hashlib.sha256((tmp_path / "1.tar").read_bytes()).hexdigest()


def test_one_byte_or_the_executable_bit_changes_the_digest(tmp_path):
    root = plant(tmp_path / "one", ["a.py"])
    before = write_layer(root, "/opt", tmp_path / "1.tar")
    (root / "a.py").write_bytes(b"b.py")
    changed = write_layer(root, "/opt", tmp_path / "2.tar")
    (root / "a.py").write_bytes(b"a.py")
    (root / "a.py").chmod(0o755)
    executable = write_layer(root, "/opt", tmp_path / "3.tar")
    assert len({before, changed, executable}) == 3


def test_members_are_neutral_and_parents_are_there(tmp_path):
    write_layer(plant(tmp_path / "one", ["b/x.py", "b/__pycache__/x.pyc"]), "/opt/replay", tmp_path / "1.tar")
    with tarfile.open(tmp_path / "1.tar") as tar:
        members = {m.name: m for m in tar}
    assert list(members) == ["opt", *(f"opt/replay{rest}" for rest in ("", "/b", "/b/x.py", "/bin", "/bin/run"))]
    assert {(m.uid, m.gid, m.uname, m.mtime) for m in members.values()} == {(0, 0, "", 315532800)}
    assert members["opt/replay/b/x.py"].mode == 0o644
    assert members["opt/replay/bin/run"].mode == 0o755


def test_links_are_refused(tmp_path):
    root = plant(tmp_path / "one", ["a.py"])
    (root / "link").symlink_to("/etc/passwd")
    with pytest.raises(ImageBuildError, match="link"):
        write_layer(root, "/opt", tmp_path / "1.tar")
