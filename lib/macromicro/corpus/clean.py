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

    Parameters: as `find_unusable`.
    """
    ordered = samples.reset_index(drop=True).sort_values(["id", "source"], kind="stable")
    found = find_unusable(ordered, max_chars=max_chars, ranks=ranks)
    counts = found["reason"].value_counts()
    dropped = {name: int(counts.get(name, 0)) for name in ("empty", "too_long", "repeated_instruction")}
    dropped["repeated_instruction"] += int(counts.get("repeated_sample", 0))
    return ordered[(found["reason"] == "").to_numpy()].reset_index(drop=True), dropped


def find_unusable(
    samples: pd.DataFrame,
    *,
    max_chars: int | None = None,
    ranks: NDArray[np.int64] | None = None,
    keep_repeats: bool = False,
) -> pd.DataFrame:
    """Why each sample cannot be used: reason ('' where it can) and `of`, the id of the sample that it repeats.

    `empty`: a text shows nothing (white space, control and format characters); `too_long`; `repeated_instruction` and
    `repeated_sample`: the instruction, or the response as well, is that of another in normal form. The one of the
    lowest rank stays, of equal ranks the first.

    Parameters: samples, sorted by id, indexed by what `ranks` refer to; max_chars, of instruction and response
    together; ranks, shape (n_samples,), all equal by default; keep_repeats, instructions may be repeated, samples not.
    """
    visible = ~lack_text(samples)
    length = samples["instruction"].str.len() + samples["response"].str.len()
    fits = visible & ((length <= max_chars) if max_chars else True)
    kept = samples[fits]
    order = np.arange(len(kept)) if ranks is None else np.argsort(ranks[kept.index], kind="stable")
    forms = normal_form(kept["instruction"]).iloc[order]
    forms = forms[forms.duplicated(keep=False)]
    whole = forms + "\0" + normal_form(kept["response"].loc[forms.index])
    sames = {"repeated_sample": whole} | ({} if keep_repeats else {"repeated_instruction": forms})
    found = pd.DataFrame({"reason": "", "of": ""}, index=samples.index, dtype="str")
    found.loc[~visible, "reason"] = "empty"
    found.loc[visible & ~fits, "reason"] = "too_long"
    for reason, keys in reversed(sames.items()):
        repeated = keys.index[keys.duplicated()]
        first = kept["id"].loc[keys.index].groupby(keys).transform("first")
        found.loc[repeated, "reason"], found.loc[repeated, "of"] = reason, first.loc[repeated]
    del forms, whole, sames
    pa.default_memory_pool().release_unused()
    return found


def lack_text(samples: pd.DataFrame) -> pd.Series:
    """Whether the instruction or the response of each sample shows nothing, as `empty` of `find_unusable`.

    >>> lack_text(pd.DataFrame({"instruction": ["a", "b", " "], "response": ["c", "", "d"]})).tolist()
    [False, True, True]
    """
    return ~(_is_visible(samples["instruction"]) & _is_visible(samples["response"]))


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
