"""A small, complete recipe for tests."""

from __future__ import annotations

from replay.identity import Digests
from replay.recipe import (
    Artifact,
    Code,
    ConfigSnapshot,
    Environment,
    EnvironmentKind,
    Grade,
    Image,
    Judgement,
    Machine,
    Output,
    OutputRole,
    Package,
    PathKind,
    Recipe,
    Resources,
    Seed,
    Step,
    Storage,
    Tolerance,
)


def digests(letter: str) -> Digests:
    return Digests(sha256=letter * 64, blake3=letter * 64, md5=letter * 32)


def artifact(path: str, letter: str, storage: Storage = Storage.DVC) -> Artifact:
    return Artifact(path=path, kind=PathKind.FILE, size=10, files=1, digests=digests(letter), storage=storage)


def output(path: str, letter: str, role: OutputRole = OutputRole.DATA, **judgement: object) -> Output:
    return Output(
        artifact=artifact(path, letter), role=role, judgement=Judgement(**{"comparator": "bytes", **judgement})
    )


def a_step(name: str, inputs: tuple[Artifact, ...], outputs: tuple[Output, ...]) -> Step:
    return Step(
        name=name,
        command=("/bin/sh", "-c", f"python3 {name}.py"),
        inputs=inputs,
        outputs=outputs,
        parameters={"params.yaml:rate": "0.1"},
        environment={"PYTHONHASHSEED": "0"},
        resources=Resources(cpus=1, memory_bytes=1 << 30),
        configs=(ConfigSnapshot(name="config", unresolved="seed: 7\n", resolved="seed: 7\n"),),
        seeds=(Seed(name="seed", value="7", place="config config"),),
    )


def a_recipe() -> Recipe:
    prepare = a_step("prepare", (artifact("data/raw.csv", "a"),), (output("out/clean.csv", "b"),))
    train = a_step(
        "train",
        (artifact("out/clean.csv", "b"),),
        (
            output(
                "out/metrics.json",
                "d",
                OutputRole.METRICS,
                comparator="metrics",
                tolerance=Tolerance(relative=(1e-6).hex()),
                owner="model risk",
                reason="last bits",
            ),
            output("out/model.txt", "c", OutputRole.MODEL),
        ),
    )
    image = Image(config="sha256:" + "1" * 64, layers=("sha256:" + "2" * 64,), platform="linux/amd64", origin="local")
    return Recipe(
        name="momentum",
        version=1,
        model="out/model.txt",
        profile="pinned",
        code=Code(commit="0" * 40, tree="1" * 40),
        environment=Environment(
            kind=EnvironmentKind.IMAGE, image=image, packages=(Package(system="python", name="numpy", version="2.4.6"),)
        ),
        machine=Machine(cpu_model="cpu", cpu_flags=("avx2",), cpus=2, memory_bytes=1 << 33, kernel="6.1"),
        steps=(prepare, train),
        grade=Grade.A,
    )
