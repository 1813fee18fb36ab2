"""Every error this package raises, one branch for each step of the flow.

    ReplayError                         the root; ``hint`` says what to try next
    ├─ UsageError                       a wrong argument, option or file given by the user
    │  ├─ ConfigError                   conf/, replay.yaml or an override is wrong
    │  └─ RecipeFormatError             a recipe file that cannot be decoded
    ├─ PolicyError                      refused: a looser tolerance, a secret, a path out of bounds
    ├─ StoreError                       the lineage database, the blobs or the journal
    │  ├─ StoreCorruptError             recorded bytes no longer have their digest
    │  ├─ StoreBusyError                another process holds the store
    │  ├─ CommitLostError               the connection broke while a commit was under way
    │  └─ AttachedStoreError            another team's store cannot be read
    ├─ RecordError                      a run could not be recorded
    │  └─ DirtyTreeError                uncommitted changes where none are allowed
    ├─ ResolveError                     the lineage could not be walked
    │  └─ NotRecordedError              nothing is recorded that a name means
    │     └─ ModelNotFoundError         no such model version; the hint has near matches
    ├─ FreezeError                      the lineage has no complete recipe
    ├─ FetchError                       code or data could not be brought
    │  ├─ SourceNotFoundError           every source was asked, none has it
    │  ├─ SourceUnreachableError        a source did not answer; a retry may help
    │  └─ DigestMismatchError           the bytes are not the recorded ones
    ├─ RebuildError                     the environment could not be made
    │  ├─ ImageUnavailableError         neither the image nor what it was made from is left
    │  └─ ImageBuildError               a build ran and failed
    ├─ ExecuteError                     a step could not be executed
    │  ├─ EngineUnavailableError        no Docker Engine answers
    │  └─ WorkflowFailedError           the workflow itself failed (exit, OOM, timeout, signal)
    ├─ CompareError                     an output could not be read for comparison
    └─ InterruptedReplayError           stopped by a signal; partial evidence is kept

A difference between a record and a replay is data (see ``outcome``), never an error. Which exit code belongs to
which error is known to ``cli`` alone.
"""

from __future__ import annotations


class ReplayError(Exception):
    """Root of every error raised by this package.

    Attributes:
        hint: What the user can do next, or ``None``.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(ReplayError):
    """An argument, option or file given by the user is wrong."""


class ConfigError(UsageError):
    """A value in conf/, in replay.yaml or in an override is wrong."""


class RecipeFormatError(UsageError):
    """A recipe file cannot be decoded: size, JSON, schema, unknown field, unsafe path."""


class PolicyError(ReplayError):
    """The request is understood and refused."""


class StoreError(ReplayError):
    """The lineage database, the blobs or the journal cannot be read or written."""


class StoreCorruptError(StoreError):
    """Recorded bytes no longer have the digest under which they were recorded."""


class StoreBusyError(StoreError):
    """Another process holds the store; a retry may help."""


class CommitLostError(StoreError):
    """The connection broke while a commit was under way: only the database knows whether it took place."""


class AttachedStoreError(StoreError):
    """An attached store cannot be read; one's own is not concerned.

    Attributes:
        name: What it is called here.
    """

    def __init__(self, message: str, *, name: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.name = name


class RecordError(ReplayError):
    """A run could not be recorded."""


class DirtyTreeError(RecordError):
    """The work tree has uncommitted changes."""


class ResolveError(ReplayError):
    """The lineage of a model version could not be walked."""


class NotRecordedError(ResolveError):
    """Nothing is recorded that a name means."""


class ModelNotFoundError(NotRecordedError):
    """The record has no such model version."""


class FreezeError(ReplayError):
    """The lineage does not hold what a recipe needs."""


class FetchError(ReplayError):
    """Code or data could not be brought."""


class SourceNotFoundError(FetchError):
    """Every source was asked and none holds the recorded version."""


class SourceUnreachableError(FetchError):
    """A source did not answer; a retry may help."""


class DigestMismatchError(FetchError):
    """The bytes of a source are not the recorded ones.

    Attributes:
        expected: The recorded digest, as ``algorithm:hex``.
        actual: The digest of the bytes found.
    """

    def __init__(self, message: str, *, expected: str, actual: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.expected = expected
        self.actual = actual


class RebuildError(ReplayError):
    """The recorded environment could not be made."""


class ImageUnavailableError(RebuildError):
    """Neither the image nor what it was made from is left."""


class ImageBuildError(RebuildError):
    """An image build ran and failed."""


class ExecuteError(ReplayError):
    """A step could not be executed."""


class EngineUnavailableError(ExecuteError):
    """No Docker Engine answers."""


class WorkflowFailedError(ExecuteError):
    """The workflow itself failed while it was being recorded.

    Attributes:
        log: The last lines of the step's log.
    """

    def __init__(self, message: str, *, log: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.log = log


class CompareError(ReplayError):
    """An output could not be read for comparison."""


class InterruptedReplayError(ReplayError):
    """Stopped by a signal; containers are removed and partial evidence is kept.

    Attributes:
        signum: The signal's number, when one is known; the exit code is 128 more.
    """

    def __init__(self, message: str, *, signum: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.signum = signum
