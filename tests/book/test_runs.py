"""Time, memory and versions of a study."""

import json

import pandas as pd
import pytest
from finished_study import BATCH_SECONDS, MODEL_SECONDS, OTHER_SECONDS, finish_study
from macromicro.book import runs
from macromicro.graph.cells import list_cells
from macromicro.study.layout import Layout


@pytest.fixture
def study(tmp_path):
    return finish_study(tmp_path, seeds=(0,))


def seconds(out, study):
    return runs.tabulate_time(out, study).set_index("stage")[["notebooks", "seconds in all"]].T.to_dict("list")


def test_the_models_of_a_notebook_count_once(tmp_path, study):
    out, n_models = Layout(tmp_path), 1 + 3 + 3 + 1
    assert seconds(out, study)["Fine-tune"] == [4, n_models * MODEL_SECONDS]
    assert seconds(out, study)["Annotate"] == [2, round(2 * OTHER_SECONDS)]
    whole = out.manifest("5_finetune", "response-micro/s0")
    whole.write_text(whole.read_text().replace(f'"wall_seconds": {BATCH_SECONDS}', '"wall_seconds": 35.0'))
    assert seconds(out, study)["Fine-tune"] == [4, 35 + (n_models - 3) * MODEL_SECONDS]


def test_cells_of_an_earlier_grid_are_left_out(tmp_path, study):
    out, cell = Layout(tmp_path), list_cells(study)["3_annotate/response-micro"]
    before = runs.tabulate_time(out, study)
    old = json.loads(out.manifest(cell.stage, cell.name).read_text()) | {"commit": "old"}
    out.manifest("3_annotate", "response-macro").write_text(json.dumps(old))
    assert runs.tabulate_time(out, study).equals(before)
    assert runs.distinct(out, study, "commit") == ["abcdef012345"]


def test_models_made_elsewhere_are_told(tmp_path, study):
    out = Layout(tmp_path)
    path = out.manifest("5_finetune", "longest/n5-s0")
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"device": "another", "packages": {**manifest["packages"], "torch": "1"}}))
    assert runs.distinct(out, study, "device") == ["a processor", "another"]
    versions = runs.tabulate_versions(out, study).set_index("package")["version"]
    assert versions["[torch](https://pytorch.org)"].startswith("1 and ")
    assert "macromicro" in versions, "a package of this name elsewhere is not ours"


def test_answers_are_said_to_be_in_the_precision_that_was_used(tmp_path, study):
    """Whatever the settings ask for: `auto` is bfloat16 on one machine and float32 on another."""
    out = Layout(tmp_path)
    assert runs.list_precisions(out, study) == ["bfloat16"]
    path = out.manifest("6_answer", "longest/n5-s0")
    path.write_text(path.read_text().replace("bfloat16", "float32"))
    assert runs.list_precisions(out, study) == ["bfloat16", "float32"]


def test_licences_name_their_largest_sources(tmp_path, study):
    out = Layout(tmp_path)
    sources = ["large"] * 3 + ["<b>", "small", "small", "last"]
    licences = ["MIT"] * 6 + [""]
    pd.DataFrame({"source": sources, "licence": licences}).to_parquet(out.responded)
    assert runs.tabulate_licences(out, n_named=2).to_numpy().tolist() == [
        ["[MIT](https://spdx.org/licenses/MIT.html)", 6, "large, small, 1 more"],
        ["not stated", 1, "last"],
    ]
    assert runs.tabulate_licences(out)["sources"].tolist() == ["large, small, &lt;b&gt;", "last"]
