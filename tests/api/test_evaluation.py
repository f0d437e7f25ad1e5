"""The prompts of an evaluation set, whatever shape it has."""

import json

import numpy as np
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


def test_a_column_of_system_prompts_hides_no_overlap_and_sources_of_all_kinds_are_searched_together():
    told = pd.DataFrame(
        {"id": ["a"], "system_prompt": ["Be brief."], "question": ["Name a colour."], "answer": ["Red."]}
    )
    talk = pd.DataFrame({"id": ["t"], "messages": [TALK[1:]]})
    plain = pd.DataFrame({"id": ["p", "q"], "instruction": ["Plain?", "Other?"], "output": ["Yes.", "No."]})
    prompts = pd.DataFrame({"id": ["x", "y", "z"], "instruction": ["Name a colour.", "Another?", "Plain?"]})
    corpus = read(told, talk, plain).table
    reasons, counts = find_overlapping(corpus, prompts)
    assert dict(zip(corpus["id"], reasons, strict=True)) == {
        "a": "asks what x asks",
        "t": "asks what x asks",
        "p": "asks what z asks",
        "q": "",
    }
    assert counts["prompts that overlap"] == 3


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
    assert shown(read_prompts(read(frame))) == [("a", "One?"), ("b", "Two?")]


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


def found(corpus, prompts, turns="first"):
    samples = read(pd.DataFrame(corpus), turns=turns, repeats="keep")
    return find_overlapping(samples.table, read_prompts(pd.DataFrame(prompts)))[0].tolist()


def said(*turns):
    return [{"role": role, "content": text} for role, text in turns]


def test_of_a_conversation_what_its_user_asks_counts_and_no_part_of_it():
    asked = {"id": ["x"], "prompt": ["Summarize this."]}
    below = said(("system", "Be brief."), ("user", "Summarize this."), ("assistant", "Fine."))
    part = said(("user", "A long article.\n\nSummarize this."), ("assistant", "Fine."))
    called = said(("user", "Summarize this."), ("assistant", "f()"), ("tool", "sunny"), ("assistant", "Fine."))
    later = said(("user", "Hello?"), ("assistant", "Yes."), ("user", "Summarize this."), ("assistant", "Fine."))
    row = said(("user", "Summarize this."), ("user", "please"), ("assistant", "Fine."))
    talks = {"id": list("abcde"), "messages": [below, part, called, later, row]}
    hit = "asks what x asks"
    assert found(talks, asked) == [hit, "", hit, hit, hit]
    assert found(talks, asked, turns="last") == [hit, "", hit, hit, hit]
    assert found({"id": ["d"], "messages": [later]}, asked, turns="all") == [
        "",
        hit,
    ]  # d, d#2: d is written up to "Yes."


def test_a_question_of_several_paragraphs_is_found_below_a_system_prompt():
    talk = said(("system", "Be kind."), ("user", "Fix it:\r\n\r\nprint 1"), ("assistant", "Fine."))
    assert found({"id": ["a"], "messages": [talk]}, {"id": ["x"], "messages": [talk[:2]]}) == ["asks what x asks"]


def test_samples_are_read_as_the_file_that_they_are_of():
    frame = pd.DataFrame({"id": ["x", "y"], "messages": [TALK, TALK[:2]]})
    assert shown(read_prompts(read(frame, repeats="keep")))[:2] == shown(read_prompts(frame))[:2]
    mapped = read(
        pd.DataFrame({"q": ["Why?", "How?"], "a": ["So.", ""]}), columns={"instruction": "q", "response": "a"}
    )
    assert read_prompts(mapped)["instruction"].tolist() == ["Why?", "How?"]
    chosen = mapped.drop(np.array(["not drawn"], dtype=object))
    assert read_prompts(chosen)["instruction"].tolist() == ["How?"]


def test_a_made_id_that_another_prompt_has_hides_neither():
    frame = pd.DataFrame({"id": ["a", "a#2"], "messages": [TALK, [{"role": "user", "content": "Third?"}]]})
    assert shown(read_prompts(frame)) == [("a", "Name a colour."), ("a#2", "Another?"), ("a#2 (2)", "Third?")]
