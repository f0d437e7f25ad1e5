"""The first exchange of conversations, written as OpenAI's `messages` (role, content) or as ShareGPT (from, value).

The study is about single-turn instructions. Of a longer conversation the first user turn and the assistant's answer to
it are taken. System turns are left out. A conversation that does not start with a user turn and its answer has no
exchange: its texts are empty. What was cut and left out is kept as numbers (`FACTS`), and `count_conversations` counts.
"""

from collections.abc import Mapping
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
FACTS = ("n_turns", "n_system_turns", "opened_by")


def first_exchanges(records: Records, column: str) -> pd.DataFrame:
    """The first exchange of the conversations in `column`, a row per record.

    Columns instruction, response, n_turns (user turns), n_system_turns and opened_by, the role of the first turn that
    is not a system turn (user, assistant or tool; empty where there is none).

    Raises ValueError (file, line) where a conversation is not a list of turns, or a turn has an unknown role.
    """
    turns = _turns(records, column)
    known = turns["role"].str.strip().str.lower().map(ROLES)
    if known.isna().any():
        row, role = turns.loc[known.isna(), ["row", "role"]].iloc[0]
        raise ValueError(f"{records.place(row)}: {column!r} has a turn by {role!r}; expected one of {', '.join(ROLES)}")
    n_system_turns = (known == "system").groupby(turns["row"]).sum()
    turns = turns.assign(role=known)[known != "system"]
    position = turns.groupby("row").cumcount()
    rows = range(len(records.numbers))
    first = turns[position == 0].set_index("row").reindex(rows)
    second = turns[position == 1].set_index("row").reindex(rows)
    answered = (first["role"] == "user") & (second["role"] == "assistant")
    n_turns = (turns["role"] == "user").groupby(turns["row"]).sum().reindex(rows, fill_value=0)
    return pd.DataFrame(
        {
            "instruction": first["text"].where(answered, "").fillna(""),
            "response": second["text"].where(answered, "").fillna(""),
            "n_turns": n_turns.astype("int64"),
            "n_system_turns": n_system_turns.reindex(rows, fill_value=0).astype("int64"),
            "opened_by": first["role"].fillna("").astype("str"),
        }
    )


def count_conversations(samples: pd.DataFrame) -> dict[str, int]:
    """What the first exchanges leave out, in numbers of conversations; nothing where samples are no conversations.

    `cut` have more than one user turn, `with_system_turns` lost those, `opened_by_assistant` and `without_answer` (all
    others that do not start with a user turn and its answer) have no exchange.

    Parameters: samples, as `readers.read_samples` gives them; a column that a file itself calls n_turns does not count.
    """
    if "n_turns" not in samples or samples["n_turns"].dtype != np.dtype("int64"):
        return {}
    by_assistant = samples["opened_by"] == "assistant"
    empty = (samples["instruction"] == "") & (samples["response"] == "")
    return {
        "n": len(samples),
        "cut": int((samples["n_turns"] > 1).sum()),
        "with_system_turns": int((samples["n_system_turns"] > 0).sum()),
        "opened_by_assistant": int(by_assistant.sum()),
        "without_answer": int((empty & ~by_assistant).sum()),
    }


def check_conversations(counts: Mapping[str, int], *, max_lost: float, name: str) -> None:
    """Raise ValueError if a larger share of conversations than `max_lost` lost system turns, or has no exchange.

    Parameters: counts, as `count_conversations` gives them; name, what was read.
    """
    n = counts.get("n", 0)
    unusable = counts.get("opened_by_assistant", 0) + counts.get("without_answer", 0)
    for found, words in (
        (counts.get("with_system_turns", 0), "have system turns, which are left out"),
        (unusable, "do not begin with a user and an answer, so that they give no sample"),
    ):
        if found > max_lost * n:
            raise ValueError(
                f"{name}: {found:,} of {n:,} conversations {words}; more than corpus.max_lost={max_lost:g} allows: "
                "mend the corpus, or raise it if that is meant"
            )


def _turns(records: Records, column: str) -> pd.DataFrame:
    """Columns row, role, text, a row per turn in order."""
    values = records.columns[column]
    if not isinstance(values, list):
        if is_text(values.type):
            raise ValueError(f"{records.place(0)}: {column!r} must be a list of turns")
        return _arrow_turns(values, records, column)
    turns = []
    for row, conversation in enumerate(values):
        if conversation is MISSING or not isinstance(conversation, list):
            raise ValueError(f"{records.place(row)}: {column!r} must be a list of turns")
        turns += [(row, *_turn(turn, records.place(row), column)) for turn in conversation]
    table = pd.DataFrame(turns, columns=["row", "role", "text"])
    texts = Records(records.name, records.unit, records.numbers[table["row"].to_numpy(int)], {column: [*table["text"]]})
    return table.assign(role=table["role"].astype("str"), text=texts.texts(column).to_pandas())


def _turn(turn: Any, place: str, column: str) -> tuple[str, Any]:
    """Role and text of one turn of a JSON record."""
    for role, text in TURN_KEYS:
        if isinstance(turn, dict) and isinstance(turn.get(role), str) and text in turn:
            return turn[role], turn[text]
    expected = " or ".join(f'{{"{role}": "...", "{text}": "..."}}' for role, text in TURN_KEYS)
    raise ValueError(f"{place}: every turn of {column!r} must be {expected}")


def _arrow_turns(values: pa.ChunkedArray, records: Records, column: str) -> pd.DataFrame:
    """The turns of an Arrow column of lists of structs, without a Python object per row.

    Chunk by chunk: the offsets of text in one chunk end at 2 GiB, those of all chunks together need not.
    """
    keys = _arrow_keys(values.type, records, column)
    tables, start = [], 0
    for chunk in values.chunks:
        rows = start + pc.list_parent_indices(chunk).to_numpy().astype(np.int64)
        flat = pc.list_flatten(chunk)
        turns = {key: pa.chunked_array([pc.struct_field(flat, key)]) for key in keys}
        texts = Records(records.name, records.unit, records.numbers[rows], turns)
        role, text = (texts.texts(key).to_pandas().astype("str") for key in keys)
        tables.append(pd.DataFrame({"row": rows, "role": role, "text": text}))
        start += len(chunk)
    return pd.concat(tables, ignore_index=True)


def _arrow_keys(kind: pa.DataType, records: Records, column: str) -> tuple[str, str]:
    """What an Arrow type of lists of structs calls role and text. Raises ValueError if it is of another type."""
    nested = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    names = [field.name for field in kind.value_type] if nested and pa.types.is_struct(kind.value_type) else []
    keys = next((pair for pair in TURN_KEYS if set(pair) <= set(names)), None)
    if keys is None or not all(is_text(kind.value_type.field(key).type) for key in keys):
        raise ValueError(f"{records.name}: column {column!r} must hold lists of role and content texts, not {kind}")
    return keys
