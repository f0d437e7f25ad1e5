"""Which samples a study draws from: those that the model sees whole, and of these the share of each seed.

Types and metrics see the whole text of a sample, so training has to see it too: a sample that is longer than
`finetune.max_tokens` as a conversation is in no dataset. Baselines and rivals are drawn from the same samples as the
datasets of a strategy. A peel hardly depends on how ties are broken, and so each seed has a share of the samples of its
own, by their ids alone: further samples, seeds and strategies change nothing about whose share a sample is in.
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from macromicro.annotate.tokens import tokenize
from macromicro.corpus.split import places
from macromicro.models.chat import encode_samples

BATCH_SIZE = 8192  # a tokenizer for plain text is made per batch, a second where the vocabulary is large
LENGTHS = ["tokens", "instruction_tokens", "response_tokens"]


def measure_lengths(samples: pd.DataFrame, tokenizer: Any, *, batch_size: int = BATCH_SIZE) -> pd.DataFrame:
    """Tokens of every sample, by id: id, tokens, instruction_tokens, response_tokens.

    `tokens` are those of the whole conversation, as in training; the other two those of the text alone, as in metrics.
    Parameters: samples, columns id, instruction and response; tokenizer, of the base model, with its chat template;
    batch_size, samples whose tokens are Python objects at once.
    Raises ValueError as `chat.encode_samples`.
    """
    ordered = samples.sort_values("id", ignore_index=True)
    starts = range(0, max(len(ordered), 1), batch_size)
    whole = [encode_samples(ordered.iloc[start : start + batch_size], tokenizer).lengths for start in starts]
    parts = {f"{part}_tokens": tokenize(ordered[part], tokenizer).lengths for part in ("instruction", "response")}
    return pd.DataFrame({"id": ordered["id"], "tokens": np.concatenate(whole), **parts})


def find_population(lengths: pd.DataFrame, *, max_tokens: int, max_dropped: float) -> pd.DataFrame:
    """The lengths with a column `fits`: whether the whole conversation has at most `max_tokens` tokens.

    Parameters: lengths, as `measure_lengths` returns them; max_dropped, the largest share that may not fit.
    Raises ValueError if more does not.
    """
    population = lengths.assign(fits=lengths["tokens"] <= max_tokens)
    n_dropped = int((~population["fits"]).sum())
    if n_dropped > max_dropped * len(population):
        raise ValueError(
            f"finetune.max_tokens={max_tokens} must hold all but {max_dropped:.1%} of the samples, but {n_dropped} of "
            f"{len(population)} ({n_dropped / len(population):.1%}) are longer and would be in no dataset: raise "
            "finetune.max_tokens, lower corpus.max_chars, or allow more by population.max_dropped"
        )
    return population


def describe_population(population: pd.DataFrame, *, max_tokens: int) -> pd.DataFrame:
    """Of the samples that fit and of those that do not: samples, percent, and median tokens of whole and parts.

    Those that do not fit are told apart by which part alone is longer than `max_tokens`.
    """
    long = {part: population[f"{part}_tokens"] > max_tokens for part in ("instruction", "response")}
    reasons = ["fit", "instruction alone is too long", "response alone is too long"]
    where = np.select([population["fits"], long["instruction"], long["response"]], reasons, "together too long")
    kinds = pd.Series(pd.Categorical(where, [*reasons, "together too long"]), population.index)
    groups = population.groupby(kinds, observed=False)
    table = groups[LENGTHS].median().rename(columns=lambda name: f"median {name.replace('_', ' ')}")
    table.insert(0, "samples", groups.size())
    table.insert(1, "percent", 100 * table["samples"] / len(population))
    return table.rename_axis("samples that")


def may_be_drawn(
    population: pd.DataFrame,
    *,
    names: Sequence[str | int],
    share: float,
    length: Sequence[int] | None,
    sizes: Sequence[int],
) -> NDArray[np.bool_]:
    """Whether each sample is in the share of a seed and in a band of lengths, fit or not, shape (n_samples,).

    Parameters: population, as `find_population` returns it; names, of the seed (with that of the study): a sample is in
    its share by a hash of them and its id; share, of the samples; length, the band of response tokens, None for any;
    sizes, of the datasets that are to be drawn.
    Raises ValueError if the largest size is more than those that fit, or the band holds no sample.
    """
    drawn = places(population["id"], use="|".join(map(str, ("share", *names)))) < share
    drawn &= has_length(population["response_tokens"], length)
    n_fitting = int((drawn & population["fits"]).sum())
    if max(sizes) > n_fitting:
        within = f" and of select.length={list(length)}" if length else ""
        raise ValueError(
            f"size={max(sizes)} must be at most the {n_fitting} samples that this seed may draw: select.share={share} "
            f"of the {population['fits'].sum()} that fit finetune.max_tokens{within}"
        )
    return drawn


def has_length(lengths: ArrayLike, band: Sequence[int] | None) -> NDArray[np.bool_]:
    """Whether each length, shape (n_samples,), lies within the band, limits included; without a band all do.

    Raises ValueError if none does.

    >>> has_length([3, 8, 20], [5, 20]).tolist()
    [False, True, True]
    """
    lengths = np.asarray(lengths)
    if band is None:
        return np.ones(len(lengths), dtype=bool)
    inside = (lengths >= band[0]) & (lengths <= band[1])
    if not inside.any():
        shown = f"at least {band[0]}" if band[1] == sys.maxsize else f"{band[0]} to {band[1]}"
        raise ValueError(f"length {shown} holds none of {len(lengths)} samples of {lengths.min()} to {lengths.max()}")
    return inside
