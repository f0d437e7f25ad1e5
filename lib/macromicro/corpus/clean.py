"""Samples that can be used: with text, not too long, and each instruction once."""

import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from macromicro.corpus.batches import BATCH_SIZE, batches

VISIBLE = r"[^\pC\pZ]"


def clean_samples(
    samples: pd.DataFrame, *, max_chars: int | None = None, ranks: NDArray[np.int64] | None = None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Samples without empty, too long and repeated ones, sorted by id, and how many of each were dropped.

    A text is empty if it shows nothing (white space, control and format characters). Instructions repeat each other if
    they are equal in normal form; the one of the lowest rank stays, of equal ranks the first by id.

    Parameters: max_chars, of instruction and response together; ranks, shape (n_samples,), all equal by default.
    """
    ordered = samples.reset_index(drop=True).sort_values(["id", "source"], kind="stable")
    visible = _is_visible(ordered["instruction"]) & _is_visible(ordered["response"])
    length = ordered["instruction"].str.len() + ordered["response"].str.len()
    fits = visible & ((length <= max_chars) if max_chars else True)
    kept = ordered[fits]
    ranked = kept.index if ranks is None else kept.index[np.argsort(ranks[kept.index], kind="stable")]
    repeated = normal_form(kept["instruction"])[ranked].duplicated()[kept.index]
    dropped = {
        "empty": int((~visible).sum()),
        "too_long": int((visible & ~fits).sum()),
        "repeated_instruction": int(repeated.sum()),
    }
    return kept[~repeated].reset_index(drop=True), dropped


def normal_form(texts: pd.Series) -> pd.Series:
    r"""Texts in the form in which they are compared: NFKC, case folded, white space collapsed.

    >>> normal_form(pd.Series(["  What\tIS ﬁne? "])).tolist()
    ['what is fine?']
    """

    def form(text: str) -> str:
        return " ".join(unicodedata.normalize("NFKC", text).casefold().split())

    forms = [pa.array(map(form, batch), pa.large_string()) for batch in batches(texts, BATCH_SIZE)]
    return pa.chunked_array(forms, pa.large_string()).to_pandas().astype("str").set_axis(texts.index)


def _is_visible(texts: pd.Series) -> pd.Series:
    """Whether each text shows anything."""
    shown = pc.match_substring_regex(pa.array(texts, type=pa.large_string()), VISIBLE)
    return pd.Series(shown.to_numpy(zero_copy_only=False), index=texts.index)
