"""The numbers of a study that were kept, laid out in another checkout: the analysis of both is the same."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from fake_study import enter_checkout, finish, waiting, write_preset
from judged_study import judge
from macromicro.graph import execute, kept
from macromicro.study import params
from pandas.testing import assert_frame_equal

CHANGES = {"select.seeds": [0, 1], "select.levels": [0, 50, 100]}
TABLES = {f"{name}.parquet" for name in (*kept.KINDS, "manifests", "sources")} | {"corpus.json"}


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """A study whose models are judged, in a checkout of its own, which is the working directory."""
    enter_checkout(_folder(tmp_path / "here"), monkeypatch)
    monkeypatch.setattr(execute.os, "environ", dict(execute.os.environ))
    study = write_preset(CHANGES)
    judge(study)
    finish(study)
    return study


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _go_elsewhere(study, tmp_path, monkeypatch):
    """Another checkout without the corpus file, with the kept tables only."""
    tables = study.out.kept
    enter_checkout(_folder(tmp_path / "there"), monkeypatch)
    there = write_preset(CHANGES)
    Path("corpus.jsonl").unlink()
    shutil.copytree(tables, there.out.kept)
    return there


def _lose(study, stage, name):
    """A cell that is not computed."""
    study.out.notebook(stage, name).unlink()


def test_the_analysis_of_kept_numbers_is_that_of_the_study(judged, tmp_path, monkeypatch):
    judged.out.results.unlink()
    assert execute.compute("tiny", "8_analyse/8_analyse") == 0
    results = {path.name: pd.read_parquet(path) for path in judged.out.results.iterdir()}
    assert kept.keep(judged) == [
        (name, seed) for name in ("instruction-macro", "longest", "response-micro") for seed in (0, 1)
    ]
    assert {path.name for path in judged.out.kept.iterdir()} == TABLES
    there = _go_elsewhere(judged, tmp_path, monkeypatch)
    assert kept.main(["show", "--preset", "tiny"]) == 0
    assert {path.name for path in there.out.results.iterdir()} == set(results)
    for name, table in results.items():
        assert_frame_equal(pd.read_parquet(there.out.results / name), table, obj=name)
    assert waiting(params.load(there.out.params)) >= {"1_corpus/1_corpus"}, "what was not computed here is not done"
    (there.out.notebook("8_analyse")).unlink()
    assert kept.main(["show", "--preset", "tiny"]) == 0, "and again, over what was laid out before"


def test_seeds_are_kept_part_by_part_and_read_where_a_family_has_them_all(judged):
    for name in ("instruction-macro/s1", "longest/s0"):
        _lose(judged, "7_judge", name)
    assert kept.keep(judged) == [("instruction-macro", 0), ("longest", 1), ("response-micro", 0), ("response-micro", 1)]
    part = kept.kept_study(judged)
    seeds = {name: part.strategy(name).select.seeds for name in part.strategies}
    assert seeds == {"response-micro": [0], "instruction-macro": [0], "longest": [1]}
    first = pd.read_parquet(judged.out.kept / "scores.parquet")
    finish(judged, only={"7_judge/instruction-macro/s1"})
    _lose(judged, "7_judge", "response-micro/s0")
    changed = pd.read_parquet(judged.out.scores("response-micro", 1)).assign(score=1.0)
    changed.to_parquet(judged.out.scores("response-micro", 1))
    finish(judged, only={"7_judge/response-micro/s1"})
    kept.keep(judged)
    second = pd.read_parquet(judged.out.kept / "scores.parquet")
    again = second["strategy"].eq("response-micro") & second["seed"].eq(1)
    assert (second[again]["score"] == 1).all(), "what is kept anew replaces what was kept of it"
    new = second["strategy"].eq("instruction-macro") & second["seed"].eq(1)
    assert new.any()
    before = first["strategy"].eq("response-micro") & first["seed"].eq(1)
    assert_frame_equal(second[~again & ~new].reset_index(drop=True), first[~before].reset_index(drop=True))
    assert kept.kept_study(judged).strategy("response-micro").select.seeds == [0, 1]


def test_tables_hold_numbers_and_no_text(judged):
    dataset = judged.out.dataset("longest", "n40-s1")
    pd.read_parquet(dataset).assign(instruction="say it", response="it").to_parquet(dataset)
    kept.keep(judged)
    for kind in kept.KINDS:
        table = pd.read_parquet(judged.out.kept / f"{kind}.parquet")
        assert not {"instruction", "response", "answer", "reference"} & set(table)
    sources = pd.read_parquet(judged.out.kept_sources)
    assert sources["samples"].sum() == 3 and sources["licence"].isna().sum() == 1, (
        "no licence is stated for one of them"
    )
    losses = pd.read_parquet(judged.out.kept / "losses.parquet")
    assert losses.groupby(["strategy", "seed"])["dataset"].nunique().loc["response-micro"].tolist() == [3, 3]
    assert losses["strategy"].eq("baseline").sum() == 4, "two steps of either seed's baseline"
    chosen = pd.read_parquet(judged.out.kept / "datasets.parquet")
    assert chosen[chosen["dataset"] == "n40-d050-s1"].query("strategy == 'response-micro'")["id"].tolist() == [
        "n40-d050-s1", "x"
    ]  # fmt: skip
    manifests = pd.read_parquet(judged.out.kept / "manifests.parquet")["cell"]
    wanted = {"3_annotate/response-micro", "5_finetune/baseline/n40-s1", "7_judge/longest/s0", "1_corpus/1_corpus"}
    assert wanted <= set(manifests) and not manifests.str.startswith("8_analyse").any() and manifests.is_unique


def test_what_cannot_be_kept_or_shown_is_said(judged, tmp_path, monkeypatch, capsys):
    with pytest.raises(FileNotFoundError, match="no numbers of tiny are kept"):
        kept.kept_study(judged)
    kept.keep(judged)
    judged.out.samples.touch()
    with pytest.raises(ValueError, match="tiny was computed here: its own tables stay"):
        kept.lay_out(judged)
    for name in judged.strategies:
        for seed in (0, 1):
            _lose(judged, "7_judge", f"{name}/s{seed}")
    assert kept.main(["keep", "--preset", "tiny"]) == 1
    assert "tiny: no strategy is judged" in capsys.readouterr().err
    table = pd.read_parquet(judged.out.kept / "scores.parquet")
    apart = {"response-micro": 0, "instruction-macro": 1, "longest": 0}
    table[table["seed"] == table["strategy"].map(apart)].to_parquet(judged.out.kept / "scores.parquet")
    with pytest.raises(ValueError, match="family 'paper' that are kept have no seed in common"):
        kept.kept_study(judged)
