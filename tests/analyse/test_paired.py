"""Two models on the same prompts: differences by hand, clusters, prompts needed, and mismatches."""

import numpy as np
import pandas as pd
import pytest
from analyse.judged_pairs import verdicts
from macromicro.analyse.paired import compare_models, find_alone
from scipy.stats import ttest_rel


def two(one, other, **columns):
    return pd.concat([verdicts(one, model="a", **columns), verdicts(other, model="b", **columns)])


def test_the_paired_t_test():
    one, other = np.array([1, 1, 0.5, 0, 1, 1]), np.array([1, 0, 0.5, 0, 0, 1])
    row = compare_models(two(one, other)).iloc[0]
    known = ttest_rel(one, other)
    assert row["difference"] == pytest.approx(100 * (one - other).mean())
    assert row["p"] == pytest.approx(known.pvalue) and row["p_holm"] == row["p"]
    interval = known.confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx((100 * interval.low, 100 * interval.high))
    assert row["se_unpaired"] == pytest.approx(100 * np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 6))


def test_prompts_needed_are_those_that_show_the_difference():
    rng = np.random.default_rng(0)
    one = rng.integers(0, 2, 4000).astype(float)
    other = np.where(rng.random(4000) < 0.4, rng.integers(0, 2, 4000), one)
    needed = int(compare_models(two(one, other), difference=6).iloc[0]["n_needed"])
    spread = (one - other).std(ddof=1)
    drawn = rng.normal(0.06, spread, (3000, needed))
    found = np.abs(drawn.mean(axis=1) / (drawn.std(axis=1, ddof=1) / np.sqrt(needed))) > 1.96
    assert found.mean() == pytest.approx(0.8, abs=0.03)


def test_clusters_widen_a_difference_that_categories_share():
    one, other = np.repeat([1.0, 0, 1, 1, 0, 1, 1, 1], 10), np.tile([1.0, 0], 40)
    prompts, category = two(one, other), np.tile(np.repeat(np.arange(8), 10), 2)
    apart, together = compare_models(prompts), compare_models(prompts.assign(cluster=category))
    assert together["se"].iloc[0] > 1.5 * apart["se"].iloc[0]
    assert together["n_needed"].iloc[0] > 2 * apart["n_needed"].iloc[0]


def test_holm_runs_over_all_pairs():
    rng = np.random.default_rng(1)
    tables = [verdicts(rng.random(200) < share, model=name) for name, share in (("a", 0.5), ("b", 0.52), ("c", 0.8))]
    table = compare_models(pd.concat(tables).astype({"points": float}))
    assert list(zip(table["one"], table["other"], strict=True)) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert table["p_holm"].min() == pytest.approx(3 * table["p"].min())


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="b lacks 1 of those of a, such as 'p0002'"):
        compare_models(pd.concat([verdicts([1, 0, 1], model="a"), verdicts([1, 0], model="b")]))
    with pytest.raises(ValueError, match="a lacks 2 of those of b, such as 'p0001'"):
        compare_models(pd.concat([verdicts([1], model="a"), verdicts([1, 0, 1], model="b")]))
    with pytest.raises(ValueError, match="a and b: no prompt has a verdict on both"):
        compare_models(two([1, np.nan], [np.nan, 1]))
    with pytest.raises(ValueError, match="against the same opponent, not a against old; b against other"):
        compare_models(pd.concat([verdicts([1, 0], model="a"), verdicts([1, 0], model="b", against="other")]))
    with pytest.raises(ValueError, match="difference=0 must be above zero"):
        compare_models(two([1, 0], [0, 1]), difference=0)


def test_who_is_alone_against_an_opponent_is_named():
    three = pd.concat([two([1, 0, 1], [0, 0, 1]), verdicts([1, 0], model="c", against="other")])
    assert find_alone(three) == ["c against other (j)"]
    assert compare_models(three)[["one", "other"]].to_numpy().tolist() == [["a", "b"]]
    assert find_alone(two([1, 0], [0, 1])) == []


def test_equal_models_have_no_p_below_one():
    row = compare_models(two([1, 0, 1.0], [1, 0, 1.0])).iloc[0]
    assert (row["difference"], row["p"]) == (0, 1) and np.isnan(row["n_needed"])
    assert row["note"].startswith("the same on every prompt")


def test_one_cluster_has_a_difference_and_a_note_in_place_of_its_interval():
    table = compare_models(two([1, 0, 1.0], [0, 0, 1.0], cluster="maths"))
    assert table["difference"].tolist() == [pytest.approx(100 / 3)] and table["p_holm"].isna().all()
    assert table["note"].tolist() == ["one cluster of prompts (maths), so that there is no interval"]
