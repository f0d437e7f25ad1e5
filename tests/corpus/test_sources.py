"""What a person may name as a corpus, and what becomes of records that cannot be used."""

import csv
import gzip
import io
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow as pa
import pytest
from macromicro.corpus.readers import make_samples, place_samples
from macromicro.corpus.records import BadRows
from macromicro.corpus.sources import open_source

PAIRS = [{"instruction": f"q{n}\tx", "response": f"a\n{n}"} for n in range(3)]
LINES = "".join(json.dumps(pair) + "\n" for pair in PAIRS)


def asked(name):
    tables = [make_samples(records, source="s", columns={}) for records in open_source(str(name), BadRows())]
    return sorted(pd.concat(tables)["instruction"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", LINES),
        ("a.json", json.dumps({"train": PAIRS})),
        ("b.json", json.dumps({"version": 1, "data": PAIRS}, indent=1)),
        ("c.json", f"\n {json.dumps(PAIRS)}"),
    ],
)
@pytest.mark.parametrize("ending", ["", ".gz", ".zst", "-"])
def test_json_of_every_kind_compressed_or_from_a_pipe(tmp_path, monkeypatch, name, text, ending):
    path = tmp_path / f"{name}{ending}"
    if ending == "-":
        if name == "a.jsonl":
            pytest.skip("as the others")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert asked("-") == [pair["instruction"] for pair in PAIRS]
        return
    with pa.output_stream(str(path), compression={".gz": "gzip", ".zst": "zstd"}.get(ending)) as file:
        file.write(text.encode())
    assert asked(path) == [pair["instruction"] for pair in PAIRS]


def test_one_record_of_json_is_no_list_of_records(tmp_path):
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    (tmp_path / "a.json").write_text(json.dumps({"messages": turns}, indent=1))
    assert asked(tmp_path / "a.json") == ["q"]


def test_a_folder_means_the_files_in_it(tmp_path):
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as file:
        file.write(LINES)
    with (tmp_path / "a.tsv").open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([["instruction", "response"], ["t\tab", "x"]])
    (tmp_path / "a.jsonl.bad.jsonl").write_text("{}")
    (tmp_path / "notes.md").write_text("none")
    assert asked(tmp_path) == [*(pair["instruction"] for pair in PAIRS), "t\tab"]


def test_a_dataset_of_the_hub(monkeypatch):
    with TemporaryDirectory(prefix="data") as folder:  # the name of a test would be taken for that of a split
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", f"{folder}/cache")
        Path(folder, "train.jsonl").write_text(LINES)
        Path(folder, "validation.jsonl").write_text(LINES.splitlines()[0] + "\n")
        assert len(asked(f"hub:{folder}")) == 3
        assert len(asked(f"hub:{folder}:validation")) == 1
        with pytest.raises(ValueError, match="cannot load split 'none' of dataset"):
            asked(f"hub:{folder}:none")


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        (
            "https://example.org/a.jsonl?key=1",
            r"example.org/a.jsonl: an address is not read; download the file",
        ),
        ("empty", r"empty: a folder without a file that ends in \.jsonl"),
        ("a.txt", r"a\.txt: expected a file named \.jsonl, .* \.gz or \.zst, not '\.txt'"),
        ("a.parquet.gz", "expected a file named"),
        ("bad.jsonl.gz", r"bad\.jsonl\.gz: cannot be read: "),
    ],
)
def test_refused(tmp_path, monkeypatch, name, rule):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for file in ("a.txt", "a.parquet.gz", "bad.jsonl.gz"):
        (tmp_path / file).write_text(LINES)
    with pytest.raises(ValueError, match=rule):
        open_source(name, BadRows())


TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
BAD = {
    2: ('{"messages": ', "not valid JSON"),
    3: ("[1]", "expected a record such as"),
    4: ('{"messages": 3, "id": "c"}', "'messages' must be a list of turns"),
    5: (json.dumps({"id": "d", "messages": [{"role": "poet", "content": "x"}, *TURNS]}), "has a turn by 'poet'"),
    6: (json.dumps({"id": "e", "messages": [*TURNS, "hm"]}), "every turn of 'messages' must be"),
    7: (json.dumps({"id": "f", "messages": [{"role": "user", "content": "\0"}, TURNS[1]]}), "holds a NUL"),
    8: (json.dumps({"id": "a", "messages": TURNS}), "id 'a' is already that of"),
    9: (json.dumps({"id": None, "messages": TURNS}), "'id' must be text or a whole number"),
    10: (json.dumps({"id": "g", "messages": [{"role": "user", "content": 7}, TURNS[1]]}), "must be text, not int 7"),
    11: (r'{"id": "h", "messages": [{"role": "user", "content": "\ud800"}]}', "half of a surrogate pair"),
}


def test_bad_records_are_skipped_with_their_reasons_or_the_first_is_an_error(tmp_path):
    good = [json.dumps({"id": name, "messages": TURNS}) for name in "ab"]
    text = "\n".join([good[0], *(line for line, _ in BAD.values()), good[1]]) + "\n"
    path = tmp_path / "a.jsonl"
    path.write_bytes(text.encode() + b'{"id": "\xff"}\n')
    bad = BadRows(skip=True)
    [records] = open_source(str(path), bad)
    table = place_samples(records, source="s", columns={})
    assert table["id"].tolist() == ["a", "b"]
    assert {number: reason for (_, _, number), reason in bad.found.items()}.keys() == {*BAD, 13}
    for number, (_, reason) in BAD.items():
        assert reason in bad.found[str(path), "line", number]
    for line, reason in BAD.values():
        path.write_text(f"{good[0]}\n{line}\n")
        with pytest.raises(ValueError, match=r"a\.jsonl, line 2: ") as refused:
            place_samples(open_source(str(path), BadRows())[0], source="s", columns={})
        assert reason in str(refused.value)


def test_rows_of_csv_with_other_numbers_of_fields(tmp_path):
    (tmp_path / "a.csv").write_text("instruction,response\na,b\nc\nd,e,f\ng,h\n")
    bad = BadRows(skip=True)
    [records] = open_source(str(tmp_path / "a.csv"), bad)
    assert sorted(make_samples(records, source="s", columns={})["instruction"]) == ["a", "g"]
    assert [number for _, _, number in bad.found] == [3, 4]


def test_of_several_lists_of_records_none_is_guessed(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"test": PAIRS, "examples": ["a name"]}))
    assert len(open_source(str(path), BadRows())[0].numbers) == 3
    path.write_text(json.dumps({"train": PAIRS, "test": PAIRS[:1]}))
    with pytest.raises(ValueError, match=r"a\.json: holds several lists of records, train, test; give a file with one"):
        open_source(str(path), BadRows())


def test_csv_through_a_pipe_is_told_what_a_pipe_takes(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"instruction,response\nq,a\n")))
    with pytest.raises(ValueError, match=r"standard input, line 1: not valid JSON.*; through a pipe only JSON is read"):
        open_source("-", BadRows())
