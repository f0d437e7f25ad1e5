"""Figures of the annotate stage: the map of topics, the counts of tags, the bands of tokens, types per text.

Colours are those of Okabe and Ito; sizes suit a page 700 pixels wide.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import LogLocator, NullFormatter

from macromicro.annotate.annotate import Annotation
from macromicro.annotate.types import TypeMatrix
from macromicro.plots.names import literal

WIDTH = 8.4  # inches
BAND_COLOURS = {"high": "#0072B2", "mid": "#D55E00", "low": "#009E73"}
TOPIC_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
N_EXAMPLES = 7


def plot_annotation(annotation: Annotation) -> Figure:
    """Types found in the texts: a map of topics (macro), counts of tags (meso) or bands of tokens (micro)."""
    if annotation.granularity == "macro":
        return plot_topic_map(annotation.evidence, annotation.types)
    if annotation.granularity == "meso":
        return plot_tag_counts(annotation.evidence)
    return plot_bands(annotation.evidence, annotation.types.report["low"], annotation.types.report["high"])


def plot_types_per_text(types: TypeMatrix) -> Figure:
    """Two histograms: types that a text carries, and texts that carry a type (logarithmic)."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 2.9), layout="constrained")
    per_text, per_type = types.types_per_sample, types.samples_per_type
    top = int(np.quantile(per_text, 0.99)) + 1 if len(per_text) else 1
    step = -(-(top + 1) // 40)
    left.hist(np.minimum(per_text, top), bins=np.arange(0, top + 1 + step, step) - 0.5, color="#0072B2")
    left.set(xlabel="types per text (last bar: that many or more)", ylabel="texts")
    if types.n_types:
        edges = np.unique(np.geomspace(1, max(int(per_type.max()), 1) + 1, 30).round())
        right.hist(per_type, bins=edges, color="#D55E00")
        right.set_xscale("log")
        right.xaxis.set_major_formatter("{x:,.0f}")
    right.set(xlabel="texts per type", ylabel="types")
    return figure


def plot_topic_map(points: pd.DataFrame, types: TypeMatrix) -> Figure:
    """Texts in two dimensions: the largest topics in colour with their keywords, other topics dark, noise light."""
    named = min(len(TOPIC_COLOURS), int(points["topic"].max()) + 1) if len(points) else 0
    figure, axes = plt.subplots(figsize=(WIDTH, 5.6), layout="constrained")
    noise = points[points["topic"] < 0]
    others = points[points["topic"] >= named]
    axes.scatter(noise["x"], noise["y"], s=4, color="0.85", linewidths=0, label="no topic")
    axes.scatter(others["x"], others["y"], s=4, color="0.55", linewidths=0, label="smaller topics")
    for topic in range(named):
        here = points[points["topic"] == topic]
        axes.scatter(
            here["x"],
            here["y"],
            s=12,
            color=TOPIC_COLOURS[topic],
            linewidths=0,
            label=literal(str(types.labels[topic])),
        )
    axes.set(xticks=[], yticks=[], xlabel="first map coordinate", ylabel="second map coordinate")
    figure.legend(loc="outside lower center", ncols=2, markerscale=2.5, frameon=False, fontsize=10)
    return figure


def plot_tag_counts(counts: pd.DataFrame) -> Figure:
    """Texts per tag: all tags by rank (logarithmic) and the most frequent ones by name."""
    ordered = counts.sort_values(["n_samples", "label"], ascending=[False, True])
    top = ordered.head(20)
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 4.6), layout="constrained")
    left.plot(np.arange(1, len(ordered) + 1), ordered["n_samples"], color="#009E73", linewidth=2)
    left.set(xlabel="rank of the tag", ylabel="texts that carry the tag")
    if len(ordered):
        left.set(xscale="log", yscale="log")
        for axis in (left.xaxis, left.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:,.0f}")
            axis.set_minor_formatter(NullFormatter())
    left.tick_params(axis="x", rotation=45)
    right.barh([literal(_shorten(label)) for label in top["label"]], top["n_samples"], color="#009E73")
    right.invert_yaxis()
    right.set(xlabel="texts", title="most frequent tags")
    right.margins(y=0.01)
    return figure


def plot_bands(curve: pd.DataFrame, low: int, high: int) -> Figure:
    """Figure 2 of the paper: counts of all distinct tokens by rank, the three bands in colour, with example tokens.

    Parameters: curve, as `tokens.count_curve` gives it; low and high, the limits of the mid band.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 4.4), layout="constrained")
    if len(curve):
        axes.set_yscale("log")
        axes.set_ylim(0.7, float(curve["count"].max()) * 2)
    for band, colour in BAND_COLOURS.items():
        part = curve[curve["band"] == band]
        axes.fill_between(part["rank"], 0.7, part["count"], color=colour, alpha=0.35, linewidth=0)
        axes.plot(part["rank"], part["count"], color=colour, linewidth=2, label=_describe(part, band, low, high))
    for limit in (low, high):
        axes.axhline(limit, color="0.35", linestyle=":", linewidth=1)
    axes.set_xscale("function", functions=(lambda rank: np.sqrt(np.maximum(rank, 0)), np.square))
    axes.set(xlabel="rank among distinct tokens (square-root axis)", ylabel="occurrences in all texts")
    axes.set_xticks(_spread_ticks(len(curve)))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.legend(loc="upper right", framealpha=1, edgecolor="none", labelspacing=0.9)
    return figure


def _spread_ticks(last: int) -> list[int]:
    """Round ranks up to the last that lie well apart on a square-root axis."""
    step = 10 ** max(len(str(last)) - 2, 0)
    return [step * tick for tick in (0, 1, 5, 10, 20, 30, 40, 60, 80) if step * tick <= last]


def _describe(part: pd.DataFrame, band: str, low: int, high: int) -> str:
    """Name, limits, size and examples of a band, in two lines."""
    limits = {"high": f"more than {high}", "mid": f"{low} to {high}", "low": f"fewer than {low}"}[band]
    return f"{band}: {limits} occurrences, {len(part):,} tokens\n{'  '.join(_examples(part))}"


def _examples(part: pd.DataFrame) -> list[str]:
    """Tokens from all over the band that the figure's font can show: letters, whole or after a space."""
    glyphs = get_font(findfont(FontProperties())).get_charmap()
    words = [
        token
        for token in part["token"]
        if len(token.strip("␣")) > 2 and token.strip("␣").isalpha() and all(ord(letter) in glyphs for letter in token)
    ]
    places = np.linspace(0, len(words) - 1, min(N_EXAMPLES, len(words))).round().astype(int)
    return [words[place].strip("␣▁")[:14] for place in places]


def _shorten(label: str, most: int = 24) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"
