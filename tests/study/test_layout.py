"""Outputs are either whole or not there."""

import pytest
from macromicro.study.layout import find_root, write_aside


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


def test_the_root_is_found_from_below():
    root = find_root()
    assert find_root(root / "lib" / "macromicro") == root


def test_outside_the_repository_the_rule_is_stated(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"params/ and notebooks/"):
        find_root(tmp_path)
