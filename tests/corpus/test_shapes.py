"""A subset has the shape of the file that it is of, and can be trained on as that can."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from macromicro.corpus.formats import read_records
from macromicro.corpus.readers import ROW, place_samples
from macromicro.corpus.shapes import FILE, shape_rows
from macromicro.corpus.writers import save_columns

from tests.tiny_models import tiny_base

ALPACA = [{"instruction": f" q{n}\r\n", "input": "x" * n, "output": f"a{n}", "license": "MIT"} for n in range(4)]
DOLLY = [{"instruction": f"q{n}", "context": "c", "response": f"a{n}", "category": "qa"} for n in range(4)]
TALKS = [{"conversations": [{"from": "human", "value": f"q{n}"}, {"from": "gpt", "value": "a"}]} for n in range(4)]
MESSAGES = [
    {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": "a"}], "n": n}
    for n in range(4)
]
SHAPES = {"alpaca": ALPACA, "dolly": DOLLY, "sharegpt": TALKS, "messages": MESSAGES}


def read(path, rows, **columns):
    records = read_records(path)
    samples = place_samples(records, source="x", columns=columns).assign(**{FILE: 0})
    return records, samples.sort_values(ROW, ignore_index=True).iloc[list(rows)]


def write(path, records):
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    elif path.suffix == ".csv":
        pd.DataFrame(records).to_csv(path, index=False)
    elif path.suffix == ".json":
        path.write_text(json.dumps(records))
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_rows_come_out_as_they_were(tmp_path, shape, suffix):
    if suffix == ".csv" and shape in ("sharegpt", "messages"):
        pytest.skip("conversations do not fit")
    records, chosen = read(write(tmp_path / f"a{suffix}", SHAPES[shape]), [3, 1])
    out = tmp_path / f"b{suffix}"
    save_columns(shape_rows(chosen, [records], "same", columns=[{}]), out)
    kind = "json" if suffix == ".jsonl" else suffix[1:]
    loaded = load_dataset(kind, data_files=str(out), split="train", cache_dir=str(tmp_path / "cache")).to_list()
    expected = [SHAPES[shape][3], SHAPES[shape][1]]
    assert loaded == expected
    assert list(loaded[0]) == list(expected[0])


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_keys_that_a_record_lacks_stay_away(tmp_path, suffix):
    mixed = [{"instruction": "a", "response": "b", "n": 1}, {"instruction": "c", "response": "d", "tags": [1, "x"]}]
    records, chosen = read(write(tmp_path / "a.jsonl", mixed), [1, 0])
    save_columns(shape_rows(chosen, [records], "same", columns=[{}]), tmp_path / f"b{suffix}")
    text = (tmp_path / f"b{suffix}").read_text()
    assert (json.loads(text) if suffix == ".json" else list(map(json.loads, text.splitlines()))) == mixed[::-1]


def test_conversations_are_no_csv(tmp_path):
    records, chosen = read(write(tmp_path / "a.jsonl", MESSAGES), [0])
    with pytest.raises(ValueError, match="column 'messages' holds lists or objects, which CSV cannot"):
        save_columns(shape_rows(chosen, [records], "same", columns=[{}]), tmp_path / "b.csv")
    assert not (tmp_path / "b.csv").exists()


def test_other_shapes_keep_the_other_columns(tmp_path):
    records, chosen = read(write(tmp_path / "a.jsonl", ALPACA), [2])
    given = {"columns": [{}]}
    assert shape_rows(chosen, [records], "trl", **given).keys() == {"prompt", "completion", "license"}
    alpaca = {name: list(values) for name, values in shape_rows(chosen, [records], "alpaca", **given).items()}
    assert {name: str(values[0]) for name, values in alpaca.items()} == {
        "instruction": "q2\n\nxx",
        "input": "",
        "output": "a2",
        "license": "MIT",
    }
    turns = [{"role": "user", "content": "q2\n\nxx"}, {"role": "assistant", "content": "a2"}]
    assert shape_rows(chosen, [records], "messages", **given)["messages"] == [turns]


def test_a_system_prompt_is_in_the_prompt_of_another_shape_and_a_column_of_the_same(tmp_path):
    told = [{"system": "Be kind.", "instruction": "q", "output": "a", "license": "MIT"}]
    records, chosen = read(write(tmp_path / "a.jsonl", told), [0])
    trl = {name: list(map(str, values)) for name, values in shape_rows(chosen, [records], "trl", columns=[{}]).items()}
    assert trl == {"prompt": ["Be kind.\n\nq"], "completion": ["a"], "license": ["MIT"]}
    assert list(shape_rows(chosen, [records], "same", columns=[{}])) == list(told[0])


def test_files_of_different_columns_need_a_format(tmp_path):
    one, first = read(write(tmp_path / "a.jsonl", ALPACA), [0])
    two, second = read(write(tmp_path / "b.parquet", MESSAGES), [1])
    chosen = pd.concat([second.assign(**{FILE: 1}), first])
    with pytest.raises(ValueError, match=r"a\.jsonl has instruction, .*b\.parquet has messages, n; give --format"):
        shape_rows(chosen, [one, two], "same", columns=[{}, {}])
    save_columns(shape_rows(chosen, [one, two], "trl", columns=[{}, {}]), tmp_path / "c.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    assert lines == [
        {"prompt": "q1", "completion": "a", "n": 1},
        {"prompt": "q0", "completion": "a0", "license": "MIT"},
    ]


@pytest.mark.parametrize("shape", [*SHAPES, "trl"])
def test_a_step_of_trl_on_a_subset(tmp_path, shape):
    """Shapes that TRL does not know take the function that the file would take; ShareGPT's roles are in no template."""
    trl = pytest.importorskip("trl")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    records, chosen = read(write(tmp_path / "a.jsonl", SHAPES.get(shape, ALPACA)), [3, 1])
    form = {"trl": "trl", "sharegpt": "messages"}.get(shape, "same")
    save_columns(shape_rows(chosen, [records], form, columns=[{}]), tmp_path / "b.jsonl")
    data = load_dataset("json", data_files=str(tmp_path / "b.jsonl"), split="train", cache_dir=str(tmp_path / "cache"))
    formats = {
        "alpaca": lambda row: f"{row['instruction']}\n{row['input']}\n{row['output']}",
        "dolly": lambda row: f"{row['instruction']}\n{row['context']}\n{row['response']}",
    }
    how = trl.SFTConfig(str(tmp_path / "out"), max_steps=1, report_to=[], use_cpu=True, bf16=False, max_length=64)
    tokenizer = AutoTokenizer.from_pretrained(tiny_base())
    model = AutoModelForCausalLM.from_pretrained(tiny_base())
    trainer = trl.SFTTrainer(
        model, how, train_dataset=data, processing_class=tokenizer, formatting_func=formats.get(shape)
    )
    assert trainer.train().training_loss > 0


def test_an_exchange_comes_out_with_what_was_said_before_and_nothing_later(tmp_path):
    talk = [turn for n in range(3) for turn in SHAPES["messages"][n]["messages"]]
    records = read_records(write(tmp_path / "a.jsonl", [{"messages": talk, "n": 1}]))
    samples = place_samples(records, source="x", columns={}, turns="all").assign(**{FILE: 0})
    rows = shape_rows(samples.sort_values("id"), [records], "same", columns=[{}])
    assert sorted(rows["messages"], key=len) == [talk[:2], talk[:4], talk]
    assert list(rows["n"]) == [1, 1, 1]
