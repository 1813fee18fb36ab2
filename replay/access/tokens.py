"""Signed tokens (JWT): who asks, as somebody says whose public key is trusted. The only importer of jwt.

A token is never printed, not even part of it.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replay.access.rules import IdentityRule
from replay.acting import Asker
from replay.errors import PolicyError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    Key = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey

VARIABLE, FILE_VARIABLE = "REPLAY_TOKEN", "REPLAY_TOKEN_FILE"
MAX_BYTES = 64 << 10
_LEAST_RSA_BITS = 2048
_HOW = f"put a token into {VARIABLE}, or its file's name into {FILE_VARIABLE}"
_KEYS = "a public key in PEM: Ed25519 (EdDSA), P-256 (ES256), or RSA of 2048 bits and more (RS256)"


def given(environment: Mapping[str, str] = os.environ) -> str:
    """The token that this process was given.

    Raises:
        PolicyError: There is none, or its file cannot be read.
    """
    if token := environment.get(VARIABLE, "").strip():
        return _sized(token, VARIABLE)
    if not (name := environment.get(FILE_VARIABLE, "")):
        raise PolicyError("a signed token is wanted here, and there is none", hint=_HOW)
    try:
        with Path(name).open("rb") as file:
            token = file.read(MAX_BYTES + 1).decode("ascii").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is no token"
        raise PolicyError(f"{FILE_VARIABLE}: {name}: {reason}", hint=_HOW) from error
    return _sized(token, FILE_VARIABLE)


def _sized(token: str, place: str) -> str:
    if not token or len(token) > MAX_BYTES:
        raise PolicyError(f"{place}: got {len(token)} characters, expected a token of at most {MAX_BYTES}", hint=_HOW)
    return token


def verified(token: str, rule: IdentityRule) -> Asker:
    """Who the token says that asks.

    Raises:
        PolicyError: It is expired, signed by nobody who is trusted, meant for somebody else, or no token.
        UsageError: A trusted key cannot be read.
    """
    import jwt

    trusted = [(key, algorithm_of(key)) for key in map(key_of, rule.keys)]
    known = sorted({algorithm for _, algorithm in trusted if algorithm in rule.algorithms})
    try:
        signed_with = str(jwt.get_unverified_header(token).get("alg"))
    except jwt.PyJWTError as error:
        raise _refused("it is no JWT") from error
    if signed_with not in known:
        expected = " or ".join(known) or "one of a trusted key, and none is set"
        raise _refused(f"got one with the algorithm {signed_with[:16]!r}, expected {expected}")
    keys = [key for key, algorithm in trusted if algorithm == signed_with]
    return _asker(_claims(token, signed_with, keys, rule))


def _claims(token: str, algorithm: str, keys: Sequence[Key], rule: IdentityRule) -> dict[str, Any]:
    import jwt

    expected: Any = {"audience": rule.audience, "issuer": rule.issuer, "leeway": rule.leeway_seconds}
    options: Any = {"require": ["exp", "sub", "aud"]}
    for key in keys:
        try:
            return jwt.decode(token, key, algorithms=[algorithm], options=options, **expected)
        except jwt.InvalidSignatureError:
            continue
        except jwt.ExpiredSignatureError:
            raise _refused(f"it expired {_expiry(token, algorithm, key)}", "ask for a new one") from None
        except jwt.PyJWTError as error:
            raise _refused(_problem(error, rule)) from None
    raise _refused(f"its signature is that of none of the {len(keys)} trusted {algorithm} keys")


def _problem(error: Exception, rule: IdentityRule) -> str:
    import jwt

    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"it has no {error.claim!r}"
    if isinstance(error, jwt.InvalidAudienceError):
        return f"it is not meant for {rule.audience!r} (its aud)"
    if isinstance(error, jwt.InvalidIssuerError):
        return f"it was not issued by {rule.issuer!r} (its iss)"
    if isinstance(error, jwt.ImmatureSignatureError):
        return "it is not valid yet; does this machine's clock go right?"
    return f"its content is wrong ({type(error).__name__})"


def _expiry(token: str, algorithm: str, key: Key) -> str:
    import jwt

    unchecked: Any = {"verify_exp": False, "verify_aud": False, "verify_iss": False}
    when = jwt.decode(token, key, algorithms=[algorithm], options=unchecked)["exp"]
    return datetime.datetime.fromtimestamp(int(when), datetime.UTC).isoformat(timespec="seconds")


def _asker(claims: Mapping[str, Any]) -> Asker:
    user, groups, issuer = claims["sub"], claims.get("groups", []), claims.get("iss", "")
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise _refused("its groups are no list of texts")
    if not user or not all(text.isprintable() for text in (user, issuer, *groups)):
        raise _refused("its sub, iss or groups are empty or hold control characters")
    basis = f"a token of {issuer}" if issuer else "a signed token"
    return Asker(user=user, groups=tuple(sorted(set(groups))), basis=basis)


def _refused(why: str, hint: str | None = None) -> PolicyError:
    return PolicyError(f"the token is refused: {why}", hint=hint or _HOW)


def key_of(pem: str) -> Key:
    """The public key of a PEM text.

    Raises:
        UsageError: It is none, or one that is not understood or too weak.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if "PRIVATE KEY" in pem:
        raise UsageError("got a private key, expected a public one", hint="`openssl pkey -in KEY -pubout` writes it")
    try:
        key: Any = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"got a key that cannot be read, expected {_KEYS}", hint="write it with `-pubout`") from error
    algorithm_of(key)
    found: Key = key
    return found


def algorithm_of(key: object) -> str:
    """The one algorithm that a key is trusted with.

    Raises:
        UsageError: Such keys are not understood, or it is too weak.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ed25519.Ed25519PublicKey):
        return "EdDSA"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return "ES256"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return "RS256"
    size = f" of {key.key_size} bits" if hasattr(key, "key_size") else ""
    raise UsageError(f"got a {type(key).__name__.removesuffix('PublicKey')} key{size}, expected {_KEYS}")
