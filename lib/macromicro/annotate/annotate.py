"""Annotate one part of all samples at one granularity: the three annotators behind one call."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from macromicro.annotate.embed import embed_texts
from macromicro.annotate.steps import count_replies
from macromicro.annotate.tag_llm import open_tag_writer
from macromicro.annotate.tag_normalisation import step_table
from macromicro.annotate.tags import annotate_tags
from macromicro.annotate.tokens import band_types, count_curve, count_tokens
from macromicro.annotate.topics import annotate_topics, map_topics, topics_agree_with
from macromicro.annotate.types import TypeMatrix, apply_untyped
from macromicro.study.sections import Granularity, Part

MAP_POINTS = 4000


class Annotation(NamedTuple):
    """The type matrix, and the table behind the figure of its granularity.

    `evidence` is the map of topics (id, x, y, topic), the counts of tags (label, n_samples) or the curve of token
    counts (rank, label, token, count, band).
    """

    granularity: Granularity
    types: TypeMatrix
    evidence: pd.DataFrame


def annotate(
    samples: pa.Table,
    part: Part,
    granularity: Granularity,
    *,
    seed: int,
    base_model: Path | str,
    cache: Path | None,
    replies: Path | None,
    embed: Mapping[str, Any],
    topics: Mapping[str, Any],
    tags: Mapping[str, Any],
    tag_llm: Mapping[str, Any],
    tokens: Mapping[str, Any],
    types: Mapping[str, Any],
) -> Annotation:
    """The types of one part of all samples, untyped samples treated as `types` says.

    Parameters: samples, with columns `id`, `part` and, if the report shall say how far topics are sources, `source`;
    base_model, folder or id of the model whose tokenizer gives the
    tokens; cache, folder of embeddings, in which the part and the tags have folders of their own; replies, file of the
    replies of a language model that writes tags; the others are the sections of the settings of the same name.
    Raises ValueError for an unknown granularity, and as the annotators.
    """
    ids, texts = samples["id"].to_pylist(), samples[part]

    def embedder(batch: Iterable[str], kind: str) -> NDArray[np.float32]:
        return embed_texts(batch, cache=None if cache is None else cache / kind, **embed)

    if granularity == "macro":
        vectors = embedder(texts, part)
        found = annotate_topics(ids, texts, vectors, seed=seed, **topics)
        evidence = map_topics(found, vectors[np.argsort(ids)], seed=seed, n_points=MAP_POINTS, **_how_to_map(topics))
        found.report.update(_agree_with_source(samples, found))
    elif granularity == "meso":
        write_tags = open_tag_writer(cache=replies, **tag_llm)
        found = annotate_tags(ids, texts, embed=lambda names: embedder(names, "tags"), write_tags=write_tags, **tags)
        evidence = pd.DataFrame({"label": found.labels, "n_samples": found.samples_per_type})
    elif granularity == "micro":
        tokenizer = _load_tokenizer(base_model) if tokens["unit"] == "token" else None
        counts = count_tokens(ids, texts, tokenizer, unit=tokens["unit"])
        found = band_types(counts, low=tokens["low"], high=tokens["high"])
        evidence = count_curve(counts, tokenizer, low=tokens["low"], high=tokens["high"])
    else:
        raise ValueError(f"granularity={granularity!r} must be one of 'macro', 'meso', 'micro'")
    likeness = embedder(texts, part)[np.argsort(ids)] if types["untyped"] == "nearest" else None
    return Annotation(granularity, apply_untyped(found, untyped=types["untyped"], embeddings=likeness), evidence)


def summarise(annotation: Annotation) -> pd.DataFrame:
    """What was found, in one column: texts, types, types per text, and what happened to untyped texts."""
    types = annotation.types
    untyped, per_text, per_type = types.report["untyped"], types.types_per_sample, types.samples_per_type
    facts = {
        "texts": types.n_samples,
        "types": types.n_types,
        "types per text, median": float(np.median(per_text)) if types.n_samples else 0.0,
        "texts per type, median": float(np.median(per_type)) if types.n_types else 0.0,
        "texts per type, most": int(per_type.max(initial=0)),
        "texts without a type": f"{untyped['n']} ({untyped['n'] / max(types.n_samples, 1):.1%})",
        "what happens to those": untyped["policy"],
    }
    if "agreement_with_source" in types.report:
        facts["agreement of topics with sources (AMI)"] = f"{types.report['agreement_with_source']:.2f}"
    return pd.DataFrame({"value": pd.Series({name: str(fact) for name, fact in facts.items()})})


def list_top_types(annotation: Annotation, *, n: int) -> pd.DataFrame:
    """The `n` types that most texts carry, with the number and share of these texts."""
    types = annotation.types
    names = types.labels
    if annotation.granularity == "micro":
        readable = dict(zip(annotation.evidence["label"], annotation.evidence["token"], strict=True))
        names = np.array([readable.get(label, label) for label in names], dtype=object)
    counts = types.samples_per_type
    best = np.lexsort((np.arange(types.n_types), -counts))[:n]
    share = 100 * counts[best] / max(types.n_samples, 1)
    return pd.DataFrame({"type": names[best], "texts": counts[best], "percent": share.round(2)})


def list_drops(annotation: Annotation) -> pd.DataFrame:
    """What the annotator kept and left out, step by step (tags), band by band (tokens) or as noise (topics)."""
    report = annotation.types.report
    if annotation.granularity == "meso":
        replies = pd.DataFrame(count_replies(report).items(), columns=["step", "n_texts"])
        steps = step_table(annotation.types)
        return pd.concat([replies, steps], ignore_index=True).convert_dtypes() if len(replies) else steps
    if annotation.granularity == "micro":
        bands = pd.DataFrame.from_dict(report["bands"], orient="index")
        bands["percent"] = (100 * bands.pop("share")).round(1)
        return bands.rename_axis("band").reset_index()
    n_typed = sum(report["sizes"])
    return pd.DataFrame({"texts": ["in a topic", "noise"], "n": [n_typed, report["n_noise"]]})


def _agree_with_source(samples: pa.Table, topics: TypeMatrix) -> dict[str, float]:
    """How far the topics are the sources of the samples, if these have a column `source` with more than one."""
    sources = samples["source"].to_pylist() if "source" in samples.column_names else []
    if len(set(sources)) < 2:
        return {}
    by_id = [sources[row] for row in np.argsort(samples["id"].to_pylist())]
    return {"agreement_with_source": round(topics_agree_with(topics, by_id), 4)}


def _how_to_map(topics: Mapping[str, Any]) -> dict[str, Any]:
    return {"reducer": topics["reducer"], "n_neighbors": topics["n_neighbors"]}


def _load_tokenizer(base_model: Path | str) -> Any:
    """Tokenizer of the base model. Raises ValueError, in one line, if it cannot be loaded."""
    from macromicro.models.basemodel import load_tokenizer

    try:
        return load_tokenizer(base_model)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"the tokenizer of the base model {str(base_model)!r} cannot be loaded: {reason}") from error
