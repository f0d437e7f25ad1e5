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
    names = ["family", "part", "metric", "n", "r", "low", "high", "p", "note"]
    rows = [
        ("paper", "response", "IE", 42, 0.3, 0.0, 0.5, 0.05, ""),
        ("paper", "response", "SL", 42, None, None, None, None, "SL does not vary"),
        ("paper", "instruction", "BL", 42, -0.6, -0.8, -0.3, 0.001, ""),
    ]
    table = readings.show_correlations(pd.DataFrame(rows, columns=names))
    assert table["metric"].tolist() == ["BL of the instructions", "IE of the responses", "SL of the responses"]
    assert table["interval"].tolist()[2] == "SL does not vary"
