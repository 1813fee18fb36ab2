"""Packages that have no wheel: a pure-Python sdist is built inside the base image, never on this machine.

Building an sdist runs its ``setup.py``. That is foreign code, so it runs without network in a container of the base
image, with one fixed setuptools, and what comes out is the same on every machine. (Hydra needs this: its parser
runtime, antlr4-python3-runtime, was never published as a wheel.)
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from replay.errors import ImageBuildError
from replay.rebuild import wheels
from replay.rebuild.lock import Requirement, normal_name
from replay.rebuild.sandbox import run_python
from replay.recipe import Image
from replay.store import fsops

if TYPE_CHECKING:
    from docker import DockerClient

SETUPTOOLS = "80.9.0"
_SETUPTOOLS_SHA256 = "062d34222ad13e0cc312a4c02d73f059e86a4acbfbdea8f8f76b28c99f306922"
_MAX_SDIST = 64 << 20
_BUILD = """
import io, os, sys, tarfile, zipfile
zipfile.ZipFile('/build/setuptools.whl').extractall('/build/tools')
sys.path.insert(0, '/build/tools')
tarfile.open('/build/sdist.tar.gz').extractall('/build/src')
(name,) = os.listdir('/build/src')
os.chdir('/build/src/' + name)
from setuptools import build_meta
build_meta.__legacy__.build_wheel('/build/out')
"""


def build_missing_wheels(
    client: DockerClient,
    base: Image,
    requirements: Sequence[Requirement],
    interpreter: wheels.Interpreter,
    folder: Path,
    *,
    offline: bool = False,
) -> frozenset[str]:
    """Build a wheel into ``folder`` for every requirement that its index offers as sdist alone; returns their names.

    Raises:
        ImageBuildError: An sdist cannot be had, is not the locked one, or does not build without compiler and network.
    """
    table = _locate(requirements, interpreter, offline=offline)
    lonely = [r for r in requirements if (found := table.get(r.name)) and "sdist" in found and not found.get("wheels")]
    if not lonely:
        return frozenset()
    setuptools = Requirement(name="setuptools", text=f"setuptools=={SETUPTOOLS}", hashes=(_SETUPTOOLS_SHA256,))
    offered = _locate([setuptools], interpreter, offline=offline)["setuptools"]["wheels"][0]
    tool = _download(offered["url"], setuptools, offline=offline)
    for requirement in lonely:
        sdist = _download(table[requirement.name]["sdist"]["url"], requirement, offline=offline)
        _build(client, base, requirement, sdist, tool, folder)
    return frozenset(r.name for r in lonely)


def _build(
    client: DockerClient, base: Image, requirement: Requirement, sdist: bytes, tool: bytes, folder: Path
) -> None:
    files = {"sdist.tar.gz": sdist, "setuptools.whl": tool}
    done = run_python(client, base, _BUILD, files=files, result="/build/out", memory="1g", timeout=300)
    built = {name: data for name, data in done.files.items() if name.endswith(".whl")}
    if done.code != 0 or len(built) != 1:
        tail = " | ".join(done.output.decode(errors="replace").splitlines()[-4:])
        raise ImageBuildError(
            f"{requirement.name} has no wheel, and its sdist did not build in the base image: {tail or 'no wheel'}",
            hint="only pure-Python setuptools sdists can be built; lock a version that has wheels, or use a Dockerfile",
        )
    name, data = built.popitem()
    if not name.endswith("-none-any.whl"):
        raise ImageBuildError(f"{requirement.name}: got the wheel {name}, expected a pure-Python one")
    (folder / Path(name).name).write_bytes(data)


def _locate(requirements: Sequence[Requirement], interpreter: wheels.Interpreter, *, offline: bool) -> dict[str, Any]:
    """What uv's indexes offer for each requirement; nothing is built or run for the answer."""
    with tempfile.TemporaryDirectory(prefix="replay-locate-") as temporary:
        out = Path(temporary) / "pylock.toml"
        plain = "".join(r.text.partition("--hash")[0].rstrip(" \\") + "\n" for r in requirements)
        wheels.run_uv(
            ["pip", "compile", "--quiet", "--no-deps", "--no-header", "--format", "pylock.toml",
             "--output-file", str(out), "--python-version", interpreter.version,
             "--python-platform", interpreter.platform, "requirements.in"],
            Path(temporary), {"requirements.in": plain.encode()}, offline=offline,
        )  # fmt: skip
        document = tomllib.loads(out.read_text(encoding="utf-8"))
    return {normal_name(package["name"]): package for package in document.get("packages", ())}


def _download(url: str, requirement: Requirement, *, offline: bool) -> bytes:
    """The file at ``url`` when it has one of the locked hashes; kept in the user's cache."""
    for sha256 in requirement.hashes:
        kept = _cache() / sha256
        if kept.is_file() and hashlib.sha256(known := kept.read_bytes()).hexdigest() == sha256:
            return known
    scheme = urlsplit(url).scheme
    if scheme not in {"https", "http", "file"} or (offline and scheme != "file"):
        raise ImageBuildError(
            f"{requirement.name}: cannot fetch its sdist from a {scheme!r} address" + (" offline" if offline else ""),
            hint="run once without --offline; the sdist is then kept in the user's cache",
        )
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            data: bytes = answer.read(_MAX_SDIST + 1)
    except (urllib.error.URLError, OSError) as error:
        raise ImageBuildError(f"{requirement.name}: cannot fetch its sdist: {error}") from error
    actual = hashlib.sha256(data).hexdigest()
    if actual not in requirement.hashes:
        raise ImageBuildError(
            f"{requirement.name}: got sha256:{actual}, expected {' or '.join(requirement.hashes)}",
            hint="the index serves another file than was locked",
        )
    fsops.make_dir(_cache())
    fsops.write_bytes(_cache() / actual, data)
    return data


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "replay" / "sdists"
