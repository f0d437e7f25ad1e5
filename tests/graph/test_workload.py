"""Counts of a study by hand, and how long cells take side by side."""

from pathlib import Path

import pytest
from macromicro.graph.cells import Cell, list_cells
from macromicro.graph.workload import count_work, simulate
from macromicro.study import params


def test_counts_of_smoke():
    study = params.load("smoke")
    work = count_work(study, n_samples=8000, n_prompts=200)
    strategies = [f"{part}-{grain}" for part in ("instruction", "response") for grain in ("macro", "meso", "micro")]
    assert {row.strategy: (row.size, row.n_models, row.n_samples) for row in work.models} == {
        "baseline": (500, 1, 500),
        **dict.fromkeys(strategies, (500, 7, 3500)),
    }
    assert (work.n_models, work.n_samples_trained) == (43, 21_500)
    assert (work.n_answering, work.n_answers) == (44, 8800)
    assert work.n_answer_texts == (6 * (7 + 2) + 3) * 200
    assert work.n_texts == 2 * 8000 + 11_400
    assert (work.n_judge_calls, work.n_tag_calls) == (0, 0)
    assert work.cells["5_finetune"] == 7
    assert sum(work.cells.values()) == len(list_cells(study))


def test_epochs_sizes_seeds_and_language_models_multiply():
    changes = {
        "select.sizes": [100, 200], "select.seeds": [0, 1], "select.levels": [0, 100], "finetune.n_epochs": 3,
        "judge.kinds": ["llm"], "judge_llm.model": "m", "tags.tagger": "llm", "tag_llm.model": "m",
    }  # fmt: skip
    work = count_work(params.load("smoke", changes=changes), n_samples=1000, n_prompts=10)
    rows = {(row.strategy, row.size): row for row in work.models}
    assert rows["response-micro", 200][2:] == (4, 4 * 200 * 3)
    assert rows["baseline", 100][2:] == (2, 2 * 100 * 3)
    assert ("baseline", 200) not in rows
    judged = 6 * 2 * 2 * 2 + 2  # strategies, levels, sizes, seeds; the untuned model against two baselines
    assert work.n_judge_calls == 2 * judged * 10
    assert work.n_tag_calls == 2 * 1000
    assert work.n_answer_texts == 0


@pytest.mark.parametrize(
    ("n_at_once", "alone", "seconds"),
    [(1, (), 10.0), (2, (), 7.0), (3, (), 6.0), (3, ("middle",), 8.0), (2, ("middle",), 8.0)],
)
def test_cells_wait_for_what_they_read_and_for_a_free_place(n_at_once, alone, seconds):
    def cell(stage, name, reads):
        return Cell(stage, name, {}, {}, tuple(Path(one) for one in reads), (Path(name),))

    made = [cell("first", "a", []), cell("middle", "b", ["a"]), cell("middle", "c", ["a"]), cell("free", "e", ["a"])]
    made.append(cell("last", "d", ["b", "c"]))
    took = {"first/a": 3.0, "middle/b": 2.0, "middle/c": 2.0, "free/e": 2.0, "last/d": 1.0}
    assert simulate({one.id: one for one in made}, took, n_at_once=n_at_once, alone=alone) == pytest.approx(seconds)
