"""A checkout of notebooks and the preset `tiny`, and the same with everything computed."""

import shutil
from pathlib import Path

import pytest
from fake_study import finish, waiting, write_preset
from macromicro.study.layout import find_root
from macromicro.study.settings import Study


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with notebooks and the preset `tiny`; it is the working directory."""
    shutil.copytree(find_root() / "notebooks", tmp_path / "notebooks")
    (tmp_path / "params").mkdir()
    (tmp_path / "corpus.jsonl").write_text("{}\n" * 100)
    monkeypatch.chdir(tmp_path)
    write_preset({})
    return tmp_path


@pytest.fixture
def finished(folder: Path) -> Study:
    """The study with every cell computed."""
    study = write_preset({})
    finish(study)
    assert waiting(study) == set()
    return study
