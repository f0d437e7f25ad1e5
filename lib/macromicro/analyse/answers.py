"""The questions that were declared before the reference study, answered by the rule that was declared with them.

The declaration is a page of the book, `book/pages/declaration.md`; the functions here are its table, one for each
question. They take tables that a study writes and return answers (`declared` puts them together). A slope that *rises
slightly* or *falls slightly* is also surely smaller than the smallest effect of interest: it counts as both, and where
the two would be answered differently, it cannot be told.
"""

from collections.abc import Collection
from typing import NamedTuple

import pandas as pd

from macromicro.analyse.verdict import verdict_on
from macromicro.analyse.words import name_series, show_estimate
from macromicro.study.sections import CONTROL

CONFIRMED, CONTRADICTED, UNTOLD, NOT_ASKED = "confirmed", "contradicted", "cannot be told", "not asked"
STRONGEST, HARMFUL = "response-micro", "instruction-micro"
OTHERS = ("response-macro", "response-meso", "instruction-macro", "instruction-meso", HARMFUL)
SIX = (STRONGEST, *OTHERS)
SMALL_R = 0.3
"""A partial correlation that is surely nearer to zero foretells nothing."""
LENGTH = ("response", "SL")
NO_EFFECT = "no effect as large"
MEANINGS: dict[str, set[str]] = {
    "rises": {"rises"},
    "falls": {"falls"},
    "rises slightly": {"rises", NO_EFFECT},
    "falls slightly": {"falls", NO_EFFECT},
    NO_EFFECT: {NO_EFFECT},
    "cannot be told": set(),
    "no slope": set(),
}
"""What each verdict of `verdict.decide` says in the words of the declaration."""


class Answer(NamedTuple):
    """One answer: the number of the question, what it is about, one of the four answers, and a sentence."""

    question: str
    subject: str
    answer: str
    sentence: str


def explain_by_length(
    decisions: pd.DataFrame, by_judge: pd.DataFrame, *, alpha: float, beyond_length: Collection[str] = ()
) -> pd.DataFrame:
    """The decisions; where length may explain a slope, their sentences say so.

    It may where the slope is told from zero and the judge *length* gives one of the same sign, with p at most `alpha`
    before any correction. Parameters: beyond_length, subjects of question 3 that are confirmed.
    """
    control = by_judge[(by_judge["judge"] == CONTROL) & (by_judge["p"] <= alpha)]
    told = control.set_index(["strategy", "size"])["slope"].to_dict()
    sentences = []
    for row in decisions.to_dict("records"):
        slope, said = told.get((row["strategy"], row["size"]), 0.0), MEANINGS[row["verdict"]]
        same = ("rises" in said and slope > 0) or ("falls" in said and slope < 0)
        rider = f" **Length may explain this: by the judge *length* the slope is {slope:+.1f}.**"
        sentences.append(row["sentence"] + (rider if same and name_series(row) not in beyond_length else ""))
    return decisions.assign(sentence=sentences)


def score_rises(slopes: pd.DataFrame, decisions: pd.DataFrame, *, alpha: float, smallest_effect: float) -> list[Answer]:
    """Question 1 for each of the six and each size: of all levels, and of those above 0.

    That the two part is said in the sentence of the first, which is that of `verdict.decide`.
    """
    answers, again = [], []
    both = slopes.merge(decisions[["strategy", "size", "verdict", "sentence"]], on=["strategy", "size"])
    for row in both[both["strategy"].isin(SIX)].to_dict("records"):
        answers.append(Answer("1", name_series(row), _rises(row["verdict"]), row["sentence"]))
        names = ("narrow_low", "narrow_high", "p_holm")
        above = {"slope": row["without_zero"], **{name: row[f"without_zero_{name}"] for name in names}}
        verdict = verdict_on(above, smallest_effect, alpha)
        ends = show_estimate(row, "without_zero", "without_zero_low", "without_zero_high")
        said = f"Without level 0, {name_series(row)}: {verdict}" + ("" if verdict == "no slope" else f", {ends}") + "."
        again.append(Answer("1, without level 0", name_series(row), _rises(verdict), said))
    if not answers:
        return [_not_asked(name, "each of six strategies", "none of the six") for name in ("1", "1, without level 0")]
    return answers + again


def is_strongest(decisions: pd.DataFrame, contrasts: pd.DataFrame) -> list[Answer]:
    """Question 2a for each size: whether the slope of response-micro rises, and is larger than each of the others."""
    answers = []
    for row in decisions[decisions["strategy"] == STRONGEST].to_dict("records"):
        beside = contrasts[(contrasts["question"] == "2a") & (contrasts["size"] == row["size"])]
        if set(beside["other"]) != set(OTHERS):
            continue
        answer = _ahead(beside)
        if answer == CONFIRMED and _rises(row["verdict"]) != CONFIRMED:
            answer = UNTOLD
        said = f"{row['sentence']} Its slope less that of another, all at once: {_differences(beside)}."
        answers.append(Answer("2a", name_series(row), answer, said))
    return answers or [_not_asked("2a", STRONGEST, "not all of the six")]


def does_harm(decisions: pd.DataFrame) -> list[Answer]:
    """Question 2b for each size: whether the score falls with the diversity of instruction-micro."""
    answers = [
        Answer("2b", name_series(row), _harms(row["verdict"]), row["sentence"])
        for row in decisions[decisions["strategy"] == HARMFUL].to_dict("records")
    ]
    return answers or [_not_asked("2b", HARMFUL, f"no {HARMFUL}")]


def more_than_length(decisions: pd.DataFrame, *, controls: Collection[str]) -> list[Answer]:
    """Question 3 for each size: whether response-micro rises, and does so where length is held as well.

    It is contradicted where every control is surely smaller than the smallest effect of interest.
    """
    answers = []
    for row in decisions[decisions["strategy"] == STRONGEST].to_dict("records"):
        held = decisions[decisions["strategy"].isin(controls) & (decisions["size"] == row["size"])]
        if held.empty:
            continue
        there = [_weigh(MEANINGS[verdict], {"rises"}, {NO_EFFECT}) for verdict in held["verdict"]]
        answer = CONTRADICTED if set(there) == {CONTRADICTED} else UNTOLD
        if CONFIRMED in there and _rises(row["verdict"]) == CONFIRMED:
            answer = CONFIRMED
        answers.append(Answer("3", name_series(row), answer, " ".join([row["sentence"], *held["sentence"]])))
    return answers or [_not_asked("3", STRONGEST, "no strategy that holds length")]


def metric_foretells(correlations: pd.DataFrame, *, alpha: float) -> list[Answer]:
    """Question 4: whether any metric goes with the score, given the mean length of the responses.

    A metric that has no interval leaves open whether all are small.
    """
    is_length = (correlations["part"] == LENGTH[0]) & (correlations["metric"] == LENGTH[1])
    asked = correlations[~is_length]
    if asked.empty:
        return [_not_asked("4", "all metrics", "no metrics of the six")]
    found = asked[asked["given_p_holm"] <= alpha]
    small = (asked["given_low"] >= -SMALL_R) & (asked["given_high"] <= SMALL_R)
    ends = ("r_given_length", "given_low", "given_high")
    named = [
        f"{row['metric']} of the {row['part']}s {show_estimate(row, *ends, digits=2)}"
        for row in found.to_dict("records")
    ]
    n_known = int(asked["given_p_holm"].notna().sum())
    said = f"Given the mean length of the responses, {len(found)} of {n_known} metrics go with the score after Holm's "
    said += "correction" + (f": {'; '.join(named)}" if named else "") + f". {int(small.sum())} of {len(asked)} have an "
    said += f"interval within ±{SMALL_R:g}."
    answer = CONFIRMED if len(found) else CONTRADICTED if small.all() else UNTOLD
    return [Answer("4", "all metrics", answer, said)]


def pays(contrasts: pd.DataFrame) -> list[Answer]:
    """Question 5 for each strategy and size: whether its dataset at 100 % beats a random one and every rival's."""
    answers = []
    for (name, size), beside in contrasts[contrasts["question"] == "5"].groupby(["one", "size"], sort=True):
        subject = name_series({"strategy": name, "size": size})
        said = f"{subject}: the score at 100 % less that of another, all at once: {_differences(beside)}."
        answers.append(Answer("5", subject, _ahead(beside), said))
    return answers or [_not_asked("5", "each of six strategies", "no random rival beside others")]


def hangs_on_readings(contrasts: pd.DataFrame, *, alpha: float, smallest_effect: float) -> list[Answer]:
    """Question 6 for each size: whether the slope of response-micro is another where a choice of ours is another."""
    answers = []
    for size, beside in contrasts[contrasts["question"] == "6"].groupby("size", sort=True):
        small = (beside["low"] > -smallest_effect) & (beside["high"] < smallest_effect)
        differs = (beside["p_holm"] <= alpha).any()
        answer = CONFIRMED if differs else CONTRADICTED if small.all() else UNTOLD
        said = f"The slope of {STRONGEST} less that of a variant, all at once: {_differences(beside)}."
        answers.append(Answer("6", name_series({"strategy": STRONGEST, "size": size}), answer, said))
    return answers or [_not_asked("6", STRONGEST, "no variant of it")]


def another_domain(decisions: pd.DataFrame | None) -> list[Answer]:
    """Question 7, as 1 of response-micro and as 2b of instruction-micro.

    Parameters: decisions, of a study on another corpus, or none.
    """
    rules = {STRONGEST: _rises, HARMFUL: _harms}
    known = [] if decisions is None else decisions.to_dict("records")
    answers = [
        Answer("7", name_series(row), rules[row["strategy"]](row["verdict"]), row["sentence"])
        for row in known
        if row["strategy"] in rules
    ]
    return answers or [_not_asked("7", f"{STRONGEST} and {HARMFUL}", "no other corpus")]


def _rises(verdict: str) -> str:
    return _weigh(MEANINGS[verdict], {"rises"}, {"falls", NO_EFFECT})


def _harms(verdict: str) -> str:
    return _weigh(MEANINGS[verdict], {"falls"}, {"rises", NO_EFFECT})


def _weigh(said: set[str], confirming: set[str], contradicting: set[str]) -> str:
    """Confirmed or contradicted where what is said does one of the two, and not both."""
    confirmed, contradicted = bool(said & confirming), bool(said & contradicting)
    if confirmed == contradicted:
        return UNTOLD
    return CONFIRMED if confirmed else CONTRADICTED


def _ahead(beside: pd.DataFrame) -> str:
    """Whether all differences are above zero, or one is below, by intervals that hold all at once."""
    if (beside["high"] < 0).any():
        return CONTRADICTED
    return CONFIRMED if (beside["low"] > 0).all() else UNTOLD


def _differences(beside: pd.DataFrame) -> str:
    """All differences with their intervals, or why there is none."""
    rows = beside.to_dict("records")
    return "; ".join(f"{row['other']} {row['note'] or show_estimate(row, 'difference')}" for row in rows)


def _not_asked(question: str, subject: str, lacking: str) -> Answer:
    return Answer(question, subject, NOT_ASKED, f"This study has {lacking}.")
