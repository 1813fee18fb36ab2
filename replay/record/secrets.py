"""Detectors for secrets in what is about to be recorded. A record is kept for years and shown to others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from replay.errors import PolicyError

_DETECTORS = {
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "a GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"),
    "a Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "a JSON Web Token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    "a Google API key": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "a password in a URL": re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s:@]+@"),
    "a password": re.compile(
        r"(?i)\b(?:password|passwd|secret|api_?key|access_?token|auth_?token)\b['\"]?\s*[:=]\s*['\"]?(?!null|none|\$\{|<|\*)"
        r"[^\s'\",;]{6,}"
    ),
}


def refuse_secrets(places: Mapping[str, str | Iterable[str]]) -> None:
    """Look for secrets in named texts.

    Raises:
        PolicyError: One was found; the message names the place and the kind, never the secret.
    """
    found = [
        f"{place}: looks like {kind}"
        for place, texts in places.items()
        for kind, pattern in _DETECTORS.items()
        if any(pattern.search(text) for text in ([texts] if isinstance(texts, str) else texts))
    ]
    if found:
        raise PolicyError(
            "refused to record a secret: " + "; ".join(found),
            hint="give secrets to the workflow by a file that is not declared as an input; nothing was recorded",
        )
