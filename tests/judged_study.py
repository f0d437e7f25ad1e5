"""The tables of a study whose verdicts are made up: what its analysis reads, and no more."""

import numpy as np
import pandas as pd
from macromicro.judge.score import score_judges
from macromicro.measure.metrics import METRICS


def judge(study):
    """Levels, metrics, losses, verdicts and scores of every model, by chance; more wins at higher levels."""
    rng = np.random.default_rng(0)
    for strategy in [study.strategy(name) for name in study.strategies]:
        for seed in strategy.select.seeds:
            datasets = strategy.datasets(seed)
            names, n = [one.name for one in datasets], len(datasets)
            levels = pd.array([one.level for one in datasets], dtype="Int64")
            metrics = {name: rng.normal(size=2 * n) for name in METRICS}
            verdicts = pd.DataFrame({"dataset": np.repeat(names, 200), "prompt_id": [f"p{i}" for i in range(200)] * n})
            verdicts["margin"] = rng.normal(np.repeat([(one.level or 0) / 25 for one in datasets], 200))
            verdicts["verdict"] = np.where(verdicts["margin"] > 0, "win", "loss")
            control = verdicts.assign(judge="length", verdict=rng.permutation(verdicts["verdict"]))
            verdicts = pd.concat([verdicts.assign(judge="similarity"), control]).assign(order=None)
            tables = {
                study.out.levels(strategy.name, seed): pd.DataFrame(
                    {"dataset": names, "size": 40, "level": levels, "seed": seed, "digest": names}
                ),
                study.out.metrics(strategy.name, seed): pd.DataFrame(
                    {"dataset": names * 2, "part": np.repeat(["instruction", "response"], n), **metrics}
                ),
                study.out.verdicts(strategy.name, seed): verdicts,
                study.out.scores(strategy.name, seed): score_judges(verdicts, n_bootstrap=50, confidence=0.9, seed=0),
            }
            tables |= {study.out.dataset(strategy.name, name): pd.DataFrame({"id": [name, "x"]}) for name in names}
            tables |= {study.out.losses(strategy.name, name): pd.DataFrame({"loss": [2.0, 1.0]}) for name in names}
            write(tables)
    for baseline, untuned in zip(study.baselines.values(), study.untuned, strict=True):
        for seed in baseline.select.seeds:
            write(baseline_tables(study, baseline.name, untuned, seed, rng))
    write({study.out.responded: pd.DataFrame({"source": ["alpaca", "alpaca", "dolly"], "licence": ["x", "x", None]})})
    study.out.corpus_report.parent.mkdir(parents=True, exist_ok=True)
    study.out.corpus_report.write_text('{"prompts": {"used": 200}}', encoding="utf-8")


def baseline_tables(study, baseline, untuned, seed, rng):
    """The tables of one baseline, and of the untuned model against it."""
    name, out = f"n40-s{seed}", study.out
    levels = pd.DataFrame({"dataset": [name], "size": 40, "seed": seed, "digest": "of a baseline"})
    levels["level"] = pd.array([None], dtype="Int64")
    verdicts = pd.DataFrame({"dataset": "untuned", "prompt_id": [f"p{i}" for i in range(200)], "margin": -1.0})
    verdicts["verdict"] = ["win"] * 20 + ["loss"] * 180
    verdicts = pd.concat([verdicts.assign(judge=judge, order=None) for judge in ("similarity", "length")])
    metrics = {"dataset": name, "part": ["instruction", "response"], **{one: rng.normal(size=2) for one in METRICS}}
    return {
        out.levels(baseline, seed): levels,
        out.metrics(baseline, seed): pd.DataFrame(metrics),
        out.dataset(baseline, name): pd.DataFrame({"id": ["x"]}),
        out.losses(baseline, name): pd.DataFrame({"loss": [2.0, 1.0]}),
        out.verdicts(untuned, seed): verdicts,
        out.scores(untuned, seed): score_judges(verdicts, n_bootstrap=50, confidence=0.9, seed=0),
    }


def write(tables):
    for path, table in tables.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_parquet(path)
