"""What is seen of a corpus before a study reads it."""

import json

import pytest
from macromicro.corpus.corpus import load_corpus
from macromicro.corpus.glance import glance, list_non_commercial, smallest_packages
from macromicro.study.sections import CorpusParams


@pytest.fixture
def file(tmp_path):
    rows = [
        {"instruction": f"What is {n} plus {n}?", "response": f"{2 * n}", "licence": "CC-BY-NC-4.0" if n % 4 else "MIT"}
        for n in range(2600)
    ]
    path = tmp_path / "my.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_file_is_read_as_the_study_reads_it(file):
    settings = CorpusParams(source="file", path=str(file), eval_share=0.1, n_eval=30)
    seen, corpus = glance(settings, seed=0), load_corpus(**dict(settings))
    assert (seen.n_samples, seen.n_prompts) == (len(corpus.samples), 30)
    assert len(seen.samples) == 2000
    assert set(seen.samples["id"]) < set(corpus.samples["id"])
    assert seen.licences == corpus.samples["licence"].value_counts().to_dict()
    assert list_non_commercial(seen.licences) == ["CC-BY-NC-4.0"]
    assert glance(settings, seed=0).samples.equals(seen.samples)


def test_what_is_wrong_with_a_file_shows(file):
    with file.open("a") as lines:
        lines.write('{"instruction": 3}\n')
    with pytest.raises(ValueError, match=r"my.jsonl, line 2601"):
        glance(CorpusParams(source="file", path=str(file)), seed=0)


def test_names_that_only_sound_alike_are_commercial():
    licences = dict.fromkeys(["NCSA", "CC BY-NC-SA 4.0", "Apache-2.0", "Non Commercial", "Sync", "research-only"], 1)
    assert list_non_commercial(licences) == ["CC BY-NC-SA 4.0", "Non Commercial", "research-only"]


def test_the_smallest_packages_stand_for_all():
    assert smallest_packages(["pandas", "yaml", "typer"], n_most=2) == ["yaml", "typer"]
    with pytest.raises(ValueError, match="'no_such_package' is not installed"):
        smallest_packages(["no_such_package"], n_most=1)


def test_a_dataset_in_the_layout_of_the_hub_is_read_from_its_first_rows(file):
    settings = CorpusParams(source="hub", path=str(file.parent), eval_share=0.1, limit=500, n_eval=7)
    seen = glance(settings, seed=0)
    assert (len(seen.samples), len(seen.prompts), seen.n_samples) == (2000, 7, 500)
    assert not seen.whole
    with pytest.raises(ValueError, match=r"corpus.path='.*none' cannot be reached .*give --corpus FILE"):
        glance(CorpusParams(source="hub", path=str(file.parent / "none")), seed=0)
