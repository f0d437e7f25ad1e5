"""All judges of a study on the same answers.

A judge is a function from the answers of models and of one baseline to verdicts. What a judge reads is in the tables;
what else it needs, an encoder or a language model, is opened here.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.judge.length import judge_length
from macromicro.judge.likelihood import judge_likelihood
from macromicro.judge.pairwise import Asking, judge_pairwise
from macromicro.judge.similarity import Embed, judge_similarity
from macromicro.judge.verdicts import COLUMNS
from macromicro.study.sections import EmbedParams, Judge, JudgeLlmParams, JudgeParams

Judging = Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]


def open_judges(
    kinds: Sequence[Judge],
    *,
    judge: JudgeParams,
    judge_llm: JudgeLlmParams,
    embed: EmbedParams,
    embeddings: Path | None,
    replies: Path | None,
) -> dict[str, Judging]:
    """The judges by name; nothing is loaded or asked before one is called.

    Parameters: judge, judge_llm, embed, the sections of the settings; embeddings, a folder that keeps those of one
    collection of answers, or None; replies, an SQLite file that keeps those of a language model, or None.
    """
    ties = {name: judge.tie_margin.get(name, 0.0) for name in ("similarity", "likelihood")}
    known: dict[str, Judging] = {
        "likelihood": partial(judge_likelihood, tie_margin=ties["likelihood"]),
        "similarity": partial(judge_similarity, embed=_open_encoder(embed, embeddings), tie_margin=ties["similarity"]),
        "length": judge_length,
        "llm": lambda answers, baseline: judge_pairwise(
            answers, baseline, asking=_open_asking(judge_llm, replies), max_missing=judge.max_missing
        ),
    }
    return {kind: known[kind] for kind in kinds}


def judge_answers(
    answers: pd.DataFrame, baseline: pd.DataFrame, prompts: pd.DataFrame, *, judges: Mapping[str, Judging]
) -> pd.DataFrame:
    """What every judge says on every answer, judge by judge.

    Parameters: answers, columns dataset, prompt_id and what the judges read (answer, log_likelihood, n_bytes);
    baseline, the same of the one model that all are held against; prompts, columns id, instruction, response (the
    reference); judges, as of `open_judges`.
    Returns: dataset, prompt_id, judge, order (1 or 2, at which place the model's answer was shown; missing for a judge
    to which it is all one), verdict (win, tie, loss or missing), margin (by how much the model is ahead, in the unit of
    the judge), length and length_baseline (characters of both answers).
    Raises ValueError as the judges do, and if a prompt is not among `prompts`.
    """
    given = prompts.set_index("id")[["instruction", "response"]].rename(columns={"response": "reference"})
    sides = []
    for table in (answers, baseline):
        unknown = sorted(set(table["prompt_id"]) - set(given.index))
        if unknown:
            raise ValueError(f"every answer must be to one of the {len(given)} prompts, but {unknown[0]!r} is none")
        sides.append(table.join(given, on="prompt_id"))
    model, other = (table.set_index("prompt_id")["answer"].str.len() for table in sides)
    key = ["dataset", "prompt_id"]
    lengths = sides[0][key].assign(length=model.to_numpy(), length_baseline=other.reindex(model.index).to_numpy())
    tables = []
    for name, judge in judges.items():
        found = judge(*sides).assign(judge=name)
        ordered = found if "order" in found else found.assign(order=float("nan"))
        tables.append(ordered.astype({"order": "Int64"}).merge(lengths, on=key, validate="many_to_one"))
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def _open_encoder(embed: EmbedParams, embeddings: Path | None) -> Embed:
    """What embeds texts, each once."""

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        from macromicro.annotate.embed import embed_texts

        return embed_texts(texts, cache=embeddings, **dict(embed))

    return encode


def _open_asking(judge_llm: JudgeLlmParams, replies: Path | None) -> Asking:
    """The language model of the settings, at its endpoint."""
    from macromicro.models.llm import FIRST_TOKEN, GREEDY, ask_endpoint, open_client

    client = open_client(judge_llm.base_url, max_retries=judge_llm.max_retries, timeout=judge_llm.timeout)
    model, n_workers = judge_llm.model, judge_llm.n_workers
    sampling = FIRST_TOKEN if judge_llm.reply == "token" else GREEDY
    ask = ask_endpoint(client, model=model, max_tokens=judge_llm.n_written, n_workers=n_workers, sampling=sampling)
    return Asking(
        ask=ask,
        model=f"{model}@{judge_llm.revision}" if judge_llm.revision else model,
        max_tokens=judge_llm.n_written,
        max_chars=judge_llm.max_chars,
        cache=replies,
        form=judge_llm.reply,
    )
