"""The graph on a tiny grid, with the real notebooks: resume, changed parameters, failure."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import yaml
from macromicro.study.files import digest

SNAKEMAKE = [sys.executable, "-m", "snakemake", "--cores", "2", "--config", "preset=tiny", "--logger", "macromicro"]
N_CELLS = 13


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    """Snakemake in a process group of its own, as `make report` calls it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        [*SNAKEMAKE, "--keep-going", "--rerun-incomplete", *options],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(folder / "lib")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, *options: str) -> tuple[int, str]:
    process = start(folder, *options)
    shown, _ = process.communicate(timeout=600)
    return process.returncode, shown


def executed(folder: Path) -> dict[str, int]:
    """Executed notebooks that are taken for done, and when they were written (ns)."""
    notebooks = folder / "outputs" / "tiny" / "notebooks"
    return {
        path.relative_to(notebooks).with_suffix("").as_posix(): path.stat().st_mtime_ns
        for path in notebooks.rglob("*.ipynb")
    }


def change(folder: Path, section: str, **settings: object) -> None:
    path = folder / "params" / "tiny.yaml"
    preset = yaml.safe_load(path.read_text())
    preset.setdefault(section, {}).update(settings)
    path.write_text(yaml.safe_dump(preset))


def rerun_by(folder: Path) -> set[str]:
    """Cells that a run computes again."""
    before = executed(folder)
    status, shown = run(folder)
    assert status == 0, shown
    after = executed(folder)
    assert before.keys() <= after.keys()
    return {name for name, written in after.items() if before.get(name) != written}


@pytest.mark.slow
def test_kill_resume_and_change(tiny_study):
    """`kill -9` in the middle, resume, then one changed setting at a time: only what must be computed is."""
    process = start(tiny_study)
    deadline = time.time() + 300
    while "2_respond/2_respond" not in executed(tiny_study):
        assert process.poll() is None, process.communicate()[0]
        assert time.time() < deadline
        time.sleep(0.1)
    time.sleep(2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    done = executed(tiny_study)
    assert {"1_corpus/1_corpus", "2_respond/2_respond"} <= done.keys()
    assert len(done) < N_CELLS

    status, shown = run(tiny_study, "--unlock")
    assert status == 0, shown
    status, shown = run(tiny_study)
    assert status == 0, shown
    assert f"/{N_CELLS - len(done)}" in shown
    finished = executed(tiny_study)
    assert len(finished) == N_CELLS
    assert {name: finished[name] for name in done} == done
    assert not list((tiny_study / "outputs").rglob("*.part"))
    check_outputs(tiny_study)

    assert rerun_by(tiny_study) == set()
    change(tiny_study, "judge", tie_margin=0.01)
    assert rerun_by(tiny_study) == {"7_judge/response-micro", "8_analyse/8_analyse"}
    manifests = tiny_study / "outputs" / "tiny" / "manifests"
    margins = {
        stage: json.loads((manifests / stage / "response-micro.json").read_text())["params"]["judge"]["tie_margin"]
        for stage in ("6_answer", "7_judge")
    }
    assert margins == {"6_answer": 0.0, "7_judge": 0.01}

    with (tiny_study / "lib" / "macromicro" / "judge.py").open("a") as module:
        module.write("\n# a changed module\n")
    assert rerun_by(tiny_study) == {"7_judge/response-micro", "8_analyse/8_analyse"}
    with (tiny_study / "notebooks" / "8_analyse.ipynb").open("a") as notebook:
        notebook.write("\n")
    assert rerun_by(tiny_study) == {"8_analyse/8_analyse"}


def check_outputs(folder: Path) -> None:
    """Every manifest's hashes are those of the files that lie there now: nothing half-written, nothing stale."""
    out = folder / "outputs" / "tiny"
    manifests = list((out / "manifests").rglob("*.json"))
    assert len(manifests) == N_CELLS
    for path in manifests:
        manifest = json.loads(path.read_text())
        for name, expected in (manifest["inputs"] | manifest["outputs"]).items():
            if (out / name).exists():
                assert digest(out / name) == expected, (path, name)


@pytest.mark.slow
def test_a_failing_cell(tiny_study):
    """The others finish, the traceback is kept in the logs, and the exit status is not zero."""
    change(tiny_study, "select", granularities=["macro", "micro"])
    path = tiny_study / "notebooks" / "3_annotate.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(2, nbformat.v4.new_code_cell("assert granularity != 'macro', 'broken on purpose'"))
    nbformat.write(notebook, path)

    status, shown = run(tiny_study)
    assert status != 0
    log = "outputs/tiny/logs/3_annotate/response-macro.ipynb"
    assert f"FAILED  ] annotate response macro: the executed notebook with its traceback is {log}" in shown
    assert "broken on purpose" in (tiny_study / log).read_text()
    done = executed(tiny_study)
    assert "8_analyse/8_analyse" not in done
    assert (tiny_study / "outputs/tiny/verdicts/response-micro-scores.parquet").is_file()
    assert not (tiny_study / "outputs/tiny/types/response-macro.npz").exists()


@pytest.mark.slow
def test_an_unknown_notebook_parameter_stops_before_anything_runs(tiny_study):
    snakefile = tiny_study / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace('execute("7_judge", strategy=', 'execute("7_judge", stratgy='))
    status, shown = run(tiny_study, "--dry-run")
    assert status != 0
    assert "notebooks/7_judge.ipynb has no parameter 'stratgy'" in shown
