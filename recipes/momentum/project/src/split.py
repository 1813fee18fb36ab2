"""The split in time that training and backtest share."""

import pandas as pd


def holdout_start(days: pd.DatetimeIndex, months: int) -> pd.Timestamp:
    """The day after which the model is judged: `months` before the last day of the data."""
    return days.max() - pd.DateOffset(months=months)


def training_rows(table: pd.DataFrame, months: int, horizon: int) -> pd.DataFrame:
    """The rows whose target, `horizon` trading days ahead, was known before the hold-out begins."""
    dates = table.index.get_level_values("Date")
    days = dates.unique()
    last = days[days <= holdout_start(days, months)][-horizon - 1]
    return table[dates <= last].dropna()


def holdout_rows(table: pd.DataFrame, months: int) -> pd.DataFrame:
    """The rows after `holdout_start`."""
    dates = table.index.get_level_values("Date")
    return table[dates > holdout_start(dates, months)]
