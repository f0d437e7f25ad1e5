"""What models answer, and how likely they find the reference responses.

Neither depends on which prompts share a batch, as far as floating point allows: padding is masked, and sampled answers
draw their noise from a generator per prompt.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList
from transformers.generation import TemperatureLogitsWarper, TopPLogitsWarper

from macromicro.models.basemodel import context_length, load_tokenizer
from macromicro.models.chat import (
    IGNORED,
    SAMPLE_COLUMNS,
    decode_answers,
    encode_prompts,
    encode_samples,
    end_tokens,
    sort_samples,
)
from macromicro.models.finetune import load_models
from macromicro.study.compute import reproducible
from macromicro.study.sections import AnswerParams

Batch = list[int]


def fitting_prompts(prompts: pd.DataFrame, *, base: str | Path, max_new_tokens: int) -> pd.DataFrame:
    """The prompts that fit the context of the base model, both with their reference and with an answer.

    Beyond its context a model was never trained, and its likelihoods say nothing.
    Raises ValueError if no prompt fits.
    """
    encoded = encode_samples(prompts, load_tokenizer(base))
    room = context_length(base)
    fits = (encoded.lengths <= room) & (encoded.prompt_lengths + max_new_tokens <= room)
    if not fits.any():
        raise ValueError(f"no prompt fits the {room} tokens of the base model with {max_new_tokens=}")
    return prompts[fits]


def answer_models(
    models: Mapping[str, Path], prompts: pd.DataFrame, *, base: str | Path, seed: int, settings: AnswerParams
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The answers of several models to the same prompts, one model after the other, each as soon as it is done.

    Parameters: models, the folder of each by name of its dataset; base, the model that they were fine-tuned from, which
    LoRA adapters share; prompts, columns id, instruction, response.
    Yields: the name, and a row per prompt, sorted by its id: dataset, prompt_id, answer, n_answer_tokens,
    log_likelihood (of the reference, nats), n_bytes.
    """
    tokenizer = load_tokenizer(base)
    loaded = load_models(models.values(), base)
    for name, model in zip(tqdm(models, desc="models", unit="model"), loaded, strict=True):
        answers = answer_prompts(model, tokenizer, prompts, seed=seed, settings=settings)
        likelihoods = reference_log_likelihood(model, tokenizer, prompts, batch_size=settings.batch_size)
        table = answers.merge(likelihoods, on="prompt_id", validate="one_to_one")
        yield name, table.assign(dataset=name)[["dataset", *table.columns]]


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
    tokens, ends = encode_prompts(prompts, tokenizer), end_tokens(tokenizer)
    wanted = GenerationConfig(
        max_new_tokens=settings.max_new_tokens,
        do_sample=False,
        eos_token_id=ends,
        pad_token_id=tokenizer.pad_token_id,
    )
    answers: dict[int, list[int]] = {}
    with reproducible(seed), torch.inference_mode(), _without_habits(model):
        for rows in tqdm(_batches(tokens, settings.batch_size), desc="answer", unit="batch", leave=False):
            names = [str(prompts["id"].iloc[row]) for row in rows]
            sampler = _sampler(names, seed, settings)
            new = _continue(model, [tokens[row] for row in rows], sampler, wanted)
            answers.update(zip(rows, new, strict=True))
    ended = [_until(answers[row], ends) for row in range(len(tokens))]
    return pd.DataFrame(
        {
            "prompt_id": prompts["id"],
            "answer": decode_answers(ended, tokenizer, ends=ends),
            "n_answer_tokens": [len(answer) for answer in ended],
        }
    )


def reference_log_likelihood(model: Any, tokenizer: Any, prompts: pd.DataFrame, *, batch_size: int) -> pd.DataFrame:
    """How likely the model finds each reference response: prompt_id, log_likelihood, n_bytes, sorted by id.

    log_likelihood is the sum of log p over the response tokens, end token included, in nats; n_bytes the length of the
    response in UTF-8. Their ratio compares models whatever their tokenizers.
    Parameters: prompts, columns id, instruction, response.
    Raises ValueError if a response is empty or a likelihood is not a number.
    """
    prompts = sort_samples(prompts, SAMPLE_COLUMNS)
    encoded = encode_samples(prompts, tokenizer)
    n_bytes = prompts["response"].map(lambda text: len(text.encode())).to_numpy(dtype=np.int64)
    if (n_bytes == 0).any():
        raise ValueError(f"a reference must not be empty, but that of prompt {prompts['id'][n_bytes == 0].iloc[0]} is")
    labels = encoded.labels
    sums = np.empty(len(prompts), dtype=np.float64)
    with reproducible(0), torch.inference_mode():
        for rows in tqdm(_batches(encoded.tokens, batch_size), desc="likelihood", unit="batch", leave=False):
            tokens, mask = _pad([encoded.tokens[row] for row in rows], tokenizer.pad_token_id, left=False)
            targets, _ = _pad([labels[row] for row in rows], IGNORED, left=False)
            logits = model(input_ids=tokens.to(model.device), attention_mask=mask.to(model.device)).logits
            sums[rows] = _response_log_likelihood(logits, targets.to(model.device))
    if not np.isfinite(sums).all():
        wrong = prompts["id"][~np.isfinite(sums)].iloc[0]
        raise ValueError(f"the likelihood of every reference must be a number, but that of prompt {wrong} is not")
    return pd.DataFrame({"prompt_id": prompts["id"], "log_likelihood": sums, "n_bytes": n_bytes})


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


def likelihood_summary(answers: pd.DataFrame) -> pd.DataFrame:
    """Per model: bits per byte of all references together (fewer are better), mean length of an answer (tokens)."""
    groups = answers.groupby("dataset")
    sums = groups[["log_likelihood", "n_bytes"]].sum()
    table = {
        "bits per byte": -sums["log_likelihood"] / sums["n_bytes"] / np.log(2),
        "tokens per answer": groups["n_answer_tokens"].mean(),
    }
    return pd.DataFrame(table)


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
    padded, mask = _pad(prompts, wanted.pad_token_id, left=True)
    whole = model.generate(
        input_ids=padded.to(model.device),
        attention_mask=mask.to(model.device),
        generation_config=wanted,
        logits_processor=sampler,
    )
    return whole[:, padded.shape[1] :].tolist()


def _sampler(names: list[str], seed: int, settings: AnswerParams) -> LogitsProcessorList:
    """What happens to the scores of a batch of prompts (their ids are `names`) before the largest is taken."""
    if settings.temperature == 0:
        return LogitsProcessorList()
    warpers = [TemperatureLogitsWarper(settings.temperature), TopPLogitsWarper(settings.top_p)]
    return LogitsProcessorList([*warpers, _GumbelNoise(names, seed)])


class _GumbelNoise(LogitsProcessor):
    """Adds Gumbel noise, so that the largest score is a draw from the distribution (the Gumbel-max trick).

    Every prompt has a generator of its own, seeded with its name: batch and order do not matter.
    """

    def __init__(self, names: list[str], seed: int) -> None:
        digests = [hashlib.sha256(f"{seed}|{name}".encode()).digest()[:8] for name in names]
        self._rngs = [np.random.default_rng(int.from_bytes(digest)) for digest in digests]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores (n_prompts, n_tokens) plus noise."""
        noise = np.stack([rng.gumbel(size=scores.shape[1]) for rng in self._rngs])
        return scores + torch.from_numpy(noise).to(scores)


def _response_log_likelihood(logits: torch.Tensor, labels: torch.Tensor) -> NDArray[np.float64]:
    """Sum of log p of the labelled tokens of each row (nats), from logits of shape (n_rows, n_tokens, n_vocabulary)."""
    rows, places = torch.nonzero(labels[:, 1:] != IGNORED, as_tuple=True)
    losses = torch.nn.functional.cross_entropy(
        logits[rows, places].float(), labels[rows, places + 1], reduction="none"
    ).double()
    return -torch.zeros(len(labels), dtype=torch.float64, device=labels.device).index_add(0, rows, losses).cpu().numpy()


def _batches(tokens: list[list[int]], batch_size: int) -> list[Batch]:
    """Row numbers in batches of similar length, longest first (so that too little memory shows at once)."""
    order = sorted(range(len(tokens)), key=lambda row: (-len(tokens[row]), row))
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def _pad(tokens: list[list[int]], filler: int, *, left: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of equal length, and the mask that is 1 where a row had a token; both of shape (n_rows, longest)."""
    side = "left" if left else "right"
    rows = [torch.tensor(row) for row in tokens]
    pad = torch.nn.utils.rnn.pad_sequence
    ones = [torch.ones_like(row) for row in rows]
    return pad(rows, True, filler, padding_side=side), pad(ones, True, 0, padding_side=side)


def _until(tokens: list[int], ends: list[int]) -> list[int]:
    """The tokens up to and including the first end token."""
    places = [place for place, token in enumerate(tokens) if token in ends]
    return tokens[: places[0] + 1] if places else tokens
