"""The declared questions and their answers in a table that a reader takes in at once."""

import pandas as pd

from macromicro.analyse.answers import CONFIRMED, CONTRADICTED, NOT_ASKED, SIX, UNTOLD
from macromicro.analyse.words import name_series, show_estimate

SHOWN = (CONFIRMED, CONTRADICTED, UNTOLD)


def summarise_answers(answers: pd.DataFrame) -> pd.DataFrame:
    """A row per question that was asked: question, answer, with the subjects of each answer where they differ.

    Parameters: answers, as of `declared.answer_questions`.
    """
    rows = []
    for question, own in answers[answers["answer"] != NOT_ASKED].groupby("question", sort=False):
        given = {answer: list(own.loc[own["answer"] == answer, "subject"]) for answer in SHOWN}
        given = {answer: subjects for answer, subjects in given.items() if subjects}
        said = "; ".join(f"{answer}: {', '.join(subjects)}" for answer, subjects in given.items())
        if len(given) == 1:
            [(answer, subjects)] = given.items()
            said = answer if len(subjects) == 1 else f"{answer} (all {len(subjects)})"
        rows.append({"question": str(question), "answer": said})
    return pd.DataFrame(rows, columns=["question", "answer"])


def summarise_slopes(slopes: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    """A row per strategy, the six first: its slope with interval, the same without level 0, seeds, what may be said.

    Parameters: slopes and decisions, as of `outcome.analyse_levels`.
    """
    table = slopes.merge(decisions[["strategy", "size", "verdict"]], on=["strategy", "size"])
    place = table["strategy"].map({name: place for place, name in enumerate(SIX)}).fillna(len(SIX))
    rows = table.assign(place=place).sort_values(["place", "strategy", "size"]).to_dict("records")
    above = ("without_zero", "without_zero_low", "without_zero_high")
    shown = [
        (name_series(row), show_estimate(row), show_estimate(row, *above), int(row["n_seeds"]), row["verdict"])
        for row in rows
    ]
    columns = ["strategy", "points from 0 to 100 % diversity", "without level 0", "seeds", "the score"]
    return pd.DataFrame(shown, columns=columns)


def advise(answers: pd.DataFrame, n_seeds: int) -> str:
    """What somebody with a corpus of their own can take from the answers, by a rule, in two or three sentences.

    Only a strategy whose score rises, and does so without level 0 as well, is worth raising; where it rises and does
    not without level 0, or nobody knows, the least diverse datasets are worth avoiding; one whose score falls is worth
    keeping low; of all else nothing follows but that a random draw is not known to be worse.
    Parameters: n_seeds, how often each strategy was run; of one draw of its datasets little can be taken.
    """
    rises, falls = (_subjects(answers, "1.", answer) for answer in (CONFIRMED, CONTRADICTED))
    above, not_above = (_subjects(answers, "1, without", answer) for answer in (CONFIRMED, CONTRADICTED))
    held = [name for name in rises if name in above]
    said = [f"More diversity of {_list(held)} made better models here, also above level 0."] if held else []
    if low := [name for name in rises if name in not_above]:
        said.append(
            f"For {_list(low)} the gain rests on the least diverse datasets: avoid these, and expect no more from more."
        )
    if unsure := [name for name in rises if name not in (*above, *not_above)]:
        said.append(
            f"More diversity of {_list(unsure)} made better models here; avoid the least diverse datasets, above which "
            "it is not known whether more still helps."
        )
    if falls:
        said.append(
            f"For {_list(falls)} more diversity did not help: the score falls, or changes by less than would matter."
        )
    if not said:
        said.append(
            "No strategy was told to make better models with more diversity: a random draw is not known to be worse."
        )
    length = _subjects(answers, "3.", CONFIRMED)
    said.append("Length moves with diversity: look at both, and try a random draw of equal length first." if not length
                else "The gain is left where length is held fixed.")  # fmt: skip
    if n_seeds == 1:
        said.append("All this is one draw of the datasets: wait for more before you act on it.")
    return " ".join(said)


def _subjects(answers: pd.DataFrame, question: str, answer: str) -> list[str]:
    """The subjects of a question with this answer."""
    asked = answers["question"].str.startswith(question) & (answers["answer"] == answer)
    return list(answers.loc[asked, "subject"])


def _list(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
