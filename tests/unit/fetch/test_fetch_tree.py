from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.errors import FetchError, PolicyError
from replay.fetch.tree import TreeEntry, check_links, measure, parse_tree, walk, write


class Objects(dict[str, tuple[str, bytes]]):
    """A Git object database in memory."""

    def add(self, kind: str, data: bytes) -> str:
        id_ = hashlib.sha1(f"{kind} {len(data)}\0".encode() + data).hexdigest()
        self[id_] = (kind, data)
        return id_

    def tree(self, *entries: tuple[str, bytes, str]) -> str:
        return self.add("tree", b"".join(m.encode() + b" " + n + b"\0" + bytes.fromhex(i) for m, n, i in entries))


def test_git_s_own_ids(tmp_path: Path) -> None:
    """Ids that `git mktree` gives: the empty tree, and one file ``hello``."""
    assert measure(tmp_path, [], 40) == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    (tmp_path / "hello").write_text("hello\n")
    assert measure(tmp_path, [], 40) == "b4d01e9b0c4a9356736dfddf8830ba9a54f5271c"
    (tmp_path / "hello").chmod(0o755)
    assert measure(tmp_path, [], 40) != "b4d01e9b0c4a9356736dfddf8830ba9a54f5271c"


def test_write_then_measure(tmp_path: Path) -> None:
    objects = Objects()
    blob = objects.add("blob", b"x")
    # git sorts a directory as if its name ended in a slash: "a.b" < "a/" < "a0"
    inner = objects.tree(("100755", b"run", blob))
    tree = objects.tree(("100644", b"a.b", blob), ("40000", b"a", inner), ("100664", b"a0", blob))
    entries = list(walk(tree, objects.__getitem__))
    write(entries, objects.__getitem__, tmp_path)
    assert measure(tmp_path, entries, 40) == tree
    (tmp_path / "a.b").chmod(0o644)
    (tmp_path / "a.b").write_bytes(b"y")
    assert measure(tmp_path, entries, 40) != tree


def test_what_was_not_in_the_tree_changes_the_measure(tmp_path: Path) -> None:
    before = measure(tmp_path, [], 40)
    (tmp_path / "more").touch()
    assert measure(tmp_path, [], 40) != before


@pytest.mark.parametrize("name", [b"..", b".", b".git", b".GIT", b".git ", b"git~1", b"a/b", b""])
def test_names_that_no_checkout_may_have(name: bytes) -> None:
    objects = Objects()
    tree = objects.tree(("100644", name, objects.add("blob", b"x")))
    with pytest.raises(PolicyError, match="no checkout may have"):
        list(walk(tree, objects.__getitem__))


def test_a_tree_that_unfolds_without_end() -> None:
    objects = Objects()
    tree = objects.tree(("100644", b"f", objects.add("blob", b"x")))
    for _ in range(10):
        tree = objects.tree(*(("40000", b"%d" % n, tree) for n in range(10)))
    with pytest.raises(PolicyError, match="unfolds"):
        for _ in walk(tree, objects.__getitem__):
            pass


@given(st.binary(max_size=80))
def test_any_bytes_as_a_tree_are_parsed_or_refused(data: bytes) -> None:
    try:
        entries = list(parse_tree(data, 20))
    except FetchError:
        return
    assert sum(len(mode) for mode, _, _ in entries) <= len(data)


@pytest.mark.parametrize("mode", ["100600", "120001", "", "0"])
def test_unknown_modes(tmp_path: Path, mode: str) -> None:
    entry = TreeEntry(mode=mode, path="f", id="0" * 40)
    with pytest.raises(FetchError, match="expected a file, a link or a tree"):
        write([entry], lambda _: ("blob", b""), tmp_path)


def test_a_file_is_never_written_twice(tmp_path: Path) -> None:
    entries = [TreeEntry(mode="100644", path="f", id="0" * 40)] * 2
    with pytest.raises(FileExistsError):
        write(entries, lambda _: ("blob", b""), tmp_path)


@pytest.mark.parametrize(
    "links",
    [
        {"a": "/x"}, {"a": ".."}, {"d/a": "../.."}, {"a": ""}, {"a": "a"}, {"a": "b", "b": "a"}, {"a": ".git/x"},
        {"p/q/r": "../..", "e": "p/q/r/../x"}, {"a": "b/c", "b": "../out"},
    ],
)  # fmt: skip
def test_links_that_leave(links: dict[str, str]) -> None:
    with pytest.raises(PolicyError, match="leaves the tree"):
        check_links(links)


def test_links_that_stay() -> None:
    check_links({"a": "b", "d/a": "../x", "d/here": ".", "d/up": "..", "e": "d/up/x", "gone": "no/such/file"})


@given(st.lists(st.sampled_from(["a", "b", "..", ".", "l", "m"]), max_size=6), st.sampled_from(["..", "a/b", "a", "m"]))
def test_a_link_that_passes_resolves_inside_on_a_real_disk(parts: list[str], other: str) -> None:
    import tempfile

    links = {"a/b/l": "/".join(parts), "m": other}
    try:
        check_links(links)
    except PolicyError:
        return
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve() / "root"
        (root / "a" / "b").mkdir(parents=True)
        for path, goal in links.items():
            (root / path).symlink_to(goal)
        for path in links:
            assert (root / path).resolve().is_relative_to(root)
