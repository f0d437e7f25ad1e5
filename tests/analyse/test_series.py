"""Verdicts as matrices: order, datasets of equal content, prompts without a value, and what is refused."""

import numpy as np
import pytest
from analyse.simulated_studies import LEVELS, World, points_of, simulate, verdicts_of
from macromicro.analyse.series import split_series

WORLD = World(n_seeds=2, n_prompts=5)
MARGINS = simulate(WORLD, 1, np.random.default_rng(0))[0][0]
VERDICTS = verdicts_of(MARGINS).sample(frac=1, random_state=0)


def only(verdicts, value="points"):
    ((name, series),) = split_series(verdicts, value)
    assert name == {"strategy": "response-micro", "size": 500}
    return series


def test_values_are_in_the_order_of_seed_level_and_prompt():
    points, margins = only(VERDICTS), only(VERDICTS, "margin")
    assert (points.n_seeds, points.n_levels, points.n_prompts) == (2, 7, 5)
    for seed in (0, 1):
        np.testing.assert_array_equal(points.levels[seed], LEVELS)
        np.testing.assert_array_equal(points.values[seed], 100 * points_of(MARGINS)[seed])
        np.testing.assert_allclose(margins.values[seed], MARGINS[seed])
        np.testing.assert_allclose(points.scores()[seed], 100 * points_of(MARGINS)[seed].mean(axis=1))


def test_levels_above_are_kept():
    above = only(VERDICTS).above(16)
    assert above.levels[1].tolist() == [33, 50, 66, 83, 100]
    np.testing.assert_array_equal(above.values[1], 100 * points_of(MARGINS)[1, 2:])


def test_datasets_of_equal_content_are_one_point():
    same = {0: "a", 16: "a", 33: "b", 50: "b", 66: "b", 83: "c", 100: "c"}
    digest = VERDICTS["level"].map(same).where(VERDICTS["seed"] == 0, VERDICTS["dataset"])
    series = only(VERDICTS.assign(digest=digest), "margin")
    assert series.levels[0].tolist() == pytest.approx([0, (33 + 50 + 66) / 3, 100])
    assert series.levels[1].tolist() == LEVELS.tolist()
    np.testing.assert_allclose(series.values[0][1], MARGINS[0, 2:5].mean(axis=0))
    assert series.remarks == (
        "seed 0: 0 %, 16 % are one dataset, one point at 0 %",
        "seed 0: 33 %, 50 %, 66 % are one dataset, one point at 49.6667 %",
        "seed 0: 83 %, 100 % are one dataset, one point at 100 %",
    )


def test_equal_content_of_two_seeds_is_two_points():
    assert only(VERDICTS.assign(digest=VERDICTS["level"])).n_levels == 7
    assert only(VERDICTS.assign(digest=VERDICTS["level"])).remarks == ()


def test_a_dataset_without_a_digest_is_one_of_its_own():
    assert [len(at) for at in only(VERDICTS.assign(digest=None)).levels] == [7, 7]


def test_a_prompt_without_a_value_is_left_out_for_all_and_counted():
    lost = VERDICTS.assign(
        points=VERDICTS["points"].mask((VERDICTS["prompt_id"] == "p003") & (VERDICTS["level"] == 50))
    )
    series = only(lost)
    assert series.n_prompts == 4
    assert series.remarks == ("1 prompts without a value left out",)
    np.testing.assert_array_equal(series.values[0], 100 * points_of(MARGINS)[0][:, [0, 1, 2, 4]])


def test_what_is_no_series_is_refused():
    with pytest.raises(ValueError, match="response-micro at size 500 did not"):
        only(VERDICTS.iloc[1:])
    with pytest.raises(ValueError, match="one verdict per dataset and prompt, but some of response-micro"):
        only(VERDICTS.iloc[[0, *range(len(VERDICTS))]])
    with pytest.raises(ValueError, match="missing: \\['margin'\\]"):
        only(VERDICTS.drop(columns="margin"), "margin")
    with pytest.raises(ValueError, match="missing: rows"):
        only(VERDICTS.head(0))
    with pytest.raises(ValueError, match="no prompt has a value for every model of response-micro at size 500"):
        only(VERDICTS.assign(points=np.nan))
    with pytest.raises(ValueError, match="a series needs levels, but n500-d033-s0 of response-micro"):
        only(VERDICTS.assign(level=VERDICTS["level"].replace(33, np.nan)))
    two = VERDICTS.assign(level=VERDICTS["level"].replace(16, 0))
    with pytest.raises(ValueError, match="n500-d016-s0 of response-micro at size 500 is a second one"):
        only(two)
