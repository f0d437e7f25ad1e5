"""Manifests: what is recorded, and that it changes when the data does."""

import hashlib
import json

import pytest
from macromicro.study import params, provenance, settings
from macromicro.study.layout import Layout


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setattr(settings.Study, "out", property(lambda self: Layout(tmp_path)))
    return params.load("smoke")


def test_the_manifest_says_what_was_run(study, tmp_path):
    (tmp_path / "in.txt").write_text("in")
    (tmp_path / "out.txt").write_text("out")
    run = provenance.start(study, "3_annotate", "response-micro")
    shown = run.finish(inputs=[tmp_path / "in.txt"], outputs=[tmp_path / "out.txt"])
    manifest = json.loads((tmp_path / "manifests" / "3_annotate" / "response-micro.json").read_text())
    assert manifest["inputs"] == {"in.txt": hashlib.sha256(b"in").hexdigest()}
    assert manifest["outputs"] == {"out.txt": hashlib.sha256(b"out").hexdigest()}
    assert manifest["params"] == study.model_dump()
    assert manifest["peak_memory_mib"] > 10
    assert str(tmp_path) not in json.dumps(manifest)
    assert "out.txt" in shown.loc["outputs"].item()


def test_an_absolute_corpus_path_is_cut_to_its_name(study):
    corpus = study.corpus.model_copy(update={"source": "file", "path": "/home/someone/my.jsonl"})
    theirs = study.model_copy(update={"corpus": corpus})
    assert provenance.portable(theirs).corpus.path == "my.jsonl"
    assert provenance.portable(study) == study


def test_a_missing_output_is_an_error_and_leaves_no_manifest(study, tmp_path):
    with pytest.raises(FileNotFoundError):
        provenance.start(study, "1_corpus").finish(outputs=[tmp_path / "nowhere"])
    assert not (tmp_path / "manifests").exists()
