"""How far judges agree with people, on pairs of answers that several people voted on.

Intervals draw the prompts anew, since pairs of one prompt go together. What people say is 1 or 2 (that answer is
better) or 0 (they are equally good), and so is what a judge says of the same pair; -1 stands for no verdict.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.judge.judges import Judging
from macromicro.judge.verdicts import join_orders

Votes = NDArray[np.int64]
FloatArray = NDArray[np.float64]

TEXTS = ("instruction", "output_1", "output_2")
ANNOTATOR = "annotator_"
CHOICES = {"win": 1, "loss": 2, "tie": 0}
PEOPLE = "people, one against another"
COLUMNS = ("judge", "measure", "value", "low", "high", "n_pairs", "n_prompts")


def check_votes(pairs: pd.DataFrame) -> Votes:
    """What people said, shape (n_pairs, n_people), from a table of pairs.

    Parameters: pairs, columns instruction, output_1, output_2 and at least one `annotator_...` of 1, 2 and 0.
    Raises ValueError, naming column and row, if there are none, or one holds something else.
    """
    people = [name for name in map(str, pairs.columns) if name.startswith(ANNOTATOR)]
    missing = [name for name in TEXTS if name not in pairs] + ([] if people else [f"{ANNOTATOR}1"])
    if missing or pairs.empty:
        raise ValueError(
            f"votes need rows and the columns {', '.join(TEXTS)}, {ANNOTATOR}1, ...; missing: "
            f"{', '.join(missing) or 'rows'}"
        )
    return np.column_stack([read_choices(pairs, name) for name in people])


def read_choices(pairs: pd.DataFrame, column: str) -> Votes:
    """What a column says of each pair: 1, 2 or 0. Raises ValueError, naming the row, if it says something else."""
    if column not in pairs:
        raise ValueError(f"no column {column!r}; there are {', '.join(map(str, pairs.columns))}")
    wrong = ~pairs[column].isin([0, 1, 2]).to_numpy()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"{column} must be 1 or 2 (the better answer) or 0, but row {row + 1} has "
                         f"{pairs[column].tolist()[row]!r}")  # fmt: skip
    return pairs[column].to_numpy(np.int64)


def find_majority(votes: Votes) -> Votes:
    """What most people said of each pair, -1 where no choice has more votes than every other.

    >>> find_majority(np.array([[1, 1, 2], [0, 2, 0], [0, 1, 2]])).tolist()
    [1, 0, -1]
    """
    counts = (votes[:, :, None] == np.arange(3)).sum(axis=1)
    ordered = np.sort(counts, axis=1)
    return np.where(ordered[:, -1] > ordered[:, -2], counts.argmax(axis=1), -1)


def judge_pairs(pairs: pd.DataFrame, judging: Judging) -> tuple[Votes, Votes]:
    """What a judge says of each pair: joined over orders, and in each order, shape (n_pairs, n_orders).

    Parameters: pairs, as in `check_votes`, with a reference for judges that read one.
    """
    ids = [f"{row:07d}" for row in range(len(pairs))]
    shared = pairs[[name for name in ("instruction", "reference") if name in pairs]].assign(prompt_id=ids)
    sides = [shared.assign(dataset=name, answer=pairs[name].to_numpy()) for name in ("output_1", "output_2")]
    verdicts = judging(*sides)
    verdicts = verdicts if "order" in verdicts else verdicts.assign(order=np.nan)
    joined = join_orders(verdicts).sort_values("prompt_id")["verdict"].map(CHOICES).fillna(-1)
    said: Votes = np.asarray(joined, dtype=np.int64)
    each = [own.sort_values("prompt_id")["verdict"].map(CHOICES).fillna(-1) for _, own in verdicts.groupby("order")]
    in_orders: Votes = np.column_stack(each).astype(np.int64) if each else said.reshape(-1, 1)
    return said, in_orders


def measure_agreement(
    pairs: pd.DataFrame,
    said: Mapping[str, Votes],
    *,
    orders: Mapping[str, Votes] | None = None,
    votes: Votes | None = None,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """How far each judge agrees with people, and people with each other, with intervals over prompts.

    Parameters: pairs, as in `check_votes`; said, what each judge says of every pair; orders, what it says in either
    order, where it is asked in two; votes, default those that `pairs` holds, -1 where a person did not vote.
    Returns: judge, measure, value, low, high, n_pairs (with a majority and a verdict), n_prompts. Measures:
    `accuracy`, the share in which it says what most people say, of three classes; `accuracy, decided`, the same where
    most people prefer one answer; `kappa`, Cohen's, against the majority; `accuracy, one person` and `kappa, one
    person`, means over single people, which for people themselves (`PEOPLE`) are over pairs of people: the ceiling;
    `consistency`, the share with one verdict in both orders; `length`, the share of the variance of its verdicts (1,
    0, -1) that the difference in length explains (in the logarithm of characters).
    Raises ValueError as `check_votes`, or if a judge has not as many verdicts as there are pairs.
    """
    votes = check_votes(pairs) if votes is None else votes
    majority = find_majority(votes)
    codes, prompts = pd.factorize(pairs["instruction"])
    draws = _draw(codes, len(prompts), n_bootstrap, seed)
    lengths = [pairs[name].str.len().to_numpy(float) + 1 for name in ("output_1", "output_2")]
    ratio = np.log(lengths[0] / lengths[1])
    people = _between_people(votes, ratio, draws)
    voted = (votes >= 0).any(axis=1)
    rows = [_rows(PEOPLE, people, confidence, int(voted.sum()), len(np.unique(codes[voted])))]
    for name, own in said.items():
        if len(own) != len(votes):
            raise ValueError(f"{name} must have a verdict on each of the {len(votes)} pairs, but has {len(own)}")
        kept = (own >= 0) & (majority >= 0)
        found = _of_judge(own, majority, votes, ratio, draws * kept)
        if orders and name in orders and orders[name].shape[1] > 1:
            found["consistency"] = _mean((orders[name] == orders[name][:, :1]).all(axis=1), draws * kept)
        rows.append(_rows(name, found, confidence, int(kept.sum()), len(np.unique(codes[kept]))))
    return pd.concat(rows, ignore_index=True)[list(COLUMNS)]


def _draw(codes: Votes, n_prompts: int, n_bootstrap: int, seed: int) -> FloatArray:
    """How often each pair is drawn, shape (1 + n_bootstrap, n_pairs): once in the first row, then prompt by prompt."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n_prompts, np.full(n_prompts, 1 / n_prompts), size=n_bootstrap)
    return np.vstack([np.ones(len(codes)), drawn[:, codes]]).astype(float)


def _of_judge(own: Votes, majority: Votes, votes: Votes, ratio: FloatArray, draws: FloatArray) -> dict[str, FloatArray]:
    """Each measure of one judge, in every draw."""
    singles = [_accuracy_and_kappa(own, votes[:, person], draws) for person in range(votes.shape[1])]
    accuracy, kappa = _accuracy_and_kappa(own, majority, draws)
    one_accuracy, one_kappa = np.mean(singles, axis=0)
    return {
        "accuracy": accuracy,
        "accuracy, decided": _mean(own == majority, draws * (majority > 0)),
        "kappa": kappa,
        "accuracy, one person": one_accuracy,
        "kappa, one person": one_kappa,
        "length": _explained(own, ratio, draws),
    }


def _between_people(votes: Votes, ratio: FloatArray, draws: FloatArray) -> dict[str, FloatArray]:
    """Each measure of people against each other, in every draw; without any but length where there is one person."""
    people = range(votes.shape[1])
    explained = np.mean([_explained(votes[:, person], ratio, draws) for person in people], axis=0)
    if len(people) < 2:
        return {"length": explained}
    each = [_accuracy_and_kappa(votes[:, one], votes[:, other], draws) for one, other in combinations(people, 2)]
    accuracy, kappa = np.mean(each, axis=0)
    return {"accuracy, one person": accuracy, "kappa, one person": kappa, "length": explained}


def _accuracy_and_kappa(one: Votes, other: Votes, draws: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Share of equal choices, and Cohen's kappa (1960), in every draw."""
    cells = draws @ (np.eye(9)[3 * one + other] * ((one >= 0) & (other >= 0))[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw may hold no pair, or equal ones
        table = cells.reshape(len(draws), 3, 3) / cells.sum(axis=1)[:, None, None]
        agreed = np.trace(table, axis1=1, axis2=2)
        by_chance = (table.sum(axis=1) * table.sum(axis=2)).sum(axis=1)
        return agreed, (agreed - by_chance) / (1 - by_chance)


def _explained(own: Votes, ratio: FloatArray, draws: FloatArray) -> FloatArray:
    """Squared correlation of verdicts (1, 0, -1) with the logarithm of the ratio of lengths, in every draw."""
    sign = np.array([0.0, 1.0, -1.0, 0.0])[own]
    weights = draws * (own >= 0)
    sums = weights @ np.column_stack([sign, ratio, sign**2, ratio**2, sign * ratio])
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw may hold no pair, or equal ones
        moments = sums / weights.sum(axis=1)[:, None]
        mean_sign, mean_ratio, square_sign, square_ratio, product = moments.T
        spread = (square_sign - mean_sign**2) * (square_ratio - mean_ratio**2)
        return (product - mean_sign * mean_ratio) ** 2 / spread


def _mean(values: NDArray[np.bool_], weights: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore"):
        return (weights @ values.astype(float)) / weights.sum(axis=1)


def _rows(judge: str, found: Mapping[str, FloatArray], confidence: float, n_pairs: int, n_prompts: int) -> pd.DataFrame:
    """A row per measure: the value on all pairs, and the percentiles of the draws."""
    tail = (1 - confidence) / 2
    rows: Sequence[dict[str, object]] = [
        {"judge": judge, "measure": name, "value": values[0], "low": low, "high": high}
        for name, values in found.items()
        for drawn in [values[1:][np.isfinite(values[1:])]]
        for low, high in [np.quantile(drawn, [tail, 1 - tail]) if len(drawn) else (np.nan, np.nan)]
    ]
    return pd.DataFrame(rows).assign(n_pairs=n_pairs, n_prompts=n_prompts)
