"""The declared rule: every line of its table, on tables made up by hand."""

import numpy as np
import pandas as pd
import pytest
from macromicro.analyse import answers
from macromicro.analyse.answers import CONFIRMED, CONTRADICTED, NOT_ASKED, OTHERS, SIX, UNTOLD

SIZE = 300
HOW = {"alpha": 0.05, "smallest_effect": 5.0}
RISES = {"slope": 8.0, "narrow_low": 4.0, "narrow_high": 12.0, "p_holm": 0.01}
FALLS = {"slope": -8.0, "narrow_low": -12.0, "narrow_high": -4.0, "p_holm": 0.01}
NOTHING = {"slope": 1.0, "narrow_low": -2.0, "narrow_high": 4.0, "p_holm": 0.6}
WIDE = {"slope": 3.0, "narrow_low": -4.0, "narrow_high": 10.0, "p_holm": 0.3}
NONE = {"slope": np.nan, "narrow_low": np.nan, "narrow_high": np.nan, "p_holm": np.nan}


def slope(strategy="response-micro", own=RISES, without=RISES):
    """A slope of one strategy with that without level 0."""
    above = {f"without_zero_{name}": value for name, value in without.items() if name != "slope"}
    ends = {"without_zero_low": without["slope"] - 4, "without_zero_high": without["slope"] + 4}
    return {"strategy": strategy, "size": SIZE, **own, "without_zero": without["slope"], **above, **ends}


def decided(**verdicts):
    """Decisions of some strategies; names are written with _ for -."""
    names = {name.replace("_", "-"): verdict for name, verdict in verdicts.items()}
    rows = [{"strategy": n, "size": SIZE, "verdict": v, "sentence": f"{n} {v}."} for n, v in names.items()]
    return pd.DataFrame(rows, columns=["strategy", "size", "verdict", "sentence"])


def against(others, question="2a", one="response-micro", note=""):
    """Differences with their intervals and p_holm, by the name of what `one` is compared with."""
    names = ["difference", "low", "high", "p_holm"]
    rows = [
        {"question": question, "one": one, "other": other, "size": SIZE, "note": note}
        | dict(zip(names, values, strict=True))
        for other, values in others.items()
    ]
    return pd.DataFrame(rows, columns=["question", "one", "other", "size", "note", *names])


def by_judge(judge="length", strategy="response-micro", **numbers):
    return pd.DataFrame([{"strategy": strategy, "size": SIZE, "judge": judge, "slope": 6.0, "p": 0.01, **numbers}])


def correlated(*rows):
    """Metrics given length: part, metric, r, low, high and Holm's p of each row."""
    names = ["part", "metric", "r_given_length", "given_low", "given_high", "given_p_holm"]
    return pd.DataFrame([list(row) for row in rows], columns=names)


LARGER, SMALLER, OPEN = (4.0, 1.0, 7.0, 0.01), (-4.0, -7.0, -1.0, 0.01), (1.0, -2.0, 4.0, 0.6)
UNKNOWN = (np.nan,) * 4
VERDICTS = {
    "rises": (CONFIRMED, CONTRADICTED),
    "falls": (CONTRADICTED, CONFIRMED),
    "rises slightly": (UNTOLD, CONTRADICTED),
    "falls slightly": (CONTRADICTED, UNTOLD),
    "no effect as large": (CONTRADICTED, CONTRADICTED),
    "cannot be told": (UNTOLD, UNTOLD),
    "no slope": (UNTOLD, UNTOLD),
}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_verdict_answers_whether_it_rises_and_whether_it_harms(verdict):
    slopes = pd.DataFrame([slope("response-micro"), slope("instruction-micro"), slope("narrow")])
    decisions = decided(response_micro=verdict, instruction_micro=verdict, narrow="rises")
    first = answers.score_rises(slopes, decisions, **HOW)
    assert [one.subject for one in first[:2]] == ["response-micro at N = 300", "instruction-micro at N = 300"]
    assert [one.question for one in first] == ["1", "1", *["1, without level 0"] * 2], "narrow is not of the six"
    (harm,) = answers.does_harm(decisions)
    assert (first[0].answer, harm.answer) == VERDICTS[verdict]
    assert (first[0].sentence, harm.sentence) == (f"response-micro {verdict}.", f"instruction-micro {verdict}.")


@pytest.mark.parametrize(
    ("without", "answer", "said"),
    [
        (RISES, CONFIRMED, "rises, +8.0 (+4.0 to +12.0)."),
        (FALLS, CONTRADICTED, "falls, -8.0 (-12.0 to -4.0)."),
        (WIDE, UNTOLD, "cannot be told, +3.0 (-1.0 to +7.0)."),
        (NOTHING, CONTRADICTED, "no effect as large, +1.0 (-3.0 to +5.0)."),
        (NONE, UNTOLD, "no slope."),
    ],
)
def test_without_level_zero_it_is_asked_again(without, answer, said):
    first, again = answers.score_rises(pd.DataFrame([slope(without=without)]), decided(response_micro="rises"), **HOW)
    assert (first.answer, again.answer) == (CONFIRMED, answer)
    assert again.sentence == f"Without level 0, response-micro at N = 300: {said}"


def test_length_may_explain_what_the_judge_length_shows_as_well():
    def said(verdict="rises", beyond_length=(), **control):
        decisions = decided(response_micro=verdict, narrow="rises")
        told = answers.explain_by_length(decisions, by_judge(**control), alpha=0.05, beyond_length=beyond_length)
        assert told["sentence"][1] == "narrow rises.", "length has no slope of it"
        return told["sentence"][0]

    assert said() == "response-micro rises. **Length may explain this: by the judge *length* the slope is +6.0.**"
    assert "-6.0" in said("falls", slope=-6.0) and "+6.0" in said("rises slightly")
    for why, unexplained in {
        "another sign": said(slope=-6.0),
        "not told by length": said(p=0.06),
        "another judge": said(judge="likelihood"),
        "question 3 is confirmed": said(beyond_length=["response-micro at N = 300"]),
    }.items():
        assert unexplained == "response-micro rises.", why
    for verdict in ("no effect as large", "cannot be told", "no slope"):
        assert said(verdict) == f"response-micro {verdict}."


@pytest.mark.parametrize(
    ("verdict", "others", "answer"),
    [
        ("rises", {}, CONFIRMED),
        ("rises slightly", {}, UNTOLD),
        ("cannot be told", {}, UNTOLD),
        ("rises", {"response-meso": OPEN}, UNTOLD),
        ("rises", {"response-meso": UNKNOWN}, UNTOLD),
        ("rises", {"response-meso": SMALLER}, CONTRADICTED),
        ("cannot be told", {"response-meso": SMALLER, "response-macro": OPEN}, CONTRADICTED),
    ],
)
def test_the_strongest_rises_and_is_larger_than_each_other(verdict, others, answer):
    contrasts = against(dict.fromkeys(OTHERS, LARGER) | others)
    found = answers.is_strongest(decided(response_micro=verdict), contrasts)
    assert [one.answer for one in found] == [answer]
    assert found[0].sentence.startswith(f"response-micro {verdict}. Its slope less that of another, all at once: ")
    assert "instruction-micro +4.0 (+1.0 to +7.0)" in found[0].sentence


def test_the_strongest_is_not_asked_of_fewer_than_six_and_not_told_by_one_seed():
    decisions = decided(response_micro="rises")
    few = against(dict.fromkeys(OTHERS[:4], LARGER))
    (found,) = answers.is_strongest(decisions, few)
    assert found == ("2a", "response-micro", NOT_ASKED, "This study has not all of the six.")
    unknown = against(dict.fromkeys(OTHERS, UNKNOWN), note="fewer than two seeds")
    (found,) = answers.is_strongest(decisions, unknown)
    assert found.answer == UNTOLD and "response-meso fewer than two seeds" in found.sentence


@pytest.mark.parametrize(
    ("own", "band", "tokens", "answer"),
    [
        ("rises", "rises", "cannot be told", CONFIRMED),
        ("rises", "no effect as large", "rises", CONFIRMED),
        ("rises", "rises slightly", "cannot be told", UNTOLD),
        ("cannot be told", "rises", "rises", UNTOLD),
        ("rises", "no effect as large", "falls slightly", CONTRADICTED),
        ("rises", "no effect as large", "cannot be told", UNTOLD),
        ("rises", "falls", "falls", UNTOLD),
    ],
)
def test_more_than_length_rises_where_length_is_held(own, band, tokens, answer):
    decisions = decided(response_micro=own, band=band, tokens=tokens, words="rises")
    (found,) = answers.more_than_length(decisions, controls=("band", "tokens"))
    assert (found.answer, found.subject) == (answer, "response-micro at N = 300")
    assert found.sentence == f"response-micro {own}. band {band}. tokens {tokens}."


def test_more_than_length_is_not_asked_without_controls():
    (found,) = answers.more_than_length(decided(response_micro="rises", words="rises"), controls=())
    assert found.answer == NOT_ASKED
    other = decided(response_micro="rises", band="rises").assign(size=[300, 500])
    assert answers.more_than_length(other, controls=["band"])[0].answer == NOT_ASKED, "of another size"


def test_a_metric_foretells_the_score_where_its_partial_correlation_is_told_from_zero():
    small, wide = ("response", "IE", 0.1, -0.1, 0.29, 0.6), ("instruction", "SL", 0.2, -0.3, 0.31, 0.2)
    told = ("response", "ED", 0.6, 0.4, 0.8, 0.05)
    unknown = ("response", "CR", *(np.nan,) * 4)
    length = ("response", "SL", *(np.nan,) * 4)

    def answer(*rows):
        (found,) = answers.metric_foretells(correlated(*rows), alpha=0.05)
        return found.answer, found.sentence

    confirmed, said = answer(small, told, length)
    assert confirmed == CONFIRMED
    assert (
        "1 of 2 metrics go with the score after Holm's correction: ED of the responses +0.60 (+0.40 to +0.80)" in said
    )
    assert answer(small, length)[0] == CONTRADICTED, "length itself is not given length"
    assert answer(small, wide)[0] == UNTOLD
    assert answer(small, ("response", "BL", -0.1, -0.31, 0.1, 0.6))[0] == UNTOLD
    assert answer(small, unknown)[0] == UNTOLD, "nothing is known of one"
    assert answer(length)[0] == NOT_ASKED


@pytest.mark.parametrize(
    ("rivals", "answer"),
    [
        ({"random": LARGER, "longest": LARGER}, CONFIRMED),
        ({"random": LARGER, "longest": OPEN}, UNTOLD),
        ({"random": LARGER, "longest": SMALLER}, CONTRADICTED),
        ({"random": LARGER, "longest": UNKNOWN}, UNTOLD),
    ],
)
def test_it_pays_where_random_and_every_rival_are_beaten(rivals, answer):
    contrasts = pd.concat([against(rivals, "5"), against({"random": OPEN, "longest": OPEN}, "5", one="response-meso")])
    meso, micro = answers.pays(contrasts)
    assert (meso.subject, meso.answer) == ("response-meso at N = 300", UNTOLD)
    assert (micro.subject, micro.answer) == ("response-micro at N = 300", answer)
    assert "random +4.0 (+1.0 to +7.0)" in micro.sentence
    assert answers.pays(against(rivals, "6"))[0].answer == NOT_ASKED


@pytest.mark.parametrize(
    ("variants", "answer"),
    [
        ({"words": (6.0, 0.5, 11.5, 0.05), "narrow": OPEN}, CONFIRMED),
        ({"words": (-3.0, -4.9, -1.1, 0.01), "narrow": OPEN}, CONFIRMED),
        ({"words": (1.0, -4.9, 4.9, 0.8), "narrow": OPEN}, CONTRADICTED),
        ({"words": (1.0, -2.0, 5.0, 0.8), "narrow": OPEN}, UNTOLD),
        ({"words": (-1.0, -5.0, 2.0, 0.8), "narrow": OPEN}, UNTOLD),
        ({"words": UNKNOWN, "narrow": OPEN}, UNTOLD),
    ],
)
def test_it_hangs_on_readings_where_a_variant_differs(variants, answer):
    (found,) = answers.hangs_on_readings(against(variants, "6"), **HOW)
    assert (found.subject, found.answer) == ("response-micro at N = 300", answer)
    assert answers.hangs_on_readings(against(variants, "2a"), **HOW)[0].answer == NOT_ASKED


def test_another_domain_is_asked_as_one_and_two_b():
    elsewhere = decided(instruction_micro="falls", response_meso="rises", response_micro="rises")
    found = answers.another_domain(elsewhere)
    assert [(one.subject.partition(" ")[0], one.answer) for one in found] == [
        ("instruction-micro", CONFIRMED), ("response-micro", CONFIRMED)
    ]  # fmt: skip
    assert answers.another_domain(None)[0].answer == NOT_ASKED


def test_a_study_without_the_six_is_asked_nothing_of_them():
    slopes, decisions = pd.DataFrame([slope("narrow")]), decided(narrow="rises")
    assert [one.answer for one in answers.score_rises(slopes, decisions, **HOW)] == [NOT_ASKED] * 2
    assert answers.does_harm(decisions)[0].answer == NOT_ASKED
    assert set(SIX) == {f"{part}-{name}" for part in ("instruction", "response") for name in ("macro", "meso", "micro")}
