"""The graph on a tiny grid, with the real notebooks: killed and resumed, changed, harmed, failing."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import make_tiny_study
from macromicro.corpus.split import places
from macromicro.graph.freshness import verify

N_CELLS = 15
JUDGED = {"7_judge/response-micro/s0", "7_judge/untuned/s0"}


def environment(folder: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(folder / "lib"), "PRESET": "tiny"}


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    """A run of the study in a process group of its own, as `make report` calls it."""
    return subprocess.Popen(
        [sys.executable, "-m", "macromicro.graph.report", "--cores", "2", *options],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, *options: str) -> tuple[int, str]:
    process = start(folder, *options)
    shown, _ = process.communicate(timeout=900)
    return process.returncode, shown


def executed(folder: Path) -> dict[str, int]:
    """Executed notebooks that are taken for done, and when they were written (ns)."""
    notebooks = folder / "outputs" / "tiny" / "notebooks"
    return {
        path.relative_to(notebooks).with_suffix("").as_posix(): path.stat().st_mtime_ns
        for path in notebooks.rglob("*.ipynb")
    }


def models(folder: Path) -> dict[str, int]:
    """Models, and when their weights were written (ns)."""
    root = folder / "outputs" / "tiny" / "models"
    return {
        path.parent.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in root.rglob("model.safetensors")
    }


def change(folder: Path, section: str, **settings: object) -> None:
    path = folder / "params" / "tiny.yaml"
    preset = yaml.safe_load(path.read_text())
    preset.setdefault(section, {}).update(settings)
    path.write_text(yaml.safe_dump(preset))


def computed_by(folder: Path, found: Callable[[Path], dict[str, int]] = executed) -> set[str]:
    """Notebooks (or models) that a run makes again or anew."""
    before = found(folder)
    status, shown = run(folder)
    assert status == 0, shown
    after = found(folder)
    assert before.keys() <= after.keys()
    return {name for name, written in after.items() if before.get(name) != written}


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.time() + 300
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.time() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> tuple[Path, dict[str, int]]:
    """A study whose run was killed in the middle, and what it had executed."""
    folder = make_tiny_study(tmp_path_factory.mktemp("killed"))
    process = start(folder)
    wait_for(lambda: "2_respond/2_respond" in executed(folder), process)
    time.sleep(2)
    os.kill(process.pid, signal.SIGKILL)  # Snakemake and its notebooks go on: the next run ends them
    process.communicate(timeout=600) if process.stdout is None else process.stdout.close()
    return folder, executed(folder)


@pytest.fixture(scope="module")
def resumed(killed) -> tuple[Path, str]:
    """The study that was killed, run again until it was done, and what that showed."""
    folder, _ = killed
    status, shown = run(folder)
    assert status == 0, shown
    return folder, shown


@pytest.fixture
def copy(resumed, tmp_path) -> Path:
    """A copy of the study that is done."""
    return Path(shutil.copytree(resumed[0], tmp_path / "copy"))


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(killed, resumed):
    (folder, done), (_, shown) = killed, resumed
    assert {"1_corpus/1_corpus", "2_respond/2_respond"} <= done.keys()
    assert "the last run ended without a word" in shown
    finished = executed(folder)
    assert len(finished) == N_CELLS
    assert {name: finished[name] for name in done} == done
    assert not list((folder / "outputs").rglob("*.part"))
    assert verify(folder / "outputs" / "tiny") == []
    assert "done" in shown and "8_analyse" in shown


@pytest.mark.slow
def test_of_one_change_at_a_time_only_what_must_be_computed_is(copy):
    assert computed_by(copy) == set(), "a copy is done"
    change(copy, "judge", tie_margin={"likelihood": 0.01})
    assert computed_by(copy) == {*JUDGED, "8_analyse/8_analyse"}
    module = copy / "lib" / "macromicro" / "judge" / "likelihood.py"
    module.write_text(module.read_text() + "\n# a comment\n")
    assert computed_by(copy) == set()
    module.write_text(module.read_text() + "\nCHANGED = True\n")
    assert computed_by(copy) == JUDGED, "the same scores: nothing follows"
    notebook = copy / "notebooks" / "8_analyse.ipynb"
    notebook.write_text(notebook.read_text().replace("# Analyse: ", "# Analyse once more: "))
    assert computed_by(copy) == {"8_analyse/8_analyse"}


@pytest.mark.slow
def test_a_grown_grid_trains_only_what_is_new(copy):
    """A level, and a dataset lost with its notebook: the models that are there stay as they are."""
    change(copy, "select", levels=[0, 50, 100])
    assert computed_by(copy, models) == {"response-micro/n40-d050-s0"}
    out = copy / "outputs" / "tiny"
    (out / "datasets/response-micro/n40-d050-s0.parquet").unlink()
    (out / "notebooks/5_finetune/response-micro/s0.ipynb").unlink()
    with (out / "models/response-micro/n40-d000-s0/model.safetensors").open("r+b") as weights:
        weights.seek(500)
        byte = weights.read(1)
        weights.seek(500)
        weights.write(bytes([byte[0] ^ 1]))
    assert computed_by(copy, models) == {"response-micro/n40-d000-s0"}
    assert verify(out) == []
    population = pd.read_parquet(out / "population/samples.parquet").set_index("id")
    drawn = {path.parent.name: pd.read_parquet(path)["id"] for path in out.glob("datasets/*/n40-*.parquet")}
    assert drawn.keys() == {"baseline", "response-micro"}
    in_share = places(population.index, use="share|0|0") < 0.5
    for ids in drawn.values():
        assert population.loc[ids, "fits"].all() and in_share[population.index.get_indexer(ids)].all()
    levels = pd.read_parquet(out / "datasets/response-micro/levels-s0.parquet")
    assert np.allclose(levels["n_response_tokens"], levels["response_tokens"] * levels["n_samples"])
    assert levels["near_duplicates"].between(0, 1).all() and levels["n_left_out"].is_monotonic_increasing
    log = (out / "logs/4_select/response-micro/s0.ipynb.txt").read_text()
    assert "datasets/response-micro/n40-d050-s0.parquet is missing" in log
    assert computed_by(copy) == set()


@pytest.mark.slow
def test_a_failing_cell(copy):
    """The others finish, the traceback is kept, the cause is said in one line, and the exit status is not zero."""
    change(copy, "strategies", topics={"granularity": "macro"})
    change(copy, "select", levels=[0, 30, 100])
    before = executed(copy)
    path = copy / "notebooks" / "3_annotate.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(2, nbformat.v4.new_code_cell("assert strategy != 'topics', 'broken on purpose'"))
    nbformat.write(notebook, path)

    status, shown = run(copy)
    assert status != 0
    log = "outputs/tiny/logs/3_annotate/topics.ipynb"
    assert "FAILED  ] annotate topics: error: AssertionError: broken on purpose" in shown
    assert f"failed: 3_annotate/topics: error: AssertionError: broken on purpose ({log})" in shown
    assert "broken on purpose" in (copy / log).read_text()
    assert "trying again" not in shown + (copy / f"{log}.txt").read_text(), "it would fail the same way"
    done = executed(copy)
    assert done["8_analyse/8_analyse"] == before["8_analyse/8_analyse"]
    assert done["7_judge/response-micro/s0"] > before["7_judge/response-micro/s0"]
    assert "response-micro/n40-d030-s0" in models(copy)
    assert not (copy / "outputs/tiny/types/topics.npz").exists()


def test_two_runs_of_one_study_at_a_time_are_refused(tiny_study):
    process = start(tiny_study)
    wait_for(
        lambda: (
            (tiny_study / "outputs/tiny/stamps").is_dir()
            or bool(executed(tiny_study))
            or (tiny_study / "outputs/tiny/params.yaml").is_file()
        ),
        process,
    )
    status, shown = run(tiny_study)
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=120)
    assert status == 1
    assert f"another run of tiny goes on (process {process.pid})" in shown
