"""From forecasts to positions, and from positions to profit and loss."""

import numpy as np
import pandas as pd


def last_days_of_weeks(days: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """The last trading day of each week, the unfinished last week left out."""
    weeks = days.to_period("W")
    return days[:-1][weeks[:-1] != weeks[1:]]


def weigh(scores: pd.DataFrame, positions: int) -> pd.DataFrame:
    """Long the best and short the worst `positions` of each row, with half the capital spread over each side."""
    ranks = scores.rank(axis=1, method="first")
    long, short = ranks > scores.shape[1] - positions, ranks <= positions
    return (long.astype(float) - short.astype(float)) / (2 * positions)


def simulate(returns: pd.DataFrame, targets: pd.DataFrame, cost: float) -> pd.DataFrame:
    """Daily profit and loss per unit of capital, from simple `returns`.

    Positions taken at a day's close earn from the next day on and drift with prices until they are next
    rebalanced; trading costs `cost` of the traded value.
    """
    weights, rows = np.zeros(returns.shape[1]), []
    for day, moves in zip(returns.index, returns.to_numpy(), strict=True):
        gross = (weights * moves).sum()
        weights = weights * (1 + moves) / (1 + gross)
        traded = 0.0
        if day in targets.index:
            wanted = targets.loc[day].to_numpy()
            traded, weights = np.abs(wanted - weights).sum(), wanted
        rows.append((gross - cost * traded, traded))
    book = pd.DataFrame(rows, index=returns.index, columns=["pnl", "turnover"])
    return book.assign(equity=(1 + book["pnl"]).cumprod())


def drawdown(equity: pd.Series) -> pd.Series:
    """Loss since the highest point so far, the start included."""
    return equity / equity.cummax().clip(lower=1) - 1


def summarise(book: pd.DataFrame, days_per_year: int) -> dict[str, float]:
    """Headline figures; the Sharpe ratio is taken without a risk-free rate, as long and short cancel."""
    mean, deviation = book["pnl"].mean() * days_per_year, book["pnl"].std() * np.sqrt(days_per_year)
    return {
        "annual_return": float(mean),
        "annual_turnover": float(book["turnover"].mean() * days_per_year),
        "annual_volatility": float(deviation),
        "days": len(book),
        "max_drawdown": float(drawdown(book["equity"]).min()),
        "sharpe_ratio": float(mean / deviation),
    }
