"""Keys and signed tokens that tests make for themselves."""

from __future__ import annotations

import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Signer:
    """Signs tokens with a key of its own."""

    def __init__(self) -> None:
        self._key = ed25519.Ed25519PrivateKey.generate()

    @property
    def pem(self) -> str:
        """The public key."""
        raw = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return str(raw.decode())

    def token(self, user: str = "ann", *groups: str, **changed: Any) -> str:
        """A token that is good for ten minutes."""
        claims = {"sub": user, "groups": list(groups), "aud": "replay", "exp": int(time.time()) + 600} | changed
        return str(jwt.encode(claims, self._key, algorithm="EdDSA"))
