import pytest
import yaml

from replay.errors import ConfigError
from replay.rebuild.interface import BaseSpec, BootstrapSpec, EnvironmentSettings, decode_settings, parse_origin
from replay.rebuild.prepare import choose
from replay.recipe import EnvironmentKind

BASE = {"name": "python:3.11-bookworm"}
LOCK = f"foo==1 --hash=sha256:{'a' * 64}\n"


def test_the_committed_configuration_decodes(pytestconfig):
    text = (pytestconfig.rootpath / "conf" / "environment" / "default.yaml").read_text()
    settings = decode_settings(yaml.safe_load(text))
    assert settings.base.name == "python:3.11-bookworm"
    assert settings.base.bootstrap is not None


@pytest.mark.parametrize(
    ("plain", "word"),
    [
        ({"base": BASE, "imgae": "x"}, "imgae"),
        ({"base": {"name": 3}}, "name"),
        ({"base": BASE, "image": "a", "lock": "b"}, "image and lock"),
        ({"base": BASE, "image": "--privileged"}, "image reference"),
        ({"base": {**BASE, "bootstrap": {"suite": "bookworm", "packages": ["--purge"]}}}, "package name"),
        ({"base": {**BASE, "bootstrap": {"suite": "../x", "packages": []}}}, "suite"),
    ],
)
def test_wrong_settings_are_named(plain, word):
    with pytest.raises(ConfigError, match=word):
        decode_settings(plain)


def test_an_origin_tells_its_spec_again():
    spec = BootstrapSpec(suite="bookworm", packages=("python3", "libgomp1"))
    assert parse_origin(spec.origin) == BootstrapSpec(suite="bookworm", packages=("libgomp1", "python3"))
    assert parse_origin("pulled python:3.11-bookworm") is None
    with pytest.raises(ConfigError):
        parse_origin("bootstrapped bookworm with ./evil.deb")


def settings(**given) -> EnvironmentSettings:
    return EnvironmentSettings(base=BaseSpec(name="python:3.11-bookworm"), **given)


def test_what_the_settings_name_wins(tmp_path):
    for name in ("requirements.lock", "Dockerfile", "other.lock"):
        (tmp_path / name).write_text(LOCK)
    assert choose(settings(image="x:1"), tmp_path) == (EnvironmentKind.IMAGE, "x:1")
    assert choose(settings(lock="other.lock"), tmp_path) == (EnvironmentKind.LOCKED, "other.lock")
    assert choose(settings(dockerfile="Dockerfile"), tmp_path) == (EnvironmentKind.DOCKERFILE, "Dockerfile")
    with pytest.raises(ConfigError, match=r"gone\.lock"):
        choose(settings(lock="gone.lock"), tmp_path)


def test_the_order_without_settings(tmp_path):
    assert choose(settings(), tmp_path) == (EnvironmentKind.IMAGE, "python:3.11-bookworm")
    (tmp_path / "requirements.txt").write_text(LOCK)
    assert choose(settings(), tmp_path) == (EnvironmentKind.LOCKED, "requirements.txt")
    (tmp_path / "Dockerfile").write_text("FROM x")
    assert choose(settings(), tmp_path) == (EnvironmentKind.DOCKERFILE, "Dockerfile")
    (tmp_path / "requirements.lock").write_text(LOCK)
    assert choose(settings(), tmp_path) == (EnvironmentKind.LOCKED, "requirements.lock")


def test_requirements_without_hashes_are_refused_with_the_way_to_make_them(tmp_path):
    (tmp_path / "requirements.txt").write_text("numpy\n")
    with pytest.raises(ConfigError, match="no hashes") as caught:
        choose(settings(), tmp_path)
    assert "--generate-hashes" in (caught.value.hint or "")
