"""A study's part in the declaration: what its strategies are, what is compared, and all answers together."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from analyse.simulated_studies import World, simulate, verdicts_of
from analyse.test_answers import (
    HOW,
    LARGER,
    OPEN,
    SMALLER,
    against,
    by_judge,
    correlated,
    decided,
    slope,
)
from macromicro.analyse.answers import CONFIRMED, CONTRADICTED, NOT_ASKED, OTHERS, SIX, UNTOLD
from macromicro.analyse.contrasts import compare_datasets, compare_slopes
from macromicro.analyse.declared import Roles, answer_questions, compare_declared, describe_answers, name_roles
from macromicro.study import params
from macromicro.study.settings import Study

STRATEGIES = {
    "response-micro": {"granularity": "micro"},
    "response-meso": {"granularity": "meso"},
    "band": {"granularity": "micro", "family": "length", "select": {"length": [10, 50]}},
    "equal-tokens": {"granularity": "micro", "family": "length", "select": {"budget": "tokens"}},
    "words-in-a-band": {
        "granularity": "micro", "family": "length", "tokens": {"unit": "word"}, "select": {"length": [10, 50]}
    },
    "words": {"granularity": "micro", "family": "readings", "tokens": {"unit": "word"}},
    "of-instructions": {"part": "instruction", "granularity": "micro", "family": "readings", "tokens": {"low": 7}},
    "again": {"granularity": "micro", "family": "readings"},
    "random": {"method": "random", "family": "rivals"},
    "longest": {"method": "longest", "family": "rivals"},
    "longest-in-a-band": {"method": "longest", "family": "rivals", "select": {"length": [10, 50]}},
}  # fmt: skip


def roles(*names):
    given = {name: STRATEGIES[name] for name in names or STRATEGIES}
    return name_roles(Study.model_validate({**params.load("smoke").model_dump(), "strategies": given}))


def test_strategies_have_their_parts_by_their_settings():
    assert roles() == Roles(("band", "equal-tokens"), ("words",), ("random", "longest"))
    assert roles("response-micro", "longest").rivals == (), "without a random draw"
    assert roles("response-micro", "random").rivals == (), "without another"
    assert roles("response-meso", "band", "words") == Roles((), (), ()), "of no response-micro"


def test_the_smoke_study_has_none_of_these():
    assert name_roles(params.load("smoke")) == Roles((), (), ())


def test_the_reference_study_has_them_as_declared(tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("{}\n" * 700)
    (tmp_path / "eval.parquet").touch()
    found = name_roles(params.load("reference", corpus=str(corpus)))
    assert found.controls == ("one-length", "equal-tokens")
    assert found.rivals == ("random", "longest", "k-center", "facility-location", "max-coverage")


def simulated():
    """Verdicts of three strategies with levels and two without, two seeds."""
    rng = np.random.default_rng(0)
    slopes = {"response-micro": 0.8, "response-meso": 0.0, "words": 0.4}
    tables = {
        name: verdicts_of(simulate(World(slope=own, n_seeds=2, n_prompts=60), 1, rng)[0][0], strategy=name)
        for name, own in slopes.items()
    }
    first = tables["response-meso"].query("level == 0")
    for name in ("random", "longest"):
        drawn = first.assign(strategy=name, level=np.nan, dataset=name + first["dataset"])
        tables[name] = drawn.assign(points=rng.permutation(first["points"]))
    return pd.concat(tables.values(), ignore_index=True)


def test_only_what_was_declared_is_compared_each_question_corrected_by_itself():
    verdicts = simulated()
    table = compare_declared(verdicts, Roles((), ("words",), ("random", "longest")), alpha=0.1)
    parts = {name: own.drop(columns="question").reset_index(drop=True) for name, own in table.groupby("question")}
    leveled = verdicts.dropna(subset=["level"])
    expected = {
        "2a": compare_slopes(leveled, [("response-micro", "response-meso")], confidence=0.9),
        "6": compare_slopes(leveled, [("response-micro", "words")], confidence=0.9),
        "5": compare_datasets(
            verdicts[~(verdicts["level"] < 100)].assign(kind=verdicts["strategy"]),
            list(product(["response-micro", "response-meso"], ["random", "longest"])),
            confidence=0.9,
        ),
    }
    assert set(parts) == set(expected)
    for question, own in expected.items():
        pd.testing.assert_frame_equal(parts[question], own)
    assert parts["2a"]["difference"].item() > 0


def test_a_study_that_is_asked_no_comparison_has_an_empty_table(tmp_path):
    verdicts = simulated().query("strategy == 'response-meso'")
    table = compare_declared(verdicts, Roles((), (), ()))
    assert table.empty and table.columns.tolist() == compare_declared(simulated(), Roles((), (), ())).columns.tolist()
    table.to_parquet(tmp_path / "table.parquet")
    rival = simulated().query("strategy == 'longest'")
    assert compare_declared(rival, Roles((), (), ("random", "longest"))).empty


def all_answers(*, judge_is_better=True, controls=("band",), missing=()):
    """Answers of a study in which every question could be confirmed or contradicted."""
    verdicts = dict.fromkeys([name.replace("-", "_") for name in SIX], "rises")
    decisions = decided(**verdicts, band="rises")
    contrasts = [against(dict.fromkeys(OTHERS, LARGER)), against({"random": LARGER, "longest": SMALLER}, "5")]
    return answer_questions(
        pd.DataFrame([slope(name) for name in (*SIX, "band")]),
        decisions,
        pd.concat([*contrasts, against({"words": OPEN}, "6")]),
        correlated(("response", "ED", 0.6, 0.4, 0.8, 0.01)),
        pd.concat([by_judge(), by_judge(strategy="instruction-meso")]),
        controls=controls,
        judge_is_better=judge_is_better,
        missing=missing,
        **HOW,
    )


def test_all_questions_have_an_answer_in_the_order_of_the_declaration():
    table = all_answers(judge_is_better=True)
    assert table.columns.tolist() == ["question", "subject", "answer", "sentence"]
    short = table.assign(question=table["question"].str.partition(".")[0]).groupby("question", sort=False)["answer"]
    assert short.unique().map(list).to_dict() == {
        "1": [CONFIRMED], "1, without level 0": [CONFIRMED], "2a": [CONFIRMED], "2b": [CONTRADICTED], "3": [CONFIRMED],
        "4": [CONFIRMED], "5": [CONTRADICTED], "6": [CONTRADICTED], "7": [NOT_ASKED],
    }  # fmt: skip
    assert table["question"][0] == "1. Does the score rise with diversity?"


def test_nothing_is_confirmed_by_a_judge_that_is_not_better_than_length():
    table, better = all_answers(judge_is_better=False), all_answers(judge_is_better=True)
    was = better["answer"] == CONFIRMED
    assert (table.loc[was, "answer"] == UNTOLD).all()
    assert table.loc[was, "sentence"].str.contains("Not called confirmed: the first judge is not known").all()
    pd.testing.assert_series_equal(table.loc[~was, "answer"], better.loc[~was, "answer"])


def test_nothing_is_concluded_while_strategies_are_missing():
    table, whole = all_answers(missing=["instruction-meso"]), all_answers()
    was = whole["answer"].isin([CONFIRMED, CONTRADICTED])
    assert was.sum() > 9 and (table.loc[was, "answer"] == UNTOLD).all()
    assert (
        table.loc[was, "sentence"].str.endswith("**Nothing is concluded before a seed is complete for all six.**").all()
    )
    pd.testing.assert_frame_equal(table[~was], whole[~was])


@pytest.mark.parametrize(("how", "explained"), [
    ({"judge_is_better": True}, False), ({"judge_is_better": False}, True),
    ({"judge_is_better": True, "controls": ()}, True),
])  # fmt: skip
def test_length_may_explain_unless_question_three_is_confirmed(how, explained):
    table = all_answers(**how).set_index(["question", "subject"])["sentence"].str.contains("Length may explain")
    for question in ("1. Does the score rise with diversity?", "2a. Is response-micro the strongest?"):
        assert table[question, "response-micro at N = 300"] == explained
    assert table["1. Does the score rise with diversity?", "instruction-meso at N = 300"], "which has no control"
    assert not table["1. Does the score rise with diversity?", "response-meso at N = 300"]


def test_answers_are_said_by_question_and_what_was_not_asked_last():
    said = describe_answers(all_answers(judge_is_better=True))
    blocks = said.split("\n\n**")
    assert said.startswith("**1. Does the score rise with diversity?**\n\n- *confirmed*: response-micro rises.")
    assert blocks[-1] == "Not asked**\n\n- 7. Does it hold in another domain? This study has no other corpus."
    assert "2b. Does instruction-micro do harm?**\n\n- *contradicted*: instruction-micro rises." in said
