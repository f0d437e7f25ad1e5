"""Annotate one part of all samples at one granularity: the three annotators behind one call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache as remember
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from tqdm import tqdm

from macromicro.annotate.embed import count_cut, embed_texts
from macromicro.annotate.steps import count_embedded, count_replies
from macromicro.annotate.tag_llm import WriteTags, open_tag_writer
from macromicro.annotate.tag_normalisation import Embed, step_table
from macromicro.annotate.tokenizers import WORDS, describe_words, open_tokenizer
from macromicro.annotate.tokens import band_types, count_curve, count_tokens
from macromicro.annotate.topics import annotate_topics, map_topics, topics_agree_with
from macromicro.annotate.types import TypeMatrix, apply_untyped
from macromicro.corpus.batches import each_text
from macromicro.corpus.scripts import refuse_unspaced
from macromicro.study.files import name_only
from macromicro.study.sections import Granularity, Part

MAP_POINTS = 4000


class NoTypesError(ValueError):
    """No text of the samples has a type of the granularity that was asked for."""


@dataclass(frozen=True, eq=False)
class Annotation:
    """The type matrix, and the table behind the figure of its granularity.

    Attributes
    ----------
    granularity : `macro`, `meso` or `micro`.
    types : the type matrix, untyped samples treated as the settings say.
    made_with : embeddings, tagger or tokenizer, in words.
    explain : what makes `evidence`; it keeps embeddings or counts, never texts.
    """

    granularity: Granularity
    types: TypeMatrix
    made_with: str
    explain: Callable[[], pd.DataFrame]

    @cached_property
    def evidence(self) -> pd.DataFrame:
        """The map of topics (id, x, y, topic), counts of tags (label, n_samples) or curve of token counts.

        The latter has the columns rank, label, token, count and band. Made when it is first asked for.
        """
        return self.explain()


def annotate(
    samples: pa.Table,
    part: Part,
    granularity: Granularity,
    *,
    seed: int,
    tokenizer: Path | str,
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

    Parameters: samples, with columns `id`, `part`, both parts where the tokenizer is trained on them, and, if the
    report shall say how far topics are sources, `source`; tokenizer, name, file or folder as in
    `tokenizers.open_tokenizer`, opened only for tokens; cache, folder of the embeddings of this part and what
    UMAP makes of them, with those of its tags in a folder within; replies, file of the replies of a language model that
    writes tags; the others are the sections of the settings of the same name.
    The report of the types says in `embedded` what embeddings of the texts have not read (`embed.count_cut`).
    Raises ValueError for an unknown granularity, NoTypesError if no text gets a type, and as the annotators.
    """
    vectors = remember(lambda: embed_texts(samples[part], cache=cache, **embed))
    made_with = f"embeddings of {name_only(embed['model'])}"
    if granularity == "macro":
        found, explain = _find_topics(samples, part, vectors(), seed=seed, cache=cache, topics=topics)
    elif granularity == "meso":
        if tags["tagger"] == "offline":
            refuse_unspaced(samples[part], "tags of the offline tagger", "take tags.tagger=llm, or tokens (micro)")
        shelf, write_tags = cache / "tags" if cache else None, open_tag_writer(cache=replies, **tag_llm)
        embedder = partial(embed_texts, cache=shelf, **embed)
        found, explain = _find_tags(samples, part, embed=embedder, write_tags=write_tags, tags=tags)
        if tags["tagger"] == "llm":
            made_with = f"tags written by {name_only(tag_llm['model'])}, {made_with}"
    elif granularity == "micro":
        if tokens["unit"] in WORDS:
            opened, made_with = None, describe_words(tokens["unit"], samples[part])
        else:
            opened, made_with = open_tokenizer(tokenizer, samples, revision=tokens["revision"])
        found, explain = _find_tokens(samples, part, tokenizer=opened, tokens=tokens)
    else:
        raise ValueError(f"granularity={granularity!r} must be one of 'macro', 'meso', 'micro'")
    if not found.n_types:
        hint = _how_to_find_more(granularity, topics=topics, tags=tags, tokens=tokens)
        raise NoTypesError(f"no {part} of {len(samples)} samples has a type of granularity {granularity!r}: {hint}")
    if granularity == "macro" or types["untyped"] == "nearest":
        named = {name: embed[name] for name in ("model", "revision", "max_tokens", "dtype")}
        embedded = count_cut(samples[part], cache=cache, **named)
        found = replace(found, report={**found.report, "embedded": embedded})
    likeness = vectors()[np.argsort(samples["id"].to_pylist())] if types["untyped"] == "nearest" else None
    typed = apply_untyped(found, untyped=types["untyped"], embeddings=likeness)
    return Annotation(granularity, typed, made_with, explain)


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
        "made with": annotation.made_with,
        **count_embedded(types.report),
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


def _find_topics(
    samples: pa.Table,
    part: Part,
    vectors: NDArray[np.float32],
    *,
    seed: int,
    cache: Path | None,
    topics: Mapping[str, Any],
) -> tuple[TypeMatrix, Callable[[], pd.DataFrame]]:
    """Topics, and what maps them."""
    ids = samples["id"].to_pylist()
    found = annotate_topics(ids, samples[part], vectors, seed=seed, cache=cache, **topics)
    found.report.update(_agree_with_source(samples, found))
    how = {"reducer": topics["reducer"], "n_neighbors": topics["n_neighbors"], "n_points": MAP_POINTS, "cache": cache}
    return found, lambda: map_topics(found, vectors[np.argsort(ids)], seed=seed, **how)


def _find_tags(
    samples: pa.Table, part: Part, *, embed: Embed, write_tags: WriteTags, tags: Mapping[str, Any]
) -> tuple[TypeMatrix, Callable[[], pd.DataFrame]]:
    """Tags, and what counts them."""
    from macromicro.annotate.tags import annotate_tags

    found = annotate_tags(samples["id"].to_pylist(), samples[part], embed=embed, write_tags=write_tags, **tags)
    return found, lambda: pd.DataFrame({"label": found.labels, "n_samples": found.samples_per_type})


def _find_tokens(
    samples: pa.Table, part: Part, *, tokenizer: Any, tokens: Mapping[str, Any]
) -> tuple[TypeMatrix, Callable[[], pd.DataFrame]]:
    """Mid-band tokens, and what draws the curve of the counts of all. Parameters: tokenizer, None for words."""
    band = {"low": tokens["low"], "high": tokens["high"]}
    texts = tqdm(each_text(samples[part]), total=len(samples), desc="tokenize", unit="text")
    counts = count_tokens(samples["id"].to_pylist(), texts, tokenizer, unit=tokens["unit"])
    return band_types(counts, **band), lambda: count_curve(counts, tokenizer, **band)


def _how_to_find_more(
    granularity: Granularity, *, topics: Mapping[str, Any], tags: Mapping[str, Any], tokens: Mapping[str, Any]
) -> str:
    """What to change where no text has a type."""
    if granularity == "macro":
        return f"lower topics.min_cluster_size={topics['min_cluster_size']}"
    if granularity == "meso":
        return f"lower tags.min_count={tags['min_count']}"
    return f"widen the band of tokens.low={tokens['low']} to tokens.high={tokens['high']} occurrences"


def _agree_with_source(samples: pa.Table, topics: TypeMatrix) -> dict[str, float]:
    """How far the topics are the sources of the samples, if these have a column `source` with more than one."""
    sources = samples["source"].to_pylist() if "source" in samples.column_names else []
    if len(set(sources)) < 2:
        return {}
    by_id = [sources[row] for row in np.argsort(samples["id"].to_pylist())]
    return {"agreement_with_source": round(topics_agree_with(topics, by_id), 4)}
