"""The momentum project hangs together: pipeline, configuration and lock."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

PROJECT = Path(__file__).parents[3] / "recipes" / "momentum" / "project"
PIPELINE = yaml.safe_load((PROJECT / "dvc.yaml").read_text())
STAGES: dict[str, dict[str, Any]] = PIPELINE["stages"]


def outputs(stage: dict[str, Any]) -> set[str]:
    listed = [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
    return {item if isinstance(item, str) else next(iter(item)) for item in listed}


@pytest.fixture(scope="module")
def config() -> DictConfig:
    with initialize_config_dir(str(PROJECT / "conf"), version_base=None):
        return compose("config", return_hydra_config=True)


def test_the_four_stages_form_a_chain_with_every_input_accounted_for() -> None:
    assert list(STAGES) == ["preprocess", "features", "train", "backtest"]
    made: set[str] = {"data/stocks.csv", "data/wti.csv"}
    for stage in STAGES.values():
        for path in stage["deps"]:
            assert path in made or (PROJECT / path).is_file()
        assert not outputs(stage) & made
        made |= outputs(stage)


def test_a_stage_declares_the_source_files_that_it_imports() -> None:
    modules = {p.stem: p for p in (PROJECT / "src").glob("*.py")}
    for name, stage in STAGES.items():
        text = modules[name].read_text()
        imported = {m for m in re.findall(r"^from (\w+) import", text, re.M) if m in modules}
        declared = {Path(path).stem for path in stage["deps"] if path.startswith("src/")}
        assert declared == {name} | imported


def test_the_parameters_exist() -> None:
    for stage in STAGES.values():
        for item in stage["params"]:
            ((path, keys),) = item.items()
            assert set(keys or ()) <= set(yaml.safe_load((PROJECT / path).read_text()))


def test_the_model_is_an_output_of_training() -> None:
    model = PIPELINE["artifacts"]["momentum"]
    assert model["type"] == "model"
    assert model["path"] in outputs(STAGES["train"])


def test_git_ignores_what_dvc_keeps_and_no_more() -> None:
    assert (PROJECT / ".gitignore").read_text().split() == ["__pycache__/", "/out/*", "!/out/metrics.json"]
    uncached = [m for s in STAGES.values() for m in s.get("metrics", []) if not next(iter(m.values()))["cache"]]
    assert [next(iter(m)) for m in uncached] == ["out/metrics.json"]


def test_training_is_seeded_and_single_threaded(config: DictConfig) -> None:
    params = config.model.params
    assert params.seed == config.seed.value == 7
    assert OmegaConf.to_container(params)["seed"] == "${seed.value}"
    assert (params.deterministic, params.force_row_wise, params.num_threads) == (True, True, 1)
    assert params.bagging_freq > 0
    assert params.bagging_fraction < 1


def test_hydra_writes_nothing(config: DictConfig) -> None:
    assert config.hydra.run.dir == "."
    assert config.hydra.output_subdir is None
    assert not config.hydra.job_logging.get("handlers")


def test_the_lock_names_a_hash_for_every_package_and_no_address() -> None:
    text = (PROJECT / "requirements.txt").read_text()
    entries = re.split(r"^(?=[a-z])", text, flags=re.M)[1:]
    assert all(re.match(r"[a-z0-9-]+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    assert "://" not in text
    assert not re.search(r"^-|^[^#]*(index-url|find-links| @ )", text, re.M)
    wanted = re.findall(r"^[a-z-]+", (PROJECT / "requirements.in").read_text(), re.M)
    assert set(wanted) <= {entry.split("==")[0] for entry in entries}
