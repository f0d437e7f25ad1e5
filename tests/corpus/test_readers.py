import json
import string
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from macromicro.corpus import records as records_module
from macromicro.corpus.formats import read_records
from macromicro.corpus.readers import COLUMNS, content_ids, load_hub_samples, make_samples, read_samples
from macromicro.corpus.records import arrow_records
from macromicro.corpus.writers import save_samples

PARAMS = Path(__file__).parents[2] / "params"
PAIR = {"instruction": "Add 1 and 1.", "response": "2"}
# A file can be rewritten for every example: nothing of the last one may matter.
SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, list):
            path.write_text("".join(json.dumps(record) + "\n" for record in content), encoding="utf-8")
        else:
            path.write_text(content, encoding="utf-8", newline="")
        return path

    return write_file


def texts(table):
    return sorted(zip(table["instruction"], table["response"], strict=True))


def test_a_source_may_be_a_number(tmp_path, write):
    given = [{**PAIR, "id": "a", "source": 3}, {**PAIR, "id": "b", "source": None}, {**PAIR, "id": "c", "source": 10}]
    pd.DataFrame(given).astype({"source": "Int64"}).to_parquet(tmp_path / "a.parquet")
    write("a.jsonl", given)
    for name in ("a.jsonl", "a.parquet"):
        assert read_samples(tmp_path / name)["source"].tolist() == ["3", name, "10"]
    with pytest.raises(ValueError, match="line 1: 'source' must be text, not"):
        read_samples(write("b.jsonl", [{**PAIR, "source": True}]))


def test_every_format_gives_the_same_samples(tmp_path, write):
    pairs = [{"instruction": 'Say "hi",\nplease', "response": "hi 👋"}, {"instruction": "שלום", "response": "é"}]
    frame = pd.DataFrame(pairs)
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv", index=False)
    write("a.jsonl", pairs)
    write("a.json", json.dumps(pairs, indent=2))
    write("lines.json", "\n".join(json.dumps(pair, ensure_ascii=False) for pair in pairs))
    tables = [read_samples(tmp_path / name) for name in ("a.jsonl", "a.json", "a.csv", "a.parquet", "lines.json")]
    for table in tables:
        assert list(table.columns) == list(COLUMNS)
        assert texts(table) == sorted((pair["instruction"], pair["response"]) for pair in pairs)
        assert table["id"].tolist() == tables[0]["id"].tolist()
        assert set(table["licence"]) == {""}
    assert set(tables[0]["source"]) == {"a.jsonl"}


def test_chunks_do_not_show(tmp_path, write, monkeypatch):
    """Text, conversations, missing keys, and columns whose kind changes from one chunk to the next."""
    turns = [
        [{"role": "user", "content": f"q {row}"}, {"role": "assistant", "content": f"a {row}"}] for row in range(9)
    ]
    odd = [[], [{"role": "system", "content": "be brief"}, *turns[1]], [{**turns[2][0], "name": "Jo"}, turns[2][1]]]
    late = [{"note": value} if value else {} for value in (None, "x", None, 3, [1], None, "y", "z", None)]
    tables = {
        "pairs": [{"instruction": f"q {row}", "response": f"a {row}", **late[row]} for row in range(9)],
        "talks": [{"messages": talk, "score": row / 2} for row, talk in enumerate(turns)],
        "odd": [{"messages": talk} for talk in [*turns[:5], *odd, *turns[5:]]],
    }
    for name, records in tables.items():
        path = write(f"{name}.jsonl", records)
        whole = read_samples(path)
        for chunk in (1, 2, 4):
            monkeypatch.setattr(records_module, "CHUNK", chunk)
            pd.testing.assert_frame_equal(read_samples(path), whole)
        monkeypatch.undo()
    assert whole["n_turns"].value_counts().to_dict() == {1: 11, 0: 1}
    whole.loc[:, ["instruction", "response"]].to_csv(tmp_path / "a.csv", index=False)
    monkeypatch.setattr(records_module, "CHUNK", 2)
    assert texts(read_samples(tmp_path / "a.csv")) == texts(whole)


def test_text_and_conversations_are_no_python_objects(write):
    records = [{"instruction": "q", "response": None, "n": 1, "messages": [{"from": "human", "value": "hi"}]}] * 3
    columns = read_records(write("a.jsonl", records)).columns
    assert {name for name, values in columns.items() if isinstance(values, list)} == {"n"}


def test_line_ends_of_any_kind_in_csv(write):
    expected = [("a", "b"), ("c\nd", "e")]
    for end in ("\n", "\r\n", "\r"):
        content = end.join(["instruction,response", "a,b", f'"c{end}d",e', ""]).encode()
        assert texts(read_samples(write("a.csv", content))) == expected


def test_ids_come_from_the_content(write):
    table = read_samples(write("a.jsonl", [{"instruction": "a\r\n", "response": " b"}]))
    # printf 'a\0b' | sha256sum
    assert table["id"].tolist() == content_ids(table) == ["59b271ae1bbcb1d3"]
    assert table["instruction"].tolist() == ["a"]
    assert table["response"].tolist() == ["b"]


@pytest.mark.parametrize(
    ("record", "instruction", "response"),
    [
        ({"instruction": "Translate.", "input": "chat", "output": "cat"}, "Translate.\n\nchat", "cat"),
        ({"instruction": "Translate.", "input": "", "output": "cat"}, "Translate.", "cat"),
        ({"instruction": "Translate.", "input": None, "output": "cat"}, "Translate.", "cat"),
        ({"prompt": "Hi", "completion": "Hello"}, "Hi", "Hello"),
        ({"prompt": "Hi", "reference": "Hello"}, "Hi", "Hello"),
        ({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}, "Hi", "Hello"),
        ({"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}, "Hi", "Hello"),
    ],
)
def test_record_styles_are_recognised(tmp_path, write, record, instruction, response):
    tables = [read_samples(write("a.jsonl", [record])), read_samples(write("a.json", json.dumps([record])))]
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / "a.parquet")
    for table in [*tables, read_samples(tmp_path / "a.parquet")]:
        assert texts(table) == [(instruction, response)]
        assert not {"input", "output", "prompt", "completion"} & set(table.columns)


def conversation(*roles):
    return {"messages": [{"role": role, "content": f"{role} {turn}"} for turn, role in enumerate(roles)]}


def test_conversations_give_their_first_exchange_and_count_turns(tmp_path, write):
    records = [
        conversation("system", "user", "assistant", "user", "assistant"),
        conversation("user", "assistant"),
        conversation("assistant", "user"),
        conversation("user"),
        conversation(),
    ]
    expected = [("", "", 0), ("", "", 1), ("", "", 1), ("system 0\n\nuser 1", "assistant 2", 2)]
    expected.append(("user 0", "assistant 1", 1))
    listed = read_samples(write("a.jsonl", records))
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet")
    for table in (listed, read_samples(tmp_path / "a.parquet")):
        rows = zip(table["instruction"], table["response"], table["n_turns"], strict=True)
        assert sorted(rows) == expected
        assert "messages" in table


def test_other_columns_are_kept_as_they_are(tmp_path, write):
    records = [
        {**PAIR, "n": 2**60, "mixed": 1, "maybe": None, "deep": {"a": []}, "license": "MIT"},
        {"instruction": "b", "response": "c", "n": 3, "mixed": "x", "maybe": 7, "source": "own"},
    ]
    table = read_samples(write("a.jsonl", records))
    rows = {row["instruction"]: row for row in table.to_dict("records")}
    assert rows["Add 1 and 1."]["n"] == 2**60
    assert rows["Add 1 and 1."]["licence"] == "MIT"
    assert rows["Add 1 and 1."]["source"] == "a.jsonl"
    assert rows["b"]["source"] == "own"
    assert rows["b"]["maybe"] == 7
    assert [rows[name]["mixed"] for name in ("Add 1 and 1.", "b")] == ["1", '"x"']
    for name in ("b.jsonl", "b.parquet"):
        save_samples(table, tmp_path / name)
        again = read_samples(tmp_path / name)
        pd.testing.assert_frame_equal(again[list(COLUMNS)], table[list(COLUMNS)])
        assert again["n"].tolist() == table["n"].tolist()


@pytest.mark.parametrize("name", ["system", "system_prompt"])
def test_a_column_of_system_prompts_begins_the_instruction(write, name):
    """Two samples that differ in it alone are two samples; a column of that name that holds no text is left alone."""
    rows = [
        {"id": str(row), name: text, "question": "Why?", "answer": "So."} for row, text in enumerate(["Be kind.", ""])
    ]
    path = write(
        "a.jsonl",
        [
            *rows,
            {"id": "2", "question": "Why?", "answer": "So."},
            {"id": "3", name: "A", "question": " ", "answer": "So."},
        ],
    )
    assert read_samples(path)["instruction"].tolist() == ["Be kind.\n\nWhy?", "Why?", "Why?", ""]
    assert name not in read_samples(path)
    talk = [
        {**conversation("user", "assistant"), name: "Be kind."},
        {**conversation("system", "user", "assistant"), name: " "},
    ]
    table = read_samples(write("b.jsonl", talk))
    assert sorted(table["instruction"]) == ["Be kind.\n\nuser 0", "system 0\n\nuser 1"]
    assert table["n_system_turns"].tolist() == [1, 1] and sorted(table[name]) == [" ", "Be kind."]
    numbered = read_samples(write("c.jsonl", [{name: 3, "question": "Why?", "answer": "So."}]))
    assert numbered["instruction"].tolist() == ["Why?"] and numbered[name].tolist() == [3]
    mapped = read_samples(
        write("d.jsonl", [{"rule": "Be kind.", "prompt": "Why?", "completion": "So."}]), columns={"system": "rule"}
    )
    assert mapped["instruction"].tolist() == ["Be kind.\n\nWhy?"]


def test_what_an_instruction_is_about_is_read_once_and_under_any_name_of_the_instruction(tmp_path):
    def instructions(columns=None, **given):
        path = tmp_path / "a.parquet"
        pd.DataFrame(given).to_parquet(path)
        return sorted(read_samples(path, columns=columns)["instruction"])

    asked = {"input": ["What is 2+2?"], "output": ["4"]}
    assert instructions({"instruction": "input", "response": "output"}, **asked) == ["What is 2+2?"]
    squad = {"question": ["Who won?"] * 2, "context": ["Bob in 0.", "Ann in 1."], "answer": ["B", "A"]}
    assert instructions(**squad) == ["Who won?\n\nAnn in 1.", "Who won?\n\nBob in 0."]
    both = {"instruction": ["Sum"] * 2, "input": ["a", ""], "context": ["", "1 and 2"], "response": ["b", "3"]}
    assert instructions(**both) == ["Sum\n\n1 and 2", "Sum\n\na"]
    empty = {"instruction": ["Sum"], "input": [float("nan")], "output": ["3"]}
    assert instructions(**empty) == ["Sum"]
    told = pd.Series(["Be nice", "Be brief"]).astype("category")
    assert instructions(system=told, instruction=["a", "a"], output=["b", "c"]) == ["Be brief\n\na", "Be nice\n\na"]


def test_a_system_prompt_that_is_no_text_is_refused_by_its_line(write):
    rows = [{"system": told, "instruction": "a", "output": "b"} for told in ("Be nice", 7)]
    with pytest.raises(ValueError, match=r"line 2: 'system' must be text, not int 7"):
        read_samples(write("a.jsonl", rows))


def test_columns_can_be_mapped(write):
    path = write("a.csv", "key,question,about,answer\nq1,Why?,the sky,Because.\n")
    columns = {"id": "key", "instruction": "question", "input": "about", "response": "answer"}
    table = read_samples(path, columns=columns)
    assert table[["id", "instruction", "response"]].values.tolist() == [["q1", "Why?\n\nthe sky", "Because."]]
    with pytest.raises(ValueError, match=r"no column 'query' to take as instruction; the file has: key, question"):
        read_samples(path, columns={"instruction": "query"})


@pytest.mark.parametrize(
    ("record", "columns"),
    [
        ({**conversation("user", "assistant"), "input": "mine", "n_turns": "mine", "instruction": "mine"}, {}),
        ({**PAIR, "about": "numbers", "input": "mine", "other_input": "too"}, {"input": "about"}),
        (
            {"q": "a", "a": "b", "key": "k", "id": "mine", "instruction": "mine", "response": "mine"},
            {"id": "key", "instruction": "q", "response": "a"},
        ),
    ],
)
@pytest.mark.parametrize("name", ["b.jsonl", "b.parquet"])
def test_a_column_that_only_has_a_name_of_ours_is_kept_and_not_taken_for_it(tmp_path, write, record, columns, name):
    table = read_samples(write("a.jsonl", [record]), columns=columns)
    mine = {f"other_{key}" for key, value in record.items() if value == "mine"}
    mine = {"other_other_input" if "other_input" in record else key for key in mine}
    assert all(table[key].tolist() == ["mine"] for key in mine)
    assert "input" not in table and ("other_input" not in record or table["other_input"].tolist() == ["too"])
    save_samples(table, tmp_path / name)
    again = read_samples(tmp_path / name)
    assert list(again.columns) == list(table.columns)
    assert again.astype("str").values.tolist() == table.astype("str").values.tolist()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", "", "no records"),
        ("a.jsonl", '{"instruction": "a", "response": "b"}\n{"instruction": "a",\n', "line 2: not valid JSON"),
        ("a.jsonl", '\n["a", "b"]\n', "line 2: expected a record"),
        ("a.jsonl", '{"instruction": "a", "response": NaN}', "line 1: not valid JSON: NaN"),
        ("a.jsonl", '{"instruction": "a", "instruction": "c", "response": "b"}', "a key is given twice"),
        ("a.jsonl", "[" * 100_000, "line 1: not valid JSON"),
        ("a.jsonl", [PAIR, {"instruction": "a"}], "line 2: no 'response'"),
        ("a.jsonl", [PAIR, {"instruction": 3, "response": "b"}], "line 2: 'instruction' must be text, not int 3"),
        ("a.jsonl", [PAIR, {"instruction": "\ud800", "response": "b"}], "line 2: 'instruction' holds half of a surrog"),
        ("a.jsonl", [PAIR, {"instruction": "a\0", "response": "b"}], "line 2: 'instruction' holds a NUL character"),
        ("a.jsonl", [{"ask": "a", "answer": "b"}], "has columns ask, answer; expected instruction"),
        ("a.jsonl", [{**PAIR, "id": "x"}, {**PAIR, "id": "x"}], "line 2: id 'x' is already that of .*line 1"),
        ("a.jsonl", [{**PAIR, "id": "x"}, PAIR], "line 2: 'id' must be text or a whole number, but is missing"),
        ("a.jsonl", [{**PAIR, "id": 1.5}], "line 1: 'id' must be text or a whole number, but is 1.5"),
        ("a.jsonl", [PAIR | {"id": "\ud800"}], "line 1: 'id' holds half of a surrogate pair"),
        ("a.jsonl", [PAIR | {"\udfff": 1}], r"column name '\\udfff' holds half of a surrogate pair"),
        ("a.jsonl", [{**PAIR, "licence": 3}], "line 1: 'licence' must be text, not int 3"),
        ("a.jsonl", [conversation("user", "narrator")], "line 1: 'messages' has a turn by 'narrator'"),
        ("a.jsonl", [{"messages": "hi"}], "line 1: 'messages' must be a list of turns"),
        ("a.jsonl", [{"messages": [{"text": "hi"}]}], "line 1: every turn of 'messages' must be"),
        ("a.jsonl", [{"messages": [{"role": "user", "content": ["hi"]}]}], "line 1: 'messages' must be text"),
        (
            "a.jsonl",
            b'{"instruction": "a", "response": "b"}\n{"instruction": "\xe9"}\n',
            "line 2: byte 0xe9 is not UTF-8",
        ),
        ("a.jsonl", '{"instruction": "a", "response": "b"}'.encode("utf-16"), "line 1: byte 0xff is not UTF-8"),
        ("a.json", "[1]", "record 1: expected a record"),
        ("a.json", "[]", "no records"),
        ("a.json", '[{"instruction": "a"', "not valid JSON"),
        ("a.csv", "", "no rows"),
        ("a.csv", "instruction,response\n", "no rows"),
        ("a.csv", "instruction,response\na,b\nc\n", "line 3: 1 fields; expected 2"),
        ("a.csv", "instruction,response\na,b,c\n", "line 2: 3 fields; expected 2"),
        ("a.csv", 'instruction,response\n"a,b\n', "not valid CSV"),
        ("a.csv", "instruction,instruction\na,b\n", "line 1: the header must name every column once"),
        ("a.parquet", b"PAR1 but not really", "not a readable Parquet file"),
        ("a.parquet", b"", "not a readable Parquet file"),
        ("a.txt", "a", "expected a file named"),
    ],
)
def test_bad_files_are_refused_with_their_place(write, name, content, message):
    path = write(name, content)
    with pytest.raises(ValueError, match=message) as caught:
        read_samples(path)
    assert str(path) in str(caught.value)


def test_bad_parquet_columns_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    invalid = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    for response, message in [
        (pa.array([1]), "must hold text, not int64"),
        (pa.array([b"x"]), "must hold text, not binary"),
        (invalid, "not valid text"),
    ]:
        pq.write_table(pa.table({"instruction": pa.array(["a"]), "response": response}), path)
        with pytest.raises(ValueError, match=message):
            read_samples(path)
    pq.write_table(pa.table({"messages": pa.array([["hi"]])}), path)
    with pytest.raises(ValueError, match="must hold lists of role and content"):
        read_samples(path)
    pq.write_table(pa.table({"instruction": pa.array([], pa.string()), "response": pa.array([], pa.string())}), path)
    with pytest.raises(ValueError, match="no rows"):
        read_samples(path)


def test_parquet_text_types_are_all_read(tmp_path):
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        columns = {"instruction": pa.array(["a", "b"]).cast(kind), "response": pa.array(["c", None]).cast(kind)}
        pq.write_table(pa.table(columns), tmp_path / "a.parquet")
        assert texts(read_samples(tmp_path / "a.parquet")) == [("a", "c"), ("b", "")]


def test_byte_order_mark_and_line_separators_are_text(write):
    path = write("a.jsonl", b"\xef\xbb\xbf" + '{"instruction": "a\u2028b", "response": "c\u0085d"}'.encode())
    assert texts(read_samples(path)) == [("a\u2028b", "c\u0085d")]


def test_standard_input_is_read_as_json_lines(monkeypatch):
    class Stdin:
        from io import BytesIO

        buffer = BytesIO(json.dumps(PAIR).encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    assert read_samples("-")["source"].tolist() == ["standard input"]


def test_a_folder_in_the_layout_of_the_hub_is_loaded(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.jsonl").write_text(json.dumps({"instruction": "a", "output": "b"}) + "\n")
    table = load_hub_samples(str(folder), split="train", columns={})
    assert texts(table) == [("a", "b")]
    with pytest.raises(ValueError, match="cannot load split 'test' of dataset"):
        load_hub_samples(str(folder), split="test", columns={})


def test_the_revision_of_a_dataset_is_asked_for(monkeypatch):
    datasets = pytest.importorskip("datasets")
    asked = []

    def load(path, **how):
        asked.append((path, how))
        return datasets.Dataset.from_dict({"instruction": ["a"], "response": ["b"]})

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert texts(load_hub_samples("here/set", split="train", columns={}, revision="abc")) == [("a", "b")]
    load_hub_samples("here/set", split="train", columns={})
    assert asked == [("here/set", {"split": "train", "revision": revision}) for revision in ("abc", None)]


def test_conversations_in_many_chunks_are_those_of_one_chunk():
    """As in a table of the hub with many files: texts of more than 2 GiB do not fit the offsets of one chunk."""
    roles = [("user", "assistant"), (), ("system", "user", "assistant", "user"), ("assistant", "user"), ("user",)]
    chats = [conversation(*roles[row % 5])["messages"] for row in range(17)]
    for row, chat in enumerate(chats):
        for turn in chat:
            turn["content"] += f" of {row}"
    whole = pa.table({"id": [f"{row:02d}" for row in range(17)], "messages": chats})
    kind = whole.schema.field("messages").type
    parts = [pa.array(chats[start:stop], kind) for start, stop in ((0, 3), (3, 3), (3, 4), (4, 17))]
    many = whole.set_column(1, "messages", pa.chunked_array([*parts, parts[0][:0]]))
    assert many["messages"].num_chunks == 5
    one, other = (make_samples(arrow_records(table, "hub"), source="hub", columns={}) for table in (whole, many))
    pd.testing.assert_frame_equal(other, one)
    assert one["response"].str.len().gt(0).sum() == 7
    broken = pa.chunked_array([parts[0], pa.array([[{"role": "narrator", "content": "x"}]], kind)])
    with pytest.raises(ValueError, match="hub, row 4: 'messages' has a turn by 'narrator'"):
        make_samples(arrow_records(pa.table({"messages": broken}), "hub"), source="hub", columns={})


HUB_TABLES = {
    "laptop_hub": {
        "instruction": ["Which is a fish?", "Who wrote it?"],
        "context": ["", "A novel by Woolf."],
        "response": ["Tope", "Woolf"],
        "category": ["classification", "closed_qa"],
    },
    "paper": {
        "id": ["a", "b"],
        "messages": [
            [{"content": "Which is a fish?", "role": "user"}, {"content": "Tope", "role": "assistant"}],
            [
                {"content": "Be brief.", "role": "system"},
                {"content": "Who wrote it?\n\nA novel by Woolf.", "role": "user"},
                {"content": "Woolf", "role": "assistant"},
                {"content": "Thanks", "role": "user"},
            ],
        ],
        "source": ["ai2/one", "ai2/two"],
    },
}


HUB_PAIRS = {
    name: [("Which is a fish?", "Tope"), (f"{said}Who wrote it?\n\nA novel by Woolf.", "Woolf")]
    for name, said in {"laptop_hub": "", "paper": "Be brief.\n\n"}.items()
}


@pytest.mark.parametrize("preset", HUB_TABLES)
def test_the_columns_of_a_preset_fit_its_dataset_of_the_hub(preset):
    """Tables shaped like databricks/databricks-dolly-15k and allenai/tulu-3-sft-mixture."""
    corpus = yaml.safe_load((PARAMS / f"{preset}.yaml").read_text())["corpus"]
    records = arrow_records(pa.table(HUB_TABLES[preset]), corpus["path"])
    samples = make_samples(records, source=corpus["path"], columns=corpus.get("columns", {}))
    assert sorted(texts(samples)) == sorted(HUB_PAIRS[preset])
    own = HUB_TABLES[preset].get("source", [corpus["path"]] * 2)
    assert samples["source"].tolist() == own
    assert ("category" in samples) == (preset == "laptop_hub")


def test_writing_leaves_nothing_half_written(tmp_path):
    table = pd.DataFrame({"id": ["a"], "instruction": ["b"], "response": [object()]})
    for name in ("a.parquet", "a.jsonl", "a.json", "a.csv"):
        with pytest.raises(Exception, match="object"):
            save_samples(table, tmp_path / name)
    with pytest.raises(ValueError, match=r"written as \.jsonl, \.json, \.csv, \.parquet, not '\.txt'"):
        save_samples(table.drop(columns="response"), tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []


def test_json_lines_hold_no_nan_and_no_bytes(tmp_path):
    extra = {"score": [1.5, float("nan"), float("inf")], "deep": [[{"x": 0.5}], [{"x": float("nan")}], []]}
    table = pa.table({"instruction": ["a", "b", "c"], "response": ["d", "e", "f"], **extra})
    pq.write_table(table, tmp_path / "a.parquet")
    save_samples(read_samples(tmp_path / "a.parquet"), tmp_path / "b.jsonl")
    again = read_samples(tmp_path / "b.jsonl").sort_values("instruction")
    assert [None if pd.isna(value) else value for value in again["score"]] == [1.5, None, None]
    assert [list(value) for value in again["deep"]] == [[{"x": 0.5}], [{"x": None}], []]
    for picture in ([b"\xff", None, b""], [[b"\xff"], [], []]):
        pq.write_table(table.append_column("picture", pa.array(picture)), tmp_path / "a.parquet")
        samples = read_samples(tmp_path / "a.parquet")
        with pytest.raises(ValueError, match="column 'picture' holds bytes"):
            save_samples(samples, tmp_path / "c.jsonl")
        save_samples(samples, tmp_path / "c.parquet")
        assert read_samples(tmp_path / "c.parquet")["picture"].notna().any()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "b.jsonl", "c.parquet"]


anything = st.text(max_size=40)
awkward = st.sampled_from(
    ["", " ", "\u200b", "👩‍👩‍👧", "مرحبا", "\u202eabc", "\x07\x1b[0m", "ﬁ", "e\u0301", "x" * 1_000_000]
)
pair_lists = st.lists(st.tuples(st.one_of(anything, awkward), st.one_of(anything, awkward)), min_size=1, max_size=6)


def normalised(text):
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").strip()


@given(pairs=pair_lists, name=st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.parquet"]))
@SHARED_FOLDER
def test_any_text_is_read_back_or_refused(tmp_path, pairs, name):
    path = tmp_path / name
    records = [{"instruction": instruction, "response": response} for instruction, response in pairs]
    try:
        if name == "a.csv":
            pd.DataFrame(records).to_csv(path, index=False, quoting=1)
        elif name == "a.parquet":
            pd.DataFrame(records).to_parquet(path)
        else:
            lines = (json.dumps(record) + "\n" for record in records)
            path.write_text(json.dumps(records) if name == "a.json" else "".join(lines))
        table = read_samples(path)
    except (UnicodeEncodeError, pa.ArrowException):  # text that cannot be written in the first place
        return
    except ValueError as error:
        assert str(path) in str(error)
        assert any(character == "\0" or 0xD800 <= ord(character) < 0xE000 for character in "".join(sum(pairs, ())))
        return
    assert texts(table) == sorted((normalised(a), normalised(b)) for a, b in pairs)
    assert table["id"].is_monotonic_increasing
    table = table.drop_duplicates("id", ignore_index=True)
    save_samples(table, tmp_path / "b.jsonl")
    pd.testing.assert_frame_equal(read_samples(tmp_path / "b.jsonl"), table)
    save_samples(table, tmp_path / "b.parquet")
    pd.testing.assert_frame_equal(read_samples(tmp_path / "b.parquet"), table)


@given(data=st.one_of(st.binary(max_size=200), st.text(string.printable, max_size=200).map(str.encode)))
@SHARED_FOLDER
def test_any_bytes_give_samples_or_a_clear_error(tmp_path, data):
    for name in ("a.jsonl", "a.json", "a.csv", "a.parquet"):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"a\.(jsonl|json|csv|parquet)"):
            read_samples(path)


@given(order=st.permutations(range(8)))
@SHARED_FOLDER
def test_the_order_of_a_file_does_not_matter(tmp_path, order):
    records = [{"instruction": f"question {i % 5}", "response": f"answer {i}"} for i in order]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    expected = [f"answer {i}" for i in range(8)]
    table = read_samples(path)
    assert sorted(table["response"]) == expected
    assert np.all(table["id"] == sorted(table["id"]))
