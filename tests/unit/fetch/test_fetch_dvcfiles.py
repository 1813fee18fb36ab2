from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.errors import FetchError
from replay.fetch.dvcfiles import outs_of, stages_of

MD5 = "d8e8fca2dc0f896fd7cb4cb0031ba249"


def test_a_file_of_dvc_3() -> None:
    data = f"outs:\n- md5: {MD5}\n  size: 5\n  hash: md5\n  path: table.csv\n  isexec: true\n".encode()
    (out,) = outs_of("data/table.csv.dvc", data)
    assert (out.path, out.md5, out.size, out.hash, out.isexec) == ("data/table.csv", MD5, 5, "md5", True)
    assert (out.cache, out.push, out.imported, out.external) == (True, True, False, False)


def test_a_directory_of_dvc_2_with_wdir_and_options() -> None:
    data = (
        f"wdir: ../raw\nfrozen: true\nmd5: {MD5}\ndeps:\n- path: x\n  repo:\n    url: https://h/r\n    rev_lock: abc\n"
        f"outs:\n- md5: {MD5}.dir\n  nfiles: 3\n  path: many\n  cache: false\n  push: false\n  remote: cold\n"
    ).encode()
    (out,) = outs_of("meta/many.dvc", data)
    assert (out.path, out.md5, out.nfiles, out.hash) == ("raw/many", f"{MD5}.dir", 3, "md5-dos2unix")
    assert (out.cache, out.push, out.remote, out.imported) == (False, False, "cold", True)


@pytest.mark.parametrize("path", ["/etc/passwd", "../../x", "s3://bucket/key", "remote://r/x"])
def test_what_lies_outside_is_said_so(path: str) -> None:
    (out,) = outs_of("a/x.dvc", f"outs:\n- md5: {MD5}\n  path: {path}\n".encode())
    assert out.external
    assert out.path == path


def test_a_lock() -> None:
    data = f"""schema: '2.0'
stages:
  train@0:
    cmd:
    - one
    - two
    deps:
    - path: ../data
      hash: md5
      md5: {MD5}.dir
      size: 7
      nfiles: 2
    params:
      params.yaml:
        lr: 0.1
    outs:
    - path: model.txt
      hash: md5
      md5: {MD5}
      size: 3
""".encode()
    (stage,) = stages_of("dvc.lock", data, {"train@0": "work"})
    assert stage.name == "train@0"
    assert stage.command == ("one", "two")
    assert stage.params == {"params.yaml": {"lr": 0.1}}
    assert stage.deps[0].path == "data"
    assert (stage.outs[0].path, stage.outs[0].md5) == ("work/model.txt", MD5)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("outs: [", "no file that DVC writes"),
        ("outs: 3", "no file that DVC writes"),
        ("- a\n", "no file that DVC writes"),
        ("outs:\n- path: x\n  size: much\n", "no file that DVC writes"),
        ("outs:\n- md5: " + MD5 + "\n", "path"),
        ("outs:\n- path: x\n  md5: ../../etc\n", "expected 32 hex digits"),
        (f"outs:\n- path: x\n  md5: {MD5}\n  path: y\n", "given twice"),
        ("outs: !!python/object/apply:os.system ['true']\n", "no file that DVC writes"),
    ],
)
def test_what_dvc_never_writes(text: str, match: str) -> None:
    with pytest.raises(FetchError, match=match):
        outs_of("x.dvc", text.encode())


def test_a_lock_of_another_schema() -> None:
    with pytest.raises(FetchError, match=r"got schema '1.0', expected '2.0'"):
        stages_of("dvc.lock", b"schema: '1.0'\nstages: {}\n")


def test_no_outs_at_all() -> None:
    assert outs_of("x.dvc", b"") == ()


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read, name in ((outs_of, "x.dvc"), (stages_of, "dvc.lock")):
        with contextlib.suppress(FetchError):
            assert isinstance(read(name, data), tuple)
