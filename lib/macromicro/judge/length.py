"""The length judge: the longer answer wins.

It is the control beside every other judge. People agree with it in three of five pairs, so that a result which it
shows as well is a result about length.
"""

import pandas as pd

from macromicro.judge.pairs import name_verdicts, pair_answers


def judge_length(answers: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Whose answer is longer, per model and prompt; equally many characters are a tie.

    Parameters: answers, columns dataset, prompt_id, answer; baseline, the same of the one model that all are held
    against. Returns: dataset, prompt_id, verdict (win, tie, loss), margin (characters that the model's answer has
    more). Raises ValueError as `pairs.pair_answers`.
    """
    pairs = pair_answers(answers, baseline, columns=["answer"])
    margin = (pairs["answer"].str.len() - pairs["answer_baseline"].str.len()).astype(float)
    return pairs[["dataset", "prompt_id"]].assign(verdict=name_verdicts(margin), margin=margin)
