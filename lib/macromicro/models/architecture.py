"""The shape of a model before it is there: its parameters, what an adapter adds, and what a token of it takes.

The arithmetic is that of a Llama: embedding, and per layer four projections of attention, a gated feed-forward and two
norms. Of a checkpoint on disk the parameters are counted in the headers of its files.
"""

import json
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from macromicro.models.basemodel import feed_forward_width
from macromicro.models.smollm import SOURCE
from macromicro.study.sections import BaseModelParams, FinetuneParams

LAYER_MATRICES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
WIDTH_TO_DEPTH = 128
"""Hidden size over layers of a Llama whose size alone is known: 32 layers of 4096 are one of 7B."""


@dataclass(frozen=True)
class Architecture:
    """The shape of a Llama-like model.

    Attributes
    ----------
    hidden, intermediate : width of the states and of the feed-forward.
    heads, key_heads, head_size : of attention; keys and values may have fewer heads.
    tied : whether embedding and output layer are one matrix.
    n_counted : parameters where they are known from elsewhere, None to reckon them.
    """

    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_heads: int
    head_size: int
    tied: bool
    n_counted: int | None = None

    @property
    def matrices(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of each matrix of a layer."""
        queries, keys = self.heads * self.head_size, self.key_heads * self.head_size
        sizes = [(self.hidden, queries), (self.hidden, keys), (self.hidden, keys), (queries, self.hidden)]
        sizes += [(self.hidden, self.intermediate)] * 2 + [(self.intermediate, self.hidden)]
        return dict(zip(LAYER_MATRICES, sizes, strict=True))

    @property
    def n_embedding(self) -> int:
        """Parameters of the embedding, and of the output layer where that is another matrix."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def n_parameters(self) -> int:
        """All parameters."""
        layer = sum(map(prod, self.matrices.values())) + 2 * self.hidden
        return self.n_counted or self.n_embedding + self.layers * layer + self.hidden

    @property
    def n_multiplied(self) -> int:
        """Parameters by which every token is multiplied: all but the embedding that is only looked up."""
        return self.n_parameters - (0 if self.tied else self.n_embedding // 2)

    @property
    def numbers_cached(self) -> int:
        """Numbers that answering keeps of a token: keys and values of all layers."""
        return 2 * self.layers * self.key_heads * self.head_size

    @property
    def numbers_kept(self) -> int:
        """Numbers that a layer keeps of a token until its gradient is taken.

        Inputs and outputs of its norms, projections and sums: 8 of the hidden size, 2 of the keys', 4 of the
        feed-forward's (our count; attention itself keeps none, for it is computed in blocks).
        """
        return 8 * self.hidden + 2 * self.key_heads * self.head_size + 4 * self.intermediate

    def n_adapter(self, settings: FinetuneParams) -> int:
        """Parameters of a LoRA adapter: rank times inputs and outputs of each matrix that it is on."""
        named = LAYER_MATRICES if settings.lora_targets == "all-linear" else settings.lora_targets
        widths = [sum(size) for name, size in self.matrices.items() if name in named]
        return self.layers * settings.lora_rank * sum(widths)

    def n_trained(self, settings: FinetuneParams) -> int:
        """Parameters that fine-tuning changes."""
        return self.n_parameters if settings.method == "full" else self.n_adapter(settings)

    def shallower(self, most: int) -> "Architecture":
        """The same with so few layers that it has at most `most` parameters, but one layer at least."""
        layers = self.layers
        while layers > 1 and replace(self, layers=layers, n_counted=None).n_parameters > most:
            layers -= 1
        return self if layers == self.layers else replace(self, layers=layers, n_counted=None)


SMOLLM2 = Architecture(49_152, 576, 1536, 30, 9, 3, 64, tied=True)


def find_architecture(settings: BaseModelParams, *, n_parameters: int | None = None) -> tuple[Architecture, str]:
    """The shape of the base model of a study, and in words where it is known from.

    Parameters: n_parameters, of a model that cannot be looked at; its shape is then taken to be that of a Llama.
    Raises ValueError if it cannot be looked at and nothing is given.
    """
    if n_parameters is not None:
        return guess_architecture(n_parameters), "shape of a Llama of the parameters given"
    source = settings.source
    if source == "tiny-llama":
        width, heads = feed_forward_width(settings.hidden_size), settings.n_heads
        size = settings.hidden_size // heads
        shape = (settings.vocab_size, settings.hidden_size, width, settings.n_layers, heads, heads, size)
        return Architecture(*shape, tied=True), "from its settings"
    if source == SOURCE:
        return SMOLLM2, "as in its package"
    try:
        return _read_config(source, settings.revision), "from its config.json"
    except (OSError, ValueError, AttributeError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"base_model.source={source!r} cannot be looked at ({why}), so that its parameters are unknown: "
            "give --parameters 7e9"
        ) from error


def guess_architecture(n_parameters: int) -> Architecture:
    """A Llama of about so many parameters: 12 hidden^2 a layer, and a hidden size of 128 times the layers.

    >>> found = guess_architecture(7_000_000_000)
    >>> found.layers, found.hidden
    (33, 4224)
    """
    layers = max(1, round((n_parameters / 12 / WIDTH_TO_DEPTH**2) ** (1 / 3)))
    hidden = WIDTH_TO_DEPTH * layers
    return Architecture(32_000, hidden, hidden * 8 // 3, layers, layers, layers, WIDTH_TO_DEPTH, False, n_parameters)


def count_in_headers(folder: Path) -> int | None:
    """Parameters of a checkpoint by the headers of its safetensors files; None if there are none."""
    files = sorted(folder.glob("*.safetensors"))
    return sum(map(_count_in_header, files)) if files else None


def _count_in_header(file: Path) -> int:
    """Parameters of one file: eight bytes say how long its header is, which names the shape of each tensor."""
    with file.open("rb") as content:
        header = json.loads(content.read(int.from_bytes(content.read(8), "little")))
    return sum(prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def _read_config(source: str, revision: str | None) -> Architecture:
    """The shape of a checkpoint of the hub or of a folder, by its configuration."""
    from transformers import AutoConfig

    config: Any = AutoConfig.from_pretrained(source, revision=revision).get_text_config()
    heads = config.num_attention_heads
    return Architecture(
        vocabulary=config.vocab_size,
        hidden=config.hidden_size,
        intermediate=getattr(config, "intermediate_size", None) or 4 * config.hidden_size,
        layers=config.num_hidden_layers,
        heads=heads,
        key_heads=getattr(config, "num_key_value_heads", None) or heads,
        head_size=getattr(config, "head_dim", None) or config.hidden_size // heads,
        tied=bool(config.tie_word_embeddings),
        n_counted=count_in_headers(Path(source)) if Path(source).is_dir() else None,
    )
