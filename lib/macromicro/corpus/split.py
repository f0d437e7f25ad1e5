"""Which side of the split a sample is on, by its id alone.

An id has a place in [0, 1) that depends on nothing else. Fixed thresholds divide this range, so that a sample keeps
its role whatever the corpus gains or loses: text that a base model has read, or that a model was judged on, is never
trained on later.

    0          base_model_share                              1 - eval_share         1
    | held_out |  samples, those of the lowest places first  |       prompts        |

Prompts stand at the far end, so that a larger base model takes samples, not prompts, and more prompts take the
samples that a limit takes last. What a threshold cannot give is an exact number. Where one is needed, the first by
place are taken of a role (`first_by_place`): a new sample may then push the last one out of use, but never to another
side.

Two samples of nearly the same text have ids and sides of their own: those are for `overlap.find_overlaps`.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ROLES = ("held_out", "samples", "prompts")


def places(ids: Sequence[str] | pd.Series, *, use: str = "split") -> NDArray[np.float64]:
    """Places of ids in [0, 1): the first 8 bytes of sha256(use + "|" + id), divided by 2^64. Shape (n_ids,).

    Parameters: use, what the places are for: those of another use are independent.
    """
    digests = b"".join(hashlib.sha256(f"{use}|{name}".encode()).digest()[:8] for name in ids)
    return np.minimum(np.frombuffer(digests, ">u8").astype(float) / 2.0**64, np.nextafter(1, 0))


def split_by_place(
    ids: Sequence[str] | pd.Series, *, base_model_share: float, eval_share: float
) -> NDArray[np.object_]:
    """The role of each id, one of `ROLES`, shape (n_ids,): the same in any corpus that holds the id.

    Parameters: base_model_share and eval_share, what part of all places is held out for a base model and for prompts.
    Of n ids about n times the share have the role, give or take the root of that. With a larger share of either, only
    samples change their role.
    Raises ValueError if a share is negative, nothing is left for samples, or an id repeats.
    """
    for name, share in (("base_model_share", base_model_share), ("eval_share", eval_share)):
        if not 0 <= share < 1:
            raise ValueError(f"{name}={share} must be at least 0 and below 1")
    if base_model_share + eval_share >= 1:
        raise ValueError(
            f"base_model_share={base_model_share} and eval_share={eval_share} must leave a part for samples: "
            "together below 1"
        )
    named = pd.Series(ids, dtype="object")
    if not named.is_unique:
        raise ValueError(f"ids must be unique, but {named[named.duplicated()].iloc[0]!r} occurs twice")
    where = places(named)
    side = (where >= base_model_share).astype(int) + (where >= 1 - eval_share)
    return np.array(ROLES, dtype=object)[side]


def first_by_place(ids: Sequence[str] | pd.Series, n_most: int | None) -> NDArray[np.int64]:
    """Rows of the `n_most` ids of lowest place (all for None), by place; equal places by id. Shape (at most n_most,).

    Of a larger corpus it takes some of the new ids instead of the last of these, and no others: whoever is in the first
    of a corpus and in a part of it is in the first of the part. A smaller `n_most` takes a beginning.
    Raises ValueError if `n_most` is negative.
    """
    if n_most is not None and n_most < 0:
        raise ValueError(f"n_most={n_most} must be at least 0")
    return np.lexsort((np.asarray(ids, dtype=object).astype(str), places(ids)))[:n_most]
