"""Manifests: what is recorded, which inputs are refused, and where a run by hand writes."""

import hashlib
import json

import pytest
from fake_study import finish, write_preset
from macromicro.graph.cells import list_cells
from macromicro.graph.provenance import IN_GRAPH, start
from macromicro.study import params
from macromicro.study.portable import portable


def test_the_manifest_says_what_was_run(finished, folder, monkeypatch):
    monkeypatch.setenv(IN_GRAPH, "1")
    run = start("3_annotate", preset="tiny", strategy="response-micro")
    assert run.out == finished.out
    shown = run.finish()
    manifest = json.loads(finished.out.manifest("3_annotate", "response-micro").read_text())
    assert manifest["outputs"] == {
        "types/response-micro.npz": hashlib.sha256(b"made by 3_annotate/response-micro").hexdigest()
    }
    assert manifest["inputs"].keys() == {"respond/samples.parquet", "base_model"}
    assert manifest["settings"].keys() == {"tokens", "types", "embed", "seed", "part", "granularity"}
    assert manifest["params"] == finished.model_dump(mode="json")
    assert manifest["peak_memory_mib"] > 10
    assert str(folder) not in json.dumps(manifest)
    assert shown.loc["outputs"].item() == "1 in types"


def test_the_manifest_names_the_origin_of_a_model(finished, monkeypatch):
    monkeypatch.setenv(IN_GRAPH, "1")
    run = start("0_base_model", preset="tiny")
    for origin in ({"licence": "Apache-2.0", "quantised": "Q4_1"}, {}):
        run.finish(origin=origin)
        assert json.loads(finished.out.manifest("0_base_model", "").read_text())["origin"] == origin


def test_absolute_corpus_paths_are_cut_to_their_names(finished):
    paths = {"source": "file", "path": "/home/someone/my.jsonl", "eval_file": "/home/someone/eval.jsonl"}
    theirs = finished.model_copy(update={"corpus": finished.corpus.model_copy(update=paths)})
    shared = portable(theirs).corpus
    assert (shared.path, shared.eval_file) == ("my.jsonl", "eval.jsonl")
    settings = next(cell.settings for cell in list_cells(theirs).values() if cell.stage == "1_corpus")
    assert "/home" not in json.dumps(settings)
    assert portable(finished) == finished


def test_a_missing_output_is_an_error_and_leaves_no_manifest(finished, monkeypatch):
    monkeypatch.setenv(IN_GRAPH, "1")
    run = start("3_annotate", preset="tiny", strategy="response-micro")
    finished.out.types("response-micro").unlink()
    before = finished.out.manifest("3_annotate", "response-micro").read_bytes()
    with pytest.raises(FileNotFoundError, match=r"was to write types/response-micro\.npz"):
        run.finish()
    assert finished.out.manifest("3_annotate", "response-micro").read_bytes() == before


def test_an_input_that_is_not_what_its_maker_made_is_refused(finished):
    finished.out.responded.write_text("Made by 2_respond/2_respond")
    with pytest.raises(ValueError, match=r"samples.parquet is not what 2_respond/2_respond made: `make report`"):
        start("3_annotate", preset="tiny", strategy="response-micro")
    finished.out.responded.unlink()
    with pytest.raises(ValueError, match=r"respond/samples.parquet is not there: `make report` makes it"):
        start("3_annotate", preset="tiny", strategy="response-micro")


def test_a_run_by_hand_writes_beside_the_study_and_says_what_changed(finished):
    run = start("3_annotate", preset="tiny", changes={"tokens.low": 20}, strategy="response-micro")
    assert run.study.tokens.low == 20
    assert run.out.root == finished.out.root / "tries" / "3_annotate response-micro tokens.low=20"
    target = run.out.types("response-micro")
    target.parent.mkdir(parents=True)
    target.write_bytes(finished.out.types("response-micro").read_bytes())
    shown = run.finish()
    assert shown.loc["changed in types/response-micro.npz"].item() == "nothing"
    assert (run.out.root / "manifests/3_annotate/response-micro.json").is_file()
    assert params.load("tiny") == finished


def test_every_job_has_the_commit_of_the_hub_that_the_first_one_had(finished, folder, monkeypatch):
    refs = folder / "hub" / "models--org--embedder" / "refs"
    refs.mkdir(parents=True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for commit in ("a" * 40, "b" * 40):
        (refs / "main").write_text(commit)
        (refs.parent / "snapshots" / commit).mkdir(parents=True)
        run = start("3_annotate", preset="tiny", changes={"embed.model": "org/embedder"}, strategy="instruction-macro")
        assert run.study.embed.revision == "a" * 40
    run.out.types("instruction-macro").parent.mkdir(parents=True)
    run.out.types("instruction-macro").write_bytes(finished.out.types("instruction-macro").read_bytes())
    run.finish()
    manifest = json.loads(run.out.manifest("3_annotate", "instruction-macro").read_text())
    assert manifest["revisions"] == {"org/embedder": "a" * 40}
    assert manifest["settings"]["embed"]["revision"] is None
    assert manifest["params"]["embed"]["revision"] == "a" * 40


def test_a_change_that_the_notebook_does_not_read_is_refused(finished):
    with pytest.raises(ValueError, match=r"3_annotate does not read judge.max_missing, or it has this value already"):
        start("3_annotate", preset="tiny", changes={"judge.max_missing": 0.5}, strategy="response-micro")


def test_a_cell_that_is_not_there_names_the_nearest(finished):
    with pytest.raises(ValueError, match=r"strategy='response-micr'; the nearest is strategy='response-micro'"):
        start("3_annotate", preset="tiny", strategy="response-micr")


def test_only_models_that_are_not_done_are_missing(finished, monkeypatch):
    monkeypatch.setenv(IN_GRAPH, "1")
    study = write_preset({"select.levels": [0, 50, 100]})
    finish(study, only={"4_select/response-micro/s0"})
    run = start("5_finetune", preset="tiny", strategy="response-micro", seed=0, batch=1)
    (missing,) = run.missing()
    assert missing.name == "response-micro/n40-d050-s0"
    study.out.model("response-micro", "n40-d050-s0").write_text("a model")
    run.finish_member(missing, seconds=1.5)
    assert run.missing() == []
    manifest = json.loads(study.out.manifest("5_finetune", missing.name).read_text())
    assert manifest["wall_seconds"] == 1.5
    assert manifest["inputs"].keys() == {"datasets/response-micro/n40-d050-s0.parquet", "base_model"}
