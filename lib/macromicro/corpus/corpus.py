"""The corpus of a study: read, cleaned, and split by id.

The split depends on ids alone, so that a sample stays on its side of it whatever else the corpus holds, and in whatever
order. Everything dropped is counted.
"""

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from macromicro.corpus.batches import BATCH_SIZE, batches
from macromicro.corpus.pydocs.collect import collect_pydocs
from macromicro.corpus.readers import COLUMNS, content_ids, load_hub_samples, normalise, read_samples
from macromicro.study.files import write_aside
from macromicro.study.layout import find_root

VISIBLE = r"[^\pC\pZ]"


@dataclass(frozen=True)
class Corpus:
    """Samples of the study, samples held out for a base model, evaluation prompts (all sorted by id), and a report.

    `files` are the files that were read.
    """

    samples: pd.DataFrame
    held_out: pd.DataFrame
    prompts: pd.DataFrame
    report: dict[str, Any]
    files: tuple[Path, ...] = ()


def load_corpus(
    *,
    source: str,
    path: str | None,
    revision: str | None,
    split: str,
    columns: Mapping[str, str],
    packages: Sequence[str],
    limit: int | None,
    base_model_share: float,
    n_eval: int,
    eval_file: str | None,
    max_chars: int | None,
) -> Corpus:
    """The corpus that the settings of section `corpus` describe; see `settings.CorpusParams`.

    Prompts come from `eval_file` beside the corpus file if it is there, else from the corpus.
    Raises ValueError or FileNotFoundError if the corpus cannot be read, or has too few samples for the split.
    """
    report: dict[str, Any] = {"source": source, "name": Path(path).name if path and source == "file" else path or ""}
    if source == "pydocs":
        samples, report["pydocs"] = _pydocs_samples(packages)
    elif source == "hub":
        samples = load_hub_samples(str(path), revision=revision, split=split, columns=columns)
    else:
        samples = read_samples(_in_root(str(path)), columns=columns)
    beside = _in_root(str(path)).parent / eval_file if eval_file and source == "file" else None
    report["n_read"] = len(samples)
    report["n_cut_conversations"] = int((samples["n_turns"] > 1).sum()) if "n_turns" in samples else 0
    read = samples["source"].value_counts()
    samples, report["dropped"] = clean_samples(samples[list(COLUMNS)], max_chars=max_chars)
    chosen, report["evaluation"] = _read_prompts(beside, n_eval, max_chars)
    if chosen is not None:
        known = normal_form(samples["instruction"]).isin(set(normal_form(chosen["instruction"])))
        report["dropped"]["in_evaluation"] = int(known.sum())
        samples = samples[~known]
    kept = samples["source"].value_counts()
    parts = split_samples(
        samples, base_model_share=base_model_share, n_eval=n_eval if chosen is None else 0, limit=limit
    )
    parts["prompts"] = parts["prompts"] if chosen is None else chosen
    report["split"] = {name: len(part) for name, part in parts.items()}
    used = {name: parts[name]["source"].value_counts() for name in ("samples", "held_out")}
    by_source = pd.DataFrame({"read": read, "kept": kept, **used}).fillna(0).astype(int).sort_index()
    report["by_source"] = by_source.to_dict(orient="index")
    files = [_in_root(str(path))] if source == "file" else []
    files += [beside] if beside and chosen is not None else []
    return Corpus(parts["samples"], parts["held_out"], parts["prompts"], report, tuple(files))


def clean_samples(samples: pd.DataFrame, *, max_chars: int | None = None) -> tuple[pd.DataFrame, dict[str, int]]:
    """Samples without empty, too long and repeated ones, sorted by id, and how many of each were dropped.

    A text is empty if it shows nothing (white space, control and format characters). Instructions repeat each other if
    they are equal in normal form; the first by id stays. Parameters: max_chars, of instruction and response together.
    """
    ordered = samples.sort_values(["id", "source"], kind="stable", ignore_index=True)
    visible = _is_visible(ordered["instruction"]) & _is_visible(ordered["response"])
    length = ordered["instruction"].str.len() + ordered["response"].str.len()
    fits = visible & ((length <= max_chars) if max_chars else True)
    kept = ordered[fits]
    repeated = normal_form(kept["instruction"]).duplicated()
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


def split_samples(
    samples: pd.DataFrame, *, base_model_share: float, n_eval: int, limit: int | None
) -> dict[str, pd.DataFrame]:
    """Parts held_out, prompts, samples and over_limit of cleaned samples, each sorted by id.

    Every id has its place in [0, 1), see `places`. Those below `base_model_share` are held out; of the others, in order
    of their places, the first `n_eval` are prompts and the next `limit` samples.
    Raises ValueError if an id occurs twice or no sample is left for the study.
    """
    if not samples["id"].is_unique:
        raise ValueError(f"ids must be unique, but {samples['id'][samples['id'].duplicated()].iloc[0]!r} occurs twice")
    where = places(samples["id"])
    order = np.argsort(where, kind="stable")
    rest = order[where[order] >= base_model_share]
    end = len(rest) if limit is None else min(n_eval + limit, len(rest))
    if len(rest) <= n_eval:
        rule = (
            f"n_eval={n_eval} must be below the {len(rest)} samples not held out (base_model_share={base_model_share})"
        )
        raise ValueError(f"corpus of {len(samples)} samples is too small: {rule}")
    rows = {
        "samples": rest[n_eval:end],
        "held_out": order[where[order] < base_model_share],
        "prompts": rest[:n_eval],
        "over_limit": rest[end:],
    }
    return {name: samples.iloc[part].sort_values("id", ignore_index=True) for name, part in rows.items()}


def places(ids: Sequence[str] | pd.Series) -> NDArray[np.float64]:
    """Places of ids in [0, 1): the first 8 bytes of sha256("split|" + id), divided by 2^64. Shape (n_ids,)."""
    digests = b"".join(hashlib.sha256(f"split|{name}".encode()).digest()[:8] for name in ids)
    return np.minimum(np.frombuffer(digests, ">u8").astype(float) / 2.0**64, np.nextafter(1, 0))


def save_report(report: Mapping[str, Any], path: str | Path) -> None:
    """Write a report as JSON with sorted keys."""
    with write_aside(path) as aside:
        aside.write_text(json.dumps(report, sort_keys=True, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _pydocs_samples(packages: Sequence[str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The embedded corpus as samples, and its report with the number of pairs of each kind of question."""
    pairs, report = collect_pydocs(packages)
    texts = {name: normalise(pairs[name]) for name in ("instruction", "response", "source")}
    samples = pd.DataFrame({**texts, "licence": pd.Series("", index=pairs.index, dtype="str")})
    samples.insert(0, "id", pd.Series(content_ids(samples), dtype="str"))
    return samples, {**report, "kinds": pairs["kind"].value_counts().sort_index().to_dict()}


def _read_prompts(file: Path | None, n_eval: int, max_chars: int | None) -> tuple[pd.DataFrame | None, dict[str, Any]]:
    """The `n_eval` samples of an evaluation file that come first by place, and a report; None where there is no file.

    Rows whose column near_dup_of_corpus is true are left out. Raises ValueError if fewer than `n_eval` remain.
    """
    if file is None or not file.is_file():
        return None, {"file": "", "looked_for": file.name if file else ""}
    read = read_samples(file)
    near = np.zeros(len(read), bool)
    if "near_dup_of_corpus" in read:
        near = read["near_dup_of_corpus"].astype("str").str.lower().eq("true").to_numpy(bool)
    prompts, dropped = clean_samples(read.loc[~near, list(COLUMNS)], max_chars=max_chars)
    if len(prompts) < n_eval:
        raise ValueError(
            f"n_eval={n_eval} must be at most the {len(prompts)} usable rows of {file} ({dropped} dropped)"
        )
    first = np.argsort(places(prompts["id"]), kind="stable")[:n_eval]
    report = {"file": file.name, "n_read": len(read), "dropped": {**dropped, "near_duplicate": int(near.sum())}}
    return prompts.iloc[first].sort_values("id", ignore_index=True), report


def _is_visible(texts: pd.Series) -> pd.Series:
    """Whether each text shows anything."""
    shown = pc.match_substring_regex(pa.array(texts, type=pa.large_string()), VISIBLE)
    return pd.Series(shown.to_numpy(zero_copy_only=False), index=texts.index)


def _in_root(path: str) -> Path:
    """The path, from the root of the repository if it is not absolute."""
    return Path(path) if Path(path).is_absolute() else find_root() / path
