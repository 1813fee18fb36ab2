import io
import tarfile

import pytest

from replay.errors import ImageBuildError
from replay.rebuild.base import _repository, package_deviations
from replay.rebuild.inventory import apk_packages, deb_packages, python_packages, read_files, search_paths
from replay.recipe import Package

STATUS = b"""Package: adduser
Status: install ok installed
Version: 3.134
Description: add
 Version: 9

Package: gone
Status: deinstall ok config-files
Version: 1
"""


def test_only_installed_debian_packages_count():
    assert list(deb_packages(STATUS)) == [Package(system="deb", name="adduser", version="3.134")]
    distroless = b"Package: base-files\nVersion: 12\n"
    assert list(deb_packages(distroless)) == []
    assert list(deb_packages(distroless, always=True)) == [Package(system="deb", name="base-files", version="12")]


def test_alpine_packages():
    found = list(apk_packages(b"C:x\nP:musl\nV:1.2.4-r2\n\nP:half\n"))
    assert found == [Package(system="apk", name="musl", version="1.2.4-r2")]


def test_python_metadata_reads_the_head_only():
    data = b"Metadata-Version: 2.1\r\nName: Foo.Bar\r\nVersion: 1.0\r\n\r\nName: body\n"
    assert list(python_packages(data)) == [Package(system="python", name="foo-bar", version="1.0")]
    assert list(python_packages(b"no metadata")) == []


def test_search_paths_cover_debian_and_docker_layouts():
    paths = search_paths({"PYTHONPATH": "/opt/replay/site-packages:rel"}, [("/usr", "3.11"), ("/usr/local", "3.12")])
    assert paths[0] == "/opt/replay/site-packages"
    for expected in ("/usr/lib/python3/dist-packages", "/usr/local/lib/python3.11/dist-packages",
                     "/usr/local/lib/python3.12/site-packages"):  # fmt: skip
        assert expected in paths
    assert "rel" not in paths
    assert len(paths) == len(set(paths))


def tar_of(*infos: tuple[tarfile.TarInfo, bytes]) -> tarfile.TarFile:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info, content in infos:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    out.seek(0)
    return tarfile.open(fileobj=out, mode="r|")


def test_links_are_not_read():
    link = tarfile.TarInfo("status")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
    with tar_of((link, b""), (tarfile.TarInfo("./other"), b"x")) as tar:
        assert read_files(tar, lambda _: True) == {"other": b"x"}


def test_metadata_of_absurd_size_is_refused():
    info = tarfile.TarInfo("status")
    info.size = 1 << 40
    with pytest.raises(ImageBuildError, match="status"):
        read_files([info], lambda _: True)


def packages(**versions: str) -> tuple[Package, ...]:
    return tuple(Package(system="deb", name=n, version=v) for n, v in versions.items())


def test_deviations_name_what_changed_came_and_went():
    found = package_deviations(packages(a="1", b="1", c="1"), packages(a="1", b="2", d="1"))
    assert [(d.facet, d.recorded, d.actual) for d in found] == [
        ("package b (deb)", "1", "2"),
        ("package c (deb)", "1", "not there"),
        ("package d (deb)", "not there", "1"),
    ]
    assert package_deviations(packages(a="1"), packages(a="1")) == []


def test_many_deviations_are_counted():
    found = package_deviations(packages(**{f"p{i:02}": "1" for i in range(25)}), ())
    assert len(found) == 21
    assert found[-1].facet == "5 more packages"


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("python:3.11", "python"),
        ("host:5000/a/b:1", "host:5000/a/b"),
        ("host:5000/a", "host:5000/a"),
        ("a@sha256:x", "a"),
    ],
)
def test_repository_of_a_name(name, repository):
    assert _repository(name) == repository
