"""Signed tokens: which are trusted, and that none is ever told."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from replay.access import tokens
from replay.access.rules import IdentityRule, from_settings
from replay.config import AccessSettings
from replay.errors import ConfigError, PolicyError, UsageError

ED, EC = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def signed(key: Any = ED, algorithm: str = "EdDSA", **changed: Any) -> str:
    claims = {"sub": "ann", "aud": "replay", "exp": int(time.time()) + 600, "groups": ["risk", "quants"]} | changed
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, key, algorithm=algorithm)


RULE = IdentityRule(identity="token", keys=(pem(ED), pem(EC), pem(RSA)))


@pytest.mark.parametrize(("key", "algorithm"), [(ED, "EdDSA"), (EC, "ES256"), (RSA, "RS256")])
def test_a_token_says_who_asks(key: Any, algorithm: str) -> None:
    asker = tokens.verified(signed(key, algorithm), RULE)
    assert (asker.user, asker.groups, asker.basis) == ("ann", ("quants", "risk"), "a signed token")


def test_the_issuer_is_named_and_groups_may_be_missing() -> None:
    asker = tokens.verified(signed(iss="https://idp", groups=None), RULE)
    assert (asker.groups, asker.basis) == ((), "a token of https://idp")


def test_of_several_keys_of_a_kind_each_is_trusted() -> None:
    rule = IdentityRule(identity="token", keys=(pem(OTHER), pem(ED)))
    assert tokens.verified(signed(ED), rule).user == tokens.verified(signed(OTHER), rule).user == "ann"


def _hs256_with_the_public_key() -> str:
    """The classic confusion: the public key taken for a shared secret."""
    import hashlib
    import hmac

    def part(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    claims = {"sub": "ann", "aud": "replay", "exp": int(time.time()) + 600}
    text = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    seal = hmac.new(pem(ED).encode(), text, hashlib.sha256).digest()
    return (text + b"." + part(seal)).decode()


def _altered() -> str:
    head, body, seal = signed().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "root"}).encode()).rstrip(b"=").decode()
    return f"{head}.{changed}.{seal}"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: signed(exp=1_000_000_000), "it expired 2001-09-09T01:46:40+00:00"),
        (lambda: signed(exp=None), "it has no 'exp'"),
        (lambda: signed(exp=True, iat=None), "it expired"),
        (lambda: signed(sub=None), "it has no 'sub'"),
        (lambda: signed(aud=None), "it has no 'aud'"),
        (lambda: signed(aud="billing"), "it is not meant for 'replay' (its aud)"),
        (lambda: signed(OTHER), "its signature is that of none of the 1 trusted EdDSA keys"),
        (_altered, "its signature is that of none"),
        (lambda: jwt.encode({"sub": "ann"}, None, algorithm="none"), "algorithm 'none', expected ES256 or EdDSA or"),
        (_hs256_with_the_public_key, "algorithm 'HS256', expected"),
        (lambda: signed(nbf=int(time.time()) + 600), "it is not valid yet"),
        (lambda: signed(iat=int(time.time()) + 600), "it is not valid yet"),
        (lambda: signed(sub=""), "its sub, iss or groups are empty or hold control characters"),
        (lambda: signed(sub="ann\nroot"), "control characters"),
        (lambda: signed(groups=["a\x1b[2J"]), "control characters"),
        (lambda: signed(groups="risk"), "its groups are no list of texts"),
        (lambda: signed(groups=[1]), "its groups are no list of texts"),
        (lambda: "not a token", "it is no JWT"),
        (lambda: signed().replace(".", ""), "it is no JWT"),
    ],
)  # fmt: skip
def test_a_token_that_is_no_good_is_refused_and_never_told(make: Callable[[], str], expected: str) -> None:
    token = make()
    with pytest.raises(PolicyError) as caught:
        tokens.verified(token, RULE)
    told = f"{caught.value} {caught.value.hint}"
    assert expected in told
    assert token not in told
    assert not any(part and part in told for part in token.split(".") if len(part) > 8)


def test_a_subject_that_is_no_text_is_refused() -> None:
    body = {"sub": 7, "aud": "replay", "exp": int(time.time()) + 600}
    token = jwt.api_jws.encode(json.dumps(body).encode(), ED, algorithm="EdDSA")
    with pytest.raises(PolicyError, match="its content is wrong"):
        tokens.verified(token, RULE)


def test_quotes_in_a_subject_are_just_quotes() -> None:
    sly = 'ann" || principal == User::"root'
    assert tokens.verified(signed(sub=sly, groups=[sly]), RULE).user == sly


def test_the_issuer_must_be_the_one_that_is_trusted() -> None:
    rule = IdentityRule(identity="token", keys=(pem(ED),), issuer="https://idp")
    assert tokens.verified(signed(iss="https://idp"), rule).user == "ann"
    for wrong in ("https://evil", None):
        with pytest.raises(PolicyError, match=r"'iss'|its iss"):
            tokens.verified(signed(iss=wrong), rule)


def test_clocks_may_differ_by_the_leeway_and_no_more() -> None:
    late = signed(exp=int(time.time()) - 20)
    assert tokens.verified(late, RULE).user == "ann"
    with pytest.raises(PolicyError, match="expired"):
        tokens.verified(late, IdentityRule(identity="token", keys=RULE.keys, leeway_seconds=0))


def test_an_algorithm_that_is_not_allowed_does_not_count_though_its_key_is_trusted() -> None:
    rule = IdentityRule(identity="token", keys=RULE.keys, algorithms=("RS256",))
    with pytest.raises(PolicyError, match="'EdDSA', expected RS256"):
        tokens.verified(signed(), rule)
    with pytest.raises(PolicyError, match="none is set"):
        tokens.verified(signed(), IdentityRule(identity="token"))


def test_a_token_comes_from_the_environment_or_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f" {signed()}\n")
    (tmp_path / "link").symlink_to("token")  # as Kubernetes mounts them
    assert tokens.given({"REPLAY_TOKEN": " abc\n"}) == "abc"
    assert tokens.verified(tokens.given({"REPLAY_TOKEN_FILE": str(tmp_path / "link")}), RULE).user == "ann"
    assert tokens.given({"REPLAY_TOKEN": "a", "REPLAY_TOKEN_FILE": "/nowhere"}) == "a"


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "No such file"), (b"", "got 0 characters"), (b"x" * 70_000, "at most 65536"), (b"\xff\xfe", "is no token")],
)
def test_a_token_that_is_not_there_is_asked_for(content: bytes | None, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PolicyError, match=expected) as caught:
        tokens.given({"REPLAY_TOKEN_FILE": str(path)})
    assert "REPLAY_TOKEN" in str(caught.value.hint)
    with pytest.raises(PolicyError, match="there is none"):
        tokens.given({})


def test_keys_that_cannot_be_trusted_are_refused() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    private = ED.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for text, expected in (
        (pem(weak), "RSA key of 1024 bits"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "key of 384 bits"),
        (pem(ed448.Ed448PrivateKey.generate()), "Ed448"),
        (private, "got a private key"),
        ("-----BEGIN CERTIFICATE-----", "cannot be read"),
        ("", "cannot be read"),
    ):
        with pytest.raises(UsageError) as caught:
            tokens.key_of(text)
        assert expected in str(caught.value)
        assert private.splitlines()[1] not in str(caught.value)


def test_settings_become_a_rule(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(pem(ED))
    rule = from_settings(AccessSettings(identity="token", keys=(str(tmp_path / "key.pem"),), issuer="i", audience="a"))
    assert (rule.keys, rule.issuer, rule.audience) == ((pem(ED),), "i", "a")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"identity": "token"}, "access.keys: got none"),
        ({"identity": "token", "keys": ("/nowhere.pem",)}, "access.keys: /nowhere.pem: No such file"),
        ({"algorithms": ("HS256", "EdDSA")}, "got HS256, expected some of EdDSA, ES256, RS256"),
        ({"leeway_seconds": 86_400}, "expected 0 to 120"),
        ({"leeway_seconds": -1}, "expected 0 to 120"),
    ],
)
def test_settings_that_are_wrong_are_named(changed: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_settings(AccessSettings(**changed))
    assert expected in str(caught.value)
