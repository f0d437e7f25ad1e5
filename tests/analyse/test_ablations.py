"""Variants beside the strategy that they vary: settings, slopes, datasets; and their notebook."""

import nbformat
import numpy as np
import pandas as pd
import pytest
from fake_study import enter_checkout, finish, write_preset
from judged_study import judge
from macromicro.analyse import ablations
from macromicro.graph import execute
from macromicro.graph.cells import list_cells

VARIANTS = {
    "strategies.narrow": {"granularity": "micro", "family": "bands", "tokens": {"low": 20}, "select": {"seeds": [0]}},
    "strategies.one-length": {"granularity": "micro", "family": "length", "select": {"length": [10, 50]}},
    "select.levels": [0, 100],
    "select.seeds": [0, 1],
}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of two variants of response-micro, judged; the dataset of a level holds samples by seed and level."""
    enter_checkout(tmp_path, monkeypatch)
    monkeypatch.setattr(execute.os, "environ", dict(execute.os.environ))
    study = write_preset(VARIANTS)
    judge(study)
    chosen = {"response-micro": "abcd", "narrow": "abxy", "one-length": "wxyz", "baseline-10-50": "ab"}
    for name in (*study.variants, "response-micro", "baseline-10-50"):
        for seed in study.strategy(name).select.seeds:
            datasets = study.strategy(name).datasets(seed)
            for one in datasets:
                ids = list(chosen[name]) if one.level == 0 or one.level is None else ["same", name]
                pd.DataFrame({"id": ids}).to_parquet(study.out.dataset(name, one.name))
            path = study.out.levels(name, seed)
            own = {
                "n_samples": 40,
                "n_types_covered": [100, 300][: len(datasets)],
                "coverage": [0.1, 0.25][: len(datasets)],
            }
            own |= {"response_tokens": [20.0 + seed, 60.0][: len(datasets)]}
            pd.read_parquet(path).assign(**own).to_parquet(path)
    return study


def test_variants_are_what_varies_one_of_the_six(study):
    assert study.variants == {"narrow": "response-micro", "one-length": "response-micro"}
    assert "9_ablations/9_ablations" in list_cells(study)
    assert ablations.name_changes(study, "narrow") == "tokens.low 20"
    assert ablations.name_changes(study, "response-micro") == ""
    without = write_preset({**VARIANTS, "strategies.response-micro": None})
    assert without.variants == {} and "9_ablations/9_ablations" not in list_cells(without)


def test_slopes_stand_below_that_of_their_default():
    slopes = pd.DataFrame({"strategy": ["b", "a", "other", "default"], "size": 10, "slope": [1.0, 2.0, 3.0, 4.0]})
    slopes = pd.concat([slopes, slopes.assign(size=5)])
    found = ablations.compare_slopes_of(slopes, {"b": "default", "a": "default"})
    assert found["strategy"].tolist() == ["default", "a", "b"] * 2
    assert found["slope"].tolist() == [4, 2, 1] * 2 and found["size"].tolist() == [5] * 3 + [10] * 3
    assert set(found["of"]) == {"default"}


def test_datasets_stand_beside_those_of_the_default(study):
    found = ablations.compare_datasets_of(study)
    assert found["strategy"].tolist() == ["response-micro"] * 2 + ["narrow"] * 2 + ["one-length"] * 2
    assert found["n_seeds"].tolist() == [2, 2, 1, 1, 2, 2]
    assert found["response_tokens"].tolist() == [20.5, 60, 20, 60, 20.5, 60]
    assert found["overlap"].tolist() == pytest.approx([1, 1, 2 / 6, 1 / 3, 0, 1 / 3])
    shown = ablations.show_datasets(found)
    assert shown["overlap with the default"].tolist() == ["–", "0.33 to 0.33", "0.00 to 0.33"]
    assert shown["types covered"].tolist() == ["100 to 300"] * 3 and shown["of all"].tolist() == ["10 to 25 %"] * 3
    assert shown["mean response (tokens)"].tolist() == ["20 to 60"] * 3, "20.5 rounds to even"


def test_a_default_without_the_seed_of_a_variant_has_no_overlap(study):
    study = write_preset({**VARIANTS, "strategies.response-micro": {"granularity": "micro", "select": {"seeds": [1]}}})
    found = ablations.compare_datasets_of(study).set_index(["strategy", "level"])["overlap"]
    assert np.isnan(found[("narrow", 0)]) and found[("one-length", 0)] == 0


def test_only_differences_to_a_variant_are_shown():
    rows = {"one": "default", "other": ["a", "c", "b"], "size": 10, "difference": [1.5, 2.0, np.nan]}
    rows |= {"low": [-1.0, 0.0, np.nan], "high": [4.0, 3.0, np.nan], "p_holm": [0.25, 0.1, np.nan]}
    rows |= {"note": ["", "", "fewer than two seeds"]}
    shown = ablations.show_contrasts(pd.DataFrame(rows), {"a": "default", "b": "default"})
    assert shown.to_numpy().tolist() == [
        ["default", "a", "10", "+1.5 (-1.0 to +4.0)", "0.250"], ["default", "b", "10", "fewer than two seeds", "–"]
    ]  # fmt: skip


def test_the_notebook_keeps_the_table_and_draws_the_slopes(study):
    finish(study)
    for stage, made in (("8_analyse", study.out.results), ("9_ablations", study.out.ablations)):
        made.unlink()
        assert execute.compute("tiny", f"{stage}/{stage}") == 0
    kept = pd.read_parquet(study.out.ablations)
    pd.testing.assert_frame_equal(kept, ablations.compare_datasets_of(study))
    cells = nbformat.read(study.out.notebook("9_ablations"), as_version=4).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1
    shown = str(outputs)
    assert "tokens.low 20" in shown and "select.length 10 to 50" in shown
