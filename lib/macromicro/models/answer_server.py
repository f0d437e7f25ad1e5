"""Answers of models through vLLM's server: the same tokens go in, and the same tokens end them, as in `answer`.

The adapters of one base model share a server, and their requests a batch; any other model has a server of its own.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from macromicro.models.basemodel import follow_reference
from macromicro.models.llm import run_at_once, send
from macromicro.models.serve import ADAPTER, can_be_invariant, find_version, serve
from macromicro.models.server import Server, through_restart
from macromicro.study.compute import compute_dtype
from macromicro.study.sections import AnswerParams

BASE = "base"
"""Name of the base model at a server of its adapters."""
N_WORKERS = 64
MAX_RETRIES = 3
TIMEOUT = 3600.0
"""Requests at a time, how often each is sent again, and the seconds that a whole queue of them may wait."""


def answer_served(
    models: Mapping[str, Path],
    prompts: Mapping[str, Sequence[int]],
    *,
    base: str | Path,
    ends: Sequence[int],
    seed: int,
    settings: AnswerParams,
    log: Path,
) -> Iterator[tuple[str, list[list[int]]]]:
    """The tokens that each model writes after each prompt, one model after the other, each as soon as it is done.

    Parameters: models, the folder of each by name; prompts, the tokens of each by its id; base, the model that adapters
    were fine-tuned from; ends, tokens that end an answer (they are part of it); log, where the server's output goes.
    Raises ValueError if a prompt is refused, and as `serve.serve`.
    """
    dtype = str(compute_dtype(settings.bf16)).removeprefix("torch.")
    longest = max(map(len, prompts.values()))
    common: dict[str, Any] = {"dtype": dtype, "max_length": longest + settings.max_new_tokens, "log": log}
    adapters = {name: path for name, path in models.items() if (path / ADAPTER).is_file()}
    groups = [adapters] if adapters else []
    groups += [{name: path} for name, path in models.items() if name not in adapters]
    for group in groups:
        shared = group is adapters
        source, revision = follow_reference(base if shared else next(iter(group.values())), None)
        named = {"name": BASE, "adapters": adapters} if shared else {"name": next(iter(group))}
        with serve(source, revision=revision, invariant=can_be_invariant(), **named, **common) as server:
            yield from _answer_group(server, list(group), prompts, ends=ends, seed=seed, settings=settings)


def how_served() -> dict[str, Any]:
    """What answers of a server depend on besides the request, for a manifest."""
    return {"engine": "server", "vllm": find_version(), "batch_invariant": can_be_invariant()}


def _answer_group(
    server: Server,
    names: list[str],
    prompts: Mapping[str, Sequence[int]],
    *,
    ends: Sequence[int],
    seed: int,
    settings: AnswerParams,
) -> Iterator[tuple[str, list[list[int]]]]:
    """As `answer_served`, of the models of one server."""
    ids = list(prompts)

    def ask(places: list[int]) -> Iterator[tuple[int, list[int]]]:
        client = server.open_client(max_retries=MAX_RETRIES, timeout=TIMEOUT)

        def answer(row: int) -> list[int]:
            model, prompt = divmod(places[row], len(ids))
            tokens, name = list(prompts[ids[prompt]]), names[model]
            options = _options(ids[prompt], ends, seed, settings)
            reply = send(client, name, lambda: client.completions.create(model=name, prompt=tokens, **options))
            if reply is None:
                raise ValueError(f"vLLM's server gave no answer of {name} to prompt {ids[prompt]!r}: see its log")
            written: Any = reply.choices[0]
            return list(written.token_ids)

        return run_at_once(answer, len(places), n_workers=N_WORKERS)

    answers: dict[int, dict[int, list[int]]] = {model: {} for model in range(len(names))}
    asked = through_restart(server, ask, len(names) * len(ids))
    for place, tokens in tqdm(asked, total=len(names) * len(ids), desc="answer", unit="answer", leave=False):
        model, prompt = divmod(place, len(ids))
        answers[model][prompt] = tokens
        if len(answers[model]) == len(ids):
            done = answers.pop(model)
            yield names[model], [done[row] for row in range(len(ids))]


def _options(prompt_id: str, ends: Sequence[int], seed: int, settings: AnswerParams) -> dict[str, Any]:
    """How one answer is asked for: nothing of the model's own habits, and noise by seed and prompt."""
    options: dict[str, Any] = {"max_tokens": settings.max_new_tokens, "temperature": settings.temperature}
    if settings.temperature:
        digest = hashlib.sha256(f"{seed}|{prompt_id}".encode()).digest()
        options |= {"top_p": settings.top_p, "seed": int.from_bytes(digest[:4]) >> 1}
    # Its own end token would end an answer whatever the template says.
    ending = {"stop_token_ids": list(ends), "ignore_eos": True}
    return {**options, "extra_body": {**ending, "return_token_ids": True, "skip_special_tokens": False}}
