import json
from pathlib import Path

import hydra
from omegaconf import DictConfig


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config: DictConfig) -> None:
    Path("model.json").write_text(json.dumps({"desk": config.desk, "seed": config.seed}))


main()
