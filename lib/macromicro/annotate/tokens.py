"""Micro: the tokens of every text, and the band of corpus counts whose tokens count as types.

Texts may be any iterable of str or a pyarrow array (for example a column of a Parquet file): they are tokenised batch
by batch, and at no time are all of them Python objects at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from macromicro.annotate.encoders import open_encoder, readable
from macromicro.annotate.types import TypeMatrix, text_array
from macromicro.corpus.batches import BATCH_SIZE, Texts, batches
from macromicro.corpus.scripts import find_unspaced
from macromicro.corpus.words import IN_WORD
from macromicro.study.sections import Unit

BANDS = ("low", "mid", "high")


@dataclass(frozen=True, eq=False)
class TokenizedTexts:
    """The tokens of many texts, end to end.

    Attributes
    ----------
    tokens : int32, shape (n_tokens,), token numbers of all texts, one text after the other.
    offsets : int64, shape (n_texts + 1,); text i holds `tokens[offsets[i]:offsets[i + 1]]`.
    vocabulary : object array of str, shape (n_vocabulary,), the token of each number; None where it is not known.
    """

    tokens: NDArray[np.integer]
    offsets: NDArray[np.int64]
    vocabulary: NDArray[np.object_] | None

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text, shape (n_texts,)."""
        return np.diff(self.offsets)


def tokenize(texts: Texts, tokenizer: Any, *, unit: Unit = "token", batch_size: int = BATCH_SIZE) -> TokenizedTexts:
    """The tokens of all texts, without special tokens.

    Parameters: tokenizer, a fast tokenizer of transformers or a `tokenizers.Tokenizer`; None with the units `word` and
    `bare-word`, see `encoders.WordEncoder`. batch_size, texts that are Python objects at once.
    Raises ValueError if there is no fast tokenizer or a text is not a str.
    """
    encode = open_encoder(unit, tokenizer)
    parts = [encode(batch) for batch in batches(texts, batch_size)]
    tokens = np.concatenate([np.empty(0, dtype=np.int32), *(tokens for tokens, _ in parts)])
    lengths = np.concatenate([np.zeros(1, dtype=np.int64), *(lengths for _, lengths in parts)])
    return TokenizedTexts(tokens, np.cumsum(lengths), encode.vocabulary)


def count_words(texts: pd.Series) -> NDArray[np.int64]:
    """Words of each text, shape (n_texts,): the lengths that `tokenize` finds with the unit `bare-word`.

    Words are counted where they stand and not taken out, but for texts without spaces between them.
    """
    forms = pc.utf8_lower(pa.array(texts, type=pa.large_string()))
    lengths = pc.count_substring_regex(forms, f"{IN_WORD}+").to_numpy().astype(np.int64)
    unspaced = find_unspaced(forms)
    lengths[unspaced] = tokenize(forms.filter(pa.array(unspaced)), None, unit="bare-word").lengths
    return lengths


@dataclass(frozen=True, eq=False)
class TokenCounts:
    """What one pass over the texts leaves: enough for any band, and for adding up shards.

    Attributes
    ----------
    ids : object array of str, shape (n_texts,), in the order of the texts.
    presence : csr_array of uint8 ones, shape (n_texts, n_vocabulary): which tokens each text holds.
    counts : int64, shape (n_vocabulary,), occurrences of each token in all texts.
    vocabulary : object array of str, shape (n_vocabulary,).
    """

    ids: NDArray[np.object_]
    presence: csr_array
    counts: NDArray[np.int64]
    vocabulary: NDArray[np.object_]


def annotate_tokens(
    ids: Iterable[str], texts: Texts, tokenizer: Any, *, low: int, high: int, unit: Unit = "token"
) -> TypeMatrix:
    """Type matrix of the mid-band tokens: those with `low` to `high` occurrences (inclusive) in all texts.

    Source: section on token bands of arXiv 2505.24768 (10 to 500 occurrences). Raises as `tokenize` and `band_types`.
    """
    return band_types(count_tokens(ids, texts, tokenizer, unit=unit), low=low, high=high)


def count_tokens(
    ids: Iterable[str], texts: Texts, tokenizer: Any, *, unit: Unit = "token", batch_size: int = BATCH_SIZE
) -> TokenCounts:
    """Occurrences of every token, and which tokens each text holds, in one pass over the texts.

    Parameters: as `tokenize`; ids, one per text. Raises ValueError if there are not as many ids as texts.
    """
    encode = open_encoder(unit, tokenizer)
    counts = np.zeros(0, dtype=np.int64)
    indices, lengths = [np.empty(0, dtype=np.int32)], [np.zeros(1, dtype=np.int64)]
    for batch in batches(texts, batch_size):
        tokens, n_tokens = encode(batch)
        counts = _add(counts, np.bincount(tokens))
        offsets = np.concatenate([[0], np.cumsum(n_tokens)])
        held = csr_array((np.ones(len(tokens), dtype=np.uint8), tokens, offsets), shape=(len(batch), len(counts)))
        held.sum_duplicates()
        indices.append(held.indices.astype(np.int32, copy=False))
        lengths.append(np.diff(held.indptr).astype(np.int64))
    vocabulary, names = encode.vocabulary, text_array(ids)
    columns, indptr = np.concatenate(indices), np.cumsum(np.concatenate(lengths))
    if len(names) != len(indptr) - 1:
        raise ValueError(f"there must be one id per text, but there are {len(names)} ids and {len(indptr) - 1} texts")
    data = np.ones(len(columns), dtype=np.uint8)
    presence = csr_array((data, columns, indptr), shape=(len(names), len(vocabulary)))
    return TokenCounts(names, presence, _add(counts, np.zeros(len(vocabulary), dtype=np.int64)), vocabulary)


def merge_counts(shards: Sequence[TokenCounts]) -> TokenCounts:
    """The counts of all shards together, as if their texts had been counted in one pass.

    Works on shards with different vocabularies too (words): the merged vocabulary is sorted then.
    Raises ValueError if there is no shard.
    """
    if not shards:
        raise ValueError("merge_counts needs at least one shard")
    vocabulary = shards[0].vocabulary
    if not all(np.array_equal(vocabulary, shard.vocabulary) for shard in shards):
        vocabulary = np.unique(np.concatenate([shard.vocabulary for shard in shards]))
    counts = np.zeros(len(vocabulary), dtype=np.int64)
    parts = []
    for shard in shards:
        same = vocabulary is shards[0].vocabulary
        places = np.arange(len(vocabulary)) if same else np.searchsorted(vocabulary, shard.vocabulary)
        counts[places] += shard.counts
        held = shard.presence
        shape = (held.shape[0], len(vocabulary))
        parts.append(csr_array((held.data, places[held.indices].astype(np.int32), held.indptr), shape=shape))
    ids = np.concatenate([shard.ids for shard in shards])
    return TokenCounts(ids, csr_array(vstack(parts, format="csr")), counts, vocabulary)


def band_types(counts: TokenCounts, *, low: int, high: int) -> TypeMatrix:
    """Type matrix of the tokens with `low` to `high` occurrences; rows sorted by id, columns by token.

    The report says how many distinct tokens and occurrences lie in each band, and what share of them.
    Raises ValueError if `low` is above `high` or an id is repeated.
    """
    if low > high:
        raise ValueError(f"low={low} must be at most high={high}")
    mid = np.flatnonzero((counts.counts >= low) & (counts.counts <= high) & (counts.counts > 0))
    mid = mid[np.argsort(counts.vocabulary[mid], kind="stable")]
    column = np.full(len(counts.vocabulary), -1, dtype=np.int32)
    column[mid] = np.arange(len(mid))
    columns = column[counts.presence.indices]
    kept = np.flatnonzero(columns >= 0)
    indptr = np.searchsorted(kept, counts.presence.indptr)
    order = np.argsort(counts.ids, kind="stable")
    shape = (len(counts.ids), len(mid))
    matrix = csr_array(csr_array((counts.presence.data[kept], columns[kept], indptr), shape=shape)[order])
    matrix.sort_indices()
    bands = band_table(counts, low=low, high=high).set_index("band")
    report = {"low": low, "high": high, "bands": bands.round(6).to_dict("index"), "n_tokens": int(counts.counts.sum())}
    return TypeMatrix(matrix, counts.ids[order], counts.vocabulary[mid], report)


def band_table(counts: TokenCounts, *, low: int, high: int) -> pd.DataFrame:
    """A row per band: distinct tokens, occurrences, share of all occurrences."""
    present = counts.counts[counts.counts > 0]
    band = (present >= low).astype(int) + (present > high)
    occurrences = np.bincount(band, weights=present, minlength=3).astype(np.int64)
    return pd.DataFrame(
        {
            "band": BANDS,
            "n_distinct": np.bincount(band, minlength=3),
            "n_occurrences": occurrences,
            "share": occurrences / max(occurrences.sum(), 1),
        }
    )


def count_curve(counts: TokenCounts, tokenizer: Any, *, low: int, high: int) -> pd.DataFrame:
    """A row per distinct token, most frequent first: rank, label, token (readable), count, band; ties by label."""
    present = np.flatnonzero(counts.counts)
    order = present[np.lexsort((counts.vocabulary[present], -counts.counts[present]))]
    count = counts.counts[order]
    band = np.array(BANDS, dtype=object)[(count >= low).astype(int) + (count > high)]
    labels = counts.vocabulary[order]
    columns = {"rank": np.arange(1, len(order) + 1), "label": labels, "token": readable(labels, tokenizer)}
    return pd.DataFrame({**columns, "count": count, "band": band})


def _add(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum of two count arrays, the shorter one padded with zeros."""
    longer, shorter = (first, second) if len(first) >= len(second) else (second, first)
    total = longer.astype(np.int64)
    total[: len(shorter)] += shorter
    return total
