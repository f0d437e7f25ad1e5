"""Which of two datasets is more diverse: on tables by hand, and on texts that are."""

import numpy as np
import pandas as pd
import pytest
from macromicro.annotate.tokens import tokenize
from macromicro.measure.comparison import compare_datasets, join_datasets
from macromicro.measure.single import ALL_METRICS
from macromicro.measure.summary import MORE_DIVERSE, OF_SIZE, find_more_diverse, sum_up

NAMES = {"one": "ONE", "two": "TWO"}
WORDS = [f"w{n}" for n in range(60)]


def table_of(rows, part="response"):
    """A table of metrics, and the same of the other part."""
    table = pd.DataFrame(rows, columns=["metric", "one", "two"])
    return pd.concat([table.assign(part=name) for name in ("instruction", part)], ignore_index=True)


def draw_samples(n, words, seed, length=12):
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(words, length)) for _ in range(2 * n)]
    return pd.DataFrame({"instruction": texts[:n], "response": texts[n:]}).astype("str")


def measure_both(one, two, **how):
    samples, rows = join_datasets({"one": one, "two": two})

    def embed(texts):
        return np.array([[1 + 3 * text.split().count(word) for word in WORDS] for text in texts], dtype=np.float32)

    return compare_datasets(
        samples, rows, tokenize=lambda texts: tokenize(texts, None, unit="bare-word"), embed=embed, **how
    ).table


def test_every_metric_points_the_way_that_a_larger_vocabulary_moves_it():
    """Texts of sixty words are more diverse than texts of six, by every metric that judges diversity."""
    assert tuple(MORE_DIVERSE) == ALL_METRICS
    table = measure_both(draw_samples(60, WORDS, 0), draw_samples(60, WORDS[:6], 1))
    found = find_more_diverse(table, "one", "two")
    assert sorted(found["metric"].unique()) == sorted(set(ALL_METRICS) - {"SL"})
    assert (found["more"] == "one").all()
    assert (find_more_diverse(table, "two", "one")["more"] == "one").all()


def test_metrics_of_size_move_with_it_and_the_others_hardly():
    many = draw_samples(800, WORDS, 0)
    table = measure_both(many.iloc[:100], many.iloc[100:]).set_index(["part", "metric"])
    moved = (table["two"] / table["one"] - 1).abs().groupby("metric").max()
    assert set(moved.index[moved < 0.02]) >= set(ALL_METRICS) - set(OF_SIZE) - {"MTLD"}
    assert moved["MTLD"] < 0.06
    assert {"1-NR", "2-NR", "CR", "BL", "NovelSum"} <= set(moved.index[moved > 0.06])


def test_the_sentence_counts_metrics_and_names_those_that_length_leaves_alone():
    rows = [
        ("1-NR", 3, 2),
        ("CR", 5, 4),
        ("BL", 1, 2),
        ("IE", 4, 4),
        ("MTLD", 50, 40),
        ("HD-D", np.nan, 1),
        ("SL", 10, 11),
    ]
    assert sum_up(table_of(rows), "one", "two", NAMES) == {
        part: f"ONE is more diverse than TWO by 3 of 6 metrics of the {part}s and less by 1 (1 equal, 1 missing); of "
        "the two that length leaves alone, MTLD says ONE and HD-D is missing."
        for part in ("instruction", "response")
    }
    other_way = sum_up(table_of(rows), "two", "one", NAMES)["response"]
    assert other_way.startswith(
        "TWO is more diverse than ONE by 1 of 6 metrics of the responses and less by 3 (1 equal,"
    )


def test_mean_lengths_that_differ_by_more_than_a_tenth_are_a_warning():
    robust = [("MTLD", 50, 40), ("HD-D", 1, 1)]
    for lengths, warned in (((10, 11), False), ((10, 11.1), True), ((11.1, 10), True), ((0, 0), False), ((0, 1), True)):
        said = sum_up(table_of([*robust, ("SL", *lengths)]), "one", "two", NAMES)["instruction"]
        assert (f"(SL {lengths[0]:.4g} and {lengths[1]:.4g})" in said) == warned
        assert ("trust these two first" in said) == warned


def test_with_intervals_only_differences_beyond_zero_count():
    table = table_of([("1-NR", 3, 2), ("CR", 3, 2), ("MTLD", 3, 2), ("HD-D", 3, 2), ("SL", 9, 9)])
    for name in ("one", "two"):
        half = table["metric"].map({"1-NR": 0.8, "CR": 0.6, "MTLD": 0.6, "HD-D": np.nan, "SL": 0})
        table[f"{name}_low"], table[f"{name}_high"] = table[name] - half, table[name] + half
    more = find_more_diverse(table, "one", "two").set_index(["part", "metric"])["more"]["response"]
    # together 0.8 * sqrt(2) = 1.13 is more than the difference of 1, and 0.6 * sqrt(2) = 0.85 is less
    assert more.to_dict() == {"1-NR": "neither", "CR": "two", "MTLD": "one", "HD-D": "missing"}
    said = sum_up(table, "one", "two", NAMES)["response"]
    assert "by 1 of 4 metrics of the responses and less by 1 (1 with an interval that holds zero, 1 missing)" in said


@pytest.mark.parametrize("seed", range(3))
def test_datasets_of_one_kind_are_told_apart_by_few_intervals(seed):
    table = measure_both(draw_samples(60, WORDS, seed), draw_samples(60, WORDS, seed + 50), interval_of=["one", "two"])
    more = find_more_diverse(table, "one", "two")["more"]
    assert (more == "neither").sum() >= 17  # of 20, most of which move together
