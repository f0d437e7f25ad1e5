"""The command line through its real entry point, on small files."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from macromicro.annotate.types import load_types
from macromicro.api.settings import describe_choice, list_settings
from macromicro.cli import main as cli
from macromicro.cli import options as cli_options
from macromicro.cli.output import shown_command
from macromicro.cli.settings import read_settings
from macromicro.measure.single import MAX_NOVELSUM
from macromicro.select import choose as subset
from macromicro.study import settings

MACROMICRO = Path(sys.executable).parent / "macromicro"
BAND = ["--set", "tokens.low=2", "--set", "tokens.high=40"]
WORDS = [
    *"amber birch cedar delta ember fjord grove heron inlet jetty kelp lagoon marsh".split(),
    "naïve",
    "осень",
    "🙂",
]


def run(*arguments, cwd, given=None):
    """Run the command; bytes in, bytes out."""
    return subprocess.run([MACROMICRO, *map(str, arguments)], cwd=cwd, input=given, capture_output=True, timeout=300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the same 60 samples as JSON lines, CSV (other names) and Parquet."""
    folder = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 6)) for _ in range(120)]
    samples = pd.DataFrame({"instruction": texts[:60], "response": texts[60:]})
    samples["licence"] = ["CC-BY-4.0"] * 40 + ["MIT"] * 20
    samples["grade"] = range(60)
    samples.to_json(folder / "my.jsonl", orient="records", lines=True, force_ascii=False)
    samples.to_parquet(folder / "my.parquet")
    samples[["instruction", "response"]].set_axis(["q", "a"], axis=1).to_csv(folder / "my.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def selected(folder):
    """What the README's command leaves."""
    done = run("select", "my.jsonl", "--granularity", "micro", "--part", "response", "--size", 10, "-o", "subset.jsonl",
               *BAND, cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done


def read_lines(data):
    return [json.loads(line) for line in data.decode().splitlines()]


def test_select_writes_whole_rows_of_the_file(folder, selected):
    chosen = read_lines((folder / "subset.jsonl").read_bytes())
    corpus = {row["instruction"]: row for row in read_lines((folder / "my.jsonl").read_bytes())}
    assert len({row["grade"] for row in chosen}) == 10
    assert all(row == corpus[row["instruction"]] for row in chosen)
    assert selected.stdout == b""
    assert b"types covered" in selected.stderr
    assert b"tokenize: 100%" in selected.stderr


def test_the_card_of_a_selection(folder, selected):
    card = (folder / "subset.jsonl.card.md").read_text()
    assert "license:\n- cc-by-4.0\n- mit\n" in card
    assert "| licence | text |" in card
    assert "macromicro select my.jsonl --granularity micro --part response --size 10 -o subset.jsonl" in card
    assert "trained on the corpus itself" in card
    assert f"| sha256 | {sha256((folder / 'my.jsonl').read_bytes()).hexdigest()} |" in card
    assert "| tokens.low | 2 |" in card
    assert "% of all occurrences |" in card
    assert b"% of all occurrences\n" in selected.stderr


def test_the_default_card_replaces_cards_only(folder, selected):
    asked = ("select", "my.jsonl", "-n", 5, "--method", "random", "-o", "kept.jsonl")
    (folder / "kept.jsonl.card.md").write_text("my own notes")
    done = run(*asked, cwd=folder)
    assert done.returncode == 1
    assert b"no card of macromicro" in done.stderr
    assert (folder / "kept.jsonl.card.md").read_text() == "my own notes"
    assert not (folder / "kept.jsonl").exists()
    (folder / "kept.jsonl.card.md").write_bytes((folder / "subset.jsonl.card.md").read_bytes())
    assert b"there is the card of another file" in run(*asked, cwd=folder).stderr
    (folder / "kept.jsonl.card.md").unlink()
    assert run(*asked, cwd=folder).returncode == 0
    assert run(*asked, cwd=folder).returncode == 0
    assert "path: kept.jsonl" in (folder / "kept.jsonl.card.md").read_text()


@pytest.mark.parametrize("names", [("none.jsonl", "my.csv/card.md"), ("my.csv/none.jsonl", "none.md")])
def test_a_subset_and_its_card_come_together_or_not_at_all(folder, names):
    output, card = names
    done = run("select", "my.jsonl", "-n", 5, "--method", "random", "-o", output, "--card", card, cwd=folder)
    assert (done.returncode, done.stderr.count(b"Traceback")) == (1, 0)
    assert not list(folder.glob("none.*")) + list(folder.glob(".none*"))


def test_same_command_same_bytes_and_pipes_and_formats_agree(folder, selected):
    piped = run("select", "-", "-n", 10, "-o", "-", *BAND, cwd=folder, given=(folder / "my.jsonl").read_bytes())
    lines = (folder / "subset.jsonl").read_bytes()
    assert piped.stdout == lines
    done = run("select", "my.parquet", "-n", 10, "-o", "subset.parquet", "--card", "README.md", *BAND, cwd=folder)
    assert done.returncode == 0
    table = pd.read_parquet(folder / "subset.parquet")
    assert table.to_dict("records") == read_lines(lines)
    assert "path: subset.parquet" in (folder / "README.md").read_text()


def test_annotate_and_select_with_its_types(folder, selected):
    done = run("annotate", "my.jsonl", "-o", "types.npz", *BAND, cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    assert load_types(folder / "types.npz").n_samples == 60
    done = run("select", "my.jsonl", "-n", 10, "--types", "types.npz", "-o", "again.jsonl", cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    assert (folder / "again.jsonl").read_bytes() == (folder / "subset.jsonl").read_bytes()
    card = (folder / "again.jsonl.card.md").read_text()
    for fact in ("types | types.npz", "part | response", "granularity | micro", "tokens.low | 2", "tokens.high | 40"):
        assert f"| {fact} |" in card
    assert "| made with | byte-level BPE" in card
    for option, value, held in (("--part", "instruction", "response"), ("--granularity", "meso", "micro")):
        wrong = run("select", "my.jsonl", "-n", 9, "--types", "types.npz", "-o", "-", option, value, cwd=folder)
        assert (wrong.returncode, wrong.stdout) == (1, b"")
        assert f"{option[2:]}={value}: the types of types.npz are of {option[2:]} {held}" in wrong.stderr.decode()
    done = run("select", "subset.jsonl", "-n", 2, "--types", "types.npz", "-o", "x.jsonl", cwd=folder)
    assert done.returncode == 1
    assert b"samples and types must have the same ids, but 50 are in one only" in done.stderr


def test_annotate_lists_the_types_of_every_sample(folder):
    done = run("annotate", "my.csv", "--column", "instruction=q", "--column", "response=a", "--part", "instruction",
               "--tokenizer", "words", "-o", "-", "--set", "tokens.low=1", cwd=folder)  # fmt: skip
    rows = read_lines(done.stdout)
    asked = {frozenset(text.split()) - {"🙂"} for text in pd.read_csv(folder / "my.csv")["q"]}
    assert {frozenset(row["types"]) for row in rows} == asked
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)


def test_words_are_split_at_white_space_where_the_settings_say_so(folder):
    (folder / "loud.jsonl").write_text('{"instruction": "a", "response": "Oh, OH! oh"}\n')
    done = run("annotate", "loud.jsonl", "-o", "-", "--set", "tokens.unit=word", "--set", "tokens.low=1", cwd=folder)
    assert read_lines(done.stdout)[0]["types"] == ["OH!", "Oh,", "oh"]
    assert b"made with: words (split at white space)" in done.stderr


@pytest.mark.parametrize("method", ["random", "longest"])
def test_rivals_need_no_types(folder, method):
    done = run("select", "my.jsonl", "-n", 5, "--method", method, "-o", f"{method}.jsonl", cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    assert len(read_lines((folder / f"{method}.jsonl").read_bytes())) == 5
    card = (folder / f"{method}.jsonl.card.md").read_text()
    assert "no coverage is known" in card
    assert ("| length | in words" in card) == (method == "longest")


def test_measure_before_and_after(folder, selected):
    done = run("measure", "subset.jsonl", "--before", "my.csv", "--column", "instruction=q", "--column", "response=a",
               "--cache", "cache", "--json", cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    assert found["n_samples"] == {"before": 60, "random": 10, "after": 10}
    assert found["NovelSum"] == "density among all samples read; not computed above 50,000 samples"
    chosen = read_lines((folder / "subset.jsonl").read_bytes())
    words = [text.split() for text in (row["response"].replace("🙂", "") for row in chosen)]
    flat = [word for text in words for word in text]
    response = found["metrics"]["after"]["response"]
    assert response["1-NR"] == pytest.approx(len(set(flat)) / len(flat))
    assert response["SL"] == pytest.approx(len(flat) / 10)
    assert 1 <= response["Vendi"] <= 10
    table = run("measure", "subset.jsonl", "--cache", "cache", cwd=folder)
    assert table.returncode == 0
    assert f"{response['SL']:.4g}" in table.stdout.decode()


def test_measure_with_intervals_an_order_and_a_reference(folder, selected):
    plain, asked = (
        run("measure", "subset.jsonl", "--cache", "cache", "--json", *more, cwd=folder)
        for more in ((), ("--intervals", "--vendi-order", "inf", "--reference", "my.jsonl"))
    )
    assert asked.returncode == 0, asked.stderr.decode()
    found = json.loads(asked.stdout)
    assert found["Vendi"] == "order inf"
    assert found["NovelSum"] == "density among the samples of my.jsonl; not computed above 50,000 samples"
    value, low, high = (found["metrics"][name]["response"] for name in ("value", "value_low", "value_high"))
    assert all(low[metric] <= value[metric] <= high[metric] for metric in value)
    before = json.loads(plain.stdout)["metrics"]["value"]["response"]
    assert value["Vendi"] < before["Vendi"]
    assert before["NovelSum"] is None  # ten texts have no ten neighbours
    assert value["NovelSum"] > 0
    assert {name: value[name] for name in value if name not in ("Vendi", "NovelSum")} == {
        name: before[name] for name in before if name not in ("Vendi", "NovelSum")
    }


def test_compare_at_equal_size(folder, selected):
    done = run("compare", "subset.jsonl", "my.jsonl", "--cache", "cache", cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    shown = done.stdout.decode()
    assert "n compared: 10\n" in shown
    assert "n shared instructions: 10\n" in shown
    assert "difference" in shown


def test_compare_with_intervals(folder, selected):
    done = run("compare", "subset.jsonl", "my.jsonl", "--intervals", "--json", "--cache", "cache", cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)["metrics"]
    one, two, difference = (found[name]["response"]["SL"] for name in ("one", "two", "difference"))
    assert difference == pytest.approx(two - one)
    assert found["difference_low"]["response"]["SL"] <= difference <= found["difference_high"]["response"]["SL"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("select", "none.jsonl", "-n", 5, "-o", "x.jsonl"), "no such file: 'none.jsonl'"),
        (("select", "my.jsonl", "-n", 61, "-o", "x.jsonl"), "size=61 must be at most the 60 usable samples"),
        (("select", "my.jsonl", "-n", 5, "-o", "x.txt"), "x.txt: expected a name that ends in .jsonl, .json, .csv, "),
        (("select", "my.jsonl", "-n", 5, "-o", "my.jsonl"), "the output would replace the input"),
        (("select", "my.jsonl", "-n", 5, "-o", "x.jsonl", "--card", "my.jsonl"), "the card would replace the input"),
        (("select", "my.jsonl", "-n", 5, "-o", "x.jsonl", "--card", "x.jsonl"), "the card would replace the output"),
        (("select", "my.jsonl", "-n", 5, "-o", "x.jsonl", "--types", "x.jsonl"), "the output would replace the types"),
        (("select", "my.jsonl", "-n", 5, "-o", "x.jsonl", "--card", "my.csv"), "my.csv: there is a file that is no"),
        (("select", "my.jsonl", "-n", 5, "-o", "x.jsonl", "--card", "."), "must be a file, but this is a folder"),
        (("select", "my.csv", "-n", 5, "-o", "x.jsonl"), "my.csv: has columns q, a; expected instruction + response"),
        (("select", "my.csv", "-n", 5, "-o", "x.jsonl", "--column", "instruction=z"), "no column 'z': my.csv has q, a"),
        (("select", "my.jsonl", "-n", 5, "-o", "x.jsonl", "--set", "tokens.lo=1"), "tokens has low, high, unit"),
        (("select", "my.jsonl", "-n", 5, "-o", "x.jsonl", "--set", "tokens.low=9e9"), "--set tokens.low:"),
        (("select", "my.jsonl", "-n", 5, "-o", "x.jsonl", "--tokenizer", "no.json"), "cannot load tokenizer 'no.json'"),
        (("select", "my.jsonl", "-n", 5, "-o", "x.jsonl", "--types", "my.csv"), "my.csv: not a file that"),
        (
            ("select", "my.jsonl", "-n", 5, "-o", "x.jsonl", "--set", "tokens.low=400"),
            "widen the band of tokens.low=400",
        ),
        (("annotate", "bad.jsonl", "-o", "x.npz"), "bad.jsonl, line 2: not valid JSON"),
        (("annotate", "empty.jsonl", "-o", "x.npz"), "empty.jsonl: none of its 1 samples has both"),
        (("annotate", "my.jsonl", "-o", "x.npz", "--granularity", "meso", "--set", "tags.tagger=llm"), "tag_llm.model"),
        (("measure", "one.jsonl"), "'value' has 1; give at least 2"),
    ],
)
def test_an_error_is_one_line_and_leaves_nothing(folder, arguments, message, monkeypatch, capsys):
    (folder / "bad.jsonl").write_text('{"instruction": "a", "response": "b"}\n{"instruction": \n')
    (folder / "empty.jsonl").write_text('{"instruction": " ", "response": "b"}\n')
    (folder / "one.jsonl").write_text('{"instruction": "a", "response": "b"}\n')
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["macromicro", *map(str, arguments)])
    with pytest.raises(SystemExit, match=r"^macromicro: .*\Z") as stopped:
        cli.main()
    assert message in stopped.value.code
    assert capsys.readouterr().out == ""
    assert not list(folder.glob("x.*")) + list(folder.glob(".x*"))


@pytest.mark.parametrize(
    ("command", "listed"),
    [("select", True), ("annotate", True), ("report", True), ("measure", False), ("compare", False), ("check", False)],
)
def test_the_help_promises_a_list_of_bad_rows_only_where_one_is_written(command, listed, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["macromicro", command, "--help"])
    with pytest.raises(SystemExit):
        cli.main()
    shown = " ".join(capsys.readouterr().out.split())
    assert ("OUTPUT.bad.jsonl" in shown) == listed
    assert ("is said on the terminal" in shown) != listed and ("of -o - it is not listed" in shown) == listed


def test_a_missing_file(folder):
    done = run("measure", "none.jsonl", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"macromicro: no such file: 'none.jsonl'\n")


def test_a_bad_row_in_a_pipe(folder):
    done = run("select", "-", "-n", 1, "-o", "-", cwd=folder, given=b'{"instruction": "a", "response": 3}\n')
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"macromicro: standard input, line 1: 'response' must be text, not int 3\n"


def test_a_card_shows_no_paths_of_the_machine():
    command = shown_command(
        ["select", "/data/my.jsonl", "--set", "tag_llm.base_url=http://host/v1", "-n5", "-o/gone/a b.jsonl",
         "--types=some/types.npz", "--cache", "/gone/cache", "--tokenizer", "/models/one", "--card", "../c.md",
         "--set", "embed.model=/models/two", "--set=tag_llm.model=org/three", "--method", "even", "--", "-"]
    )  # fmt: skip
    assert command == (
        "macromicro select my.jsonl --set tag_llm.base_url=URL -n5 '-oa b.jsonl' --types=types.npz --cache cache "
        "--tokenizer one --card c.md --set embed.model=two --set=tag_llm.model=org/three --method even -- -"
    )


def test_the_command_of_a_card_does_not_depend_on_the_folder(folder, monkeypatch):
    words = ["select", "my.jsonl", "--part", "response", "--tokenizer", "words", "-n", "5"]
    (folder / "response").mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    assert shown_command(words) == f"macromicro {' '.join(words)}"


def test_settings_of_a_card_are_those_in_force():
    settings = read_settings(["tags.tagger=llm", "tag_llm.model=/models/big", "tag_llm.base_url=http://host/v1"])
    assert list_settings(read_settings([], tokenizer="words"), "micro")["tokens.unit"] == "bare-word"
    micro = list_settings(settings, "micro")
    assert micro == {"tokens.low": 10, "tokens.high": 500, "tokens.unit": "token", "types.untyped": "drop"}
    meso = list_settings(settings, "meso")
    assert (meso["tag_llm.model"], meso["tag_llm.max_tokens"]) == ("big", 256)
    assert "http" not in str(meso)
    assert not any("tag_llm" in name for name in list_settings(read_settings([]), "meso"))
    assert describe_choice("k-center", 100, settings)["embed.max_tokens"] == 128
    assert describe_choice("even", 50, settings) == {"diversity level": "50 %"}


def test_conversations_that_are_cut_are_counted(folder):
    turns = [{"role": role, "content": f"{role} {n}"} for n in range(2) for role in ("user", "assistant")]
    rows = [{"messages": turns}, {"messages": [{**turn, "content": turn["content"] + "!"} for turn in turns[:2]]}]
    (folder / "talks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run("select", "talks.jsonl", "-n", 1, "--method", "random", "-o", "talk.jsonl", cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    assert b"talks.jsonl: 1 of conversations with several turns of a user; exchanges used: first" in done.stderr
    assert "turns of a user; exchanges used: first | 1 |" in (folder / "talk.jsonl.card.md").read_text()
    own = [{"instruction": name, "response": "b", "n_turns": 5} for name in "ab"]
    (folder / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own))
    done = run("select", "own.jsonl", "-n", 1, "--method", "random", "-o", "-", cwd=folder)
    assert b"several turns" not in done.stderr


def test_wrong_usage_is_status_2(folder):
    for wrong in (("slect",), ("select", "my.jsonl"), ("select", "my.jsonl", "-n", 0, "-o", "-")):
        assert run(*wrong, cwd=folder).returncode == 2


def test_help_teaches_and_imports_nothing_heavy(folder):
    shown = run("--help", cwd=folder).stdout.decode()
    assert all(name in shown for name in ("annotate", "select", "measure", "compare"))
    assert f"{MAX_NOVELSUM:,} samples it is left out" in run("measure", "--help", cwd=folder).stdout.decode()
    assert "--granularity micro --part response --size 10000" in run("select", "--help", cwd=folder).stdout.decode()
    probe = (
        "import sys; import macromicro.cli.main; print(*(set(sys.modules) & {'numpy', 'pandas', 'torch', 'pydantic'}))"
    )
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True).stdout.strip() == b""


def test_the_names_of_the_options_are_those_of_the_library():
    assert get_args(cli_options.Part) == get_args(settings.Part)
    assert get_args(cli_options.Granularity) == get_args(settings.Granularity)
    assert get_args(cli_options.Method) == get_args(subset.Method)
    assert get_args(cli_options.Method) == get_args(settings.Method)


def test_the_settings_of_the_command_line_are_those_of_a_study_in_the_order_of_its_dump():
    names = list(settings.Study.model_fields)
    assert names[:4] == ["study", "description", "seed", "strategies"]
    own = list(settings.TypeSettings.model_fields)
    assert names[names.index("embed") : names.index("population")] == own
    assert names.index("respond") + 1 == names.index("embed")


@pytest.mark.parametrize(
    ("assignment", "rule"),
    [
        ("tokens", "expected section.key=value"),
        ("tokens.low", "expected section.key=value"),
        ("tokens.low=[", "is not a value"),
        ("nothing.low=1", "sections are embed, topics"),
        ("tokens.low=600", "low=600 must be at most high=500"),
        ("tags.merge_distance=-1", "--set tags.merge_distance:"),
        ("tokens.unit=wrod", "--set tokens.unit:"),
    ],
)
def test_settings_refused(assignment, rule):
    with pytest.raises(ValueError, match=rule):
        read_settings([assignment])


def test_the_tokenizer_words_is_a_unit():
    assert read_settings([], tokenizer="words").tokens.unit == "bare-word"
    assert read_settings(["tokens.unit=word"], tokenizer="bpe").tokens.unit == "word"
    with pytest.raises(ValueError, match=r"tokens.unit=word: tokenizer words is the unit 'bare-word'"):
        read_settings(["tokens.unit=word"], tokenizer="words")
    with pytest.raises(ValueError, match=r"--set tokens: tokenizer='x.json' is for unit='token'"):
        read_settings(["tokens.tokenizer=x.json"], tokenizer="words")
