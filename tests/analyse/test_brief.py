"""The answers in brief, from tables written by hand."""

import pandas as pd
import pytest
from macromicro.analyse.brief import advise, summarise_answers, summarise_slopes

RISE, ABOVE, LENGTH = (
    "1. Does the score rise?",
    "1, without level 0. Does the score rise?",
    "3. Is it more than length?",
)


LEVELS = pd.DataFrame({"level": [0, 50, 100], "difference": [-9.0, 1.0, 4.0]})
NOWHERE = pd.DataFrame({"strategy": [], "size": [], "level": [], "low": []})
ALONE = (pd.DataFrame({"question": [], "one": [], "other": []}), pd.DataFrame({"method": [], "score": []}))
LEVELS = LEVELS.assign(low=LEVELS["difference"] - 3, high=LEVELS["difference"] + 3)


def answers(*rows):
    return pd.DataFrame([(*row, "words") for row in rows], columns=["question", "subject", "answer", "sentence"])


def test_a_question_has_one_answer_or_names_who_has_which():
    table = answers(
        (RISE, "a", "confirmed"), (RISE, "b", "cannot be told"), (RISE, "c", "confirmed"),
        ("2a. Is a the strongest?", "a", "contradicted"),
        (LENGTH, "a", "cannot be told"), (LENGTH, "b", "cannot be told"),
        ("7. Another domain?", "a", "not asked"),
    )  # fmt: skip
    assert summarise_answers(table).to_numpy().tolist() == [
        [RISE, "confirmed: a, c; cannot be told: b"],
        ["2a. Is a the strongest?", "contradicted"],
        [LENGTH, "cannot be told (all 2)"],
    ]


def test_slopes_stand_with_the_six_first():
    slopes = pd.DataFrame(
        {"strategy": ["words", "instruction-macro", "response-micro"], "size": 160, "n_seeds": [1, 2, 2]}
    )
    slopes = slopes.assign(slope=[1.0, 2.0, 3.04], low=[0.0, 1.0, -2.0], high=[2.0, 3.0, 8.0])
    slopes = slopes.assign(without_zero=[None, -1.0, 0.5], without_zero_low=[None, -2.0, 0.0], without_zero_high=1.0)
    decisions = slopes[["strategy", "size"]].assign(verdict=["no slope", "falls", "rises"])
    found = summarise_slopes(slopes, decisions, LEVELS.assign(strategy="response-micro", size=160))
    beside = ["-9.0 (-12.0 to -6.0)", "+4.0 (+1.0 to +7.0)"]
    assert found.to_numpy().tolist() == [
        ["response-micro at N = 160", "+3.0 (-2.0 to +8.0)", "+0.5 (+0.0 to +1.0)", 2, "rises", *beside],
        ["instruction-macro at N = 160", "+2.0 (+1.0 to +3.0)", "-1.0 (-2.0 to +1.0)", 2, "falls", "–", "–"],
        ["words at N = 160", "+1.0 (+0.0 to +2.0)", "–", 1, "no slope", "–", "–"],
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(RISE, "a", "cannot be told")], ["No strategy was told", "Length moves with diversity"]),
        (
            [(RISE, "a", "confirmed"), (ABOVE, "a", "confirmed"), (LENGTH, "a", "confirmed")],
            ["More diversity of a made better models here", "left where length, or the number"],
        ),
        (
            [(RISE, "a", "confirmed"), (ABOVE, "a", "cannot be told")],
            [
                "More diversity of a made better models here; avoid the least diverse",
                "not known whether more still helps",
            ],
        ),
        (
            [(RISE, "a", "confirmed"), (ABOVE, "a", "contradicted"), (RISE, "b", "contradicted")],
            ["For a the gain rests on the least diverse", "For b more diversity did not help", "Length moves"],
        ),
    ],
)
def test_advice_follows_from_the_answers(rows, said):
    sentences = advise(answers(*rows), NOWHERE, *ALONE, n_seeds=3)
    places = [sentences.find(words) for words in said]
    assert -1 not in places and places == sorted(places)
    assert "one draw" not in sentences
    assert advise(answers(*rows), NOWHERE, *ALONE, n_seeds=1).startswith(sentences + " All this is one draw")


def test_whether_the_highest_level_is_above_a_random_draw():
    table = answers(
        (RISE, "a at N = 9", "confirmed"), (RISE, "b at N = 9", "confirmed"), (RISE, "c at N = 9", "confirmed")
    )
    levels = pd.concat([LEVELS.assign(strategy="a"), LEVELS.assign(strategy="b", low=-1.0)]).assign(size=9)
    said = advise(table, levels, *ALONE, n_seeds=3)
    assert "At the highest level a at N = 9 did better than a random draw of as many samples." in said
    assert "Even the highest level of b at N = 9 is not told from a random draw of as many samples." in said
    assert "second random draw" not in said
    contrasts = pd.DataFrame({"question": "5", "one": ["a", "b"], "other": "random", "size": 9, "low": [-2.0, 3.0]})
    scores = pd.DataFrame({"method": ["random", "random", "even"], "score": [51.0, 59.0, 80.0]})
    said = advise(table, levels, contrasts, scores, n_seeds=3)
    assert "Even the highest level of a at N = 9 and b at N = 9 is not told from a random draw" in said
    assert "A second random draw scores 55.0 (51.0 to 59.0 over seeds) against the first, the baseline." in said
    better = advise(table, levels, contrasts.assign(low=1.0), scores, n_seeds=3)
    assert "At the highest level a at N = 9 did better than a random draw" in better
