"""The evaluation prompts of a study: none that its models have nearly read.

Candidates are the rows of an evaluation file, or what the split holds out. Those that stand in a sample or in the text
of a base model are left out; of the others the first by place are used, the rest is not, and becomes no sample.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from macromicro.corpus.clean import clean_samples
from macromicro.corpus.conversations import count_conversations
from macromicro.corpus.flags import read_flag
from macromicro.corpus.overlap import find_overlaps, leave_out
from macromicro.corpus.readers import COLUMNS, read_samples
from macromicro.corpus.split import first_by_place

FLAG = "near_dup_of_corpus"
NEAR = 0.5  # overlaps are counted from here
MIN_WORDS = 20  # a shorter part shares most of its words with every text of the same pattern
READ = {"samples": "near a sample", "held_out": "near a base-model text"}
"""What models have read, and the reason for which a prompt is left out that stands in it."""


@dataclass(frozen=True)
class Prompts:
    """Prompts that are used, sorted by id; those left out; and a report.

    `left_out` has the columns id, reason, part, other_id, similarity, prompt and other (the two texts).
    """

    used: pd.DataFrame
    left_out: pd.DataFrame
    report: dict[str, Any]


def read_candidates(file: Path, *, max_chars: int | None) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The usable rows of an evaluation file, sorted by id, and a report of what was dropped.

    Rows whose column near_dup_of_corpus says yes (`flags.read_flag`) are dropped, and what `clean_samples` drops.
    Raises FileNotFoundError if the file is not there, and ValueError if it cannot be read.
    """
    read = read_samples(file)
    near = read_flag(read[FLAG]) if FLAG in read else np.zeros(len(read), dtype=bool)
    candidates, dropped = clean_samples(read.loc[~near, list(COLUMNS)], max_chars=max_chars)
    report = {
        "file": file.name,
        "n_read": len(read),
        "conversations": count_conversations(read),
        "dropped": {**dropped, "near_duplicate": int(near.sum())},
    }
    return candidates, report


def choose_prompts(
    candidates: pd.DataFrame, read: Mapping[str, pd.DataFrame], *, n_eval: int, max_overlap: float
) -> Prompts:
    """At most `n_eval` of the candidates, the first by place of those that do not overlap with what models read.

    Parameters: read, samples and held_out, as in `READ`; max_overlap, the overlap from which a prompt is left out.
    Raises ValueError if no prompt is left.
    """
    kept, left, near = candidates, [], {}
    for name, reason in READ.items():
        texts = _whole(read[name]).set_axis(read[name]["id"])
        overlaps = nearest_texts(candidates, texts, threshold=min(NEAR, max_overlap))
        near[name] = len(overlaps)
        kept, out = leave_out(kept, overlaps, threshold=max_overlap, reason=reason)
        left.append(out.assign(other=texts.reindex(out["other_id"]).to_numpy()))
    if not len(kept):
        raise ValueError(
            f"no prompt is left: all {len(candidates)} overlap with what is read by {max_overlap=} or more"
        )
    used = kept.iloc[first_by_place(kept["id"], n_eval)].sort_values("id", ignore_index=True)
    left_out = pd.concat(left, ignore_index=True)
    prompts = _whole(candidates).set_axis(candidates["id"])
    left_out.insert(len(left_out.columns) - 1, "prompt", prompts.reindex(left_out["id"]).to_numpy())
    counts = left_out["reason"].value_counts()
    report = {
        "candidates": len(candidates),
        **{reason.replace(" ", "_"): int(counts.get(reason, 0)) for reason in READ.values()},
        "not_used": len(kept) - len(used),
        "used": len(used),
    }
    about = left_out[["id", "reason", "part", "other_id", "similarity"]].round(4).to_dict("records")
    overlap = {"at_least": min(NEAR, max_overlap), "near": near, "max_overlap": max_overlap, "left_out": about}
    return Prompts(used, left_out, {"prompts": report, "overlap": overlap})


def nearest_texts(prompts: pd.DataFrame, texts: pd.Series, *, threshold: float) -> pd.DataFrame:
    """Columns id, other_id, similarity, part: for each prompt the text in which most of it stands, sorted by id.

    Similarity is the containment of word 5-grams (`overlap.find_overlaps`); only that of at least `threshold` counts.
    Instruction and response are looked for together (part `both`), and each by itself if it has at least `MIN_WORDS`
    words, since a sample may ask the same and answer otherwise.

    Parameters: prompts, columns id, instruction, response; texts, indexed by id.
    """
    parts = {"both": _whole(prompts), "instruction": prompts["instruction"], "response": prompts["response"]}
    looked_for = pd.concat(list(parts.values()), ignore_index=True)
    part = np.repeat(list(parts), len(prompts))
    long_enough = (looked_for.str.count(r"\w+") >= MIN_WORDS).to_numpy(bool) | (part == "both")
    found = find_overlaps(looked_for[long_enough], texts, threshold=threshold, n_most=1)
    rows = found["id"].to_numpy()
    named = found.assign(id=prompts["id"].to_numpy()[rows % max(len(prompts), 1)], part=part[rows])
    ordered = named.sort_values(["id", "similarity"], ascending=[True, False], kind="stable")
    return ordered.drop_duplicates("id", ignore_index=True)


def _whole(samples: pd.DataFrame) -> pd.Series:
    """Instruction and response of each sample, as one text."""
    return samples["instruction"] + "\n" + samples["response"]
