"""What stands beside the score of every level, from tables written by hand."""

import pandas as pd
from macromicro.analyse.level_tables import tabulate_levels

COLUMNS = ["strategy", "family", "baseline", "baseline_size", "size", "level", "seed", "score", "low", "high", "margin"]
COLUMNS += ["n_steps", "n_samples", "response_tokens", "untuned"]


def points(*rows):
    return pd.DataFrame(rows, columns=COLUMNS)


def model(strategy="micro", family="paper", size=20, level=0.0, seed=0, score=40.0, tokens=12.0, untuned=31.0):
    ends = (score - 5, score + 5, -0.01)
    return (strategy, family, "baseline", 20, size, level, seed, score, *ends, 4, size, tokens, untuned)


def baselines(*rows):
    names = ["strategy", "size", "seed", "score", "margin", "n_steps", "n_samples", "response_tokens"]
    return pd.DataFrame(rows, columns=names)


RANDOM = ("baseline", 20, 0, 50.0, 0.0, 4, 20, 30.0)


def test_untuned_and_random_stand_above_the_levels_of_one_seed():
    table = tabulate_levels(points(model(level=50.0, score=55.0, tokens=100.0), model()), baselines(RANDOM))["micro"]
    assert table.columns.tolist() == [
        "model", "score", "mean margin", "steps", "samples", "response tokens", "tokens per response"
    ]  # fmt: skip
    assert table.to_numpy().tolist() == [
        ["untuned", "31.0", "–", "–", "–", "–", "–"],
        ["random", "50.0", "+0.0000", "4", "20", "600", "30.0"],
        ["0 %", "40.0 (35.0 to 45.0)", "-0.0100", "4", "20", "240", "12.0"],
        ["50 %", "55.0 (50.0 to 60.0)", "-0.0100", "4", "20", "2,000", "100.0"],
    ]


def test_several_seeds_are_their_mean_and_their_ends():
    seeds = points(model(), model(seed=1, score=44.0, tokens=14.0, untuned=33.0))
    banded = ("baseline-5-50", *RANDOM[1:7], 90.0)
    random = baselines(RANDOM, ("baseline", 20, 1, *RANDOM[3:7], 34.0), banded)
    table = tabulate_levels(seeds, random)["micro"]
    assert table["score"].tolist() == ["32.0 (31.0 to 33.0)", "50.0 (50.0 to 50.0)", "42.0 (40.0 to 44.0)"]
    assert table["tokens per response"].tolist() == ["–", "32.0", "13.0"], "of its own baseline"


def test_sizes_are_named_where_there_are_several_and_random_is_the_one_that_was_met():
    random = baselines(RANDOM, ("baseline", 60, *RANDOM[2:7], 99.0))
    several = tabulate_levels(points(model(), model(size=60)), random)
    assert several["micro"]["model"].tolist() == ["untuned", "random, N = 20", "0 %, N = 20", "0 %, N = 60"]
    assert several["micro"]["tokens per response"][1] == "30.0"


def test_every_strategy_with_levels_has_a_table_and_new_columns_come_in():
    models = points(model(), model("bands-a", "bands"), model("longest", "rivals", level=None))
    found = tabulate_levels(models.assign(near_duplicates=0.125), baselines(RANDOM))
    assert list(found) == ["micro", "bands-a"]
    assert found["micro"]["near-duplicates"].tolist() == ["–", "–", "12.5 %"]


def test_a_model_without_a_score_shows_a_dash():
    lost = points((*model()[:7], *[None] * 4, *model()[11:-1], None))
    table = tabulate_levels(lost, baselines(RANDOM))["micro"]
    assert table["score"].tolist() == ["–", "50.0", "–"]
    assert table["mean margin"].tolist() == ["–", "+0.0000", "–"]
