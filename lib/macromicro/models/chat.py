"""How a sample becomes tokens: the chat template, and where the response begins.

A conversation is one instruction and one response. The prompt (everything up to the response) is tokenised by itself
and the rest is appended, so the tokens before a response are the same in training, in scoring and in answering,
whatever the template and tokenizer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SAMPLE_COLUMNS = ("id", "instruction", "response")
IGNORED = -100
"""Label of a token that does not count in the loss (the convention of torch and transformers)."""

TINY_CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'user' %}<|user|>{{ message.content }}"
    "{% elif message.role == 'assistant' %}<|assistant|>{{ message.content }}<|end|>"
    "{% else %}{{ raise_exception('roles are user and assistant, not ' + message.role) }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""Template of `tiny-llama`. Its special tokens keep instruction and response apart in any text."""

DEFAULT_CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message.role == 'user' %}### Instruction:\n{{ message.content }}\n\n"
    "{% elif message.role == 'assistant' %}### Response:\n{{ message.content }}{{ eos_token }}"
    "{% else %}{{ raise_exception('roles are user and assistant, not ' + message.role) }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}### Response:\n{% endif %}"
)
"""Template given to a base model that has none, such as Llama-2-7B (our choice: the Alpaca headings)."""


@dataclass(frozen=True, eq=False)
class EncodedSamples:
    """Samples as tokens.

    Attributes
    ----------
    ids : sample ids, n_samples.
    tokens : one list of token numbers per sample, prompt and response, end token included.
    prompt_lengths : int64, shape (n_samples,), tokens before the response.
    """

    ids: list[str]
    tokens: list[list[int]]
    prompt_lengths: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each sample, shape (n_samples,)."""
        return np.fromiter(map(len, self.tokens), dtype=np.int64, count=len(self.tokens))

    @property
    def labels(self) -> list[list[int]]:
        """Per sample what each token counts for in the loss: itself in the response, nothing (-100) in the prompt."""
        pairs = zip(self.tokens, self.prompt_lengths.tolist(), strict=True)
        return [[IGNORED] * start + tokens[start:] for tokens, start in pairs]


def encode_samples(samples: pd.DataFrame, tokenizer: Any) -> EncodedSamples:
    """The tokens of the conversation of every sample, sorted by id.

    Parameters: samples, columns id, instruction and response; tokenizer, with a chat template.
    Raises ValueError if a column or text is missing, an id repeats, or the template does not begin the conversation
    with the prompt it gives for an answer.
    """
    samples = sort_samples(samples, SAMPLE_COLUMNS)
    prompts = _render(samples["instruction"], None, tokenizer)
    wholes = _render(samples["instruction"], samples["response"], tokenizer)
    for sample, prompt, whole in zip(samples["id"], prompts, wholes, strict=True):
        if not whole.startswith(prompt):
            raise ValueError(
                f"the chat template must begin a conversation with its prompt, but that of sample {sample} does not: "
                f"prompt ends {prompt[-40:]!r}"
            )
    starts = _tokenize(prompts, tokenizer)
    rests = _tokenize([whole[len(prompt) :] for prompt, whole in zip(prompts, wholes, strict=True)], tokenizer)
    return EncodedSamples(
        ids=samples["id"].tolist(),
        tokens=[start + rest for start, rest in zip(starts, rests, strict=True)],
        prompt_lengths=np.fromiter(map(len, starts), dtype=np.int64, count=len(starts)),
    )


def encode_prompts(prompts: pd.DataFrame, tokenizer: Any) -> list[list[int]]:
    """The tokens of each instruction, sorted by id, up to where an answer begins.

    Parameters: prompts, columns id and instruction. Raises ValueError if a column or text is missing or an id repeats.
    """
    prompts = sort_samples(prompts, SAMPLE_COLUMNS[:2])
    return _tokenize(_render(prompts["instruction"], None, tokenizer), tokenizer)


def truncate(encoded: EncodedSamples, max_tokens: int) -> EncodedSamples:
    """The samples cut to their first `max_tokens` tokens; those of which no response token is left are dropped."""
    kept = np.flatnonzero(encoded.prompt_lengths < max_tokens)
    return EncodedSamples(
        ids=[encoded.ids[row] for row in kept],
        tokens=[encoded.tokens[row][:max_tokens] for row in kept],
        prompt_lengths=encoded.prompt_lengths[kept],
    )


def sort_samples(samples: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The columns of the samples, sorted by id.

    Raises ValueError if there is no row, a column or text is missing, or an id repeats.
    """
    missing = [name for name in columns if name not in samples.columns]
    if missing:
        raise ValueError(f"samples need the columns {', '.join(columns)}; missing: {', '.join(missing)}")
    if samples.empty:
        raise ValueError("there must be at least one sample, but the table is empty")
    if samples["id"].duplicated().any():
        raise ValueError(f"ids must be unique, but {samples['id'][samples['id'].duplicated()].iloc[0]!r} repeats")
    for name in columns:
        wrong = ~samples[name].map(lambda text: isinstance(text, str))
        if wrong.any():
            raise ValueError(f"every {name} must be a text, but sample {samples['id'][wrong].iloc[0]!r} has none")
    return samples[list(columns)].sort_values("id", ignore_index=True)


def _render(instructions: pd.Series, responses: pd.Series | None, tokenizer: Any) -> list[str]:
    """Conversations as the template writes them; without responses, up to where the answer begins."""
    if not len(instructions):
        return []
    chats = [[{"role": "user", "content": text}] for text in instructions]
    if responses is not None:
        chats = [[*chat, {"role": "assistant", "content": text}] for chat, text in zip(chats, responses, strict=True)]
    return tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=responses is None)


def _tokenize(texts: list[str], tokenizer: Any) -> list[list[int]]:
    """Token numbers of each text; nothing is added, since a template writes its special tokens itself."""
    return tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
