"""Choose a subset of one's own corpus: types of its samples, ways of choosing, and what the choice covers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from macromicro.annotate.tokens import tokenize
from macromicro.annotate.types import TypeMatrix
from macromicro.select.pools import peel
from macromicro.select.rivals import choose_rows
from macromicro.select.select import count_types, draw_baseline, evenness, select_datasets
from macromicro.study.sections import Method, Part
from macromicro.study.streams import seed_of, stream

Embed = Callable[[pd.Series], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Choice:
    """Rows of the chosen samples, sorted, and what can be said about them: `facts`, name to text or number."""

    rows: NDArray[np.int64]
    facts: dict[str, Any]


def choose(
    samples: pd.DataFrame,
    part: Part,
    *,
    method: Method,
    size: int,
    level: int,
    seed: int,
    types: TypeMatrix | None,
    embed: Embed,
) -> Choice:
    """The rows of `size` samples chosen by one method, with what they cover of `types` and what chance would cover.

    Parameters: samples sorted by id; level, the diversity level in percent of the method `even`; types, of the same
    samples in the same order, needed for `even` and `max-coverage` and else only described; embed, used by `k-center`
    and `facility-location`.
    Raises ValueError if the corpus, or the pool at this level, is smaller than `size`, or types are missing.
    """
    if types is not None:
        _check_same(samples, types)
    facts: dict[str, Any] = {}
    if method == "even":
        if types is None:
            raise ValueError(f"method {method!r} needs types: give a granularity")
        peeling = peel(types, seed=seed_of("peel", seed))
        table, chosen = select_datasets(types, peeling, levels=[level], sizes=[size], seed=seed)
        rows = next(iter(chosen.values()))
        facts = {"types in the pool": int(table["k"].iloc[0]), "samples in the pool": int(table["pool_size"].iloc[0])}
    else:
        texts = samples[part]
        rows = choose_rows(
            method,
            len(texts),
            size=size,
            rng=stream(method, seed),
            lengths=lambda: tokenize(texts, None, unit="bare-word").lengths,
            vectors=lambda: embed(texts),
            types=types,
        )
    if types is not None:
        facts |= describe_coverage(types, rows, stream("by chance", seed))
    return Choice(rows, facts)


def _check_same(samples: pd.DataFrame, types: TypeMatrix) -> None:
    if not np.array_equal(types.ids, samples["id"].to_numpy(dtype=object)):
        strangers = sorted(set(types.ids) ^ set(samples["id"]))
        raise ValueError(
            f"samples and types must have the same ids, but {len(strangers)} are in one only: {strangers[:1]}"
        )


def describe_coverage(types: TypeMatrix, rows: NDArray[np.int64], rng: Generator) -> dict[str, Any]:
    """Types in the corpus, covered by the rows and by as many rows drawn at random; and how evenly.

    Samples without a type are those that the annotator left without, whatever was done about them afterwards.
    """
    counts = count_types(types, rows)
    by_chance = count_types(types, draw_baseline(types.n_samples, len(rows), rng))
    return {
        "types in the corpus": int(np.count_nonzero(types.samples_per_type)),
        "types covered": int(np.count_nonzero(counts)),
        "types that a random draw of this size covers": int(np.count_nonzero(by_chance)),
        "evenness (0 to 1)": round(evenness(counts), 4),
        "evenness of a random draw": round(evenness(by_chance), 4),
        "samples of the corpus without a type": types.report.get("untyped", {}).get("n", len(types.untyped)),
    }
