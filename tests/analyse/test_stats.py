"""Slopes, lines, Holm and correlations against statsmodels, scikit-learn and hand-made tables."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from macromicro.analyse.stats import correlate, fit_lines, fit_slopes, holm
from sklearn.linear_model import BayesianRidge
from statsmodels.stats.multitest import multipletests

LEVELS = [0, 16, 33, 50, 66, 83, 100]


def series(scores, *, part="response", granularity="micro", size=500, levels=LEVELS, family="paper"):
    about = {"strategy": f"{part}-{granularity}", "family": family, "part": part, "granularity": granularity}
    return pd.DataFrame({**about, "size": size, "level": levels, "score": scores})


def noisy(seed, slope=0.05):
    rng = np.random.default_rng(seed)
    return 50 + slope * np.array(LEVELS) + rng.normal(0, 1, len(LEVELS))


def test_slopes_equal_those_of_statsmodels():
    points = pd.concat([series(noisy(0)), series(noisy(1, 0), granularity="macro"), series(noisy(2), size=1000)])
    table = fit_slopes(points, confidence=0.9)
    assert len(table) == 3
    row = table[(table["granularity"] == "micro") & (table["size"] == 500)].iloc[0]
    fit = sm.OLS(noisy(0), sm.add_constant(np.array(LEVELS, dtype=float))).fit()
    low, high = fit.conf_int(0.1)[1]
    assert [row["slope"], row["low"], row["high"]] == pytest.approx([100 * fit.params[1], 100 * low, 100 * high])
    assert row["p"] == pytest.approx(fit.pvalues[1])


def test_seeds_are_not_pooled():
    points = pd.concat([series(noisy(seed)).assign(seed=seed) for seed in range(3)])
    with pytest.raises(ValueError, match="of one seed, but response-micro at size 500 has 3"):
        fit_slopes(points)
    pd.testing.assert_frame_equal(fit_slopes(points[points["seed"] == 1]), fit_slopes(series(noisy(1))))


@pytest.mark.parametrize("n", [1, 2, 5, 18])
def test_holm_equals_statsmodels(n):
    p = np.random.default_rng(n).uniform(0, 0.2, n).round(2)  # a call of multipletests takes 0.2 s
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-15)


@given(st.lists(st.sampled_from([0, 1e-9, 0.01, 0.01, 0.04, 0.5, 1]), min_size=1, max_size=12))
def test_holm_never_lowers_nor_reorders(p):
    adjusted = holm(np.array(p, dtype=float))
    assert (adjusted >= p).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
    assert adjusted[np.argmin(p)] == min(1, len(p) * min(p))


def test_holm_leaves_missing_values_out_of_the_count():
    adjusted = holm(np.array([np.nan, 0.02, np.nan, 0.03]))
    assert adjusted.tolist() == pytest.approx([np.nan, 0.04, np.nan, 0.04], nan_ok=True)
    assert holm(np.array([])).tolist() == []


def test_a_series_without_a_slope_says_why_and_does_not_count():
    points = pd.concat(
        [
            series(noisy(0, 0.2)),
            series([50.0] * 7, granularity="macro"),
            series([49, 51], granularity="meso", levels=[0, 100]),
            series([49, 51, 50], part="instruction", levels=[50] * 3),
            series([49, np.nan, 50, 52], part="instruction", granularity="macro", levels=[0, 33, 66, 100]),
        ]
    )
    table = fit_slopes(points).set_index(["part", "granularity"])
    assert table["note"].to_dict() == {
        ("instruction", "macro"): "",
        ("instruction", "micro"): "all at one level",
        ("response", "macro"): "all scores equal",
        ("response", "meso"): "only 2 scores",
        ("response", "micro"): "",
    }
    assert table["slope"].isna().sum() == 3
    assert table.loc[("instruction", "macro"), ["n", "n_missing"]].tolist() == [3, 1]
    assert table.loc[("response", "micro"), "p_holm"] == pytest.approx(2 * table.loc[("response", "micro"), "p"])
    assert table["significant"].tolist() == [False, False, False, False, True]


def test_holm_counts_the_slopes_of_a_family_and_rivals_have_none():
    points = pd.concat([series(noisy(0)), series(noisy(1), granularity="macro"), series(noisy(2), part="instruction")])
    alone = fit_slopes(points).set_index("strategy")
    more = [series(noisy(3), granularity="meso", family="bands"), series([70.0], levels=[np.nan], family="rivals")]
    table = fit_slopes(pd.concat([points, *more])).set_index("strategy")
    assert table["family"].to_dict() == {**alone["family"].to_dict(), "response-meso": "bands"}
    assert table.loc[alone.index, "p_holm"].tolist() == alone["p_holm"].tolist()
    assert table.loc["response-meso", "p_holm"] == table.loc["response-meso", "p"]
    pd.testing.assert_frame_equal(fit_lines(pd.concat([points, more[1]])), fit_lines(points))


def test_slopes_of_nothing_are_refused():
    with pytest.raises(ValueError, match="points is empty"):
        fit_slopes(series([], levels=[]))


def test_lines_are_bayesian_ridge_and_the_band_is_not_centred():
    points = pd.concat([series(noisy(0)), series([50, 51], granularity="meso", levels=[0, 100])])
    lines = fit_lines(points, levels=np.array([0.0, 40, 100]))
    model = BayesianRidge().fit(np.array(LEVELS, dtype=float)[:, None], noisy(0))
    assert lines["granularity"].unique().tolist() == ["micro"]
    assert lines["mean"].to_numpy() == pytest.approx(model.predict([[0], [40], [100]]))
    assert lines["sd"].to_numpy()[0] == pytest.approx(model.alpha_**-0.5)
    assert lines["sd"].to_numpy()[2] == pytest.approx((1 / model.alpha_ + 100**2 * model.sigma_[0, 0]) ** 0.5)


def test_lines_of_series_too_short_are_an_empty_table():
    assert fit_lines(series([50, 51], levels=[0, 100])).columns.tolist()[-3:] == ["level", "mean", "sd"]


def datasets(n, seed=0):
    rng = np.random.default_rng(seed)
    names = [f"d{i}" for i in range(n)]
    points = pd.DataFrame(
        {"strategy": "response-micro", "family": "paper", "dataset": names, "score": rng.normal(50, 2, n)}
    )
    metrics = pd.DataFrame({"strategy": "response-micro", "dataset": names, "part": "response"})
    return points, metrics.assign(IE=points["score"] + rng.normal(0, 2, n), SL=7.0)


def test_correlations_equal_numpy_and_fisher():
    points, metrics = datasets(30)
    both = pd.concat([metrics, metrics.assign(part="instruction", IE=-metrics["IE"])])
    table = correlate(points, both.sample(frac=1, random_state=0)).set_index(["part", "metric"])
    r = np.corrcoef(points["score"], metrics["IE"])[0, 1]
    half = 1.959964 / np.sqrt(27)
    row = table.loc[("response", "IE")]
    expected = [r, np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)]
    assert row[["r", "low", "high"]].tolist() == pytest.approx(expected)
    assert row["p"] == pytest.approx(sm.OLS(points["score"], sm.add_constant(metrics["IE"])).fit().pvalues["IE"])
    assert table.loc[("instruction", "IE"), "r"] == pytest.approx(-r)


def test_a_family_is_correlated_apart():
    points, metrics = datasets(30)
    alone = correlate(points, metrics)
    other = points.assign(strategy="band", family="bands", score=-points["score"])
    both = pd.concat([metrics.assign(family="paper"), metrics.assign(strategy="band", family="bands")])
    table = correlate(pd.concat([points, other]), both).set_index(["family", "metric"])
    assert table.loc["paper", "r"].tolist() == pytest.approx(alone["r"].tolist(), nan_ok=True)
    assert table.loc[("bands", "IE"), "r"] == pytest.approx(-alone["r"].iloc[0])


def test_a_correlation_that_is_not_defined_says_why():
    points, metrics = datasets(30)
    table = correlate(points, metrics).set_index("metric")
    assert table.loc["SL", "note"] == "SL does not vary"
    assert np.isnan(table.loc["SL", "r"])
    assert correlate(points.assign(score=50.0), metrics).set_index("metric").loc["IE", "note"] == "score does not vary"
    few = correlate(points.head(3), metrics).iloc[0]
    assert few["note"] == "only 3 datasets with values"
    holed = correlate(points, metrics.assign(IE=metrics["IE"].where(metrics.index > 4))).set_index("metric")
    assert holed.loc["IE", "n"] == 25


def test_what_varies_is_told_by_the_size_of_its_values():
    points, metrics = datasets(30)
    rounding = metrics.assign(IE=1e6 * (1 + 1e-15 * np.arange(30)), SL=1e-14 * metrics["IE"])
    table = correlate(points, rounding).set_index("metric")
    assert table.loc["IE", "note"] == "IE does not vary"
    assert table.loc["SL", "r"] == pytest.approx(correlate(points, metrics).set_index("metric").loc["IE", "r"])


def test_datasets_without_metrics_or_with_two_are_refused():
    points, metrics = datasets(5)
    with pytest.raises(ValueError, match="no response row for dataset \\['response-micro', 'd4'\\]"):
        correlate(points, metrics.head(4))
    with pytest.raises(ValueError, match="a dataset twice for one part"):
        correlate(points, pd.concat([metrics, metrics.head(1)]))
