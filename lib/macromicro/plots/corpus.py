"""Figures and tables of the corpus stage."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter

from macromicro.plots.names import literal

PARTS = ("instruction", "response")


def plot_lengths(samples: pd.DataFrame, *, n_sources: int = 12) -> Figure:
    """Histogram of the lengths of both parts, above the lengths of responses in the `n_sources` largest sources.

    Lengths are in words (separated by white space), on a logarithmic axis.
    """
    words = pd.DataFrame({part: samples[part].str.count(r"\S+") for part in PARTS}).clip(lower=1)
    largest = samples["source"].value_counts().index[:n_sources]
    rows = 0.6 + 0.28 * len(largest)
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(8.0, 3.0 + rows), sharex=True, height_ratios=[2.4, rows], layout="constrained"
    )
    bins = np.unique(np.geomspace(1, words.to_numpy().max() + 1, 24).round()) - 0.5
    for part, color in zip(PARTS, sns.color_palette("colorblind"), strict=False):
        top.hist(words[part], bins=bins, histtype="stepfilled", alpha=0.35, color=color)
        top.hist(words[part], bins=bins, histtype="step", linewidth=1.5, color=color, label=part)
    top.set(xscale="log", ylabel="samples", title="Length of both parts")
    top.legend(frameon=False)
    lengths = [words["response"][samples["source"] == source] for source in largest]
    bottom.boxplot(
        lengths,
        orientation="horizontal",
        tick_labels=[literal(str(name)) for name in largest],
        whis=(5, 95),
        showfliers=False,
    )
    bottom.invert_yaxis()
    bottom.set(xlabel="words", title="Length of responses by source (box 25 to 75 %, whiskers 5 to 95 %)")
    bottom.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    return figure


def example_table(samples: pd.DataFrame, *, seed: int, n_sources: int = 12, max_chars: int = 160) -> pd.DataFrame:
    """One sample of each of the `n_sources` largest sources, drawn at random, shortened to `max_chars` characters."""
    rng = np.random.default_rng(seed)
    largest = samples["source"].value_counts().index[:n_sources]
    rows = [rng.choice(np.flatnonzero(samples["source"] == source)) for source in largest]
    drawn = samples.iloc[rows][["source", *PARTS]].set_index("source")
    return drawn.map(lambda text: textwrap.shorten(text, max_chars, placeholder=" ..."))


def overlap_table(left_out: pd.DataFrame, *, n_most: int = 3, max_chars: int = 240) -> pd.DataFrame:
    """The `n_most` prompts of every reason that overlap most, beside the texts in which they stand.

    Columns reason, share, part, prompt, text, of which the last two are shortened to `max_chars` characters.
    Parameters: left_out, as `corpus.prompts.choose_prompts` returns it.
    """
    ordered = left_out.sort_values(["reason", "similarity", "id"], ascending=[True, False, True])
    shown = ordered.groupby("reason").head(n_most).rename(columns={"similarity": "share", "other": "text"})
    texts = shown[["prompt", "text"]].map(lambda text: textwrap.shorten(text, max_chars, placeholder=" ..."))
    return pd.concat([shown[["reason", "share", "part"]], texts], axis=1).reset_index(drop=True)


def response_table(samples: pd.DataFrame) -> pd.DataFrame:
    """Number, length in words (median, quartiles) and share of repeated responses (percent), a row per source."""
    words = samples["response"].str.count(r"\S+").groupby(samples["source"])
    repeated = (
        samples["response"].groupby(samples["source"]).agg(lambda texts: 100 * texts.duplicated(keep=False).mean())
    )
    low, high = (words.quantile(q).round().astype(int).astype("str") for q in (0.25, 0.75))
    return pd.DataFrame(
        {
            "samples": words.size(),
            "median words": words.median().round().astype(int),
            "middle half": low + " to " + high,
            "repeated, %": repeated.round(1),
        }
    ).sort_values("samples", ascending=False)
