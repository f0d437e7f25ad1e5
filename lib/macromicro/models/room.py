"""Memory and disk that a study takes, in bytes, by the shape of its model and its settings.

`trainable` says what a parameter takes in training, `answer` what a token takes in answering. Not counted is what a
library allocates beside the tensors; a process has `PROCESS` for its code.
"""

from typing import NamedTuple

from macromicro.models.architecture import Architecture
from macromicro.models.trainable import computes_twice
from macromicro.study.sections import AnswerParams, FinetuneParams

PROCESS = 700 * 2**20
"""A process that has loaded torch and transformers (measured: 0.6 to 0.8 GiB)."""
TRAINED = 16
"""Bytes of a trained parameter: weight, gradient and two moments, float32."""
FOUR_BITS = 0.5


class TrainingMemory(NamedTuple):
    """Bytes while a model trains: what stays, what is trained, and what a pass keeps for its gradient."""

    frozen: int
    trained: int
    activations: int

    @property
    def total(self) -> int:
        """All together."""
        return sum(self)


def training_memory(
    shape: Architecture, settings: FinetuneParams, *, pass_tokens: int, bf16: bool, n_shares: int = 1
) -> TrainingMemory:
    """Bytes while a model trains, of each process where several share it.

    frozen: 0 for full; the weights that an adapter stands on, 2 bytes each in bfloat16, else 4; with qlora half a byte
    for those of the layers. trained: 16 bytes each. activations: for each token of a pass, `numbers_kept` for every
    layer, or with checkpointing the hidden size for every layer and `numbers_kept` for one; and the scores over the
    vocabulary, in the type of the computation, in float32, and their gradient (at most: of all tokens).

    Parameters: pass_tokens, tokens of one pass; bf16, whether it is computed in bfloat16; n_shares, how many processes
    share what is frozen and trained, of which each sees the embeddings whole, and the layer that it computes.
    """
    width = 2 if bf16 else 4
    n_adapter = 0 if settings.method == "full" else shape.n_adapter(settings)
    in_layers = shape.n_parameters - shape.n_embedding
    frozen = {
        "full": 0.0,
        "lora": width * shape.n_parameters,
        "qlora": FOUR_BITS * in_layers + width * shape.n_embedding,
    }
    kept = shape.layers * shape.numbers_kept
    if computes_twice(settings, shape.n_parameters):
        kept = shape.layers * shape.hidden + shape.numbers_kept
    scores = shape.vocabulary * (width + 8)
    trained = shape.n_parameters if settings.method == "full" else n_adapter
    layer = 0 if n_shares == 1 else 4 * (in_layers // shape.layers + shape.n_embedding)
    activations = pass_tokens * (kept * width + scores)
    return TrainingMemory(int(frozen[settings.method] / n_shares), TRAINED * trained // n_shares, activations + layer)


def answering_memory(shape: Architecture, settings: AnswerParams, *, batch_tokens: int, bf16: bool) -> int:
    """Bytes while a model answers: weights, and keys and values of the tokens of a batch."""
    width = 2 if bf16 else 4
    return width * (shape.n_parameters + batch_tokens * shape.numbers_cached)


def model_on_disk(shape: Architecture, settings: FinetuneParams) -> int:
    """Bytes of a fine-tuned model: a checkpoint or an adapter, float32, with its tokenizer (about 70 a token)."""
    return 4 * shape.n_trained(settings) + 70 * shape.vocabulary


def embeddings_on_disk(n_texts: int, *, n_dimensions: int) -> int:
    """Bytes of the cache of embeddings: a vector in float32 and a key of 32 bytes for each text."""
    return n_texts * (4 * n_dimensions + 32)
