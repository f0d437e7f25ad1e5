"""The similarity judge: whose answer is nearer to the reference, by sentence embeddings.

It reads what a model wrote, but not whether it is right: an answer on the reference's subject is near to it. On pairs
that people voted on it agrees with them about as often as gpt-3.5-turbo does (see `validity`).
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.judge.pairs import name_verdicts, pair_answers

Embed: TypeAlias = Callable[[Sequence[str]], NDArray[np.float32]]


def judge_similarity(answers: pd.DataFrame, baseline: pd.DataFrame, *, embed: Embed, tie_margin: float) -> pd.DataFrame:
    """Whose answer has the higher cosine similarity to the reference, per model and prompt.

    Parameters: answers, columns dataset, prompt_id, answer, reference; baseline, the same of the one model that all are
    held against; embed, gives L2-normalised embeddings of a list of texts, shape (n_texts, dim), and is called once
    with every different text; tie_margin, a difference of similarities up to it is a tie.
    Returns: dataset, prompt_id, verdict (win, tie, loss), margin (difference of similarities, -2 to 2).
    Raises ValueError as `pairs.pair_answers`.
    """
    pairs = pair_answers(answers, baseline, columns=["answer"], shared=["reference"])
    columns = ["reference", "answer", "answer_baseline"]
    places, texts = pd.factorize(pd.concat([pairs[column] for column in columns], ignore_index=True))
    vectors = embed(texts.tolist())
    reference, answer, other = (vectors[part] for part in np.split(places, len(columns)))
    nearness = [np.einsum("ij,ij->i", side, reference, dtype=np.float64) for side in (answer, other)]
    margin = pd.Series(nearness[0] - nearness[1])
    return pairs[["dataset", "prompt_id"]].assign(verdict=name_verdicts(margin, tie_margin=tie_margin), margin=margin)
