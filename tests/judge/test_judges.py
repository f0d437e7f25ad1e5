"""All judges on the same answers: what each says by hand, the rows that they leave, and the scores of these."""

import numpy as np
import pandas as pd
import pytest
from macromicro.judge.judges import judge_answers, open_judges
from macromicro.judge.length import judge_length
from macromicro.judge.pairwise import ORDERS
from macromicro.judge.score import score_judges, score_verdicts
from macromicro.judge.similarity import judge_similarity
from macromicro.judge.verdicts import COLUMNS, join_orders, of_judge
from macromicro.study.sections import EmbedParams, JudgeLlmParams, JudgeParams
from pydantic import ValidationError

SCORING = {"n_bootstrap": 500, "confidence": 0.95, "seed": 0}
PROMPTS = pd.DataFrame(
    {
        "id": ["p0", "p1", "p2"],
        "instruction": ["What is a cat?", "What is a harbour?", "Count to three."],
        "response": ["A small animal that purrs.", "A place where ships lie.", "One, two, three."],
    }
)


def answered(**answers):
    """Answers of models to the prompts, a list for each."""
    rows = [(name, f"p{place}", text) for name, texts in answers.items() for place, text in enumerate(texts)]
    return pd.DataFrame(rows, columns=["dataset", "prompt_id", "answer"])


MODELS = answered(
    a=["A cat purrs.", "Bananas are yellow.", "1 2 3"],
    b=["No.", "Ships lie in such a place.", "One two three"],
)
BASELINE = answered(base=["A kind of bread.", "A place for the ships.", "1 2 3"])


def open_two(tmp_path, **settings):
    judge = JudgeParams(kinds=["similarity"], **settings)
    llm, embed = JudgeLlmParams(), EmbedParams(dtype="float32")
    return open_judges(judge.all_kinds, judge=judge, judge_llm=llm, embed=embed, embeddings=tmp_path, replies=None)


def test_the_same_answers_by_two_judges(tmp_path):
    verdicts = judge_answers(MODELS, BASELINE, PROMPTS, judges=open_two(tmp_path))
    assert tuple(verdicts) == COLUMNS
    assert verdicts["order"].isna().all()
    assert verdicts.loc[:1, ["length", "length_baseline"]].to_numpy().tolist() == [[12, 16], [19, 22]]
    found = verdicts.pivot_table(index=["judge", "dataset"], columns="prompt_id", values="verdict", aggfunc="first")
    assert found.loc["similarity"].to_numpy().tolist() == [["win", "loss", "tie"], ["loss", "win", "win"]]
    assert found.loc["length"].to_numpy().tolist() == [["loss", "loss", "tie"], ["loss", "win", "win"]]
    scores = score_judges(verdicts, **SCORING)
    assert scores["judge"].tolist() == ["similarity", "similarity", "length", "length"]
    assert scores["score"].tolist() == pytest.approx([50, 200 / 3, 50 / 3, 200 / 3])
    assert of_judge(scores, "length", where="here")["dataset"].tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="here: no row of judge 'llm'; there are similarity, length"):
        of_judge(scores, "llm", where="here")


def test_similarity_is_the_cosine_to_the_reference_and_every_text_is_embedded_once():
    vectors = {"r": [1, 0], "near": [0.8, 0.6], "far": [0, 1], "same": [0.8, 0.6]}
    asked = []

    def embed(texts):
        asked.extend(texts)
        return np.array([vectors[text] for text in texts], dtype=np.float32)

    models = answered(a=["near", "far"], b=["same", "same"]).assign(reference="r")
    baseline = answered(base=["far", "near"]).assign(reference="r")
    verdicts = judge_similarity(models, baseline, embed=embed, tie_margin=0.0)
    assert verdicts["verdict"].tolist() == ["win", "loss", "win", "tie"]
    assert verdicts["margin"].tolist() == pytest.approx([0.8, -0.8, 0.8, 0.0])
    assert sorted(asked) == sorted(vectors)
    tied = judge_similarity(models, baseline, embed=embed, tie_margin=0.81)
    assert set(tied["verdict"]) == {"tie"}
    with pytest.raises(ValueError, match="share reference, but differ in it for prompt p0"):
        judge_similarity(models, baseline.assign(reference="near"), embed=embed, tie_margin=0.0)


def test_length_counts_characters():
    verdicts = judge_length(answered(a=["aaa", "é", ""]), answered(base=["a b", "ab", ""]))
    assert verdicts["verdict"].tolist() == ["tie", "loss", "tie"]
    assert verdicts["margin"].tolist() == [0, -1, 0]


def test_what_is_missing_is_said(tmp_path):
    judges = open_two(tmp_path)
    with pytest.raises(ValueError, match="one of the 2 prompts, but 'p2' is none"):
        judge_answers(MODELS, BASELINE, PROMPTS.head(2), judges=judges)
    with pytest.raises(
        ValueError, match="answers must have a value of answer in every row, but a on prompt p1 has nan"
    ):
        judge_length(answered(a=["x", None]), answered(base=["y", "z"]))


def test_verdicts_of_both_orders_become_one_and_disagreement_is_a_tie():
    said = {
        "p0": ("win", "win"),
        "p1": ("win", "loss"),
        "p2": ("tie", "loss"),
        "p3": (None, "win"),
        "p4": ("loss",) * 2,
    }
    orders = [(prompt, order, both[place]) for prompt, both in said.items() for place, order in enumerate(ORDERS)]
    rows = [
        ("m", prompt, "llm", order, verdict, 0.5 if verdict == "win" else -0.5) for prompt, order, verdict in orders
    ]
    verdicts = pd.DataFrame(rows, columns=list(COLUMNS[:6]))
    joined = join_orders(verdicts.sample(frac=1, random_state=0))
    assert joined["verdict"].where(joined["verdict"].notna(), None).tolist() == ["win", "tie", "tie", None, "loss"]
    assert joined["margin"].tolist() == pytest.approx([0.5, 0.0, -0.5, np.nan, -0.5], nan_ok=True)
    scores = score_judges(verdicts, **SCORING).iloc[0]
    assert scores[["score", "n_wins", "n_ties", "n_losses", "n_missing"]].tolist() == [50, 1, 2, 1, 1]


def test_a_missing_verdict_is_left_out_of_score_and_interval():
    rng = np.random.default_rng(0)
    verdicts = pd.DataFrame({"dataset": "m", "prompt_id": [f"{i:03d}" for i in range(400)], "margin": 0.0})
    verdicts["verdict"] = rng.choice(["win", "loss"], 400, p=[0.7, 0.3])
    lost = verdicts.assign(verdict=verdicts["verdict"].where(verdicts["prompt_id"] < "100", None))
    whole = score_verdicts(verdicts[verdicts["prompt_id"] < "100"], **SCORING).iloc[0]
    part = score_verdicts(lost, **SCORING).iloc[0]
    assert part["score"] == whole["score"]
    assert part["n_missing"] == 300
    assert part["high"] - part["low"] == pytest.approx(whole["high"] - whole["low"], abs=2.5)
    with pytest.raises(ValueError, match="all 400 of m are missing"):
        score_verdicts(verdicts.assign(verdict=None), **SCORING)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"kinds": []}, "at least 1 item"),
        ({"kinds": ["length", "similarity"]}, "must begin with another judge: 'length' is the control"),
        ({"kinds": ["similarity", "similarity"]}, "must not repeat a judge"),
        ({"kinds": ["taste"]}, "'likelihood', 'similarity', 'length' or 'llm'"),
        ({"tie_margin": {"length": 1.0}}, "'similarity' or 'likelihood'"),
        ({"tie_margin": {"similarity": -1.0}}, "greater than or equal to 0"),
    ],
)
def test_impossible_judges_are_refused(settings, rule):
    with pytest.raises(ValidationError, match=rule):
        JudgeParams(**settings)


def test_length_stands_beside_every_headline():
    assert JudgeParams(kinds=["likelihood"]).all_kinds == ["likelihood", "length"]
    assert JudgeParams(kinds=["llm", "length", "similarity"]).all_kinds == ["llm", "length", "similarity"]
