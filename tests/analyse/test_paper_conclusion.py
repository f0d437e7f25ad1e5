"""The conclusion on the paper: every branch of its rule, on tables made for it, and what it says of the paper."""

import pandas as pd
import pytest
from macromicro.analyse import paper, paper_conclusion, paper_tables, paper_tested
from macromicro.analyse.crossed import Estimate

SIZES = (10_000, 20_000, 30_000)


@pytest.fixture(scope="module")
def tested():
    return paper_tested.assess_paper()


def slopes(strategy, values, told=(), *, family="paper", apart=(), without=None):
    """Slopes of a strategy at the three sizes; `told` and `apart` are the sizes at which they are told from zero."""
    part, _, granularity = strategy.partition("-")
    table = pd.DataFrame({"strategy": strategy, "size": SIZES[: len(values)], "slope": values})
    table = table.assign(family=family, part=part, granularity=granularity, p=range(len(values)))
    table["significant"], table["significant_apart"] = table["size"].isin(told), table["size"].isin([*told, *apart])
    table = table.assign(low=table["slope"] - 2, high=table["slope"] + 2, p_holm=0.5, p_holm_all=0.6)
    table["without_zero"] = table["slope"] if without is None else without
    return table.assign(without_zero_low=table["without_zero"] - 3, without_zero_high=table["without_zero"] + 3)


def test_slopes_are_counted_together_and_apart():
    table = pd.concat([
        slopes("response-micro", [5.0, 6, 7], told=[30_000]),
        slopes("words", [1.0], family="ablations", apart=[10_000]),
    ])  # fmt: skip
    assert paper_conclusion.count_slopes(table) == (
        "**Of 4 slopes, 1 differs from zero** after Holm's correction over all of them, in points from 0 to 100 % "
        "diversity: response-micro at N = 30,000, +7.0 (+5.0 to +9.0). Corrected apart, it is 1 of the 3 of figure 3 "
        "and 1 of the 1 of the ablations, which adds response-micro, words at N = 10,000."
    )
    none = paper_conclusion.count_slopes(slopes("response-micro", [5.0, 6, 7]))
    assert none.startswith("**Of 3 slopes, 0 differ from zero** after Holm's correction over all of them. Corrected")
    assert none.endswith("0 of the 3 of figure 3.")


def test_slopes_told_from_zero_are_tried_without_level_0():
    say = paper_conclusion.hold_without_zero
    assert "intervals of 2 of these 2" in say(slopes("a-b", [5.0, 6], told=SIZES))
    assert "intervals of 1 of these 2" in say(slopes("a-b", [5.0, 6], told=SIZES, without=[4.0, 2.0]))
    assert "intervals of 1 of these 2" in say(slopes("a-b", [5.0, 6], told=SIZES, without=[4.0, -7.0])), "it turned"
    assert say(slopes("a-b", [5.0])) == "**Without level 0**: there is no slope to hold."


@pytest.mark.parametrize(
    ("values", "told", "said"),
    [
        ([5.0, 6, 7], SIZES, "established at every size, slopes of +5.0, +6.0 and +7.0 at N = 10,000"),
        ([5.0, 6, 7], [20_000, 30_000], "established at N = 20,000 and 30,000 alone"),
        ([5.0, 6, 7], [], "not established, slopes of"),
        ([5.0, 6, -7], [10_000, 30_000], "contradicted, slopes of +5.0, +6.0 and -7.0"),
    ],
)
def test_a_claim_is_held_against_every_size(values, told, said):
    text = paper_conclusion.judge_claim(slopes("response-micro", values, told), "response-micro", "It rises", sign=1)
    assert text.startswith(f"**It rises**: {said}")
    assert ("at N = 30,000 differs from zero the other way" in text) == (values[2] < 0)


def test_a_claim_of_falling_is_established_by_falling_slopes():
    table = slopes("instruction-micro", [-5.0, -4, -3], [10_000])
    say = paper_conclusion.judge_claim
    assert "established at N = 10,000 alone" in say(table, "instruction-micro", "It falls", sign=-1)
    assert "contradicted" in say(table, "instruction-micro", "It rises", sign=1)


def test_topics_and_tags_are_counted_and_their_signs_tested():
    same = pd.concat([slopes(f"{part}-{kind}", [1.0, 2, 3], told=[30_000] if kind == "meso" else [])
                      for part in ("instruction", "response") for kind in ("macro", "meso")])  # fmt: skip
    text = paper_conclusion.judge_others(pd.concat([same, slopes("response-micro", [9.0], told=SIZES)]))
    assert "2 of 12 slopes differ from zero, and 12 lie above it, the largest +3.0" in text
    assert "chance seldom does as much (sign test, p = 0.00049)" in text
    mixed = paper_conclusion.judge_others(pd.concat([slopes("a-macro", [1.0, -2, 3]), slopes("a-meso", [-1.0, 2, -3])]))
    assert "0 of 6 slopes differ from zero, and 3 lie above it" in mixed
    assert "By the signs alone, chance does as much (sign test, p = 1)." in mixed


def difference(other, value, *, told, strategy="response-micro", seen=8.0):
    row = {"strategy": strategy, "size": 10_000, "other": other, "other_size": 10_000, "difference": value}
    row |= {"low": value - 2, "high": value + 2, "p": 0.04, "p_holm": 0.2, "significant": told, "smallest_seen": seen}
    return pd.DataFrame([row])


def test_a_lead_is_a_difference_that_is_told_from_zero_and_above_it():
    say, rows = paper_conclusion.judge_lead, [difference("words", 9.0, told=True)]
    for value, told, said in (
        (3.0, True, "established at N = 10,000 by a test"),
        (3.0, False, "not established at any size"),
        (-3.0, True, "not established at any size"),
    ):
        text = say(pd.concat([*rows, difference("response-meso", value, told=told)]))
        assert said in text
        assert f"N = 10,000: {value:+.1f} ({value - 2:+.1f} to {value + 2:+.1f}) against response-meso" in text
        assert "words" not in text, "an ablation is no rival"


def test_words_are_judged_by_the_difference():
    say = paper_conclusion.judge_words
    assert "established that words give less, the slopes differ by +4.0" in say(difference("words", 4.0, told=True), 5)
    assert "contradicted" in say(difference("words", -4.0, told=True), 5)
    text = say(difference("words", 4.0, told=False), 5)
    assert "not established, the slopes differ by +4.0 (+2.0 to +6.0), p = 0.04; two such lines tell a true" in text
    assert text.endswith("difference of 8.0 points 80 times in 100, more than the whole slope of tokens (+5.0).")
    assert say(difference("words", 4.0, told=False), 9).endswith("difference of 8.0 points 80 times in 100.")


def length(r, level=(-20.0, 5.0)):
    return paper_tested.Length(
        7, r, r - 0.05, 1.0, 500, 900, Estimate(level[0], level[1] ** 2, 4, 0), Estimate(9, 4, 4, 0)
    )


def held(*rows):
    table = pd.DataFrame(rows, columns=["first_level", "slope", "low", "high"])
    return table.assign(n=5, p=0.01)


def test_length_is_bound_to_level_or_not():
    line = held((0, 3.0, 1, 5))
    assert "r = 0.950 over 7 datasets, so that what rises there may be due to either" in judge_length(0.95, line)
    assert "may be due to either" in judge_length(-0.95, line)
    assert "r = 0.890 over 7 datasets, so that the one does not stand for the other" in judge_length(0.89, line)


def judge_length(r, line):
    return paper_conclusion.judge_length(length(r), line)


def test_a_length_controlled_slope_holds_or_rests_on_its_first_levels_or_is_none():
    assert judge_length(0.99, held((0, 3.0, -1, 5), (14, 9.0, 8, 10))).endswith(
        "without correction: not told from zero."
    )
    turns = judge_length(0.99, held((0, 3.0, 1, 5), (14, 3.0, 1, 5), (29, -3.0, -5, -1)))
    assert "from 29 % up it is -3.0 (-5.0 to -1.0)" in turns, "a slope that turned does not hold"
    holds = judge_length(0.99, held((0, 3.0, 1, 5), (14, 3.0, 1, 5), (29, 3.5, 1, 6)))
    assert holds.endswith("it holds without its first levels, up to that from 29 % up.")
    rests = judge_length(0.99, held((0, 3.0, 1, 5), (14, 3.0, 1, 5), (29, 2.0, -1, 5), (43, -1.0, -2, 0.5)))
    assert rests.endswith(
        "rests on its first levels: from 29 % up it is +2.0 (-1.0 to +5.0), from 43 % up -1.0 (-2.0 to +0.5)."
    )


def test_a_slope_beside_length_stays_turns_or_cannot_be_told():
    for level, said in (
        ((20.0, 5.0), "stays above zero"),
        ((-20.0, 5.0), "turns below zero"),
        ((2.0, 5.0), "not told"),
    ):
        assert said in paper_conclusion.judge_both(length(0.99, level))


def test_leads_of_single_models_are_counted_by_size():
    scores = paper.load_scores()
    assert paper_conclusion.count_leads(scores) == (
        "response-micro has the best score at 100 % diversity at 3 of 3 sizes, and the largest r at 1 of 3 sizes "
        "(at N = 30,000) of score and level."
    )
    least = scores.assign(score=scores["score"].where(scores["strategy"] != "response-micro", -scores["level"]))
    assert "at 0 of 3 sizes, and the largest r at 0 of 3 sizes of score" in paper_conclusion.count_leads(least)


def test_the_conclusion_on_the_paper(tested):
    text = paper_conclusion.conclude(tested)
    assert text.count("\n- ") == 7
    for said in (
        "**Of 22 slopes, 3 differ from zero**",
        "intervals of 3 of these 3 still leave zero out",
        "tokens in responses**: established at N = 30,000 alone",
        "tokens in instructions**: not established",
        "0 of 12 slopes differ from zero, and 12 lie above it",
        "more than all else**: not established at any size",
        "correlate at r = 0.986",
        "from 14 % up it is +2.2 (-0.6 to +5.0), from 43 % up -0.8",
        "place of tokens**: not established, the slopes differ by +4.1 (-2.2 to +10.3)",
    ):
        assert said in text


def test_tables_hold_every_row_and_say_in_words_what_is_told_from_zero(tested):
    table = paper_tables.tabulate_slopes(tested.slopes)
    assert table["in words"].value_counts().to_dict() == {"not told": 19, "rises": 3}
    shown = [text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NON-BREAKING HYPHEN}", "-") for text in table.loc[17]]
    numbers = ["+10.01", "+6.63 to +13.39", "0.0006", "0.011", "0.013"]
    assert shown == ["response-micro", "30,000", *numbers, "rises"]
    falling = slopes("instruction-micro", [-5.0], told=SIZES).assign(low=-7, high=-3)
    assert paper_tables.tabulate_slopes(falling)["in words"].tolist() == ["falls"]
    assert len(paper_tables.tabulate_differences(tested.differences)) == 7
    rows = paper_tables.tabulate_from_levels(tested.free, tested.held)
    assert rows["length"].tolist() == ["free"] * 3 + ["held"] * 4
    assert rows["levels"].iloc[-1].split() == ["43", "to", "100", "%"]
    ends = paper_tables.tabulate_ends(paper.load_scores())
    assert ends.set_index("strategy").loc["response-micro", "N = 30,000"] == "64.8 (r = +0.96)"
