"""A blind sample of a study's answers that people vote on, and what they and the judges say of it.

People are numbers. Of a file of votes nothing but the columns pair and vote is read, and no table and no message holds
its name. A pair is known by the hash of what is shown, so that a vote on answers that have changed counts for none.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from macromicro.judge.validity import FloatArray, Votes
from macromicro.judge.verdicts import POINTS
from macromicro.study.files import write_aside
from macromicro.study.settings import Dataset, Study

COORDINATES = ["strategy", "level", "size", "seed", "dataset", "prompt_id"]
BLIND = ["pair", "instruction", "output_1", "output_2"]
"""What a person sees of a pair."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins with one of these for a formula, and runs it."""


def draw_pairs(verdicts: pd.DataFrame, *, n_pairs: int, seed: int) -> pd.DataFrame:
    """Pairs of answers to be voted on, spread over strategies and levels, in random order and order of showing.

    They come in rounds of one pair of every strategy and level, so that who stops early has voted on all of them alike;
    of more pairs the first are those of fewer.
    Parameters: verdicts of one judge on all models, with the `COORDINATES`.
    Returns: these, and order (1 or 2, at which place the answer of the model is shown).
    Raises ValueError if there are not so many verdicts.
    """
    if not 0 < n_pairs <= len(verdicts):
        raise ValueError(f"n_pairs={n_pairs} must be at least 1 and at most the {len(verdicts)} verdicts of the study")
    rng = np.random.default_rng(seed)
    pairs = verdicts[COORDINATES].sort_values(COORDINATES, ignore_index=True)
    pairs = pairs.assign(order=rng.integers(1, 3, len(pairs))).iloc[rng.permutation(len(pairs))]
    rounds = pairs.groupby(["strategy", "level"], dropna=False).cumcount()
    return pairs.loc[rounds.sort_values(kind="stable").index[:n_pairs]].reset_index(drop=True)


def add_texts(drawn: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The drawn pairs with what a person sees of each, the columns `BLIND`."""
    strategies = [study.strategy(name) for name in drawn["strategy"]]
    against = pd.DataFrame(
        {
            "strategy": [one.baseline for one in strategies],
            "dataset": [
                Dataset(one.baseline, one.baseline_size, None, seed).name
                for one, seed in zip(strategies, drawn["seed"], strict=True)
            ],
            "prompt_id": drawn["prompt_id"],
        }
    )
    model, baseline = (_find_answers(sides, study) for sides in (drawn, against))
    first = (drawn["order"] == 1).to_numpy()
    instructions = pd.read_parquet(study.out.prompts).set_index("id")["instruction"]
    shown = drawn.assign(
        instruction=instructions[drawn["prompt_id"]].to_numpy(),
        output_1=np.where(first, model, baseline),
        output_2=np.where(first, baseline, model),
    )
    texts = shown[BLIND[1:]].itertuples(index=False)
    return shown.assign(pair=[sha256("\0".join(each).encode()).hexdigest()[:12] for each in texts])


def _find_answers(sides: pd.DataFrame, study: Study) -> np.ndarray:
    """The answer at each strategy, dataset and prompt_id."""
    key = ["strategy", "dataset", "prompt_id"]
    tables = [
        pd.read_parquet(study.out.answers(strategy, dataset), columns=["prompt_id", "answer"]).assign(
            strategy=strategy, dataset=dataset
        )
        for strategy, dataset in sides[key[:2]].drop_duplicates().itertuples(index=False)
    ]
    found = sides[key].merge(pd.concat(tables), on=key, how="left", validate="many_to_one")
    if found["answer"].isna().any():
        lost = found[found["answer"].isna()].iloc[0]
        raise ValueError(f"{lost['dataset']} of {lost['strategy']} has no answer to prompt {lost['prompt_id']!r}")
    return found["answer"].to_numpy(object)


def save_sheet(pairs: pd.DataFrame, path: str | Path) -> None:
    """Write a sheet to fill in (CSV): what is to be seen of every pair, and an empty column vote for 1, 2 or 0.

    A text that a spreadsheet would run gets an apostrophe before it.
    """
    sheet = pairs[BLIND].drop_duplicates("pair")
    for name in BLIND[1:]:
        sheet[name] = sheet[name].where(~sheet[name].str.startswith(FORMULA), "'" + sheet[name])
    with write_aside(path) as aside:
        sheet.assign(vote="").to_csv(aside, index=False)


def read_votes(files: Sequence[str | Path], pairs: pd.DataFrame) -> Votes:
    """What each person said of each pair, shape (n_pairs, n_people): 1, 2, 0, and -1 where they did not vote.

    Parameters: files, CSV, one per person, columns pair and vote (1 or 2 is better, 0 they are equal, or empty).
    Raises ValueError, by the number of the file and the row, if a vote is none, is on no pair or twice on one, or if
    nobody voted.
    """
    votes = np.column_stack([np.full(len(pairs), -1), *(_read_person(n, files, pairs) for n in range(len(files)))])
    if (votes < 0).all():
        raise ValueError("nobody has voted yet: vote in the notebook, or fill in the column vote of the sheet")
    return votes[:, 1:]


def _read_person(number: int, files: Sequence[str | Path], pairs: pd.DataFrame) -> Votes:
    """The votes of one file."""
    where = f"file {number + 1} of {len(files)} with votes"
    table = pd.read_csv(files[number], dtype=str, keep_default_na=False)
    if not {"pair", "vote"} <= set(table):
        raise ValueError(f"{where}: must have the columns pair and vote")
    vote = table["vote"].str.strip().replace({"1.0": "1", "2.0": "2", "0.0": "0"})  # as a spreadsheet may write them
    unknown = ~table["pair"].isin(pairs["pair"]) & (vote != "")
    rules = {
        "a vote must be 1 or 2 (the better answer), 0 (equal) or empty": ~vote.isin(["0", "1", "2", ""]),
        "a vote must be on a pair of this sample as it is now": unknown,
        "a pair must stand once": table.duplicated("pair"),
    }
    for rule, broken in rules.items():
        if broken.any():
            row = int(np.flatnonzero(broken)[0])
            raise ValueError(f"{where}: {rule}, but row {row + 1} has pair {table['pair'][row]!r}, vote {vote[row]!r}")
    said = vote.replace("", "-1").astype(int).set_axis(table["pair"])
    return np.asarray(said.reindex(pairs["pair"], fill_value=-1), dtype=np.int64)


def count_points(votes: Votes, order: pd.Series) -> FloatArray:
    """Points of the model by people's votes on each pair, their mean; missing where nobody voted.

    Parameters: votes, as of `read_votes`; order, at which place the model's answer was shown.
    """
    won = np.where(votes == 0, POINTS["tie"], (votes == order.to_numpy()[:, None]).astype(float))
    counted = (votes >= 0).sum(axis=1)
    total = np.where(votes >= 0, won, 0.0).sum(axis=1)
    return np.divide(total, counted, out=np.full(len(votes), np.nan), where=counted > 0)


def read_judges(verdicts: Mapping[str, pd.DataFrame], pairs: pd.DataFrame) -> dict[str, Votes]:
    """What each judge says of each pair as it was shown: 1, 2, 0, and -1 where it gave no verdict.

    Parameters: verdicts of each judge, with the `COORDINATES` and points (1, 0.5, 0 or missing).
    """
    said = {}
    for judge, table in verdicts.items():
        key = ["strategy", "dataset", "prompt_id"]
        points = pairs[key].merge(table[[*key, "points"]], on=key, how="left", validate="many_to_one")["points"]
        better = np.where(points == POINTS["win"], pairs["order"], 3 - pairs["order"])
        said[judge] = np.where(points.isna(), -1, np.where(points == POINTS["tie"], 0, better)).astype(np.int64)
    return said
