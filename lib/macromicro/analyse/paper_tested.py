"""The paper's claims, tested on the points of its own figures; no model and no study is needed.

A slope is the least squares line through single models, one to a level, as in table 1 of the paper. Its interval is
Student's t with n - 2 degrees of freedom, 5 where there are seven levels: it covers the scatter of the models about
their line, and nothing else. Lines are compared by the difference of their slopes, since one that is told from zero and
one that is not need not differ from each other (Gelman and Stern 2006).
"""

from typing import NamedTuple

import pandas as pd
import statsmodels.api as sm
from scipy import stats as distributions

from macromicro.analyse import paper
from macromicro.analyse.crossed import Estimate
from macromicro.analyse.stats import SERIES, SLOPE_SCALE, fit_slopes, holm

ABLATIONS = {
    "llama-2-70b": "Llama-2-70B",
    "llama-3-8b": "Llama-3-8B",
    "length-control": "length held",
    "word-tokenizer": "words",
}
"""The paper's four variations of response-micro at N = 10,000, and what they are called here."""

HEADLINE = paper.CLAIMED[0]
SMALLEST, LARGEST = 10_000, 30_000
LENGTHS = {"none (length reference)": "free", "length-control": "held"}
FEWEST_POINTS = 5  # of a line through the upper levels only


class Length(NamedTuple):
    """Level against mean response length of the same datasets, and the score against both.

    r, low, high: Pearson's r of level and length with Fisher's interval. shortest, longest: mean response tokens.
    level, tokens: slopes of the score with both in one line, from 0 to 100 percent diversity and per 100 tokens.
    """

    n: int
    r: float
    low: float
    high: float
    shortest: float
    longest: float
    level: Estimate
    tokens: Estimate


class Tested(NamedTuple):
    """What the paper's points say: tables of the functions below, and `Length`."""

    slopes: pd.DataFrame
    differences: pd.DataFrame
    free: pd.DataFrame
    held: pd.DataFrame
    length: Length


def assess_paper(*, confidence: float = 0.95, alpha: float = 0.05) -> Tested:
    """Every test of the paper's claims, on the numbers that were read off its figures.

    `free` and `held` are `fit_from_levels` of response-micro at N = 10,000 and of its length-controlled variation.
    """
    points = load_points()
    free, held = (
        fit_from_levels(pick_line(points, name, SMALLEST), confidence=confidence)
        for name in (HEADLINE, ABLATIONS["length-control"])
    )
    slopes = fit_all_slopes(points, confidence=confidence, alpha=alpha)
    differences = compare_lines(points, confidence=confidence, alpha=alpha)
    return Tested(slopes, differences, free, held, relate_length(load_lengths(), confidence=confidence))


def load_points() -> pd.DataFrame:
    """Scores of all 22 lines: strategy, family, part, granularity, size, level, score; an ablation is a strategy."""
    columns = [*SERIES, "family", "part", "granularity", "level", "score"]
    ablations = paper.load_ablations()
    ablations = ablations[ablations["ablation"].isin(ABLATIONS)]
    ablations = ablations.assign(strategy=ablations["ablation"].map(ABLATIONS), family="ablations")
    return pd.concat([paper.load_scores()[columns], ablations[columns]], ignore_index=True)


def load_lengths() -> pd.DataFrame:
    """Datasets of response-micro at N = 10,000 with their mean response length.

    Columns: length (free, or held by drawing samples of one length), level, score, mean_response_tokens.
    """
    ablations = paper.load_ablations()
    lengths = ablations[ablations["ablation"].isin(LENGTHS)]
    lengths = lengths.assign(length=lengths["ablation"].map(LENGTHS))
    return lengths[["length", "level", "score", "mean_response_tokens"]].reset_index(drop=True)


def pick_line(points: pd.DataFrame, strategy: str, size: int) -> pd.DataFrame:
    """The points of one line. Raises ValueError if there are none."""
    found = points[(points["strategy"] == strategy) & (points["size"] == size)]
    if found.empty:
        raise ValueError(f"a line needs points, but the table has none of strategy={strategy!r} at size={size}")
    return found


def fit_all_slopes(points: pd.DataFrame, *, confidence: float = 0.95, alpha: float = 0.05) -> pd.DataFrame:
    """The table of `stats.fit_slopes` with p_holm_all, Holm over all lines, and `significant` by it.

    p_holm and `significant_apart` stay within the family: the lines of figure 3, and the ablations. without_zero,
    without_zero_low and without_zero_high: the slope without level 0.
    """
    slopes = fit_slopes(points, confidence=confidence, alpha=alpha).rename(columns={"significant": "significant_apart"})
    together = holm(slopes["p"].to_numpy(float))
    slopes = slopes.assign(p_holm_all=together, significant=together <= alpha)
    above = [fit_line(pick_line(points[points["level"] > 0], *line)) for line in slopes[SERIES].itertuples(index=False)]
    ends = [(slope.value, *slope.interval(confidence)) for slope in above]
    slopes[["without_zero", "without_zero_low", "without_zero_high"]] = ends
    return slopes.sort_values("family", key=lambda family: family != paper.FAMILY, kind="stable", ignore_index=True)


def fit_line(points: pd.DataFrame) -> Estimate:
    """Least squares slope of score over level, in points from 0 to 100 percent diversity, of at least three points."""
    fit = distributions.linregress(points["level"], points["score"])
    return Estimate(SLOPE_SCALE * fit.slope, (SLOPE_SCALE * fit.stderr) ** 2, len(points) - 2, 0.0)


def subtract(one: Estimate, other: Estimate) -> Estimate:
    """The difference of two slopes of different models, whose scatter need not be alike.

    The degrees of freedom are Welch's (1947): (a + b)^2 / (a^2 / df_a + b^2 / df_b) for squared standard errors a, b.
    """
    own = one.own + other.own
    return Estimate(one.value - other.value, own, own**2 / (one.own**2 / one.df + other.own**2 / other.df), 0.0)


def list_comparisons(points: pd.DataFrame) -> list[tuple[tuple[str, int], tuple[str, int]]]:
    """Pairs of lines (strategy, size) that a claim of the paper sets against each other.

    response-micro against the steepest other strategy of its size; the largest size against the smallest; Llama-3-8B
    against the Llama-2-7B of figure 3; length free against held; tokens against words.
    """
    paper_points = points[points["family"] == paper.FAMILY]
    pairs = []
    for size in sorted(set(paper_points["size"])):
        others = paper_points[(paper_points["strategy"] != HEADLINE) & (paper_points["size"] == size)]
        slopes = {str(name): fit_line(line).value for name, line in others.groupby("strategy")}
        pairs.append(((HEADLINE, size), (max(slopes, key=slopes.__getitem__), size)))
    smallest, varied = (HEADLINE, SMALLEST), {key: (name, SMALLEST) for key, name in ABLATIONS.items()}
    return [
        *pairs,
        ((HEADLINE, LARGEST), smallest),
        (varied["llama-3-8b"], smallest),
        (smallest, varied["length-control"]),
        (smallest, varied["word-tokenizer"]),
    ]


def compare_lines(points: pd.DataFrame, *, confidence: float = 0.95, alpha: float = 0.05) -> pd.DataFrame:
    """Table of differences of slopes, a row per pair of `list_comparisons`.

    Columns: strategy, size, other, other_size, difference, low, high, p, p_holm (over these rows), significant,
    smallest_seen (the smallest true difference that two such lines would have told from zero 80 times in 100, alone).
    """
    rows = []
    for one, other in list_comparisons(points):
        found = subtract(*(fit_line(pick_line(points, *line)) for line in (one, other)))
        low, high = found.interval(confidence)
        row = {"strategy": one[0], "size": one[1], "other": other[0], "other_size": other[1]}
        seen = found.smallest_seen(alpha=alpha, power=0.8)
        rows.append(row | {"difference": found.value, "low": low, "high": high, "p": found.p(), "smallest_seen": seen})
    table = pd.DataFrame(rows)
    table["p_holm"] = holm(table["p"].to_numpy(float))
    return table.assign(significant=table["p_holm"] <= alpha)


def fit_from_levels(points: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Table first_level, n, slope, low, high, p: a line without its first levels, while `FEWEST_POINTS` are left.

    p is not corrected: the rows are readings of one line.
    """
    rows = []
    for first in sorted(points["level"].unique())[: len(points) - FEWEST_POINTS + 1]:
        above = points[points["level"] >= first]
        slope = fit_line(above)
        low, high = slope.interval(confidence)
        row = {"first_level": first, "n": len(above), "slope": slope.value, "low": low, "high": high}
        rows.append(row | {"p": slope.p()})
    return pd.DataFrame(rows)


def relate_length(lengths: pd.DataFrame, *, confidence: float = 0.95) -> Length:
    """How level goes with mean response length where length is free, from the table of `load_lengths`."""
    free = lengths[lengths["length"] == "free"]
    tokens = free["mean_response_tokens"]
    r = distributions.pearsonr(free["level"], tokens)
    fit = sm.OLS(free["score"], sm.add_constant(free[["level", "mean_response_tokens"]] / 100)).fit()
    level, length = (
        Estimate(fit.params[name], fit.bse[name] ** 2, fit.df_resid, 0.0) for name in ("level", "mean_response_tokens")
    )
    ends = r.confidence_interval(confidence)
    return Length(len(free), r.statistic, ends.low, ends.high, tokens.min(), tokens.max(), level, length)


def find_ends(scores: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score at the highest level, and Pearson's r of score and level: a row per strategy and a column per size."""
    highest = scores[scores["level"] == scores["level"].max()]
    lines = scores.groupby(["strategy", "size"])
    r = pd.Series({line: own["level"].corr(own["score"]) for line, own in lines})
    r = r.rename_axis(["strategy", "size"])
    return highest.pivot_table(index="strategy", columns="size", values="score"), r.unstack("size")  # noqa: PD010
