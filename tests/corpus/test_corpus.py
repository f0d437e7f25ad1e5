import json
import random
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from macromicro.corpus.clean import normal_form
from macromicro.corpus.corpus import load_corpus, save_report
from macromicro.corpus.readers import COLUMNS
from macromicro.corpus.split import first_by_place, places
from macromicro.study.sections import CorpusParams
from pydantic import ValidationError

REAL = Path(__file__).parents[3] / "shared" / "data" / "corpus.parquet"
SHARES = {"base_model_share": 0.3, "eval_share": 0.3}


def make_samples(rows):
    table = pd.DataFrame(rows, columns=["id", "instruction", "response"], dtype="str")
    return table.assign(source="here", licence="")


def numbered(n):
    return make_samples([(f"{i:04d}", f"question {i}", f"answer {i}") for i in range(n)])


def write_jsonl(path, samples):
    lines = (json.dumps(row) + "\n" for row in samples.drop(columns=["source", "licence"]).to_dict("records"))
    path.write_text("".join(lines), encoding="utf-8")
    return path


def settings_of(**given):
    return dict(CorpusParams(**{"source": "file", "packages": [], "n_eval": 5, **given}))


def instructions(samples):
    return set(normal_form(samples["instruction"]))


def test_a_file_becomes_a_corpus_by_fixed_thresholds(tmp_path):
    path = write_jsonl(tmp_path / "my.jsonl", numbered(200))
    corpus = load_corpus(**settings_of(path=str(path), base_model_share=0.2, eval_share=0.1, limit=30))
    ids = numbered(200)["id"]
    place = pd.Series(places(ids), index=ids)
    ours, prompts = place.index[(place >= 0.2) & (place < 0.9)], place.index[place >= 0.9]
    assert corpus.held_out["id"].tolist() == place.index[place < 0.2].tolist()
    assert corpus.samples["id"].tolist() == sorted(ours[first_by_place(ours, 30)])
    assert corpus.prompts["id"].tolist() == sorted(prompts[first_by_place(prompts, 5)])
    assert list(corpus.samples.columns) == list(COLUMNS)
    assert corpus.files == (path,)
    report = corpus.report
    assert report["n_read"] == 200 == sum(report["split"].values())
    assert report["split"]["over_limit"] == len(ours) - 30
    assert report["split"]["prompts"] == len(prompts) == report["prompts"]["candidates"]
    assert report["prompts"]["not_used"] == len(prompts) - 5
    assert report["by_source"]["my.jsonl"]["samples"] == 30
    assert str(tmp_path) not in json.dumps(report)


TEXTS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 60)), unique_by=lambda pair: pair[0], max_size=80)


@given(few=TEXTS, more=TEXTS, rng=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_growth_turns_a_prompt_or_base_model_text_into_a_sample(tmp_path, few, more, rng):
    """Ids and instructions are few, so that new samples with a lower id often repeat the instruction of a prompt."""
    grown = [*few, *(pair for pair in more if pair[0] not in dict(few))]
    rng.shuffle(grown)
    corpora = []
    for pairs, n_eval in ((few, 100), (grown, 1)):
        samples = make_samples([(f"{i:04d}", f"question {j}", "answer") for i, j in pairs])
        path = write_jsonl(tmp_path / "my.jsonl", samples)
        try:
            corpora.append(load_corpus(**settings_of(path=str(path), n_eval=n_eval, **SHARES)))
        except ValueError as error:
            assert "no records" in str(error) or "is too small: it gives" in str(error)
            return
    before, after = corpora
    for read in (after.samples, after.held_out):
        assert not instructions(before.prompts) & instructions(read)
        assert not set(before.prompts["id"]) & set(read["id"])
    assert not instructions(before.held_out) & instructions(after.samples)
    assert not set(before.samples["id"]) & set(after.held_out["id"])


def test_a_corpus_that_grows_keeps_its_prompts_though_new_ids_come_first(tmp_path):
    samples = numbered(300)
    before = load_corpus(**settings_of(path=str(write_jsonl(tmp_path / "a.jsonl", samples)), n_eval=100, **SHARES))
    repeats = samples.assign(id="!" + samples["id"])
    both = pd.concat([samples, repeats]).sample(frac=1, random_state=0)
    after = load_corpus(**settings_of(path=str(write_jsonl(tmp_path / "b.jsonl", both)), n_eval=300, **SHARES))
    assert instructions(before.prompts) <= instructions(after.prompts)
    kept = set(before.prompts["id"]) & set(after.prompts["id"])
    assert 0 < len(kept) < len(before.prompts)
    assert after.report["dropped"]["repeated_instruction"] == 300


def test_prompts_that_stand_in_the_corpus_are_left_out(tmp_path):
    rng = random.Random(0)
    rows = [(f"{i:04d}", f"question {i}", " ".join(str(rng.randrange(10**6)) for _ in range(30))) for i in range(60)]
    samples = make_samples(rows)
    side = pd.Series(places(samples["id"]), index=samples["id"])
    prompt, sample, text = side.idxmax(), side[(side >= 0.3) & (side < 0.7)].index[0], side.idxmin()
    other = side[side >= 0.7].index.drop(prompt)[0]
    by_id = samples.set_index("id")
    by_id.loc[sample, "response"] = f"{by_id.loc[prompt, 'response']} <script>"
    by_id.loc[text, "response"] = f"As was said, {by_id.loc[other, 'response']}"
    path = write_jsonl(tmp_path / "a.jsonl", by_id.reset_index())
    corpus = load_corpus(**settings_of(path=str(path), n_eval=100, **SHARES))
    left = corpus.left_out.set_index("id")
    assert left["other_id"].to_dict() == {prompt: sample, other: text}
    assert left["reason"].to_dict() == {prompt: "near a sample", other: "near a base-model text"}
    assert not {prompt, other} & set(corpus.prompts["id"])
    assert corpus.report["prompts"]["used"] == len(corpus.prompts) == (side >= 0.7).sum() - 2
    assert not {prompt, other} & {*corpus.samples["id"], *corpus.held_out["id"]}


EVALUATION = [
    ("p1", "QUESTION  7", "seven", "0"),
    ("p2", "Why?", "Because.", "no"),
    ("p3", "How?", "So.", "1"),
    ("p4", " ", "nothing asked", "0"),
]


def write_evaluation(path):
    table = pd.DataFrame(EVALUATION, columns=["id", "instruction", "response", "near_dup_of_corpus"])
    table.to_parquet(path)


@pytest.mark.parametrize("eval_file", ["eval.parquet", "../elsewhere/eval.parquet", "absolute"])
def test_prompts_come_from_the_evaluation_file_and_leave_the_corpus(tmp_path, eval_file):
    for folder in ("here", "elsewhere"):
        (tmp_path / folder).mkdir()
        write_evaluation(tmp_path / folder / "eval.parquet")
    path = write_jsonl(tmp_path / "here" / "my.jsonl", numbered(40))
    eval_file = str(tmp_path / "here" / "eval.parquet") if eval_file == "absolute" else eval_file
    corpus = load_corpus(**settings_of(path=str(path), n_eval=2, eval_file=eval_file, eval_share=0.5))
    assert corpus.prompts["id"].tolist() == ["p1", "p2"]
    assert corpus.report["evaluation"]["dropped"]["near_duplicate"] == 1
    assert corpus.report["evaluation"]["dropped"]["empty"] == 1
    assert corpus.report["evaluation"]["file"] == "eval.parquet"
    assert corpus.report["dropped"]["in_evaluation"] == 1
    assert "0007" not in corpus.samples["id"].tolist()
    assert len(corpus.samples) == 39, "eval_share holds nothing out"
    assert [file.name for file in corpus.files] == ["my.jsonl", "eval.parquet"]
    assert str(tmp_path) not in json.dumps(corpus.report)
    one = load_corpus(**settings_of(path=str(path), n_eval=1, eval_file=eval_file))
    assert len(one.prompts) == 1
    assert one.report["prompts"]["not_used"] == 1
    assert len(one.samples) == 39, "a prompt that is not used is no sample either"


def test_an_evaluation_file_that_is_named_must_be_there(tmp_path):
    path = write_jsonl(tmp_path / "my.jsonl", numbered(40))
    with pytest.raises(FileNotFoundError, match=r"no such file: .*eval\.parquet"):
        load_corpus(**settings_of(path=str(path), eval_file="eval.parquet"))


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"source": "hub", "path": "a/b", "eval_file": "c.jsonl"}, "eval_file='c.jsonl' is for source='file'"),
        ({"base_model_share": 0.6, "eval_share": 0.4}, "must leave a part for samples: together below 1"),
        ({"max_overlap": 0.0}, "greater than 0"),
        ({"max_overlap": 1.1}, "less than or equal to 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong, rule):
    with pytest.raises(ValidationError, match=rule):
        settings_of(**wrong)


def test_one_row_or_all_alike_is_a_clear_error(tmp_path):
    alike = numbered(9).assign(instruction="same")
    for samples in (numbered(1), alike):
        path = write_jsonl(tmp_path / "my.jsonl", samples)
        with pytest.raises(
            ValueError, match=r"corpus of 1 usable samples is too small: it gives . samples and . prompts"
        ):
            load_corpus(**settings_of(path=str(path)))


def test_what_conversations_lose_is_in_the_report(tmp_path):
    turns = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "a"}]
    rows = [{"messages": [*turns, {"role": "assistant", "content": f"b{i}"}], "id": f"{i:02d}"} for i in range(40)]
    for row in rows[3:]:
        row["messages"][1] = {"role": "user", "content": row["id"]}
    for row in rows[:3]:
        row["messages"][1] = {"role": "assistant", "content": "Hello!"}
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = {"path": str(tmp_path / "a.jsonl"), "eval_share": 0.3}
    with pytest.raises(ValueError, match=r"a.jsonl: 3 of 40 conversations hold no answer to .*max_lost=0.05"):
        load_corpus(**settings_of(**given))
    report = load_corpus(**settings_of(**given, max_lost=1.0)).report
    assert report["conversations"] == {
        "n": 40,
        "cut": 0,
        "with_system_turns": 40,
        "opened_by_assistant": 3,
        "with_tools": 0,
        "not_all_text": 0,
        "without_answer": 3,
    }
    assert report["dropped"]["empty"] == 3


def test_reports_are_written_with_sorted_keys(tmp_path):
    save_report({"b": 1, "a": {"d": "é", "c": 2}}, tmp_path / "report.json")
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert text.index('"a"') < text.index('"c"') < text.index('"d"') < text.index('"b"')
    assert "é" in text


@pytest.mark.skipif(not REAL.is_file(), reason="the 117K corpus is not beside this checkout")
def test_the_real_corpus_has_nothing_to_drop():
    corpus = load_corpus(**settings_of(path=str(REAL), limit=1000))
    assert corpus.report["n_read"] == 117_000
    assert corpus.report["dropped"] == {"empty": 0, "too_long": 0, "repeated_instruction": 0}
    assert len(corpus.samples) == 1000
