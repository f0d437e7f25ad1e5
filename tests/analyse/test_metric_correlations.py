"""Correlations against scipy and statsmodels, and their intervals over strategies and seeds."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from analyse.simulated_studies import simulate_metrics as study
from macromicro.analyse.metric_correlations import correlate_clusters, correlate_families
from macromicro.analyse.stats import correlate, holm
from scipy.stats import pearsonr


def test_r_is_that_of_the_plain_table_and_the_interval_another():
    points, metrics = study(0)
    both = pd.concat([metrics, metrics.assign(part="instruction", IE=-metrics["IE"])])
    plain = correlate(points.assign(family="all"), both).set_index(["part", "metric"])
    table = correlate_clusters(points, both).set_index(["part", "metric"])
    assert table["r"].dropna().to_numpy() == pytest.approx(plain["r"].dropna().to_numpy())
    assert table["n"].tolist() == plain["n"].tolist()
    row = table.loc[("response", "IE")]
    assert row[["n_strategies", "n_seeds"]].tolist() == [6, 3]
    assert row["low"] < row["r"] < row["high"]
    assert row["high"] - row["low"] > 1.3 * (plain["high"] - plain["low"])["response", "IE"]


def test_the_partial_correlation_is_that_of_residuals():
    points, metrics = study(1)
    row = correlate_clusters(points, metrics).set_index("metric").loc["IE"]
    length = sm.add_constant(metrics["SL"].to_numpy())
    left = [sm.OLS(values.to_numpy(), length).fit().resid for values in (metrics["IE"], points["score"])]
    assert row["r_given_length"] == pytest.approx(pearsonr(*left).statistic)
    assert row["given_low"] < row["r_given_length"] < row["given_high"]


def test_length_of_responses_is_given_to_both_parts_and_not_to_itself():
    points, metrics = study(1)
    rng = np.random.default_rng(0)
    other = metrics.assign(part="instruction", SL=rng.normal(0, 1, len(metrics)))
    table = correlate_clusters(points, pd.concat([metrics, other])).set_index(["part", "metric"])
    assert table["r_given_length"]["instruction", "IE"] == pytest.approx(table["r_given_length"]["response", "IE"])
    length = sm.add_constant(metrics["SL"].to_numpy())
    left = [sm.OLS(values.to_numpy(), length).fit().resid for values in (other["SL"], points["score"])]
    assert table["r_given_length"]["instruction", "SL"] == pytest.approx(pearsonr(*left).statistic)
    itself = table.loc[("response", "SL")]
    assert np.isnan(itself[["r_given_length", "given_p", "given_p_holm"]].astype(float)).all()
    assert itself["note"] == ""
    with pytest.raises(ValueError, match="must have rows of the part 'response'"):
        correlate_clusters(points, other)


def test_the_partial_correlation_has_the_p_of_its_interval_and_holm_over_all_metrics():
    points, metrics = study(1)
    both = pd.concat([metrics, metrics.assign(part="instruction", IE=metrics["IE"] ** 2)])
    table = correlate_clusters(points, both)
    p = table.set_index(["part", "metric"]).loc[("response", "IE"), "given_p"]
    edge = correlate_clusters(points, both, confidence=1 - p).set_index(["part", "metric"]).loc[("response", "IE")]
    ends = [abs(edge["given_low"]), abs(edge["given_high"])]
    assert min(ends) == pytest.approx(0, abs=1e-9), "at the confidence 1 - p the interval ends at zero"
    assert table["given_p_holm"].dropna().to_numpy() == pytest.approx(holm(table["given_p"].dropna().to_numpy()))
    assert table["given_p_holm"].notna().sum() == 2, "IE of both parts: both lengths are the same"


def test_independent_datasets_have_fishers_interval():
    """As many strategies as datasets: the bootstrap's error is that of Fisher's z."""
    rng = np.random.default_rng(0)
    points = pd.DataFrame({"strategy": [f"s{i}" for i in range(300)], "dataset": "d", "seed": 0})
    points["score"] = rng.normal(0, 1, 300)
    metrics = points[["strategy", "dataset"]].assign(part="response", IE=points["score"] + rng.normal(0, 1, 300))
    metrics["SL"] = rng.normal(0, 1, 300)
    row = correlate_clusters(points, metrics).set_index("metric").loc["IE"]
    fisher = pearsonr(points["score"], metrics["IE"]).confidence_interval(0.95)
    assert [row["low"], row["high"]] == pytest.approx([fisher.low, fisher.high], abs=0.03)


def test_intervals_cover_other_strategies_and_seeds():
    """Ours covers 95 percent of studies of six strategies and three seeds, Fisher's of 126 datasets far fewer."""
    many = [study(seed) for seed in range(1000, 1150)]
    whole = np.array([[points["score"], metrics["IE"]] for points, metrics in many])
    truth = np.corrcoef(whole[:, 0].ravel(), whole[:, 1].ravel())[0, 1]
    ours, fisher = [], []
    for points, metrics in many:
        metrics = metrics.drop(columns="BL")
        row = correlate_clusters(points, metrics, n_bootstrap=100).iloc[0]
        ours.append(row["low"] <= truth <= row["high"])
        row = correlate(points.assign(family="all"), metrics.drop(columns="SL")).iloc[0]
        fisher.append(row["low"] <= truth <= row["high"])
    assert 0.92 <= np.mean(ours) <= 0.995
    assert np.mean(fisher) < 0.8


def test_what_is_not_defined_says_why():
    points, metrics = study(2)
    table = correlate_clusters(points, metrics).set_index("metric")
    assert table.loc["BL", "note"] == "BL does not vary"
    assert np.isnan(table.loc["BL", ["r", "low", "p", "r_given_length"]].astype(float)).all()
    small = metrics.assign(IE=1e-14 * metrics["IE"], BL=1e6 * (1 + 1e-15 * np.arange(len(metrics))))
    found = correlate_clusters(points, small).set_index("metric")
    assert found.loc["BL", "note"] == "BL does not vary", "by rounding alone"
    assert found.loc["IE", "r"] == pytest.approx(table.loc["IE", "r"])
    few = correlate_clusters(points.head(42), metrics).set_index("metric").loc["IE"]
    assert few["note"] == "no interval: only 2 strategies"
    assert np.isnan(few["low"])
    assert few["r"] == pytest.approx(pearsonr(points["score"].head(42), metrics["IE"].head(42)).statistic)
    assert correlate_clusters(points.head(3), metrics).iloc[0]["note"] == "only 3 datasets with values"
    flat = correlate_clusters(points, metrics.assign(SL=7.0)).set_index("metric").loc["IE"]
    assert np.isnan(flat["r_given_length"])
    assert flat["r"] == pytest.approx(table.loc["IE", "r"])


def test_missing_values_are_left_out():
    points, metrics = study(3)
    holed = metrics.assign(IE=metrics["IE"].where(metrics.index > 4, np.inf))
    row = correlate_clusters(points, holed).set_index("metric").loc["IE"]
    assert row["n"] == 121
    assert row["r"] == pytest.approx(pearsonr(points["score"][5:], metrics["IE"][5:]).statistic)
    lost = points.assign(score=points["score"].where(points.index > 4))
    assert correlate_clusters(lost, metrics).set_index("metric").loc["IE", "r"] == pytest.approx(row["r"])


def test_order_of_rows_does_not_matter_and_the_seed_does():
    points, metrics = study(4)
    table = correlate_clusters(points, metrics)
    mixed = correlate_clusters(points.sample(frac=1, random_state=0), metrics.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(table, mixed)
    assert correlate_clusters(points, metrics, seed=1).loc[0, "low"] != table.loc[0, "low"]


def test_datasets_without_metrics_or_with_two_are_refused():
    points, metrics = study(5)
    with pytest.raises(ValueError, match="no response row for dataset \\['s5', 'd2-6'\\]"):
        correlate_clusters(points, metrics.iloc[:-1])
    with pytest.raises(ValueError, match="a dataset twice for one part"):
        correlate_clusters(points, pd.concat([metrics, metrics.head(1)]))
    with pytest.raises(ValueError, match="length='tokens' must be a column of metrics, which has strategy, dataset"):
        correlate_clusters(points, metrics, length="tokens")


def test_families_are_apart():
    points, metrics = study(0)
    families = {f"s{i}": "paper" if i < 4 else "rivals" for i in range(6)}
    points, metrics = (table.assign(family=table["strategy"].map(families)) for table in (points, metrics))
    table = correlate_families(points, metrics, seed=3).set_index(["family", "metric"])
    assert table.index.unique("family").tolist() == ["paper", "rivals"]
    assert table["n_strategies"].groupby("family").first().to_dict() == {"paper": 4, "rivals": 2}
    ours = [one[one["family"] == "paper"].drop(columns="family") for one in (points, metrics)]
    alone = correlate_clusters(*ours, seed=3).set_index("metric")
    pd.testing.assert_frame_equal(table.loc["paper"], alone)
    assert table.loc[("rivals", "IE"), "note"] == "no interval: only 2 strategies"
    points.loc[points["family"] == "rivals", "score"] = np.nan
    assert set(correlate_families(points, metrics)["family"]) == {"paper"}
    with pytest.raises(ValueError, match="must hold a model with a score"):
        correlate_families(points.assign(score=np.nan), metrics)
