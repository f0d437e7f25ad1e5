"""How a sample becomes tokens: the chat template, and where the response begins.

A conversation is one instruction and one response. Control tokens are what the template writes, never what a text holds
(`plain_text`). The tokens before a response are always those of the prompt (everything up to the response) by itself,
so they are the same in training, in scoring and in answering, whatever the template and tokenizer. After them come
those that the whole conversation has there. Where the whole begins otherwise, since the response would join the last
token of the prompt, they are those of the rest by itself, without the space that some tokenizers put before a text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.models.plain_text import PlainTokenizer, control_tokens

SAMPLE_COLUMNS = ("id", "instruction", "response")
IGNORED = -100
"""Label of a token that does not count in the loss (the convention of torch and transformers)."""
A_RESPONSE = "Some response."

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

TURNS_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message.role == 'user' %}<|user|>\n{{ message.content }}\n"
    "{% elif message.role == 'assistant' %}<|assistant|>\n{{ message.content }}{{ eos_token }}"
    "{% else %}{{ raise_exception('roles are user and assistant, not ' + message.role) }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
"""The other template for a base model that has none: turns as Tulu fine-tuned Llama-2 on them."""

TEMPLATES = {"alpaca": DEFAULT_CHAT_TEMPLATE, "chat": TURNS_TEMPLATE}
"""By the name that `finetune.template` has for them."""


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
    plain, chats = _chats(samples, tokenizer)
    prompts = plain.render([chat[:1] for chat in chats], add_generation_prompt=True)
    wholes = plain.render(chats, add_generation_prompt=False)
    for sample, prompt, whole in zip(samples["id"], prompts, wholes, strict=True):
        if not whole.startswith(prompt):
            raise ValueError(
                f"the chat template must begin a conversation with its prompt, but that of sample {sample} does not: "
                f"prompt ends {prompt[-40:]!r}"
            )
    starts, tokens = plain.encode(prompts), plain.encode(wholes)
    joined = [row for row, start in enumerate(starts) if tokens[row][: len(start)] != start]
    rests = plain.encode_on([wholes[row][len(prompts[row]) :] for row in joined])
    for row, rest in zip(joined, rests, strict=True):
        tokens[row] = starts[row] + rest
    return EncodedSamples(
        ids=samples["id"].tolist(),
        tokens=tokens,
        prompt_lengths=np.fromiter(map(len, starts), dtype=np.int64, count=len(starts)),
    )


def encode_prompts(prompts: pd.DataFrame, tokenizer: Any) -> list[list[int]]:
    """The tokens of each instruction, sorted by id, up to where an answer begins.

    Parameters: prompts, columns id and instruction. Raises ValueError if a column or text is missing or an id repeats.
    """
    plain, chats = _chats(sort_samples(prompts, SAMPLE_COLUMNS[:2]), tokenizer)
    return plain.encode(plain.render(chats, add_generation_prompt=True))


def end_tokens(tokenizer: Any) -> list[int]:
    """The tokens that end an answer: the end token, and the control token that the template writes after a response.

    Chat templates often close a turn with a token of their own, after which a model was never taught to go on.
    Raises ValueError if the template changes or leaves out the response.
    """
    plain = PlainTokenizer(tokenizer, [A_RESPONSE])
    turns = [{"role": "user", "content": "-"}, {"role": "assistant", "content": A_RESPONSE}]
    [whole] = plain.render([turns], add_generation_prompt=False)
    if A_RESPONSE not in whole:
        raise ValueError(f"the chat template must write a response as it is, but of {A_RESPONSE!r} it makes {whole!r}")
    [after] = plain.encode_on([whole.rpartition(A_RESPONSE)[2]])
    known = set(control_tokens(tokenizer).values()) - {tokenizer.unk_token_id}
    closing = [number for number in after if number in known]
    return list(dict.fromkeys([tokenizer.eos_token_id, *closing[:1]]))


def decode_answers(answers: Sequence[Sequence[int]], tokenizer: Any, *, ends: Sequence[int]) -> list[str]:
    """The text of each answer up to the first of the tokens `ends`; whatever else a model wrote is there.

    A control token that the model wrote amid its answer shows by its name, and spaces stay as they are (but the first,
    which some tokenizers take for their own).
    """
    texts = [[*takewhile(lambda token: token not in ends, answer)] for answer in answers]
    return tokenizer.batch_decode(texts, skip_special_tokens=False, clean_up_tokenization_spaces=False)


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


def _chats(samples: pd.DataFrame, tokenizer: Any) -> tuple[PlainTokenizer, list[list[dict[str, str]]]]:
    """Conversations of the samples, which may have no responses, and the tokenizer to which their texts are text."""
    roles = dict(zip(SAMPLE_COLUMNS[1:], ("user", "assistant"), strict=True))
    columns = [name for name in roles if name in samples.columns]
    texts = samples[columns].to_numpy(dtype=object)
    chats = [[{"role": roles[name], "content": text} for name, text in zip(columns, row, strict=True)] for row in texts]
    return PlainTokenizer(tokenizer, texts.ravel()), chats
