"""Samples in the shapes in which trainers read them: TRL's, Alpaca's, OpenAI's, or that of the file they came from."""

import json
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import pandas as pd

from macromicro.corpus.readers import N_READ, ROW
from macromicro.corpus.records import MISSING, Column, Records, take_rows
from macromicro.corpus.text_columns import find_system, find_texts

Shape: TypeAlias = Literal["same", "trl", "alpaca", "messages"]
FILE = "_file"
"""Column of samples: which of several files each is of, from 0."""


def shape_rows(
    chosen: pd.DataFrame, files: Sequence[Records], shape: Shape, *, columns: Sequence[Mapping[str, str]]
) -> dict[str, Column]:
    """The rows of the chosen samples, as columns to write, in the order of the samples.

    `same` has the rows as they are in the files, which must then have the same columns; where `N_READ` says so,
    conversations end with the answer that is the response. `trl` has prompt and completion, `alpaca` instruction, input
    (always empty: it is part of the instruction by now) and output, `messages` a user turn and an assistant turn; in
    these, the other columns of the files follow, but for those that held texts; one that has the name of a text there
    becomes other_NAME. Where a conversation gives several samples, rows have the ids of these.

    Parameters: chosen, columns instruction, response, `FILE` and `readers.ROW`; columns, of each file, as in
    `text_columns.find_texts`. Raises ValueError as `check_shape`.
    """
    check_shape(files, shape)
    if shape == "same":
        rows = _gather(chosen, [file.columns for file in files])
        if N_READ in chosen:
            [name] = find_texts(files[0], columns[0])
            rows[name] = [_cut(talk, n) for talk, n in zip(_listed(rows[name]), chosen[N_READ], strict=True)]
        return _own_ids(rows, chosen, columns)
    texts = _texts(chosen["instruction"].tolist(), chosen["response"].tolist(), shape)
    others = []
    for file, mapped in zip(files, columns, strict=True):
        read = {*find_texts(file, mapped), *find_system(file, mapped)}
        kept = {name: values for name, values in file.columns.items() if name not in read}
        others.append({_free_name(name, {*texts, *kept} if name in texts else ()): kept[name] for name in kept})
    return _own_ids({**texts, **_gather(chosen, others)}, chosen, columns)


def check_shape(files: Sequence[Records], shape: Shape) -> None:
    """Raise ValueError if a shape is none, or files of different columns are to keep theirs."""
    if shape not in get_args(Shape):
        raise ValueError(f"shape={shape!r} must be one of {', '.join(map(repr, get_args(Shape)))}")
    other = next((file for file in files if set(file.columns) != set(files[0].columns)), None)
    if shape == "same" and other is not None:
        held = "; ".join(f"{Path(file.name).name} has {', '.join(file.columns)}" for file in (files[0], other))
        raise ValueError(
            f"files of different columns have no common shape: {held}; give --format trl, alpaca or messages (in "
            "Python shape='trl')"
        )


def _texts(asked: list[str], answers: list[str], shape: Shape) -> dict[str, Column]:
    """The columns of the texts."""
    if shape == "trl":
        return {"prompt": asked, "completion": answers}
    if shape == "alpaca":
        return {"instruction": asked, "input": [""] * len(asked), "output": answers}
    pairs = zip(asked, answers, strict=True)
    return {
        "messages": [
            [{"role": "user", "content": instruction}, {"role": "assistant", "content": response}]
            for instruction, response in pairs
        ]
    }


def _gather(chosen: pd.DataFrame, files: Sequence[Mapping[str, Column]]) -> dict[str, Column]:
    """The rows of the samples out of the columns of one file, or of several, where some may lack columns."""
    if len(files) == 1:
        return take_rows(files[0], chosen[ROW].tolist())
    gathered: dict[str, list[Any]] = {name: [MISSING] * len(chosen) for name in chain.from_iterable(files)}
    for place, columns in enumerate(files):
        held = (chosen[FILE] == place).to_numpy().nonzero()[0].tolist()
        for name, values in take_rows(columns, chosen[ROW].iloc[held].tolist()).items():
            for row, value in zip(held, _listed(values), strict=True):
                gathered[name][row] = value
    return dict(gathered)


def _own_ids(rows: dict[str, Column], chosen: pd.DataFrame, columns: Sequence[Mapping[str, str]]) -> dict[str, Column]:
    """The rows; where a conversation gives several, the ids of the samples in place of its own."""
    if N_READ in chosen:
        for name in {mapped.get("id", "id") for mapped in columns} & rows.keys():
            rows[name] = chosen["id"].tolist()
    return rows


def _free_name(name: str, taken: Collection[str]) -> str:
    """A name that is not taken."""
    while name in taken:
        name = f"other_{name}"
    return name


def _cut(talk: list[Any] | str, n: int) -> list[Any] | str:
    """The first turns of a conversation, which may be written as JSON text."""
    return json.dumps(json.loads(talk)[:n], ensure_ascii=False) if isinstance(talk, str) else list(talk)[:n]


def _listed(values: Column) -> list[Any]:
    return values if isinstance(values, list) else values.to_pylist()
