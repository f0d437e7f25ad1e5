"""What a run leaves behind so that others can trust and repeat it.

Every notebook calls `start` when it begins and `Run.finish` when its outputs are saved; the manifest holds the
resolved params, seed, hashes of inputs and outputs, package versions, git commit, device, wall time and peak memory.
"""

import hashlib
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from macromicro.study.layout import find_root, write_aside
from macromicro.study.settings import Study

PACKAGES = (
    *("macromicro", "numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "hdbscan", "numba", "torch", "transformers"),
    *("tokenizers", "peft", "datasets", "sentence-transformers", "papermill", "snakemake"),
)


@dataclass(frozen=True)
class Run:
    """One execution of a stage, from `start` to `finish`."""

    study: Study
    stage: str
    cell: str
    started: float

    def finish(self, *, inputs: Sequence[Path] = (), outputs: Sequence[Path] = ()) -> pd.DataFrame:
        """Write the manifest and return its main facts, one row per fact.

        Parameters: inputs and outputs, files or folders of the study; each is hashed.
        Raises FileNotFoundError if one of them is not there.
        """
        root = self.study.out.root
        manifest: dict[str, Any] = {
            "stage": self.stage,
            "cell": self.cell,
            "params": portable(self.study).model_dump(),
            "seed": self.study.seed,
            "inputs": {_relative(path, root): digest(path) for path in inputs},
            "outputs": {_relative(path, root): digest(path) for path in outputs},
            "packages": package_versions(),
            "python": platform.python_version(),
            "commit": git_commit(),
            "device": device_name(),
            "wall_seconds": round(time.time() - self.started, 1),
            "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }
        with write_aside(self.study.out.manifest(self.stage, self.cell)) as path:
            path.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        shown = {
            "outputs": ", ".join(list(manifest["outputs"])[:3]) + (" ..." if len(outputs) > 3 else ""),
            "wall time": f"{manifest['wall_seconds']} s",
            "peak memory": f"{manifest['peak_memory_mib']} MiB",
            "device": manifest["device"],
            "commit": manifest["commit"] or "not in a git checkout",
        }
        return pd.DataFrame({"this run": shown})


def start(study: Study, stage: str, cell: str = "") -> Run:
    """The run of a stage (or of one cell of its grid), with its clock started."""
    return Run(study, stage, cell, time.time())


def portable(study: Study) -> Study:
    """The study with an absolute corpus file cut to its name: what others may see holds no machine paths."""
    path = Path(study.corpus.path or "")
    if not path.is_absolute():
        return study
    return study.model_copy(update={"corpus": study.corpus.model_copy(update={"path": path.name})})


def digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files of a folder, hidden ones left out.

    Snakemake keeps a hidden time stamp in every folder that a job has made.

    Raises FileNotFoundError if there is nothing at `path`.
    """
    path = Path(path)
    if path.is_dir():
        whole = hashlib.sha256()
        for file in sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith(".")):
            whole.update(f"{file.relative_to(path).as_posix()}\0{digest(file)}\n".encode())
        return whole.hexdigest()
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


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


def _relative(path: Path, root: Path) -> str:
    """`path` below the study's folder, or its bare name where it lies elsewhere (no machine paths in a manifest)."""
    path = Path(path).resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
