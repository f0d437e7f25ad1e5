"""Points at equal length of answers: the win rate of AlpacaEval 2's regression, with its spread."""

import numpy as np
import pandas as pd
import pytest
from macromicro.analyse.equal_length import hold_length, points_at_equal_length
from macromicro.analyse.win_rates import at_equal_length
from scipy.special import expit


def draw(rng, *, n=300, centre=0.3, by_length=1.2, shift=20.0):
    """Points (ties too) of a model whose answers are longer by `shift` on average, and their differences in length."""
    difference = rng.normal(shift, 40, n).round()
    chance = expit(centre + by_length * np.tanh(difference / difference.std()))
    points = (rng.random(n) < chance).astype(float)
    points[rng.random(n) < 0.1] = 0.5
    return points, difference


def test_mean_and_spread_are_those_of_the_regression():
    for seed in range(5):
        points, difference = draw(np.random.default_rng(seed))
        found = points_at_equal_length(points, difference)
        pairs = pd.DataFrame({"points": points, "length": difference, "length_against": 0.0})
        rate, se, _, note = at_equal_length(pairs.assign(cluster=range(len(points))))
        assert note == ""
        assert 100 * found.mean() == pytest.approx(rate, abs=1e-6)
        assert 100 * found.std() / np.sqrt(len(found)) == pytest.approx(se, rel=0.01)


def test_interval_of_a_difference_covers_what_is_true():
    """Two models on the same prompts, one of them longer and no better: their difference at equal length is zero."""
    rng, covered, raw = np.random.default_rng(1), 0, 0
    for _ in range(200):
        short, long = (draw(rng, shift=shift) for shift in (0.0, 60.0))
        difference = points_at_equal_length(*long) - points_at_equal_length(*short)
        se = difference.std(ddof=1) / np.sqrt(len(difference))
        covered += abs(difference.mean()) <= 1.96 * se
        raw += abs((long[0] - short[0]).mean()) <= 1.96 * (long[0] - short[0]).std() / np.sqrt(len(difference))
    assert 183 <= covered <= 197  # 95 of 100, three standard errors
    assert raw < 100


def test_what_cannot_be_told_is_missing_and_no_difference_changes_nothing():
    points = np.array([0.0, 1.0, 0.5, 1.0])
    assert points_at_equal_length(points, np.zeros(4)).tolist() == points.tolist()
    assert np.isnan(points_at_equal_length(np.array([0.0, 0, 1, 1]), np.array([-2.0, -1, 1, 2]))).all()
    assert np.isnan(points_at_equal_length(points, np.array([1.0, np.nan, 2, 3]))).all()


def test_missing_verdicts_stay_missing():
    points, difference = draw(np.random.default_rng(2))
    some = points.copy()
    some[::7] = np.nan
    found = points_at_equal_length(some, difference)
    assert (np.isnan(found) == np.isnan(some)).all()
    kept = ~np.isnan(some)
    assert found[kept] == pytest.approx(points_at_equal_length(points[kept], difference[kept]))


def test_each_model_has_its_own_regression_and_strategies_are_whole():
    rng, tables = np.random.default_rng(3), []
    for strategy, dataset, shift in (("a", "a0", 0.0), ("a", "a1", 50.0), ("b", "b0", 0.0), ("b", "b1", 0.0)):
        points, difference = draw(rng, shift=shift)
        if dataset == "b1":
            points = (difference > 0).astype(float)
        given = {"strategy": strategy, "dataset": dataset, "points": points, "length": 100 + difference}
        tables.append(pd.DataFrame({**given, "length_baseline": 100.0}))
    verdicts = pd.concat(tables, ignore_index=True).sample(frac=1, random_state=0)
    held = hold_length(verdicts)
    assert set(held["strategy"]) == {"a"}
    for dataset, rows in verdicts[verdicts["strategy"] == "a"].groupby("dataset"):
        expected = points_at_equal_length(rows["points"].to_numpy(), (rows["length"] - 100).to_numpy())
        assert held.loc[held["dataset"] == dataset, "points"].to_numpy() == pytest.approx(expected)
    assert hold_length(verdicts.drop(columns="length")).empty
