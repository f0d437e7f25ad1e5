"""How many tokens the texts of a study have, before its base model is there: by what tokenizer can be had."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.corpus.glance import Glance
from macromicro.models.basemodel import load_tokenizer, train_tokenizer
from macromicro.models.chat import encode_samples
from macromicro.models.smollm import SOURCE, find_gguf
from macromicro.study.settings import Study

CHARACTERS = 4
"""Characters of a token where no tokenizer can be had: about right for English."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Lengths:
    """Tokens of the texts that were looked at, and how many samples and prompts there are of their kind.

    Attributes
    ----------
    samples, prompts, references : tokens of conversations, of prompts and of the references to these.
    n_samples, n_prompts : of the study.
    counted_by : what counted, in words.
    """

    samples: IntArray
    prompts: IntArray
    references: IntArray
    n_samples: int
    n_prompts: int
    counted_by: str

    @property
    def sample(self) -> float:
        """Mean tokens of a sample."""
        return float(self.samples.mean())

    @property
    def prompt(self) -> float:
        """Mean tokens of a prompt."""
        return float(self.prompts.mean())

    @property
    def reference(self) -> float:
        """Mean tokens of a reference."""
        return float(self.references.mean())


def measure_lengths(study: Study, seen: Glance) -> Lengths:
    """Tokens of the samples and prompts that were looked at, as conversations where a tokenizer can be had.

    That is the base model's own; for a `tiny-llama` that is not trained yet one of its size learnt from these texts.
    Without one it is a token for every four characters.
    """
    tokenizer, words = _find_tokenizer(study, [*seen.samples["instruction"], *seen.samples["response"]])
    counted = [_count(table, tokenizer) for table in (seen.samples, seen.prompts)]
    (samples, _), (whole, prompts) = counted
    return Lengths(samples, prompts, whole - prompts, seen.n_samples, seen.n_prompts, words)


def bound_lengths(study: Study) -> Lengths:
    """The most that lengths can be, for a corpus that cannot be read: every text fills `finetune.max_tokens`."""
    longest = np.array([study.finetune.max_tokens])
    sizes = [size / study.select.share for one in study.all_strategies for size in one.select.sizes]
    n_samples = study.corpus.limit or int(max(sizes))
    words = "at most, since the corpus cannot be read: every one has finetune.max_tokens"
    return Lengths(longest, longest, longest, n_samples, study.corpus.n_eval, words)


def _count(table: pd.DataFrame, tokenizer: Any) -> tuple[IntArray, IntArray]:
    """Tokens of each conversation, and of its prompt."""
    if tokenizer is None:
        prompts = -(-table["instruction"].str.len() // CHARACTERS)
        whole = prompts + -(-table["response"].str.len() // CHARACTERS)
        return np.asarray(whole, dtype=np.int64), np.asarray(prompts, dtype=np.int64)
    encoded = encode_samples(table, tokenizer)
    return encoded.lengths, encoded.prompt_lengths


def _find_tokenizer(study: Study, texts: list[str]) -> tuple[Any, str]:
    """A tokenizer and what it is in words, None where there is none."""
    settings, template = study.base_model, study.finetune.template
    own = "the base model's tokenizer"
    if study.out.base_model.is_dir():
        return load_tokenizer(study.out.base_model, template=template), own
    if settings.source == "tiny-llama":
        return train_tokenizer(texts, vocab_size=settings.vocab_size), "a tokenizer of its size learnt from these texts"
    try:
        if settings.source == SOURCE:
            from transformers import AutoTokenizer

            file = find_gguf()
            return AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name), own
        return load_tokenizer(settings.source, revision=settings.revision, template=template), own
    except (OSError, ValueError):
        return None, f"characters / {CHARACTERS}, for want of a tokenizer"
