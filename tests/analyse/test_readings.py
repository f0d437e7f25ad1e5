"""Results in words."""

import pandas as pd
from macromicro.analyse import paper, readings, stats


def slopes(*rows):
    names = [
        "strategy",
        "family",
        "size",
        "n",
        "n_missing",
        "slope",
        "low",
        "high",
        "p",
        "p_holm",
        "significant",
        "note",
    ]
    return pd.DataFrame(rows, columns=names)


FOUND = ("response-micro", "paper", 10000, 7, 0, 5.0, 2.0, 8.0, 0.004, 0.008, True, "")
NEAR = ("response-macro", "paper", 10000, 7, 0, 1.0, 0.1, 2.0, 0.04, 0.06, False, "")
NOTHING = ("response-meso", "paper", 500, 2, 5, None, None, None, None, None, False, "only 2 scores")


def test_what_differs_from_zero_is_said_and_so_is_what_does_not():
    text = readings.describe_slopes(slopes(FOUND, NEAR, NOTHING))
    assert text.startswith("**1 of 2 slopes differ from zero** at 0.05 after Holm's correction within ")
    assert "within the family *paper*: response-micro at N = 10,000: +5.00 points (2.00 to 8.00, p = 0.008)." in text
    assert "1 more lie below 0.05 before the correction, where chance alone would put about 0.1 there." in text
    assert text.endswith("No slope for response-meso at N = 500 (only 2 scores).")


def test_nothing_found_is_said_plainly():
    assert readings.describe_slopes(slopes((*FOUND[:10], False, ""))).startswith("**0 of 1 slopes differ from zero**")


def test_families_are_paragraphs_of_their_own():
    other = ("band-micro", "bands", *FOUND[2:])
    paragraphs = readings.describe_slopes(slopes(FOUND, NEAR, other)).split("\n\n")
    assert [text.split("**")[1] for text in paragraphs] == [
        "1 of 2 slopes differ from zero",
        "1 of 1 slopes differ from zero",
    ]
    assert "*bands*: band-micro at" in paragraphs[1]


def test_slopes_as_text():
    table = readings.show_slopes(slopes(FOUND, NOTHING))
    assert table[["family", "strategy"]].to_numpy().tolist() == [
        ["paper", "response-meso"],
        ["paper", "response-micro"],
    ]
    table = table.set_index("strategy").loc[["response-micro", "response-meso"]]
    assert table["slope"].tolist() == ["+5.00", "–"]
    assert table["interval"].tolist() == ["+2.00 to +8.00", "only 2 scores"]


def test_what_was_counted_as_one_stands_beside_its_slope():
    merged = (*FOUND[:-1], "seed 0: 0 %, 16 % are one dataset, one point at 0 %")
    table = readings.show_slopes(slopes(merged, NOTHING)).set_index("strategy")
    assert table.loc["response-micro", ["slope", "remark"]].tolist() == ["+5.00", merged[-1]]
    assert table.loc["response-meso", "remark"] == ""
    assert "remark" not in readings.show_slopes(slopes(FOUND, NOTHING))
    assert "1 of 1 slopes differ" in readings.describe_slopes(slopes(merged))


def decisions(*rows):
    return pd.DataFrame(rows, columns=["family", "verdict", "sentence"])


def test_verdicts_are_counted_by_family_and_said_one_by_one():
    table = decisions(
        ("bands", "no slope", "high: none."),
        ("paper", "cannot be told", "macro: cannot."),
        ("paper", "falls", "micro: falls."),
        ("paper", "cannot be told", "meso: cannot."),
    )
    counted = ["**Family *paper*: falls 1, cannot be told 2** (of 3 slopes)."]
    counted.append("**Family *bands*: no slope 1** (of 1 slope).")
    assert readings.count_decisions(table) == "\n\n".join(counted)
    paragraphs = readings.describe_decisions(table).split("\n\n")
    assert paragraphs == [counted[0], "- macro: cannot.\n- micro: falls.\n- meso: cannot.", counted[1], "- high: none."]


def test_without_levels_it_is_said_that_there_is_no_slope():
    for say in (readings.count_decisions, readings.describe_decisions):
        assert say(decisions()) == "No strategy of this study has diversity levels, so there is no slope."


def test_what_stands_beside_a_slope_as_text():
    beside = {"without_zero": 3.0, "without_zero_low": -1.0, "without_zero_high": 7.0, "smallest_slope": 4.25}
    beside |= {"margin_slope": 0.02, "margin_low": -0.01, "margin_high": 0.05}
    curved = {"rho": 0.9, "rho_low": 0.5, "rho_high": 1.0, "curve": "saturating", "rise": 6.0, "half_level": 12.4}
    straight = {"rho": 0.2, "rho_low": None, "rho_high": None, "curve": "line", "rise": None, "half_level": None}
    names = ["strategy", "size"]
    fitted = slopes(FOUND, NEAR, NOTHING).assign(**beside)
    fitted.loc[2, list(beside)] = None
    few = dict.fromkeys(straight, None) | {"curve": ""}
    shapes = pd.concat([fitted[names], pd.DataFrame([curved, straight, few])], axis=1).sort_values(names)
    table = readings.show_shapes(fitted, shapes).set_index("strategy").T
    assert table["response-micro"].tolist()[2:] == [
        "+5.0 (+2.0 to +8.0)", "+3.0 (-1.0 to +7.0)", "+0.0200 (-0.0100 to +0.0500)", "+0.90 (+0.50 to +1.00)",
        "levels off: +6.0 in all, half of it by 12 %", "4.2",
    ]  # fmt: skip
    assert table.loc[["Spearman's rho", "curve"], "response-macro"].tolist() == ["+0.20", "line"]
    assert table["response-meso"].tolist()[2:] == ["–", "–", "–", "–", "too few levels", "–"]


def test_one_seed_is_called_one_seed_and_says_what_its_interval_does_not_cover():
    one = readings.describe_cover(pd.DataFrame({"n_seeds": [1, 1]}))
    assert one.startswith("One seed was run, and a slope is that seed's own") and "not another baseline" in one
    assert readings.describe_cover(pd.DataFrame({"n_seeds": [3, 3]})) == (
        "3 seeds were run, and intervals cover other seeds and prompts."
    )
    mixed = readings.describe_cover(pd.DataFrame({"n_seeds": [5, 1]}))
    assert mixed.startswith("5 seeds were run") and "; where one seed was run, a slope is that seed's own" in mixed
    assert readings.describe_cover(pd.DataFrame({"n_seeds": []})) == "", "that there are no slopes is said elsewhere"


def test_where_wins_and_margin_part_is_said_of_slopes_and_of_models():
    fitted = slopes(FOUND, NEAR, NOTHING).assign(margin_slope=[0.02, -0.015, None])
    models = pd.DataFrame({"score": [55, 45, 45, 50, None], "margin": [-0.1, 0.1, -0.1, 0.3, 0.1]})
    assert readings.describe_signs(fitted, models) == (
        "Wins and mean margin give slopes of one sign in 1 of 2 series; they disagree for response-macro at "
        "N = 10,000 (+1.0 points, -0.0150). Of 4 models, 1 won more prompts than lost while the mean margin was below "
        "zero, 1 the other way round."
    )
    agreed = readings.describe_signs(fitted.head(1), models.head(0))
    assert agreed.startswith("Wins and mean margin give slopes of one sign in 1 of 1 series. Of 0 models, 0 won")
    none = readings.describe_signs(fitted.head(0), models)
    assert none.startswith("Wins and mean margin have no slopes to compare. Of 4 models, 1 won more")


def test_slopes_beside_those_printed():
    beside = readings.show_slopes_beside(stats.fit_slopes(paper.load_scores()), paper.load_slopes())
    assert len(beside) == 18
    assert beside["difference"].abs().median() < 0.1


def test_rivals_are_rows_with_an_interval_and_no_level():
    names = ["strategy", "family", "method", "size", "level", "seed", "score", "low", "high"]
    rows = [
        ("response-micro", "paper", "even", 500, 50.0, 0, 55.0, 50.0, 60.0),
        ("longest", "rivals", "longest", 500, None, 1, 61.25, 55.0, 66.0),
        ("longest", "rivals", "longest", 500, None, 0, None, None, None),
    ]
    table = readings.show_rivals(pd.DataFrame(rows, columns=names))
    assert table["score"].tolist() == ["–", "61.2"]
    assert table["interval"].tolist() == ["no score", "55.0 to 66.0"]


def test_strongest_correlations_come_first_and_missing_ones_last():
    names = ["family", "part", "metric", "n", "r", "low", "high", "p", "r_given_length", "given_low", "given_high"]
    nothing = [None] * 7
    rows = [
        ("paper", "response", "IE", 42, 0.3, None, None, None, 0.1, None, None, "no interval: only 2 strategies"),
        ("paper", "response", "SL", 42, *nothing, "SL does not vary"),
        ("paper", "instruction", "BL", 42, -0.6, -0.8, -0.3, 0.001, -0.2, -0.5, 0.25, ""),
    ]
    names.append("note")
    table = readings.show_correlations(pd.DataFrame(rows, columns=names))
    assert table["metric"].tolist() == ["BL of the instructions", "IE of the responses", "SL of the responses"]
    assert table["interval"].tolist() == ["-0.80 to -0.30", "no interval: only 2 strategies", "SL does not vary"]
    assert table["given length"].tolist() == ["-0.20 (-0.50 to +0.25)", "+0.10", "–"]
    assert table["p"].tolist() == ["0.001", "–", "–"]
