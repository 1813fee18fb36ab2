"""Read a hash-locked requirements file: what pip and uv call ``--require-hashes``."""

from __future__ import annotations

import re

import msgspec

from replay.errors import ConfigError

HINT = "make it with `uv pip compile --generate-hashes --no-emit-index-url --no-emit-find-links -o requirements.lock …`"
_HASH = re.compile(r"--hash[=\s]sha(256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})")
_NAME = re.compile(r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[[^]]*\])?\s*(?P<pin>==|@|$|\s|;|[<>=!~])")
_HARMLESS = ("--require-hashes", "--only-binary", "--prefer-binary", "--no-deps")
_MAX_BYTES = 16 << 20


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """One locked package."""

    name: str
    """Normalised: lower case, ``-`` for every run of ``-_.``."""
    text: str
    """The whole line, hashes included, continuations joined."""
    hashes: tuple[str, ...]
    """The SHA-256 ones, hex."""


def check_lock(data: bytes, origin: str) -> tuple[Requirement, ...]:
    """The requirements of a lock, in its order.

    Raises:
        ConfigError: It is no text, holds a requirement without a hash or without a fixed version, includes another
            file, or names an index: where packages come from is the machine's own configuration, their hashes decide.
    """
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{origin}: got {len(data)} bytes, expected a requirements file of at most {_MAX_BYTES}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{origin}: no UTF-8 text: {error}", hint=HINT) from error
    found, issues = [], []
    for number, line in _logical_lines(text):
        if line.startswith("-"):
            if not line.startswith(_HARMLESS):
                issues.append(f"line {number}: got the option {line.split()[0].partition('=')[0]}, expected none")
            continue
        issue = _issue(line)
        if issue:
            issues.append(f"line {number}: {line.partition('--hash')[0].strip()[:80]!r} {issue}")
        else:
            found.append(_requirement(line))
    if issues:
        more = f" (and {len(issues) - 3} more)" if len(issues) > 3 else ""
        raise ConfigError(f"{origin} is no lock: " + "; ".join(issues[:3]) + more, hint=HINT)
    return tuple(found)


def has_hashes(data: bytes) -> bool:
    """Whether the file means to be a lock: any requirement has a hash."""
    return b"--hash" in data


def normal_name(name: str) -> str:
    """A package name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _requirement(line: str) -> Requirement:
    name = _NAME.match(line)
    assert name is not None  # _issue saw one
    hashes = tuple(h.removeprefix("256:") for h in _HASH.findall(line) if h.startswith("256:"))
    return Requirement(name=normal_name(name["name"]), text=line, hashes=hashes)


def _issue(line: str) -> str:
    name = _NAME.match(line)
    if name is None:
        return "is no requirement"
    if name["pin"] not in {"==", "@"}:
        return "has no fixed version (==)"
    return "" if _HASH.search(line) else "has no --hash=sha256:…"


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Number and text of each line, continuations joined, comments and blanks dropped."""
    lines: list[tuple[int, str]] = []
    open_line: tuple[int, str] | None = None
    for number, raw in enumerate(text.splitlines(), start=1):
        line = re.sub(r"(^|\s)#.*$", "", raw).rstrip() if not raw.rstrip().endswith("\\") else raw.rstrip()
        if open_line is not None:
            line = f"{open_line[1]} {line.strip()}"
        start = open_line[0] if open_line is not None else number
        if line.endswith("\\"):
            open_line = (start, line[:-1].rstrip())
            continue
        open_line = None
        if line.strip():
            lines.append((start, line.strip()))
    if open_line is not None and open_line[1].strip():
        lines.append((open_line[0], open_line[1].strip()))
    return lines
