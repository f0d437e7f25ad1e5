"""Intervals against what is known: the mean, and the spread of metrics over fresh datasets."""

import numpy as np
import pytest
from macromicro.annotate.tokens import tokenize
from macromicro.measure.embedding_diversity import vendi_score
from macromicro.measure.intervals import bootstrap_intervals
from macromicro.measure.metrics import METRICS, measure, take


def draw(rng, n):
    """Texts of a skewed vocabulary with embeddings."""
    words = np.array([f"w{i}" for i in range(300)])
    texts = [" ".join(words[rng.zipf(1.5, size) % 300]) for size in rng.integers(5, 30, n)]
    return texts, tokenize(texts, None, unit="bare-word"), rng.standard_normal((n, 6)) + 0.6


def measure_intervals(texts, tokens, points, **how):
    """The seven metrics with their intervals."""

    def measure_rows(rows):
        return measure([texts[row] for row in rows], take(tokens, rows), points[rows])

    return bootstrap_intervals(measure_rows, len(texts), **how)


def test_the_interval_of_a_mean_is_the_usual_one():
    values = np.random.default_rng(0).normal(5, 2, 400)
    row = bootstrap_intervals(lambda rows: {"mean": values[rows].mean()}, 400, seed=0, n_groups=400).iloc[0]
    half = 1.96 * values.std(ddof=1) / 20
    assert row["value"] == pytest.approx(values.mean())
    assert [row["low"], row["high"]] == pytest.approx([values.mean() - half, values.mean() + half], abs=0.02)


def test_pseudo_values_of_a_mean_are_the_values_themselves():
    values = np.array([1.0, 2, 4, 8, 16])
    row = bootstrap_intervals(lambda rows: {"mean": values[rows].mean()}, 5, seed=0, n_bootstrap=40_000).iloc[0]
    means = np.random.default_rng(1).choice(values, (40_000, 5)).mean(axis=1)
    assert [row["low"], row["high"]] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.21)  # steps of 0.2


def test_intervals_hold_the_value_and_are_the_same_for_the_same_seed():
    sample = draw(np.random.default_rng(1), 120)
    table, again, other = (measure_intervals(*sample, seed=s, n_groups=20, n_bootstrap=500) for s in (3, 3, 4))
    assert table["metric"].tolist() == list(METRICS)
    assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).all()
    assert dict(zip(table["metric"], table["value"], strict=True)) == measure(*sample)
    assert table.equals(again)
    assert not table["low"].equals(other["low"])


def test_intervals_are_as_wide_as_datasets_differ():
    """The spread over fresh datasets is known by simulation."""
    fresh = np.array([list(measure(*draw(np.random.default_rng(seed), 150)).values()) for seed in range(60)])
    truth = fresh.std(axis=0, ddof=1)
    widths = []
    for seed in range(4):
        table = measure_intervals(*draw(np.random.default_rng(1000 + seed), 150), seed=seed, n_groups=30)
        widths.append((table["high"] - table["low"]) / (2 * 1.96))
    ratio = np.mean(widths, axis=0) / truth
    assert ((ratio > 0.6) & (ratio < 1.7)).all(), dict(zip(METRICS, ratio.round(2), strict=True))


def test_a_plain_bootstrap_would_miss_self_bleu_by_far():
    """Why groups are left out: drawing with replacement copies texts, and each copy has self-BLEU 1."""
    texts, tokens, points = draw(np.random.default_rng(2), 150)
    rows = np.random.default_rng(0).integers(0, 150, 150)
    drawn = [texts[row] for row in rows]
    plain = measure(drawn, tokenize(drawn, None, unit="bare-word"), points[rows])["BL"]
    row = measure_intervals(texts, tokens, points, seed=0, n_groups=30).set_index("metric").loc["BL"]
    assert plain > row["high"] + 2 * (row["high"] - row["low"])


def test_any_metric_can_have_one():
    points = np.random.default_rng(0).standard_normal((80, 5))
    row = bootstrap_intervals(lambda rows: {"Vendi": vendi_score(points[rows])}, 80, seed=0, n_groups=20).iloc[0]
    assert row["low"] < row["value"] == vendi_score(points) < row["high"]


def test_a_missing_metric_has_a_missing_interval():
    table = bootstrap_intervals(lambda rows: {"a": float("nan"), "b": float(rows.sum())}, 10, seed=0)
    assert table["low"].isna().tolist() == [True, False]


def test_what_cannot_be_resampled_is_refused():
    with pytest.raises(ValueError, match="n_texts=2 and n_groups=50 must be at least 3"):
        bootstrap_intervals(lambda rows: {"n": 1.0}, 2, seed=0)
    for confidence in (95, 1.0, 0.0):
        with pytest.raises(ValueError, match=f"confidence={confidence} must be between 0 and 1"):
            bootstrap_intervals(lambda rows: {"n": 1.0}, 9, seed=0, confidence=confidence)
