"""What models answer to prompts, and how that is asked.

An answer does not depend on which prompts share a batch, as far as floating point allows: padding is masked, and
sampled answers draw their noise from a generator per prompt.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm
from transformers import GenerationConfig, LogitsProcessorList

from macromicro.corpus.batches import token_batches
from macromicro.models.answer_server import answer_served, how_served
from macromicro.models.basemodel import context_length, load_tokenizer
from macromicro.models.chat import (
    SAMPLE_COLUMNS,
    decode_answers,
    encode_prompts,
    encode_samples,
    end_tokens,
    sort_samples,
)
from macromicro.models.drawing import draw_tokens
from macromicro.models.group_attention import attending_by_group
from macromicro.models.padding import pad_rows
from macromicro.models.reference_likelihood import reference_log_likelihood
from macromicro.models.tuned import load_models
from macromicro.study.compute import compute_dtype, reproducible
from macromicro.study.sections import AnswerParams, Template


def fitting_prompts(
    prompts: pd.DataFrame, *, base: str | Path, max_new_tokens: int, template: Template = "alpaca"
) -> pd.DataFrame:
    """The prompts that fit the context of the base model, both with their reference and with an answer.

    Beyond its context a model was never trained, and its likelihoods say nothing.
    Raises ValueError if no prompt fits.
    """
    encoded = encode_samples(prompts, load_tokenizer(base, template=template))
    room = context_length(base)
    fits = (encoded.lengths <= room) & (encoded.prompt_lengths + max_new_tokens <= room)
    if not fits.any():
        raise ValueError(f"no prompt fits the {room} tokens of the base model with {max_new_tokens=}")
    return prompts[fits]


def say_fit(n_used: int, n_fit: int, *, max_unfit: float) -> str:
    """A sentence on how many of the prompts that are used fit the base model and are answered.

    Raises ValueError if a larger share than `max_unfit` does not.

    >>> say_fit(200, 194, max_unfit=0.05)
    '200 prompts used, 194 of them answered; 6 (3.0%) do not fit the context of the base model with an answer'
    """
    n = n_used - n_fit
    if n > max_unfit * n_used:
        raise ValueError(
            f"{n} of {n_used} prompts do not fit the context of the base model, more than "
            f"answer.max_unfit={max_unfit:g} allows: lower answer.max_new_tokens, leave "
            "long prompts out (corpus.max_chars) or raise it"
        )
    missing = f"; {n:,} ({n / n_used:.1%}) do not fit the context of the base model with an answer" if n else ""
    return f"{n_used:,} prompts used, {n_fit:,} of them answered{missing}"


def answer_models(
    models: Mapping[str, Path],
    prompts: pd.DataFrame,
    *,
    base: str | Path,
    seed: int,
    settings: AnswerParams,
    template: Template = "alpaca",
    likelihood: bool = True,
    log: Path = Path("server.txt"),
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The answers of several models to the same prompts, one model after the other, each as soon as it is done.

    The memory that it takes is that of the weights, loaded in the type of `bf16`, and of keys and values, which are
    2 x layers x key heads x their size x bytes of a number for each token of a batch. For Llama-2-7B in bfloat16 that
    is 12.6 GiB and 2 x 32 x 32 x 128 x 2 bytes = 0.5 MiB a token, so that `batch_tokens` of 65,536 (16 prompts of 3,000
    tokens with 1,024 new ones each) takes 32 GiB. Of a prompt only the last token is scored over the vocabulary.

    Parameters: models, the folder of each by name of its dataset; base, the model that they were fine-tuned from, which
    adapters share, unquantised also after `qlora`; prompts, columns id, instruction, response; template as in
    `load_tokenizer`; likelihood, whether a judge asks for that of the references, which a server does not give; log,
    where the output of a server goes.
    Yields: the name, and a row per prompt, sorted by its id: dataset, prompt_id, answer, n_answer_tokens and, with
    likelihood, log_likelihood (of the reference, nats), n_bytes.
    """
    tokenizer = load_tokenizer(base, template=template)
    if settings.engine == "server":
        asked: dict[str, Any] = {"base": base, "seed": seed, "settings": settings, "log": log}
        for name, table in _answer_by_server(models, tokenizer, prompts, **asked):
            yield name, table.assign(dataset=name)[["dataset", *table.columns]]
        return
    loaded = load_models(models.values(), base, dtype=compute_dtype(settings.bf16))
    for name, model in zip(tqdm(models, desc="models", unit="model"), loaded, strict=True):
        table = answer_prompts(model, tokenizer, prompts, seed=seed, settings=settings)
        if likelihood:
            found = reference_log_likelihood(model, tokenizer, prompts, batch_tokens=settings.batch_tokens)
            table = table.merge(found, on="prompt_id", validate="one_to_one")
        yield name, table.assign(dataset=name)[["dataset", *table.columns]]


def how_answered(base: str | Path, settings: AnswerParams, template: Template = "alpaca") -> dict[str, Any]:
    """All that decides how models answer, for a manifest: what generation is asked for, and the type of the weights."""
    asked = _generation(load_tokenizer(base, template=template), settings).to_diff_dict()
    asked.pop("transformers_version", None)
    dtype = str(compute_dtype(settings.bf16)).removeprefix("torch.")
    served = how_served() if settings.engine == "server" else {}
    return {**asked, "temperature": settings.temperature, "top_p": settings.top_p, "dtype": dtype, **served}


def answer_prompts(
    model: Any, tokenizer: Any, prompts: pd.DataFrame, *, seed: int, settings: AnswerParams
) -> pd.DataFrame:
    """The model's answer to every prompt: prompt_id, answer, n_answer_tokens (end token included), sorted by id.

    At temperature 0 an answer is the likeliest token each time; above it, tokens are drawn from the smallest set that
    holds a share `top_p` of the probability, with the same noise for the same seed and prompt. How a checkpoint itself
    wants to answer (penalties, beams, sampling in its `generation_config`) does not count. An answer is all that the
    model wrote up to the first of `chat.end_tokens`.
    Parameters: prompts, columns id and instruction.
    """
    prompts = sort_samples(prompts, SAMPLE_COLUMNS[:2])
    tokens, wanted = encode_prompts(prompts, tokenizer), _generation(tokenizer, settings)
    lengths = np.array([len(row) for row in tokens], dtype=np.int64)
    batches = list(token_batches(lengths, settings.batch_tokens, n_new=settings.max_new_tokens))
    answers: dict[int, list[int]] = {}
    with reproducible(seed), torch.inference_mode(), _without_habits(model), attending_by_group(model):
        for rows in tqdm(batches, desc="answer", unit="batch", leave=False):
            names = [str(prompts["id"].iloc[row]) for row in rows]
            sampler = draw_tokens(names, seed, settings)
            new = _continue(model, [tokens[row] for row in rows], sampler, wanted)
            answers.update(zip(rows, new, strict=True))
    return _tabulate([answers[row] for row in range(len(tokens))], prompts, tokenizer)


def answers_side_by_side(answers: pd.DataFrame, prompts: pd.DataFrame, *, n_prompts: int, width: int) -> pd.DataFrame:
    """The first prompts with the reference and the answers of a few models, each text cut to `width` characters.

    Parameters: answers, columns dataset, prompt_id, answer; prompts, columns id, instruction, response. Of many models
    the first, the middle and the last by name are shown.
    Returns: one row per prompt: instruction, reference, one column per model shown.
    """
    names = sorted(answers["dataset"].unique())
    names = list(dict.fromkeys([names[0], names[len(names) // 2], names[-1]]))
    first = prompts.sort_values("id").head(n_prompts).set_index("id")
    columns = {"instruction": first["instruction"], "reference": first["response"]}
    for name in names:
        columns[name] = answers[answers["dataset"] == name].set_index("prompt_id")["answer"]
    table = pd.DataFrame(columns).loc[first.index].reset_index(drop=True)
    return table.map(lambda text: text if len(text) <= width else text[: width - 1] + "…")


def summarise_answers(answers: pd.DataFrame) -> pd.DataFrame:
    """Per model: bits per byte of all references together (fewer are better), if known; tokens per answer (mean)."""
    groups = answers.groupby("dataset")
    table = pd.DataFrame({"tokens per answer": groups["n_answer_tokens"].mean()})
    if "log_likelihood" in answers:
        sums = groups[["log_likelihood", "n_bytes"]].sum()
        table.insert(0, "bits per byte", -sums["log_likelihood"] / sums["n_bytes"] / np.log(2))
    return table


def _answer_by_server(
    models: Mapping[str, Path],
    tokenizer: Any,
    prompts: pd.DataFrame,
    *,
    base: str | Path,
    seed: int,
    settings: AnswerParams,
    log: Path,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The answers of each model as `answer_prompts` has them, by vLLM's server."""
    prompts = sort_samples(prompts, SAMPLE_COLUMNS[:2])
    tokens = dict(zip(prompts["id"], encode_prompts(prompts, tokenizer), strict=True))
    asked: dict[str, Any] = {"base": base, "ends": end_tokens(tokenizer), "settings": settings, "log": log}
    for name, answers in answer_served(models, tokens, seed=seed, **asked):
        yield name, _tabulate(answers, prompts, tokenizer)


def _tabulate(answers: list[list[int]], prompts: pd.DataFrame, tokenizer: Any) -> pd.DataFrame:
    """A row per prompt from the tokens that a model wrote, those after the first end token left out."""
    ends = end_tokens(tokenizer)
    ended = [_until(answer, ends) for answer in answers]
    return pd.DataFrame(
        {
            "prompt_id": prompts["id"],
            "answer": decode_answers(ended, tokenizer, ends=ends),
            "n_answer_tokens": [len(answer) for answer in ended],
        }
    )


def _generation(tokenizer: Any, settings: AnswerParams) -> GenerationConfig:
    """What transformers is asked for; drawing tokens is left to `drawing.draw_tokens`."""
    return GenerationConfig(
        max_new_tokens=settings.max_new_tokens,
        do_sample=False,
        eos_token_id=end_tokens(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
    )


@contextmanager
def _without_habits(model: Any) -> Iterator[None]:
    """The model without its `generation_config`, from which transformers fills every setting that is not given."""
    own, model.generation_config = model.generation_config, GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own


def _continue(
    model: Any, prompts: list[list[int]], sampler: LogitsProcessorList, wanted: GenerationConfig
) -> list[list[int]]:
    """New tokens after each prompt: of those that `sampler` leaves, always the one with the largest score."""
    padded, mask = pad_rows(prompts, wanted.pad_token_id, left=True)
    whole = model.generate(
        input_ids=padded.to(model.device),
        attention_mask=mask.to(model.device),
        generation_config=wanted,
        logits_processor=sampler,
    )
    return whole[:, padded.shape[1] :].tolist()


def _until(tokens: list[int], ends: list[int]) -> list[int]:
    """The tokens up to and including the first end token."""
    places = [place for place, token in enumerate(tokens) if token in ends]
    return tokens[: places[0] + 1] if places else tokens
