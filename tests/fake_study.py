"""A study with files that only look like outputs: what the graph makes of them, without computing anything."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from macromicro.graph import cells, freshness
from macromicro.study import params
from macromicro.study.files import digest
from macromicro.study.layout import find_root
from macromicro.study.settings import Study

PRESET = {
    "study": "tiny",
    "description": "A grid of two strategies.",
    "strategies": {
        "response-micro": {"granularity": "micro"},
        "instruction-macro": {"part": "instruction", "granularity": "macro"},
        "longest": {"method": "longest", "family": "rivals"},
    },
    "corpus": {"source": "file", "path": "corpus.jsonl", "base_model_share": 0.3},
    "select": {"levels": [0, 100], "sizes": [40]},
    "finetune": {"models_per_job": 8},
}


def enter_checkout(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a checkout of the notebooks in an empty folder, with a corpus, and go there."""
    shutil.copytree(find_root() / "notebooks", folder / "notebooks")
    (folder / "params").mkdir()
    (folder / "corpus.jsonl").write_text("{}\n" * 100)
    monkeypatch.chdir(folder)


def write_preset(changes: dict[str, object]) -> Study:
    """The preset with other values by dotted name, loaded."""
    Path("params/tiny.yaml").write_text(yaml.safe_dump(params.change(PRESET, changes)))
    return params.load("tiny")


def finish(study: Study, *, only: set[str] | None = None) -> None:
    """Files and manifests as if every cell had been computed; of `only` these cells, where given."""
    digests = freshness.Digests(study.out.root)
    for cell in cells.list_cells(study).values():
        if only is not None and cell.id not in only:
            continue
        for part in (*cell.members, cell):
            for path in part.outputs:
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(f"made by {part.id}")
            found = freshness.fingerprint(study, part, digests, member=part is not cell)
            made = {freshness.relative(path, study.out.root): digest(path) for path in part.outputs}
            manifest = study.out.manifest(part.stage, part.name)
            manifest.parent.mkdir(parents=True, exist_ok=True)
            manifest.write_text(json.dumps({**found, "outputs": made}))
        notebook = study.out.notebook(cell.stage, cell.name)
        notebook.parent.mkdir(parents=True, exist_ok=True)
        notebook.touch()


def waiting(study: Study) -> set[str]:
    """Cells that are not done, by the stamps."""
    reasons = freshness.reconcile(study)
    for cell in cells.list_cells(study).values():
        assert study.out.stamp(cell.stage, cell.name).is_file() == (not reasons[cell.id])
    return {name for name, why in reasons.items() if why}


def members_waiting(study: Study, cell_id: str) -> set[str]:
    """Models of a cell that are not done."""
    digests, cell = freshness.Digests(study.out.root), cells.list_cells(study)[cell_id]
    return {one.name for one in cell.members if freshness.why_not_done(study, one, digests, member=True)}
