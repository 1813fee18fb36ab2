"""Raw prices to daily log returns on one calendar."""

from pathlib import Path

import hydra
import numpy as np
import pandas as pd
from omegaconf import DictConfig


def read_stocks(path: str, tickers: list[str]) -> pd.DataFrame:
    """Closing prices adjusted for splits and dividends: one row per trading day, one column per ticker."""
    table = pd.read_csv(path, usecols=["Ticker", "Date", "Adj Close"], parse_dates=["Date"])
    return table.pivot(index="Date", columns="Ticker", values="Adj Close")[tickers]


def read_oil(path: str) -> pd.Series:
    """Spot price of WTI crude oil; FRED writes "." on days without a quote."""
    table = pd.read_csv(path, na_values=".", parse_dates=["Date"], date_format="%m/%d/%Y", index_col="Date")
    return table["DCOILWTICO"].dropna().rename("WTI")


def log_returns(stocks: pd.DataFrame, oil: pd.Series) -> pd.DataFrame:
    """Daily log returns on the stock exchange's calendar; oil as last quoted on or before each day."""
    prices = stocks.join(oil.reindex(stocks.index, method="ffill"))
    return np.log(prices).diff().iloc[1:]


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(cfg: DictConfig) -> None:
    stocks = read_stocks("data/stocks.csv", list(cfg.window.tickers)).loc[cfg.window.start :]
    returns = log_returns(stocks, read_oil("data/wti.csv"))
    Path("out").mkdir(exist_ok=True)
    returns.to_parquet("out/returns.parquet")
    print(f"{len(returns)} days, {returns.index[0]:%Y-%m-%d} to {returns.index[-1]:%Y-%m-%d}")


if __name__ == "__main__":
    main()
