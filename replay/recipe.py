"""The recipe: the frozen closure of a model version, everything needed to run it again and to judge the result.

Every value is immutable and holds no float (see `identity.canonical_json`). How a recipe lies in a file, and what is
refused there, is in `recipe_file`.
"""

from __future__ import annotations

import enum

import msgspec

from replay.identity import Digests, canonical_json, sha256_hex
from replay.judgement import Judgement as Judgement
from replay.judgement import Tolerance as Tolerance

SCHEMA = "replay.recipe/1"


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every part of a recipe."""


class Code(_Part, frozen=True, kw_only=True):
    """The code version: full hex ids; ``tree`` is the tree of ``commit`` and is verified when code is fetched."""

    commit: str
    tree: str
    url: str | None = None
    """The remote's URL at recording, credentials stripped."""
    directory: str = ""
    """Where the workflow lies inside the repository; empty for its root."""
    patch: str | None = None
    """SHA-256 of the uncommitted diff, kept as a blob, when a dirty tree was recorded."""


class Image(_Part, frozen=True, kw_only=True):
    """A container image by content: ``config`` and ``layers`` (diff ids, in order) are ``sha256:…``."""

    config: str
    layers: tuple[str, ...]
    platform: str
    repo_digests: tuple[str, ...] = ()
    origin: str = ""
    """Where it came from when recorded: ``local``, ``pulled NAME`` or ``bootstrapped SUITE``."""


class Package(_Part, frozen=True, kw_only=True):
    """One installed package; ``system`` is ``deb``, ``apk``, ``conda`` or ``python``."""

    system: str
    name: str
    version: str


class EnvironmentKind(enum.StrEnum):
    """How the image of the steps is made."""

    IMAGE = "image"
    LOCKED = "locked"
    DOCKERFILE = "dockerfile"


class Environment(_Part, frozen=True, kw_only=True):
    """The software environment: the image that ran, and what it can be rebuilt from."""

    kind: EnvironmentKind
    image: Image
    base: Image | None = None
    """``locked``: the image under the wheels' layer."""
    lock: str | None = None
    """``locked``: path of the hash-locked requirements in the code version."""
    lock_sha256: str | None = None
    installer: str | None = None
    """``locked``: name and version of the installer, e.g. ``uv 0.13.9``."""
    dockerfile: str | None = None
    """``dockerfile``: its path in the code version."""
    packages: tuple[Package, ...] = ()


class Blas(_Part, frozen=True, kw_only=True):
    """One thread pool seen by threadpoolctl inside the image."""

    library: str
    version: str | None = None
    architecture: str | None = None
    threads: int


class Machine(_Part, frozen=True, kw_only=True):
    """The machine facets that decide bits, probed inside the image."""

    cpu_model: str
    cpu_flags: tuple[str, ...]
    cpus: int
    """CPUs that a step could see (its affinity); 0 when nobody watched the run, and nothing is known."""
    memory_bytes: int
    kernel: str
    libc: str = ""
    python: str = ""
    blas: tuple[Blas, ...] = ()
    numpy: str = ""
    numpy_dispatch: tuple[str, ...] = ()
    """numpy's CPU features in use."""


class Resources(_Part, frozen=True, kw_only=True):
    """The limits of a step's container."""

    cpus: int
    """CPUs the step may see: it is pinned to the first ``cpus`` ones."""
    memory_bytes: int
    shm_bytes: int = 256 << 20
    pids: int = 512
    file_bytes: int = 16 << 30
    """Largest single file a step may write."""
    timeout_seconds: int = 86_400


class PathKind(enum.StrEnum):
    """What a path names."""

    FILE = "file"
    DIRECTORY = "directory"


class Storage(enum.StrEnum):
    """Which source holds the recorded bytes: the code version, DVC (by md5), the store (by sha256), or none."""

    GIT = "git"
    DVC = "dvc"
    STORE = "store"
    NONE = "none"


class Artifact(_Part, frozen=True, kw_only=True):
    """The recorded content of one path, relative to the workflow's directory."""

    path: str
    kind: PathKind
    size: int
    files: int
    digests: Digests
    storage: Storage


class OutputRole(enum.StrEnum):
    """What an output is to the workflow."""

    MODEL = "model"
    METRICS = "metrics"
    PLOT = "plot"
    DATA = "data"


class Output(_Part, frozen=True, kw_only=True):
    """One recorded output and how a replay of it is judged."""

    artifact: Artifact
    role: OutputRole
    judgement: Judgement


class Interpolation(_Part, frozen=True, kw_only=True):
    """One ``${resolver:…}`` in a config."""

    expression: str
    resolver: str
    variable: str | None = None
    """The environment variable that ``oc.env`` read."""
    value: str | None = None
    """What the resolver gave, as text; ``None`` when it was not called or failed."""


class ConfigSnapshot(_Part, frozen=True, kw_only=True):
    """One configuration as Hydra composed it inside the container: evidence, never composed on the host."""

    name: str
    overrides: tuple[str, ...] = ()
    choices: dict[str, str] = {}
    unresolved: str
    """YAML with its interpolations."""
    resolved: str
    """YAML with every interpolation resolved."""
    interpolations: tuple[Interpolation, ...] = ()


class Seed(_Part, frozen=True, kw_only=True):
    """A seed that was found, and where."""

    name: str
    value: str
    place: str


class Step(_Part, frozen=True, kw_only=True):
    """One command of the workflow with its declared inputs and outputs."""

    name: str
    command: tuple[str, ...]
    """The argument vector; a DVC stage is ``("/bin/sh", "-c", cmd)``."""
    directory: str = ""
    """Working directory relative to the workflow's directory."""
    inputs: tuple[Artifact, ...]
    outputs: tuple[Output, ...]
    parameters: dict[str, str] = {}
    """``file:key`` → the value as JSON text."""
    environment: dict[str, str] = {}
    """Every variable the command sees beyond the image's own."""
    resources: Resources
    configs: tuple[ConfigSnapshot, ...] = ()
    seeds: tuple[Seed, ...] = ()
    seeds_missing: tuple[str, ...] = ()
    """Sources of randomness that the code uses and for which no seed was found."""


class Gap(_Part, frozen=True, kw_only=True):
    """Something the recipe needs and the record lacks or leaves floating."""

    item: str
    consequence: str
    step: str | None = None


class Grade(enum.StrEnum):
    """How completely the recipe is pinned.

    A: everything is pinned and hashed. B: the environment must be rebuilt. C: code and data only. D: not replayable.
    """

    A = "A"
    B = "B"
    C = "C"
    D = "D"


class Recipe(_Part, frozen=True, kw_only=True):
    """The frozen closure of a model version. ``recipe_id`` is the SHA-256 of its canonical JSON."""

    schema_version: str = SCHEMA
    name: str
    version: int
    model: str
    """Path of the model artifact, one of the steps' outputs."""
    profile: str
    """Determinism profile of the record: ``pinned``, ``portable-v3`` …"""
    code: Code
    environment: Environment
    machine: Machine
    steps: tuple[Step, ...]
    """In dependency order."""
    gaps: tuple[Gap, ...] = ()
    grade: Grade

    @property
    def model_id(self) -> str:
        """``name:version``."""
        return f"{self.name}:{self.version}"

    @property
    def recipe_id(self) -> str:
        """SHA-256 (hex) of the canonical JSON."""
        return sha256_hex(self.to_json())

    def to_json(self) -> bytes:
        """The canonical JSON (RFC 8785)."""
        return canonical_json(self)

    def step(self, name: str) -> Step:
        """The step called ``name``.

        Raises:
            KeyError: There is none.
        """
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    def producer(self, path: str) -> Step | None:
        """The step whose declared output is ``path``, or ``None`` for a source input."""
        return next((s for s in self.steps if any(o.artifact.path == path for o in s.outputs)), None)
