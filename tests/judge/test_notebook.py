"""The notebook that judges, on made-up answers: every judge in the tables, the headline first."""

import nbformat
import numpy as np
import pandas as pd
import pytest
from fake_study import enter_checkout, finish, write_preset
from macromicro.graph import cells, execute
from macromicro.judge.annotations import read_verdicts

CELL = "7_judge/response-micro/s0"


def answer(path, name, n_words):
    rng = np.random.default_rng(n_words)
    table = pd.DataFrame({"dataset": name, "prompt_id": [f"p{i:02d}" for i in range(30)], "n_bytes": 50})
    table["answer"] = ["word " * max(1, n) for n in rng.poisson(n_words, 30)]
    table["log_likelihood"] = -60 + rng.normal(0, 5, 30)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path)


@pytest.fixture
def study(tmp_path, monkeypatch):
    enter_checkout(tmp_path, monkeypatch)
    monkeypatch.setattr(execute.os, "environ", dict(execute.os.environ))
    study = write_preset({"judge.kinds": ["likelihood"]})
    prompts = pd.DataFrame({"id": [f"p{i:02d}" for i in range(30)], "instruction": "Say.", "response": "word"})
    study.out.prompts.parent.mkdir(parents=True, exist_ok=True)
    prompts.to_parquet(study.out.prompts)
    answer(study.out.answers("baseline", "n40-s0"), "n40-s0", 5)
    for place, dataset in enumerate(study.strategy("response-micro").datasets(0)):
        answer(study.out.answers("response-micro", dataset.name), dataset.name, 2 + 10 * place)
    finish(study)
    for path in cells.list_cells(study)[CELL].outputs:
        path.unlink()
    return study


def test_all_judges_are_in_the_tables_and_the_figure_is_of_the_first(study):
    assert execute.compute("tiny", CELL) == 0
    verdicts = pd.read_parquet(study.out.verdicts("response-micro", 0))
    assert verdicts.groupby("judge", sort=False).size().to_dict() == {"likelihood": 60, "length": 60}
    assert verdicts["order"].isna().all()
    scores = pd.read_parquet(study.out.scores("response-micro", 0))
    assert scores["judge"].tolist() == ["likelihood", "likelihood", "length", "length"]
    by_length = scores[scores["judge"] == "length"].set_index("dataset")["score"]
    assert by_length["n40-d000-s0"] < 20 and by_length["n40-d100-s0"] > 90
    read = read_verdicts([study.out.verdicts("response-micro", 0)])
    assert read["length"].notna().all() and set(read["judge"]) == {"likelihood", "length"}
    notebook = nbformat.read(study.out.notebook("7_judge", "response-micro/s0"), as_version=4)
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in shown) == 1
