"""Environments made, kept, lost and brought back, with a real engine and packages made on the spot (no index)."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
import uuid
import zipfile
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import yaml

from replay.errors import ConfigError, ImageBuildError, ImageUnavailableError, StoreCorruptError
from replay.progress import Silent
from replay.rebuild import (
    connect,
    decode_settings,
    describe_image,
    find_local,
    keep_image,
    locate,
    prepare_for_record,
    prepare_for_replay,
)
from replay.rebuild.archive import export_layers, saved_config_digest
from replay.rebuild.base import obtain_base
from replay.rebuild.images import inspect, load
from replay.rebuild.inventory import inventory
from replay.rebuild.locked import build_locked, probe_python
from replay.rebuild.sandbox import LABEL, run_python
from replay.recipe import Image
from replay.store.blobs import Blobs

pytestmark = pytest.mark.docker


class Notes(Silent):
    """Remembers what was said."""

    def __init__(self):
        self.said: list[str] = []

    def advanced(self, task, note="", amount=0):
        self.said.append(note)

    def finished(self, task, note=""):
        self.said.append(note)


@pytest.fixture(scope="module")
def client():
    with closing(connect()) as client:
        yield client


@pytest.fixture(scope="module")
def settings(pytestconfig):
    return decode_settings(yaml.safe_load((pytestconfig.rootpath / "conf/environment/default.yaml").read_text()))


@pytest.fixture(scope="module")
def base(client, settings):
    return obtain_base(client, settings.base, Silent())


@pytest.fixture
def images(client):
    """Collects images that the test made, and removes them."""
    made: list[str] = []
    yield made
    for reference in made:
        if inspect(client, reference):
            client.api.remove_image(reference, force=True)


def make_wheel(folder: Path, name: str, files: dict[str, str], version: str = "1.0") -> str:
    """Write a wheel by hand; returns its locked requirement."""
    info = f"{name}-{version}.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}-tool = {name}:main\n",
    }
    rows = []
    for path, text in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text.encode())}\n")
    contents[f"{info}/RECORD"] = "".join(rows) + f"{info}/RECORD,,\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name_, text in contents.items():
            archive.writestr(name_, text)
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose lock names one package of its own, so that its images are nobody else's."""
    index, root = tmp_path / "index", tmp_path / "project"
    index.mkdir()
    root.mkdir()
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    name = f"pkg{uuid.uuid4().hex[:8]}"
    source = "def main():\n    print('the tool runs')\n"
    (root / "requirements.lock").write_text(make_wheel(index, name, {f"{name}.py": source}))
    return root


def run(client, reference: str, *command: str) -> str:
    container = client.containers.create(reference, list(command), network_mode="none", labels={LABEL: "test"})
    try:
        container.start()
        assert container.wait()["StatusCode"] == 0  # by then the log is complete
        return container.logs(stdout=True, stderr=False).decode()
    finally:
        container.remove(force=True)


def reader(root: Path):
    return lambda path: (root / path).read_bytes() if (root / path).is_file() else None


def test_the_same_lock_gives_the_same_image_every_time_and_it_runs(client, settings, project, images, monkeypatch):
    notes = Notes()
    first = prepare_for_record(client, settings, project, notes)
    images.append(first.image.config)
    assert first.image.layers[:-1] == first.base.layers
    assert first.installer.startswith("uv ")
    name = (project / "requirements.lock").read_text().partition("==")[0]
    assert (name, "1.0") in {(p.name, p.version) for p in first.packages if p.system == "python"}
    assert any(p.name == "libgomp1" for p in first.packages if p.system == "deb")
    assert run(client, first.image.config, f"{name}-tool") == "the tool runs\n"
    where = run(client, first.image.config, "python3", "-c", f"import {name}; print({name}.__file__)")
    assert where.startswith("/opt/replay/")

    again = Notes()
    assert prepare_for_record(client, settings, project, again) == first
    assert any("reused" in note and "built" in note for note in again.said)
    assert any("reused" in note and "local" in note for note in again.said)

    client.api.remove_image(first.image.config, force=True)
    assert find_local(client, first.image) is None
    for wheel in (project.parent / "index").iterdir():
        os.utime(wheel, (1_000_000_000, 1_000_000_000))  # uv notes the times of local wheels
    monkeypatch.setenv("UV_CACHE_DIR", str(project.parent / "the cache of another machine"))
    assert prepare_for_record(client, settings, project, Notes()) == first


def test_a_retagged_stranger_is_not_taken_for_our_image(client, base, project, images):
    lock = (project / "requirements.lock").read_bytes()
    image = build_locked(client, base, lock, "lock", Silent())
    images.append(image.config)
    repository, _, tag = inspect(client, image.config)["RepoTags"][0].rpartition(":")
    client.api.tag(base.config, repository, tag, force=True)
    try:
        assert build_locked(client, base, lock, "lock", Silent()).config == image.config
    finally:
        assert inspect(client, base.config) is not None


def test_lost_found_archived_and_rebuilt(client, settings, project, images, tmp_path):
    blobs, empty = Blobs(tmp_path / "blobs"), Blobs(tmp_path / "empty")
    environment = prepare_for_record(client, settings, project, Silent())
    image = environment.image
    images.append(image.config)

    code = reader(project)

    def replay(blobs, read=code, **more):
        return prepare_for_replay(client, environment, read_code=read, blobs=blobs, progress=Silent(), **more)

    assert keep_image(client, image.config, image, blobs) == 1 + len(image.layers)
    assert keep_image(client, image.config, image, blobs) == 0
    assert (replay(blobs).how, locate(client, environment, blobs)) == ("local by digest", "local by digest")

    client.api.remove_image(image.config, force=True)
    assert locate(client, environment, blobs) == "archive"
    assert locate(None, environment, blobs) == "archive"
    found = replay(blobs, offline=True)
    assert (found.how, found.reference, found.deviations) == ("archive", image.config, ())
    assert describe_image(client, found.reference).layers == image.layers

    client.api.remove_image(image.config, force=True)
    assert locate(client, environment, empty) == "rebuild from requirements.lock"
    found = replay(empty)
    assert (found.how, found.reference, found.deviations) == ("rebuilt from lock, same id", image.config, ())

    client.api.remove_image(image.config, force=True)
    with pytest.raises(ImageUnavailableError, match=r"so is requirements\.lock"):
        replay(empty, read=lambda path: None)
    with pytest.raises(ImageUnavailableError, match="not the recorded lock"):
        replay(empty, read=lambda path: b"# another\n")

    part = blobs.path(image.layers[-1].removeprefix("sha256:"))
    part.chmod(0o644)
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreCorruptError, match=image.layers[-1]):
        replay(blobs)


def test_an_other_base_is_allowed_and_every_changed_package_is_named(client, settings, project, images, tmp_path, base):
    environment = prepare_for_record(client, settings, project, Silent())
    images.append(environment.image.config)
    packages = tuple(
        msgspec.structs.replace(p, version="0.1") if p.name == "libgomp1" else p for p in environment.packages
    )
    gone = "sha256:" + "0" * 64
    recorded = msgspec.structs.replace(
        environment,
        packages=packages,
        image=Image(config=gone, layers=(gone,), platform="linux/amd64"),
    )
    found = prepare_for_replay(
        client, recorded, read_code=reader(project), blobs=Blobs(tmp_path / "b"), progress=Silent()
    )
    assert found.how == "rebuilt from lock, other id"
    assert found.image.config == found.reference == environment.image.config
    assert {d.facet: (d.recorded, d.actual) for d in found.deviations}["package libgomp1 (deb)"][0] == "0.1"
    assert [d.facet for d in found.deviations] == ["image", "package libgomp1 (deb)"]


def test_what_uv_says_reaches_the_user(client, base, project):
    lock = (project / "requirements.lock").read_text()
    wrong = lock.partition("sha256:")[0] + "sha256:" + "0" * 64
    with pytest.raises(ImageBuildError, match=r"[Hh]ash mismatch"):
        build_locked(client, base, wrong.encode(), "lock", Silent())
    missing = f"nosuchpackage==1 --hash=sha256:{'0' * 64}"
    with pytest.raises(ImageBuildError, match="nosuchpackage"):
        build_locked(client, base, missing.encode(), "lock", Silent())
    with pytest.raises(ConfigError, match="--hash"):
        build_locked(client, base, b"nosuchpackage==1", "lock", Silent())


def test_a_base_without_python_is_said(client, tmp_path, images):
    layer = tmp_path / "layer"
    with tarfile.open(layer, "w") as tar:
        tar.addfile(tarfile.TarInfo("empty"), io.BytesIO())
    digest = "sha256:" + hashlib.sha256(layer.read_bytes()).hexdigest()
    from replay.rebuild.images import compose_config

    config = compose_config(platform="linux/amd64", layers=[digest], steps=["empty"], labels={"x": uuid.uuid4().hex})
    reference = load(client, config, {digest: layer})
    images.append(reference)
    with pytest.raises(ImageBuildError, match="python3"):
        probe_python(client, describe_image(client, reference))
    assert "no package database" in inventory(client, reference).notes[0]


def test_an_archive_with_every_layer_loads_too(client, base, project, images, tmp_path):
    """The way for engines whose store wants every layer."""
    image = build_locked(client, base, (project / "requirements.lock").read_bytes(), "lock", Silent())
    images.append(image.config)
    assert saved_config_digest(client, image.config) == image.config
    files = export_layers(client, image.config, image.layers, tmp_path)
    assert set(files) == set(image.layers)
    blobs = Blobs(tmp_path / "blobs")
    keep_image(client, image.config, image, blobs)
    config = blobs.read(image.config.removeprefix("sha256:"))
    client.api.remove_image(image.config, force=True)
    assert load(client, config, files) == image.config


@pytest.mark.alone
def test_helpers_have_no_network_and_leave_nothing(client, base):
    before = {row["Id"] for row in client.api.containers(all=True, filters={"label": LABEL})}
    source = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"
    done = run_python(client, base, source)
    assert done.code == 1
    assert b"unreachable" in done.output
    with pytest.raises(ImageBuildError, match="did not end within 1 s"):
        run_python(client, base, "import time; time.sleep(60)", timeout=1)
    inventory(client, base.config)
    after = {row["Id"] for row in client.api.containers(all=True, filters={"label": LABEL})}
    assert after <= before


def test_an_sdist_is_built_inside_the_image_and_never_here(client, base, project, images, tmp_path, monkeypatch):
    """The package whose absence of wheels every Hydra project meets; it and setuptools come from uv's own index."""
    monkeypatch.delenv("UV_NO_INDEX")
    digest = b"f224469b4168294902bb1efa80a8bf7855f24c99aef99cbefc1bcd3cce77881b"
    lock = b"antlr4-python3-runtime==4.9.3 --hash=sha256:" + digest + b"\n"
    lock += (project / "requirements.lock").read_bytes()
    first = build_locked(client, base, lock, "lock", Silent())
    images.append(first.config)
    where = run(client, first.config, "python3", "-c", "import antlr4; print(antlr4.__file__)")
    assert where.startswith("/opt/replay/")
    client.api.remove_image(first.config, force=True)
    assert build_locked(client, base, lock, "lock", Silent()).config == first.config


def test_an_sdist_cannot_touch_this_machine(client, base, project, tmp_path, monkeypatch):
    marker = tmp_path / "executed-here"
    name = f"hostile{uuid.uuid4().hex[:8]}"  # one that no index knows
    folder = tmp_path / "src" / f"{name}-1.0"
    folder.mkdir(parents=True)
    source = f"import pathlib\npathlib.Path({str(marker)!r}).write_text('x')\nraise SystemExit('setup.py ran inside')\n"
    (folder / "setup.py").write_text(source)
    (folder / "PKG-INFO").write_text(f"Metadata-Version: 1.0\nName: {name}\nVersion: 1.0\n")
    sdist = tmp_path / "index" / f"{name}-1.0.tar.gz"
    with tarfile.open(sdist, "w:gz") as tar:
        tar.add(folder, f"{name}-1.0")
    lock = f"{name}==1.0 --hash=sha256:{hashlib.sha256(sdist.read_bytes()).hexdigest()}\n"
    monkeypatch.delenv("UV_NO_INDEX")  # setuptools comes from uv's own index
    with pytest.raises(ImageBuildError, match=f"{name} has no wheel"):
        build_locked(client, base, lock.encode(), "lock", Silent())
    assert not marker.exists()


def test_a_dockerfile_is_built_and_named_unreproducible(client, settings, base, tmp_path, images):
    project = tmp_path / "project"
    project.mkdir()
    (project / "Dockerfile").write_text(f"FROM {base.config}\nCOPY data /data\nRUN cat /data\n")
    (project / "data").write_text(uuid.uuid4().hex)
    notes = Notes()
    environment = prepare_for_record(client, settings, project, notes)
    images.append(environment.image.config)
    assert (environment.kind, environment.dockerfile) == ("dockerfile", "Dockerfile")
    assert environment.image.origin.startswith("built from Dockerfile")
    assert run(client, environment.image.config, "cat", "/data") == (project / "data").read_text()
    (project / "Dockerfile").write_text(f"FROM {base.config}\nRUN echo the reason && false\n")
    with pytest.raises(ImageBuildError, match="the reason"):
        prepare_for_record(client, settings, project, Silent())


def test_an_image_is_pinned_and_an_unknown_one_is_said(client, settings, base, tmp_path):
    named = msgspec.structs.replace(settings, image=base.config.removeprefix("sha256:")[:12])
    environment = prepare_for_record(client, named, tmp_path, Silent())
    assert (environment.kind, environment.image.config) == ("image", base.config)
    unknown = msgspec.structs.replace(settings, image="replay.invalid/no/such:image")
    with pytest.raises(ImageUnavailableError, match="offline"):
        prepare_for_record(client, unknown, tmp_path, Silent(), offline=True)
    with pytest.raises(ImageUnavailableError, match="no/such"):
        prepare_for_record(client, unknown, tmp_path, Silent())
