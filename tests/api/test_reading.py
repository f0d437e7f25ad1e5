"""Samples from whatever a program has, and what was left out of them."""

import json
from contextlib import chdir

import pandas as pd
import pyarrow as pa
import pytest
from datasets import Dataset
from macromicro.api.measures import measure
from macromicro.api.reading import open_groups, read
from macromicro.corpus.readers import read_samples

RECORDS = [
    {"id": "a", "prompt": "Name a colour.", "completion": "Red.", "score": 1},
    {"id": "b", "prompt": "name  a COLOUR.", "completion": "Blue.", "score": 2},
    {"id": "c", "prompt": "Say nothing.", "completion": " ", "score": 3},
    {"id": "d", "prompt": "Count to two.", "completion": "One, two.", "score": 4},
]


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "my.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    return path


def test_every_kind_of_source_holds_the_same_samples(corpus):
    frame = pd.DataFrame(RECORDS)
    sources = [corpus, str(corpus), frame, pa.Table.from_pandas(frame), Dataset.from_pandas(frame)]
    for source in sources:
        samples = read(source)
        assert samples.table["id"].tolist() == ["a", "d"]
        assert samples.table["response"].tolist() == ["Red.", "One, two."]
        assert samples.table["score"].tolist() == [1, 4]
        assert len(samples) == 2
        assert samples.dropped["id"].tolist() == ["b", "c"]
        assert samples.dropped["reason"].tolist() == ["repeats the instruction of a", "no text"]
    assert read(corpus).dropped["place"].tolist() == ["my.jsonl, line 2", "my.jsonl, line 3"]
    assert read(frame).dropped["place"].tolist() == ["DataFrame, row 2", "DataFrame, row 3"]


def test_a_dataset_is_read_as_it_was_filtered_and_shuffled():
    dataset = Dataset.from_list(RECORDS).shuffle(seed=3).filter(lambda row: row["id"] != "a")
    assert read(dataset).table["id"].tolist() == ["b", "d"]


def test_repeats_may_be_kept_and_sources_joined(corpus):
    kept = read(corpus, repeats="keep")
    assert kept.table["id"].tolist() == ["a", "b", "d"]
    more = pd.DataFrame({"q": ["Spell it."], "completion": ["I, t."], "id": ["e"]})
    both = read(corpus, more, columns={"instruction": "q"})
    assert both.table["id"].tolist() == ["a", "d", "e"]
    assert both.name == "my.jsonl, DataFrame"


def test_all_samples_of_a_group_are_there_before_they_are_sifted(corpus):
    whole = open_groups({"one": [corpus]})["one"]
    pd.testing.assert_series_equal(whole.table["instruction"], read_samples(corpus)["instruction"])
    assert len(whole.dropped) == 0


def test_what_is_dropped_keeps_its_first_reason(corpus):
    samples = read(corpus)
    fewer = samples.drop([["", "too short"][text == "Red."] for text in samples.table["response"]], short=1)
    assert fewer.table["id"].tolist() == ["d"]
    assert fewer.dropped["reason"].tolist() == ["too short", "repeats the instruction of a", "no text"]
    assert fewer.about["short"] == 1 and "short" not in samples.about
    assert samples.table["id"].tolist() == ["a", "d"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"train": Dataset.from_list(RECORDS)}, r"expected one split of it, such as data\['train'\]; it has train"),
        (3, "expected a path, DataFrame, Arrow table or datasets.Dataset, not int"),
        (RECORDS, "expected a path, DataFrame, Arrow table or datasets.Dataset, not list"),
        (
            Dataset.from_list(RECORDS).to_iterable_dataset(),
            r"datasets\.Dataset, not IterableDataset; take Dataset\.from_list\(list\(data\.take\(1000\)\)\)",
        ),
        (pd.DataFrame({"prompt": ["a", 1], "completion": "b"}), "DataFrame: a column holds values of several kinds"),
        (pd.DataFrame({"prompt": ["a"], "answer": ["b"]}), "DataFrame: has columns prompt, answer; expected"),
        (pd.DataFrame({"prompt": ["a"], "completion": [" "]}), "DataFrame: none of its 1 samples has both"),
        ("no/such.jsonl", "no such file|No such file"),
    ],
)
def test_refused(source, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read(source)


def test_no_source_is_refused():
    for nothing in (read, lambda: measure([])):
        with pytest.raises(ValueError, match="give at least one source"):
            nothing()


@pytest.mark.parametrize("given", [{"turns": "none"}, {"repeats": "maybe"}, {"bad_rows": True}])
def test_options_are_one_of_their_words(corpus, given):
    [(name, value)] = given.items()
    with pytest.raises(ValueError, match=f"{name}={value!r} must be one of "):
        read(corpus, **given)


def test_columns_that_no_source_has_are_refused(corpus):
    with pytest.raises(ValueError, match=r"no column 'answer': my\.jsonl has id, prompt, completion, score"):
        read(corpus, columns={"response": "answer"})
    with pytest.raises(ValueError, match="column reply=answer: expected OURS=THEIRS with OURS one of id, instruction"):
        read(corpus, columns={"reply": "answer"})


def test_bad_rows_may_be_skipped(tmp_path):
    path = tmp_path / "my.jsonl"
    path.write_text('{"prompt": "a", "completion": "b"}\n{"prompt": 1, "completion": "b"}\n')
    with pytest.raises(ValueError, match=r"my\.jsonl, line 2"):
        read(path)
    samples = read(path, bad_rows="skip")
    assert len(samples) == 1 and samples.about["records that cannot be used, skipped"] == 1
    with chdir(tmp_path):
        assert len(eval(samples.call, {"mm": __import__("macromicro")})) == 1
    assert samples.call == "mm.read('my.jsonl', bad_rows='skip')"


def test_ids_that_two_files_number_alike_are_told_apart():
    frames = [pd.DataFrame({"id": [0, 1], "prompt": [f"{a} {n}" for n in (0, 1)], "completion": a}) for a in "xy"]
    both = read(*frames)
    assert both.table["id"].tolist() == ["DataFrame (2):0", "DataFrame (2):1", "DataFrame:0", "DataFrame:1"]
    assert both.table["response"].tolist() == ["y", "y", "x", "x"]
    assert len(read(frames[0], frames[0][:1]).table) == 2  # the same samples twice are repeats, under their own ids
    assert read(frames[0], frames[0][:1]).table["id"].tolist() == ["0", "1"]
