"""What an evaluation set asks, with or without answers."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.api.reading import Source, open_records
from macromicro.api.samples import Samples, place_record
from macromicro.corpus.readers import normalise
from macromicro.corpus.records import BadRows, Records
from macromicro.corpus.text_columns import CONVERSATIONS, find_asked, read_instructions
from macromicro.corpus.turns import read_turns


def read_prompts(source: Samples | Source) -> pd.DataFrame:
    """Columns id and instruction: a row per prompt of an evaluation set; of conversations, per turn of a user.

    What a user asks is the prompt: not the system prompt, nor what was said before. The second turn of a conversation
    of id x is x#2. Where ids are missing or repeat, prompts are named by their places.
    Raises FileNotFoundError, or ValueError (place, what was expected) if it cannot be read, or a prompt has no text:
    nothing would overlap with it.
    """
    if isinstance(source, Samples):
        return source.table[["id", "instruction"]]
    [records, *others] = open_records(source, BadRows())
    if others:
        raise ValueError(f"{source}: an evaluation set is one file, but this folder holds {1 + len(others)}")
    rows, texts = _read_asked(records)
    silent = np.setdiff1d(np.arange(len(records.numbers)), rows[(texts != "").to_numpy()])
    if len(silent):
        raise ValueError(
            f"{_place(records, silent[0])}: a prompt of an evaluation set must have text, but {len(silent):,} of "
            f"{len(records.numbers):,} have none, and nothing can overlap with them: take them out"
        )
    names = _name(records)[rows]
    nth = pd.Series(rows).groupby(rows).cumcount().to_numpy()
    ids = [f"{name}#{n + 1}" if n else name for name, n in zip(names, nth, strict=True)]
    return pd.DataFrame({"id": ids, "instruction": texts}).query("instruction != ''").reset_index(drop=True)


def _read_asked(records: Records) -> tuple[NDArray[np.int64], pd.Series]:
    """What each prompt says, and which record it is of."""
    asked, *given = find_asked(records)
    if asked in CONVERSATIONS:
        said = read_turns(records, asked).query("role == 'user'")
        return said["row"].to_numpy(np.int64), normalise(said["text"])
    return np.arange(len(records.numbers)), normalise(read_instructions(records, asked, given))


def _name(records: Records) -> NDArray[Any]:
    """The ids of the file where each record has one of its own, else the places."""
    values = records.columns.get("id", [])
    listed = values if isinstance(values, list) else values.to_pylist()
    told = [str(value) for value in listed if isinstance(value, str | int) and str(value).strip()]
    if len(set(told)) < len(records.numbers):
        told = [_place(records, row) for row in range(len(records.numbers))]
    return np.array(told, dtype=object)


def _place(records: Records, row: int) -> str:
    return place_record(records.name, records.unit, records.numbers[row])
