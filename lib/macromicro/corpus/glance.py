"""A look at a corpus before a study reads it: how many samples and prompts it gives, texts to measure, licences.

A file is read whole, as the study will read it, so that what is wrong with it shows here. Of packages the smallest are
read, of a dataset of the hub the first rows.
"""

import importlib.util
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa

from macromicro.corpus.corpus import Corpus, load_corpus
from macromicro.corpus.readers import make_samples
from macromicro.corpus.records import arrow_records
from macromicro.study.sections import CorpusParams

N_ROWS = 2000
"""Rows whose texts are measured."""
N_PACKAGES = 5
NON_COMMERCIAL = re.compile(r"\bnc\b|non-?\s?commercial|research[- ]only|academic", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Glance:
    """What was seen of a corpus.

    Attributes
    ----------
    samples, prompts : columns id, instruction, response; of samples `N_ROWS` at most, drawn at random.
    n_samples, n_prompts : how many the study has, at most where it could not be read whole.
    licences : rows by what they name as licence, '' for nothing.
    seen : what was looked at, in words.
    whole : whether the counts are of the whole corpus.
    """

    samples: pd.DataFrame
    prompts: pd.DataFrame
    n_samples: int
    n_prompts: int
    licences: dict[str, int]
    seen: str
    whole: bool


def glance(settings: CorpusParams, *, seed: int) -> Glance:
    """What a corpus holds, by the settings of its section.

    Raises ValueError or FileNotFoundError if it cannot be read, as `corpus.load_corpus`.
    """
    if settings.source == "file":
        return _of_corpus(load_corpus(**dict(settings)), settings, "the file", seed, whole=True)
    if settings.source == "pydocs":
        packages = smallest_packages(settings.packages, n_most=N_PACKAGES)
        corpus = load_corpus(**{**dict(settings), "packages": packages, "limit": None})
        whole = len(packages) == len(settings.packages)
        return _of_corpus(corpus, settings, f"docstrings of {', '.join(packages)}", seed, whole=whole)
    return _first_rows(settings)


def known_corpus(samples: pd.DataFrame, prompts: pd.DataFrame, *, seed: int) -> Glance:
    """The same of a corpus that the study has read already."""
    licences = _count_licences(samples)
    return Glance(_draw(samples, seed), prompts, len(samples), len(prompts), licences, "the corpus of the study", True)


def list_non_commercial(licences: dict[str, int]) -> list[str]:
    """Those of the licences that allow no commercial use by their names.

    >>> list_non_commercial({"CC-BY-NC-4.0": 2, "MIT": 1, "for non-commercial research": 1})
    ['CC-BY-NC-4.0', 'for non-commercial research']
    """
    return [name for name in licences if NON_COMMERCIAL.search(name)]


def smallest_packages(packages: list[str], *, n_most: int) -> list[str]:
    """The packages with the fewest bytes of Python, in their order. Raises ValueError if one is not installed."""
    sizes = {}
    for name in packages:
        found = importlib.util.find_spec(name.partition(".")[0])
        if found is None or found.origin is None:
            raise ValueError(f"corpus.packages: {name!r} is not installed")
        sizes[name] = sum(file.stat().st_size for file in Path(found.origin).parent.rglob("*.py"))
    chosen = sorted(packages, key=lambda name: (sizes[name], name))[:n_most]
    return [name for name in packages if name in chosen]


def _of_corpus(corpus: Corpus, settings: CorpusParams, seen: str, seed: int, *, whole: bool) -> Glance:
    """What was seen of a corpus that was read; where only a part was, the study has as many as it wants at most."""
    n_samples, n_prompts = len(corpus.samples), len(corpus.prompts)
    if not whole:
        n_samples, n_prompts = settings.limit or n_samples, settings.n_eval
    licences = _count_licences(corpus.samples)
    return Glance(_draw(corpus.samples, seed), corpus.prompts, n_samples, n_prompts, licences, seen, whole)


def _first_rows(settings: CorpusParams) -> Glance:
    """What the first rows of a dataset of the hub hold. Raises ValueError if it cannot be reached."""
    from datasets import load_dataset

    try:
        rows = load_dataset(str(settings.path), split=settings.split, revision=settings.revision, streaming=True)
        table = pa.Table.from_pylist(list(islice(rows, N_ROWS)))
    except Exception as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"corpus.path={settings.path!r} cannot be reached on the hub ({why}): give --corpus FILE with rows of it"
        ) from error
    records = arrow_records(table, f"{settings.path} ({settings.split})")
    samples = make_samples(records, source=str(settings.path), columns=settings.columns)
    n_rows = rows.info.splits[settings.split].num_examples if rows.info.splits else None
    n_left = int(n_rows * (1 - settings.eval_share - settings.base_model_share)) if n_rows else len(samples)
    n_samples = min(settings.limit or n_left, n_left) if n_rows else settings.limit or n_left
    licences = _count_licences(samples)
    seen = f"the first {len(samples):,} rows"
    return Glance(samples, samples.head(settings.n_eval), n_samples, settings.n_eval, licences, seen, False)


def _count_licences(samples: pd.DataFrame) -> dict[str, int]:
    """Samples by the licence that they name."""
    return {str(name): int(n) for name, n in samples["licence"].value_counts().items()}


def _draw(samples: pd.DataFrame, seed: int) -> pd.DataFrame:
    """At most `N_ROWS` of the samples."""
    return samples.sample(min(N_ROWS, len(samples)), random_state=seed).sort_values("id", ignore_index=True)
