from pathlib import Path

import pytest

from replay.recipe import ConfigSnapshot, Seed
from replay.record.seeds import find_seeds, missing_seeds


def test_seeds_are_found_in_command_parameters_config_and_environment():
    config = ConfigSnapshot(name="config", unresolved="", resolved="model: {random_state: 3}\nseeds: no\n")
    found = find_seeds(
        ["/bin/sh", "-c", "python train.py --seed 42 model.seed=7"],
        {"params.yaml:train": '{"seed": 5, "lr": 0.1}'},
        [config],
        {"PYTHONHASHSEED": "0"},
    )
    assert set(found) == {
        Seed(name="seed", value="42", place="command"),
        Seed(name="model.seed", value="7", place="command"),
        Seed(name="train.seed", value="5", place="params.yaml"),
        Seed(name="model.random_state", value="3", place="config config"),
        Seed(name="PYTHONHASHSEED", value="0", place="environment"),
    }


def test_a_random_hash_seed_is_no_seed():
    assert find_seeds([], {}, [], {"PYTHONHASHSEED": "random"}) == ()


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ("import numpy as np\nnp.random.normal()", ("numpy.random",)),
        ("import random\nprint(random.random())", ("random",)),
        ("from sklearn.ensemble import RandomForestRegressor", ("sklearn",)),
        ("import numpy as np\nrng = np.random.default_rng(7)", ()),
        ("import json", ()),
        ("this is not python", ()),
    ],
)
def test_randomness_without_a_seed_is_named(tmp_path: Path, code, missing):
    source = tmp_path / "train.py"
    source.write_text(code)
    assert missing_seeds([source], ()) == missing


def test_a_seed_found_anywhere_but_in_the_environment_counts(tmp_path: Path):
    source = tmp_path / "train.py"
    source.write_text("import random\nrandom.random()")
    assert missing_seeds([source], [Seed(name="seed", value="7", place="command")]) == ()
    assert missing_seeds([source], [Seed(name="PYTHONHASHSEED", value="0", place="environment")]) == ("random",)
