"""How likely a small model finds the response of a sample: a quality that needs no other scores.

It says how fluent and expected a response is. It does not say that the response is right: on 120 pairs of answers that
people voted on, the likelihood of SmolLM2-135M agreed with them in 47.5 %, no more than a coin.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from macromicro.models.basemodel import load_base_model
from macromicro.models.reference_likelihood import reference_log_likelihood
from macromicro.models.smollm import SOURCE, unpack_smollm2
from macromicro.study.files import write_aside

MAX_CHARACTERS = 2_000
"""Of an instruction and of a response so much is read, from the beginning."""
BLOCK = 256
"""Samples that are kept together, so that a killed run loses no more of them."""
BATCH_TOKENS = 4_096


def rate_likelihood(samples: pd.DataFrame, *, model: str = SOURCE, cache: Path | None = None) -> pd.Series:
    """The log-likelihood of each response given its instruction, in nats per byte of UTF-8, by id.

    Parameters: samples, columns id, instruction and response; model, `smollm2`, out of its package, or a hub id or
    folder of a chat model; cache, a folder in which what was read stays done, a file per `BLOCK` of samples.
    Raises ValueError if a response is empty, or the model cannot be loaded.
    """
    read = pd.DataFrame({name: samples[name].str.slice(0, MAX_CHARACTERS) for name in ("instruction", "response")})
    read.insert(0, "id", samples["id"].to_numpy())
    order = np.argsort(-(read["instruction"].str.len() + read["response"].str.len()).to_numpy(), kind="stable")
    blocks = [read.iloc[order[start : start + BLOCK]] for start in range(0, len(order), BLOCK)]
    with _keeping(cache, model) as folder:
        files = [folder / f"{_key(block)}.npy" for block in blocks]
        missing = [place for place, file in enumerate(files) if not file.is_file()]
        if missing:
            _rate(missing, blocks, files, folder, model)
        rates = np.concatenate([np.load(file) for file in files])
    return pd.Series(rates, index=[name for block in blocks for name in block["id"].sort_values()]).loc[read["id"]]


def _rate(missing: list[int], blocks: list[pd.DataFrame], files: list[Path], folder: Path, model: str) -> None:
    """Rate the blocks that are missing, the longest texts first, each written when it is done."""
    if model == SOURCE:
        model = str(folder / "model")
        if not Path(model).is_dir():
            unpack_smollm2(Path(model))
    opened, tokenizer = load_base_model(model)
    with tqdm(total=sum(len(blocks[place]) for place in missing), desc="likelihood", unit="sample") as progress:
        for place in missing:
            found = reference_log_likelihood(opened, tokenizer, blocks[place], batch_tokens=BATCH_TOKENS)
            with write_aside(files[place]) as aside, aside.open("wb") as file:
                np.save(file, (found["log_likelihood"] / found["n_bytes"]).to_numpy())
            progress.update(len(found))


@contextmanager
def _keeping(cache: Path | None, model: str) -> Iterator[Path]:
    """The folder of a model in the cache, or one that is gone afterwards."""
    if cache is None:
        with TemporaryDirectory() as passing:
            yield Path(passing)
        return
    folder = cache / "likelihood" / blake2b(f"{model}\0{MAX_CHARACTERS}".encode(), digest_size=8).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    yield folder


def _key(block: pd.DataFrame) -> str:
    """What the texts of a block are known by; ids order the rows."""
    rows: NDArray[np.object_] = block.sort_values("id").to_numpy(dtype=object)
    return blake2b("\0".join("\1".join(row) for row in rows).encode(), digest_size=16).hexdigest()
