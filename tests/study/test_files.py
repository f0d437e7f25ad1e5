"""Outputs are either whole or not there, and are known by their content."""

import hashlib

import pytest
from macromicro.study.files import digest, write_aside


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "table.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), write_aside(path) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_folder_is_removed(tmp_path):
    with pytest.raises(RuntimeError), write_aside(tmp_path / "model") as aside:
        aside.mkdir()
        (aside / "half").touch()
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_write_replaces_a_file_at_once(tmp_path):
    path = tmp_path / "deep" / "table.txt"
    for text in ("one", "two"):
        with write_aside(path) as aside:
            aside.write_text(text)
            assert not path.exists() or path.read_text() == "one"
    assert path.read_text() == "two"
    assert list(path.parent.iterdir()) == [path]


def test_a_write_replaces_a_folder(tmp_path):
    path = tmp_path / "model"
    for name in ("a", "b"):
        with write_aside(path) as aside:
            aside.mkdir()
            (aside / name).touch()
    assert [file.name for file in path.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_and_a_folder_are_hashed_by_content(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("one")
    assert digest(tmp_path / "a" / "x") == hashlib.sha256(b"one").hexdigest()
    before = digest(tmp_path / "a")
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
    renamed = digest(tmp_path / "a")
    (tmp_path / "a" / "y").write_text("two")
    changed = digest(tmp_path / "a")
    assert len({before, renamed, changed}) == 3
    (tmp_path / "a" / ".snakemake_timestamp").touch()
    assert digest(tmp_path / "a") == changed
