"""One run at a time, what a dead one leaves behind, and the table at the end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_study import finish, write_preset
from macromicro.graph import freshness, report
from macromicro.study import params
from macromicro.study.layout import Layout

HOLDS = """
import sys, time
from macromicro.graph.report import only_run
from macromicro.study.layout import Layout
from pathlib import Path
import subprocess
with only_run(Layout(Path(sys.argv[1]))) as lock:
    left = subprocess.Popen(["sleep", "600"], start_new_session=True)
    import os
    lock.write(f"{os.getpid()} {left.pid}")
    lock.flush()
    print(left.pid, flush=True)
    time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    """Whether a process runs (one that has ended but was not waited for does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_lock_of_a_live_run_holds_and_that_of_a_dead_one_does_not(tmp_path, capsys):
    out = Layout(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    left = int(process.stdout.readline())
    with (
        pytest.raises(RuntimeError, match=rf"another run of .* goes on \(process {process.pid}\)"),
        report.only_run(out),
    ):
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert is_alive(left)
    with report.only_run(out):
        assert "the last run ended without a word" in capsys.readouterr().out
        deadline = time.time() + 10
        while is_alive(left) and time.time() < deadline:
            time.sleep(0.05)
        assert not is_alive(left), "what the dead run left running is ended"
    with report.only_run(out):
        assert capsys.readouterr().out == "", "a run that ended as it should leaves no word"


def test_the_table_counts_and_failures_are_listed_with_their_cause(finished):
    freshness.reconcile(finished)
    study = write_preset({"tokens.low": 20})
    freshness.reconcile(study)
    log = study.out.log("3_annotate", "response-micro")
    log.parent.mkdir(parents=True)
    log.touch()
    log.with_name(f"{log.name}.txt").write_text("started\nerror: ValueError: low=20 is wrong\n")
    table = report.tabulate(study).set_index("stage")
    assert table.loc["3_annotate"].to_dict() == {"done": 1, "failed": 1, "waiting": 0}
    assert table.loc["8_analyse"].to_dict() == {"done": 1, "failed": 0, "waiting": 0}
    assert report.list_failures(study) == [
        "3_annotate/response-micro: error: ValueError: low=20 is wrong "
        "(outputs/tiny/logs/3_annotate/response-micro.ipynb)"
    ]


def test_verify_says_what_is_wrong_and_ends_with_a_status(finished, capsys):
    assert report.main(["--preset", "tiny", "--verify"]) == 0
    assert "tiny: all files are whole" in capsys.readouterr().out
    finished.out.prompts.write_text("others")
    assert report.main(["--preset", "tiny", "--verify"]) == 1
    assert "corpus/prompts.parquet is not what 1_corpus/1_corpus made" in capsys.readouterr().out
    assert report.main(["--study", str(finished.out.root), "--verify"]) == 1


def test_a_study_that_was_never_run_cannot_be_verified(folder, capsys):
    assert report.main(["--preset", "tiny", "--verify"]) == 1
    assert "no manifests" in capsys.readouterr().err


def test_done_cells_need_no_stamps_of_their_own(finished):
    finish(finished)
    for stamp in (finished.out.root / "stamps").rglob("*"):
        if stamp.is_file():
            stamp.unlink()
    assert not any(freshness.reconcile(params.load("tiny")).values())
