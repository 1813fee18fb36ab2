"""Trade the forecasts week by week over the hold-out and judge the result after costs."""

import json
from pathlib import Path

import hydra
import lightgbm as lgb
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from omegaconf import DictConfig
from portfolio import drawdown, last_days_of_weeks, simulate, summarise, weigh
from split import holdout_rows


def forecast(features: pd.DataFrame) -> pd.DataFrame:
    """The model's score: one row per day, one column per ticker."""
    model = lgb.Booster(model_file="out/model.txt")
    return pd.Series(model.predict(features, num_threads=1), index=features.index).unstack("Ticker")


def plot(book: pd.DataFrame) -> Figure:
    """Equity above, drawdown below."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=[3, 1])
    above.plot(book.index, book["equity"], color="#1f4e79", linewidth=1.2)
    above.axhline(1, color="grey", linewidth=0.6)
    above.set(ylabel="equity", title="Momentum, rebalanced weekly, after costs")
    below.fill_between(book.index, 100 * drawdown(book["equity"]), color="#b03a2e", alpha=0.6, linewidth=0)
    below.set(ylabel="drawdown, %", xlim=(book.index[0], book.index[-1]))
    return figure


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(cfg: DictConfig) -> None:
    table = pd.read_parquet("out/features.parquet").drop(columns="target")
    scores = forecast(holdout_rows(table, cfg.window.test_months))
    targets = weigh(scores.loc[last_days_of_weeks(scores.index)], cfg.backtest.positions)

    returns = np.expm1(pd.read_parquet("out/returns.parquet").loc[scores.index, scores.columns])
    book = simulate(returns, targets, cfg.backtest.cost)
    metrics = summarise(book, cfg.backtest.days_per_year)

    book.to_parquet("out/pnl.parquet")
    Path("out/metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    plot(book).savefig("out/equity.png", metadata={"Software": None})
    print(", ".join(f"{name} {value:.4g}" for name, value in metrics.items()))


if __name__ == "__main__":
    main()
