"""Choose a subset of one's own corpus: types of its samples, ways of choosing, and what the choice covers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.random import Generator, default_rng
from numpy.typing import NDArray
from tqdm import tqdm

from macromicro.annotate.tokens import annotate_tokens, tokenize
from macromicro.annotate.types import TypeMatrix, apply_untyped
from macromicro.select.rivals import Rival, choose_rows
from macromicro.select.select import count_types, draw_baseline, evenness, select_datasets
from macromicro.study.sections import Granularity, Part

Method = Literal["even"] | Rival
Embed = Callable[[pd.Series], NDArray[np.float32]]
BPE_SIZE = 32_000
LONG_RUNS = r"\p{L}{1000}|\p{N}{1000}|[^\s\p{L}\p{N}]{1000}|\s{1000}"  # a megabyte of "na" would take half an hour


@dataclass(frozen=True, eq=False)
class Choice:
    """Rows of the chosen samples, sorted, and what can be said about them: `facts`, name to text or number."""

    rows: NDArray[np.int64]
    facts: dict[str, Any]


def open_tokenizer(name: str, samples: pd.DataFrame) -> tuple[Any, str]:
    """A tokenizer, None for words, and its description.

    Parameters: name, `words`; `bpe`, a byte-level BPE of at most 32,000 tokens that is trained here on all
    instructions and responses of `samples`; a `tokenizer.json`; or a folder or hub id that transformers knows.
    Raises ValueError if it cannot be loaded.
    """
    if name == "words":
        return None, "words (lower-cased runs of letters and digits)"
    from tokenizers import Tokenizer

    if name == "bpe":
        backend = _train_bpe(samples)
        return backend, f"byte-level BPE of {backend.get_vocab_size():,} tokens, trained on the corpus itself"
    try:
        if name.endswith(".json"):
            return Tokenizer.from_file(name), f"tokenizer {Path(name).name}"
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(name), f"tokenizer {Path(name).name if Path(name).is_dir() else name}"
    except Exception as error:
        known = "words, bpe, a tokenizer.json, a folder or a hub id"
        raise ValueError(f"cannot load tokenizer {name!r} ({str(error).splitlines()[0]}); give {known}") from None


def find_types(
    samples: pd.DataFrame,
    part: Part,
    granularity: Granularity,
    *,
    tokenizer: Any,
    embed: Embed,
    seed: int,
    topics: Mapping[str, Any],
    tags: Mapping[str, Any],
    tokens: Mapping[str, Any],
    untyped: Literal["drop", "own", "nearest"],
) -> TypeMatrix:
    """The types of one part of all samples, untyped samples treated as `untyped` says.

    Parameters: samples, columns id and `part`, sorted by id; tokenizer, for micro, None for words; topics, tags and
    tokens, the arguments of the annotators.
    Raises ValueError if no sample gets a type, and as the annotators.
    """
    ids, texts = samples["id"].tolist(), samples[part]
    if granularity == "macro":
        from macromicro.annotate.topics import annotate_topics

        found = annotate_topics(ids, texts, embed(texts), seed=seed, **topics)
        hint = f"lower topics.min_cluster_size={topics['min_cluster_size']}"
    elif granularity == "meso":
        from macromicro.annotate.tags import annotate_tags

        found = annotate_tags(ids, texts, embed=lambda names: embed(pd.Series(names, dtype="str")), **tags)
        hint = f"lower tags.min_count={tags['min_count']}"
    else:
        unit: Literal["word", "token"] = "word" if tokenizer is None else "token"
        band = {"low": tokens["low"], "high": tokens["high"]}
        found = annotate_tokens(ids, tqdm(texts, desc="tokenize", unit="text"), tokenizer, unit=unit, **band)
        hint = f"widen the band of tokens.low={band['low']} to tokens.high={band['high']} occurrences"
    if not found.n_types:
        raise ValueError(f"no {part} of {len(ids)} samples has a type of granularity {granularity!r}: {hint}")
    likeness = embed(texts) if untyped == "nearest" else None
    return apply_untyped(found, untyped=untyped, embeddings=likeness)


def choose(
    samples: pd.DataFrame,
    part: Part,
    *,
    method: Method,
    size: int,
    level: int,
    seed: int,
    types: TypeMatrix | None,
    embed: Embed,
) -> Choice:
    """The rows of `size` samples chosen by one method, with what they cover of `types` and what chance would cover.

    Parameters: samples sorted by id; level, the diversity level in percent of the method `even`; types, of the same
    samples in the same order, needed for `even` and `max-coverage` and else only described; embed, used by `k-center`
    and `facility-location`.
    Raises ValueError if the corpus, or the pool at this level, is smaller than `size`, or types are missing.
    """
    if types is not None:
        _check_same(samples, types)
    facts: dict[str, Any] = {}
    rng = default_rng(seed)
    if method == "even":
        if types is None:
            raise ValueError(f"method {method!r} needs types: give a granularity")
        table, chosen = select_datasets(types, levels=[level], sizes=[size], seeds=[seed], seed=seed)
        rows = next(iter(chosen.values()))
        facts = {"types in the pool": int(table["k"].iloc[0]), "samples in the pool": int(table["pool_size"].iloc[0])}
    else:
        texts = samples[part]
        rows = choose_rows(
            method,
            len(texts),
            size=size,
            rng=rng,
            lengths=lambda: tokenize(texts, None, unit="bare-word").lengths,
            vectors=lambda: embed(texts),
            types=types,
        )
    if types is not None:
        facts |= describe_coverage(types, rows, default_rng(seed))
    return Choice(rows, facts)


def _check_same(samples: pd.DataFrame, types: TypeMatrix) -> None:
    if not np.array_equal(types.ids, samples["id"].to_numpy(dtype=object)):
        strangers = sorted(set(types.ids) ^ set(samples["id"]))
        raise ValueError(
            f"samples and types must have the same ids, but {len(strangers)} are in one only: {strangers[:1]}"
        )


def describe_coverage(types: TypeMatrix, rows: NDArray[np.int64], rng: Generator) -> dict[str, Any]:
    """Types in the corpus, covered by the rows and by as many rows drawn at random; and how evenly.

    Samples without a type are those that the annotator left without, whatever was done about them afterwards.
    """
    counts = count_types(types, rows)
    by_chance = count_types(types, draw_baseline(types.n_samples, len(rows), rng))
    return {
        "types in the corpus": int(np.count_nonzero(types.samples_per_type)),
        "types covered": int(np.count_nonzero(counts)),
        "types that a random draw of this size covers": int(np.count_nonzero(by_chance)),
        "evenness (0 to 1)": round(evenness(counts), 4),
        "evenness of a random draw": round(evenness(by_chance), 4),
        "samples of the corpus without a type": types.report.get("untyped", {}).get("n", len(types.untyped)),
    }


def _train_bpe(samples: pd.DataFrame) -> Any:
    """Byte-level BPE on all texts; the same texts in any order give the same tokenizer.

    Training takes time quadratic in the length of a word, so that runs of one kind of character are cut for it.
    """
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    words = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LONG_RUNS), "isolated"), words])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=BPE_SIZE, initial_alphabet=alphabet, show_progress=False, min_frequency=2)
    texts = (text for part in ("instruction", "response") for text in samples[part])
    backend.train_from_iterator(tqdm(texts, total=2 * len(samples), desc="train tokenizer", unit="text"), trainer)
    backend.pre_tokenizer = words
    return backend
