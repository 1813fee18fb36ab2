"""What an executor is given, what it answers, and what it promises. Values and one ABC, no I/O."""

from __future__ import annotations

import abc
from pathlib import Path

import msgspec

from replay.execute.signals import Cancellation
from replay.outcome import Execution, Mode
from replay.recipe import ConfigSnapshot, Machine, Step


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every value here."""


class HostFacts(_Part, frozen=True, kw_only=True):
    """What a machine has to offer."""

    cpu_model: str
    cpu_flags: tuple[str, ...]
    cpus: int
    memory_bytes: int
    kernel: str
    architecture: str


class Staged(_Part, frozen=True, kw_only=True):
    """A step's tree on this machine; every path in it is relative to the tree, not to the workflow's directory.

    ``dest/work`` becomes ``/work``, ``dest/hook`` becomes ``/replay/hook``, ``dest/out`` becomes ``/replay/out``.
    """

    dest: Path
    directory: str
    """Where the workflow lies in the tree; empty for its root."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    known: dict[str, frozenset[str]]
    """Each directory that the step may write in → the names that were there before."""

    @property
    def work(self) -> Path:
        """The tree that the step sees at ``/work``."""
        return self.dest / "work"

    @property
    def hook(self) -> Path:
        """What is first on the step's ``PYTHONPATH``."""
        return self.dest / "hook"

    @property
    def out(self) -> Path:
        """Where the hook leaves what it saw."""
        return self.dest / "out"


class StepRun(_Part, frozen=True, kw_only=True):
    """One step, ready to run."""

    step: Step
    image: str
    """What the engine calls the image: ``sha256:…``, never a tag."""
    staged: Staged
    mode: Mode
    log_path: Path
    """Where the log is kept; its directory is there, and it is none that a container sees."""
    replay_id: str
    environment: dict[str, str] = {}
    """What is set on top of the step's own environment: see ``determinism.restoration``."""
    known_paths: frozenset[str] = frozenset()
    """Files of the repository and artifacts, relative to the workflow's directory: for naming undeclared inputs."""


class StepResult(_Part, frozen=True, kw_only=True):
    """What a run left behind."""

    execution: Execution
    tree: Path
    """Where what the step left in ``/work`` lies on this machine; untrusted, see ``collect``."""
    refused: dict[str, str] = {}
    """Entries that came over the engine's API and were not written: path → what they are."""
    configs: tuple[ConfigSnapshot, ...] = ()
    notes: tuple[str, ...] = ()


class Executor(abc.ABC):
    """Runs one step at a time per thread; several threads may share one executor."""

    cancellation: Cancellation
    """Asks every running step to stop."""

    @abc.abstractmethod
    def run(self, run: StepRun) -> StepResult:
        """Run a step to its end; nothing of it is left on the engine afterwards, whatever happens.

        A step that fails is a value (``execution.ending``).

        Raises:
            EngineUnavailableError: The engine does not answer, or went away meanwhile.
            ExecuteError: The container could not be made or started, or the disk is full.
            InterruptedReplayError: A signal or `cancellation` stopped it.
        """

    @abc.abstractmethod
    def probe(self, image: str, *, cpus: int, environment: dict[str, str]) -> Machine:
        """The machine as a step in this image, with this environment, sees it.

        Raises:
            ExecuteError: The probe failed, or answered nonsense.
        """

    @abc.abstractmethod
    def sweep(self) -> tuple[str, ...]:
        """Remove what dead processes left on the engine; the names of what was removed."""
