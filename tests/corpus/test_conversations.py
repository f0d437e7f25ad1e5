"""What the first exchange of a conversation leaves out is counted."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from macromicro.corpus.conversations import check_conversations, count_conversations
from macromicro.corpus.readers import read_samples

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
COUNTS = {"n": 10, "cut": 2, "with_system_turns": 4, "opened_by_assistant": 2, "without_answer": 5}


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
    assert (samples["instruction"] != "").sum() == 3


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"with_system_turns": 6}, "6 of 100 conversations have system turns, which are left out"),
        ({"opened_by_assistant": 3, "without_answer": 3}, "6 of 100 conversations do not begin with a user"),
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
