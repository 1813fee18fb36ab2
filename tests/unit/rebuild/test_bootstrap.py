import io
import tarfile

import pytest

from replay.rebuild.bootstrap import bootstrap_tag, copy_members, keeps, machine_sources
from replay.rebuild.interface import BootstrapSpec


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


@pytest.mark.parametrize(
    "name",
    ["etc/machine-id", "etc/hostname", "etc/resolv.conf", "var/log/dpkg.log", "var/cache/ldconfig/aux-cache",
     "etc/apt/sources.list.d/0000sources.list", "var/lib/apt/lists/x", "dev/null", "usr/share/doc/apt/changelog.gz",
     "var/lib/dpkg/status-old"],
)  # fmt: skip
def test_leaves_out_what_differs_or_names_the_machine(name):
    assert not keeps(member(name))


@pytest.mark.parametrize(
    "name", ["usr/bin/python3", "var/lib/dpkg/status", "etc/passwd", "usr/share/doc/apt/copyright", "var/log", "dev"]
)
def test_keeps(name):
    assert keeps(member(name))


def test_keeps_the_folders_that_apt_needs():
    assert keeps(member("var/cache/apt/archives/partial", tarfile.DIRTYPE))
    assert not keeps(member("var/cache/apt/archives/partial"))


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> tarfile.TarFile:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    out.seek(0)
    return tarfile.open(fileobj=out, mode="r|")


def copied(*members):
    out = io.BytesIO()
    with packed(*members) as tar, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as kept:
        problem = copy_members(tar, kept)
    return problem, out.getvalue()


def test_times_and_names_of_owners_do_not_survive_and_xattrs_do():
    capability = {"SCHILY.xattr.security.capability": "x"}
    _, one = copied((member("./bin/ping", mtime=5, uname="root", pax_headers=capability), b"p"))
    _, two = copied((member("./bin/ping", mtime=7.25, gname="wheel", pax_headers=capability), b"p"))
    _, three = copied((member("./bin/ping", mtime=5), b"p"))
    assert one == two != three


def test_hard_links_follow_and_dangling_ones_are_named():
    link = member("./bin/b", tarfile.LNKTYPE, linkname="./bin/a")
    problem, data = copied((member("./bin/a"), b"x"), (link, b""))
    assert problem == ""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getmember("bin/b").linkname == "bin/a"
    dangling = member("./bin/b", tarfile.LNKTYPE, linkname="./var/log/a")
    assert "var/log/a" in copied((member("./var/log/a"), b"x"), (dangling, b""))[0]


def test_an_empty_tar_is_a_problem():
    assert copied()[0] == "an empty tar"


def test_sources_of_both_formats_without_other_suites(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "# deb http://mirror.invalid/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://mirror.invalid/debian bookworm main contrib\n"
        "deb-src http://mirror.invalid/debian bookworm main\n"
        "deb http://mirror.invalid/debian bookworm-backports main\n"
    )
    (tmp_path / "sources.list.d" / "x.sources").write_text(
        "Types: deb deb-src\nURIs: http://mirror.invalid/sec\n# note\nSuites: bookworm-security trixie\n"
        "Components: main\nSigned-By:\n -----BEGIN PGP-----\n .\n\n"
        "Types: deb\nEnabled: no\nURIs: http://off.invalid\nSuites: bookworm\nComponents: main\n"
    )
    assert machine_sources("bookworm", tmp_path) == [
        "deb http://mirror.invalid/debian bookworm main contrib",
        "deb http://mirror.invalid/sec bookworm-security main",
    ]
    assert machine_sources("trixie", tmp_path) == ["deb http://mirror.invalid/sec trixie main"]
    assert machine_sources("noble", tmp_path) == []


def test_the_tag_knows_the_packages_but_not_their_order():
    a = BootstrapSpec(suite="bookworm", packages=("a", "b"))
    assert bootstrap_tag(a) == bootstrap_tag(BootstrapSpec(suite="bookworm", packages=("b", "a")))
    assert bootstrap_tag(a) != bootstrap_tag(BootstrapSpec(suite="bookworm", packages=("a",)))
