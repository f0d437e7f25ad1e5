"""The rooms as the book lists them."""

import tomllib

import pytest
from macromicro.book import library
from macromicro.study.layout import find_root


def test_rooms_stand_in_the_order_in_which_they_import():
    settings = tomllib.loads((find_root() / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    assert list(library.ROOMS) == contract["layers"][::-1]


def test_every_module_is_in_one_room_and_says_what_it_holds():
    rooms = library.list_rooms()
    assert {"judge.score", "corpus.pydocs.markup"} <= {name for names in rooms.values() for name in names}
    for room in rooms:
        assert library.tabulate_modules(room)["what it holds"].str.len().min() > 10


@pytest.mark.parametrize("room", library.ROOMS)
def test_a_room_says_what_comes_in_what_goes_out_and_where_to_start(room):
    _, about = library.describe_room(room).split("\n\n")
    text = " ".join(about.split())
    first = text.partition("Start reading at `")[2].partition("`")[0]
    assert f"{room}.{first}" in library.list_rooms()[room]
    assert "n come" in text
    assert "out go" in text


def test_a_folder_that_is_no_room_is_refused(tmp_path, monkeypatch):
    for name in (*library.ROOMS, "cellar"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    monkeypatch.setattr(library, "LIBRARY", tmp_path)
    with pytest.raises(ValueError, match="cellar"):
        library.list_rooms()
