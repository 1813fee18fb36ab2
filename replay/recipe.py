"""The recipe: the frozen closure of a model version, everything needed to run it again and to judge the result.

Every value is immutable, holds no float (see `identity.canonical_json`) and decodes strictly: unknown fields, wrong
types, unsafe paths and oversized files are refused before anything is done with them.
"""

from __future__ import annotations

import enum
import re
from pathlib import PurePosixPath

import msgspec

from replay.errors import RecipeFormatError, StoreCorruptError
from replay.identity import Digests, canonical_json, sha256_hex

SCHEMA = "replay.recipe/1"
MAX_BYTES = 64 << 20  # a recipe of 10,000 steps is about 20 MB


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
    """CPUs that a step could see (its affinity)."""
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
    """Which source holds the recorded bytes of an artifact."""

    GIT = "git"
    """In the code version."""
    DVC = "dvc"
    """In DVC's cache and remotes, under its md5."""
    STORE = "store"
    """In the store's blobs, under its sha256."""
    NONE = "none"
    """Only its digests were kept."""


class Artifact(_Part, frozen=True, kw_only=True):
    """The recorded content of one path, relative to the workflow's directory."""

    path: str
    kind: PathKind
    size: int
    files: int
    digests: Digests
    storage: Storage


class Tolerance(_Part, frozen=True, kw_only=True):
    """How far a number may be off and still be *equivalent*; ``absolute`` and ``relative`` are ``float.hex()`` text.

    A value passes when ``|replayed − recorded| ≤ absolute + relative · |recorded|``, or when both are at most
    ``ulp`` representable doubles apart.
    """

    absolute: str | None = None
    relative: str | None = None
    ulp: int | None = None


class Judgement(_Part, frozen=True, kw_only=True):
    """How one output is judged, sealed when it was recorded."""

    comparator: str
    """A name of ``replay.compare.COMPARATORS``."""
    tolerance: Tolerance | None = None
    columns: dict[str, Tolerance] = {}
    """Tables: tolerance of single columns."""
    keys: tuple[str, ...] = ()
    """Tables: columns that identify a row; without them rows are compared in order."""
    max_pixels: int = 0
    """Images: how many pixels may differ."""
    owner: str = ""
    reason: str = ""
    volatile: bool = False
    """Expected to differ in every run: shown, and left out of the verdict."""


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
    """How completely the recipe is pinned."""

    A = "A"
    """Everything is pinned and hashed."""
    B = "B"
    """The environment must be rebuilt."""
    C = "C"
    """Code and data only."""
    D = "D"
    """Not replayable."""


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


class RecipeFile(_Part, frozen=True, kw_only=True):
    """A recipe as it lies in a file: with its own id, so that one flipped bit anywhere is noticed."""

    recipe_id: str
    recipe: Recipe


def encode(recipe: Recipe) -> bytes:
    """The bytes of a recipe file: canonical JSON and a newline."""
    return canonical_json(RecipeFile(recipe_id=recipe.recipe_id, recipe=recipe)) + b"\n"


def decode(data: bytes, origin: str) -> Recipe:
    """Decode an untrusted recipe file.

    Raises:
        RecipeFormatError: Too large, no JSON, a float, an unknown field, a wrong type, an unknown schema version, an
            unsafe path, or a digest that is none. The message names the place.
        StoreCorruptError: The content is not the one its id was taken from.
    """
    if len(data) > MAX_BYTES:
        raise RecipeFormatError(f"{origin}: got {len(data)} bytes, expected at most {MAX_BYTES}")
    try:
        file = msgspec.json.decode(data, type=RecipeFile)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RecipeFormatError(
            f"{origin}: no recipe: {error}", hint="`replay schema recipe` prints the JSON Schema"
        ) from error
    recipe = file.recipe
    if recipe.schema_version != SCHEMA:
        raise RecipeFormatError(
            f"{origin}: got schema version {recipe.schema_version!r}, expected {SCHEMA!r}",
            hint="a newer release of replay may read it",
        )
    issues = _issues(recipe)
    if issues:
        raise RecipeFormatError(f"{origin}: " + "; ".join(issues))
    if encode(recipe) != data or recipe.recipe_id != file.recipe_id:
        raise StoreCorruptError(
            f"{origin}: the recipe was changed after it was frozen: its content has the id {recipe.recipe_id[:12]}…, "
            f"the file says {file.recipe_id[:12]!r}…",
            hint="restore the file from version control, or freeze it again with `replay record`",
        )
    return recipe


_HEX = {"sha256": 64, "blake3": 64, "md5": 32}
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_IMAGE = re.compile(r"sha256:[0-9a-f]{64}")


def _issues(recipe: Recipe) -> list[str]:
    found = [
        f"code: got {i!r}, expected a full hex id"
        for i in (recipe.code.commit, recipe.code.tree)
        if not _COMMIT.fullmatch(i)
    ]
    found += _unsafe("code.directory", recipe.code.directory, empty=True)
    for image in filter(None, (recipe.environment.image, recipe.environment.base)):
        found += [
            f"environment: got {d!r}, expected sha256:…"
            for d in (image.config, *image.layers)
            if not _IMAGE.fullmatch(d)
        ]
    for path in filter(None, (recipe.environment.lock, recipe.environment.dockerfile)):
        found += _unsafe("environment", path)
    if len({step.name for step in recipe.steps}) != len(recipe.steps):
        found.append("steps: two steps have one name")
    if recipe.producer(recipe.model) is None:
        found.append(f"model: {recipe.model!r} is no output of any step")
    for step in recipe.steps:
        found += _unsafe(f"steps.{step.name}.directory", step.directory, empty=True)
        for artifact in (*step.inputs, *(o.artifact for o in step.outputs)):
            found += _unsafe(f"steps.{step.name}", artifact.path)
            found += _bad_digests(f"steps.{step.name}.{artifact.path}", artifact.digests)
    return found


def _bad_digests(place: str, digests: Digests) -> list[str]:
    given = {"sha256": digests.sha256, "blake3": digests.blake3, "md5": digests.md5.removesuffix(".dir")}
    return [
        f"{place}: got {v!r}, expected {_HEX[k]} hex digits of {k}"
        for k, v in given.items()
        if len(v) != _HEX[k] or not set(v) <= set("0123456789abcdef")
    ]


def _unsafe(place: str, path: str, *, empty: bool = False) -> list[str]:
    pure = PurePosixPath(path)
    plain = path == str(pure) if path else empty
    if not plain or path == "." or pure.is_absolute() or ".." in pure.parts or "\0" in path:
        return [f"{place}: got the path {path!r}, expected a plain relative path without '..'"]
    if pure.parts and pure.parts[0] in {".git", ".replay"}:
        return [f"{place}: the path {path!r} lies inside {pure.parts[0]!r}"]
    return []
