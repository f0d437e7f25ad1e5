"""A book, made once for all tests of its pages."""

import shutil

import pytest
from finished_study import finish_study
from macromicro.book import book


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The book of a study that was moved to another folder after it had been run."""
    made = tmp_path_factory.mktemp("made") / "tiny"
    finish_study(made)
    root = tmp_path_factory.mktemp("moved") / "elsewhere"
    shutil.move(made, root)
    source = tmp_path_factory.mktemp("sources") / "tiny"
    book.assemble(root, source)
    book.build(source, root / "book")
    return root / "book"
