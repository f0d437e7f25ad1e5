"""The declared questions and their answers in a table that a reader takes in at once."""

from typing import Literal, TypeAlias

import pandas as pd

from macromicro.analyse.answers import CONFIRMED, CONTRADICTED, NOT_ASKED, SIX, UNTOLD
from macromicro.analyse.words import name_series, show_estimate

End: TypeAlias = Literal["min", "max"]
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


def summarise_slopes(slopes: pd.DataFrame, decisions: pd.DataFrame, levels: pd.DataFrame) -> pd.DataFrame:
    """A row per strategy, the six first: its slope with interval, the same without level 0, seeds, what may be said.

    The last two columns are its lowest and highest level less the baseline, a random draw. Parameters: slopes,
    decisions and levels, as of `outcome.analyse_levels`.
    """
    lowest, highest = show_ends(levels, "min"), show_ends(levels, "max")
    table = slopes.merge(decisions[["strategy", "size", "verdict"]], on=["strategy", "size"])
    place = table["strategy"].map({name: place for place, name in enumerate(SIX)}).fillna(len(SIX))
    rows = table.assign(place=place).sort_values(["place", "strategy", "size"]).to_dict("records")
    above = ("without_zero", "without_zero_low", "without_zero_high")
    shown = [
        (
            *(name_series(row), show_estimate(row), show_estimate(row, *above), int(row["n_seeds"]), row["verdict"]),
            *(ends.get(name_series(row), "–") for ends in (lowest, highest)),
        )
        for row in rows
    ]
    columns = ["strategy", "points from 0 to 100 % diversity", "without level 0", "seeds", "the score"]
    return pd.DataFrame(shown, columns=[*columns, "lowest level less the baseline", "highest less the baseline"])


def show_ends(levels: pd.DataFrame, end: End) -> dict[str, str]:
    """The lowest (`min`) or highest (`max`) level of every strategy and size less the baseline, with its interval."""
    return {name_series(row): show_estimate(row, "difference") for row in _ends(levels, end).to_dict("records")}


def advise(
    answers: pd.DataFrame, levels: pd.DataFrame, contrasts: pd.DataFrame, scores: pd.DataFrame, n_seeds: int
) -> str:
    """What somebody with a corpus of their own can take from the answers, by a rule, in a few sentences.

    Only a strategy whose score rises, and does so without level 0 as well, is worth raising; where it rises and does
    not without level 0, or nobody knows, the least diverse datasets are worth avoiding; one whose score falls is worth
    keeping low; of all else nothing follows but that a random draw is not known to be worse. A score that rises may end
    where a random draw stands: the highest level is called better where it is told from the baseline and, where there
    is one, from the rival `random`, another such draw.
    Parameters: levels, as of `outcome.analyse_levels`; contrasts, as of `declared.compare_declared`; scores, as of
    `results.load_points`; n_seeds, how often each strategy was run; of one draw of its datasets little can be taken.
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
    said += _beside_random(rises, levels, contrasts, scores)
    length = _subjects(answers, "3.", CONFIRMED)
    said.append("Length moves with diversity: look at both, and try a random draw of equal length first." if not length
                else "The rise is left where length, or the number of response tokens, is held fixed.")  # fmt: skip
    if n_seeds == 1:
        said.append("All this is one draw of the datasets: wait for more before you act on it.")
    return " ".join(said)


def _beside_random(names: list[str], levels: pd.DataFrame, contrasts: pd.DataFrame, scores: pd.DataFrame) -> list[str]:
    """Whether the highest level of each is better than a random draw, and how far two random draws differ."""
    top = {name_series(row): row["low"] > 0 for row in _ends(levels, "max").to_dict("records")}
    again = contrasts[(contrasts["question"] == "5") & (contrasts["other"] == "random")].to_dict("records")
    level = {name_series({**row, "strategy": row["one"]}) for row in again if not row["low"] > 0}
    better = [name for name in names if top.get(name) and name not in level]
    same = [name for name in names if name in top and name not in better]
    said = [f"At the highest level {_list(better)} did better than a random draw of as many samples."] if better else []
    if same:
        said.append(f"Even the highest level of {_list(same)} is not told from a random draw of as many samples.")
    drawn = scores.loc[scores["method"] == "random", "score"]
    if names and len(drawn):
        ends = f" ({drawn.min():.1f} to {drawn.max():.1f} over seeds)" if len(drawn) > 1 else ""
        said.append(f"A second random draw scores {drawn.mean():.1f}{ends} against the first, the baseline.")
    return said


def _ends(levels: pd.DataFrame, end: End) -> pd.DataFrame:
    """The rows of the lowest or highest level of every strategy and size."""
    return levels[levels["level"] == levels.groupby(["strategy", "size"])["level"].transform(end)]


def _subjects(answers: pd.DataFrame, question: str, answer: str) -> list[str]:
    """The subjects of a question with this answer."""
    asked = answers["question"].str.startswith(question) & (answers["answer"] == answer)
    return list(answers.loc[asked, "subject"])


def _list(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
