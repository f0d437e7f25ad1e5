"""Win rates of a judge corrected by people's votes on a sample: prediction-powered inference.

People vote on few pairs and a judge on all. Where they differ on the few says by how much the judge's win rate is off;
the judge in turn saves votes, as far as it foresees them. However bad a judge is, the corrected rate is that of people.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats as distributions

from macromicro.judge.people import COORDINATES
from macromicro.judge.verdicts import POINTS

FloatArray = NDArray[np.float64]
KEY = ["strategy", "dataset", "prompt_id"]
COLUMNS = (
    *("judge", "models", "n_pairs", "n_votes", "judged", "people", "people_low", "people_high"),
    *("corrected", "low", "high", "weight", "note"),
)


class Corrected(NamedTuple):
    """A mean with its interval, and how much of the judge went into it (0 to 1)."""

    value: float
    low: float
    high: float
    weight: float


def correct_win_rates(
    verdicts: Mapping[str, pd.DataFrame], pairs: pd.DataFrame, people: FloatArray, *, confidence: float = 0.95
) -> pd.DataFrame:
    """Table of win rates by people of all models, of each strategy and of each level, a row for each by every judge.

    Columns: judge; models; n_pairs (judged) and n_votes (pairs among them that people voted on); judged, the win rate
    by the judge; people, that by people's votes alone, with people_low and people_high; corrected, low, high; weight of
    the judge (0 to 1), all others in percent; note (why there is none). Intervals are over prompts.
    Parameters: verdicts of each judge on all pairs, as `results.load_verdicts` gives them; pairs, those that were drawn
    (`people.draw_pairs`); people, points of each by people's votes, missing where nobody voted.
    """
    voted = pairs[KEY].assign(people=people).dropna()
    rows = []
    for judge, table in verdicts.items():
        both = table[[*COORDINATES, "points"]].merge(voted, on=KEY, how="left", validate="one_to_one")
        rows += [{"judge": judge, "models": name, **_row(group, confidence)} for name, group in _groups(both)]
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def _row(group: pd.DataFrame, confidence: float) -> dict[str, Any]:
    """Win rates of some models by one judge, by people, and both together."""
    known = group.dropna(subset=["people"])
    row = {"n_pairs": len(group), "n_votes": len(known), "judged": 100 * group["points"].mean(), "note": ""}
    if known["prompt_id"].nunique() < 3 or set(known["strategy"]) < set(group["strategy"]):
        return row | {"note": "people must vote on three prompts, and on every strategy"}
    alone, both = (_of_group(group, weight, confidence) for weight in (0.0, None))
    row |= {"people": 100 * alone.value, "people_low": 100 * alone.low, "people_high": 100 * alone.high}
    row |= {"corrected": 100 * both.value, "low": 100 * both.low, "high": 100 * both.high}
    return row | {"weight": both.weight}


def _groups(both: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """All models, those of each strategy, and those of each level."""
    yield "all", both
    for name, group in both.groupby("strategy", sort=True):
        yield str(name), group
    for level, group in both.groupby("level", sort=True):
        yield f"level {level:.0f} %", group


def _of_group(group: pd.DataFrame, weight: float | None, confidence: float) -> Corrected:
    """The estimate of some models; where the judge gave no verdict it foresees a tie, which corrects itself."""
    strategies = group["strategy"].to_numpy(str)
    people = group["people"].to_numpy(float)
    return correct_mean(
        group["points"].fillna(POINTS["tie"]).to_numpy(float),
        people,
        stands_for=_stands_for(strategies, np.isfinite(people)),
        clusters=group["prompt_id"].to_numpy(str),
        weight=weight,
        confidence=confidence,
    )


def _stands_for(strategies: NDArray[np.str_], voted: NDArray[np.bool_]) -> FloatArray:
    """For how many pairs of its strategy each pair that was voted on stands."""
    codes = np.unique(strategies, return_inverse=True)[1]
    return (np.bincount(codes) / np.maximum(np.bincount(codes, weights=voted), 1))[codes]


def correct_mean(
    judged: FloatArray,
    people: FloatArray,
    *,
    stands_for: FloatArray,
    clusters: NDArray[np.str_],
    weight: float | None = None,
    confidence: float = 0.95,
) -> Corrected:
    """The mean of what people would say of all pairs, from what they said of some and a judge said of all.

    It is Y + w (J - J'): Y and J' the means of people and judge over the pairs voted on, J the judge's over all. The
    interval is by Student's t from the sums of influence over clusters of pairs, a degree of freedom less for a weight
    that is estimated. Parameters: people, missing where nobody voted; stands_for, for how many pairs one that was voted
    on stands; clusters, what goes together, such as prompts (three at least must hold votes); weight w, default that
    between 0 and 1 with the least variance.
    Source: PPI++ (Angelopoulos, Duchi, Zrnic 2023, arXiv 2311.01453), whose formula for independent pairs this is; a
    survey statistician's difference estimator.
    """
    voted = np.isfinite(people)
    codes = np.unique(clusters, return_inverse=True)[1]
    share = np.where(voted, stands_for, 0.0) / stands_for[voted].sum()
    said = np.where(voted, people, 0.0)
    by_people, by_judge_there, by_judge = share @ said, share @ judged, judged.mean()
    of_people = np.bincount(codes, weights=share * (said - by_people))
    of_judge = np.bincount(codes, weights=(judged - by_judge) / len(judged) - share * (judged - by_judge_there))
    df = len(np.unique(codes[voted])) - (2 if weight is None else 1)
    if weight is None:
        spread = float(of_judge @ of_judge)
        weight = float(np.clip(-(of_people @ of_judge) / spread, 0, 1)) if spread > 0 else 0.0
    value = float(by_people + weight * (by_judge - by_judge_there))
    inflated = len(np.unique(codes[voted])) / df
    se = float(np.sqrt(inflated * ((of_people + weight * of_judge) ** 2).sum()))
    half = float(distributions.t.ppf((1 + confidence) / 2, df)) * se
    return Corrected(value, value - half, value + half, weight)


def show_corrected(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text, a row per models and judge."""
    shown = table[["models", "judge", "n_pairs", "n_votes"]].copy()
    shown["by the judge"] = table["judged"].map("{:.1f}".format)
    for title, (value, low, high) in {"by votes alone": ("people", "people_low", "people_high"),
                                      "corrected": ("corrected", "low", "high")}.items():  # fmt: skip
        ends = zip(table[value], table[low], table[high], table["note"], strict=True)
        shown[title] = [note or f"{a:.1f} ({b:.1f} to {c:.1f})" for a, b, c, note in ends]
    return shown.assign(weight=table["weight"].map("{:.2f}".format).where(table["note"] == "", ""))
