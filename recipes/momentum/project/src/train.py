"""Fit the forecast of each stock's return relative to the others."""

import hydra
import lightgbm as lgb
import pandas as pd
from omegaconf import DictConfig, OmegaConf
from split import training_rows


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(cfg: DictConfig) -> None:
    table = pd.read_parquet("out/features.parquet")
    rows = training_rows(table, cfg.window.test_months, cfg.features.horizon)
    data = lgb.Dataset(rows.drop(columns="target"), label=rows["target"])
    params = OmegaConf.to_container(cfg.model.params, resolve=True)
    model = lgb.train(params, data, num_boost_round=cfg.model.rounds)
    model.save_model("out/model.txt")
    print(f"{len(rows)} rows, {model.num_trees()} trees")


if __name__ == "__main__":
    main()
