"""What each judge makes of the same models, side by side: scores by level, slopes, and where they disagree.

The first judge of a study makes its headline; `length` is the control, and a result that it shows as well is a result
about length. Beside the headline stands what is left of it at equal length of answers (`equal_length`).
"""

from typing import NamedTuple

import pandas as pd

from macromicro.analyse.equal_length import hold_length
from macromicro.analyse.results import load_verdicts
from macromicro.analyse.series import SERIES
from macromicro.analyse.slopes import estimate_slopes
from macromicro.analyse.words import name_series, show_estimate
from macromicro.study.sections import CONTROL
from macromicro.study.settings import Study

ENDS = ["slope", "low", "high", "p"]
AT_EQUAL_LENGTH = "{judge} at equal length"
"""What the headline judge is called where answers are held to one length."""


class SideBySide(NamedTuple):
    """Two tables, both in the order of the judges.

    scores: strategy, size, level, score (mean over seeds and prompts), judge. slopes: strategy, size, n_seeds, slope,
    low, high, p (not corrected), note, judge.
    """

    scores: pd.DataFrame
    slopes: pd.DataFrame


def compare_judges(study: Study) -> SideBySide:
    """Scores by level and slopes of all strategies with levels, by every judge of the study.

    After the first judge comes the same at equal length of answers, where it can be told.

    Raises as `results.load_verdicts` and `slopes.estimate_slopes`.
    """
    scores, slopes = [], []
    for judge in study.judge.all_kinds:
        verdicts = load_verdicts(study, judge)
        leveled = verdicts[verdicts["level"].notna()]
        if leveled.empty:
            continue
        readings: dict[str, pd.DataFrame] = {judge: leveled}
        if judge == study.judge.headline != CONTROL:
            readings[AT_EQUAL_LENGTH.format(judge=judge)] = hold_length(leveled)
        for name, read in readings.items():
            if read.empty:
                continue
            means = 100 * read.groupby([*SERIES, "level"])["points"].mean()
            scores.append(means.rename("score").reset_index().assign(judge=name))
            found = estimate_slopes(read, confidence=study.analyse.confidence, alpha=study.analyse.alpha)
            slopes.append(found[[*SERIES, "n_seeds", *ENDS, "note"]].assign(judge=name))
    if not scores:
        empty = (pd.DataFrame(columns=[*SERIES, *names, "judge"]) for names in (["level", "score"], [*ENDS, "note"]))
        return SideBySide(*empty)
    return SideBySide(pd.concat(scores, ignore_index=True), pd.concat(slopes, ignore_index=True))


def show_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores as text, a row per strategy, size and judge, a column per level."""
    order = {judge: place for place, judge in enumerate(scores["judge"].unique())}
    shown = scores.assign(
        score=scores["score"].map("{:.1f}".format), N=scores["size"].map("{:,}".format),
        level=scores["level"].map("{:.0f} %".format), place=scores["judge"].map(order),
    )  # fmt: skip
    levels = shown["level"].unique()
    wide = shown.pivot_table(index=["strategy", "size", "N", "place", "judge"], columns="level", values="score",
                             aggfunc="first").reindex(columns=levels)  # fmt: skip
    return wide.fillna("").reset_index().drop(columns=["size", "place"]).rename_axis(columns=None)


def show_slopes(slopes: pd.DataFrame) -> pd.DataFrame:
    """Slopes with their intervals as text, a row per strategy and size, a column per judge."""
    shown = slopes.assign(
        text=[row["note"] if pd.isna(row["slope"]) else show_estimate(row) for row in slopes.to_dict("records")],
        N=slopes["size"].map("{:,}".format),
    )
    judges = list(slopes["judge"].unique())
    wide = shown.pivot_table(index=["strategy", "size", "N"], columns="judge", values="text", aggfunc="first")
    return wide[judges].fillna("").reset_index().drop(columns="size").rename_axis(columns=None)


def describe_judges(slopes: pd.DataFrame, *, alpha: float) -> str:
    """A Markdown list: for every judge besides the first, where its slopes have another sign, and what length shows.

    A slope counts as told from zero where p, before any correction, is at most `alpha`.
    """
    judges = list(slopes["judge"].unique())
    if not judges:
        return "There are no diversity levels, so no judge has a slope."
    tables = {judge: slopes[slopes["judge"] == judge].dropna(subset=["slope"]) for judge in judges}
    said = [_disagreement(tables, judges[0], other) for other in judges[1:]]
    if CONTROL in judges[1:]:
        said.append(_about_length(tables[judges[0]], tables[CONTROL], judges[0], alpha))
    return "\n".join(f"- {sentence}" for sentence in said)


def _disagreement(tables: dict[str, pd.DataFrame], first: str, other: str) -> str:
    """Where two judges disagree about the sign of a slope, in a sentence."""
    both = tables[first].merge(tables[other], on=SERIES, suffixes=("", "_other"))
    apart = both[both["slope"] * both["slope_other"] < 0]
    text = f"*{first}* and *{other}* give slopes of one sign in {len(both) - len(apart)} of {len(both)} series"
    named = [
        f"{name_series(row)} ({row['slope']:+.1f} and {row['slope_other']:+.1f})" for row in apart.to_dict("records")
    ]
    return f"{text}; **they disagree in sign for** {', '.join(named)}." if named else f"{text}."


def _about_length(headline: pd.DataFrame, control: pd.DataFrame, first: str, alpha: float) -> str:
    """Which slopes of the headline judge the length judge shows as well, in a sentence."""
    both = headline.merge(control, on=SERIES, suffixes=("", "_length"))
    told = both[both["p"] <= alpha]
    same = told[(told["p_length"] <= alpha) & (told["slope"] * told["slope_length"] > 0)]
    if told.empty:
        return f"No slope of *{first}* is told from zero at {alpha:g}, so there is none that could be one of length."
    if same.empty:
        return f"Of the {len(told)} slopes of *{first}* told from zero at {alpha:g}, *length* shows none as well."
    names = ", ".join(map(name_series, same.to_dict("records")))
    return (
        f"**Of the {len(told)} slopes of *{first}* told from zero at {alpha:g}, *length* shows {len(same)} as well**, "
        f"with the same sign: {names}. A result that the length judge shows as well is a result about length."
    )
