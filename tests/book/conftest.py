"""A book and a browser, each made once for all tests of pages."""

import shutil

import pytest
from browser import open_page
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


@pytest.fixture(scope="session")
def browser_page():
    """A page of Chromium; a test opens what it likes in it."""
    with open_page() as page:
        yield page
