"""Share of mutants that the tests kill, by room: a seeded sample of what cosmic-ray can change in a room's modules.

pip install cosmic-ray && OMP_NUM_THREADS=1 python benchmarks/mutation.py RESULTS.jsonl [--sample 75] [--seed 0]

A mutant is one change to one line: another operator, another number, a loop that does not run. It is *killed* where a
test of its module fails (`tests_of`), or these take more than two minutes. Left out are mutants of annotations and of
the asterisk of a signature, and those that are no Python. The tracked files are copied, a mutant is made in the copy
and tested in a fork of a process that has imported what the tests need. Functions for numba run as Python where their
own module is the mutated one: to compile them takes longer than to test them.

Rooms take turns, so that an unfinished pass is a sample too. Mutants that RESULTS holds are not run again, but
`--survivors` runs those that survived once more, after new tests.
"""

import argparse
import ast
import difflib
import importlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain, zip_longest
from pathlib import Path

import numba
import numpy as np
import pandas as pd
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from statsmodels.stats.proportion import proportion_confint

ROOMS = ("select", "measure", "judge", "analyse")
TESTS_BESIDE = {
    "analyse/crossed": "analyse/test_slopes.py",
    "analyse/paper_tables": "analyse/test_paper_conclusion.py",
    "analyse/paper_tested": "analyse/test_paper_conclusion.py",
    "analyse/series": "analyse/test_slopes.py",
    "analyse/stats": "analyse/test_paper.py",
    "judge/agreement": "judge/test_validity.py",
    "judge/length": "judge/test_judges.py",
    "judge/pairs": "judge/test_judges.py judge/test_likelihood.py",
    "judge/score": "judge/test_judges.py judge/test_likelihood.py",
    "judge/similarity": "judge/test_judges.py",
    "judge/verdicts": "judge/test_judges.py judge/test_pairwise.py",
    "measure/embedding_diversity": "measure/test_comparison.py",
    "measure/lexical": "measure/test_metrics.py",
    "measure/metrics": "measure/test_selfbleu.py",
    "select/peel": "select/test_pools.py select/test_select.py select/test_rivals.py",
    "select/pools": "select/test_select.py",
    "select/select": "select/test_rivals.py",
}
"""Tests that cover a module beside those of its own name, which are always run."""
LEFT_OUT = tuple(
    f"tests/{room}/test_{name}"
    for room, names in {
        "judge": "validity.py::test_the_tutorial_shows_the_kept_numbers_or_those_of_a_file "
        "validity.py::test_the_interval_holds_the_true_accuracy_where_pairs_of_a_prompt_go_together "
        "likelihood.py::test_a_model_tuned_on_the_evaluation_text_itself_wins",
        "measure": "intervals.py::test_intervals_are_as_wide_as_datasets_differ",
        "analyse": "contrasts.py::test_intervals_cover_the_true_difference "
        "crossed.py::test_the_smallest_slope_seen_is_seen_that_often "
        "metric_correlations.py::test_intervals_cover_other_strategies_and_seeds "
        "paper_tested.py::test_a_difference_as_large_as_the_smallest_seen_is_told_80_times_in_100 "
        "shapes.py::test_all_levels_are_covered_at_once shapes.py::test_rho_covers_what_the_mean_study_has "
        "shapes.py::test_with_seeds_only_the_width_is_that_of_dunnett "
        "slopes.py::test_intervals_cover_other_seeds_and_prompts "
        "slopes.py::test_one_line_over_pooled_seeds_would_not_cover "
        "slopes.py::test_the_interval_of_one_seed_covers_its_own_slope "
        "slopes.py::test_intervals_of_margins_cover_the_slope_that_was_drawn "
        "win_rates.py::test_length_control_covers_what_it_promises",
    }.items()
    for name in names.split()
)
"""A notebook, a training and simulations of seconds each, most of whose lines other tests cover."""
WARM = "hypothesis pyarrow.parquet scipy.stats sklearn.metrics sklearn.linear_model statsmodels.api nltk torch openai "
WARM += "transformers papermill nbformat pydantic yaml tqdm skeletoken tokenizers huggingface_hub datasets"
SECONDS = 120.0
MEMORY = 16 << 30
Span = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Mutant:
    """One change: the module as room/name, the operator of cosmic-ray, which of its places, and the line."""

    module: str
    operator: str
    occurrence: int
    line: int


def list_mutants(module: str, code: str) -> list[Mutant]:
    """All that cosmic-ray can change in the code of a module, annotations and asterisks of signatures left out."""
    nodes, (annotations, signatures) = list(ast_nodes(get_ast(code))), find_signatures(code)
    mutants = []
    for name in operator_names():
        if get_operator(name).arguments():
            continue
        operator = get_operator(name)()
        hidden = annotations + (signatures if "BinaryOperator" in name else [])
        places = chain.from_iterable(operator.mutation_positions(node) for node in nodes)
        for occurrence, (start, _) in enumerate(places):
            if not any(first <= tuple(start) < last for first, last in hidden):
                mutants.append(Mutant(module, name, occurrence, start[0]))
    return mutants


def find_signatures(code: str) -> tuple[list[Span], list[Span]]:
    """Where annotations stand, and signatures with their defaults: line and column of start and end."""
    nodes = list(ast.walk(ast.parse(code)))
    annotations = [getattr(node, name, None) for node in nodes for name in ("annotation", "returns")]
    return (
        [((at.lineno, at.col_offset), (at.end_lineno, at.end_col_offset)) for at in annotations if at is not None],
        [((at.lineno, 0), (at.body[0].lineno, 0)) for at in nodes if isinstance(at, ast.FunctionDef)],
    )


def mutate(mutant: Mutant, code: str) -> str:
    """The code of the module with the change; empty where that is no Python."""
    changed = mutate_code(code, get_operator(mutant.operator)(), mutant.occurrence)
    try:
        compile(changed, mutant.module, "exec")
    except (SyntaxError, ValueError):
        return ""
    return changed


def draw_mutants(lib: Path, *, n_per_room: int, seed: int) -> list[Mutant]:
    """The same number of mutants from each room, drawn without replacement, rooms in turn."""
    rng = np.random.default_rng(seed)
    drawn = []
    for room in ROOMS:
        paths = sorted((lib / "macromicro" / room).glob("*.py"))
        codes = {f"{room}/{path.stem}": path.read_text() for path in paths if path.stem != "__init__"}
        mutants = [mutant for module, code in codes.items() for mutant in list_mutants(module, code)]
        shuffled = (mutants[place] for place in rng.permutation(len(mutants)))
        usable = (mutant for mutant in shuffled if mutate(mutant, codes[mutant.module]))
        drawn.append([mutant for mutant, _ in zip(usable, range(n_per_room), strict=False)])
        print(f"{room}: {len(drawn[-1])} of {len(mutants):,} mutants", flush=True)
    return [mutant for turn in zip_longest(*drawn) for mutant in turn if mutant]


def tests_of(module: str, copy: Path) -> list[str]:
    """Test files and doctests that a mutant of a module has to pass."""
    room, name = module.split("/")
    files = [f"tests/{room}/test_{name}.py", *(f"tests/{path}" for path in TESTS_BESIDE.get(module, "").split())]
    return [*(path for path in files if (copy / path).exists()), f"lib/macromicro/{module}.py"]


def run_tests(module: str, copy: Path, *, seconds: float) -> tuple[int, float]:
    """Exit status of pytest in a fork, -9 where it took longer than `seconds`; and how long it took."""
    started = time.monotonic()
    child = os.fork()
    if not child:
        os.setsid()
        os.chdir(copy)
        sys.path[:0] = [str(copy / "lib")]
        log = os.open(copy / "log.txt", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(log, 1)
        os.dup2(log, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        numba.config.DISABLE_JIT = "numba" in (copy / "lib" / "macromicro" / f"{module}.py").read_text()
        options = ["-xq", "-p", "no:cacheprovider", "-m", "not slow", *(f"--deselect={name}" for name in LEFT_OUT)]
        os._exit(pytest.main([*options, *tests_of(module, copy)]))
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() - started > seconds:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return -signal.SIGKILL, time.monotonic() - started
        time.sleep(0.02)
    return os.waitstatus_to_exitcode(ended[1]), time.monotonic() - started


@contextmanager
def mutated(copy: Path, mutant: Mutant) -> Iterator[str]:
    """The change as a diff, made while the context lasts; the room is put back with all that was compiled from it."""
    room = copy / "lib" / "macromicro" / mutant.module.split("/")[0]
    path = room / f"{mutant.module.split('/')[1]}.py"
    aside = copy / "room"
    shutil.copytree(room, aside)
    code = path.read_text()
    changed = mutate(mutant, code)
    path.write_text(changed)
    try:
        lines = difflib.unified_diff(code.splitlines(), changed.splitlines(), lineterm="", n=0)
        yield "\n".join(line for line in lines if line[:3] not in ("---", "+++"))
    finally:
        shutil.rmtree(room)
        aside.rename(room)


def copy_tracked(root: Path, copy: Path) -> None:
    """The files that git tracks or would, as they are now, times included."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True)
    for name in names.stdout.splitlines():
        if (root / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, copy / name)


def run_mutants(mutants: list[Mutant], copy: Path, results: Path) -> None:
    """Test each mutant and append it to `results`: outcome, seconds, diff."""
    for n, mutant in enumerate(mutants, start=1):
        with mutated(copy, mutant) as diff:
            status, taken = run_tests(mutant.module, copy, seconds=SECONDS)
        outcome = "killed" if status > 0 else "survived" if status == 0 else "timeout"
        row = asdict(mutant) | {"outcome": outcome, "seconds": round(taken, 1), "diff": diff}
        with results.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{n}/{len(mutants)} {mutant.module}:{mutant.line} {outcome} {taken:.1f} s", flush=True)


def check_tests(results: pd.DataFrame, copy: Path) -> None:
    """Raise RuntimeError if tests fail without a mutant: they were seen to pass only where a mutant survived."""
    for module in sorted(set(results["module"]) - set(results.loc[results["outcome"] == "survived", "module"])):
        if run_tests(module, copy, seconds=5 * SECONDS)[0]:
            raise RuntimeError(f"tests of {module} fail without a mutant: {(copy / 'log.txt').read_text()}")


def read_results(path: Path) -> pd.DataFrame:
    """The last outcome of every mutant."""
    lines = path.read_text().splitlines() if path.exists() else []
    columns = [*Mutant.__dataclass_fields__, "outcome", "seconds", "diff"]
    rows = pd.DataFrame([json.loads(line) for line in lines], columns=columns)
    return rows.drop_duplicates(["module", "operator", "occurrence"], keep="last")


def named(results: pd.DataFrame) -> list[Mutant]:
    """The mutants of a table of results."""
    return [Mutant(**row) for row in results[list(Mutant.__dataclass_fields__)].to_dict("records")]


def show_shares(results: pd.DataFrame) -> None:
    """Print the table by room, with Wilson's interval of the share."""
    print("\n| room | mutants | killed | survived | killed, 95 % interval |\n|:--|--:|--:|--:|--:|")
    killed = (results["outcome"] != "survived").groupby(results["module"].str.split("/").str[0])
    for room, n, n_killed in zip(killed.size().index, killed.size(), killed.sum(), strict=True):
        low, high = proportion_confint(n_killed, n, method="wilson")
        print(f"| {room} | {n} | {n_killed} | {n - n_killed} | {n_killed / n:.0%} ({low:.0%} to {high:.0%}) |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--sample", type=int, default=75, help="mutants of each room")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--survivors", action="store_true", help="only those that had survived, once more")
    asked = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    known = read_results(asked.results)
    if asked.survivors:
        mutants = named(known[known["outcome"] == "survived"])
    else:
        drawn = draw_mutants(root / "lib", n_per_room=asked.sample, seed=asked.seed)
        mutants = [mutant for mutant in drawn if mutant not in set(named(known))]
    with tempfile.TemporaryDirectory() as folder:
        copy_tracked(root, Path(folder))
        os.environ["PYTHONPATH"] = f"{folder}/lib"
        for name in WARM.split():
            importlib.import_module(name)
        run_mutants(mutants, Path(folder), asked.results)
        check_tests(read_results(asked.results), Path(folder))
    show_shares(read_results(asked.results))


if __name__ == "__main__":
    main()
