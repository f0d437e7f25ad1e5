from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macromicro.judge.likelihood import judge_likelihood
from macromicro.judge.score import add_coordinates, score_verdicts
from macromicro.models.answer import answer_models
from macromicro.models.finetune import train
from macromicro.study.sections import AnswerParams
from macromicro.study.settings import Dataset
from tiny_models import FINETUNING, make_samples, tiny_base

SCORING = {"n_bootstrap": 500, "confidence": 0.95, "seed": 0}


def table(likelihoods: dict[str, list[float]], n_bytes: int = 10) -> pd.DataFrame:
    rows = [(name, f"p{i}", value, n_bytes) for name, values in likelihoods.items() for i, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["dataset", "prompt_id", "log_likelihood", "n_bytes"])


def test_verdicts_and_score_by_hand() -> None:
    answers = table({"n5-d100-s0": [-10.0, -21.0, -30.0, -41.0]})
    baseline = table({"n5-s0": [-20.0, -20.0, -30.0, -40.0]})
    verdicts = judge_likelihood(answers, baseline, tie_margin=0.0)
    assert verdicts["verdict"].tolist() == ["win", "loss", "tie", "loss"]
    assert verdicts["margin"].tolist() == pytest.approx([1.0, -0.1, 0.0, -0.1])
    score = score_verdicts(verdicts, **SCORING).iloc[0]
    assert score[["score", "n_wins", "n_ties", "n_losses"]].tolist() == [37.5, 1, 1, 2]
    assert score["margin"] == pytest.approx(0.2)
    assert score["low"] <= 37.5 <= score["high"]


def test_a_difference_up_to_the_margin_is_a_tie() -> None:
    answers = table({"a-s0": [-10.0, -12.0, -13.0, -9.0]}, n_bytes=4)
    verdicts = judge_likelihood(answers, table({"b-s0": [-11.0] * 4}, n_bytes=4), tie_margin=0.25)
    assert verdicts["verdict"].tolist() == ["tie", "tie", "loss", "win"]


def test_all_models_meet_the_one_baseline() -> None:
    answers = table({"n5-d000-s0": [-1.0], "n5-d100-s0": [-3.0]})
    verdicts = judge_likelihood(answers, table({"n5-s0": [-2.0]}), tie_margin=0.0)
    assert verdicts["verdict"].tolist() == ["win", "loss"]


def test_names_of_models_are_not_read() -> None:
    verdicts = judge_likelihood(table({"any model": [-1.0]}), table({"another": [-2.0]}), tie_margin=0.0)
    assert verdicts["dataset"].tolist() == ["any model"]


likelihoods = st.lists(st.floats(-500, -1), min_size=3, max_size=20)


@settings(deadline=None, max_examples=40)
@given(likelihoods)
def test_baseline_against_itself_is_exactly_50(values: list[float]) -> None:
    baseline = table({"n5-s0": values})
    score = score_verdicts(judge_likelihood(baseline, baseline, tie_margin=0.0), **SCORING).iloc[0]
    assert score[["score", "low", "high"]].tolist() == [50.0, 50.0, 50.0]
    assert score["n_ties"] == len(values)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(-500, -1), st.floats(-500, -1)), min_size=2, max_size=20), st.floats(0, 2))
def test_scores_of_the_two_sides_add_to_100(pairs: list[tuple[float, float]], tie_margin: float) -> None:
    one, other = (table({"m-s0": list(side)}) for side in zip(*pairs, strict=True))
    there = score_verdicts(judge_likelihood(one, other, tie_margin=tie_margin), **SCORING).iloc[0]
    back = score_verdicts(judge_likelihood(other, one, tie_margin=tie_margin), **SCORING).iloc[0]
    assert there["score"] + back["score"] == pytest.approx(100)
    assert there["low"] + back["high"] == pytest.approx(100)
    assert there["margin"] == pytest.approx(-back["margin"])


def test_interval_against_the_binomial() -> None:
    rng = np.random.default_rng(0)
    verdicts = pd.DataFrame(
        {
            "dataset": "m-s0",
            "prompt_id": [f"{i:03d}" for i in range(400)],
            "verdict": rng.choice(["win", "loss"], 400, p=[0.7, 0.3]),
            "margin": 0.0,
        }
    )
    score = score_verdicts(verdicts, n_bootstrap=4000, confidence=0.95, seed=1).iloc[0]
    share = score["score"] / 100
    half = 100 * 1.96 * np.sqrt(share * (1 - share) / 400)
    assert score["low"] == pytest.approx(score["score"] - half, abs=0.6)
    assert score["high"] == pytest.approx(score["score"] + half, abs=0.6)


def test_row_order_does_not_matter_and_the_seed_does() -> None:
    rng = np.random.default_rng(1)
    answers = table({"a-s0": rng.normal(-20, 3, 50).tolist(), "b-s0": rng.normal(-20, 3, 50).tolist()})
    baseline = table({"c-s0": rng.normal(-20, 3, 50).tolist()})
    verdicts = judge_likelihood(answers, baseline, tie_margin=0.0)
    shuffled = judge_likelihood(answers.sample(frac=1, random_state=0), baseline.sample(frac=1), tie_margin=0.0)
    pd.testing.assert_frame_equal(verdicts, shuffled)
    scores = score_verdicts(verdicts, **SCORING)
    pd.testing.assert_frame_equal(scores, score_verdicts(verdicts.sample(frac=1, random_state=3), **SCORING))
    assert not scores.equals(score_verdicts(verdicts, **{**SCORING, "seed": 1}))


GOOD = {"n5-d000-s0": [-1.0, -2.0]}


@pytest.mark.parametrize(
    ("answers", "baseline", "message"),
    [
        (table(GOOD), table({"n5-s0": [-1.0, -2.0, -3.0]}), "n5-d000-s0 and the baseline differ in 1, such as p2"),
        (table(GOOD), table({"n5-s0": [-1.0]}), "differ in 1, such as p1"),
        (table({"n5-d000-s0": [-1.0, np.nan]}), table({"n5-s0": [-1.0, -2.0]}), "n5-d000-s0 on prompt p1 has nan"),
        (table(GOOD), table({"n5-s0": [-1.0, -np.inf]}), "baseline need a finite"),
        (table(GOOD, n_bytes=0), table({"n5-s0": [-1.0, -2.0]}), "n_bytes above 0"),
        (table(GOOD), table({"n5-s0": [-1.0, -2.0]}, n_bytes=9), "different references for prompt p0"),
        (table(GOOD), table({"n5-s0": [-1.0], "n5-s1": [-1.0]}), "one model, but it holds n5-s0, n5-s1"),
        (pd.concat([table(GOOD)] * 2), table({"n5-s0": [-1.0, -2.0]}), "n5-d000-s0 has p0 twice"),
        (table({}), table({"n5-s0": [-1.0, -2.0]}), "answers must not be empty"),
        (table(GOOD).drop(columns="n_bytes"), table({"n5-s0": [-1.0, -2.0]}), "missing: n_bytes"),
    ],
)
def test_unmatched_or_missing_answers_are_refused(answers: pd.DataFrame, baseline: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        judge_likelihood(answers, baseline, tie_margin=0.0)


def test_bad_verdicts_are_refused() -> None:
    verdicts = judge_likelihood(
        table({**GOOD, "n5-d100-s0": [-3.0, -4.0]}), table({"n5-s0": [-1.0, -2.0]}), tie_margin=0.0
    )
    with pytest.raises(ValueError, match="n5-d100-s0 has none on p1"):
        score_verdicts(verdicts.iloc[:-1], **SCORING)
    with pytest.raises(ValueError, match="found \\['draw'\\]"):
        score_verdicts(verdicts.assign(verdict=["draw", *verdicts["verdict"].iloc[1:]]), **SCORING)
    with pytest.raises(ValueError, match="some repeat"):
        score_verdicts(pd.concat([verdicts, verdicts]), **SCORING)
    with pytest.raises(ValueError, match="no verdicts"):
        score_verdicts(verdicts.iloc[:0], **SCORING)


def test_scores_say_which_dataset_they_are_of() -> None:
    datasets = [Dataset("any", 9, level, 1) for level in (100, 50)] + [Dataset("any", 5, None, 1)]
    scores = pd.DataFrame({"dataset": ["n9-d100-s1", "n9-d050-s1", "n5-s1"], "score": [60.0, 55.0, 40.0]})
    table = add_coordinates(scores, datasets)
    assert table["score"].tolist() == [40, 55, 60]
    assert table[["size", "seed"]].to_numpy().tolist() == [[5, 1], [9, 1], [9, 1]]
    assert table["level"].isna().tolist() == [True, False, False]
    with pytest.raises(ValueError, match="'n5-s1' is not in it"):
        add_coordinates(scores, datasets[:2])


def test_a_model_tuned_on_the_evaluation_text_itself_wins(tmp_path: Path) -> None:
    prompts = make_samples(40, seed=7)
    tuning = {**FINETUNING, "n_epochs": 6, "batch_size": 1, "learning_rate": 5e-3}
    for name, samples in (("n40-s0", make_samples(40, seed=8)), ("n40-d100-s0", prompts)):
        train(samples, base=tiny_base(), path=tmp_path / name, seed=0, **tuning)
    models = {name: tmp_path / name for name in ("n40-s0", "n40-d100-s0")}
    answering = AnswerParams(max_new_tokens=1, batch_tokens=2000)
    tables = dict(answer_models(models, prompts, base=tiny_base(), seed=0, settings=answering))
    verdicts = judge_likelihood(tables["n40-d100-s0"], tables["n40-s0"], tie_margin=0.0)
    score = score_verdicts(verdicts, **SCORING).iloc[0]
    assert score["low"] > 50
    assert score["score"] > 75
    verdicts = judge_likelihood(tables["n40-s0"], tables["n40-s0"], tie_margin=0.0)
    assert score_verdicts(verdicts, **SCORING)["score"].tolist() == [50.0]
