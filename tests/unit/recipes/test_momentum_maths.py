"""The arithmetic of the momentum project, on frames small enough to check by hand."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

SOURCES = Path(__file__).parents[3] / "recipes" / "momentum" / "project" / "src"
CONFIG = SimpleNamespace(momenta=[2, 3], volatilities=[2], oil=2, oil_lag=1, horizon=2)


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"momentum_{name}", SOURCES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Hydra 1.3 asks for `version_base`, the project's Hydra 1.4 against it
        spec.loader.exec_module(module)
    return module


preprocess, features, split, portfolio = map(load, ("preprocess", "features", "split", "portfolio"))


@pytest.fixture
def returns() -> pd.DataFrame:
    days = pd.bdate_range("2010-01-04", periods=40, name="Date")
    values = np.random.default_rng(1).normal(0, 0.02, (40, 4))
    return pd.DataFrame(values, index=days, columns=["A", "B", "C", "WTI"])


def book_of(pnl: list[float]) -> pd.DataFrame:
    series = pd.Series(pnl)
    return pd.DataFrame({"pnl": series, "turnover": 0.5, "equity": (1 + series).cumprod()})


# preprocess


def test_a_missing_quote_of_oil_takes_the_last_one_before_it(tmp_path: Path) -> None:
    (tmp_path / "wti.csv").write_text("Date,DCOILWTICO\n1/4/2010,50\n1/5/2010,.\n1/6/2010,100\n")
    oil = preprocess.read_oil(tmp_path / "wti.csv")
    assert list(oil) == [50, 100]
    days = pd.date_range("2010-01-04", "2010-01-06", name="Date")
    table = preprocess.log_returns(pd.DataFrame({"A": [1.0, 2.0, 2.0]}, index=days), oil)
    assert table["WTI"].tolist() == pytest.approx([0, np.log(2)])
    assert table["A"].tolist() == pytest.approx([np.log(2), 0])


def test_stocks_are_pivoted_and_other_tickers_left_out(tmp_path: Path) -> None:
    (tmp_path / "stocks.csv").write_text(
        "Ticker,Date,Close,Adj Close\nB,2010-01-04,9,1\nB,2010-01-05,9,2\nA,2010-01-05,9,3\nX,2010-01-05,9,4\n"
    )
    table = preprocess.read_stocks(tmp_path / "stocks.csv", ["A", "B"])
    assert list(table.columns) == ["A", "B"]
    assert table["B"].tolist() == [1, 2]
    assert np.isnan(table["A"].iloc[0])


# features and split


def test_features_are_sums_and_deviations_of_past_returns(returns: pd.DataFrame) -> None:
    table = features.build(returns, CONFIG)
    row, past = table.loc[(returns.index[10], "B")], returns.iloc[:11]
    assert row["momentum_3"] == pytest.approx(past["B"].iloc[-3:].sum())
    assert row["volatility_2"] == pytest.approx(past["B"].iloc[-2:].std())
    assert row["oil_2"] == pytest.approx(past["WTI"].iloc[-3:-1].sum())


def test_features_do_not_look_ahead(returns: pd.DataFrame) -> None:
    changed = returns.copy()
    changed.iloc[21:] *= -3
    before, after = (features.build(r, CONFIG).drop(columns="target") for r in (returns, changed))
    known = returns.index[20]
    pd.testing.assert_frame_equal(before.loc[:known], after.loc[:known], check_exact=True)
    assert not before.loc[returns.index[21] :].equals(after.loc[returns.index[21] :])


def test_the_target_is_the_next_returns_relative_to_their_mean(returns: pd.DataFrame) -> None:
    target = features.build(returns, CONFIG)["target"].unstack()
    assert target.iloc[-2:].isna().all(axis=None)
    assert target.iloc[:-2].notna().all(axis=None)
    future = returns.loc[returns.index[11:13], ["A", "B", "C"]].sum()
    assert target.loc[returns.index[10]].tolist() == pytest.approx((future - future.mean()).tolist())


def test_no_training_target_reaches_into_the_hold_out(returns: pd.DataFrame) -> None:
    table = features.build(returns, CONFIG)
    start = split.holdout_start(returns.index, 1)
    train, test = split.training_rows(table, 1, CONFIG.horizon), split.holdout_rows(table, 1)
    last = train.index.get_level_values("Date").max()
    days = returns.index
    assert days[days.get_loc(last) + CONFIG.horizon] <= start < days[days.get_loc(last) + CONFIG.horizon + 1]
    assert test.index.get_level_values("Date").min() > start
    assert test.index.get_level_values("Date").max() == days[-1]


# portfolio


def test_the_last_trading_day_of_a_week_may_be_a_thursday() -> None:
    days = pd.to_datetime(["2010-03-31", "2010-04-01", "2010-04-05", "2010-04-09", "2010-04-12", "2010-04-13"])
    assert list(portfolio.last_days_of_weeks(days)) == [pd.Timestamp("2010-04-01"), pd.Timestamp("2010-04-09")]


def test_weights_are_neutral_and_use_the_whole_capital() -> None:
    weights = portfolio.weigh(pd.DataFrame([[0.3, 0.1, 0.4, 0.2], [1.0, 1.0, 1.0, 1.0]]), 1)
    assert weights.to_numpy().tolist() == [[0, -0.5, 0.5, 0], [-0.5, 0, 0, 0.5]]
    assert portfolio.weigh(pd.DataFrame([[3.0, 1.0, 4.0, 2.0]]), 2).to_numpy().tolist() == [[0.25, -0.25, 0.25, -0.25]]


def test_positions_earn_from_the_next_day_on_drift_and_pay_for_trades() -> None:
    days = pd.date_range("2010-01-04", periods=3)
    moves = pd.DataFrame([[9.0, 9.0], [0.1, -0.1], [0.2, 0.0]], index=days)
    book = portfolio.simulate(moves, pd.DataFrame([[0.5, -0.5]], index=days[:1]), cost=0.01)
    drifted = 0.5 * 1.1 / 1.1
    assert book["pnl"].tolist() == pytest.approx([-0.01, 0.1, drifted * 0.2])
    assert book["turnover"].tolist() == [1, 0, 0]
    assert book["equity"].iloc[-1] == pytest.approx(0.99 * 1.1 * 1.1)


def test_rebalancing_trades_the_drift_only() -> None:
    days = pd.date_range("2010-01-04", periods=2)
    moves = pd.DataFrame([[0.0, 0.0], [0.2, 0.0]], index=days)
    book = portfolio.simulate(moves, pd.DataFrame([[0.5, -0.5]] * 2, index=days), cost=0.0)
    assert book["turnover"].tolist() == pytest.approx([1, 0.6 / 1.1 - 0.5 + 0.5 - 0.5 / 1.1])


def test_drawdown_counts_from_the_start_and_from_each_peak() -> None:
    assert portfolio.drawdown(pd.Series([0.9, 1.2, 0.6])).tolist() == pytest.approx([-0.1, 0, -0.5])


def test_the_summary_is_annualised() -> None:
    pnl = [0.01, -0.02, 0.03, 0.0]
    got = portfolio.summarise(book_of(pnl), 252)
    assert got["sharpe_ratio"] == pytest.approx(np.mean(pnl) / np.std(pnl, ddof=1) * np.sqrt(252))
    assert got["annual_return"] == pytest.approx(np.mean(pnl) * 252)
    assert got["annual_turnover"] == pytest.approx(126)
    assert got["max_drawdown"] == pytest.approx(-0.02)
    assert got["days"] == 4
