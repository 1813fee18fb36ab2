"""Momenta, volatilities and oil, known at each day's close, and the return to forecast."""

import hydra
import pandas as pd
from omegaconf import DictConfig


def build(returns: pd.DataFrame, cfg: DictConfig) -> pd.DataFrame:
    """One row per day and ticker. Every column looks back from the day's close, except `target`.

    `target` is the return over the next `horizon` days relative to the mean of all tickers; it is missing on
    the last days, where the future is not known.
    """
    stocks, oil = returns.drop(columns="WTI"), returns["WTI"]
    columns = {f"momentum_{n}": stocks.rolling(n).sum() for n in cfg.momenta}
    columns |= {f"volatility_{n}": stocks.rolling(n).std() for n in cfg.volatilities}
    trend = oil.rolling(cfg.oil).sum().shift(cfg.oil_lag)
    columns[f"oil_{cfg.oil}"] = pd.DataFrame({ticker: trend for ticker in stocks})
    future = stocks.rolling(cfg.horizon).sum().shift(-cfg.horizon)
    columns["target"] = future.sub(future.mean(axis=1), axis=0)
    table = pd.concat({name: frame.stack() for name, frame in columns.items()}, axis=1)
    return table.rename_axis(["Date", "Ticker"]).dropna(subset=[c for c in columns if c != "target"])


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(cfg: DictConfig) -> None:
    table = build(pd.read_parquet("out/returns.parquet"), cfg.features)
    table.to_parquet("out/features.parquet")
    print(f"{len(table)} rows, {table.shape[1] - 1} features")


if __name__ == "__main__":
    main()
