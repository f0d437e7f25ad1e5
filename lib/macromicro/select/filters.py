"""Which samples a person does not want to choose from, and why: near-duplicates, what overlaps an evaluation set, ...

Each filter gives a reason per sample, '' for those that stay, so that what is left out can be listed.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from macromicro.corpus.clean import normal_form
from macromicro.corpus.conversations import ASKED
from macromicro.corpus.overlap import find_overlaps, near_duplicates
from macromicro.select.describe import NEAR
from macromicro.select.population import has_length

MIN_OVERLAP = 0.7
"""Share of the word 5-grams of an evaluation prompt that stand in a sample from which on it is left out."""

Reasons = NDArray[np.object_]


def whole_texts(samples: pd.DataFrame) -> pd.Series:
    """Instruction and response of each sample as one text, by id."""
    return (samples["instruction"] + "\n" + samples["response"]).set_axis(samples["id"])


def find_near_duplicates(samples: pd.DataFrame) -> Reasons:
    """Why samples repeat others: all of a group of near-duplicates (`overlap.near_duplicates`) but the first by id.

    Parameters: samples, sorted by id, columns id, instruction and response.
    """
    found = near_duplicates(whole_texts(samples), threshold=NEAR)
    others = found[found["id"] != found["group"]].set_index("id")["group"]
    return _reasons(samples, {str(name): f"near-duplicate of {group}" for name, group in others.items()})


def find_overlapping(samples: pd.DataFrame, prompts: pd.DataFrame) -> tuple[Reasons, dict[str, int]]:
    """Why samples overlap with an evaluation set, and how many of its prompts and of the samples do.

    A sample overlaps if it asks what a prompt asks, in normal form, or holds `MIN_OVERLAP` or more of the word 5-grams
    of a prompt (`overlap.find_overlaps`); the most similar prompt is named. Of a conversation every turn of the user
    counts, also those after the answer that was read.
    Parameters: samples, columns id, instruction, response, of conversations `ASKED`; prompts, columns id (each once)
    and instruction.
    """
    asked = prompts.set_index("id")["instruction"]
    said = samples[["id", "instruction"]].set_axis(["id", "text"], axis=1)
    if ASKED in samples:
        turns = samples[["id", ASKED]].explode(ASKED).dropna().set_axis(["id", "text"], axis=1)
        said = pd.concat([said, turns.astype("str")], ignore_index=True)
    forms, said_forms = normal_form(asked), normal_form(said["text"])
    same = said_forms.map(dict(zip(forms, asked.index, strict=True)))
    equal = dict(zip(said["id"][same.notna()][::-1], same[same.notna()][::-1], strict=True))
    texts = whole_texts(samples)
    if ASKED in samples:
        texts = texts + "\n" + samples[ASKED].str.join("\n").fillna("").to_numpy()
    found = find_overlaps(asked, texts, threshold=MIN_OVERLAP, n_most=len(samples))
    strongest = found.sort_values(["similarity", "id"], ascending=[False, True]).drop_duplicates("other_id")
    rows = zip(strongest["other_id"], strongest["id"], strongest["similarity"], strict=True)
    why = {name: f"holds {similarity:.0%} of {prompt}" for name, prompt, similarity in rows}
    why |= {name: f"asks what {prompt} asks" for name, prompt in equal.items()}
    n_met = len(set(found["id"]) | set(asked.index[forms.isin(said_forms).to_numpy()]))
    return _reasons(samples, why), {"prompts": len(asked), "prompts that overlap": n_met, "samples left out": len(why)}


def find_outside(lengths: ArrayLike, band: Sequence[int], unit: str) -> Reasons:
    """Why samples are too short or too long. Raises ValueError if all are. Parameters: unit, of the lengths."""
    lengths = np.asarray(lengths)
    outside = ~has_length(lengths, band)
    return np.array([f"{n} {unit}" if out else "" for n, out in zip(lengths, outside, strict=True)], dtype=object)


def find_below_share(quality: ArrayLike, share: float) -> tuple[Reasons, float]:
    """Why samples are not among the best `share` of all, and the lowest quality that is.

    What is as good as the last of the best stays too, so that more may stay than the share says; at least one does.
    Parameters: quality, shape (n_samples,), higher is better; share, above 0 and at most 1.

    >>> find_below_share([0.9, 0.31, 0.52, 0.52], 0.5)[0].tolist()
    ['', 'quality 0.31 below 0.52', '', '']
    """
    quality = np.asarray(quality, dtype=np.float64)
    n_best = max(1, round(share * len(quality)))
    lowest = float(np.partition(quality, -n_best)[-n_best])
    reasons = np.full(len(quality), "", dtype=object)
    for row in np.flatnonzero(quality < lowest):
        reasons[row] = f"quality {quality[row]} below {lowest}"
    return reasons, lowest


def _reasons(samples: pd.DataFrame, why: dict[str, str]) -> Reasons:
    """The reasons in the order of the samples."""
    return pd.Series(why, dtype=object).reindex(samples["id"], fill_value="").to_numpy(dtype=object)
