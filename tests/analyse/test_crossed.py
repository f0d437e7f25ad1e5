"""Means over seeds and prompts against a published example, scipy, statsmodels and the bootstrap itself."""

import numpy as np
import pytest
from macromicro.analyse.crossed import (
    Estimate,
    covariance_of_means,
    draw_prompts,
    mean_covariance,
    mean_over_seeds,
)
from scipy import stats
from statsmodels.stats.power import TTestPower

VALUES = np.array([1.0, 4.0, 2.5])


def test_readers_and_cases_of_van_dyke():
    """Five readers' areas under the curve in modality 0, and the standard error over readers and cases.

    Data of Van Dyke 1993 as analysed in RJafroc's documentation (chapter on its Obuchowski-Rockette output, table
    RRRC$ciAvgRdrEachTrt of dataset02): Cov2 0.00048396180, estimate 0.89703704, standard error 0.033173597; the
    interval with Hillis's degrees of freedom, 12.744648, is 0.82522360 to 0.96885048, and ours is no narrower.
    """
    areas = np.array([0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066])
    found = mean_over_seeds(areas, 0.00048396180)
    assert found.value == pytest.approx(0.89703704, abs=1e-6)
    assert found.se == pytest.approx(0.033173597, abs=1e-6)
    hillis = found.df * (found.se**2 / found.own) ** 2
    assert hillis == pytest.approx(12.744648, rel=1e-4)
    low, high = found.interval(0.95)
    assert low < 0.82522360
    assert high > 0.96885048
    assert high - low < 1.2 * (0.96885048 - 0.82522360)


def test_without_shared_prompts_it_is_the_t_test():
    found = mean_over_seeds(VALUES, 0.0)
    test = stats.ttest_1samp(VALUES, 0)
    assert found.interval(0.9) == pytest.approx(tuple(test.confidence_interval(0.9)))
    assert found.p() == pytest.approx(test.pvalue)
    assert mean_over_seeds(VALUES, -1.0) == found


def test_where_seeds_do_not_differ_it_is_normal():
    found = mean_over_seeds(np.full(4, 3.0), 4.0)
    assert found.interval(0.95) == pytest.approx(stats.norm.interval(0.95, 3, 2))
    assert found.p() == pytest.approx(2 * stats.norm.sf(1.5))


def test_critical_values_are_weighed_by_variance():
    half = Estimate(0.0, own=1.0, df=2, shared=3.0).critical(0.025)
    assert half == pytest.approx((4.302653 + 3 * 1.959964) / 4)


def test_the_interval_ends_at_zero_where_its_confidence_is_one_less_p():
    found = mean_over_seeds(VALUES, 0.3)
    assert found.interval(1 - found.p())[0] == pytest.approx(0, abs=1e-9)
    assert Estimate(0.0, 1.0, 2, 1.0).p() == 1
    assert 0 < Estimate(1e6, 1.0, 30, 1.0).p() < 1e-50


@pytest.mark.parametrize("n", [3, 5, 30])
def test_the_smallest_slope_seen_is_that_of_statsmodels(n):
    effect = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8)
    found = Estimate(0.0, own=1 / n, df=n - 1, shared=0.0)
    assert found.smallest_seen(alpha=0.05, power=0.8) == pytest.approx(effect, rel=2e-3)


def test_the_smallest_slope_seen_with_many_prompts_is_2_8_standard_errors():
    """Bloom 1995: the minimum detectable effect is 2.80 standard errors at 0.05 and 80 percent."""
    assert Estimate(0.0, 0.0, 2, 4.0).smallest_seen(alpha=0.05, power=0.8) == pytest.approx(2 * 2.80, abs=0.01)


def test_the_smallest_slope_seen_is_seen_that_often():
    """A tenth of the variance is shared: studies are drawn with that slope, and tested."""
    rng, n_studies = np.random.default_rng(0), 4000
    slope = Estimate(0.0, own=1 / 3, df=2, shared=0.1).smallest_seen(alpha=0.05, power=0.8)
    seeds = slope + rng.normal(0, 1, (n_studies, 3)) + rng.normal(0, 0.1**0.5, (n_studies, 1))
    seen = [mean_over_seeds(study, 0.1).interval(0.95)[0] > 0 for study in seeds]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.02)


def test_covariance_of_means_is_that_of_the_bootstrap_over_prompts():
    rng = np.random.default_rng(0)
    by_prompt = rng.normal(0, 1, (3, 50)) + rng.normal(0, 1, 50)
    drawn = by_prompt @ draw_prompts(50, 40_000, rng).T
    np.testing.assert_allclose(covariance_of_means(by_prompt) * 49 / 50, np.cov(drawn), rtol=0.04)
    assert mean_covariance(np.array([[5.0, 1, 2], [1, 5, 3], [2, 3, 5]])) == pytest.approx(2)
    assert mean_covariance(np.array([[5.0]])) == 0


def test_one_seed_says_nothing_of_others():
    with pytest.raises(ValueError, match="there is 1; give at least 2"):
        mean_over_seeds(np.array([1.0]), 0.0)
