"""Says what a failed step's log points to: an undeclared input, or the network. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

_NETWORK = re.compile(
    r"ENETUNREACH|Network is unreachable|EAI_AGAIN|EAI_NONAME|Temporary failure in name resolution|"
    r"Name or service not known|getaddrinfo|gaierror|No address associated with hostname|Could not resolve host|"
    r"NameResolutionError|bad address|Errno 101\b|nodename nor servname",
    re.IGNORECASE,
)
_ABSENT = re.compile(
    r"No such file|FileNotFound|does not exist|doesn't exist|not found|cannot (?:open|stat|access|find)|can't open|"
    r"Unable to (?:open|find)|could not (?:open|find)|ModuleNotFoundError|No module named|ENOENT",
    re.IGNORECASE,
)
_READ_ONLY = re.compile(r"(?:Permission denied|Read-only file system|EACCES|EROFS)[^'\"\n]*['\"]([^'\"\n]{1,300})['\"]")
_SPACE = re.compile(r"No space left on device|ENOSPC|Errno 28\b")
_WORD = re.compile(r"[^\s'\"`<>|:;,()\[\]{}=]+")
_MODULE = re.compile(r"No module named ['\"]([\w.]+)['\"]")


def explain(log: str, *, step: str, known: Collection[str], declared: Collection[str], directory: str = "") -> str:
    """One sentence for each thing that the last lines of a failed step's log point to; empty when nothing is known.

    Args:
        log: The last lines.
        step: The step's name.
        known: Paths of the repository and of artifacts, relative to the workflow's directory.
        declared: The step's inputs and outputs; files below a declared directory count as declared.
        directory: The workflow's directory in the tree that the step sees at ``/work``.
    """
    found = [
        f"{path} exists in the repository but is not a declared input of step {step}; add it to deps"
        for path in _undeclared(log, set(known), declared, directory)
    ]
    if _NETWORK.search(log):
        found.append("it tried to use the network, which is off in a replay; declare what it needs as an input")
    denied = _READ_ONLY.search(log)
    if denied and not _covered(_relative(denied[1], directory), declared):
        found.append(f"it tried to write {denied[1]}, which is no declared output of step {step}; add it to outs")
    if _SPACE.search(log):
        found.append("a file system was full; /tmp has half of the step's memory limit, /dev/shm its own")
    return "; ".join(found)


def _undeclared(log: str, known: set[str], declared: Collection[str], directory: str) -> list[str]:
    tops = set(declared)
    found: dict[str, None] = {}
    for line in log.splitlines():
        if not _ABSENT.search(line):
            continue
        words = [*_WORD.findall(line), *re.findall(r"['\"]([^'\"\n]{1,300})['\"]", line)]
        for module in _MODULE.findall(line):
            stem = module.replace(".", "/")
            words += [f"{stem}.py", f"{stem}/__init__.py", f"src/{stem}.py"]
        for word in words:
            path = _relative(word, directory)
            if path in known and not _covered(path, tops):
                found[path] = None
    return list(found)


def _relative(word: str, directory: str) -> str:
    prefix = f"/work/{directory}/" if directory else "/work/"
    parts: list[str] = []
    for part in word.removeprefix(prefix).split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _covered(path: str, declared: Collection[str]) -> bool:
    parts = path.split("/")
    return any("/".join(parts[:length]) in declared for length in range(1, len(parts) + 1))
