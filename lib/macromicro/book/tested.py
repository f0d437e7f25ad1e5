"""The page on the paper itself: its numbers in words, tables and figures, which are those of no study."""

from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from macromicro.analyse import paper, paper_conclusion, paper_tables, readings
from macromicro.analyse.paper_tested import Tested, assess_paper, load_lengths
from macromicro.analyse.stats import SERIES
from macromicro.analyse.words import name_series
from macromicro.plots.paper import plot_forest, plot_lengths

CONFIDENCE, ALPHA, CLOSE = 0.95, 0.05, paper_conclusion.CLOSE
READING_ERROR = 0.2  # points of score, as far as a marker of a figure can be read
DOTS_PER_INCH = 160  # sharp on a screen of two pixels to a point


@cache
def assess() -> Tested:
    """Every test of the paper's claims."""
    return assess_paper(confidence=CONFIDENCE, alpha=ALPHA)


def write_figures(folder: Path) -> None:
    """Write `paper_slopes.png` and `paper_lengths.png` to a folder."""
    slopes, lengths = assess().slopes, load_lengths()
    names = [f"{name}, {size:,}" for name, size in zip(slopes["strategy"], slopes["size"], strict=True)]
    free, held = (own for _, own in lengths.groupby("length"))
    drawn = {"paper_slopes": plot_forest(slopes, names), "paper_lengths": plot_lengths(free, held)}
    for name, figure in drawn.items():
        figure.savefig(folder / f"{name}.png", dpi=DOTS_PER_INCH)
        plt.close(figure)


def conclusion() -> str:
    """What may be said of the paper's claims, a list in Markdown."""
    return paper_conclusion.conclude(assess())


def slopes() -> pd.DataFrame:
    """All slopes as text."""
    return paper_tables.tabulate_slopes(assess().slopes)


def differences() -> pd.DataFrame:
    """Differences of slopes as text."""
    return paper_tables.tabulate_differences(assess().differences)


def from_levels() -> pd.DataFrame:
    """The slope without its first levels, with length free and held, as text."""
    return paper_tables.tabulate_from_levels(assess().free, assess().held)


def both() -> str:
    """What is left of the slope when level and length stand in one line."""
    return paper_conclusion.judge_both(assess().length)


def leads() -> str:
    """At how many sizes response-micro has the best score at 100 percent, and the largest r of score and level."""
    return paper_conclusion.count_leads(paper.load_scores())


def ends() -> pd.DataFrame:
    """Score of the most diverse model and r of score and level as text, a row per strategy and a column per size."""
    return paper_tables.tabulate_ends(paper.load_scores())


def describe_forest() -> str:
    """What the figure of slopes shows, for those who cannot see it."""
    found = assess().slopes
    told = [paper_conclusion.name_line(row) for row in found[found["significant"]].to_dict("records")]
    return f"{len(found)} slopes with their intervals; told from zero are {'; '.join(told) or 'none'}."


def describe_lengths() -> str:
    """What the figure of lengths shows, for those who cannot see it."""
    said = []
    for name, line in (("free", assess().free), ("held", assess().held)):
        tokens = load_lengths().query("length == @name")["mean_response_tokens"]
        said.append(
            f"with length {name}, mean response tokens lie between {tokens.min():.0f} and {tokens.max():.0f} and the "
            f"line of the score changes by {line['slope'].iloc[0]:+.1f} points from 0 to 100 % diversity"
        )
    return f"Two panels over diversity; {'; '.join(said)}."


def agreement_with_table_1() -> str:
    """How far our slopes are from those that the paper prints, and which are off by more than readings explain."""
    hidden = paper.load_scores().groupby(SERIES, as_index=False)["marker_hidden"].any()
    beside = readings.show_slopes_beside(assess().slopes, paper.load_slopes()).merge(hidden, on=SERIES)
    far = beside[beside["difference"].abs() > READING_ERROR]
    near = beside.drop(far.index)
    text = f"Of {len(beside)} slopes, {len(near)} come within {near['difference'].abs().max():.2f} of the printed ones"
    if far.empty:
        return f"{text}."
    named = "; ".join(f"{name_series(row)} by {row['difference']:+.1f}" for row in far.to_dict("records"))
    why = ", where markers hide points" if far["marker_hidden"].all() else ""
    return f"{text}. The others are off{why}: {named}."
