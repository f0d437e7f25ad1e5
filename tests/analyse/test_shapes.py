"""Rank correlations, levels against the baseline and curves, against scipy, and the coverage of their intervals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from analyse.simulated_studies import LEVELS, World, points_of, series_of, simulate, true_scores, verdicts_of
from macromicro.analyse.crossed import mean_over_seeds
from macromicro.analyse.series import Series
from macromicro.analyse.shapes import (
    compare_levels,
    describe_shapes,
    fit_curve,
    level_intervals,
    pooled_error,
    rank_correlation,
)
from scipy.optimize import curve_fit
from scipy.stats import dunnett, norm, spearmanr

N_STUDIES = 200
PLAIN = World()


def study(world=PLAIN, seed=0):
    return simulate(world, 1, np.random.default_rng(seed))[0][0]


def exact(*scores):
    """A series of seeds with these scores, alike on all of three prompts."""
    return Series((LEVELS,) * len(scores), tuple(np.repeat(np.array(seed)[:, None], 3, axis=1) for seed in scores))


def rho_of(series, seed=0):
    return rank_correlation(series, confidence=0.95, n_bootstrap=200, rng=np.random.default_rng(seed))


def test_rho_is_the_mean_of_scipy_within_seeds():
    series = series_of(points_of(study()))
    rho = [spearmanr(LEVELS, scores).statistic for scores in series.scores()]
    found, low, high = rho_of(series)
    assert found == pytest.approx(np.mean(rho))
    assert -1 <= low < found < high <= 1


def test_rho_within_seeds_does_not_see_that_seeds_lie_apart():
    rising = LEVELS / 100
    assert rho_of(exact(rising, rising + 50, rising - 50)) == pytest.approx((1, 1, 1))
    assert rho_of(exact(rising, -rising))[0] == pytest.approx(0)


def test_rho_of_one_seed_has_the_interval_of_bonett_and_wright():
    scores = np.array([1.0, 3, 2, 5, 4, 7, 6])
    rho, z = spearmanr(LEVELS, scores).statistic, 1.959964
    half = z * np.sqrt((1 + rho**2 / 2) / 4)
    ends = np.tanh([np.arctanh(rho) - half, np.arctanh(rho) + half])
    assert rho_of(exact(scores)) == pytest.approx((rho, *ends))


def test_rho_of_equal_scores_is_missing():
    assert np.isnan(rho_of(exact(LEVELS, LEVELS * 0))).all()


@pytest.mark.parametrize("n_seeds", [3, 5])
def test_rho_covers_what_the_mean_study_has(n_seeds):
    margins, *_ = simulate(World(n_seeds=n_seeds), N_STUDIES, np.random.default_rng(n_seeds))
    found = np.array([rho_of(series_of(points)) for points in points_of(margins)])
    truth = found[:, 0].mean()
    assert 0.88 <= np.mean((found[:, 1] <= truth) & (truth <= found[:, 2])) <= 0.985


@pytest.mark.parametrize("world", [PLAIN, World(baseline_sd=0.1)], ids=["plain", "baselines"])
@pytest.mark.parametrize("n_seeds", [3, 5])
def test_all_levels_are_covered_at_once(world, n_seeds):
    world = replace(world, n_seeds=n_seeds)
    margins, *_ = simulate(world, N_STUDIES, np.random.default_rng(n_seeds))
    truth, covered = true_scores(world) - 50, []
    rng = np.random.default_rng(0)
    for points in points_of(margins):
        table = level_intervals(series_of(points), 50.0, confidence=0.95, n_draws=2000, rng=rng)
        covered.append(((table["low"] <= truth) & (truth <= table["high"])).all())
    assert 0.91 <= np.mean(covered) <= 0.99


def test_differences_are_to_fifty_points_and_to_a_margin_of_zero():
    margins = study()
    table = compare_levels(verdicts_of(margins))
    assert table["level"].tolist() == LEVELS.tolist()
    assert table["n_seeds"].tolist() == [3] * 7
    assert table["difference"].to_numpy() == pytest.approx(100 * points_of(margins).mean(axis=(0, 2)) - 50)
    assert table["covers"].unique().tolist() == ["other seeds and other prompts"]
    margin = compare_levels(verdicts_of(margins), value="margin")
    assert margin["difference"].to_numpy() == pytest.approx(margins.mean(axis=(0, 2)), rel=1e-4)


def test_with_prompts_only_the_width_is_that_of_the_largest_of_normal_errors():
    """One seed whose levels answer independently: seven intervals that hold together, by Sidak's formula."""
    values = np.random.default_rng(0).normal(0, 1, (1, 7, 4000))
    table = compare_levels(verdicts_of(values), value="margin")
    half = (table["high"] - table["low"]).to_numpy() / 2
    assert half == pytest.approx(np.full(7, norm.ppf(0.5 + 0.95 ** (1 / 7) / 2) / 4000**0.5), rel=0.03)
    assert table["covers"].unique().tolist() == ["other prompts, not other seeds"]


def test_with_seeds_only_the_width_is_that_of_dunnett():
    """Six groups of eight against a control of eight in scipy; here eight seeds, a baseline shared by six levels."""
    rng, halves, expected = np.random.default_rng(0), [], []
    for _ in range(6):
        groups = rng.normal(0, 1, (7, 8))
        ends = dunnett(*groups[1:], control=groups[0], random_state=rng).confidence_interval(0.95)
        expected.append(np.mean(ends.high - ends.low) / 2)
        margins = np.repeat((groups[1:] - groups[0]).T[:, :, None], 2, axis=2)
        series = verdicts_of(np.concatenate([margins, margins[:, -1:]], axis=1))
        table = compare_levels(series[series["level"] < 100], value="margin")
        halves.append((table["high"] - table["low"]).mean() / 2)
    assert np.mean(halves) == pytest.approx(np.mean(expected), rel=0.12)


def places_of(differences):
    """What `pooled_error` reads of differences to the baseline, shape (n_seeds, n_levels), alike on all prompts."""
    rows = [{"seed": seed, "level": level, "difference": value, "values": np.full(3, value)}
            for seed, levels in enumerate(differences) for level, value in enumerate(levels)]  # fmt: skip
    return pd.DataFrame(rows)


def test_degrees_of_freedom_of_levels_that_go_together_and_apart_are_those_of_box():
    seeds = np.array([1.0, -1, 0])
    together, correlation = pooled_error(places_of(np.column_stack([seeds, seeds])), 3)
    assert (together.own, together.df, correlation) == pytest.approx((1 / 3, 2, 1))
    apart = np.column_stack([np.sqrt(3) * seeds, [1, 1, -2]])  # uncorrelated, variance 3 each
    found, correlation = pooled_error(places_of(apart), 3)
    assert (found.own, found.df, found.shared, correlation) == pytest.approx((1, 4, 0, 0))


def test_the_interval_of_a_level_that_stands_alone_is_that_of_a_mean_over_seeds():
    rng = np.random.default_rng(0)
    scores, prompts = np.array([50.0, 53, 49, 56, 52]), rng.normal(0, 10, 40)
    for noise in (0 * prompts, prompts - prompts.mean()):
        series = Series((np.array([50.0]),) * 5, tuple(noise[None] + score for score in scores))
        row = level_intervals(series, 50.0, confidence=0.95, n_draws=100_000, rng=rng).iloc[0]
        expected = mean_over_seeds(scores - 50, noise.var(ddof=1) / 40).interval(0.95)
        assert (row["low"], row["high"]) == pytest.approx(expected, abs=0.1)


def test_levels_that_some_seeds_lack_have_wider_intervals():
    verdicts = verdicts_of(study())
    same = verdicts["level"].isin([0, 16]) & (verdicts["seed"] == 1)
    table = compare_levels(verdicts.assign(digest=verdicts["dataset"].mask(same, "equal"))).set_index("level")
    assert table["n_seeds"].tolist() == [3, 2, 3, 3, 3, 3, 3]
    width = table["high"] - table["low"]
    assert width[16] > width[0]
    assert width[33] == pytest.approx(width[0])


def test_models_that_tie_throughout_differ_by_nothing():
    for world in (PLAIN, World(n_seeds=1)):
        table = compare_levels(verdicts_of(0 * study(world)))
        assert (table[["difference", "low", "high"]] == 0).all(axis=None)


def saturating(level, rise, scale):
    return rise * (1 - np.exp(-level / scale))


def test_a_curve_that_levels_off_is_found_and_equals_scipy():
    noise = np.random.default_rng(1).normal(0, 0.1, 7)
    scores = 50 + saturating(LEVELS, 8, 20) + noise
    found = fit_curve(exact(scores, scores + 3))
    (start, rise, scale), _ = curve_fit(
        lambda x, a, b, c: a + saturating(x, b, c), LEVELS, scores, p0=[50, 5, 30], maxfev=5000
    )
    assert found["curve"] == "saturating"
    assert found["rise"] == pytest.approx(saturating(100, rise, scale), rel=1e-3)
    half = saturating(found["half_level"], rise, scale)
    assert half == pytest.approx(found["rise"] / 2, rel=1e-3)
    line = scores - np.polyval(np.polyfit(LEVELS, scores, 1), LEVELS)
    left = scores - start - saturating(LEVELS, rise, scale)
    gain = 7 * np.log((line @ line) / (left @ left)) + (6 + 24 / 3) - (8 + 40 / 2)
    assert found["aicc_gain"] == pytest.approx(gain, rel=1e-3)


def test_a_seed_that_lacks_a_level_and_lies_apart_does_not_bend_the_curve():
    scores = 50 + saturating(LEVELS, 8, 20) + np.random.default_rng(1).normal(0, 0.1, 7)
    whole, apart = exact(scores), exact(scores + 30)
    both = Series((*whole.levels, LEVELS[1:]), (*whole.values, apart.values[0][1:]))
    assert fit_curve(both)["curve"] == "saturating"
    assert fit_curve(both)["rise"] == pytest.approx(fit_curve(whole)["rise"])


def test_a_line_stays_a_line():
    curves = [
        fit_curve(series_of(points))["curve"] for points in points_of(simulate(PLAIN, 50, np.random.default_rng(0))[0])
    ]
    assert curves.count("saturating") <= 2
    assert fit_curve(exact(LEVELS))["curve"] == "line"


def test_too_few_levels_and_equal_scores_have_no_curve():
    few = series_of(points_of(study())).above(16)
    assert fit_curve(few)["curve"] == ""
    assert fit_curve(exact(LEVELS * 0))["curve"] == ""


def test_shapes_stand_in_one_table():
    both = pd.concat([verdicts_of(study(), size=size) for size in (500, 1000)])
    table = describe_shapes(both, n_bootstrap=100)
    assert table["size"].tolist() == [500, 1000]
    assert table[["n_seeds", "n_levels"]].to_numpy().tolist() == [[3, 7], [3, 7]]
    assert table.loc[0, "rho"] == pytest.approx(rho_of(series_of(points_of(study())))[0])
    assert table.equals(describe_shapes(both, n_bootstrap=100))
    assert describe_shapes(both, value="margin", n_bootstrap=100).loc[0, "rho"] != table.loc[0, "rho"]
