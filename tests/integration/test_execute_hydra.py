"""The hook in a real container with the real Hydra: what it writes down, and that the step does not notice."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests_support.containers import Workshop, base_image, docker_client

from replay.outcome import Ending
from replay.recipe import ConfigSnapshot, Interpolation

pytestmark = pytest.mark.docker

FILES = {
    "conf/config.yaml": "defaults: [model: small, _self_]\nseed: 1\nroot: ${oc.env:DATA_ROOT,/nowhere}\n"
    "rate: ${times:${model.depth},2}\nlate: ${oc.env:NOT_SET}\n",
    "conf/model/small.yaml": "depth: 3\n",
    "conf/model/large.yaml": "depth: 9\n",
    "train.py": """
import hydra, random
from omegaconf import OmegaConf
random.seed(0)
OmegaConf.register_new_resolver("times", lambda a, b: random.random() * 0 + a * b)
@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def main(cfg):
    print(cfg.seed, random.random())
main()
""",
    "composes.py": """
from hydra import compose, initialize
with initialize(config_path="conf", version_base="1.3"):
    print(compose(config_name="model/large").model.depth)
""",
}


@pytest.fixture(params=["bind", "remote"])
def workshop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workshop]:
    with docker_client() as client:
        yield Workshop(tmp_path, client, base_image(client), request.param)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Hydra and what it needs, pure Python only, from this machine's own installation."""
    made = tmp_path / "library"
    for name in ("hydra", "omegaconf", "antlr4", "yaml", "packaging"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        shutil.copytree(Path(spec.origin).parent, made / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return made


def run(workshop: Workshop, library: Path, command: str, **environment: str) -> tuple[str, tuple[ConfigSnapshot, ...]]:
    result = workshop.run(
        command, files=FILES, inputs={"lib": library}, outputs=["outputs/x"],
        environment={"PYTHONPATH": "lib", "PYTHONDONTWRITEBYTECODE": "1", "HYDRA_FULL_ERROR": "1"} | environment,
    )  # fmt: skip
    assert result.execution.ending is Ending.SUCCEEDED, result.execution.log
    assert result.notes == ()
    return result.execution.log, result.configs


def test_main_is_captured_with_overrides_and_environment(workshop: Workshop, library: Path) -> None:
    command = "python3 train.py model=large seed=5 hydra.run.dir=outputs"
    log, configs = run(workshop, library, command, DATA_ROOT="/data")
    # random.seed(0) and then random.random(): the hook's own resolving has not used any of the step's numbers.
    assert log == "5 0.8444218515250481\n"
    (config,) = configs
    assert (config.name, config.overrides) == ("config", ("model=large", "seed=5"))
    assert config.choices["model"] == "large"
    assert config.unresolved == (
        "model:\n  depth: 9\nseed: 5\nroot: ${oc.env:DATA_ROOT,/nowhere}\nrate: ${times:${model.depth},2}\n"
        "late: ${oc.env:NOT_SET}\n"
    )
    assert config.resolved == (
        "model:\n  depth: 9\nseed: 5\nroot: /data\nrate: 18.0\nlate: '<unresolved: InterpolationResolutionError>'\n"
    )
    assert config.interpolations == (
        Interpolation(
            expression="${oc.env:DATA_ROOT,/nowhere}", resolver="oc.env", variable="DATA_ROOT", value="/data"
        ),
        Interpolation(expression="${oc.env:NOT_SET}", resolver="oc.env", variable="NOT_SET", value=None),
        Interpolation(expression="${times:${model.depth},2}", resolver="times", value="18.0"),
    )


def test_compose_is_captured(workshop: Workshop, library: Path) -> None:
    log, configs = run(workshop, library, "python3 composes.py")
    assert log == "9\n"
    (config,) = configs
    assert config.name == "model/large"
    assert config.unresolved == config.resolved == "model:\n  depth: 9\n"


def test_what_a_step_forges_is_a_note(workshop: Workshop) -> None:
    forged = "echo '{\"name\": 1}' > config-1-1.json; ln -s /etc/passwd config-1-2.json; echo x > config-\x07.json"
    result = workshop.run(f"cd /replay/out && {forged}")
    assert result.configs == ()
    assert len(result.notes) == (2 if workshop.executor._transport == "archive" else 3)
    assert "\x07" not in "".join(result.notes)
