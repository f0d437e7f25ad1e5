"""Run a whole study: one run at a time, over whatever an earlier one left behind, with a table at its end.

`python -m macromicro.graph.report` is what `make report` calls. Snakemake computes the cells; here is what it does not
know: a run that died leaves no lock, its leftovers are swept, and a disk that is full stops the study at once.
"""

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pandas as pd

from macromicro.graph.cells import Cell, list_cells
from macromicro.graph.execute import RUN_PROCESS
from macromicro.graph.freshness import verify
from macromicro.study import params
from macromicro.study.files import sweep, write_aside
from macromicro.study.layout import Layout
from macromicro.study.portable import keep_places, portable
from macromicro.study.settings import Study

SNAKEMAKE = (
    *("snakemake", "--nolock", "--logger", "macromicro", "--keep-going", "--rerun-incomplete"),
    *("--rerun-triggers", "params", "--resources", "gpu=1"),
)
"""One run at a time is seen to by `only_run`, and what has to run again by the stamps of `freshness`."""


@contextmanager
def only_run(out: Layout) -> Iterator[IO[str]]:
    """The study's lock, held until the end of the block; a dead process holds none. Notebooks it left are ended.

    Raises RuntimeError naming the process if another run of the study goes on.
    """
    out.root.mkdir(parents=True, exist_ok=True)
    with (out.root / ".run").open("a+", encoding="utf-8") as file:
        file.seek(0)
        before = file.read().strip()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RuntimeError(f"another run of {out.root.name} goes on (process {before.split()[0]})") from None
        if before:
            print("the last run ended without a word (a crash, or killed): going on from what is done", flush=True)
            _end_group(int(before.split()[-1]))
        yield file
        file.truncate(0)


def _end_group(group: int) -> None:
    """End the processes that a dead run has left: Snakemake's, and the notebooks that it was executing."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
        print("ended the notebooks that it left running", flush=True)
        for _ in range(50):
            time.sleep(0.1)
            os.killpg(group, 0)  # raises ProcessLookupError when all have ended
        os.killpg(group, signal.SIGKILL)


def run(study: Study, *, cores: int, options: Sequence[str] = ()) -> int:
    """Compute what is not done; the exit status of Snakemake.

    Parameters: options, further ones of Snakemake, such as `--executor slurm`.
    """
    out = study.out
    with only_run(out) as lock:
        for line in sweep(out.root):
            print(line, flush=True)
        with write_aside(out.params) as path:
            path.write_text(params.dump(portable(study)), encoding="utf-8")
        keep_places(study)
        command = [*SNAKEMAKE, "--cores", str(cores), "--config", f"preset={_relative(out.params)}", *options]
        scratch = out.root / ".tmp"  # of kernels: swept with the rest
        scratch.mkdir(exist_ok=True)
        environment = {**os.environ, RUN_PROCESS: str(os.getpid()), "TMPDIR": str(scratch)}
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        lock.write(f"{os.getpid()} {process.pid}")
        lock.flush()
        status = _wait(process)
        shutil.rmtree(scratch, ignore_errors=True)
    return status


def _wait(process: subprocess.Popen) -> int:
    """The exit status of Snakemake, to which signals are passed on."""

    def stop(number: int, _: object) -> None:
        if number == signal.SIGUSR1:
            print("nothing more can succeed: the study stops when the notebooks now running have ended", flush=True)
        process.send_signal(signal.SIGTERM if number == signal.SIGUSR1 else number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, stop)
    return process.wait()


def _relative(path: Path) -> str:
    return os.path.relpath(path)


def tabulate(study: Study) -> pd.DataFrame:
    """A row per stage: cells done, failed and not computed."""
    cells = [(cell.stage, state(study, cell)) for cell in list_cells(study).values()]
    table = pd.DataFrame(cells, columns=["stage", "state"])
    counts = pd.crosstab(table["stage"], table["state"]).reindex(columns=["done", "failed", "waiting"], fill_value=0)
    return counts.rename_axis(columns=None).reset_index()


def state(study: Study, cell: Cell) -> str:
    """`done`, `failed` (its log holds a notebook) or `waiting`."""
    if study.out.stamp(cell.stage, cell.name).is_file():
        return "done"
    return "failed" if study.out.log(cell.stage, cell.name).is_file() else "waiting"


def list_failures(study: Study) -> list[str]:
    """A line per failed cell: its name, why it failed, and where its notebook lies."""
    failed = [cell for cell in list_cells(study).values() if state(study, cell) == "failed"]
    logs = [_relative(study.out.log(cell.stage, cell.name)) for cell in failed]
    return [f"{cell.id}: {cause(study.out, cell)} ({log})" for cell, log in zip(failed, logs, strict=True)]


def cause(out: Layout, cell: Cell) -> str:
    """The last line that a cell printed."""
    text = Path(f"{out.log(cell.stage, cell.name)}.txt")
    lines = text.read_text(encoding="utf-8", errors="replace").strip().splitlines() if text.is_file() else []
    return lines[-1] if lines else "no word"


def _verify(root: Path) -> int:
    """Print what is wrong in the folder of a study; 1 if anything is."""
    wrong = verify(root)
    for line in wrong:
        print(line)
    print(f"{root.name}: {f'{len(wrong)} files are not what was computed' if wrong else 'all files are whole'}")
    return 1 if wrong else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a study and say at the end what is done and what failed; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m macromicro.graph.report", description="Run a whole study.")
    parser.add_argument("--preset", default=os.environ.get("PRESET") or "smoke", help="name or file of the preset")
    parser.add_argument("--corpus", default=os.environ.get("CORPUS") or None, help="a corpus file")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--verify", action="store_true", help="compute nothing, hold all files against their hashes")
    parser.add_argument("--study", type=Path, default=os.environ.get("STUDY") or None, help="its folder, to verify")
    given, options = parser.parse_known_args(arguments)
    try:
        if given.verify:
            return _verify(given.study or params.load(given.preset, corpus=given.corpus).out.root)
        study = params.load(given.preset, corpus=given.corpus)
        status = run(study, cores=given.cores, options=options)
    except (FileNotFoundError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(tabulate(study).to_string(index=False))
    for line in list_failures(study):
        print(f"failed: {line}")
    return status


if __name__ == "__main__":
    sys.exit(main())
