"""Git for real: repositories made here, traps laid in their configuration, attributes, hooks and trees."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from replay.errors import (
    DigestMismatchError,
    FetchError,
    PolicyError,
    SourceNotFoundError,
    SourceUnreachableError,
    UsageError,
)
from replay.fetch import Fetcher
from replay.fetch.git import Mirror, WorkTree, mirror_path
from replay.fetch.git_source import GitSource
from replay.recipe import Artifact, Storage
from replay.store.hashing import describe

IDENTITY = {
    "GIT_AUTHOR_NAME": "tester", "GIT_AUTHOR_EMAIL": "tester@example.invalid",
    "GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "tester", "GIT_COMMITTER_EMAIL": "tester@example.invalid",
    "GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
}  # fmt: skip


def git(cwd: Path, *args: str, stdin: bytes = b"") -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | IDENTITY
    done = subprocess.run(["git", *args], cwd=cwd, env=env, input=stdin, capture_output=True, check=True)
    return done.stdout.decode().strip()


def commit(repo: Path, message: str = "a commit") -> str:
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", message)
    return git(repo, "rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repo = tmp_path / "repo"
    (repo / "src" / "deep").mkdir(parents=True)
    git(repo, "init", "-q", "-b", "main")
    (repo / "train.py").write_text("print('train')\n")
    (repo / "run.sh").write_text("#!/bin/sh\n")
    (repo / "run.sh").chmod(0o755)
    (repo / "src" / "deep" / "data.bin").write_bytes(bytes(range(256)))
    (repo / "crlf.txt").write_bytes(b"one\r\ntwo\r\n")
    (repo / "src" / "link").symlink_to("../train.py")
    commit(repo, "first")
    return repo


@pytest.fixture
def mirror(tmp_path: Path, repo: Path) -> Mirror:
    return Mirror(mirror_path(tmp_path / "mirrors", str(repo)))


@pytest.fixture
def trap(tmp_path: Path) -> Callable[[str], Path]:
    """A program that tells on itself by leaving a file."""

    def make(name: str) -> Path:
        program = tmp_path / f"trap-{name}"
        program.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung-{name}\ncat\n")
        program.chmod(0o755)
        return program

    return make


def sprung(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.glob("sprung-*"))


def head(repo: Path) -> str:
    return git(repo, "rev-parse", "HEAD")


def tree(repo: Path, rev: str = "HEAD") -> str:
    return git(repo, "rev-parse", f"{rev}^{{tree}}")


def lay_traps(repo: Path, trap: Callable[[str], Path]) -> None:
    git(repo, "config", "core.fsmonitor", str(trap("fsmonitor")))
    git(repo, "config", "diff.external", str(trap("external")))
    git(repo, "config", "diff.tell.textconv", str(trap("textconv")))
    git(repo, "config", "diff.tell.command", str(trap("command")))
    git(repo, "config", "filter.tell.clean", str(trap("clean")))
    git(repo, "config", "filter.tell.smudge", str(trap("smudge")))
    git(repo, "config", "filter.a=b.process", str(trap("process")))
    git(repo, "config", "filter.a=b.required", "true")
    git(repo, "config", "gpg.program", str(trap("gpg")))
    git(repo, "config", "log.showSignature", "true")
    git(repo, "config", "uploadpack.packObjectsHook", str(trap("pack-objects")))
    hooks = repo / ".git" / "hooks"
    for hook in ("post-index-change", "pre-commit", "post-checkout", "reference-transaction"):
        (hooks / hook).write_bytes(trap(f"hook-{hook}").read_bytes())
        (hooks / hook).chmod(0o755)
    (repo / ".git" / "info" / "attributes").write_text("*.py filter=tell diff=tell\n*.txt filter=a=b\n")


def test_state_of_a_clean_checkout(repo: Path) -> None:
    git(repo, "remote", "add", "other", "https://example.invalid/other.git")
    git(repo, "remote", "add", "origin", "https://me:hunter2@example.invalid/project.git")
    state = WorkTree(repo / "src" / "deep").state()
    assert state.commit == head(repo)
    assert state.tree == tree(repo)
    assert state.url == "https://example.invalid/project.git"
    assert state.directory == "src/deep"
    assert (state.dirty, state.patch, state.shallow) == ((), b"", False)


def test_dirty_paths_are_named_and_ours_are_not(repo: Path) -> None:
    (repo / ".gitignore").write_text("*.log\n")
    (repo / "recipes" / "m").mkdir(parents=True)
    (repo / ".replay").mkdir()
    for name in ("a.log", ".replay/lineage.db", "recipes/m/3.json", "recipes/m/notes.md", "new file.txt", "lock"):
        (repo / name).write_text("x")
    (repo / "run.sh").unlink()
    state = WorkTree(repo).state(ignore=["lock"])
    assert state.dirty == (".gitignore", "new file.txt", "recipes/m/notes.md", "run.sh")
    assert WorkTree(repo).is_ignored("a.log")
    assert not WorkTree(repo).is_ignored("new file.txt")


def test_no_commit_and_no_repository(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a git repository") as error:
        WorkTree(tmp_path)
    assert error.value.hint
    with pytest.raises(UsageError, match="no such directory"):
        WorkTree(tmp_path / "gone")
    git(tmp_path, "init", "-q")
    with pytest.raises(UsageError, match="no commit yet"):
        WorkTree(tmp_path).state()


def test_tracked_files(repo: Path) -> None:
    (repo / "src" / "new.py").write_text("")
    (repo / "src" / "a[b].py").write_text("")
    git(repo, "add", "src/a[b].py")
    work = WorkTree(repo / "src")
    assert work.tracked(["deep", "new.py", "a[b].py", "link"]) == {"deep/data.bin", "a[b].py", "link"}
    assert work.tracked([]) == frozenset()


def test_nothing_in_a_repository_is_run(
    repo: Path, mirror: Mirror, trap: Callable[[str], Path], tmp_path: Path
) -> None:
    lay_traps(repo, trap)
    (repo / "train.py").write_text("print('changed')\n")
    (repo / "crlf.txt").write_bytes(b"three\r\n")
    (repo / "new.txt").write_text("new\n")
    os.utime(repo / "run.sh", (1, 1))
    index = (repo / ".git" / "index").read_bytes()
    objects = sorted((repo / ".git" / "objects").rglob("*"))
    state = WorkTree(repo).state()
    WorkTree(repo).tracked(["src"])
    WorkTree(repo).is_ignored("src")
    mirror.locate(state.commit, [str(repo)])
    mirror.ensure(state.commit, [str(repo)])
    mirror.write_tree(state.commit, tmp_path / "out", expect_tree=state.tree, patch=state.patch)
    mirror.commits_between(state.commit, state.commit)
    assert state.dirty == ("crlf.txt", "new.txt", "train.py")
    assert sprung(tmp_path) == []
    assert (repo / ".git" / "index").read_bytes() == index
    assert sorted((repo / ".git" / "objects").rglob("*")) == objects
    git(repo, "status")  # the traps are armed: git by itself springs them
    assert "sprung-fsmonitor" in sprung(tmp_path)


def test_a_dirty_tree_comes_back_byte_for_byte(repo: Path, mirror: Mirror, tmp_path: Path) -> None:
    (repo / "train.py").write_text("print('changed')\n")
    (repo / "src" / "deep" / "data.bin").write_bytes(bytes(range(255, -1, -1)) * 3)
    (repo / "run.sh").unlink()
    (repo / "crlf.txt").chmod(0o755)
    (repo / "new dir").mkdir()
    (repo / "new dir" / "bytes").write_bytes(b"\0\xff" * 100)
    (repo / ".gitattributes").write_text("*.txt text eol=crlf\n*.py ident\n")
    git(repo, "add", "train.py")
    state = WorkTree(repo).state()
    mirror.ensure(state.commit, [str(repo)])
    out = tmp_path / "out"
    mirror.write_tree(state.commit, out, expect_tree=state.tree, patch=state.patch)
    assert (out / "train.py").read_text() == "print('changed')\n"
    assert (out / "src/deep/data.bin").read_bytes() == bytes(range(255, -1, -1)) * 3
    assert (out / "new dir" / "bytes").read_bytes() == b"\0\xff" * 100
    assert not (out / "run.sh").exists()
    assert (out / "crlf.txt").stat().st_mode & 0o111


def test_a_patch_cannot_leave_the_tree(repo: Path, mirror: Mirror, tmp_path: Path) -> None:
    mirror.ensure(head(repo), [str(repo)])
    patch = b"--- /dev/null\n+++ b/../../evil\n@@ -0,0 +1 @@\n+evil\n"
    with pytest.raises(FetchError, match="invalid path"):
        mirror.write_tree(head(repo), tmp_path / "a" / "out", expect_tree=tree(repo), patch=patch)
    assert not (tmp_path / "evil").exists()
    with pytest.raises(FetchError, match="git apply"):
        mirror.write_tree(head(repo), tmp_path / "out", expect_tree=tree(repo), patch=b"no patch at all\n")
    assert not (tmp_path / "out").exists()


def test_the_tree_is_written_and_measured(repo: Path, mirror: Mirror, tmp_path: Path) -> None:
    assert not mirror.contains(head(repo))
    assert mirror.locate(head(repo), [str(repo)]) == str(repo)
    assert not mirror.path.exists()
    assert mirror.ensure(head(repo), [str(repo)]) == str(repo)
    assert mirror.contains(head(repo))
    assert mirror.locate(head(repo), []) == "mirror"
    assert mirror.ensure(head(repo), []) is None
    out = tmp_path / "out"
    mirror.write_tree(head(repo), out, expect_tree=tree(repo))
    assert stat.S_IMODE((out / "train.py").stat().st_mode) == 0o444
    assert stat.S_IMODE((out / "run.sh").stat().st_mode) == 0o555
    assert (out / "src/deep/data.bin").read_bytes() == bytes(range(256))
    assert (out / "src" / "link").readlink() == Path("../train.py")
    assert mirror.read(head(repo), "crlf.txt") == b"one\r\ntwo\r\n"
    assert mirror.read(head(repo), "src") is None
    assert mirror.read(head(repo), "gone") is None
    assert [e.path for e in mirror.ls(head(repo))] == [
        "crlf.txt",
        "run.sh",
        "src/deep/data.bin",
        "src/link",
        "train.py",
    ]


def test_the_tree_of_another_commit_is_refused(repo: Path, mirror: Mirror, tmp_path: Path) -> None:
    old = head(repo), tree(repo)
    (repo / "train.py").write_text("print('other')\n")
    new = commit(repo)
    mirror.ensure(new, [str(repo)])
    with pytest.raises(DigestMismatchError, match=f"got {tree(repo)}, expected {old[1]}"):
        mirror.write_tree(new, tmp_path / "out", expect_tree=old[1])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(FetchError, match="expected an empty directory"):
        mirror.write_tree(new, tmp_path / "full", expect_tree=tree(repo))
    assert (tmp_path / "full" / "file").exists()


def test_attributes_change_no_byte(repo: Path, mirror: Mirror, tmp_path: Path) -> None:
    text = b"$Format:%H$ $Id$ one\ntwo\n"
    (repo / ".gitattributes").write_text("*.sub export-subst ident text eol=crlf\nhidden export-ignore\n")
    (repo / "version.sub").write_bytes(text)
    (repo / "hidden").write_text("still here")
    new = commit(repo)
    mirror.ensure(new, [str(repo)])
    mirror.write_tree(new, tmp_path / "out", expect_tree=tree(repo))
    assert (tmp_path / "out" / "version.sub").read_bytes() == text
    assert (tmp_path / "out" / "hidden").read_text() == "still here"
    assert text not in git(repo, "archive", "HEAD", "version.sub").encode()  # git itself would have changed it


def test_names_that_are_not_utf8(repo: Path, mirror: Mirror, tmp_path: Path) -> None:
    name = os.fsdecode(b"na\xefve \n\x1b.txt")
    (repo / name).write_text("x")
    state = WorkTree(repo).state()
    assert state.dirty == (name,)
    new = commit(repo)
    mirror.ensure(new, [str(repo)])
    mirror.write_tree(new, tmp_path / "out", expect_tree=tree(repo))
    assert (tmp_path / "out" / name).read_text() == "x"
    assert mirror.files_changed(git(repo, "rev-parse", "HEAD~"), new) == [("A", name)]


@pytest.mark.parametrize(
    "goal", ["/etc/passwd", "../outside", "src/../../outside", "a/../b/../../..", ".git/config", "loop"]
)
def test_links_that_leave_the_tree(repo: Path, mirror: Mirror, tmp_path: Path, goal: str) -> None:
    (repo / "loop").symlink_to(goal)
    new = commit(repo)
    mirror.ensure(new, [str(repo)])
    with pytest.raises(PolicyError, match="leaves the tree"):
        mirror.write_tree(new, tmp_path / "out", expect_tree=tree(repo))
    assert not (tmp_path / "out").exists()


def test_a_chain_of_harmless_links_that_leaves_the_tree(repo: Path, mirror: Mirror, tmp_path: Path) -> None:
    (repo / "p" / "q").mkdir(parents=True)
    (repo / "p" / "q" / "root").symlink_to("../..")
    (repo / "evil").symlink_to("p/q/root/../etc")
    new = commit(repo)
    mirror.ensure(new, [str(repo)])
    with pytest.raises(PolicyError, match="'evil'"):
        mirror.write_tree(new, tmp_path / "out", expect_tree=tree(repo))


def test_submodules_and_lfs_pointers_are_refused(repo: Path, mirror: Mirror, tmp_path: Path) -> None:
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{head(repo)},vendored")
    git(repo, "commit", "-q", "-m", "submodule")
    mirror.ensure(head(repo), [str(repo)])
    with pytest.raises(FetchError, match="vendored is a Git submodule"):
        mirror.write_tree(head(repo), tmp_path / "out", expect_tree=tree(repo))
    mirror.write_tree(head(repo), tmp_path / "out", expect_tree=tree(repo), empty=["vendored"])
    assert list((tmp_path / "out" / "vendored").iterdir()) == []
    git(repo, "rm", "-q", "--cached", "vendored")
    (repo / "big.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 9\n")
    new = commit(repo)
    mirror.ensure(new, [str(repo)])
    with pytest.raises(FetchError, match=r"big\.bin is a Git LFS pointer"):
        mirror.write_tree(new, tmp_path / "lfs", expect_tree=tree(repo))


def test_log_and_changes(repo: Path, mirror: Mirror) -> None:
    first = head(repo)
    (repo / "train.py").write_text("print('other')\n")
    (repo / "run.sh").unlink()
    commit(repo, "second: touch all")
    (repo / "new").write_text("")
    last = commit(repo, "third")
    mirror.ensure(last, [str(repo)])
    assert [subject for _, subject in mirror.commits_between(first, last)] == ["third", "second: touch all"]
    assert mirror.files_changed(first, last) == [("A", "new"), ("D", "run.sh"), ("M", "train.py")]
    for attack in ("HEAD", "--output=x", first[:12], f"{first}\n"):
        with pytest.raises(UsageError, match="full Git id"):
            mirror.files_changed(first, attack)


def test_a_commit_that_no_branch_holds_any_more(repo: Path, mirror: Mirror, tmp_path: Path) -> None:
    (repo / "train.py").write_text("print('other')\n")
    lost = commit(repo)
    lost_tree = tree(repo)
    git(repo, "reset", "-q", "--hard", "HEAD~")
    mirror.ensure(lost, [str(repo)])
    mirror.write_tree(lost, tmp_path / "out", expect_tree=lost_tree)


def test_a_commit_that_is_gone(repo: Path, mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match=r"0{40} was not found") as error:
        mirror.ensure("0" * 40, [str(repo), str(tmp_path / "elsewhere")])
    assert str(repo) in str(error.value)
    assert "no such directory" in str(error.value)
    assert not mirror.contains("0" * 40)
    with pytest.raises(SourceNotFoundError, match="expected a commit"):
        mirror.ensure(tree(repo), [str(repo)])
    assert not mirror.contains(tree(repo))


def test_a_shallow_clone(repo: Path, tmp_path: Path) -> None:
    first = head(repo)
    (repo / "new").write_text("")
    last = commit(repo)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repo}", str(clone))
    assert WorkTree(clone).state().shallow
    mirror = Mirror(tmp_path / "m.git")
    mirror.ensure(last, [str(clone)])
    mirror.write_tree(last, tmp_path / "out", expect_tree=tree(repo))
    with pytest.raises(SourceNotFoundError) as error:
        mirror.ensure(first, [str(clone)])
    assert "--unshallow" in str(error.value.hint)
    assert mirror.ensure(first, [str(clone), str(repo)]) == str(repo)


def test_an_unreachable_url_and_a_refused_one(mirror: Mirror, repo: Path) -> None:
    with pytest.raises(SourceUnreachableError) as error:
        mirror.ensure(head(repo), ["https://me:hunter2@127.0.0.1:1/project.git"])
    assert "hunter2" not in str(error.value)
    for url in ("ext::sh -c touch% x", "--upload-pack=touch x", "http://example.invalid/x.git", "git://h/x"):
        with pytest.raises(UsageError):
            mirror.ensure(head(repo), [url])


def test_a_damaged_mirror_is_noticed(repo: Path, mirror: Mirror, tmp_path: Path) -> None:
    mirror.ensure(head(repo), [str(repo)])
    for path in [*mirror.path.glob("objects/pack/*.pack"), *mirror.path.glob("objects/??/*")]:
        path.chmod(0o644)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    with pytest.raises(FetchError):
        mirror.write_tree(head(repo), tmp_path / "out", expect_tree=tree(repo))
    assert not (tmp_path / "out").exists()


def test_a_forged_object_is_noticed_on_the_disk(repo: Path, mirror: Mirror, tmp_path: Path) -> None:
    """Git gives what lies under an id without hashing it; the tree measured on the disk does not lie."""
    mirror.ensure(head(repo), [str(repo)])
    blob = git(repo, "rev-parse", "HEAD:train.py")
    for pack in mirror.path.glob("objects/pack/*"):
        pack.unlink()
    shutil.copytree(repo / ".git" / "objects", mirror.path / "objects", dirs_exist_ok=True)
    loose = mirror.path / "objects" / blob[:2] / blob[2:]
    loose.chmod(0o644)
    loose.write_bytes(zlib.compress(b"blob 15\0print('forged')"))
    with pytest.raises(DigestMismatchError, match="the tree written to"):
        mirror.write_tree(head(repo), tmp_path / "out", expect_tree=tree(repo))
    assert not (tmp_path / "out").exists()


def test_a_replace_ref_deceives_nobody(repo: Path, mirror: Mirror) -> None:
    (repo / "evil.py").write_text("evil")
    blob = git(repo, "hash-object", "-w", "evil.py")
    mirror.ensure(head(repo), [str(repo)])
    target = git(repo, "rev-parse", "HEAD:train.py")
    git(mirror.path, "--git-dir=.", "hash-object", "-w", str(repo / "evil.py"))
    git(mirror.path, "--git-dir=.", "replace", target, blob)
    assert mirror.read(head(repo), "train.py") == b"print('train')\n"


def test_a_sha256_repository(tmp_path: Path) -> None:
    repo = tmp_path / "r"
    repo.mkdir()
    git(repo, "init", "-q", "--object-format=sha256")
    (repo / "file").write_text("x")
    new = commit(repo)
    assert len(new) == 64
    mirror = Mirror(tmp_path / "m.git")
    mirror.ensure(new, [str(repo)])
    mirror.write_tree(new, tmp_path / "out", expect_tree=tree(repo))
    assert (tmp_path / "out" / "file").read_text() == "x"


def artifact(path: Path, name: str) -> Artifact:
    found = describe(path)
    return Artifact(
        path=name, kind=found.kind, size=found.size, files=found.files, digests=found.digests, storage=Storage.GIT
    )


def test_artifacts_out_of_git(repo: Path, mirror: Mirror, tmp_path: Path) -> None:
    file, folder = artifact(repo / "src/deep/data.bin", "deep/data.bin"), artifact(repo / "src/deep", "deep")
    source = GitSource(mirror, head(repo), directory="src", sources=[str(repo)])
    fetcher = Fetcher([source])
    assert fetcher.locate(file) == f"commit {head(repo)[:12]} of {repo}"
    assert not mirror.path.exists()
    assert fetcher.fetch(file, tmp_path / "file") == f"commit {head(repo)[:12]}"
    assert fetcher.fetch(folder, tmp_path / "folder") == f"commit {head(repo)[:12]}"
    assert (tmp_path / "folder" / "data.bin").read_bytes() == (tmp_path / "file").read_bytes() == bytes(range(256))
    assert fetcher.locate(file) == fetcher.locate(folder) == f"commit {head(repo)[:12]}"
    missing = artifact(repo / "train.py", "train.py")  # lies beside src, not in it
    assert fetcher.locate(missing) is None
    expecting = Fetcher([GitSource(mirror, head(repo), directory="src")])
    expecting.expect([folder, file, missing])  # a directory and a file in it: Git's answer lacks the directory
    assert [expecting.locate(one) for one in (file, folder, missing)] == [f"commit {head(repo)[:12]}"] * 2 + [None]
    with pytest.raises(SourceNotFoundError, match="no such path"):
        fetcher.fetch(missing, tmp_path / "missing")
    (repo / "other").write_text("not what is committed")
    wrong = artifact(repo / "other", "deep/data.bin")
    with pytest.raises(DigestMismatchError, match=r"deep/data\.bin from commit"):
        fetcher.fetch(wrong, tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()


def test_artifacts_out_of_a_dirty_tree(repo: Path, mirror: Mirror, tmp_path: Path) -> None:
    (repo / "train.py").write_text("print('changed')\n")
    state = WorkTree(repo).state()
    changed = artifact(repo / "train.py", "train.py")
    source = GitSource(mirror, state.commit, sources=[str(repo)], patch=state.patch)
    assert source.locate(changed) == f"commit {state.commit[:12]} with its recorded patch"
    source.fetch(changed, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "print('changed')\n"
