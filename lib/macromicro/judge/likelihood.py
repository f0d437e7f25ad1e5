"""The likelihood judge: which of two models finds the reference response more likely.

It needs no judge model and never reads an answer: a stand-in for the paper's judge, a language model that reads both.
"""

import numpy as np
import pandas as pd

ANSWER_COLUMNS = ("dataset", "prompt_id", "log_likelihood", "n_bytes")


def judge_likelihood(answers: pd.DataFrame, baseline: pd.DataFrame, *, tie_margin: float) -> pd.DataFrame:
    """Which of two models finds the reference more likely, per model and prompt.

    Parameters: answers, columns dataset, prompt_id, log_likelihood (nats), n_bytes; baseline, the same of the one model
    that all are held against. tie_margin, a difference up to it (bits per byte) is a tie.
    Returns: dataset, prompt_id, verdict (win, tie, loss), margin (bits per byte, positive where the model wins).
    Raises ValueError if baseline is several models, a model has not the same prompts, or a likelihood is missing.
    """
    for name, table in {"answers": answers, "baseline": baseline}.items():
        _check_answers(table, name)
    against = sorted(baseline["dataset"].unique())
    if len(against) > 1:
        raise ValueError(f"baseline must be the answers of one model, but it holds {', '.join(against)}")
    pairs = answers.merge(
        baseline[["prompt_id", "log_likelihood", "n_bytes"]],
        on="prompt_id",
        suffixes=("", "_baseline"),
        how="inner",
        validate="many_to_one",
    ).sort_values(["dataset", "prompt_id"], ignore_index=True)
    _check_pairs(answers, baseline, pairs)
    margin = (pairs["log_likelihood"] - pairs["log_likelihood_baseline"]) / pairs["n_bytes"] / np.log(2)
    verdict = np.select([margin > tie_margin, margin < -tie_margin], ["win", "loss"], default="tie")
    return pairs[["dataset", "prompt_id"]].assign(verdict=verdict, margin=margin)


def _check_answers(table: pd.DataFrame, name: str) -> None:
    """Raise ValueError if `table` lacks rows, columns or likelihoods, or repeats a prompt."""
    missing = [column for column in ANSWER_COLUMNS if column not in table.columns]
    if missing:
        raise ValueError(f"{name} need the columns {', '.join(ANSWER_COLUMNS)}; missing: {', '.join(missing)}")
    if table.empty:
        raise ValueError(f"{name} must not be empty")
    wrong = ~np.isfinite(table["log_likelihood"]) | ~(table["n_bytes"] > 0)
    if wrong.any():
        row = table[wrong].iloc[0]
        raise ValueError(
            f"{name} need a finite log_likelihood and n_bytes above 0, but {row['dataset']} on prompt "
            f"{row['prompt_id']} has {row['log_likelihood']} and {row['n_bytes']}"
        )
    repeats = table.duplicated(["dataset", "prompt_id"])
    if repeats.any():
        row = table[repeats].iloc[0]
        raise ValueError(
            f"{name} must hold a prompt once per dataset, but {row['dataset']} has {row['prompt_id']} twice"
        )


def _check_pairs(answers: pd.DataFrame, baseline: pd.DataFrame, pairs: pd.DataFrame) -> None:
    """Raise ValueError if a model and its baseline did not answer the same prompts with the same references."""
    prompts = set(baseline["prompt_id"])
    for table in (answers, baseline):
        for name, ids in table.groupby("dataset")["prompt_id"]:
            different = sorted(prompts.symmetric_difference(ids))
            if different:
                raise ValueError(
                    f"every model must be judged on the same prompts, but {name} and the baseline differ in "
                    f"{len(different)}, such as {different[0]}"
                )
    other = pairs[pairs["n_bytes"] != pairs["n_bytes_baseline"]]
    if len(other):
        raise ValueError(f"model and baseline saw different references for prompt {other['prompt_id'].iloc[0]}")
