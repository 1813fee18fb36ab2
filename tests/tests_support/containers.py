"""A small workshop for tests that run real steps in real containers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from replay.execute.collect import Collected, collect
from replay.execute.container import DockerExecutor
from replay.execute.interface import StepResult, StepRun
from replay.execute.staging import stage
from replay.outcome import Mode
from replay.progress import Silent
from replay.rebuild.base import obtain_base
from replay.rebuild.interface import BaseSpec, BootstrapSpec
from replay.recipe import PathKind, Resources, Step

if TYPE_CHECKING:
    from docker import DockerClient

TEST_LABEL = os.environ.setdefault("REPLAY_TEST_LABEL", f"rp_test_{os.getpid()}")
"""Of this test process and of the processes that it starts: others run at the same time."""


def base_image(client: DockerClient) -> str:
    """The id of the base image that conf/ names: a Debian with Python 3."""
    conf = Path(__file__).resolve().parents[2] / "conf" / "environment" / "default.yaml"
    plain = yaml.safe_load(conf.read_text())["base"]
    bootstrap = BootstrapSpec(suite=plain["bootstrap"]["suite"], packages=tuple(plain["bootstrap"]["packages"]))
    spec = BaseSpec(name=plain["name"], bootstrap=bootstrap, pull_seconds=plain["pull_seconds"])
    return obtain_base(client, spec, Silent()).config


def resources(**changed: Any) -> Resources:
    return Resources(**{"cpus": 1, "memory_bytes": 256 << 20, "timeout_seconds": 60, **changed})


def step(command: str, **changed: Any) -> Step:
    values: dict[str, Any] = {"name": "train", "inputs": (), "outputs": (), "resources": resources()}
    return Step(command=("/bin/sh", "-c", command), **(values | changed))


class Workshop:
    """Stages, runs and collects one step at a time below one directory."""

    def __init__(self, root: Path, client: DockerClient, image: str, transport: str) -> None:
        self.root, self.client, self.image = root, client, image
        remote = transport == "remote"  # then nothing is mounted, although this engine could
        self.executor = DockerExecutor(client, transport="auto" if remote else transport, remote=remote)
        self._count = 0

    def prepare(
        self,
        command: str,
        *,
        files: Mapping[str, str] | None = None,
        inputs: Mapping[str, str | Path] | None = None,
        outputs: Sequence[str] = (),
        directory: str = "",
        known_paths: frozenset[str] = frozenset(),
        **changed: Any,
    ) -> StepRun:
        """A staged step: ``files`` is the code version, ``inputs`` path → text, or a file or directory on this disk."""
        self._count += 1
        home = self.root / f"run{self._count}"
        (home / "tree").mkdir(parents=True)
        (home / "evidence").mkdir()
        _write(home / "tree", files or {})
        placed = {}
        for path, content in (inputs or {}).items():
            if isinstance(content, str):
                _write(home / "inputs", {path: content})
            placed[path] = content if isinstance(content, Path) else home / "inputs" / path
        made = step(command, **changed)
        staged = stage(home / "tree", placed, list(outputs), directory, home / "stage", cwd=made.directory)
        return StepRun(
            step=made, image=self.image, staged=staged, mode=Mode.ISOLATED, log_path=home / "step.log",
            replay_id=TEST_LABEL, known_paths=known_paths,
        )  # fmt: skip

    def run(self, command: str, **options: Any) -> StepResult:
        return self.executor.run(self.prepare(command, **options))

    def collect(self, command: str, outputs: Mapping[str, PathKind | None], **options: Any) -> Collected:
        run = self.prepare(command, outputs=list(outputs), **options)
        result = self.executor.run(run)
        assert result.execution.ending == "succeeded", result.execution
        evidence = run.staged.dest.parent / "evidence"
        return collect(result, run.staged.known, run.staged.directory, outputs, evidence)


def _write(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        (root / path).chmod(0o444)


@contextlib.contextmanager
def docker_client() -> Iterator[DockerClient]:
    from docker import from_env

    client = from_env(version="auto")
    try:
        yield client
    finally:
        client.close()


def leftovers(client: DockerClient, replay_id: str = TEST_LABEL) -> list[str]:
    """Containers and volumes of ours that are still there, sorted."""
    chosen = {"label": f"replay.run={replay_id}"}
    volumes = client.api.volumes(filters=chosen).get("Volumes") or []
    containers = client.api.containers(all=True, filters=chosen)
    return sorted([c["Id"] for c in containers] + [v["Name"] for v in volumes])  # the engine names volumes in any order
