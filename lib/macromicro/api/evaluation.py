"""What an evaluation set asks, with or without answers."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macromicro.api.reading import WORDS, Source, open_records
from macromicro.api.samples import Samples, place_record
from macromicro.corpus.readers import ROW, normalise
from macromicro.corpus.records import BadRows, Records, take_rows
from macromicro.corpus.shapes import FILE
from macromicro.corpus.text_columns import CONVERSATIONS, find_asked, read_instructions
from macromicro.corpus.turns import read_turns


def read_prompts(source: Samples | Source) -> pd.DataFrame:
    """Columns id and instruction: a row per prompt of an evaluation set; of conversations, per turn of a user.

    What a user asks is the prompt: not the system prompt, nor what was said before. The second turn of a conversation
    of id x is x#2. Where ids are missing or repeat, prompts are named by their places. Of `Samples` those count that
    are left in, or only lack a response.
    Raises FileNotFoundError, or ValueError (place, what was expected) if it cannot be read, or a prompt has no text:
    nothing would overlap with it.
    """
    if isinstance(source, Samples):
        tables = [_read(records, columns) for records, columns in _list_records(source)]
        return _name_once(pd.concat(tables, ignore_index=True).query("instruction != ''"))
    [records, *others] = open_records(source, BadRows())
    if others:
        raise ValueError(f"{source}: an evaluation set is one file, but this folder holds {1 + len(others)}")
    found = _read(records, {})
    silent = np.setdiff1d(np.arange(len(records.numbers)), found.loc[found["instruction"] != "", "row"])
    if len(silent):
        raise ValueError(
            f"{_place(records, silent[0])}: a prompt of an evaluation set must have text, but {len(silent):,} of "
            f"{len(records.numbers):,} have none, and nothing can overlap with them: take them out"
        )
    return _name_once(found.query("instruction != ''"))


def _list_records(samples: Samples) -> Iterator[tuple[Records, Mapping[str, str]]]:
    """Of each source the records of samples that are left in, or only lack a response, and its mapped columns."""
    held = samples.whole[(samples.reasons == "") | (samples.reasons == WORDS["empty"])]
    for place, (records, columns) in enumerate(zip(samples.records, samples.mapped, strict=True)):
        rows = np.unique(held.loc[held[FILE] == place, ROW])
        if len(rows):
            taken = take_rows(records.columns, rows.tolist())
            yield replace(records, numbers=records.numbers[rows], columns=taken), columns


def _read(records: Records, columns: Mapping[str, str]) -> pd.DataFrame:
    """Columns id, instruction and row (which record), a row per prompt."""
    rows, texts = _read_asked(records, columns)
    names = _name(records, columns.get("id", "id"))[rows]
    nth = pd.Series(rows).groupby(rows).cumcount().to_numpy()
    ids = [f"{name}#{n + 1}" if n else name for name, n in zip(names, nth, strict=True)]
    return pd.DataFrame({"id": ids, "instruction": texts.to_numpy(), "row": rows})


def _name_once(prompts: pd.DataFrame) -> pd.DataFrame:
    """Columns id and instruction, where an id that comes again has a number: x (2)."""
    ids = prompts["id"].astype("str")
    while ids.duplicated().any():
        nth = ids.groupby(ids).cumcount()
        ids = ids.where(nth == 0, ids + " (" + (nth + 1).astype("str") + ")")
    return prompts[["instruction"]].assign(id=ids)[["id", "instruction"]].reset_index(drop=True)


def _read_asked(records: Records, columns: Mapping[str, str]) -> tuple[NDArray[np.int64], pd.Series]:
    """What each prompt says, and which record it is of."""
    asked, *given = find_asked(records, columns)
    if asked in CONVERSATIONS:
        said = read_turns(records, asked).query("role == 'user'")
        return said["row"].to_numpy(np.int64), normalise(said["text"])
    return np.arange(len(records.numbers)), normalise(read_instructions(records, asked, given))


def _name(records: Records, column: str) -> NDArray[Any]:
    """The ids of the file where each record has one of its own, else the places."""
    values = records.columns.get(column, [])
    listed = values if isinstance(values, list) else values.to_pylist()
    told = [str(value) for value in listed if isinstance(value, str | int) and str(value).strip()]
    if len(set(told)) < len(records.numbers):
        told = [_place(records, row) for row in range(len(records.numbers))]
    return np.array(told, dtype=object)


def _place(records: Records, row: int) -> str:
    return place_record(records.name, records.unit, records.numbers[row])
