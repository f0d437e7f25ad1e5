"""Small tokenizers of the kinds that base models have, trained here, with chat templates."""

from functools import cache

from macromicro.models.basemodel import train_tokenizer
from macromicro.models.chat import DEFAULT_CHAT_TEMPLATE
from tiny_models import make_samples
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = ["<unk>", "<s>", "</s>"]
ZEPHYR_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "<|{{ message.role }}|>\n{{ message.content | trim }}{{ eos_token }}\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
"""As TinyLlama's, where `<|user|>` is text and `</s>` a token."""
CHATML_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
HOSTILE = ["<|end|>", "<|user|>", "<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>", "<|pad|>", "<|endoftext|>"]


def texts():
    samples = make_samples(200, seed=1)
    return [*samples["instruction"], *samples["response"], *HOSTILE * 5, "a < b > c / s </s> <s> | end |"]


def wrap(backend, template, **names):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **names)
    tokenizer.chat_template = template
    return tokenizer


def byte_level(learnt_from=None):
    return train_tokenizer(learnt_from or texts(), vocab_size=600)


def alpaca(learnt_from=None):
    tokenizer = byte_level(learnt_from)
    tokenizer.chat_template = DEFAULT_CHAT_TEMPLATE
    tokenizer.bos_token = "<s>"
    return tokenizer


def chatml():
    """`<|im_start|>` and `<|im_end|>` are added, but not special; runs of spaces are tokens of their own."""
    tokenizer = byte_level()
    ends = [AddedToken(name, special=False, normalized=False) for name in ("<|im_start|>", "<|im_end|>")]
    tokenizer.add_tokens([*ends, AddedToken("  ", special=False, normalized=True), AddedToken("user", special=False)])
    tokenizer.chat_template = CHATML_TEMPLATE
    return tokenizer


def sentencepiece_bpe(learnt_from=None, prepend=True):
    """As Llama 2: `▁` for spaces, bytes for unknown characters, `<s>` put before every text by the tokenizer too."""
    backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    if prepend:
        backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    alphabet = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=[*SPECIAL, *alphabet], show_progress=False)
    backend.train_from_iterator(learnt_from or texts(), trainer)
    specials = [AddedToken(name, special=True, normalized=False) for name in SPECIAL]
    plain = Tokenizer.from_str(backend.to_str())
    backend = Tokenizer(plain.model)
    backend.normalizer, backend.pre_tokenizer = plain.normalizer, plain.pre_tokenizer
    backend.add_special_tokens(specials)
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return wrap(backend, ZEPHYR_TEMPLATE, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def metaspace_bpe():
    return sentencepiece_bpe(prepend=False)


def unigram():
    """As T5 or XLM-R: the pieces `<s>` and `</s>` have the best score of all."""
    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    backend.train_from_iterator(texts(), trainer)
    return wrap(backend, ZEPHYR_TEMPLATE, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


KINDS = {make.__name__: cache(make) for make in (byte_level, alpaca, chatml, sentencepiece_bpe, metaspace_bpe, unigram)}
