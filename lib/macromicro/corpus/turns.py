"""The turns of conversations: who speaks, and what in text, whatever form a file gives it."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from macromicro.corpus.records import MISSING, TURN_KEYS, Records, is_text

ROLES = {
    **dict.fromkeys(["user", "human", "prompter"], "user"),
    **dict.fromkeys(["assistant", "gpt", "chatgpt", "model", "bot", "bard", "bing", "claude"], "assistant"),
    **dict.fromkeys(["system", "developer"], "system"),
    **dict.fromkeys(["tool", "function", "function_call", "function_response", "observation", "ipython"], "tool"),
}
EXPECTED = " or ".join(f'{{"{role}": "...", "{text}": "..."}}' for role, text in TURN_KEYS)
CALLS = ("tool_calls", "function_call")


def read_turns(records: Records, column: str) -> pd.DataFrame:
    """A row per turn of the conversations in `column`, in order; a conversation may be written as JSON text.

    Columns row (which record), place (which turn, from 0), role (user, assistant, system, tool), text, calls (whether
    it calls tools; a text of JSON then holds the calls) and not_text: what else it holds, '' for nothing.
    Raises ValueError (file, line) where a conversation is not a list of turns, or a turn has an unknown role.
    """
    turns = _turns(records, column)
    known = turns["role"].str.strip().str.lower().map(ROLES)
    if known.isna().any():
        for row, role in turns.loc[known.isna(), ["row", "role"]].itertuples(index=False):
            records.refuse(row, f"{column!r} has a turn by {role!r}; expected one of {', '.join(ROLES)}")
    return turns.assign(role=known.fillna("system"), place=turns.groupby("row").cumcount())


def _turns(records: Records, column: str) -> pd.DataFrame:
    """Columns row, role, text, calls, not_text, a row per turn in order."""
    values = records.columns[column]
    if not isinstance(values, list):
        written = is_text(values.type)
        if not written and (keys := _plain_keys(values.type, records, column)):
            return _arrow_turns(values, records, keys)
        values = [_parse(value) if written else value for value in values.to_pylist()]
    turns = []
    for row, conversation in enumerate(values):
        if conversation is MISSING or not isinstance(conversation, list):
            records.refuse(row, f"{column!r} must be a list of turns")
            continue
        found = [_turn(turn) for turn in conversation]
        if None in found:
            records.refuse(row, f"every turn of {column!r} must be {EXPECTED}")
        turns += [(row, *turn) for turn in found if turn]
    table = pd.DataFrame(turns, columns=["row", "role", "text", "calls", "not_text"], dtype=object)
    numbers = records.numbers[table["row"].to_numpy(int)]
    said = Records(records.name, records.unit, numbers, {column: table["text"].tolist()}, records.bad)
    text = said.texts(column).to_pandas().astype("str")
    return table.assign(
        role=table["role"].astype("str"), text=text, calls=table["calls"].astype(bool), row=table["row"].astype("int64")
    )


def _parse(text: str | None) -> Any:
    """The value that a text of JSON writes; other texts as they are."""
    try:
        return json.loads(text or "")
    except ValueError:
        return text


def _turn(turn: Any) -> tuple[str, Any, bool, str] | None:
    """Role and text of one turn of a JSON record, whether it calls tools, and what it holds that is not text.

    None for what is no turn.
    """
    for role, key in TURN_KEYS:
        if not (isinstance(turn, dict) and isinstance(turn.get(role), str)):
            continue
        given = [turn[name] for name in CALLS if turn.get(name)]
        calls = [call for one in given for call in (one if isinstance(one, list) else [one])]
        if key not in turn and not calls:
            continue
        text, not_text = _content(turn.get(key))
        asked = [json.dumps(call, ensure_ascii=False) for call in calls]
        parts = [part for part in (text, *asked) if part] if isinstance(text, str) else [text]
        joined = "\n".join(parts) if all(isinstance(part, str) for part in parts) else text
        return turn[role], joined, bool(calls), "" if calls and turn.get(key) is None else not_text
    return None


def _content(content: Any) -> tuple[Any, str]:
    """The text of a content, which may be a list of parts, and what else is there; other values as they are."""
    if content is None:
        return "", "null"
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        return content, ""
    texts, others = [], []
    for part in content:
        if isinstance(part.get("text"), str):
            texts.append(part["text"])
        else:
            others.append(str(part.get("type", "a part without type")))
    return "\n".join(texts), ", ".join(others)


def _plain_keys(kind: pa.DataType, records: Records, column: str) -> tuple[str, str] | None:
    """What an Arrow type of lists of structs calls role and text, if both are text and no tools are called there.

    Raises ValueError if it is of another type.
    """
    nested = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    names = [field.name for field in kind.value_type] if nested and pa.types.is_struct(kind.value_type) else []
    keys = next((pair for pair in TURN_KEYS if set(pair) <= set(names)), None)
    if keys is None:
        raise ValueError(f"{records.name}: column {column!r} must hold lists of role and content texts, not {kind}")
    plain = not set(CALLS) & set(names) and all(is_text(kind.value_type.field(key).type) for key in keys)
    return keys if plain else None


def _arrow_turns(values: pa.ChunkedArray, records: Records, keys: tuple[str, str]) -> pd.DataFrame:
    """The turns of an Arrow column of lists of structs, without a Python object per row.

    Chunk by chunk: the offsets of text in one chunk end at 2 GiB, those of all chunks together need not.
    """
    tables, start = [], 0
    for chunk in values.chunks:
        rows = start + pc.list_parent_indices(chunk).to_numpy().astype(np.int64)
        flat = pc.list_flatten(chunk)
        turns = {key: pa.chunked_array([pc.struct_field(flat, key)]) for key in keys}
        texts = Records(records.name, records.unit, records.numbers[rows], turns, records.bad)
        role, text = (texts.texts(key).to_pandas().astype("str") for key in keys)
        missing = turns[keys[1]].is_null().to_numpy()
        not_text = np.where(missing, "null", "")
        tables.append(pd.DataFrame({"row": rows, "role": role, "text": text, "not_text": not_text}))
        start += len(chunk)
    return pd.concat(tables, ignore_index=True).assign(calls=False)
