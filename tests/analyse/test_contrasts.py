"""Differences of slopes and scores: by hand, over simulated studies, and what cannot be compared."""

import numpy as np
import pandas as pd
import pytest
from analyse.simulated_studies import World, simulate, true_slope, verdicts_of
from macromicro.analyse.contrasts import compare_datasets, compare_slopes


def two_strategies(slopes, rng, n_seeds=5):
    """Verdicts of strategies `a` and `b` on the same prompts, with the same baselines."""
    one, other = (World(slope=slope, n_seeds=n_seeds) for slope in slopes)
    margins, _, _ = simulate(one, 1, rng)
    levels = np.array([0, 16, 33, 50, 66, 83, 100])[:, None] / 100
    again = margins[0] + (other.slope - one.slope) * levels + 0.05 * rng.standard_normal((n_seeds, 7, 1))
    again = again + 0.5 * rng.standard_normal(margins[0].shape)
    return pd.concat([verdicts_of(margins[0], strategy="a"), verdicts_of(again, strategy="b")])


def test_difference_of_slopes_is_the_mean_over_seeds_of_least_squares_lines():
    verdicts = two_strategies((0.3, 0.0), np.random.default_rng(0))
    row = compare_slopes(verdicts, [("a", "b")]).iloc[0]
    means = verdicts.groupby(["strategy", "seed", "level"])["points"].mean().mul(100)
    lines = {
        key: np.polyfit(group.index.get_level_values("level") / 100, group.to_numpy(), 1)[0]
        for key, group in means.groupby(["strategy", "seed"])
    }
    differences = [lines["a", seed] - lines["b", seed] for seed in range(5)]
    assert row["difference"] == pytest.approx(np.mean(differences))
    assert row["se"] >= np.std(differences, ddof=1) / np.sqrt(5) - 1e-9
    assert (row["n_seeds"], row["n_prompts"]) == (5, 200)
    assert row["low"] < true_slope(World(slope=0.3)) - true_slope(World(slope=0.0)) < row["high"]
    turned = compare_slopes(verdicts, [("b", "a")]).iloc[0]
    assert turned["difference"] == pytest.approx(-row["difference"]) and turned["p"] == pytest.approx(row["p"])


def test_intervals_cover_the_true_difference():
    rng, held = np.random.default_rng(1), []
    for _ in range(100):
        row = compare_slopes(two_strategies((0.1, 0.1), rng, n_seeds=3), [("a", "b")]).iloc[0]
        held.append(row["low"] < 0 < row["high"])
    assert 0.90 <= np.mean(held) <= 0.99


def test_several_pairs_are_corrected_together():
    rng = np.random.default_rng(2)
    verdicts = two_strategies((0.6, 0.0), rng)
    third = verdicts[verdicts["strategy"] == "b"].assign(strategy="c")
    everything = pd.concat([verdicts, third])
    alone = compare_slopes(everything, [("a", "b")]).iloc[0]
    both = compare_slopes(everything, [("a", "b"), ("a", "c")])
    assert both["p_holm"].to_numpy() == pytest.approx(2 * alone["p"])
    assert both["low"].iloc[0] < alone["low"] and both["high"].iloc[0] > alone["high"]


def test_only_seeds_and_prompts_that_both_have_count():
    verdicts = two_strategies((0.3, 0.0), np.random.default_rng(3), n_seeds=3)
    fewer = verdicts[~((verdicts["strategy"] == "b") & (verdicts["seed"] == 2))]
    prompt = verdicts["prompt_id"].iloc[0]
    hole = (fewer["strategy"] == "b") & (fewer["prompt_id"] == prompt) & (fewer["seed"] == 0) & (fewer["level"] == 0)
    row = compare_slopes(fewer.assign(points=fewer["points"].mask(hole)), [("a", "b")]).iloc[0]
    assert (row["n_seeds"], row["n_prompts"]) == (2, 199)
    one = compare_slopes(verdicts[verdicts["seed"] == 0], [("a", "b")]).iloc[0]
    assert one["note"] == "fewer than two seeds" and np.isnan(one["p_holm"])


def test_one_level_has_no_slope_to_compare():
    verdicts = two_strategies((0.3, 0.0), np.random.default_rng(5), n_seeds=2)
    row = compare_slopes(verdicts[verdicts["level"] == 100], [("a", "b")]).iloc[0]
    assert row["note"] == "fewer than 2 different datasets in a seed"
    assert np.isnan(row[["difference", "low", "p", "p_holm"]].astype(float)).all()


def test_what_is_not_there_is_refused():
    verdicts = two_strategies((0.3, 0.0), np.random.default_rng(4), n_seeds=2)
    with pytest.raises(ValueError, match="'z' has no verdicts to compare; there are a, b"):
        compare_slopes(verdicts, [("a", "z")])
    with pytest.raises(ValueError, match="'a' stands on both sides"):
        compare_slopes(verdicts, [("a", "a")])


def test_difference_of_two_datasets_by_hand():
    points = {"one": [[1, 1, 0, 1], [1, 0, 1, 1]], "other": [[0, 1, 0, 0], [1, 0, 0.5, 0]]}
    rows = [
        {"kind": kind, "size": 5, "seed": seed, "prompt_id": f"p{prompt}", "points": float(value)}
        for kind, seeds in points.items()
        for seed, values in enumerate(seeds)
        for prompt, value in enumerate(values)
    ]
    table = pd.DataFrame(rows)
    row = compare_datasets(table, [("one", "other")]).iloc[0]
    assert row["difference"] == pytest.approx(100 * (np.mean(points["one"]) - np.mean(points["other"])))
    assert row["n_seeds"] == 2 and row["low"] < row["difference"] < row["high"]
    narrow = compare_datasets(table, [("one", "other")], confidence=0.2).iloc[0]
    assert narrow["low"] > -100 and narrow["high"] < 100
    assert (narrow["low"] + narrow["high"]) / 2 == pytest.approx(row["difference"])
    wide = compare_datasets(table, [("one", "other")], confidence=0.9999).iloc[0]
    assert (wide["low"], wide["high"]) == (-100, 100), "scores lie from 0 to 100"
    with pytest.raises(ValueError, match="one dataset per kind, size and seed, but one has two"):
        compare_datasets(pd.concat([table, table[table["kind"] == "one"]]), [("one", "other")])
