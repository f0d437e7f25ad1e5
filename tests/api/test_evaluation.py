"""The prompts of an evaluation set, whatever shape it has."""

import json

import pandas as pd
import pytest
from macromicro.api.evaluation import read_prompts
from macromicro.api.reading import read
from macromicro.select.filters import find_overlapping

TALK = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Name a colour."},
    {"role": "assistant", "content": "Red."},
    {"role": "user", "content": "Another?"},
]


def shown(prompts):
    return list(prompts[["id", "instruction"]].itertuples(index=False, name=None))


def test_every_turn_of_a_user_is_a_prompt_answered_or_not():
    found = read_prompts(pd.DataFrame({"id": ["x", "y"], "messages": [TALK, TALK[:2]]}))
    assert shown(found) == [("x", "Name a colour."), ("x#2", "Another?"), ("y", "Name a colour.")]
    unnamed = read_prompts(pd.DataFrame({"messages": [TALK[:3]]}))
    assert shown(unnamed) == [("DataFrame, row 1", "Name a colour.")]


def test_a_system_prompt_of_either_side_hides_no_overlap():
    corpus = read(
        pd.DataFrame(
            {"id": ["a", "b"], "messages": [TALK[1:3], [{"role": "system", "content": "Be brief."}, *TALK[1:3]]]}
        ),
        repeats="keep",
    )
    for prompts in (TALK[:2], TALK[1:3], TALK):
        reasons, counts = find_overlapping(
            corpus.table, read_prompts(pd.DataFrame({"id": ["x"], "messages": [prompts]}))
        )
        assert reasons.tolist() == ["asks what x asks"] * 2
        assert counts["samples left out"] == 2


@pytest.mark.parametrize(
    "columns", [{}, {"output": "4"}, {"output": "4", "id": 7}, {"id": "same"}, {"response": "4", "extra": [1]}]
)
def test_the_input_of_an_instruction_is_part_of_the_prompt(tmp_path, columns):
    path = tmp_path / "eval.jsonl"
    asked = [{"instruction": "Sum up the text.", "input": text, **columns} for text in ("A mill.", "A river.")]
    path.write_text("".join(json.dumps(one) + "\n" for one in asked))
    found = read_prompts(path)
    assert found["instruction"].tolist() == ["Sum up the text.\n\nA mill.", "Sum up the text.\n\nA river."]
    assert found["id"].tolist() == ["eval.jsonl, line 1", "eval.jsonl, line 2"]


@pytest.mark.parametrize("name", ["instruction", "prompt", "question"])
def test_a_column_of_prompts_is_enough(name):
    assert shown(read_prompts(pd.DataFrame({name: [" Why? "], "id": [3]}))) == [("3", "Why?")]


def test_samples_are_an_evaluation_set_too():
    frame = pd.DataFrame({"id": ["a", "b"], "prompt": ["One?", "Two?"], "completion": ["1", ""]})
    assert shown(read_prompts(read(frame))) == [("a", "One?")]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"prompt": ["Why?", " "]}, "DataFrame, row 2: a prompt of an evaluation set must have text, but 1 of 2 have"),
        ({"messages": [TALK[:1], TALK]}, "DataFrame, row 1: a prompt of an evaluation set must have text, but 1 of 2"),
        ({"ask": ["Why?"]}, "has columns ask; expected prompts in one of instruction, prompt, question, messages"),
    ],
)
def test_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        read_prompts(pd.DataFrame(columns))
