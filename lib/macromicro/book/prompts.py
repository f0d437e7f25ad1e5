"""How many prompts a study held out, used, answered and scored, and why these numbers differ.

The pages say one of these four words beside every number of prompts.
"""

import json
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from macromicro.study.layout import Layout
from macromicro.study.settings import UNTUNED, Study


def count(out: Layout, study: Study) -> dict[str, int]:
    """Prompts `held out`, `used`, `answered` and `scored`.

    Raises ValueError if models differ in how many prompts they answered, or were scored on.
    """
    answered, scored = _count_answers(out, study), set()
    for strategy in (study.strategy(name) for name in study.strategies):
        for seed in strategy.select.seeds:
            table = pd.read_parquet(out.scores(strategy.name, seed), columns=["n_wins", "n_ties", "n_losses"])
            scored |= set(table.sum(axis=1).astype(int))
    for done, numbers in (("answered", answered), ("scored on", scored)):
        if len(numbers) != 1:
            raise ValueError(f"every model must be {done} the same prompts, but there are {sorted(numbers)} of them")
    report = _report(out)["prompts"]
    found = {"held out": report["candidates"], "used": report["used"]}
    return {**found, "answered": answered.pop(), "scored": scored.pop()}


def _count_answers(out: Layout, study: Study) -> set[int]:
    """How many prompts the models answered; of a study that is only shown, how many have a verdict."""
    if out.is_laid_out:
        pairs = [(name, seed) for name in study.strategies for seed in study.strategy(name).select.seeds]
        tables = [pd.read_parquet(out.verdicts(*pair), columns=["dataset", "prompt_id"]) for pair in pairs]
        return {int(n) for table in tables for n in table.groupby("dataset")["prompt_id"].nunique()}
    own = [(one.name, dataset.name) for one in study.all_strategies for dataset in one.datasets()]
    return {pq.read_metadata(out.answers(*place)).num_rows for place in [(UNTUNED, UNTUNED), *own]}


def tabulate(out: Layout, study: Study) -> pd.DataFrame:
    """A row for each of the four: how many prompts, and what became of those of the row above that are missing."""
    report, n = _report(out)["prompts"], count(out, study)
    overlapping = sum(report[name] for name in report if name.startswith("near_"))
    why = {
        "held out": "read from the evaluation file" if study.corpus.eval_file else "set aside from the corpus by id",
        "used": f"{overlapping:,} stand in a text that models have read, {report['not_used']:,} are more than "
        f"`corpus.n_eval` = {study.corpus.n_eval:,}",
        "answered": f"{n['used'] - n['answered']:,} do not fit the base model's context with an answer",
        "scored": f"{n['answered'] - n['scored']:,} have no verdict",
    }
    rows = [(name, f"{number:,}", why[name]) for name, number in n.items()]
    return pd.DataFrame(rows, columns=["prompts", "number", "which, and why fewer than in the row above"])


def in_words(out: Layout, study: Study) -> str:
    """The four numbers in a line.

    The first two differ by what models have read and by the most that are used, the next by what fits the model.
    """
    return ", ".join(f"{number:,} {name}" for name, number in count(out, study).items())


def _report(out: Layout) -> dict[str, Any]:
    return dict(json.loads(out.corpus_report.read_text(encoding="utf-8")))
