"""What a study will compute, counted before anything runs: cells, models, samples, calls of a language model, texts."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

from macromicro.graph.cells import Cell, cells_before, list_cells
from macromicro.study.settings import Study

ORDERS = 2
"""A language model that judges is asked with the model's answer first, and with it second."""
PARTS = 2


class Models(NamedTuple):
    """The models of a strategy with datasets of one size; `n_samples` are trained on by all of them together."""

    strategy: str
    size: int
    n_models: int
    n_samples: int


@dataclass(frozen=True)
class Workload:
    """Counts of a study.

    Attributes
    ----------
    cells : executions of notebooks, by stage.
    models : a row per strategy and size.
    n_answering : models that answer, the untuned one included.
    n_answers : answers of all of them together.
    n_judge_calls : requests to a language model that judges, without those that are repeated.
    n_tag_calls : requests to one that writes tags, likewise.
    n_texts : texts to embed, at most; those of answers are `n_answer_texts` of them.
    """

    cells: dict[str, int]
    models: list[Models]
    n_answering: int
    n_answers: int
    n_judge_calls: int
    n_tag_calls: int
    n_texts: int
    n_answer_texts: int

    @property
    def n_models(self) -> int:
        """Models to fine-tune."""
        return sum(row.n_models for row in self.models)

    @property
    def n_samples_trained(self) -> int:
        """Samples of all models and epochs together."""
        return sum(row.n_samples for row in self.models)


def count_work(study: Study, *, n_samples: int, n_prompts: int) -> Workload:
    """What a study will compute. Parameters: samples to select from, and prompts."""
    cells = list_cells(study)
    models = [
        Models(one.name, size, n, n * size * study.finetune.n_epochs)
        for one in study.all_strategies
        for size, n in Counter(dataset.size for dataset in one.datasets()).items()
    ]
    n_answering = sum(len(cell.members) for cell in cells.values() if cell.stage == "6_answer")
    judged = [count_judged(cell) for cell in cells.values() if cell.stage == "7_judge"]
    tagged = [one for one in study.all_strategies if one.granularity == "meso" and one.tags.tagger == "llm"]
    similar = "similarity" in study.judge.kinds
    n_answer_texts = sum(n + 2 for n in judged) * n_prompts if similar else 0  # with the baseline's and the references
    return Workload(
        cells=dict(Counter(cell.stage for cell in cells.values())),
        models=models,
        n_answering=n_answering,
        n_answers=n_answering * n_prompts,
        n_judge_calls=ORDERS * sum(judged) * n_prompts if "llm" in study.judge.kinds else 0,
        n_tag_calls=len({one.part for one in tagged}) * n_samples,
        n_texts=PARTS * n_samples + n_answer_texts,
        n_answer_texts=n_answer_texts,
    )


def count_judged(cell: Cell) -> int:
    """Models that a cell of `7_judge` scores: it reads their answers, those of a baseline, and the prompts."""
    return len(cell.inputs) - 2


def simulate(
    cells: Mapping[str, Cell], seconds: Mapping[str, float], *, n_at_once: int, alone: Collection[str] = ()
) -> float:
    """Seconds from the first cell to the end of the last: each begins as soon as what it reads is there.

    Parameters: seconds, of each cell; n_at_once, how many run side by side; alone, stages of which one cell runs at a
    time whatever the others do, since they share a card.
    """
    grid = dict(cells)
    before = {name: {one.id for one in cells_before(cell, grid)} for name, cell in grid.items()}
    waiting, done, now = list(grid), set[str](), 0.0
    running: list[tuple[float, str]] = []
    while waiting or running:
        taken = any(grid[name].stage in alone for _, name in running)
        ready = [name for name in waiting if before[name] <= done and not (taken and grid[name].stage in alone)]
        if ready and len(running) < n_at_once:
            heappush(running, (now + seconds[ready[0]], ready[0]))
            waiting.remove(ready[0])
        else:
            now, name = heappop(running)
            done.add(name)
    return now
