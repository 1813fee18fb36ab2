"""What the recipe pins, as labelled facts for the page; what the record does not know is said to be unknown."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from replay.outcome import ReplayResult
from replay.recipe import Artifact, ConfigSnapshot, Machine, PathKind, Recipe, Step, Storage
from replay.report.words import GRADES, plural, size


class Value(msgspec.Struct, frozen=True):
    """One value of a fact; ``style`` is ``plain``, ``digest``, ``mono``, ``unknown`` or ``warn``."""

    text: str
    style: str = "plain"
    after: str = ""
    """A remark behind it, e.g. where a seed was found."""


class Fact(msgspec.Struct, frozen=True):
    """A label with its values."""

    label: str
    values: tuple[Value, ...]


class Group(msgspec.Struct, frozen=True):
    """Facts that belong together."""

    title: str
    facts: tuple[Fact, ...]


class Source(msgspec.Struct, frozen=True):
    """An input that no step makes: data, or a file of the code version."""

    artifact: Artifact
    steps: tuple[str, ...]
    amount: str


class Line(msgspec.Struct, frozen=True):
    """One line of a configuration, and whether resolving changed it."""

    text: str
    changed: bool


class Config(msgspec.Struct, frozen=True):
    """A Hydra configuration before and after its interpolations were resolved."""

    step: str
    snapshot: ConfigSnapshot
    unresolved: tuple[Line, ...]
    resolved: tuple[Line, ...]


UNKNOWN = Value("unknown", "unknown")
MAX_CONFIG_LINES = 400


def _one(label: str, text: str | None, style: str = "plain", after: str = "") -> Fact:
    return Fact(label, (Value(text, style, after) if text else UNKNOWN,))


def _many(label: str, values: Iterable[Value], empty: Value = UNKNOWN) -> Fact:
    return Fact(label, tuple(values) or (empty,))


def groups(result: ReplayResult, recipe: Recipe) -> tuple[Group, ...]:
    """Everything that the recipe pins, in the order in which an examiner asks for it."""
    return (
        _identity(recipe),
        _code(recipe),
        _environment(result, recipe),
        _seeds(recipe),
        _machine(recipe.machine),
        _engine(result),
    )


def _identity(recipe: Recipe) -> Group:
    return Group(
        "Model and recipe",
        (
            _one("model version", recipe.model_id, "mono"),
            _one("model artifact", recipe.model, "mono"),
            _one("recipe id", recipe.recipe_id, "digest"),
            _one("recipe schema", recipe.schema_version, "mono"),
            _one("determinism profile", recipe.profile, "mono"),
            _one("grade", recipe.grade.value, "plain", GRADES[recipe.grade]),
        ),
    )


def _code(recipe: Recipe) -> Group:
    code = recipe.code
    patch = Value(code.patch, "digest", "sha256 of the uncommitted diff") if code.patch else Value("none")
    return Group(
        "Code",
        (
            _one("commit", code.commit, "digest"),
            _one("tree", code.tree, "digest"),
            _one("remote", code.url, "mono"),
            _one("directory", code.directory or "the repository's root", "mono" if code.directory else "plain"),
            Fact("uncommitted changes", (patch,)),
        ),
    )


def _environment(result: ReplayResult, recipe: Recipe) -> Group:
    environment = recipe.environment
    image = environment.image
    facts = [
        _one("image that ran when recorded", image.config, "digest", image.platform),
        _many("its layers", (Value(layer, "digest") for layer in image.layers)),
        _many("registry digests", (Value(d, "mono") for d in image.repo_digests), Value("none: never in a registry")),
        _one("where it came from", image.origin),
        _one("how it is made", environment.kind.value),
    ]
    if environment.base:
        facts.append(_one("base image", environment.base.config, "digest", environment.base.origin))
    if environment.lock:
        facts.append(_one("lock", environment.lock, "mono"))
        facts.append(_one("lock sha256", environment.lock_sha256, "digest"))
    for label, text in (("installer", environment.installer), ("Dockerfile", environment.dockerfile)):
        if text:
            facts.append(_one(label, text, "mono"))
    python = sum(p.system == "python" for p in environment.packages)
    system = len(environment.packages) - python
    inventory = f"{python} of Python, {system} of the system" if environment.packages else None
    digest, _, how = result.image.replace(",", " ").partition(" ")
    facts += [_one("packages", inventory), _one("image of this replay", digest, "digest", how.strip())]
    return Group("Environment", tuple(facts))


def _seeds(recipe: Recipe) -> Group:
    found: dict[tuple[str, str, str], list[str]] = {}
    for step in recipe.steps:
        for seed in step.seeds:
            found.setdefault((seed.name, seed.value, seed.place), []).append(step.name)
    missing = [Value(what, "warn", f"in step {step.name}") for step in recipe.steps for what in step.seeds_missing]
    values = (
        Value(f"{name} = {value}", "mono", f"{place}, for {', '.join(steps)}")
        for (name, value, place), steps in found.items()
    )
    return Group(
        "Randomness",
        (
            _many("seeds found", values, Value("none", "warn")),
            _many("seeds NOT found", missing, Value("none: every known source of randomness has a seed")),
        ),
    )


def _machine(machine: Machine) -> Group:
    blas = (
        Value(" ".join(p for p in (b.library, b.version, b.architecture) if p), "mono", plural(b.threads, "thread"))
        for b in machine.blas
    )
    flags = [f for f in machine.cpu_flags if f.startswith(("avx", "sse4", "fma", "amx", "bmi"))]
    others = len(machine.cpu_flags) - len(flags)
    visible = f"{plural(machine.cpus, 'CPU')} visible" if machine.cpus else "nobody watched the run"
    return Group(
        "Machine of the record",
        (
            _one("CPU", machine.cpu_model, "plain", visible),
            _one("CPU features", " ".join(flags), "mono", f"and {others} more" if others else ""),
            _one("memory", size(machine.memory_bytes) if machine.memory_bytes else None),
            _one("kernel", machine.kernel, "mono"),
            _one("C library", machine.libc, "mono"),
            _one("Python", machine.python, "mono"),
            _one("numpy", machine.numpy, "mono", " ".join(machine.numpy_dispatch)),
            _many("thread pools", blas),
        ),
    )


def _engine(result: ReplayResult) -> Group:
    facts = tuple(_one(name, text, "mono") for name, text in result.engine.items())
    return Group("Engine of this replay", facts or (Fact("versions", (UNKNOWN,)),))


def sources(recipe: Recipe) -> tuple[Source, ...]:
    """The inputs that no step makes, each once, with the steps that read it; data before code."""
    readers: dict[str, list[str]] = {}
    found: dict[str, Artifact] = {}
    for step in recipe.steps:
        for artifact in step.inputs:
            if recipe.producer(artifact.path) is None:
                found.setdefault(artifact.path, artifact)
                readers.setdefault(artifact.path, []).append(step.name)
    data_first = sorted(found.values(), key=lambda artifact: artifact.storage is Storage.GIT)
    return tuple(Source(artifact, tuple(readers[artifact.path]), _amount(artifact)) for artifact in data_first)


def _amount(artifact: Artifact) -> str:
    files = f"{plural(artifact.files, 'file')}, " if artifact.kind is PathKind.DIRECTORY else ""
    return f"{files}{size(artifact.size)}"


def configs(recipe: Recipe) -> tuple[Config, ...]:
    """Every Hydra configuration, each line marked that its resolution changed."""
    return tuple(_config(step, snapshot) for step in recipe.steps for snapshot in step.configs)


def _config(step: Step, snapshot: ConfigSnapshot) -> Config:
    before, after = (text.splitlines()[:MAX_CONFIG_LINES] for text in (snapshot.unresolved, snapshot.resolved))
    # Line sets, not an alignment: resolving changes values in place, and a quadratic diff has no place on a page.
    kept, made = set(before), set(after)
    return Config(
        step.name,
        snapshot,
        tuple(Line(line, line not in made) for line in before),
        tuple(Line(line, line not in kept) for line in after),
    )
