"""Settings as tables, and the preset that the book gives as an example."""

import re

import pytest
from macromicro.book.settings import tabulate_settings, tabulate_strategies
from macromicro.study import params
from macromicro.study.layout import find_root


def test_the_settings_table_tells_what_differs_from_the_default():
    study = params.load("smoke")
    _, table = tabulate_settings(study)["select"]
    rows = table.set_index("setting")
    assert rows.loc["`sizes`", "in this run"] == "\\, ".join(map(str, study.select.sizes))
    assert rows.loc["`levels`", "default"] == "the same"
    assert rows.loc["`sizes`", "default"] == "10000"


def test_every_section_is_there_and_every_strategy():
    study = params.load("smoke")
    tables = tabulate_settings(study)
    assert {"The study", "strategies", *params.SECTIONS} == set(tables)
    assert tables["strategies"][1]["strategy"].tolist() == list(study.strategies)


@pytest.fixture
def example(tmp_path):
    page = (find_root() / "book" / "pages" / "rerun.md.j2").read_text(encoding="utf-8")
    path = tmp_path / "example.yaml"
    path.write_text(re.search(r"```yaml\n(.*?)```", page, flags=re.DOTALL)[1])
    return params.load(path)


def test_the_example_of_the_book_is_a_study(example):
    table = tabulate_strategies(example).set_index("strategy")
    assert table.loc["wide-band", "of its own"] == "tokens.low: 3; tokens.high: 1000"
    assert table.loc["words-of-like-length", "baseline"] == "baseline-20-80"
    assert table["method"].tolist() == ["even", "even", "even", "longest", "k-center"]
    assert table["family"].tolist() == ["paper", "bands", "bands", "rivals", "rivals"]
