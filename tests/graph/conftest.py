"""A checkout of notebooks and the preset `tiny`, and the same with everything computed."""

from pathlib import Path

import pytest
from fake_study import enter_checkout, finish, waiting, write_preset
from macromicro.study.settings import Study


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with notebooks and the preset `tiny`; it is the working directory."""
    enter_checkout(tmp_path, monkeypatch)
    write_preset({})
    return tmp_path


@pytest.fixture
def finished(folder: Path) -> Study:
    """The study with every cell computed."""
    study = write_preset({})
    finish(study)
    assert waiting(study) == set()
    return study
