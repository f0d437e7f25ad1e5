"""Score a model against the baseline: 50 = equal.

A judge turns answers into verdicts, one per model and prompt; `score_verdicts` turns verdicts into scores whatever the
judge. The likelihood judge here needs no judge model: it asks which of two models finds the reference response more
likely. It is a stand-in for the paper's judge, a language model that reads both answers.
"""

import numpy as np
import pandas as pd

POINTS = {"win": 1.0, "tie": 0.5, "loss": 0.0}
"""What a verdict counts for; a score is 100 times their mean."""

ANSWER_COLUMNS = ("dataset", "prompt_id", "log_likelihood", "n_bytes")


def judge_likelihood(answers: pd.DataFrame, baseline: pd.DataFrame, *, tie_margin: float) -> pd.DataFrame:
    """Which of two models finds the reference more likely, per model and prompt.

    Parameters: answers and baseline, columns dataset, prompt_id, log_likelihood (nats), n_bytes; each model is held
    against the baseline model of the same seed. tie_margin, a difference up to it (nats per byte) is a tie.
    Returns: dataset, prompt_id, verdict (win, tie, loss), margin (nats per byte, positive where the model wins).
    Raises ValueError if a model has no baseline or not the same prompts, or a likelihood is missing.
    """
    for name, table in {"answers": answers, "baseline": baseline}.items():
        _check_answers(table, name)
    matched = answers.assign(baseline=answers["dataset"].map(_match_baselines(answers, baseline)))
    pairs = matched.merge(
        baseline[list(ANSWER_COLUMNS)],
        left_on=["baseline", "prompt_id"],
        right_on=["dataset", "prompt_id"],
        suffixes=("", "_baseline"),
        how="inner",
        validate="many_to_one",
    ).sort_values(["dataset", "prompt_id"], ignore_index=True)
    _check_pairs(answers, baseline, pairs)
    margin = (pairs["log_likelihood"] - pairs["log_likelihood_baseline"]) / pairs["n_bytes"]
    verdict = np.select([margin > tie_margin, margin < -tie_margin], ["win", "loss"], default="tie")
    return pairs[["dataset", "prompt_id"]].assign(verdict=verdict, margin=margin)


def score_verdicts(verdicts: pd.DataFrame, *, n_bootstrap: int, confidence: float, seed: int) -> pd.DataFrame:
    """The score of each model with its interval, sorted by dataset.

    Parameters: verdicts, columns dataset, prompt_id, verdict, margin; every model needs a verdict on every prompt.
    The interval is the percentile bootstrap over *prompts*, the same draws for all models. confidence, such as 0.95.
    Returns: dataset, score (0 to 100), low, high, n_wins, n_ties, n_losses, margin (mean over prompts, nats per byte).
    Raises ValueError if a verdict is unknown, repeats or is missing.
    """
    points = _points(verdicts)
    n_prompts = len(points)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(n_prompts, np.full(n_prompts, 1 / n_prompts), size=n_bootstrap)
    means = 100 * (draws @ points.to_numpy()) / n_prompts
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    counts = pd.crosstab(verdicts["dataset"], verdicts["verdict"]).reindex(columns=list(POINTS), fill_value=0)
    scores = pd.DataFrame({"score": 100 * points.mean(), "low": low, "high": high})
    scores[["n_wins", "n_ties", "n_losses"]] = counts
    scores["margin"] = verdicts.groupby("dataset")["margin"].mean()
    return scores.rename_axis(index="dataset").reset_index()


def _points(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Points of every verdict, shape (n_prompts, n_datasets). Raises ValueError as `score_verdicts` says."""
    unknown = sorted(set(verdicts["verdict"].astype(str)) - set(POINTS))
    if unknown or verdicts.empty:
        raise ValueError(f"every verdict must be one of {', '.join(POINTS)}; found {unknown or 'no verdicts'}")
    if verdicts.duplicated(["dataset", "prompt_id"]).any():
        raise ValueError("there must be one verdict per dataset and prompt, but some repeat")
    points = verdicts.assign(points=verdicts["verdict"].map(POINTS)).pivot_table(
        index="prompt_id", columns="dataset", values="points"
    )
    missing = np.argwhere(points.isna().to_numpy())
    if len(missing):
        prompt, name = points.index[missing[0, 0]], points.columns[missing[0, 1]]
        raise ValueError(f"every dataset needs a verdict on every prompt, but {name} has none on {prompt}")
    return points


def _match_baselines(answers: pd.DataFrame, baseline: pd.DataFrame) -> dict[str, str]:
    """The baseline model of each model: the one whose name ends in the same seed, such as `-s0`."""
    by_seed = {name.rsplit("-", 1)[-1]: name for name in baseline["dataset"].unique()}
    if len(by_seed) < baseline["dataset"].nunique():
        raise ValueError(f"there must be one baseline model per seed, but there are {sorted(baseline['dataset'])}")
    matches = {name: by_seed.get(name.rsplit("-", 1)[-1], "") for name in answers["dataset"].unique()}
    alone = sorted(name for name, match in matches.items() if not match)
    if alone:
        raise ValueError(f"{alone[0]} needs a baseline model of its seed; there are {', '.join(by_seed.values())}")
    return matches


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
