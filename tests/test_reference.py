"""The numbers that are kept of the reference study: small, without text, and what the README says of them."""

import shutil

import numpy as np
import pandas as pd
import pytest
from macromicro.book import answer
from macromicro.book.summary import load_study
from macromicro.graph import execute, kept
from macromicro.judge.verdicts import POINTS
from macromicro.study import params
from macromicro.study.layout import find_root

ROOT = find_root()
KEPT = ROOT / "outputs" / "reference" / "kept"
LARGEST = 5_000_000
WORDS = {"strategy", "dataset", "judge", "verdict", "part", "prompt_id", "id", "digest", "licence", "source", "cell"}
"""Columns that may hold words, none of them a sentence of a corpus or an answer; and manifests, which are settings."""


def test_the_tables_are_small_and_hold_no_text():
    files = sorted(KEPT.iterdir())
    assert sum(path.stat().st_size for path in files) < LARGEST
    for path in KEPT.glob("*.parquet"):
        table = pd.read_parquet(path)
        words = {name for name in table if table[name].map(lambda value: isinstance(value, str)).any()}
        assert words <= WORDS | {"manifest"}, path.name
        for name in words - {"manifest"}:
            assert table[name].dropna().str.len().max() <= 200, f"{path.name}: {name}"


def test_scores_are_those_of_the_verdicts():
    verdicts, scores = (pd.read_parquet(KEPT / f"{name}.parquet") for name in ("verdicts", "scores"))
    keys = ["strategy", "seed", "dataset", "judge"]
    mean = 100 * verdicts.assign(points=verdicts["verdict"].map(POINTS)).groupby(keys)["points"].mean()
    both = scores.set_index(keys)["score"].to_frame().join(mean, how="outer")
    assert len(both) == len(scores) > 0
    np.testing.assert_allclose(both["score"], both["points"], atol=1e-9)


def test_every_dataset_of_a_size_has_as_many_samples_and_steps():
    study = params.load("reference", check_corpus=False)
    losses, datasets = (pd.read_parquet(KEPT / f"{name}.parquet") for name in ("losses", "datasets"))
    equal = [name for name in set(datasets["strategy"]) if not _by_tokens(study, name)]
    keys = ["strategy", "seed", "dataset"]
    chosen = datasets[datasets["strategy"].isin(equal)].groupby(keys)["id"].agg(["size", "nunique"])
    assert (chosen == study.select.sizes[0]).all(axis=None)
    steps = losses[losses["strategy"].isin(equal)].groupby(keys).size()
    assert set(steps) == {-(-study.select.sizes[0] // study.finetune.batch_size)}
    assert set(steps.index) == set(chosen.index)


def _by_tokens(study, name):
    return name in study.strategies and study.strategy(name).select.budget == "tokens"


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """The reference study laid out and analysed in a checkout of its own, without corpus and models."""
    for name in ("notebooks", "params"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copytree(KEPT, tmp_path / "outputs" / "reference" / "kept")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(execute.os, "environ", dict(execute.os.environ))
    assert kept.main(["show", "--preset", "reference"]) == 0
    return params.load("reference", check_corpus=False).out


def test_the_readme_says_what_the_kept_numbers_say(shown):
    text = answer.in_brief(shown, load_study(shown.root))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.partition(answer.BEGIN)[2].partition(answer.END)[0].strip() == text
