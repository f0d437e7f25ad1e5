"""Slopes within seeds against statsmodels and the bootstrap, and the coverage of their intervals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from analyse.simulated_studies import LEVELS, World, points_of, series_of, simulate, true_slope, verdicts_of
from macromicro.analyse.crossed import draw_prompts
from macromicro.analyse.series import Series
from macromicro.analyse.slopes import ONE_SEED, SEVERAL_SEEDS, estimate_slopes, fit_slope, slope_weights
from macromicro.analyse.stats import holm
from scipy import stats

N_STUDIES = 400
# 92 to 98 percent are asked for; the share of 400 studies has a standard error of 1.1 points
LEAST, MOST = 0.92, 0.985

SITUATIONS = {
    "plain": World(),
    "baselines differ": World(baseline_sd=0.1),
    "slopes differ": World(slope_sd=0.15),
    "few prompts": World(n_prompts=60),
}


PLAIN = World()


def study(world=PLAIN, seed=0):
    return simulate(world, 1, np.random.default_rng(seed))[0][0]


@pytest.mark.parametrize("n_seeds", [3, 5])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_intervals_cover_other_seeds_and_prompts(situation, n_seeds):
    world = replace(SITUATIONS[situation], n_seeds=n_seeds)
    margins, *_ = simulate(world, N_STUDIES, np.random.default_rng([n_seeds, len(situation)]))
    intervals = np.array([fit_slope(series_of(points)).interval(0.95) for points in points_of(margins)])
    truth = true_slope(world)
    assert LEAST <= np.mean((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])) <= MOST


@pytest.mark.parametrize("n_seeds", [3, 5])
def test_one_line_over_pooled_seeds_would_not_cover(n_seeds):
    """Least squares over all seeds as if their models were independent: what the test above guards against."""
    world = replace(SITUATIONS["slopes differ"], n_seeds=n_seeds)
    margins, *_ = simulate(world, N_STUDIES, np.random.default_rng([n_seeds, len("slopes differ")]))
    level, scores = np.tile(LEVELS / 100, n_seeds), 100 * points_of(margins).mean(axis=3)
    fits = [stats.linregress(level, seeds.ravel()) for seeds in scores]
    reach = stats.t.ppf(0.975, n_seeds * len(LEVELS) - 2)
    assert np.mean([abs(fit.slope - true_slope(world)) <= reach * fit.stderr for fit in fits]) < LEAST


@pytest.mark.parametrize("situation", ["plain", "slopes differ", "few prompts"])
def test_the_interval_of_one_seed_covers_its_own_slope(situation):
    world = replace(SITUATIONS[situation], n_seeds=1)
    margins, slopes, baselines = simulate(world, N_STUDIES, np.random.default_rng(len(situation)))
    covered = []
    for points, slope, baseline in zip(points_of(margins), slopes[:, 0], baselines[:, 0], strict=True):
        low, high = fit_slope(series_of(points)).interval(0.95)
        covered.append(low <= true_slope(world, float(slope), float(baseline)) <= high)
    assert LEAST <= np.mean(covered) <= MOST


def test_intervals_of_margins_cover_the_slope_that_was_drawn():
    world = World(slope_sd=0.15, n_seeds=4)
    margins, *_ = simulate(world, N_STUDIES, np.random.default_rng(3))
    intervals = np.array([fit_slope(series_of(study, scale=1.0)).interval(0.9) for study in margins])
    covered = np.mean((intervals[:, 0] <= world.slope) & (world.slope <= intervals[:, 1]))
    assert 0.865 <= covered <= 0.96


def test_the_truth_of_a_simulated_study_is_the_mean_of_its_slopes():
    world = World(slope_sd=0.15, n_seeds=2, n_prompts=400)
    margins, *_ = simulate(world, 200, np.random.default_rng(0))
    slopes = 100 * points_of(margins).mean(axis=3) @ slope_weights(LEVELS)
    assert slopes.mean() == pytest.approx(true_slope(world), abs=3 * slopes.mean(axis=1).std() / 200**0.5)


def test_slope_and_its_error_over_seeds_are_those_of_a_mixed_model():
    """Random intercept and slope by restricted maximum likelihood, prompts not shared between seeds."""
    rng = np.random.default_rng(4)
    scores = 50 + rng.normal(0, 3, (8, 1)) + (4 + rng.normal(0, 5, (8, 1))) * LEVELS / 100 + rng.normal(0, 1, (8, 7))
    flat = pd.DataFrame({"score": scores.ravel(), "level": np.tile(LEVELS / 100, 8), "seed": np.repeat(range(8), 7)})
    fit = smf.mixedlm("score ~ level", flat, groups="seed", re_formula="~level").fit(reml=True)
    series = Series((LEVELS,) * 8, tuple(np.repeat(seed[:, None], 9, axis=1) for seed in scores))
    found = fit_slope(series)
    assert found.value == pytest.approx(fit.params["level"], rel=1e-4)
    assert found.se == pytest.approx(fit.bse["level"], rel=1e-3)
    assert found.shared == 0


def test_the_part_of_prompts_is_what_resampling_them_adds():
    """The variance of the mean slope over draws of prompts, less what prompts add to the scatter of the seeds."""
    rng, points = np.random.default_rng(0), 100 * points_of(study(World(prompt_slope_sd=1.5, n_prompts=80)))
    weights = draw_prompts(80, 20_000, rng)
    drawn = np.array([(weights @ seed.T) @ slope_weights(LEVELS) for seed in points])
    own_prompts = np.var(drawn, axis=1).mean()
    whole = np.var(drawn.mean(axis=0))
    assert fit_slope(series_of(points, scale=1)).shared == pytest.approx((3 * whole - own_prompts) / 2, rel=0.06)


def test_prompts_that_all_seeds_share_widen_the_interval():
    alike = np.repeat(study(World(n_seeds=1, prompt_slope_sd=1.0)), 3, axis=0)
    shared = fit_slope(series_of(points_of(alike)))
    assert shared.own == pytest.approx(0, abs=1e-12)
    by_prompt = slope_weights(LEVELS) @ (100 * points_of(alike[0]))
    assert shared.se == pytest.approx(by_prompt.std(ddof=1) / 200**0.5)


def test_one_seed_is_a_line_with_its_scatter_where_prompts_say_nothing():
    scores = 50 + 0.05 * LEVELS + np.random.default_rng(0).normal(0, 1, 7)
    found = fit_slope(Series((LEVELS,), (np.repeat(scores[:, None], 5, axis=1),)))
    fit = smf.ols("score ~ level", pd.DataFrame({"score": scores, "level": LEVELS / 100})).fit()
    assert found.value == pytest.approx(fit.params["level"])
    assert found.interval(0.9) == pytest.approx(tuple(fit.conf_int(0.1).loc["level"]))


def table_of(*worlds, families=None, **how):
    parts = [verdicts_of(study(world, seed), strategy=f"s{seed}") for seed, world in enumerate(worlds)]
    return estimate_slopes(pd.concat(parts), families=families, **how)


def test_the_table_holds_the_slope_and_its_other_readings():
    margins = study(World(slope=0.5))
    row = estimate_slopes(verdicts_of(margins)).iloc[0]
    points, found = series_of(points_of(margins)), fit_slope(series_of(points_of(margins)))
    assert row[["strategy", "family", "size", "n_seeds", "n_levels", "n_prompts"]].tolist() == [
        "response-micro",
        "all",
        500,
        3,
        7,
        200,
    ]
    assert row[["slope", "se", "low", "high", "p"]].tolist() == pytest.approx(
        [found.value, found.se, *found.interval(0.95), found.p()]
    )
    assert row["prompt_share"] == pytest.approx(found.shared / found.se**2)
    assert row[["narrow_low", "narrow_high"]].tolist() == pytest.approx(found.interval(0.9))
    without = fit_slope(points.above(0))
    assert row[["without_zero", "without_zero_low", "without_zero_high"]].tolist() == pytest.approx(
        [without.value, *without.interval(0.95)]
    )
    assert row[["without_zero_narrow_low", "without_zero_narrow_high"]].tolist() == pytest.approx(without.interval(0.9))
    margin = fit_slope(series_of(margins, scale=1))
    assert row[["margin_slope", "margin_low", "margin_high", "margin_p"]].tolist() == pytest.approx(
        [margin.value, *margin.interval(0.95), margin.p()], rel=1e-4
    )
    assert (row["covers"], row["note"]) == (SEVERAL_SEEDS, "")


def test_the_uncertainty_of_one_seed_by_plain_least_squares():
    levels = np.array([0.0, 50.0, 100.0])
    values = np.random.default_rng(3).normal(size=(3, 6)) + np.outer(levels / 100, [0, 1, 2, 3, 8, 9])
    found = fit_slope(Series(levels=(levels,), values=(values,)))
    fits = [np.polyfit(levels / 100, values[:, prompt], 1) for prompt in range(6)]
    residuals = np.column_stack([values[:, j] - np.polyval(fit, levels / 100) for j, fit in enumerate(fits)])
    scatter = residuals.mean(axis=1)
    noise = ((residuals - scatter[:, None]) ** 2).sum() / 5  # one degree of freedom of the levels, five of the prompts
    squared = 1 / 0.5  # over the sum of squares of 0, 0.5 and 1 about their mean
    slopes = [fit[0] for fit in fits]
    assert found.value == pytest.approx(np.mean(slopes))
    assert found.own == pytest.approx(squared * (scatter**2).sum())
    assert found.shared == pytest.approx(max((np.var(slopes, ddof=1) - squared * noise) / 6, 0)) and found.shared > 0


def test_holm_and_the_smallest_slope_count_the_slopes_of_a_family():
    worlds = [World(slope=0.6), World(slope=0.5), World(slope=0.1)]
    table = table_of(*worlds, families={"s0": "paper", "s1": "paper", "s2": "bands"})
    assert table["p_holm"].tolist()[:2] == pytest.approx(holm(table["p"].to_numpy()[:2]).tolist())
    assert table["p_holm"][2] == table["p"][2]
    without = [fit_slope(series_of(points_of(study(world, seed))).above(0)).p() for seed, world in enumerate(worlds)]
    assert table["without_zero_p_holm"].tolist() == pytest.approx([*holm(np.array(without[:2])), without[2]])
    found = fit_slope(series_of(points_of(study(worlds[0], 0))))
    assert table["smallest_slope"][0] == pytest.approx(found.smallest_seen(alpha=0.025, power=0.8))
    found = fit_slope(series_of(points_of(study(worlds[2], 2))))
    assert table["smallest_slope"][2] == pytest.approx(found.smallest_seen(alpha=0.05, power=0.8))


def test_one_seed_is_called_one_seed():
    row = table_of(World(n_seeds=1)).iloc[0]
    assert row["covers"] == ONE_SEED
    assert row["n_seeds"] == 1
    assert row["low"] < row["slope"] < row["high"]


def test_datasets_of_equal_content_are_one_point_and_the_table_says_so():
    verdicts = verdicts_of(study())
    same = verdicts["level"].isin([0, 16]) & (verdicts["seed"] == 1)
    row = estimate_slopes(verdicts.assign(digest=verdicts["dataset"].mask(same, "equal"))).iloc[0]
    assert row["note"] == "seed 1: 0 %, 16 % are one dataset, one point at 0 %"
    assert row["slope"] != estimate_slopes(verdicts).iloc[0]["slope"]
    row = estimate_slopes(verdicts.assign(digest=verdicts["seed"])).iloc[0]
    assert row["note"] == "fewer than 2 different datasets in a seed"
    assert np.isnan(row[["slope", "low", "p", "p_holm", "smallest_slope"]].astype(float)).all()


def test_a_series_without_a_slope_does_not_count_for_holm():
    flat = verdicts_of(study(), strategy="flat").assign(points=0.5)
    table = estimate_slopes(pd.concat([flat, verdicts_of(study())])).set_index("strategy")
    assert table.loc["flat", "note"] == "the seeds do not differ and neither do the prompts"
    assert table.loc["response-micro", "p_holm"] == table.loc["response-micro", "p"]


def test_two_levels_have_no_slope_without_level_zero():
    verdicts = verdicts_of(study())
    row = estimate_slopes(verdicts[verdicts["level"].isin([0, 100])]).iloc[0]
    assert np.isnan(row["without_zero"])
    assert row["slope"] == pytest.approx(fit_ends(study()))


def fit_ends(margins):
    scores = 100 * points_of(margins).mean(axis=2)
    return (scores[:, -1] - scores[:, 0]).mean()


def test_a_strategy_without_a_family_is_refused():
    with pytest.raises(ValueError, match="families must name every strategy, but 's0' is not among them"):
        table_of(World(), families={"other": "paper"})
