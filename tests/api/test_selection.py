"""Choosing by a call: the same as on the command line, and again at another level or size."""

import json
import re
import subprocess
import sys
from contextlib import chdir
from itertools import islice, product

import macromicro as mm
import numpy as np
import pandas as pd
import pytest
from macromicro.annotate.types import load_types, save_types
from tokenizers import Tokenizer, models, pre_tokenizers

from tests.cli.test_bad_input import run

LOW = {"tokens.low": 1, "tokens.high": 1000}
COLOURS = ("red", "blue", "green", "black", "white", "pink", "grey", "gold")


@pytest.fixture
def frame():
    """Forty samples of one to three colours each."""
    pairs = islice(product(COLOURS, COLOURS, COLOURS), 0, None, 13)
    texts = [" ".join(dict.fromkeys(colours)) for colours in pairs]
    rows = {"instruction": [f"question {n}" for n in range(len(texts))], "response": texts}
    return pd.DataFrame({**rows, "source": ["ab"[n % 3 == 0] for n in range(len(texts))]})


@pytest.fixture
def corpus(tmp_path, frame):
    path = tmp_path / "my.jsonl"
    frame.to_json(path, orient="records", lines=True)
    return path


def test_a_call_chooses_what_the_command_chooses(tmp_path, corpus):
    more = {"level": 50, "seed": 3, "stratify": "source", "length": (2, None), "near_duplicates": "drop"}
    chosen = mm.select(str(corpus), "20%", tokenizer="words", settings=LOW, **more)
    asked = ("--level", 50, "--seed", 3, "--stratify", "source", "--length", "2:", "--near-duplicates", "drop")
    low = ("--tokenizer", "words", "--set", "tokens.low=1", "--set", "tokens.high=1000")
    done = run(tmp_path, "select", "my.jsonl", "-n", "20%", "-o", "1st.jsonl", "--rejected", "left.jsonl", *asked, *low)
    assert not done.error
    chosen.save(tmp_path / "2nd.jsonl")
    assert (tmp_path / "2nd.jsonl").read_bytes() == (tmp_path / "1st.jsonl").read_bytes()
    left = [json.loads(line) for line in (tmp_path / "left.jsonl").read_text().splitlines()]
    assert chosen.dropped.to_dict("records") == left
    assert len(chosen) + len(left) == len(mm.read(corpus).whole)
    names = ("1st", "2nd")
    cards = [(tmp_path / f"{name}.jsonl.card.md").read_text().replace(name, "NAME") for name in names]
    commands = [re.search(r"```\n(.*)\n```", card)[1] for card in cards]
    assert cards[0].replace(commands[0], "") == cards[1].replace(commands[1], "")
    with chdir(tmp_path):
        again = eval(commands[1], {"mm": mm})
    assert again.table.equals(chosen.table)


def test_the_card_has_a_call_that_chooses_the_same(tmp_path, frame):
    asked = pd.DataFrame({"prompt": ["question 3"]})
    given = {"level": 0, "seed": 0, "exclude": asked, "tokenizer": "words", "settings": LOW}
    chosen = mm.select(frame, 6, **given)
    chosen.save(tmp_path / "x.jsonl")
    [call] = re.findall(r"```\n(.*)\n```", (tmp_path / "x.jsonl.card.md").read_text())
    known = "mm.select(DataFrame, 6, level=0, tokenizer='words', exclude=DataFrame, settings={'tokens.low': 1, "
    assert call.startswith(known)
    low = mm.select(frame, 6, level=0, tokenizer="words", settings=LOW)
    assert low._show_call().startswith("mm.select(DataFrame, 6, level=0, tokenizer='words', settings=")
    assert eval(low._show_call(), {"mm": mm, "DataFrame": frame}).table.equals(low.table)
    assert mm.select(frame, 3, method="random")._show_call() == "mm.select(DataFrame, 3, method='random')"


def test_another_level_or_size_is_what_a_new_choice_would_be(frame):
    chosen = mm.select(frame, 6, tokenizer="words", settings=LOW)
    for level, size in ((0, 6), (50, 5), (100, "25%")):
        fresh = mm.select(frame, size, level=level, tokenizer="words", settings=LOW)
        other = chosen.at(level=level, size=size)
        assert other.table.equals(fresh.table)
        assert other.dropped.equals(fresh.dropped)
        assert other.how == fresh.how and other.facts == fresh.facts
    assert chosen.at().table.equals(chosen.table)
    with pytest.raises(ValueError, match=f"size=99 must be at most the {len(frame)} usable samples of DataFrame"):
        chosen.at(size=99)


def test_a_choice_again_needs_no_tokenizer(tmp_path, frame):
    words = {word: place for place, word in enumerate((*COLOURS, "[UNK]"))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    file = tmp_path / "tokenizer.json"
    tokenizer.save(str(file))
    chosen = mm.select(frame, 6, tokenizer=str(file), settings=LOW)
    expected = chosen.at(size=4).table
    file.unlink()
    assert chosen.at(size=4).table.equals(expected)
    with pytest.raises(ValueError, match="cannot load tokenizer"):
        mm.select(frame, 4, tokenizer=str(file), settings=LOW)


def test_types_that_were_made_before_are_used(tmp_path, frame):
    types = mm.annotate(frame, tokenizer="words", settings=LOW)
    assert set(types.labels) == set(COLOURS)
    save_types(types, tmp_path / "types.npz")
    plain = mm.select(frame, 6, tokenizer="words", settings=LOW, near_duplicates="drop")
    for given in (types, tmp_path / "types.npz", str(tmp_path / "types.npz"), load_types(tmp_path / "types.npz")):
        assert mm.select(frame, 6, types=given, near_duplicates="drop").table.equals(plain.table)
    with pytest.raises(ValueError, match="part=instruction: the types are of part response"):
        mm.select(frame, 6, types=types, part="instruction")
    with pytest.raises(ValueError, match="samples and types must have the same ids"):
        mm.select(frame.iloc[3:], 6, types=types)


def test_a_selection_is_samples_too(frame):
    samples = mm.read(frame)
    assert repr(mm.select(samples, 2, method="random")) == f"<Selection: 2 of the {len(frame)} samples of DataFrame>"
    chosen = mm.select(samples, 10, tokenizer="words", settings=LOW)
    half = mm.select(chosen, "50%", method="random")
    assert set(half.table["id"]) < set(chosen.table["id"])
    assert len(half) == 5
    assert set(half.dropped["id"]) == set(samples.table["id"]) - set(half.table["id"])
    rows = half.rows("trl")
    assert sorted(rows["completion"]) == sorted(half.table["response"])
    reference = mm.measure(pd.DataFrame(half.rows("alpaca")), before=frame).table
    pd.testing.assert_frame_equal(mm.measure(half, before=samples).table, reference)


def test_embeddings_of_groups_are_those_of_their_samples(frame):
    chosen = mm.select(frame, 9, method="k-center", stratify="source")
    counts = chosen.table["source"].value_counts(normalize=True)
    assert np.allclose(counts["a"], (frame["source"] == "a").mean(), atol=0.1)
    for source in "ab":
        alone = frame[frame["source"] == source]
        picked = mm.select(alone, int((chosen.table["source"] == source).sum()), method="k-center")
        assert set(picked.table["id"]) == set(chosen.table["id"][chosen.table["source"] == source])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 0}, "size=0 is neither a number of samples from 1 on nor a percentage such as 10%"),
        ({"size": "0%"}, "size=0% is neither"),
        ({"size": "many"}, "size=many is neither"),
        ({"size": 2.5}, "size=2.5 is neither"),
        ({"size": 2, "quality": "score"}, "quality score: no such column; there are id, instruction, response"),
        ({"size": 2, "budget": "tokens", "method": "random"}, "budget=tokens is for method=even, not random"),
        ({"size": 2, "settings": {"tokens.lo": 1}}, "tokens.lo: no such setting; tokens has low, high"),
        ({"size": 2, "settings": {"low": 1}}, "low: expected section.key, such as tokens.low"),
        ({"size": 2, "tokenizer": "wrods"}, "tokenizer wrods: no such tokenizer; did you mean words?"),
        ({"size": 2, "length": (90, None)}, "length"),
        ({"size": 2, "length": (9, 3)}, "length=(9, 3) must be the least and the largest length, such as (5, 200)"),
        ({"size": 2, "length": 5}, "length=5 must be the least"),
        ({"size": 2, "length": ("a", "b")}, "length=('a', 'b') must be the least"),
        ({"size": 2, "length": "5:9"}, "length='5:9' must be the least"),
        ({"size": 2, "types": 5}, "types must be those of annotate, or a file of them, not int"),
        ({"size": 2, "stratify": ["source"]}, "stratify=['source'] must be the name of a column"),
        ({"size": 2, "quality": "score", "quality_share": "30%"}, "quality_share='30%' must be a number above 0"),
        ({"size": 2, "quality": "likelihood:/no/such"}, "quality likelihood:such: no model of this name can be loaded"),
        ({"size": 2, "settings": ["tokens.low=1"]}, 'settings must be the likes of {"tokens.low": 5}, not list'),
        ({"size": True}, "size=True is neither"),
        ({"size": -1}, "size=-1 is neither"),
        ({"size": 2, "method": "odd"}, "method='odd' must be one of 'even', 'random'"),
        ({"size": 2, "part": "answer"}, "part='answer' must be one of 'instruction', 'response'"),
        ({"size": 2, "granularity": "nano"}, "granularity='nano' must be one of 'macro', 'meso', 'micro'"),
        ({"size": 2, "level": 101}, "level=101 must be a whole number from 0 to 100"),
        ({"size": 2, "level": 0.5}, "level=0.5 must be a whole number from 0 to 100"),
        ({"size": 2, "seed": -1}, "seed=-1 must be a whole number from 0 on"),
        ({"size": 2, "near_duplicates": True}, "near_duplicates=True must be one of 'keep', 'drop'"),
    ],
)
def test_refused(frame, given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        mm.select(frame, **{"tokenizer": "words", "settings": LOW, **given})


def test_quality_share_is_a_share(frame):
    scored = frame.assign(score=range(len(frame)))
    best = mm.select(scored, 4, method="random", quality="score", quality_share=0.1)
    assert best.table["score"].min() >= len(frame) - round(0.1 * len(frame))
    with pytest.raises(ValueError, match=r"quality_share=30 must be a number above 0 and at most 1"):
        mm.select(scored, 4, method="random", quality="score", quality_share=30)


def test_rooms_are_the_functions_of_their_name_whatever_was_imported_before():
    code = """
import inspect, sys
import macromicro as mm
assert "numpy" not in sys.modules and "pandas" not in sys.modules
from macromicro.annotate.types import TypeMatrix
import macromicro.select.peel as peel, macromicro.measure.metrics
import pandas as pd
frame = pd.DataFrame({"instruction": ["one", "two"], "response": ["red and blue", "red and green"]})
given = {"tokenizer": "words", "settings": {"tokens.low": 1}}
assert isinstance(mm.annotate(frame, **given), TypeMatrix)
assert len(mm.select(mm.read(frame), 1, **given)) == 1
assert isinstance(mm.measure(frame), mm.Measured) and isinstance(mm.compare(frame, frame), mm.Measured)
assert "level" in inspect.signature(mm.select).parameters
assert "granularity" in inspect.signature(mm.annotate).parameters
assert mm.measure.metrics.METRICS
try:
    mm.choose
except AttributeError as error:
    assert "no attribute 'choose'" in str(error)
else:
    raise SystemExit("mm.choose is there")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_cannot_be_is_said_before_anything_is_annotated(frame, caplog):
    caplog.set_level("INFO", "macromicro")
    with pytest.raises(ValueError, match="stratify sauce: no such column; there are id, instruction"):
        mm.select(frame, 6, stratify="sauce")
    assert not any("annotating" in line for line in caplog.messages)
    with pytest.raises(ValueError, match="shape='trll' must be one of 'same', 'trl'"):
        mm.select(frame, 6, method="random").rows("trll")


def test_samples_may_be_what_is_excluded(frame):
    held_out = mm.read(frame[:5])
    chosen = mm.select(frame, 6, method="random", exclude=held_out)
    assert chosen.how["overlaps left out with"] == "DataFrame"
    assert not set(chosen.table["instruction"]) & set(frame["instruction"][:5])


def test_a_choice_below_chance_is_said(frame, caplog):
    caplog.set_level("INFO", "macromicro")
    short = pd.DataFrame({"instruction": [f"one {n}" for n in range(4)], "response": ["red", "blue", "green", "gold"]})
    found = [
        (mm.select(pd.concat([frame, short]), 2, tokenizer="words", settings=LOW, budget="tokens", seed=seed), n)
        for n, seed in enumerate(range(12))
    ]
    below = [one.facts["types covered"] < one.facts["types that a random draw of this size covers"] for one, _ in found]
    said = [line for line in caplog.messages if line.startswith("so few samples cover")]
    assert 0 < sum(below) == len(said) < len(found)
    assert all(one.facts["response words reached"] >= one.facts["response words to reach"] for one, _ in found)
    assert [set(one.shift["measure"]) >= {"samples"} for one, _ in found] == [True] * 12
