"""What has to be computed again after a change: the real cells of a study, with files that only look like outputs."""

import os
import shutil

import pytest
from fake_study import finish, members_waiting, waiting, write_preset
from macromicro.graph import cells, freshness
from macromicro.study import dependencies, params


def test_nothing_is_done_at_first(folder):
    study = write_preset({})
    assert waiting(study) == set(cells.list_cells(study))


MICRO = {f"{stage}/response-micro/s0" for stage in ("4_select", "5_finetune", "6_answer", "7_judge")}


def test_a_band_touches_its_annotation_and_nothing_of_others(finished):
    assert waiting(write_preset({"tokens.low": 20})) == {"3_annotate/response-micro"}
    assert waiting(write_preset({"topics.min_cluster_size": 7})) == {"3_annotate/instruction-macro"}


def test_what_follows_an_annotation_waits_for_other_types_only(finished):
    study = write_preset({"tokens.low": 20})
    finish(study, only={"3_annotate/response-micro"})
    assert waiting(study) == set(), "the same types from another band change nothing"
    study.out.types("response-micro").write_text("other types")
    finish(study, only={"3_annotate/response-micro"})
    assert waiting(study) == {"4_select/response-micro/s0"}


def test_an_override_of_one_strategy_touches_it_alone(finished):
    assert waiting(write_preset({"strategies.response-micro.tokens.high": 90})) == {"3_annotate/response-micro"}
    study = write_preset({"strategies.response-micro.select.pruning": "sample"})
    assert waiting(study) == {"4_select/response-micro/s0"}


def test_a_level_trains_only_its_models(finished):
    study = write_preset({"select.levels": [0, 50, 100]})
    grown = {f"{s}/{n}/s0" for s in ("4_select", "5_finetune", "6_answer", "7_judge") for n in study.strategies}
    grown -= {f"{stage}/longest/s0" for stage in ("4_select", "5_finetune", "6_answer", "7_judge")}
    assert waiting(study) == {*grown, "8_analyse/8_analyse"}
    assert members_waiting(study, "5_finetune/response-micro/s0") == {"response-micro/n40-d050-s0"}
    assert members_waiting(study, "6_answer/response-micro/s0") == {"response-micro/n40-d050-s0"}


def test_a_size_trains_only_its_models_and_keeps_the_baseline(finished):
    study = write_preset({"select.sizes": [40, 60]})
    assert not any("baseline" in name for name in waiting(study)), "the smallest size is the baseline's"
    assert members_waiting(study, "5_finetune/longest/s0") == {"longest/n60-s0"}
    assert members_waiting(study, "5_finetune/instruction-macro/s0") == {
        f"instruction-macro/n60-d{level}-s0" for level in ("000", "100")
    }


def test_a_seed_or_a_strategy_computes_only_its_own_cells(finished):
    before = set(cells.list_cells(finished))
    study = write_preset({"select.seeds": [0, 1]})
    new = set(cells.list_cells(study)) - before
    assert {"4_rival/baseline/s1", "4_select/response-micro/s1", "7_judge/longest/s1"} <= new
    assert waiting(study) == {*new, "8_analyse/8_analyse"}
    study = write_preset({"strategies.words": {"granularity": "micro", "tokens": {"unit": "word"}, "family": "units"}})
    new = set(cells.list_cells(study)) - before
    assert {"3_annotate/words", "4_select/words/s0", "5_finetune/words/s0"} <= new
    assert waiting(study) == {*new, "8_analyse/8_analyse"}


def test_a_longer_limit_trains_anew_and_selects_anew_only_where_other_samples_fit(finished):
    study = write_preset({"finetune.max_tokens": 300})
    stages = {name.partition("/")[0] for name in waiting(study)}
    assert stages == {"3_population", "5_finetune"}
    assert "3_population/3_population" in waiting(write_preset({"finetune.template": "chat"}))
    write_preset({"finetune.max_tokens": 300})
    finish(study, only={"3_population/3_population"})
    assert "3_population/3_population" not in waiting(study)
    assert not any(name.startswith("4_") for name in waiting(study)), "the same samples fit"
    study.out.population.write_text("others fit")
    finish(study, only={"3_population/3_population"})
    drawn = {f"4_select/{name}/s0" for name in ("response-micro", "instruction-macro")}
    assert {*drawn, "4_rival/baseline/s0", "4_rival/longest/s0"} <= waiting(study)


def test_annotation_does_not_wait_for_the_population(folder):
    found = cells.list_cells(write_preset({}))
    assert "3_population/3_population" not in {
        one.id for one in cells.cells_before(found["3_annotate/response-micro"], found)
    }
    before = {one.id for one in cells.cells_before(found["4_select/response-micro/s0"], found)}
    assert {"3_population/3_population", "3_annotate/response-micro"} <= before


def test_a_length_band_has_a_baseline_of_its_own(folder):
    study = write_preset({"strategies.response-micro.select.length": [10, 50]})
    found = cells.list_cells(study)
    assert "4_rival/baseline-10-50/s0" in found
    judged = found["7_judge/response-micro/s0"]
    assert study.out.answers("baseline-10-50", "n40-s0") in judged.inputs
    assert study.out.answers("baseline", "n40-s0") in found["7_judge/longest/s0"].inputs


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_untuned_model_answers_once_and_is_judged_against_every_seed(folder, method):
    change = {"finetune.method": method}
    study = write_preset(change)
    finish(study)
    found = cells.list_cells(study)
    answered = study.out.answers("untuned", "untuned")
    assert found["6_answer/untuned"].inputs == (study.out.base_model, study.out.prompts)
    assert found["7_judge/untuned/s0"].inputs == (answered, study.out.answers("baseline", "n40-s0"), study.out.prompts)
    assert study.out.scores("untuned", 0) in found["8_analyse/8_analyse"].inputs
    for grown in ({"select.seeds": [0, 1]}, {"select.levels": [0, 50, 100]}, {"select.sizes": [40, 60]}):
        wanted = waiting(write_preset({**change, **grown}))
        assert "6_answer/untuned" not in wanted and "7_judge/untuned/s0" not in wanted
        assert ("7_judge/untuned/s1" in wanted) == ("select.seeds" in grown)
    assert "6_answer/untuned" in waiting(write_preset({**change, "answer.temperature": 0.5}))


def test_a_length_band_meets_the_untuned_model_without_another_answer(folder):
    study = write_preset({f"strategies.{name}.select.length": [10, 50] for name in
                          ("response-micro", "instruction-macro", "longest")})  # fmt: skip
    found = cells.list_cells(study)
    answered = study.out.answers("untuned", "untuned")
    assert found["7_judge/untuned-10-50/s0"].inputs == (
        *(answered, study.out.answers("baseline-10-50", "n40-s0"), study.out.prompts),
    )
    assert [name for name in found if name.startswith("6_answer/untuned")] == ["6_answer/untuned"]
    assert "7_judge/untuned/s0" not in found
    assert [one.name for one in study.strategy("untuned").datasets()] == ["untuned"]


def test_fine_tuning_does_not_read_the_table_of_levels(finished):
    study = finished
    study.out.levels("response-micro", 0).write_text("other lengths")
    assert "5_finetune/response-micro/s0" not in waiting(study)
    assert {"4_select/response-micro/s0", "8_analyse/8_analyse"} <= waiting(study)


def test_the_analysis_reads_verdicts_its_own_settings_and_what_strategies_are(finished):
    for change in ({"analyse.smallest_effect": 3.0}, {"strategies.longest.family": "others"}):
        assert waiting(write_preset(change)) == {"8_analyse/8_analyse"}
    finish(write_preset({}))
    finished.out.verdicts("longest", 0).write_text("other verdicts")
    assert "8_analyse/8_analyse" in waiting(write_preset({}))


def test_a_moved_copied_or_touched_checkout_is_done(finished, folder, tmp_path_factory, monkeypatch):
    large = finished.out.base_model  # above the size up to which Snakemake compares contents
    large.write_bytes(b"weights" * 300_000)
    finish(finished)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "renamed checkout"
    shutil.copytree(folder, elsewhere, copy_function=shutil.copyfile)  # new times everywhere
    monkeypatch.chdir(elsewhere)
    assert waiting(params.load("tiny")) == set()
    for path in elsewhere.rglob("*"):
        path.touch()
    assert waiting(params.load("tiny")) == set()


@pytest.mark.parametrize("harm", ["removed", "emptied", "one byte"])
def test_a_harmed_output_is_made_again_and_the_reason_said(finished, harm):
    path = finished.out.dataset("response-micro", "n40-d000-s0")
    if harm == "removed":
        path.unlink()
        finished.out.notebook("4_select", "response-micro/s0").unlink()
    else:
        path.write_text("" if harm == "emptied" else "Made by 4_select/response-micro/s0")
    reasons = {name: why for name, why in freshness.reconcile(finished).items() if why}
    words = "is missing" if harm == "removed" else "is not what was computed"
    assert reasons["4_select/response-micro/s0"] == f"datasets/response-micro/n40-d000-s0.parquet {words}"
    assert set(reasons) == {"4_select/response-micro/s0", "5_finetune/response-micro/s0"}


def test_a_settings_changed_back_before_it_was_computed_is_no_change(finished):
    assert waiting(write_preset({"tokens.low": 20}))
    assert waiting(write_preset({})) == set()


def test_a_comment_is_not_code_but_a_changed_notebook_is(finished, folder, monkeypatch):
    path = folder / "notebooks" / "7_judge.ipynb"
    path.write_text(path.read_text() + "\n")
    assert waiting(finished) == set(), "the same cells"
    path.write_text(path.read_text().replace("# Judge: ", "# Judge once more: "))
    dependencies.code_of.cache_clear()
    assert waiting(finished) == {f"7_judge/{name}/s0" for name in (*finished.strategies, "untuned")}
    dependencies.code_of.cache_clear()


def test_how_a_server_is_reached_changes_no_tags(folder):
    llm = {"tags.tagger": "llm", "tag_llm.model": "some", "strategies.meso": {"granularity": "meso"}}
    finish(write_preset(llm))
    assert waiting(write_preset({**llm, "tag_llm.n_workers": 3, "tag_llm.timeout": 7.0})) == set()
    assert waiting(write_preset({**llm, "tag_llm.model": "another"})) == {"3_annotate/meso"}


def test_verify_names_what_is_harmed_wherever_the_study_lies(finished, tmp_path_factory):
    moved = tmp_path_factory.mktemp("moved") / "study"
    shutil.copytree(finished.out.root, moved)
    assert freshness.verify(moved) == []
    harmed = moved / "answers" / "longest" / "n40-s0.parquet"
    stat = harmed.stat()
    harmed.write_bytes(harmed.read_bytes().replace(b"made", b"Made"))
    os.utime(harmed, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert freshness.verify(moved) == ["answers/longest/n40-s0.parquet is not what 6_answer/longest/n40-s0 made"]
    harmed.unlink()
    assert freshness.verify(moved) == ["answers/longest/n40-s0.parquet is missing; 6_answer/longest/n40-s0 made it"]


def test_how_a_server_is_reached_changes_no_verdict_and_its_prompt_does(folder, monkeypatch):
    llm = {"judge.kinds": ["llm"], "judge_llm.model": "some"}
    study = write_preset(llm)
    finish(study)
    assert waiting(write_preset({**llm, "judge_llm.n_workers": 3, "judge_llm.base_url": "http://other:1/v1"})) == set()
    judged = {name for name in cells.list_cells(study) if name.startswith("7_judge/")}
    assert judged <= waiting(write_preset({**llm, "judge_llm.revision": "newer"}))
    prompts = folder / "library" / "judge" / "prompts"
    shutil.copytree(dependencies.LIBRARY / "judge" / "prompts", prompts)
    monkeypatch.setattr(cells, "LIBRARY", folder / "library")
    assert waiting(write_preset(llm)) == set()
    (prompts / "pairwise.txt").write_text("Which is better?")
    assert judged <= waiting(write_preset(llm))
