import pytest

from replay.errors import PolicyError
from replay.record.secrets import refuse_secrets


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("AKIA" + "A" * 16, "AWS access key"),
        ("-----BEGIN RSA PRIVATE KEY-----", "private key"),
        ("ghp_" + "a" * 36, "GitHub token"),
        ("https://user:hunter22@example.org/x", "password in a URL"),
        ("db:\n  password: hunter22", "a password"),
        ("--api-key=abcdef123456 API_KEY=abcdef123456", "a password"),
        ("eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeKKF2QT4", "JSON Web Token"),
    ],
)
def test_a_secret_is_refused_with_its_place_and_never_shown(text, kind):
    with pytest.raises(PolicyError) as caught:
        refuse_secrets({"config train": ["x", text]})
    assert kind in str(caught.value)
    assert "config train" in str(caught.value)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "password: ${oc.env:PASSWORD}",
        "seed: 7",
        "https://example.org/x",
        "secret: null",
        "tokens: 512",
        "password: '***'",
    ],
)
def test_what_is_no_secret_passes(text):
    assert refuse_secrets({"config": text}) is None
