"""Presets: what is refused, what is inherited, and that every committed preset is complete."""

from pathlib import Path

import pytest
import yaml
from macromicro.study import params
from macromicro.study.layout import find_root

MINIMAL = {
    "study": "tiny",
    "description": "test",
    "corpus": {"packages": ["json"], "base_model_share": 0.5, "limit": 100},
    "select": {"sizes": [10]},
}


def write(folder: Path, changes: dict[str, object] | None = None, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump({**MINIMAL, **(changes or {})}))
    return path


def test_settings_survive_a_round_trip(tmp_path):
    study = params.load("smoke")
    copy = tmp_path / "copy.yaml"
    copy.write_text(params.dump(study))
    assert params.load(copy) == study


@pytest.mark.parametrize(
    ("changes", "key", "rule"),
    [
        ({"selct": {}}, "selct", "no such setting"),
        ({"tokens": {"lo": 3}}, "tokens.lo", "no such setting"),
        ({"tokens": {"low": "3"}}, "tokens.low", "valid integer"),
        ({"tokens": {"low": 30, "high": 20}}, "tokens", "low=30 must be at most high=20"),
        ({"select": {"sizes": [10], "levels": [0, 101]}}, "select.levels.1", "less than or equal to 100"),
        ({"select": {"sizes": [10], "levels": [-1]}}, "select.levels.0", "greater than or equal to 0"),
        ({"select": {"sizes": [101]}}, "whole file", "size=101 must be at most select.share=0.5 of"),
        ({"select": {"sizes": [51]}}, "whole file", "size=51 must be at most select.share=0.5 of corpus.limit=100"),
        ({"select": {"share": 1.0, "seeds": [0, 1]}}, "select", "share=1 must be below 1 with seeds="),
        ({"types": {"untyped": "drop"}}, "whole file", "other samples than the baseline: use 'nearest' or 'own'"),
        ({"select": {"sizes": [10, 10]}}, "select", "must not repeat"),
        ({"finetune": {"learning_rate": 0}}, "finetune.learning_rate", "greater than 0"),
        ({"finetune": {"max_tokens": 9999}}, "whole file", "at most base_model.context_length=512"),
        ({"tag_llm": {"base_url": "localhost:8000"}}, "tag_llm.base_url", "must begin with http:// or https://"),
        (
            {"tag_llm": {"base_url": "http://"}},
            "tag_llm.base_url",
            "must begin with http:// or https:// and name a server",
        ),
        ({"tag_llm": {"base_url": "http://["}}, "tag_llm.base_url", "must be such as http://localhost:8000/v1"),
        (
            {"tag_llm": {"base_url": "http://localhost:abc/v1"}},
            "tag_llm.base_url",
            "must be such as http://localhost:8000/v1",
        ),
        ({"study": "My Study"}, "study", "pattern"),
        ({"seed": True}, "seed", "valid integer"),
        ({"corpus": {"source": "file"}}, "corpus.path", "needs a file"),
    ],
)
def test_impossible_settings_are_refused_with_file_key_and_rule(tmp_path, changes, key, rule):
    base_share = {"base_model": {"source": "some/model"}} if "corpus" in changes else {}
    with pytest.raises(ValueError, match=rule) as error:
        params.load(write(tmp_path, {**changes, **base_share}))
    assert "mine.yaml" in str(error.value)
    assert key in str(error.value)


def test_the_offending_value_is_shown(tmp_path):
    with pytest.raises(ValueError, match=r"given: 101"):
        params.load(write(tmp_path, {"select": {"sizes": [10], "levels": [101]}}))


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        *(("http://me:hunter2@host/v1", "hunter2"), ("http://hunter2@host/v1", "hunter2")),
        *(("https://host/v1?api_key=hunter2", "hunter2"), ("https://host/v1#hunter2", "hunter2")),
        *(("http://me:hunter2@host:port/v1", "hunter2"), ("http://me:hunter2@[", "hunter2")),
        *(("ftp://me:hunter2@host", "hunter2"), ("me:hunter2@host", "hunter2")),
    ],
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(tmp_path, url, secret):
    with pytest.raises(ValueError, match=r"tag_llm.base_url") as error:
        params.load(write(tmp_path, {"tag_llm": {"base_url": url}}))
    assert secret not in str(error.value)


def test_the_way_out_is_named_where_an_address_holds_a_secret(tmp_path):
    with pytest.raises(ValueError, match="comes from the environment variable OPENAI_API_KEY"):
        params.load(write(tmp_path, {"tag_llm": {"base_url": "http://me:hunter2@host/v1"}}))


def test_the_value_of_an_unknown_setting_is_not_repeated(tmp_path):
    with pytest.raises(ValueError, match=r"tag_llm.api_key: .*no such setting") as error:
        params.load(write(tmp_path, {"tag_llm": {"api_key": "hunter2"}}))
    assert "hunter2" not in str(error.value)


def test_extends_overrides_key_by_key(tmp_path):
    write(tmp_path, {"tokens": {"low": 3, "high": 30}}, "below.yaml")
    above = tmp_path / "above.yaml"
    above.write_text(yaml.safe_dump({"extends": str(tmp_path / "below.yaml"), "tokens": {"high": 40}}))
    study = params.load(above)
    assert (study.tokens.low, study.tokens.high, study.select.sizes) == (3, 40, [10])


def test_extends_in_a_circle_is_refused(tmp_path):
    path = tmp_path / "loop.yaml"
    path.write_text(yaml.safe_dump({"extends": str(path)}))
    with pytest.raises(ValueError, match="circle"):
        params.load(path)


def test_a_key_given_twice_is_refused(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("study: a\nstudy: b\n")
    with pytest.raises(ValueError, match="'study' is given twice"):
        params.load(path)


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(FileNotFoundError, match="smoke"):
        params.load("smok")


def test_a_missing_corpus_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no such file: '.*nowhere.jsonl'"):
        params.load(write(tmp_path), corpus=str(tmp_path / "nowhere.jsonl"))


def test_a_size_above_the_corpus_file_is_refused(tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"instruction": "a", "response": "b"}\n' * 9)
    with pytest.raises(ValueError, match="size=10 must be at most the 9 rows"):
        params.load(write(tmp_path), corpus=str(corpus))


def test_a_corpus_on_the_command_line_replaces_the_source(tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"instruction": "a", "response": "b"}\n' * 20)
    study = params.load(write(tmp_path), corpus=str(corpus))
    assert (study.corpus.source, study.corpus.path) == ("file", str(corpus))


def test_a_change_of_a_setting_that_is_not_there_names_the_nearest(tmp_path):
    path = write(tmp_path)
    assert params.load(path, changes={"tokens.low": 3}).tokens.low == 3
    with pytest.raises(ValueError, match=r"no setting 'tokens.lo'; the nearest is 'tokens.low'"):
        params.load(path, changes={"tokens.lo": 3})
    with pytest.raises(ValueError, match=r"strategies.response-micro.tokens.lo: no such setting"):
        params.load(path, changes={"strategies.response-micro": {"granularity": "micro", "tokens": {"lo": 3}}})


def test_a_strategy_of_a_preset_that_is_extended_can_be_taken_away(tmp_path):
    micro, macro = {"granularity": "micro"}, {"granularity": "macro"}
    write(tmp_path, {"strategies": {"tokens": micro, "topics": macro}}, "below.yaml")
    above = tmp_path / "above.yaml"
    above.write_text(yaml.safe_dump({"extends": str(tmp_path / "below.yaml"), "strategies": {"topics": None}}))
    assert list(params.load(above).strategies) == ["tokens"]


@pytest.mark.parametrize("path", sorted((find_root() / "params").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_committed_preset_is_complete(path, tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"instruction": "a", "response": "b"}\n' * 100_000)
    study = params.load(path, corpus=str(corpus) if path.stem in ("instructions", "reference") else None)
    assert study.study == path.stem
