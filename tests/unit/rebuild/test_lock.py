import pytest

from replay.errors import ConfigError
from replay.rebuild.lock import check_lock, has_hashes

A, B = "a" * 64, "b" * 64


def test_reads_continued_lines_extras_markers_and_comments():
    text = f"""# made by a tool
Foo_Bar[extra]==1.0 ; python_version >= "3.11" \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
    # via something
baz==2 --hash=sha256:{B}  # trailing
"""
    first, second = check_lock(text.encode(), "lock")
    assert (first.name, first.hashes) == ("foo-bar", (A, B))
    assert second.name == "baz"
    assert "# trailing" not in second.text


def test_empty_lock_has_no_requirements():
    assert check_lock(b"# nothing\n\n", "lock") == ()


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("foo==1", "has no --hash"),
        (f"foo>=1 --hash=sha256:{A}", "no fixed version"),
        ("foo==1 --hash=sha256:abc", "has no --hash"),
        ("--index-url ftp://example.invalid/packages", "--index-url"),
        ("--extra-index-url=ftp://user:secret@example.invalid/packages", "--extra-index-url"),
        ("-r other.txt", "-r"),
        ("-e .", "-e"),
        (f"../evil --hash=sha256:{A}", "is no requirement"),
    ],
)
def test_refuses(line, word):
    with pytest.raises(ConfigError, match=word) as caught:
        check_lock(f"good==1 --hash=sha256:{A}\n{line}\n".encode(), "the.lock")
    assert "line 2" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "--generate-hashes" in (caught.value.hint or "")


def test_refuses_binary():
    with pytest.raises(ConfigError, match="UTF-8"):
        check_lock(b"\xff\xfe\x00", "lock")


def test_names_three_issues_and_counts_the_rest():
    with pytest.raises(ConfigError, match=r"and 2 more"):
        check_lock(b"a==1\nb==1\nc==1\nd==1\ne==1\n", "lock")


def test_has_hashes():
    assert has_hashes(b"foo==1 --hash=sha256:00")
    assert not has_hashes(b"foo==1")
