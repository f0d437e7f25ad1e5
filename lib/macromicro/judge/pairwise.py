"""The judge that is a language model: it reads the instruction and both answers, and says which is better.

Every pair is asked in both orders. It replies in one of two forms: with a verdict of five grades, or with one token, of
which the probabilities are read. Answers are untrusted: they stand between lines that carry a mark which no answer can
know beforehand, and a verdict is read from the judge's own reply, its last line or its token, and from nowhere else.
"""

import json
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from macromicro.judge.pairs import name_verdicts, pair_answers
from macromicro.models.llm import Ask, Conversation
from macromicro.models.replies import Lazily, ask_cached
from macromicro.study.sections import ReplyForm

GRADES = {"A>>B": 1.0, "A>B": 0.5, "A=B": 0.0, "B>A": -0.5, "B>>A": -1.0}
"""How far answer A is ahead by each verdict."""
ORDERS = (1, 2)
"""At which place the model's answer is shown; it is answer A where it is first."""
CUT_MARK = "\n[the rest is left out]"
LEAST_READ = 0.5
"""A token is read where it is A or B with at least this probability."""


class Asking(NamedTuple):
    """How the judge is asked: `ask` (see `models.llm`), name of the model with its revision, and limits.

    A reply is cut after `max_tokens`; instruction and answers are cut after `max_chars` each. `cache` is an SQLite file
    of replies, or None. `form` is that of a reply: `verdict`, or `token` where it is asked for `llm.FIRST_TOKEN`.
    """

    ask: Ask
    model: str
    max_tokens: int
    max_chars: int
    cache: Path | None
    form: ReplyForm = "verdict"


def judge_pairwise(
    answers: pd.DataFrame, baseline: pd.DataFrame, *, asking: Asking, max_missing: float
) -> pd.DataFrame:
    """What a language model says on each pair in either order, a row per model, prompt and order.

    Parameters: answers, columns dataset, prompt_id, instruction, answer; baseline, the same of the one model that all
    are held against; max_missing, the largest share of verdicts that may be missing.
    Returns: dataset, prompt_id, order (1 or 2, at which place the model's answer was shown), verdict (win, tie,
    loss; missing where there was no reply, or none that can be read when asked twice), margin (1 clearly better, 0.5
    slightly, 0 equal, negative where the baseline is; of a token, by how much its probability is larger; missing
    likewise).
    Raises ValueError as `pairs.pair_answers`, and if more than `max_missing` are missing.
    """
    pairs = pair_answers(answers, baseline, columns=["answer"], shared=["instruction"])
    texts = pairs[["instruction", "answer", "answer_baseline"]].to_numpy(object)
    conversations = Lazily(lambda place: _first_message(texts, place, asking), range(2 * len(texts)))
    grades = _grade(conversations, asking, most_missing=int(max_missing * len(conversations)))
    model_first = np.arange(len(grades)) % 2 == 0
    margin = pd.Series(np.where(model_first, grades, -grades))
    rows = pairs.loc[np.repeat(pairs.index, 2), ["dataset", "prompt_id"]].reset_index(drop=True)
    verdict = pd.Series(name_verdicts(margin)).where(margin.notna(), None)
    return rows.assign(order=np.where(model_first, *ORDERS), verdict=verdict, margin=margin + 0.0)


def read_verdict(reply: str) -> float:
    r"""How far answer A is ahead by the last line of a reply; missing if that is not a verdict and nothing else.

    >>> read_verdict("Answer A is wrong.\n\nB>>A\n"), read_verdict("The verdict is A>B")
    (-1.0, nan)
    """
    lines = reply.rstrip().splitlines()
    return GRADES.get(lines[-1].strip(), np.nan) if lines else np.nan


def read_token(reply: str) -> float:
    """How far answer A is ahead by the probabilities of a token, -1 to 1; missing if fewer than half say A or B.

    >>> read_token('{"A": 0.75, " B": 0.25}'), read_token('{"A": 0.4, "Both": 0.6}')
    (0.5, nan)
    """
    shares = {"A": 0.0, "B": 0.0}
    for token, share in json.loads(reply).items():
        if token.strip() in shares:
            shares[token.strip()] += share
    both = sum(shares.values())
    return (shares["A"] - shares["B"]) / both if both >= LEAST_READ else np.nan


@cache
def read_prompt(name: str) -> str:
    """A text that the judge is sent, by the name of its file in `judge/prompts`."""
    return resources.files("macromicro.judge").joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8")


def _grade(conversations: Lazily, asking: Asking, *, most_missing: int) -> np.ndarray:
    """How far A is ahead in every conversation, those asked again whose reply is no verdict; missing where it failed.

    Raises ValueError as soon as more than `most_missing` have no verdict.
    """
    read = READERS[asking.form]
    grades = np.full(len(conversations), np.nan)
    unread: dict[int, str] = {}
    n_failed = 0
    for place, reply in _ask(conversations, asking):
        grades[place] = np.nan if reply is None else read(reply)
        n_failed += reply is None
        _check_missing(n_failed, 0, len(grades), most_missing)
        if reply is not None and np.isnan(grades[place]):
            unread[place] = reply
    n_unread, places = 0, list(unread)
    again = Lazily(lambda place: _ask_again(conversations[place], unread[place], asking.form), places)
    for row, reply in _ask(again, asking):
        grades[places[row]] = np.nan if reply is None else read(reply)
        n_failed += reply is None
        n_unread += reply is not None and bool(np.isnan(grades[places[row]]))
        _check_missing(n_failed, n_unread, len(grades), most_missing)
    return grades


def _ask(conversations: Lazily, asking: Asking) -> Iterator[tuple[int, str | None]]:
    return ask_cached(
        asking.ask,
        model=asking.model,
        max_tokens=asking.max_tokens,
        cache=asking.cache,
        conversations=conversations,
    )


def _check_missing(n_failed: int, n_unread: int, n_asked: int, most: int) -> None:
    """Raise ValueError if there are more missing verdicts than may be."""
    if n_failed + n_unread > most:
        raise ValueError(
            f"at most {most} of {n_asked} verdicts of the language model may be missing (judge.max_missing), but "
            f"{n_failed} requests got no reply and {n_unread} replies were no verdict, asked twice; replies are kept, "
            "and the next run asks only for the others"
        )


def _first_message(texts: np.ndarray, place: int, asking: Asking) -> Conversation:
    """The conversation on pair `place // 2`, the model's answer first where `place` is even.

    Parameters: texts, instruction, answer of the model and of the baseline, shape (n_pairs, 3).
    """
    instruction, *sides = [_cut(text, asking.max_chars) for text in texts[place // 2]]
    answer_a, answer_b = sides if place % 2 == 0 else sides[::-1]
    mark = sha256("\0".join([instruction, answer_a, answer_b]).encode()).hexdigest()[:16]
    shown = read_prompt("pairwise").format(mark=mark, instruction=instruction, answer_a=answer_a, answer_b=answer_b)
    return [{"role": "user", "content": shown + read_prompt(asking.form)}]


def _ask_again(talk: Conversation, reply: str, form: ReplyForm) -> Conversation:
    """The conversation that asks for the verdict once more; of a token the likeliest is what the judge said."""
    shares = json.loads(reply) if form == "token" else {}
    said = max(shares, key=shares.__getitem__) if shares else reply
    return [*talk, {"role": "assistant", "content": said}, {"role": "user", "content": read_prompt(f"{form}_again")}]


def _cut(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else text[:max_chars] + CUT_MARK


READERS: dict[ReplyForm, Callable[[str], float]] = {"verdict": read_verdict, "token": read_token}
