"""What a run leaves behind so that others can trust and repeat it.

Every notebook calls `start` when it begins and `Run.finish` when its outputs are saved. In the graph a run writes to
the study's folder; run by hand it reads from there, but writes to a folder of its own and never over the study.
"""

import json
import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from macromicro.graph.cells import Cell, list_cells, makers
from macromicro.graph.freshness import Digests, fingerprint, read_manifest, relative, why_not_done
from macromicro.study import params
from macromicro.study.dependencies import closest
from macromicro.study.files import write_aside
from macromicro.study.hub import pin_study
from macromicro.study.layout import Layout, find_root
from macromicro.study.settings import Study

if TYPE_CHECKING:
    import pandas as pd

IN_GRAPH = "MACROMICRO_IN_GRAPH"
"""Environment variable that is set where the graph runs a notebook: only then does it write to the study's folder."""

PACKAGES = (
    *("macromicro", "numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "hdbscan", "numba", "torch", "transformers"),
    *("tokenizers", "peft", "datasets", "sentence-transformers", "papermill", "snakemake"),
)


@dataclass(frozen=True)
class Run:
    """One execution of a notebook, from `start` to `finish`.

    Attributes
    ----------
    study : the settings.
    cell : what is computed.
    out : where to write; `study.out` in the graph.
    changes : settings that differ from those of the study.
    revisions : the commit of each hub repository that the cell reads, also in the settings.
    """

    study: Study
    cell: Cell
    out: Layout
    changes: Mapping[str, Any]
    digests: Digests
    revisions: Mapping[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.time)
    marks: list[float] = field(default_factory=list)

    def missing(self) -> list[Cell]:
        """The members of the cell that have to be computed: in the graph those not done, else all."""
        if self.out != self.study.out:
            return list(self.cell.members)
        return [one for one in self.cell.members if why_not_done(self.study, one, self.digests, member=True)]

    def finish_member(
        self, member: Cell, *, seconds: float | None = None, used: Mapping[str, Any] | None = None
    ) -> None:
        """Write the manifest of one member, so that it is not computed again.

        Parameters: seconds it took; None takes the time since the run began or the last member was finished. used, what
        its models were really asked for, as values that JSON can hold.
        """
        self.marks.append(time.time())
        since = self.marks[-2] if len(self.marks) > 1 else self.started
        self._write_manifest(member, self.marks[-1] - since if seconds is None else seconds, used=used)

    def finish(self) -> "pd.DataFrame":
        """Write the manifest and return its main facts, one row per fact; by hand, what differs from the study as well.

        Raises FileNotFoundError if an output is not there.
        """
        import pandas as pd

        from macromicro.graph.differences import compare_outputs

        manifest = self._write_manifest(self.cell, time.time() - self.started)
        names = list(manifest["outputs"])
        facts = {
            "outputs": ", ".join(names[:3]) + (" ..." if len(names) > 3 else ""),
            "wall time": f"{manifest['wall_seconds']} s",
            "peak memory": f"{manifest['peak_memory_mib']} MiB",
            "device": manifest["device"],
            "commit": manifest["commit"] or "not in a git checkout",
        }
        if self.out != self.study.out:
            facts["written to"] = f"outputs/{self.study.study}/tries/{self.out.root.name}"
            facts |= compare_outputs(self.study.out.root, self.out.root, names)
        return pd.DataFrame({"this run": facts})

    def _write_manifest(self, cell: Cell, seconds: float, *, used: Mapping[str, Any] | None = None) -> dict[str, Any]:
        root, here = self.study.out.root, self.out.root
        outputs = {relative(path, root): self.digests(here / relative(path, root)) for path in cell.outputs}
        if absent := [name for name, found in outputs.items() if not found]:
            raise FileNotFoundError(f"{cell.id} was to write {absent[0]}, but it is not there")
        manifest: dict[str, Any] = {
            "stage": cell.stage,
            "cell": cell.name,
            **fingerprint(self.study, cell, self.digests, member=cell is not self.cell),
            "outputs": outputs,
            "changes": dict(self.changes),
            "params": portable(self.study).model_dump(mode="json"),
            "seed": self.study.seed,
            "revisions": dict(self.revisions),
            "used": dict(used or {}),
            "packages": package_versions(),
            "python": platform.python_version(),
            "commit": git_commit(),
            "device": device_name(),
            "wall_seconds": round(seconds, 1),
            "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }
        with write_aside(self.out.manifest(cell.stage, cell.name)) as path:
            path.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return manifest


def start(stage: str, *, preset: str | Path, changes: Mapping[str, Any] | None = None, **parameters: Any) -> Run:
    """The run of a notebook with its clock started and its inputs checked.

    Parameters: stage, the notebook's name; changes, settings by dotted name (`{"tokens.low": 20}`), for a run by hand;
    parameters, which cell of the stage.
    Of a hub repository that it reads the study has one commit (`study.hub`).
    Raises ValueError if there is no such cell or setting, an input is not what its maker says it made, or a commit
    cannot be found out.
    """
    study = params.load(preset, changes=changes)
    cells = list_cells(study)
    found = [cell for cell in cells.values() if cell.stage == stage]
    cell = next((cell for cell in found if cell.parameters == parameters), None)
    if cell is None:
        given = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
        known = closest(given, (", ".join(f"{k}={v!r}" for k, v in cell.parameters.items()) for cell in found))
        raise ValueError(f"{stage} has no cell of {given}; the nearest is {known}")
    if changes:
        _check_changes(stage, changes, params.load(preset), study)
    digests = Digests(study.out.root)
    fingerprint(study, cell, digests)  # the code is what it is now, not what it will be at the end
    _check_inputs(study, cell, makers(cells), digests)
    out = study.out
    if not os.environ.get(IN_GRAPH):
        out = study.out.attempt(os.environ.get("MACROMICRO_TRY") or try_name(cell, changes or {}))
    pinned, revisions = pin_study(study, cell.settings, strategy=cell.parameters.get("strategy"))
    return Run(pinned, cell, out, dict(changes or {}), digests, revisions)


def try_name(cell: Cell, changes: Mapping[str, Any]) -> str:
    """Name of the folder of a run by hand.

    >>> try_name(Cell("3_annotate", "response-micro", {}, {}, (), ()), {"tokens.low": 20})
    '3_annotate response-micro tokens.low=20'
    """
    words = [cell.stage, cell.name.replace("/", "-"), *(f"{name}={value}" for name, value in changes.items())]
    return re.sub(r"[^\w.=, -]+", "_", " ".join(filter(None, words)))[:120]


def _check_changes(stage: str, changes: Mapping[str, Any], before: Study, after: Study) -> None:
    """Refuse a change that the notebook does not read: it would change nothing."""
    settings = [
        {cell.id: cell.settings for cell in list_cells(study).values() if cell.stage == stage}
        for study in (before, after)
    ]
    if settings[0] == settings[1]:
        names = ", ".join(changes)
        raise ValueError(f"{stage} does not read {names}, or it has this value already: nothing would change")


def _check_inputs(study: Study, cell: Cell, made_by: Mapping[Path, Cell], digests: Digests) -> None:
    """Refuse an input that is missing, or not what the manifest of its maker says."""
    for path in cell.inputs:
        name, maker = relative(path, study.out.root), made_by.get(path)
        if not path.exists():
            raise ValueError(f"{name} is not there" + (": `make report` makes it" if maker else ""))
        if maker is None:
            continue
        manifest = read_manifest(study, maker)
        if manifest is None or manifest["outputs"].get(name) != digests(path):
            raise ValueError(f"{name} is not what {maker.id} made: `make report` makes it again")


def portable(study: Study) -> Study:
    """The study with absolute corpus files cut to their names: what others may see holds no machine paths."""
    given = {"path": study.corpus.path, "eval_file": study.corpus.eval_file}
    cut = {name: Path(path).name for name, path in given.items() if path and Path(path).is_absolute()}
    return study.model_copy(update={"corpus": study.corpus.model_copy(update=cut)})


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that can change a result."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def git_commit() -> str | None:
    """Commit of the checkout, with `+changes` where the working tree differs; None outside a checkout."""
    git = ["git", "-C", str(find_root())]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        status = [*git, "status", "--porcelain", "--untracked-files=no"]
        changed = subprocess.run(status, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit[:12]}+changes" if changed else commit[:12]


def device_name() -> str:
    """The GPU that torch would use where this process has loaded it, else the processor."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
