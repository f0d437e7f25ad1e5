"""Every line of the rule, and what is said beside a verdict."""

import numpy as np
import pandas as pd
import pytest
from macromicro.analyse.verdict import decide

RISES = {
    "strategy": "response-micro",
    "size": 10_000,
    "n_seeds": 3,
    "slope": 8.0,
    "low": 4.0,
    "high": 12.0,
    "narrow_low": 5.0,
    "narrow_high": 11.0,
    "p_holm": 0.01,
    "prompt_share": 0.2,
    "smallest_slope": 6.2,
    "without_zero": 6.0,
    "without_zero_low": 1.0,
    "without_zero_high": 11.0,
    "without_zero_p_holm": 0.02,
    "margin_slope": 0.3,
    "note": "",
}
FALLS = RISES | {"slope": -8.0, "low": -12.0, "high": -4.0, "narrow_low": -11.0, "narrow_high": -5.0}
FALLS |= {"without_zero": -6.0, "without_zero_low": -11.0, "without_zero_high": -1.0, "margin_slope": -0.3}
SLIGHT = RISES | {"slope": 2.0, "low": 0.5, "high": 3.5, "narrow_low": 0.8, "narrow_high": 3.2}
SLIGHT_FALL = FALLS | {"slope": -2.0, "low": -3.5, "high": -0.5, "narrow_low": -3.2, "narrow_high": -0.8}
NOTHING = RISES | {"slope": 1.0, "low": -3.0, "high": 5.0, "narrow_low": -2.2, "narrow_high": 4.2, "p_holm": 0.5}
UNKNOWN = RISES | {"slope": 3.0, "low": -4.0, "high": 10.0, "narrow_low": -2.0, "narrow_high": 8.0, "p_holm": 0.3}
NONE = RISES | {"slope": np.nan, "note": "fewer than 2 different datasets in a seed"}

CASES = {
    "rises": RISES,
    "falls": FALLS,
    "rises slightly": SLIGHT,
    "falls slightly": SLIGHT_FALL,
    "no effect as large": NOTHING,
    "cannot be told": UNKNOWN,
    "no slope": NONE,
}


def say(row, **how):
    ((_, decided),) = decide(pd.DataFrame([row]), **how).iterrows()
    return decided["verdict"], decided["sentence"]


def test_every_case_has_its_verdict():
    table = decide(pd.DataFrame(list(CASES.values())))
    assert table["verdict"].tolist() == list(CASES)
    assert (table["size"] == 10_000).all()


def test_what_rises_is_said_with_size_interval_and_seeds():
    assert say(RISES)[1] == (
        "response-micro at N = 10,000: the score rises with diversity, +8.0 points from 0 to 100 % diversity "
        "(+4.0 to +12.0, over 3 seeds); without level 0 it holds, +6.0 (+1.0 to +11.0); "
        "wins and mean margin agree in sign."
    )


def test_what_falls_and_what_is_slight():
    assert "the score falls with diversity, -8.0 points" in say(FALLS)[1]
    assert "the score rises with diversity, but by less than 5 points: +2.0 points" in say(SLIGHT)[1]
    assert "the score falls with diversity, but by less than 5 points: -2.0 points" in say(SLIGHT_FALL)[1]


def test_no_effect_as_large_names_the_effect():
    assert say(NOTHING)[1] == (
        "response-micro at N = 10,000: an effect of 5 points or more, either way, is ruled out: +1.0 points "
        "from 0 to 100 % diversity (-3.0 to +5.0, over 3 seeds); wins and mean margin agree in sign."
    )


def test_what_cannot_be_told_says_what_would_have_been_needed():
    assert say(UNKNOWN)[1] == (
        "response-micro at N = 10,000: whether diversity matters cannot be told, +3.0 points from 0 to 100 % diversity "
        "(-4.0 to +10.0, over 3 seeds); this grid would have seen a true slope of 6.2 points 80 times in 100, "
        "and more seeds would narrow the interval most; wins and mean margin agree in sign."
    )
    assert "this grid would have seen no slope that scores can have" in say(UNKNOWN | {"smallest_slope": 271})[1]
    assert "more prompts would narrow the interval most" in say(UNKNOWN | {"prompt_share": 0.6})[1]


def test_without_a_slope_the_reason_stands():
    assert say(NONE)[1].endswith(": there is no slope (fewer than 2 different datasets in a seed).")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"without_zero": 2.0, "without_zero_low": 0.5, "without_zero_high": 3.5, "without_zero_p_holm": 0.06},
            "is no longer distinguishable from zero, +2.0 (+0.5 to +3.5)",
        ),
        ({"without_zero": -1.0, "without_zero_low": -4.0, "without_zero_high": 2.0}, "the sign turns, -1.0"),
        ({"without_zero": np.nan}, "there is no slope without level 0 to compare"),
        ({"margin_slope": -0.1}, "wins and mean margin disagree in sign"),
        ({"margin_slope": np.nan}, "there is no slope of the margin to compare"),
        ({"n_seeds": 1}, "in the one seed that was run"),
    ],
)
def test_what_is_said_beside_a_verdict(changed, said):
    verdict, sentence = say(RISES | changed)
    assert verdict == "rises"
    assert said in sentence


def test_a_sign_that_turns_without_level_zero_is_said_of_what_is_not_told_as_well():
    turned = {"without_zero": -1.0, "without_zero_low": -4.0, "without_zero_high": 2.0}
    for row in (UNKNOWN, NOTHING):
        assert "without level 0 the sign turns, -1.0 (-4.0 to +2.0)" in say(row | turned)[1]
        assert "without level 0" not in say(row)[1]


def test_limits_of_the_rule():
    assert say(RISES | {"p_holm": 0.05})[0] == "rises"
    assert say(RISES | {"p_holm": 0.0501})[0] == "cannot be told"
    assert say(NOTHING | {"narrow_high": 5.0})[0] == "cannot be told"
    assert say(NOTHING | {"narrow_low": -5.0})[0] == "cannot be told"
    assert say(NOTHING, smallest_effect=4.0)[0] == "cannot be told"
    assert say(RISES, alpha=0.001)[0] == "cannot be told"


def test_an_effect_of_no_size_is_refused():
    with pytest.raises(ValueError, match="smallest_effect=0 must be above zero"):
        say(RISES, smallest_effect=0)
