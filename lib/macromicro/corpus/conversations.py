"""Exchanges of conversations, written as OpenAI's `messages` (role, content) or as ShareGPT (from, value).

An exchange is a turn of the user (or a tool's result) and the assistant's turn right after it. Its instruction is all
that was said before the answer: system turns, earlier turns under the names of their roles, and the question. What the
assistant says before anyone asked, a greeting, is skipped. Tool calls are read as JSON, of a list of parts the text;
what is not text (pictures, nulls) is named by its turn. All of it is kept as numbers (`FACTS`) and counted.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from macromicro.corpus.records import Records
from macromicro.corpus.turns import read_turns

Turns: TypeAlias = Literal["first", "last", "all"]
ASKED = "_asked"
"""Column of samples of conversations: all that its user asks, a list of texts."""
FACTS = ("n_turns", "n_system_turns", "opened_by", "n_tool_turns", "not_text")
NAMES = {"user": "User: ", "assistant": "Assistant: ", "tool": "Tool: ", "system": ""}
BETWEEN = "\n\n"


def find_exchanges(records: Records, column: str, *, turns: Turns) -> pd.DataFrame:
    """Exchanges of the conversations in `column`, those of a record one after the other; at least a row per record.

    Columns instruction, response (empty where there is none), row (which record), n_read (turns up to the answer), and
    of the conversation n_turns (user turns), n_system_turns, opened_by (the role of the first turn that is not a system
    turn), n_tool_turns (by tools, or with calls of them) and not_text, such as `turn 2: null`. `ASKED` are all turns of
    the user, with `all` those up to the answer.

    Parameters: turns, `first`: the first answer to a user; `last`, or `all`; each with what was said before. Raises
    ValueError (file, line) where a conversation is not a list of turns, or a turn has an unknown role.
    """
    said = read_turns(records, column)
    n_records = len(records.numbers)
    facts = _facts(said, n_records)
    talk = said[said["role"] != "system"]
    before = talk.groupby("row")["role"].shift(1)
    asked = talk["role"].ne("assistant").astype(int).groupby(talk["row"]).cumsum()
    answers = talk[(talk["role"] == "assistant") & (before.isin(["user", "tool"]))]
    if turns == "first":
        answers = answers[before[answers.index] == "user"].drop_duplicates("row")
    elif turns == "last":
        answers = answers.drop_duplicates("row", keep="last")
    opened = talk.index[asked > 0].union(said.index[said["role"] == "system"])
    instructions = _join_turns(said.loc[opened], answers)
    users = said[said["role"] == "user"]
    found = pd.DataFrame(
        {
            "row": answers["row"].to_numpy(),
            "instruction": instructions,
            "response": answers["text"].to_numpy(),
            "n_read": answers["place"].to_numpy() + 1,
            ASKED: _ask(users, answers, upto=turns == "all"),
        }
    )
    silent = np.setdiff1d(np.arange(n_records), found["row"].to_numpy(int))
    none = pd.DataFrame({"row": silent, "instruction": "", "response": "", "n_read": 0, ASKED: [[] for _ in silent]})
    table = pd.concat([found, none], ignore_index=True).sort_values("row", kind="stable", ignore_index=True)
    texts = {name: table[name].astype("str") for name in ("instruction", "response")}
    return table.assign(**texts, **{name: facts[name].to_numpy()[table["row"]] for name in FACTS})


def _ask(users: pd.DataFrame, answers: pd.DataFrame, *, upto: bool) -> list[list[str]]:
    """What is asked in the conversation of each answer, `upto` the answer or in all; both tables sorted by row."""
    texts, rows, places = users["text"].tolist(), users["row"].to_numpy(), users.index.to_numpy()
    starts = np.searchsorted(rows, answers["row"].to_numpy(), "left")
    ends = np.searchsorted(rows, answers["row"].to_numpy(), "right")
    stops = np.searchsorted(places, answers.index.to_numpy(), "left") if upto else ends
    return [texts[start:stop] for start, stop in zip(starts, stops, strict=True)]


def _facts(said: pd.DataFrame, n_records: int) -> pd.DataFrame:
    """`FACTS` of every record."""
    by_row, rows = said["row"], range(n_records)
    counts = {
        "n_turns": said["role"] == "user",
        "n_system_turns": said["role"] == "system",
        "n_tool_turns": (said["role"] == "tool") | said["calls"],
    }
    facts = {
        name: held.groupby(by_row).sum().reindex(rows, fill_value=0).astype("int64") for name, held in counts.items()
    }
    first = said[said["role"] != "system"].drop_duplicates("row").set_index("row")["role"]
    odd = said[said["not_text"] != ""]
    named = "turn " + (odd["place"] + 1).astype("str") + ": " + odd["not_text"]
    return pd.DataFrame(
        {
            **facts,
            "opened_by": first.reindex(rows).fillna("").astype("str"),
            "not_text": named.groupby(odd["row"]).agg("; ".join).reindex(rows).fillna("").astype("str"),
        }
    )[list(FACTS)]


def _join_turns(said: pd.DataFrame, answers: pd.DataFrame) -> NDArray[np.object_]:
    """What was said before each answer, as one text; turns have the names of their roles if not all are of a user.

    Parameters: said, turns sorted by row and place, without greetings.
    """
    starts = np.searchsorted(said["row"].to_numpy(), answers["row"].to_numpy(), "left")
    stops = np.searchsorted(said.index.to_numpy(), answers.index.to_numpy(), "left")
    n_before = stops - starts
    offsets = np.r_[0, np.cumsum(n_before)]
    held = np.repeat(starts - offsets[:-1], n_before) + np.arange(offsets[-1])
    turn = said.iloc[held]
    exchange = np.repeat(np.arange(len(answers)), n_before)
    n_others = np.bincount(exchange, weights=turn["role"].isin(["assistant", "tool"]), minlength=len(answers))
    names = turn["role"].map(NAMES).where(n_others[exchange] > 0, "")
    shown = (turn["text"].str.strip() != "").to_numpy()
    texts = pa.array((names + turn["text"])[shown].to_numpy(dtype=object), pa.large_string())
    ends = np.r_[0, np.cumsum(np.bincount(exchange[shown], minlength=len(answers)))]
    lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), texts)
    return np.asarray(pc.binary_join(lists, pa.scalar(BETWEEN, pa.large_string())).to_pandas(), dtype=object)


def count_conversations(samples: pd.DataFrame) -> dict[str, int]:
    """What was read of conversations and what was left out, in numbers of samples; nothing where there are none.

    `cut` have more than one user turn, `with_system_turns` have these before their instruction, of
    `opened_by_assistant` the greeting is skipped, `with_tools` use tools, `not_all_text` hold pictures, nulls and the
    like, `without_answer` have no exchange.

    Parameters: samples, as `readers.read_samples` gives them; a column that a file itself calls n_turns does not count.
    """
    if "n_turns" not in samples or samples["n_turns"].dtype != np.dtype("int64"):
        return {}
    return {
        "n": len(samples),
        "cut": int((samples["n_turns"] > 1).sum()),
        "with_system_turns": int((samples["n_system_turns"] > 0).sum()),
        "opened_by_assistant": int((samples["opened_by"] == "assistant").sum()),
        "with_tools": int((samples["n_tool_turns"] > 0).sum()),
        "not_all_text": int((samples["not_text"] != "").sum()),
        "without_answer": int(((samples["instruction"] == "") & (samples["response"] == "")).sum()),
    }


def check_conversations(counts: Mapping[str, int], *, max_lost: float, name: str) -> None:
    """Raise ValueError if a larger share of conversations than `max_lost` has no exchange.

    Parameters: counts, as `count_conversations` gives them; name, what was read.
    """
    n, n_lost = counts.get("n", 0), counts.get("without_answer", 0)
    if n_lost > max_lost * n:
        raise ValueError(
            f"{name}: {n_lost:,} of {n:,} conversations hold no answer to a user, so that they give no "
            f"sample; more than corpus.max_lost={max_lost:g} allows: mend the corpus, or raise it if that is meant"
        )
