"""The map of topics as drawings of a page: one path per colour, and what the script shows of each text."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.annotate.topics import NOISE
from macromicro.report.blocks import TopicMap, shorten
from macromicro.study.sections import Part

WIDTH, HEIGHT, MARGIN = 1000, 700, 12
N_COLOURS = 8
FAR = 0.005
"""Share of the texts at either end of an axis that may be moved to its border, so that a lone island shrinks no map."""


def map_texts(points: pd.DataFrame, labels: NDArray[np.object_], texts: pd.Series, part: Part) -> TopicMap:
    """The map: the largest topics in colours of their own, smaller ones in one, texts without a topic in another.

    Parameters: points, columns id, x, y, topic (-1 for none); labels, of the topics, the largest first; texts, by id.
    """
    x, y = _scale(points["x"], WIDTH), HEIGHT - _scale(points["y"], HEIGHT)
    topics = points["topic"].to_numpy()
    n_on_map = np.bincount(topics[topics != NOISE], minlength=len(labels))
    smaller = topics >= N_COLOURS
    drawn = [(str(labels[topic]), topics == topic) for topic in np.flatnonzero(n_on_map[:N_COLOURS])]
    drawn += [(name, held) for name, held in (("smaller topics", smaller), ("no topic", topics == NOISE)) if held.any()]
    named = ["no topic", *map(str, labels)]
    beginnings = [shorten(texts[name], 140) for name in points["id"]]
    return TopicMap(
        f"Map of the {part}s",
        WIDTH,
        HEIGHT,
        [(label, int(held.sum()), _dots(x[held], y[held])) for label, held in drawn],
        named,
        list(zip(x.tolist(), y.tolist(), (topics + 1).tolist(), beginnings, strict=True)),
        f"Each of the {len(points):,} dots is a {part}; near dots say similar things, but the axes and the distances "
        "between far groups mean nothing. Point at a dot, or touch it, to read its topic and how it begins.",
    )


def _scale(values: pd.Series, length: int) -> NDArray[np.int64]:
    """Places on an axis, whole numbers between the margins."""
    low, high = np.quantile(values, [FAR, 1 - FAR])
    shares = (values.to_numpy(dtype=np.float64).clip(low, high) - low) / (high - low) if high > low else 0.5
    return np.broadcast_to(np.rint(MARGIN + shares * (length - 2 * MARGIN)).astype(np.int64), len(values))


def _dots(x: NDArray[np.int64], y: NDArray[np.int64]) -> str:
    """A path with a dot at each place: lines without length, which round caps make visible."""
    return "".join(f"M{one} {other}h0" for one, other in zip(x.tolist(), y.tolist(), strict=True))
