"""What every judge compares: the answers of models, each beside that of the one baseline to the same prompt."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def pair_answers(
    answers: pd.DataFrame, baseline: pd.DataFrame, *, columns: Sequence[str], shared: Sequence[str] = ()
) -> pd.DataFrame:
    """A row per model and prompt with what the model and the baseline have there, sorted by dataset and prompt.

    Parameters: answers, columns dataset, prompt_id, `columns` and `shared`; baseline, the same of the one model that
    all are held against. shared, columns that belong to the prompt, and in which both must agree.
    Returns: dataset, prompt_id, `columns`, the same with `_baseline` appended, `shared`.
    Raises ValueError if a table lacks rows, columns or values or repeats a prompt, baseline is several models, or a
    model has not the same prompts.
    """
    for name, table in {"answers": answers, "baseline": baseline}.items():
        _check_table(table, name, ("dataset", "prompt_id", *columns, *shared))
    against = sorted(baseline["dataset"].unique())
    if len(against) > 1:
        raise ValueError(f"baseline must be the answers of one model, but it holds {', '.join(against)}")
    _check_prompts(answers, baseline)
    pairs = answers[["dataset", "prompt_id", *columns, *shared]].merge(
        baseline[["prompt_id", *columns, *shared]],
        on="prompt_id",
        suffixes=("", "_baseline"),
        validate="many_to_one",
    )
    for name in shared:
        other = pairs[pairs[name] != pairs[f"{name}_baseline"]]
        if len(other):
            prompt = other["prompt_id"].iloc[0]
            raise ValueError(f"model and baseline must share {name}, but differ in it for prompt {prompt}")
    pairs = pairs.drop(columns=[f"{name}_baseline" for name in shared])
    return pairs.sort_values(["dataset", "prompt_id"], ignore_index=True)


def name_verdicts(margin: pd.Series, *, tie_margin: float = 0.0) -> NDArray[np.object_]:
    """win, tie or loss by how far each model is ahead; a lead of up to `tie_margin` on either side is a tie.

    >>> name_verdicts(pd.Series([0.3, -0.1, -0.2]), tie_margin=0.1).tolist()
    ['win', 'tie', 'loss']
    """
    verdicts = np.select([margin > tie_margin, margin < -tie_margin], ["win", "loss"], default="tie")
    return verdicts.astype(object)


def _check_table(table: pd.DataFrame, name: str, columns: Sequence[str]) -> None:
    """Raise ValueError if `table` lacks rows, columns or values, or repeats a prompt."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(f"{name} need the columns {', '.join(columns)}; missing: {', '.join(missing)}")
    if table.empty:
        raise ValueError(f"{name} must not be empty")
    for column in columns:
        if table[column].isna().any():
            row = table[table[column].isna()].iloc[0]
            raise ValueError(f"{name} must have a value of {column} in every row, but {row['dataset']} on prompt "
                             f"{row['prompt_id']} has {row[column]}")  # fmt: skip
    repeats = table.duplicated(["dataset", "prompt_id"])
    if repeats.any():
        row = table[repeats].iloc[0]
        raise ValueError(
            f"{name} must hold a prompt once per dataset, but {row['dataset']} has {row['prompt_id']} twice"
        )


def _check_prompts(answers: pd.DataFrame, baseline: pd.DataFrame) -> None:
    """Raise ValueError if a model and its baseline did not answer the same prompts."""
    prompts = set(baseline["prompt_id"])
    for name, ids in answers.groupby("dataset")["prompt_id"]:
        different = sorted(prompts.symmetric_difference(ids))
        if different:
            raise ValueError(
                f"every model must be judged on the same prompts, but {name} and the baseline differ in "
                f"{len(different)}, such as {different[0]}"
            )
