"""The answer of a study on the front page and in the README."""

import shutil

import pytest
import yaml
from finished_study import finish_study
from macromicro.analyse.answers import SIX
from macromicro.book import answer
from macromicro.study.layout import Layout, find_root


def test_the_answer_is_read_from_the_results(tmp_path):
    text = answer.in_brief(Layout(tmp_path), finish_study(tmp_path))
    assert "| 1. Does the score rise with diversity? | confirmed |" in text and "5. Does it pay?" not in text
    assert "| response-micro | +" in text and "(N = 5, 100 %)" in text and "at N = " not in text
    assert "More diversity of response-micro made better models here" in text


def test_names_hold_the_size_where_there_are_several(tmp_path):
    study = finish_study(tmp_path)
    sizes = study.select.model_copy(update={"sizes": [5, 7]})
    text = answer.in_brief(Layout(tmp_path), study.model_copy(update={"select": sizes}))
    assert "| response-micro at N = 5 | +" in text


def test_a_study_that_is_not_complete_says_so_first(tmp_path, monkeypatch):
    shutil.copytree(find_root() / "params", tmp_path / "params")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path)
    study = finish_study(tmp_path / "outputs" / "smoke").model_copy(update={"study": "smoke"})
    assert not answer.in_brief(study.out, study).startswith("**"), "computed here, it is what its settings say"
    study.out.kept.mkdir()
    warning = "**No seed is complete for all six strategies (5 are missing)"
    assert answer.in_brief(study.out, study).startswith(warning)
    whole = study.model_copy(update={"strategies": dict.fromkeys(SIX)})
    assert answer.warn_incomplete(whole) == ""


def test_it_replaces_what_stood_between_the_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n\n{answer.BEGIN}\nold\n{answer.END}\n\nThe rest.\n")
    answer.write_answer("new\n\ntext", readme)
    expected = f"# Title\n\n{answer.BEGIN}\n\nnew\n\ntext\n\n{answer.END}\n\nThe rest.\n"
    assert readme.read_text() == expected
    answer.write_answer("new\n\ntext", readme)
    assert readme.read_text() == expected
    readme.write_text("no marks")
    with pytest.raises(ValueError, match=r"must hold .* each once"):
        answer.write_answer("new", readme)


def test_the_abstract_alone_is_replaced(tmp_path):
    citation = tmp_path / "CITATION.cff"
    citation.write_text("title: x\nabstract: >-\n  old\n  older\ntype: software\n")
    study = finish_study(tmp_path / "study").model_copy(update={"study": "smoke"})
    answer.write_abstract(answer.in_a_sentence(Layout(tmp_path / "study"), study), citation)
    found = yaml.safe_load(citation.read_text())
    assert list(found) == ["title", "abstract", "type"] and found["type"] == "software"
    assert found["abstract"].startswith(answer.ABOUT) and "response-micro: the score rises" in found["abstract"]
    assert max(map(len, citation.read_text().splitlines())) <= 118
    citation.write_text("title: x\n")
    with pytest.raises(ValueError, match="must have an abstract"):
        answer.write_abstract("new", citation)
