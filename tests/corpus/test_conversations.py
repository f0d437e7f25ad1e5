"""What the first exchange of a conversation leaves out is counted."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from macromicro.corpus.conversations import check_conversations, count_conversations, find_exchanges
from macromicro.corpus.formats import read_records
from macromicro.corpus.readers import place_samples, read_samples
from macromicro.corpus.writers import find_json_text, save_columns

ROLES = [
    ["system", "user", "assistant", "user", "assistant"],
    ["system", "developer", "user", "assistant"],
    ["user", "assistant"],
    ["assistant", "user", "assistant"],
    ["system", "assistant"],
    ["user"],
    ["user", "user", "assistant"],
    ["tool", "user", "assistant"],
    ["system"],
    [],
]
COUNTS = {"n": 10, "cut": 2, "with_system_turns": 4, "opened_by_assistant": 2, "with_tools": 1, "not_all_text": 0}
COUNTS["without_answer"] = 4


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_what_is_left_out_is_counted(tmp_path, suffix):
    records = [
        {"id": i, "messages": [{"role": role, "content": role} for role in roles]} for i, roles in enumerate(ROLES)
    ]
    path = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    samples = read_samples(path)
    assert count_conversations(samples) == COUNTS
    assert samples["n_system_turns"].tolist() == [1, 2, 0, 0, 1, 0, 0, 0, 1, 0]
    assert samples["opened_by"].tolist() == ["user"] * 3 + ["assistant"] * 2 + ["user"] * 2 + ["tool", "", ""]
    assert (samples["instruction"] != "").sum() == 6
    assert samples["instruction"].tolist()[6:8] == ["user\n\nuser", "Tool: tool\n\nUser: user"]
    assert samples["instruction"].tolist()[:4] == ["system\n\nuser", "system\n\ndeveloper\n\nuser", "user", "user"]


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (
            {"with_system_turns": 60, "opened_by_assistant": 9, "without_answer": 6},
            "6 of 100 conversations hold no answer to a user",
        ),
    ],
)
def test_too_many_losses_end_a_study(counts, words):
    counts = {**dict.fromkeys(COUNTS, 0), "n": 100, **counts}
    with pytest.raises(ValueError, match=f"my.jsonl: {words}.*corpus.max_lost=0.05 allows"):
        check_conversations(counts, max_lost=0.05, name="my.jsonl")
    check_conversations(counts, max_lost=0.06, name="my.jsonl")
    check_conversations({}, max_lost=0.0, name="my.jsonl")


@pytest.mark.parametrize("own", [{}, {"n_turns": 5}, {"n_turns": "five", "opened_by": "assistant"}])
def test_other_samples_have_no_conversations_whatever_their_columns_are_called(tmp_path, own):
    (tmp_path / "a.jsonl").write_text(json.dumps({"instruction": "a", "response": "b", **own}) + "\n")
    assert count_conversations(read_samples(tmp_path / "a.jsonl")) == {}
    assert count_conversations(pd.DataFrame({"instruction": ["a"], "response": ["b"]})) == {}


def said(role, content, **more):
    return {"role": role, "content": content, **more}


TALK = [
    said("system", "Be kind."),
    said("assistant", "Hello!"),
    said("user", "q1"),
    said("assistant", None, tool_calls=[{"name": "f"}]),
    said("tool", "42"),
    said("assistant", "a1"),
    said("user", [{"type": "text", "text": "q2"}, {"type": "image_url"}]),
    said("assistant", "a2"),
    said("user", "bye"),
]
FIRST = ("Be kind.\n\nq1", '{"name": "f"}', 4)
SECOND = ('Be kind.\n\nUser: q1\n\nAssistant: {"name": "f"}\n\nTool: 42', "a1", 6)
THIRD = (SECOND[0] + "\n\nAssistant: a1\n\nUser: q2", "a2", 8)


@pytest.mark.parametrize(
    ("turns", "expected"), [("first", [FIRST]), ("last", [THIRD]), ("all", [FIRST, SECOND, THIRD])]
)
def test_exchanges_with_what_was_said_before(tmp_path, turns, expected):
    plain = [said("user", "q"), said("assistant", "a"), said("user", "r"), said("assistant", "b")]
    talks = {"x": TALK, "y": plain, "z": [said("user", None)]}
    records = [{"id": name, "messages": talk} for name, talk in talks.items()]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    read = read_records(tmp_path / "a.jsonl")
    table = place_samples(read, source="s", columns={}, turns=turns)
    found = find_exchanges(read, "messages", turns=turns)
    of_talk = found[found["row"] == 0]
    assert [*zip(of_talk["instruction"], of_talk["response"], of_talk["n_read"], strict=True)] == expected
    later = ("User: q\n\nAssistant: a\n\nUser: r", "b", 4)
    others = {"first": [("q", "a", 2)], "last": [later], "all": [("q", "a", 2), later]}[turns]
    of_plain = found[found["row"] == 1]
    assert [*zip(of_plain["instruction"], of_plain["response"], of_plain["n_read"], strict=True)] == others
    names = {"all": ["x", "x#2", "x#3", "y", "y#2", "z"]}.get(turns, ["x", "y", "z"])
    assert table["id"].tolist() == names
    assert table.set_index("id").loc[["x", "z"], "not_text"].tolist() == ["turn 7: image_url", "turn 1: null"]
    assert table.set_index("id").loc[["x", "y", "z"], "n_tool_turns"].tolist() == [2, 0, 0]


def test_calls_of_tools_in_arrow_are_read_as_those_in_json(tmp_path):
    turns = [said("user", "q"), said("assistant", None, tool_calls=[{"name": "f"}]), said("tool", "1")]
    pq.write_table(pa.Table.from_pylist([{"messages": turns}]), tmp_path / "a.parquet")
    assert read_samples(tmp_path / "a.parquet")["response"].tolist() == ['{"name": "f"}']


def test_a_file_of_conversations_without_a_word(tmp_path):
    silent = {"messages": [said("user", ""), said("assistant", "")]}
    (tmp_path / "a.jsonl").write_text(json.dumps(silent) + "\n")
    assert read_samples(tmp_path / "a.jsonl")[["instruction", "response"]].to_numpy().tolist() == [["", ""]]


def test_the_first_exchange_is_one_of_a_user(tmp_path):
    """A result of a tool that nobody asked for is no instruction; what was said before a question is."""
    path = tmp_path / "a.json"
    talk = [("tool", "42"), ("assistant", "It is 42."), ("user", "Why?"), ("assistant", "So.")]
    path.write_text(json.dumps([{"messages": [{"role": role, "content": text} for role, text in talk]}]))
    found = {turns: find_exchanges(read_records(path), "messages", turns=turns) for turns in ("first", "last", "all")}
    assert found["first"]["response"].tolist() == ["So."]
    assert found["first"]["instruction"].tolist() == ["Tool: 42\n\nAssistant: It is 42.\n\nUser: Why?"]
    assert found["last"]["response"].tolist() == ["So."]
    assert found["all"]["response"].tolist() == ["It is 42.", "So."]


def test_a_conversation_may_be_written_as_json_text(tmp_path):
    """As files of tool calls have it, whose turns no Parquet type holds together; what Parquet of ours has them as."""
    mixed = [TALK, [said("user", [{"type": "text", "text": "q"}]), said("assistant", "a", extra={})]]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"messages": talk}) + "\n" for talk in mixed))
    save_columns(read_records(tmp_path / "a.jsonl").columns, tmp_path / "a.parquet")
    assert pq.read_schema(tmp_path / "a.parquet").field("messages").type == pa.string()
    assert find_json_text(read_records(tmp_path / "a.jsonl").columns) == ["messages"]
    assert find_json_text({"messages": [mixed[0][:1]], "text": ["[]"]}) == []
    for turns in ("first", "last", "all"):
        lists, texts = (
            place_samples(read_records(tmp_path / f"a.{suffix}"), source="s", columns={}, turns=turns)
            for suffix in ("jsonl", "parquet")
        )
        pd.testing.assert_frame_equal(lists, texts)
