"""What of a study leaves the machine: names in place of paths, and no key."""

import sys
from pathlib import Path

import pytest
import yaml
from macromicro.graph.cells import list_cells
from macromicro.study import params
from macromicro.study.portable import keep_places, portable, redact

HERE = "/home/someone/secret folder"
PATHS = {
    "corpus.source": "file",
    "corpus.packages": [],
    "corpus.path": f"{HERE}/my.jsonl",
    "corpus.eval_file": f"{HERE}/eval.jsonl",
    "base_model.source": f"{HERE}/model",
    "embed.model": f"{HERE}/encoder",
    "tokens.tokenizer": f"{HERE}/tokenizer.json",
    "tag_llm.model": "~/writer",
    "judge.kinds": ["similarity", "llm"],
    "judge_llm.model": f"{HERE}/judge",
    "strategies.response-micro": {"granularity": "micro", "tokens": {"tokenizer": "../other.json"}},
}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study whose settings hold every kind of path; its checkout is the working directory."""
    for folder in ("params", "notebooks"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(params, "_check_corpus_file", lambda *_: None)  # there is no such folder here
    Path("params/mine.yaml").write_text(yaml.safe_dump(params.change({"study": "mine", "description": "A"}, PATHS)))
    return params.load("mine")


def test_settings_are_written_down_with_names_and_read_with_paths(study):
    out = study.out
    out.params.parent.mkdir(parents=True)
    out.params.write_text(params.dump(portable(study)))
    keep_places(study)
    written = "".join(path.read_text() for path in out.root.rglob("*") if path.is_file())
    assert HERE not in written and "~/" not in written and "../" not in written
    assert yaml.safe_load(written)["base_model"]["source"] == "model"
    assert params.load("outputs/mine/params.yaml") == study
    changed = yaml.safe_load(written)
    changed["base_model"]["source"] = "org/other"
    out.params.write_text(yaml.safe_dump(changed))
    again = params.load("outputs/mine/params.yaml")
    assert (again.base_model.source, again.embed.model) == ("org/other", f"{HERE}/encoder")


def test_a_study_without_paths_keeps_no_places(study):
    keep_places(study)
    assert list(Path("outputs/.places").iterdir()) == [Path("outputs/.places/mine.yaml")]
    keep_places(portable(study))
    assert list(Path("outputs/.places").iterdir()) == []


def test_cells_know_no_path_but_tell_two_files_of_one_name_apart(study):
    settings = str([cell.settings for cell in list_cells(study).values()])
    assert HERE not in settings and "../other" not in settings
    Path("params/mine.yaml").write_text(Path("params/mine.yaml").read_text().replace(f"{HERE}/enc", "/elsewhere/enc"))
    assert str([cell.settings for cell in list_cells(params.load("mine")).values()]) != settings


def test_keys_and_folders_of_this_machine_are_cut(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hunter2hunter2")
    monkeypatch.setenv("HF_TOKEN", "x")
    root = Path(__file__).resolve().parents[2]
    said = (
        f"{root}/outputs/a sk-hunter2hunter2 /home/someone/b '/home/someone' /home/someone-else {sys.prefix}/lib/x.py"
    )
    assert redact(said) == "./outputs/a *** ~/b '~' /home/someone-else .venv/lib/x.py"
