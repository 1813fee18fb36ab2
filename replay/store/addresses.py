"""What names a database on a command line or in a setting: an address of PostgreSQL, or a path. Imports no driver."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from replay.errors import UsageError

_SCHEMES = ("postgresql", "postgres")
_SECRETS = {"password", "sslpassword"}
FORM = "postgresql://USER@HOST:PORT/DATABASE"


def is_address(text: str) -> bool:
    """Whether a text names a server rather than a path."""
    return "://" in text


def problem_of(text: str) -> str:
    """What is wrong with an address, or nothing; a password in it is, and is never repeated."""
    scheme, separator, _ = text.partition("://")
    if not separator:
        return f"got no address, expected {FORM}"
    if scheme not in _SCHEMES:
        return f"got the scheme {scheme!r}, expected {FORM}"
    try:
        parts = urlsplit(text)
        secret = _SECRETS & {key for key, _ in parse_qsl(parts.query)}
    except ValueError:
        return f"got an address that cannot be read, expected {FORM}"
    if secret or ":" in parts.netloc.rpartition("@")[0]:
        return f"got an address with a password in it, expected {FORM}"
    return ""


def require_address(text: str) -> str:
    """The text, which is an address without a password.

    Raises:
        UsageError: It is none, or a password is in it.
    """
    problem = problem_of(text)
    if problem:
        raise UsageError(problem, hint=HINT)
    return text


HINT = "the password comes from PGPASSWORD, ~/.pgpass or a service file (postgresql:///?service=NAME)"
