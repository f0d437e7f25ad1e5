"""What selected datasets hold: which types they cover, how diverse and how long they are."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from macromicro.annotate.tokens import TokenizedTexts
from macromicro.annotate.types import TypeMatrix
from macromicro.corpus.overlap import near_duplicates
from macromicro.measure.embedding_diversity import DENSITY_POWER, local_density, mean_novelty, novelsum, vendi_score
from macromicro.measure.metrics import METRICS, measure, take
from macromicro.select.pools import Peeling
from macromicro.select.select import count_types, evenness
from macromicro.study.files import digest, write_aside
from macromicro.study.layout import Layout

Embed = Callable[[pd.Series, str], NDArray[np.float32]]
Tokenize = Callable[[pd.Series], TokenizedTexts]
PARTS = ("instruction", "response")
NEAR = 0.7
"""Jaccard similarity of word 5-grams from which on two samples are near-duplicates."""


def align_samples(samples: pd.DataFrame, types: TypeMatrix) -> pd.DataFrame:
    """The samples in the order of the rows of a type matrix: id, instruction, response.

    Raises ValueError naming an id if the two do not hold the same samples.
    """
    table = samples[["id", *PARTS]].sort_values("id", ignore_index=True)
    strangers = sorted(set(table["id"]) ^ set(types.ids)) if len(table) != types.n_samples else []
    if strangers or (table["id"].to_numpy(dtype=object) != types.ids).any():
        first = strangers[0] if strangers else table["id"][table["id"].to_numpy(dtype=object) != types.ids].iloc[0]
        raise ValueError(f"samples and types must have the same ids, but {first!r} is in one of them only")
    return table


def measure_datasets(
    samples: pd.DataFrame, rows: Mapping[str, ArrayLike], *, tokenize: Tokenize, embed: Embed
) -> pd.DataFrame:
    """The metrics of every dataset for both parts: dataset, part and a column per metric.

    Parameters: samples, with instruction and response; rows, the sample rows of each dataset; tokenize, what makes
    tokens of all texts of a part; embed, what makes embeddings of texts and the name of their part.
    Raises ValueError as `metrics.measure`.
    """
    records = []
    for part in PARTS:
        texts = samples[part]
        tokens, embeddings = tokenize(texts), embed(texts, part)
        for name, chosen in tqdm(rows.items(), desc=f"metrics of the {part}s"):
            chosen = np.asarray(chosen)
            values = measure(texts.iloc[chosen].tolist(), take(tokens, chosen), embeddings[chosen])
            records.append({"dataset": name, "part": part, **values})
    return pd.DataFrame(records, columns=["dataset", "part", *METRICS])


def measure_spread(samples: pd.DataFrame, rows: Mapping[str, ArrayLike], *, embed: Embed) -> pd.DataFrame:
    """Vendi score and NovelSum of every dataset for both parts: dataset, part, Vendi, NovelSum.

    NovelSum takes its density from all samples, and is missing (NaN) where these or the dataset have too few different
    texts. Parameters: as `measure_datasets`.
    """
    records: list[tuple[str, str, float, float]] = []
    for part in PARTS:
        embeddings = embed(samples[part], part)
        datasets = [np.asarray(chosen) for chosen in rows.values()]
        novelsums = _novelsums(embeddings, datasets, desc=f"NovelSum of the {part}s")
        spreads = [vendi_score(embeddings[chosen]) for chosen in tqdm(datasets, desc=f"Vendi of the {part}s")]
        records += zip(rows, [part] * len(rows), spreads, novelsums, strict=True)
    return pd.DataFrame(records, columns=["dataset", "part", "Vendi", "NovelSum"])


def _novelsums(embeddings: NDArray[np.float32], datasets: Sequence[NDArray[np.int64]], *, desc: str) -> list[float]:
    """NovelSum of each dataset; the density around a sample is the same in all of them, so it is computed once."""
    drawn = np.unique(np.concatenate([[], *datasets])).astype(int)
    factors = np.full(len(embeddings), np.nan)
    shown = tqdm(datasets, desc=desc)
    try:
        factors[drawn] = local_density(embeddings[drawn], embeddings) ** DENSITY_POWER
    except ValueError:  # some text has no density: which datasets hold one is seen one by one
        return [_or_nan(novelsum, embeddings[chosen], embeddings) for chosen in shown]
    return [_or_nan(mean_novelty, embeddings[chosen], factors[chosen]) for chosen in shown]


def _or_nan(measured: Callable[[ArrayLike, ArrayLike], float], points: ArrayLike, others: ArrayLike) -> float:
    try:
        return measured(points, others)
    except ValueError:  # fewer different texts than neighbours, or one text alone
        return float("nan")


def add_lengths(levels: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """The table of datasets with the mean length of either part in tokens: instruction_tokens, response_tokens."""
    lengths = metrics.set_index(["part", "dataset"])["SL"]
    columns = {f"{part}_tokens": levels["dataset"].map(lengths[part]) for part in PARTS}
    return levels.assign(**columns)


def add_contents(
    levels: pd.DataFrame, samples: pd.DataFrame, rows: Mapping[str, ArrayLike], response_tokens: ArrayLike
) -> pd.DataFrame:
    """The table of datasets with the columns n_response_tokens and near_duplicates.

    `near_duplicates` is the share of a dataset's samples of which another one says nearly the same: instruction and
    response together have a Jaccard similarity of 0.7 or more (`overlap.near_duplicates`).
    Parameters: samples, columns id, instruction and response; rows, those of each dataset; response_tokens, shape
    (n_samples,).
    """
    texts = pd.Series((samples["instruction"] + "\n" + samples["response"]).to_numpy(), samples["id"])
    lengths, chosen = np.asarray(response_tokens), [np.asarray(rows[name]) for name in levels["dataset"]]
    shares = [len(near_duplicates(texts.iloc[one], threshold=NEAR)) / len(one) for one in chosen]
    return levels.assign(n_response_tokens=[int(lengths[one].sum()) for one in chosen], near_duplicates=shares)


def count_left_out(levels: pd.DataFrame, peeling: Peeling, unfit: TypeMatrix) -> pd.DataFrame:
    """The table of datasets with the column n_left_out: samples that do not fit and would else be in the pool.

    These are those that carry types of the pool only. Parameters: unfit, the types of the samples that do not fit, with
    the columns that were peeled.
    """
    n_types = unfit.types_per_sample
    in_pool = {k: (peeling.type_steps >= peeling.state(k)).astype(np.int64) for k in set(levels["k"])}
    counts = {k: int(((unfit.matrix @ held == n_types) & (n_types > 0)).sum()) for k, held in in_pool.items()}
    return levels.assign(n_left_out=levels["k"].map(counts))


def compare_coverage(types: TypeMatrix, rows: Mapping[str, ArrayLike]) -> pd.DataFrame:
    """What each way of choosing covers: choice, types, percent of the corpus' types, evenness, types per sample."""
    n_present = int(np.count_nonzero(types.samples_per_type))
    records = []
    for name, chosen in rows.items():
        counts = count_types(types, chosen)
        n_covered = int(np.count_nonzero(counts))
        records.append(
            (name, n_covered, 100 * n_covered / n_present, evenness(counts), counts.sum() / len(np.asarray(chosen)))
        )
    return pd.DataFrame(records, columns=["choice", "types", "percent", "evenness", "types_per_sample"])


def save_datasets(
    out: Layout,
    strategy: str,
    seed: int,
    *,
    samples: pd.DataFrame,
    rows: Mapping[str, ArrayLike],
    levels: pd.DataFrame,
    metrics: pd.DataFrame,
) -> None:
    """Write the datasets of a strategy and seed, and the tables of their levels and metrics.

    To the levels is added the digest of each dataset's file: two levels that came to the same samples share it.
    Parameters: rows, the sample rows of each dataset by its name.
    """
    for name, chosen in rows.items():
        with write_aside(out.dataset(strategy, name)) as path:
            samples.iloc[np.asarray(chosen)].to_parquet(path, index=False)
    digests = [digest(out.dataset(strategy, name)) for name in levels["dataset"]]
    levels = levels.astype({"level": "Int64", "k": "Int64"}).assign(digest=digests)
    for table, target in ((levels, out.levels(strategy, seed)), (metrics, out.metrics(strategy, seed))):
        with write_aside(target) as path:
            table.to_parquet(path, index=False)


def show_samples(samples: pd.DataFrame, rows: ArrayLike, *, n: int, width: int) -> pd.DataFrame:
    """Instruction and response of `n` of the samples of a dataset, spread over its ids, cut to `width` characters."""
    rows = np.asarray(rows)
    places = np.unique(np.linspace(0, len(rows) - 1, n).round().astype(int))
    shown = samples.iloc[rows[places]][list(PARTS)]
    return shown.map(lambda text: _shorten(text, width)).reset_index(drop=True)


def _shorten(text: str, width: int) -> str:
    """The text on one line, cut with an ellipsis where it is longer than `width`."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
