"""A small study for tests that run the real thing."""

import inspect
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from browser import open_page
from macromicro.study.layout import find_root
from playwright.sync_api import Page

MODULES = "argparse ast asyncio collections csv datetime decimal email functools heapq inspect json logging".split()
MODULES += "math os pathlib pickle random re shutil socket sqlite3 statistics string subprocess threading".split()

TOGETHER = {
    "book": ("tests/book/test_book.py", "tests/book/test_browser.py"),
    "hostile": ("tests/book/test_hostile.py",),
    "checkpoint": ("tests/models/test_smollm.py",),
    "engine": ("tests/graph/test_engine.py",),
    "page": ("tests/cli/test_report.py",),
}
"""Files of tests, by what they share."""
TINY = {
    "study": "tiny",
    "description": "Every stage on a grid of two datasets.",
    "base_model": {
        "vocab_size": 400,
        "hidden_size": 32,
        "n_layers": 1,
        "n_heads": 2,
        "context_length": 256,
        "n_tokens": 20_000,
        "batch_tokens": 1024,
    },
    "corpus": {"source": "file", "path": "corpus.jsonl", "base_model_share": 0.3, "n_eval": 10},
    "topics": {"min_cluster_size": 5, "min_samples": 2},
    "tags": {"min_count": 3, "min_support": 5},
    "tokens": {"low": 3, "high": 200},
    "strategies": {"response-micro": {"granularity": "micro"}},
    "select": {"levels": [0, 100], "sizes": [40]},
    "finetune": {"max_tokens": 256, "models_per_job": 8},
    "answer": {"max_new_tokens": 4},
    "judge": {"kinds": ["likelihood"]},
}


def documented(module: str) -> list[dict[str, str]]:
    """Instruction and response of every documented public name of a standard-library module."""
    names = vars(__import__(module)).items()
    found = {name: inspect.getdoc(value) for name, value in names if callable(value) and not name.startswith("_")}
    return [
        {"instruction": f"What does {module}.{name} do?", "response": text[:320]}
        for name, text in sorted(found.items())
        if text and not text.startswith("Built-in")
    ]


def make_tiny_study(folder: Path) -> Path:
    """A working folder with Snakefile, notebooks, library, a corpus file and the preset `tiny`."""
    root = find_root()
    shutil.copy(root / "Snakefile", folder)
    shutil.copytree(root / "notebooks", folder / "notebooks")
    shutil.copytree(root / "lib", folder / "lib", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    (folder / "params").mkdir()
    (folder / "params" / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    samples = [sample for module in MODULES for sample in documented(module)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    return folder


@pytest.fixture
def tiny_study(tmp_path: Path) -> Path:
    """The small study in a folder of its own, not run."""
    return make_tiny_study(tmp_path)


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    """A page of Chromium, in which a test opens what it likes.

    One process can hold one Playwright, so that all tests take this fixture, and it ends with each file of tests.
    """
    with open_page() as page:
        yield page


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests that share what takes long to make go to one process, since fixtures are made once per process."""
    from xdist.scheduler import LoadScopeScheduling

    class TogetherScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((name for name, files in TOGETHER.items() if nodeid.startswith(files)), nodeid)

    return TogetherScheduling(config, log)
