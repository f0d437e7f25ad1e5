"""The likelihood judge: which of two models finds the reference response more likely.

It needs no judge model and never reads an answer: a stand-in for the paper's judge, a language model that reads both.
"""

import numpy as np
import pandas as pd

from macromicro.judge.pairs import name_verdicts, pair_answers


def judge_likelihood(answers: pd.DataFrame, baseline: pd.DataFrame, *, tie_margin: float) -> pd.DataFrame:
    """Which of two models finds the reference more likely, per model and prompt.

    Parameters: answers, columns dataset, prompt_id, log_likelihood (nats), n_bytes; baseline, the same of the one model
    that all are held against. tie_margin, a difference up to it (bits per byte) is a tie.
    Returns: dataset, prompt_id, verdict (win, tie, loss), margin (bits per byte, positive where the model wins).
    Raises ValueError if baseline is several models, a model has not the same prompts, or a likelihood is missing.
    """
    pairs = pair_answers(answers, baseline, columns=["log_likelihood"], shared=["n_bytes"])
    for column in ("log_likelihood", "log_likelihood_baseline"):
        wrong = ~np.isfinite(pairs[column]) | ~(pairs["n_bytes"] > 0)
        if wrong.any():
            row = pairs[wrong].iloc[0]
            raise ValueError(
                f"a likelihood must be finite and n_bytes above 0, but {column} of {row['dataset']} on prompt "
                f"{row['prompt_id']} is {row[column]} of {row['n_bytes']} bytes"
            )
    margin = (pairs["log_likelihood"] - pairs["log_likelihood_baseline"]) / pairs["n_bytes"] / np.log(2)
    verdict = name_verdicts(margin, tie_margin=tie_margin)
    return pairs[["dataset", "prompt_id"]].assign(verdict=verdict, margin=margin)
