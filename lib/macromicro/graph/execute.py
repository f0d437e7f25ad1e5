"""Execute one notebook with papermill: as a cell of the graph, or by hand with other settings.

`python -m macromicro.graph.execute PRESET CELL` is what the graph calls: it computes a cell only if it is not done, and
takes it for done only when the notebook came to its end. Executed notebooks and logs hold no key and no folder of the
machine. `python -m macromicro.graph.execute --try STAGE` is `make notebook`.
"""

import argparse
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from macromicro.graph.cells import Cell, list_cells
from macromicro.graph.freshness import Digests, relative, why_not_done
from macromicro.graph.provenance import IN_GRAPH, start
from macromicro.study import params
from macromicro.study.dependencies import closest, notebook_path, parameters_of
from macromicro.study.faults import Failure, count_memory_kills, describe_failure
from macromicro.study.files import move_into_place
from macromicro.study.layout import find_root
from macromicro.study.portable import redact

# One thread per process (two processes beat one with two threads) and the same bytes on every run.
ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"),
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONHASHSEED": "0",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}
RUN_PROCESS = "MACROMICRO_RUN"
"""Environment variable with the process of the whole run, which is told where nothing more can succeed."""


def compute(preset: str, cell_id: str) -> int:
    """Compute a cell of a study if it is not done, and stamp it; the exit status.

    What went wrong is the last line on standard output; the notebook with its traceback stays in the logs.
    """
    study = params.load(preset)
    cell = list_cells(study)[cell_id]
    stamp = study.out.stamp(cell.stage, cell.name)
    why = why_not_done(study, cell, Digests(study.out.root))
    if why:
        stamp.unlink(missing_ok=True)
        print(f"{cell.id}: {why}", flush=True)
        os.environ |= {**ENVIRONMENT, IN_GRAPH: "1"}
        target = study.out.notebook(cell.stage, cell.name)
        failure = _attempt(cell, preset, study.out.log(cell.stage, cell.name), target)
        if failure is not None:
            return 1
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.touch()
    return 0


def _attempt(cell: Cell, preset: str, log: Path, target: Path) -> Failure | None:
    """Execute a cell, again if what went wrong may pass; None where it succeeded."""
    parameters = {"preset": preset, **cell.parameters}
    failure = _papermill(cell.stage, parameters, log)
    if failure is not None and failure.worth_retrying:
        print(f"trying again, since this may pass: {failure.cause}", flush=True)
        time.sleep(2)
        failure = _papermill(cell.stage, parameters, log)
        print("which it did not" if failure else "the second time it succeeded", flush=True)
    if failure is None:
        move_into_place(log, target)
        return None
    if failure.fatal and (process := os.environ.get(RUN_PROCESS)):
        os.kill(int(process), signal.SIGUSR1)
    print(f"{failure.kind}: {failure.cause}", flush=True)
    return failure


@contextmanager
def redacted_output() -> Iterator[None]:
    """All that this process and those it starts write goes to standard output, without keys and folders of the machine.

    Also what no logger sees: warnings of the interpreter, of compiled libraries, of a kernel that ends.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    reading, writing = os.pipe()

    def pass_on() -> None:
        with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                os.write(kept[1], redact(line).encode())

    passing = threading.Thread(target=pass_on, daemon=True)
    passing.start()
    for number in kept:
        os.dup2(writing, number)
    os.close(writing)
    try:
        yield
    except Exception:  # Python would print it after all this, as it stands
        traceback.print_exc()
        raise SystemExit(1) from None
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, own in kept.items():
            os.dup2(own, number)
        passing.join(timeout=5)  # a process that was left behind may hold the pipe open


def _papermill(stage: str, parameters: Mapping[str, Any], target: Path, *, shown: bool = False) -> Failure | None:
    """Execute a notebook into `target`; what failed, None if nothing did.

    Parameters: shown, to a person, who gets a progress bar in place of all that the cells print.
    """
    import papermill

    if not shown:
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    target.parent.mkdir(parents=True, exist_ok=True)
    n_kills = count_memory_kills()
    try:
        papermill.execute_notebook(
            notebook_path(stage),
            target,
            dict(parameters),
            kernel_name="python3",
            kernel_manager_class=_warm_kernels(),
            progress_bar=shown,
            log_output=not shown,
        )
    except Exception as error:  # whatever it was, the person shall read it in one line
        text = f"{type(error).__name__}: {error}"
        return describe_failure(text, n_memory_kills=count_memory_kills() - n_kills)
    finally:
        if target.is_file():
            target.write_text(redact(target.read_text(encoding="utf-8")), encoding="utf-8")
    return None


def _warm_kernels() -> type:
    """A manager whose kernels start in forks, where there is a process that forks (`warm`)."""
    from jupyter_client.manager import AsyncKernelManager

    class WarmKernelManager(AsyncKernelManager):
        def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
            command = super().format_kernel_cmd(extra_arguments)
            module = command.index("-m") + 1
            return [*command[:module], "macromicro.graph.warm", *command[module:]]

    return WarmKernelManager


def execute_by_hand(stage: str, *, preset: str, changes: Mapping[str, Any], given: Mapping[str, Any]) -> Path:
    """Execute a notebook with other settings or parameters into a folder of its own; the executed notebook.

    Parameters: changes, settings by dotted name; given, the notebook's parameters.
    Raises ValueError for a parameter or setting that is not there, with the nearest that is; RuntimeError with the
    cause if the notebook fails.
    """
    from macromicro.graph.differences import compare_outputs  # with pandas, which a cell of the graph need not wait for

    known = parameters_of(notebook_path(stage))
    for name in given:
        if name not in known:
            raise ValueError(f"{stage} has no parameter {name!r}; the nearest is {closest(name, known)!r}")
    preset = _settings_of(preset)
    study = params.load(preset, changes=changes)
    parameters = {name: value for name, value in known.items() if name not in ("preset", "changes")}
    run = start(stage, preset=preset, changes=changes, **{**parameters, **given})
    out = run.out
    target = out.root / f"{stage}.ipynb"
    os.environ |= {**ENVIRONMENT, "MACROMICRO_TRY": out.root.name}
    all_given = {"preset": preset, "changes": dict(changes), **parameters, **given}
    failure = _papermill(stage, all_given, target, shown=True)
    if failure is not None:
        raise RuntimeError(f"{failure.cause} (the notebook with its traceback: {_shown(target)})")
    print(f"executed notebook: {_shown(target)}\noutputs:           {_shown(out.root)}/")
    names = [relative(path, study.out.root) for path in run.cell.outputs]
    for name, words in compare_outputs(study.out.root, out.root, names).items():
        print(f"{name}: {words}")
    return target


def _settings_of(preset: str) -> str:
    """The preset, or the settings that its study was run with, where only these name the corpus file."""
    study = params.load(preset, check_corpus=False)
    named = study.corpus.source != "file" or study.corpus.path
    return preset if named or not study.out.params.is_file() else relative(study.out.params, find_root())


def _shown(path: Path) -> str:
    root = find_root()
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def read_assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Names and values of the likes of `tokens.low=20`, values read as YAML.

    Raises ValueError if one has no equals sign, or its value cannot be read.

    >>> read_assignments(["tokens.low=20", "strategy=response-micro"])
    {'tokens.low': 20, 'strategy': 'response-micro'}
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"{text!r}: expected NAME=VALUE, such as tokens.low=20")
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ValueError(f"{text!r}: {value!r} is not a value") from None
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute a cell or execute a notebook by hand; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m macromicro.graph.execute", description=__doc__)
    parser.add_argument("preset", help="name or file of the preset")
    parser.add_argument("cell", help="a cell, or with --try a notebook")
    parser.add_argument("--try", dest="by_hand", action="store_true", help="by hand, never over the study")
    parser.add_argument("--set", nargs="*", default=[], metavar="SETTING=VALUE", help="settings to change")
    parser.add_argument("--params", nargs="*", default=[], metavar="NAME=VALUE", help="parameters of the notebook")
    given = parser.parse_args(arguments)
    try:
        if not given.by_hand:
            with redacted_output():
                return compute(given.preset, given.cell)
        changes, parameters = read_assignments(given.set), read_assignments(given.params)
        execute_by_hand(given.cell, preset=given.preset, changes=changes, given=parameters)
    except (FileNotFoundError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
