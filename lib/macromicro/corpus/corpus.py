"""The corpus of a study: read, cleaned, and split by id.

The split depends on ids alone, so that a sample stays on its side of it whatever else the corpus holds, and in whatever
order. Where samples on different sides have the same instruction, that of the prompts stays, else that of the text held
out: what a base model has read, or a model was judged on, does not come back as a sample. Everything dropped is
counted.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.corpus.clean import clean_samples, normal_form
from macromicro.corpus.conversations import check_conversations, count_conversations
from macromicro.corpus.prompts import choose_prompts, read_candidates
from macromicro.corpus.pydocs.collect import collect_pydocs
from macromicro.corpus.readers import COLUMNS, content_ids, load_hub_samples, normalise, read_samples
from macromicro.corpus.split import first_by_place, split_by_place
from macromicro.study.files import write_aside
from macromicro.study.layout import find_root

STAYS = {"prompts": 0, "held_out": 1, "samples": 2}
"""Of samples with one instruction, which stays: that of the role named first."""


@dataclass(frozen=True)
class Corpus:
    """Samples of the study, samples held out for a base model, evaluation prompts (all sorted by id), and a report.

    `left_out` are the prompts left out of evaluation, with reason and texts (`prompts.Prompts`). `files` are the files
    that were read.
    """

    samples: pd.DataFrame
    held_out: pd.DataFrame
    prompts: pd.DataFrame
    left_out: pd.DataFrame
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
    eval_share: float,
    n_eval: int,
    max_overlap: float,
    max_lost: float,
    eval_file: str | None,
    max_chars: int | None,
) -> Corpus:
    """The corpus that the settings of section `corpus` describe; see `sections.CorpusParams`.

    Raises ValueError or FileNotFoundError if the corpus or its evaluation file cannot be read, too many conversations
    lose something, or no sample or no prompt is left.
    """
    files = [_in_root(str(path))] if source == "file" else []
    read, report = _read(
        source, files[0] if files else path, revision=revision, split=split, columns=columns, packages=packages
    )
    check_conversations(report["conversations"], max_lost=max_lost, name=report["name"])
    given, report["evaluation"] = None, {"file": ""}
    if eval_file:
        files.append(files[0].parent / eval_file)
        given, report["evaluation"] = read_candidates(files[1], max_chars=max_chars)
        check_conversations(report["evaluation"]["conversations"], max_lost=max_lost, name=files[1].name)
    shares = {"base_model_share": base_model_share, "eval_share": eval_share if given is None else 0.0}
    ranks = _ranks(read["id"], shares)
    samples, report["dropped"] = clean_samples(read[list(COLUMNS)], max_chars=max_chars, ranks=ranks)
    if given is not None:
        known = normal_form(samples["instruction"]).isin(set(normal_form(given["instruction"])))
        report["dropped"]["in_evaluation"] = int(known.sum())
        samples = samples[~known]
    parts = _split(samples, shares, limit)
    report["split"] = {name: len(part) for name, part in parts.items()}
    report["by_source"] = _by_source(read, samples, parts)
    candidates = parts["prompts"] if given is None else given
    _check_size(len(samples), len(parts["samples"]), len(candidates), shares)
    chosen = choose_prompts(candidates, parts, n_eval=n_eval, max_overlap=max_overlap)
    report |= chosen.report
    return Corpus(parts["samples"], parts["held_out"], chosen.used, chosen.left_out, report, tuple(files))


def save_report(report: Mapping[str, Any], path: str | Path) -> None:
    """Write a report as JSON with sorted keys."""
    with write_aside(path) as aside:
        aside.write_text(json.dumps(report, sort_keys=True, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _read(
    source: str,
    path: str | Path | None,
    *,
    revision: str | None,
    split: str,
    columns: Mapping[str, str],
    packages: Sequence[str],
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """All samples of the source, and a report of what was read."""
    report: dict[str, Any] = {"source": source, "name": path.name if isinstance(path, Path) else path or ""}
    if source == "pydocs":
        read, report["pydocs"] = _pydocs_samples(packages)
    elif source == "hub":
        read = load_hub_samples(str(path), revision=revision, split=split, columns=columns)
    else:
        read = read_samples(str(path), columns=columns)
    return read, {**report, "n_read": len(read), "conversations": count_conversations(read)}


def _pydocs_samples(packages: Sequence[str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The embedded corpus as samples, and its report with the number of pairs of each kind of question."""
    pairs, report = collect_pydocs(packages)
    texts = {name: normalise(pairs[name]) for name in ("instruction", "response", "source")}
    samples = pd.DataFrame({**texts, "licence": pd.Series("", index=pairs.index, dtype="str")})
    samples.insert(0, "id", pd.Series(content_ids(samples), dtype="str"))
    return samples, {**report, "kinds": pairs["kind"].value_counts().sort_index().to_dict()}


def _ranks(ids: pd.Series, shares: Mapping[str, float]) -> NDArray[np.int64]:
    """Which of several samples with one instruction stays, as `STAYS` says; ids may repeat."""
    unique = ids.drop_duplicates()
    roles = pd.Series(split_by_place(unique, **shares), index=unique)
    return np.asarray(roles.map(STAYS)[ids], dtype=np.int64)


def _split(samples: pd.DataFrame, shares: Mapping[str, float], limit: int | None) -> dict[str, pd.DataFrame]:
    """Parts samples, over_limit, held_out and prompts of cleaned samples, each sorted by id."""
    roles = split_by_place(samples["id"], **shares)
    ours = samples[roles == "samples"]
    used = np.isin(np.arange(len(ours)), first_by_place(ours["id"], limit))
    parts = {"samples": ours[used], "over_limit": ours[~used]}
    parts |= {role: samples[roles == role] for role in ("held_out", "prompts")}
    return {name: part.sort_values("id", ignore_index=True) for name, part in parts.items()}


def _check_size(n_usable: int, n_samples: int, n_prompts: int, shares: Mapping[str, float]) -> None:
    """Raise ValueError if there are no samples or no prompts."""
    if not n_samples or not n_prompts:
        asked = ", ".join(f"{name}={share}" for name, share in shares.items())
        found = f"{n_samples} samples and {n_prompts} prompts, but one of each is needed"
        raise ValueError(f"corpus of {n_usable} usable samples is too small: it gives {found} ({asked})")


def _by_source(read: pd.DataFrame, kept: pd.DataFrame, parts: Mapping[str, pd.DataFrame]) -> dict[Any, Any]:
    """Samples read, kept, in the study and held out, by source."""
    tables = {"read": read, "kept": kept, "samples": parts["samples"], "held_out": parts["held_out"]}
    counts = pd.DataFrame({name: table["source"].value_counts() for name, table in tables.items()})
    return counts.fillna(0).astype(int).sort_index().to_dict(orient="index")


def _in_root(path: str) -> Path:
    """The path, from the root of the repository if it is not absolute."""
    return Path(path) if Path(path).is_absolute() else find_root() / path
