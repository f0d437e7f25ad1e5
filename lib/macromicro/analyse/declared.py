"""A study's part in the declaration: which of its strategies are what, their differences, and the answers.

Only what a study has is asked: the six strategies, controls that hold length, variants of response-micro, rivals.
"""

from collections.abc import Collection, Iterable
from itertools import product
from typing import NamedTuple

import pandas as pd

from macromicro.analyse import answers, paper
from macromicro.analyse.answers import OTHERS, SIX, STRONGEST, Answer
from macromicro.analyse.contrasts import COLUMNS, compare_datasets, compare_slopes
from macromicro.analyse.outcome import Outcome
from macromicro.judge.agreement import is_checked, load_agreement, name_judge
from macromicro.study import params
from macromicro.study.settings import BASELINE, Study

QUESTIONS = {
    "1": "Does the score rise with diversity?",
    "1, without level 0": "Does the score rise with diversity?",
    "2a": "Is response-micro the strongest?",
    "2b": "Does instruction-micro do harm?",
    "3": "Is it more than length?",
    "4": "Does a metric foretell the score?",
    "5": "Does it pay?",
    "6": "Does it hang on our readings?",
    "7": "Does it hold in another domain?",
}


class Roles(NamedTuple):
    """Names of strategies. controls: response-micro with length held. variants: response-micro with other types.

    rivals: ways of choosing without levels, none unless a random draw is among several.
    """

    controls: tuple[str, ...]
    variants: tuple[str, ...]
    rivals: tuple[str, ...]


class Declared(NamedTuple):
    """Two tables. contrasts: as of `compare_declared`. answers: as of `answer_questions`."""

    contrasts: pd.DataFrame
    answers: pd.DataFrame


def name_roles(study: Study) -> Roles:
    """What the strategies of a study are in the declaration, from their settings.

    A control sets a band of lengths or equal tokens and no other types than response-micro, a variant other types and
    neither of these: what changes both at once is no part of the declaration.
    """
    strategies = [study.strategy(name) for name in study.strategies]
    rivals = [one for one in strategies if not one.has_levels and one.baseline == BASELINE]
    several = len(rivals) > 1 and any(one.method == "random" for one in rivals)
    named = tuple(one.name for one in rivals) if several else ()
    if STRONGEST not in study.strategies:
        return Roles((), (), named)
    tokens = study.strategy(STRONGEST).tokens
    others = [one for one in strategies if one.has_levels and one.part == "response" and one.granularity == "micro"]
    held = [one for one in others if one.select.length is not None or one.select.budget == "tokens"]
    return Roles(
        controls=tuple(one.name for one in held if one.tokens == tokens and one.name not in SIX),
        variants=tuple(one.name for one in others if one.tokens != tokens and one not in held and one.name not in SIX),
        rivals=named,
    )


def compare_declared(verdicts: pd.DataFrame, roles: Roles, *, alpha: float = 0.05) -> pd.DataFrame:
    """Table of the differences that the declaration asks for: question, and the columns of `contrasts.compare_slopes`.

    2a: the slope of response-micro less that of each other of the six. 5: the score of each of the six at 100 % less
    that of each rival. 6: the slope of response-micro less that of each variant. Each is corrected by itself; intervals
    are at 1 - alpha. Parameters: verdicts, as of `results.load_verdicts`.
    """
    leveled = verdicts[verdicts["level"].notna()]
    there = set(leveled["strategy"])
    asked = {"2a": [name for name in OTHERS if name in there], "6": list(roles.variants)}
    pairs = {question: [(STRONGEST, name) for name in names] for question, names in asked.items()}
    tables = [
        compare_slopes(leveled, own, confidence=1 - alpha).assign(question=question)
        for question, own in pairs.items()
        if own and STRONGEST in there
    ]
    ends = verdicts[(verdicts["level"] == 100) | verdicts["level"].isna()].assign(kind=verdicts["strategy"])
    at_end = [name for name in SIX if name in set(ends["strategy"])]
    if at_end and roles.rivals:
        found = compare_datasets(ends, list(product(at_end, roles.rivals)), confidence=1 - alpha)
        tables.append(found.assign(question="5"))
    columns = ["question", *COLUMNS]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def answer_questions(
    slopes: pd.DataFrame,
    decisions: pd.DataFrame,
    contrasts: pd.DataFrame,
    correlations: pd.DataFrame,
    by_judge: pd.DataFrame,
    *,
    controls: Collection[str],
    judge_is_better: bool,
    missing: Collection[str] = (),
    alpha: float = 0.05,
    smallest_effect: float = 5.0,
) -> pd.DataFrame:
    """Table of all answers: question, subject, answer (confirmed, contradicted, cannot be told, not asked), sentence.

    Parameters: slopes and decisions, as of `outcome.analyse_levels`; contrasts, as of `declared.compare_declared`;
    correlations, as of `metric_correlations.correlate_families`, of the family of the six; by_judge, slopes as of
    `judges.compare_judges`; controls, the strategies in which length is held; judge_is_better, whether the first judge
    agrees with people more than length does: where it does not, nothing is called confirmed; missing, as of
    `list_missing`: where any is, nothing is concluded; alpha and smallest_effect, as the tables were made with. A study
    has one corpus: question 7 is for `answers.another_domain`, of two studies.
    """
    beyond = _withhold(answers.more_than_length(decisions, controls=controls), judge_is_better)
    known = [one.subject for one in beyond if one.answer == answers.CONFIRMED]
    told = answers.explain_by_length(decisions, by_judge, alpha=alpha, beyond_length=known)
    found = [
        *answers.score_rises(slopes, told, alpha=alpha, smallest_effect=smallest_effect),
        *answers.is_strongest(told, contrasts),
        *answers.does_harm(told),
        *beyond,
        *answers.metric_foretells(correlations, alpha=alpha),
        *answers.pays(contrasts),
        *answers.hangs_on_readings(contrasts, alpha=alpha, smallest_effect=smallest_effect),
        *answers.another_domain(None),
    ]
    found = _withhold(found, judge_is_better)
    if missing:
        why = "**Nothing is concluded before a seed is complete for all six.**"
        found = _take_back(found, (answers.CONFIRMED, answers.CONTRADICTED), why)
    table = pd.DataFrame(found, columns=list(Answer._fields))
    return table.assign(question=[f"{name}. {QUESTIONS[name]}" for name in table["question"]])


def describe_answers(table: pd.DataFrame) -> str:
    """The answers in Markdown: a list for each question, and last what was not asked."""
    asked = table[table["answer"] != answers.NOT_ASKED]
    blocks = []
    for question, own in asked.groupby("question", sort=False):
        lines = [f"- *{answer}*: {sentence}" for answer, sentence in zip(own["answer"], own["sentence"], strict=True)]
        blocks.append("\n".join([f"**{question}**\n", *lines]))
    left = table[table["answer"] == answers.NOT_ASKED]
    lines = [f"- {row['question']} {row['sentence']}" for row in left.to_dict("records")]
    return "\n\n".join([*blocks, *(["\n".join(["**Not asked**\n", *lines])] if lines else [])])


def _withhold(found: Iterable[Answer], judge_is_better: bool) -> list[Answer]:
    """The answers, none of them confirmed where the judge is not better than length."""
    if judge_is_better:
        return list(found)
    why = "**Not called confirmed: the first judge is not known to agree with people more than length does.**"
    return _take_back(found, (answers.CONFIRMED,), why)


def _take_back(found: Iterable[Answer], taken: Collection[str], why: str) -> list[Answer]:
    """The answers, those of `taken` turned into one that cannot be told, for a reason."""
    return [
        one._replace(answer=answers.UNTOLD, sentence=f"{one.sentence} {why}") if one.answer in taken else one
        for one in found
    ]


def list_missing(study: Study) -> list[str]:
    """Those of the six that the preset of a study names and that are not there, where it is shown from kept numbers.

    The declaration reads a result where a seed is complete for all six, and corrects for testing six slopes.
    """
    if not study.out.is_laid_out:
        return []
    declared = params.load(study.study, check_corpus=False)
    return [name for name in SIX if name in declared.strategies and name not in study.strategies]


def warn_missing(missing: Collection[str]) -> str:
    """What must be said where strategies are missing, in bold; empty where none is."""
    if not missing:
        return ""
    return (
        f"**No seed is complete for all six strategies ({len(missing)} are missing), and by the declaration nothing is "
        "concluded before one is. These are numbers on the way: tests are corrected only for the strategies that are "
        "there.**"
    )


def answer_declared(
    study: Study, verdicts: pd.DataFrame, found: Outcome, correlations: pd.DataFrame, by_judge: pd.DataFrame
) -> Declared:
    """The differences and answers of a study.

    Parameters: verdicts, as of `results.load_verdicts`; found, correlations and by_judge, as for
    `answer_questions`. Raises as `contrasts.compare_slopes` and `contrasts.compare_datasets`.
    """
    roles, how = name_roles(study), study.analyse
    contrasts = compare_declared(verdicts, roles, alpha=how.alpha)
    table = answer_questions(
        found.slopes,
        found.decisions,
        contrasts,
        correlations[correlations["family"] == paper.FAMILY],
        by_judge,
        controls=roles.controls,
        judge_is_better=is_checked(name_judge(study), load_agreement()),
        missing=list_missing(study),
        alpha=how.alpha,
        smallest_effect=how.smallest_effect,
    )
    return Declared(contrasts, table)
