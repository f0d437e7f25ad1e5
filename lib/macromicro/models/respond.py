"""One model's responses to the instructions of all samples, in place of those that the corpus has.

The samples fall into shards by their ids alone, each a table of its own; every reply is kept on disk as it arrives, so
that a run that was killed pays for none twice.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from macromicro.corpus.split import places
from macromicro.models.asking import log_beside, name_model, open_asking
from macromicro.models.llm import CUT, GREEDY, Conversation
from macromicro.models.replies import Lazily, ask_cached
from macromicro.study.sections import RespondParams

REFUSAL = re.compile(
    r"\s*(I['’]m sorry|I apologi[sz]e|Sorry,|As an AI\b|I (can['’]?t|cannot|can not|won['’]t|am not able|am unable)\b"
    r"|I['’]m (not able|unable)\b)"
)
"""How a reply begins that refuses (our reading: a count for people, nothing is left out for it)."""
ENDS = ("whole", "truncated", "missing")
"""How a response ended: by itself, cut at `max_tokens`, or there was none."""


def respond_shards(
    samples: pd.DataFrame, shards: Sequence[int], *, settings: RespondParams, seed: int, cache: Path | None
) -> Iterator[tuple[int, pd.DataFrame]]:
    """The responses to the instructions of each shard, one shard after the other, each as soon as it is done.

    Parameters: samples, columns id and instruction; shards, numbers below `settings.n_shards`; seed, of sampling;
    cache, an SQLite file of replies, beside which the output of a server goes that is started here.
    Yields: the number, and a row per sample, sorted by id: id, response (missing where there is none), ended (see
    `ENDS`).
    Raises RuntimeError if more than `settings.max_missing` of a shard are missing, and as `asking.open_asking`.
    """
    sampling = dict(GREEDY)
    if settings.temperature:
        sampling = {"temperature": settings.temperature, "top_p": settings.top_p, "seed": seed}
    reach = settings.model_dump(include={"model", "revision", "base_url", "n_workers", "max_retries", "timeout"})
    ordered = samples.sort_values("id", ignore_index=True)
    numbers = np.floor(places(ordered["id"], use="respond") * settings.n_shards).astype(int)
    with open_asking(**reach, max_tokens=settings.max_tokens, sampling=sampling, log=log_beside(cache)) as ask:
        for shard in shards:
            part = ordered[numbers == shard].reset_index(drop=True)
            most = int(settings.max_missing * len(part))

            def check(n_missing: int, most: int = most, n: int = len(part)) -> None:
                _check_missing(n_missing, most, n)

            asked = ask_cached(
                ask,
                model=name_model(settings.model, settings.revision),
                max_tokens=settings.max_tokens,
                sampling=sampling if settings.temperature else None,
                cache=cache,
                conversations=Lazily(_asker(part["instruction"].tolist()), range(len(part))),
                check=check,
            )
            yield shard, _tabulate(part["id"], [reply for _, reply in sorted(asked, key=lambda pair: pair[0])])


def use_responses(
    samples: pd.DataFrame, responses: Sequence[pd.DataFrame], *, settings: RespondParams
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The samples with the responses that the study uses, and those left out with the reason in a column `reason`.

    Parameters: responses, the tables of all shards, not read where the mode is `keep`. A truncated response is left out
    unless `settings.truncated` is `keep`, one that is missing always is.
    Raises ValueError if a sample is in no shard, or none is left.
    """
    if settings.mode == "keep":
        return samples, samples.iloc[:0].assign(reason="")
    made = pd.concat(responses, ignore_index=True).set_index("id")
    if lost := sorted(set(samples["id"]) - set(made.index)):
        raise ValueError(f"every sample must be in a shard, but {lost[0]!r} is in none: run the notebook again")
    found = samples.assign(response=made["response"].reindex(samples["id"]).to_numpy())
    ended = made["ended"].reindex(samples["id"]).to_numpy()
    out = (ended == "missing") | ((ended == "truncated") & (settings.truncated == "drop"))
    if out.all():
        raise ValueError(f"no response of {len(samples)} is left: raise respond.max_tokens={settings.max_tokens}")
    return found[~out].reset_index(drop=True), found[out].assign(reason=ended[out]).reset_index(drop=True)


def count_responses(responses: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """How the responses of all shards went, a row per fact: how they ended, refusals, and words (median, quartiles)."""
    table = pd.concat(responses, ignore_index=True)
    there = table["response"].dropna()
    facts: dict[str, Any] = {name: int((table["ended"] == name).sum()) for name in ENDS}
    facts["refusals"] = int(there.str.match(REFUSAL).sum())
    words = there.str.count(r"\S+")
    quartiles = dict(zip(("a quarter below", "median", "a quarter above"), (0.25, 0.5, 0.75), strict=True))
    facts |= {f"words, {name}": round(float(words.quantile(q))) for name, q in quartiles.items() if len(words)}
    return pd.DataFrame({"responses": facts})


def _asker(instructions: list[str]) -> Any:
    def conversation(place: int) -> Conversation:
        return [{"role": "user", "content": instructions[place]}]

    return conversation


def _tabulate(ids: pd.Series, replies: list[str | None]) -> pd.DataFrame:
    ended = ["missing" if text is None else "truncated" if text.endswith(CUT) else "whole" for text in replies]
    texts = [text if text is None else text.removesuffix(CUT) for text in replies]
    return pd.DataFrame({"id": ids, "response": pd.Series(texts, dtype="str"), "ended": pd.Series(ended, dtype="str")})


def _check_missing(n_missing: int, most: int, n_asked: int) -> None:
    if n_missing > most:
        raise RuntimeError(
            f"at most {most} of {n_asked} responses of a shard may be missing (respond.max_missing), but {n_missing} "
            "requests got no reply; the others are kept, and the next run asks only for these"
        )
