"""How a subset differs from what it was chosen from, in what goes along with diversity: length, sources, repeats."""

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from macromicro.annotate.tokens import count_words
from macromicro.corpus.overlap import near_duplicates
from macromicro.select.describe import NEAR, PARTS
from macromicro.select.filters import whole_texts
from macromicro.select.select import draw_alike

MAX_SOURCES = 10


def describe_shift(
    samples: pd.DataFrame,
    rows: NDArray[np.int64],
    rng: Generator,
    *,
    quality: pd.Series | None = None,
    weights: NDArray[np.int64] | None = None,
) -> pd.DataFrame:
    """Columns measure, all, random, chosen, as text: of all samples, of a random draw of equal size and of the subset.

    Of equal size is what has as many samples, or with weights what reaches the same weight (`draw_alike`).

    Measures are the mean length of either part in words (the unit `bare-word`) and characters, the share of samples
    that have a near-duplicate among them (not of all samples: it rises with their number), and the shares of the
    `MAX_SOURCES` largest sources. With the quality of each sample, by id, its mean comes first.
    """
    drawn = draw_alike(len(samples), rows, rng, weights)
    groups: dict[str, NDArray[np.int64]] = {"all": np.arange(len(samples), dtype=np.int64)}
    groups |= {"random": drawn, "chosen": rows}
    table = {}
    if weights is not None:
        table["samples"] = {name: f"{len(held):,}" for name, held in groups.items()}
    if quality is not None:
        numbers = quality.loc[samples["id"]].to_numpy()
        table["quality, mean"] = {name: f"{numbers[held].mean():.4g}" for name, held in groups.items()}
    for part in PARTS:
        for unit, values in (("words", count_words(samples[part])), ("characters", samples[part].str.len().to_numpy())):
            table[f"{part}, mean {unit}"] = {name: f"{values[held].mean():,.1f}" for name, held in groups.items()}
    table["near-duplicates"] = {
        name: "" if name == "all" else f"{_share_of_near_duplicates(samples.iloc[held]):.1%}"
        for name, held in groups.items()
    }
    sources = samples["source"].value_counts().index
    for source in sources[:MAX_SOURCES] if len(sources) > 1 else ():
        of = (samples["source"] == source).to_numpy()
        table[f"source {source}"] = {name: f"{of[held].mean():.1%}" for name, held in groups.items()}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("measure").reset_index()


def _share_of_near_duplicates(samples: pd.DataFrame) -> float:
    return len(near_duplicates(whole_texts(samples), threshold=NEAR)) / len(samples)
