"""Win rates against closed forms, length control and ratings against known truths, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from analyse.judged_pairs import verdicts
from macromicro.analyse.win_rates import at_equal_length, by_prompt, clustered_mean, rate_models, win_rates
from scipy.special import expit
from scipy.stats import norm, t


def test_win_rate_and_standard_error_by_hand():
    row = win_rates(verdicts([1, 1, 0.5, 0, 1, 0.5])).iloc[0]
    values = np.array([1, 1, 0.5, 0, 1, 0.5])
    assert row["win_rate"] == pytest.approx(100 * 4 / 6)
    assert row["se"] == pytest.approx(100 * values.std(ddof=1) / np.sqrt(6))
    assert row["low"] == pytest.approx(row["win_rate"] - t.ppf(0.975, 5) * row["se"])
    assert (row["n_prompts"], row["n_missing"], row["note"]) == (6, 0, "lengths are not known")


def test_a_missing_verdict_is_counted_and_no_tie():
    row = win_rates(verdicts([1, 1, np.nan])).iloc[0]
    assert (row["win_rate"], row["n_prompts"], row["n_missing"]) == (100, 2, 1)
    with pytest.raises(ValueError, match="new against old: j gave no verdict"):
        win_rates(verdicts([np.nan]))


def test_clusters_of_equal_prompts_count_as_one():
    values, clusters = np.array([1.0, 1, 1, 0, 0, 0]), np.array(list("aaabbb"))
    mean, se, df = clustered_mean(values, clusters)
    assert (mean, df) == (0.5, 1)
    assert se == pytest.approx(np.array([1.0, 0.0]).std(ddof=1) / np.sqrt(2))
    assert np.isnan(clustered_mean(values, np.array(list("aaaaaa")))[1])
    row = win_rates(verdicts(values, cluster=clusters)).iloc[0]
    assert row["high"] - row["low"] == pytest.approx(2 * 100 * se * t.ppf(0.975, 1))
    alone = win_rates(verdicts(values, cluster="a", length=[5, 6, 7, 8, 9, 9], length_against=6)).iloc[0]
    assert np.isnan(alone["low"]) and np.isnan(alone["lc_low"])
    assert alone["note"] == "one cluster of prompts (a), so that there is no interval; no length control in one cluster"


def test_clustered_standard_error_is_that_of_simulated_clusters():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(40), 5)
    means, errors = [], []
    for _ in range(2000):
        values = rng.normal(size=40)[clusters] + rng.normal(size=200)
        mean, se, _ = clustered_mean(values, clusters)
        means.append(mean)
        errors.append(se)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.05)


def test_position_bias_and_orders():
    both = pd.concat([verdicts([1, 1, 0, 1], order=1.0), verdicts([0, 1, 0, 0.5], order=2.0)])
    row = win_rates(both).iloc[0]
    assert row["win_rate"] == pytest.approx(100 * np.mean([0.5, 1, 0, 0.5])), "orders that differ are a tie"
    # shown first: 1, 1, 0, 1 in order 1; 1 - points in order 2: 1, 0, 1, 0.5
    assert row["first_share"] == pytest.approx(100 * 5.5 / 8)
    assert row["orders_agree"] == pytest.approx(50)
    assert np.isnan(win_rates(verdicts([1, 0])).iloc[0]["first_share"])


def test_one_order_without_a_verdict_leaves_the_prompt_without_one():
    both = pd.concat([verdicts([1, 1], order=1.0), verdicts([np.nan, 1], order=2.0)])
    assert by_prompt(both)["points"].isna().tolist() == [True, False]


def test_length_control_finds_the_win_rate_at_equal_length():
    rng = np.random.default_rng(1)
    n = 20_000
    difference = rng.normal(120, 200, n)
    centre, effect = 0.4, 1.3
    won = rng.random(n) < expit(centre + effect * np.tanh(difference / difference.std()))
    pairs = by_prompt(verdicts(won.astype(float), length=300 + difference, length_against=300.0))
    rate, se, (low, high), note = at_equal_length(pairs)
    assert note == "" and 100 * won.mean() > rate + 5
    assert low < 100 * expit(centre) < high and abs(rate - 100 * expit(centre)) < 3 * se
    assert se == pytest.approx((high - low) / (2 * 1.96), rel=0.01)


def test_length_control_covers_what_it_promises():
    rng = np.random.default_rng(2)
    held = []
    for _ in range(400):
        difference = rng.normal(0, 100, 150)
        won = rng.random(150) < expit(0.5 + np.tanh(difference / difference.std()))
        pairs = by_prompt(verdicts(won.astype(float), length=500 + difference, length_against=500.0))
        low, high = at_equal_length(pairs)[2]
        held.append(low <= 100 * expit(0.5) <= high)
    assert 0.92 <= np.mean(held) <= 0.98


@pytest.mark.parametrize(("points", "lengths", "note"), [
    ([1, 0, 1, 0], [5, 5, 5, 5], "all differences in length are the same"),
    ([1, 0, 1, 0], [9, 1, 8, 2], "length alone decides every verdict"),
    ([1, 1, 1, 1], [9, 1, 8, 2], "length alone decides every verdict"),
])  # fmt: skip
def test_length_control_says_why_it_is_missing(points, lengths, note):
    row = win_rates(verdicts(points, length=lengths, length_against=4)).iloc[0]
    assert row["note"].endswith(note) and np.isnan(row["lc_win_rate"])


def grid(strengths, n, rng):
    """Verdicts of every pair of models on n prompts, drawn by the Bradley-Terry model."""
    names, tables = sorted(strengths), []
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            won = rng.random(n) < expit(strengths[one] - strengths[other])
            tables.append(verdicts(won.astype(float), model=one, against=other))
    return pd.concat(tables)


def test_ratings_recover_strengths():
    strengths = {"a": -0.8, "b": 0.0, "c": 0.2, "d": 0.6}
    table = rate_models(grid(strengths, 4000, np.random.default_rng(3))).set_index("model")
    assert table.index.tolist() == ["d", "c", "b", "a"]
    for name, strength in strengths.items():
        truth = 400 / np.log(10) * strength  # the strengths have mean zero
        assert abs(table["rating"][name] - truth) < 15
        assert table["low"][name] - 10 < truth < table["high"][name] + 10
    others = [expit(0.6 - strengths[name]) for name in "abc"]
    assert table["expected"]["d"] == pytest.approx(100 * np.mean(others), abs=1.5)


def test_two_models_are_rated_by_the_odds():
    table = rate_models(verdicts([1] * 75 + [0] * 25)).set_index("model")
    half = 400 / np.log(10) * norm.ppf(0.975) * np.sqrt(1 / 75 + 1 / 25) / 2  # a model's rating is half of the distance
    assert (table["high"] - table["rating"]).tolist() == pytest.approx([half, half], rel=0.02)
    assert (table["rating"] - table["low"]).tolist() == pytest.approx([half, half], rel=0.02)
    assert table["n_prompts"].tolist() == [100, 100]
    assert table["rating"]["new"] - table["rating"]["old"] == pytest.approx(400 * np.log10(3))
    assert table["expected"]["new"] == pytest.approx(75)


def test_ratings_that_do_not_exist_are_refused():
    apart = pd.concat([verdicts([1, 0]), verdicts([1, 0], model="x", against="y")])
    with pytest.raises(ValueError, match="but x is apart"):
        rate_models(apart)
    with pytest.raises(ValueError, match="all go one way"):
        rate_models(verdicts([1, 1]))
    for points, cluster, n in (([1, 0], "a", 1), ([np.nan, np.nan], "a", 0)):
        with pytest.raises(ValueError, match=f"verdicts on two clusters of prompts, but j has {n}"):
            rate_models(verdicts(points, cluster=cluster))


def test_equal_verdicts_have_an_interval_of_which_the_note_says_that_it_is_none():
    row = win_rates(verdicts([1, 1, 1])).iloc[0]
    assert (row["low"], row["high"]) == (100, 100)
    assert row["note"].startswith("the same on every prompt, so that the interval says nothing; ")
