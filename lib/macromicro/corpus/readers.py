r"""Samples of any file, in one form: id, instruction, response, source, licence, and whatever else the file holds.

Text is put in Unicode's composed form (NFC), with `\n` line ends and without white space around it, and is not changed
otherwise. An id is taken from the file, or made of the content, so that it stays the same wherever the sample stands.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from macromicro.corpus.conversations import ASKED, FACTS, Turns, find_exchanges
from macromicro.corpus.formats import read_records
from macromicro.corpus.records import (
    HALF_A_PAIR,
    MISSING,
    BadRows,
    Column,
    Records,
    arrow_records,
    is_text,
    is_unicode,
    take_rows,
)
from macromicro.corpus.text_columns import find_system, find_texts, prefix, read_instructions

COLUMNS = ("id", "instruction", "response", "source", "licence")
ALSO_CALLED = {"licence": "license"}
ROW = "_row"
N_READ = "_n_read"


def read_samples(path: str | Path, *, columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Samples of a .jsonl, .json, .csv or .parquet file, or of JSON lines from standard input (`-`), sorted by id.

    Recognised are instruction/response, instruction/input/output (Alpaca) and instruction/context/response (Dolly; what
    is not empty there follows the instruction after a blank line), prompt/completion, question/answer, and
    conversations (`messages`, ShareGPT's `conversations`), of which the first exchange is taken and the columns
    `conversations.FACTS` are added. A column `system` or `system_prompt` goes before the instruction, as system turns.
    Other columns are kept as they are; one that has a name of ours but is something else (`columns` names another, or
    it is the input of a conversation) becomes `other_NAME`, so that it is neither lost nor taken for ours when the
    samples are written and read again.

    Parameters: columns, the file's names for id, instruction, input, response, source, licence, system if they differ.
    Returns columns id, instruction, response, source, licence (text, never null), then the others. Source, which may be
    a number, defaults to the file's name, licence to ''. Samples without text stay (`clean.clean_samples`).
    Raises FileNotFoundError, or ValueError that names file, line and what was expected.
    """
    source = "standard input" if str(path) == "-" else Path(path).name
    return make_samples(read_records(path), source=source, columns=columns or {})


def load_hub_samples(path: str, *, split: str, columns: Mapping[str, str], revision: str | None = None) -> pd.DataFrame:
    """Samples of a dataset of the Hugging Face hub, as `read_samples` gives them; see `load_hub_records`."""
    return make_samples(load_hub_records(path, split=split, revision=revision), source=path, columns=columns)


def load_hub_records(path: str, *, split: str, revision: str | None = None, bad: BadRows | None = None) -> Records:
    """Records of a dataset of the Hugging Face hub (or of a local folder in its layout).

    Parameters: revision, commit, branch or tag of a dataset of the hub; None takes the newest.
    Raises ValueError if the dataset or its split cannot be loaded.
    """
    from datasets import load_dataset

    try:
        table = load_dataset(path, split=split, revision=revision).with_format("arrow")[:]
    except Exception as error:
        raise ValueError(f"cannot load split {split!r} of dataset {path!r} from the hub: {error}") from error
    return arrow_records(table, f"{path} ({split})", bad)


def make_samples(records: Records, *, source: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """Samples of records; see `read_samples`. Parameters: source, where the records have none of their own."""
    return place_samples(records, source=source, columns=columns).drop(columns=[ROW, ASKED], errors="ignore")


def place_samples(records: Records, *, source: str, columns: Mapping[str, str], turns: Turns = "first") -> pd.DataFrame:
    """Samples of records as `make_samples` gives them, with a column `ROW`: which record each is of, from 0; of
    conversations `conversations.ASKED` too.

    Parameters: turns, which exchanges of a conversation are samples (`conversations.find_exchanges`). With `all` there
    is a column `N_READ`, the turns up to the response, and the second exchange of a conversation of id x is x#2.
    """
    for ours, theirs in columns.items():
        if theirs not in records.columns:
            found = ", ".join(records.columns)
            raise ValueError(f"{records.name}: no column {theirs!r} to take as {ours}; the file has: {found}")
    if broken := [name for name in records.columns if not is_unicode(name)]:
        raise ValueError(f"{records.name}: column name {broken[0]!r} {HALF_A_PAIR}")
    texts, used = _instructions_and_responses(records, columns, turns)
    rows = texts.pop(ROW, None)
    if turns == "all" and rows is not None:
        records = replace(records, numbers=records.numbers[rows], columns=take_rows(records.columns, rows.tolist()))
    table = pd.DataFrame({name: normalise(texts[name]) for name in ("instruction", "response")})
    for name, default in (("source", source), ("licence", "")):
        theirs = columns.get(name, name if name in records.columns else ALSO_CALLED.get(name, name))
        used.add(theirs)
        if theirs in records.columns:
            values = records.texts(theirs, required=False, numbered=name == "source").to_pandas().astype("str")
            table[name] = values.where(values != "", default)
        else:
            table[name] = pd.Series(default, index=table.index, dtype="str")
    used.add(columns.get("id", "id"))
    table.insert(0, "id", _ids(records, columns.get("id", "id"), table, rows if turns == "all" else None))
    for name in (*FACTS, ASKED):
        if name in texts:
            table[name] = texts[name]
    table[ROW] = range(len(table)) if rows is None else rows
    if N_READ in texts and turns == "all":
        table[N_READ] = texts[N_READ]
    extras = [name for name in records.columns if name not in used]
    others = {_other_name(name, [*table, "input"], extras): arrow_column(records.columns[name]) for name in extras}
    usable = ~records.refused
    samples = pd.concat([table, _to_pandas(others)], axis=1)[usable].sort_values(
        ["id", "source"], kind="stable", ignore_index=True
    )
    pa.default_memory_pool().release_unused()  # Arrow would hold on to the copies on the way, twice the texts
    return samples


def normalise(texts: pd.Series | pa.Array) -> pd.Series:
    r"""Texts in NFC, with `\n` line ends and no white space around them.

    >>> normalise(pd.Series([" e\u0301\r\n"])).tolist() == ["\u00e9"]
    True
    """
    array = texts if isinstance(texts, pa.Array) else pa.array(texts.to_numpy(dtype=object), type=pa.large_string())
    composed = pc.utf8_normalize(array, form="NFC")
    lines = pc.replace_substring(pc.replace_substring(composed, "\r\n", "\n"), "\r", "\n")
    return pc.utf8_trim_whitespace(lines).to_pandas().astype("str")


def content_ids(samples: pd.DataFrame) -> list[str]:
    """First 16 hex digits of sha256(instruction NUL response), one per sample."""
    pairs = zip(samples["instruction"], samples["response"], strict=True)
    return [hashlib.sha256(f"{instruction}\0{response}".encode()).hexdigest()[:16] for instruction, response in pairs]


def _instructions_and_responses(
    records: Records, columns: Mapping[str, str], turns: Turns
) -> tuple[dict[str, Any], set[str]]:
    """Instruction and response texts (of conversations `FACTS`, `ROW` and `N_READ` too), and the columns used up."""
    found, system = find_texts(records, columns), find_system(records, columns)
    told = records.texts(system[0], required=False) if system else None
    if len(found) == 1:
        return _read_exchanges(find_exchanges(records, found[0], turns=turns), told), set()
    asked, answer, *given = found
    instruction = read_instructions(records, asked, given)
    texts: dict[str, Any] = {"instruction": instruction, "response": records.texts(answer)}
    if told is not None:
        texts["instruction"] = prefix(instruction, told)
        texts[ASKED] = pd.Series([[text] for text in instruction.to_pylist()])
    return texts, {*found, *system}


def _read_exchanges(exchanges: pd.DataFrame, told: pa.Array | None) -> dict[str, Any]:
    """What `find_exchanges` gives, with the system prompts of the records, if they have any beside their turns."""
    found: dict[str, Any] = {str(name): exchanges[name] for name in exchanges}
    rows = exchanges["row"].to_numpy()
    if told is not None:
        told = told.take(pa.array(rows))
        asked = pa.array(exchanges["instruction"].to_numpy(dtype=object), pa.large_string())
        is_told = pc.not_equal(pc.utf8_trim_whitespace(told), "").to_numpy(zero_copy_only=False)
        found |= {"instruction": prefix(asked, told), "n_system_turns": exchanges["n_system_turns"] + is_told}
    return found | {ROW: rows, N_READ: exchanges["n_read"]}


def _ids(records: Records, column: str, samples: pd.DataFrame, rows: NDArray[np.int64] | None) -> list[str]:
    """Ids of the file (text or whole numbers, each once), or made of the content.

    Parameters: rows, which record each sample is of, where it may be the same for several.
    """
    if column not in records.columns:
        return content_ids(samples)
    values = records.columns[column]
    listed = values if isinstance(values, list) else values.to_pylist()
    if rows is not None:
        nth = pd.Series(rows).groupby(rows).cumcount()
        listed = [f"{value}#{n + 1}" if n else value for value, n in zip(listed, nth, strict=True)]
    first: dict[str, int] = {}
    for row, value in enumerate(listed):
        if not isinstance(value, str | int) or isinstance(value, bool) or not str(value).strip():
            shown = "missing" if value is MISSING else repr(value)
            records.refuse(row, f"{column!r} must be text or a whole number, but is {shown}")
        elif not is_unicode(str(value)):
            records.refuse(row, f"{column!r} {HALF_A_PAIR}")
        elif str(value) in first:
            records.refuse(row, f"id {str(value)!r} is already that of {records.place(first[str(value)])}")
        else:
            first[str(value)] = row
            continue
        first[f"\0{row}"] = row  # refused: no id of a file holds a NUL, and the sample goes
    return list(first)


def _other_name(name: str, ours: list[str], extras: list[str]) -> str:
    """A name for a column that is only carried along, which is none of ours."""
    taken = {*ours, *extras} if name in ours else set()
    while name in taken:
        name = f"other_{name}"
    return name


def arrow_column(values: Column) -> pa.ChunkedArray:
    """A column as it is in Arrow, null where a record lacks the key; values of mixed types as JSON text."""
    if not isinstance(values, list):
        return values
    present = [None if value is MISSING else value for value in values]
    try:
        array = pa.array(present)
        if "struct<>" not in str(array.type):
            return pa.chunked_array([array])
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        pass
    return pa.chunked_array([pa.array([json.dumps(value) for value in present])])


def _to_pandas(columns: dict[str, pa.ChunkedArray]) -> pd.DataFrame:
    """Text as pandas text, everything else as it is in Arrow, so that whole numbers and nulls stay what they are."""
    return pa.table(columns).to_pandas(types_mapper=lambda kind: None if is_text(kind) else pd.ArrowDtype(kind))
