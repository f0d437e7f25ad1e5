"""Agreement with people: by hand, against scikit-learn, its interval, and the kept numbers."""

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest
from macromicro.judge.agreement import describe_headline, is_checked, load_agreement, name_judge, show_agreement
from macromicro.judge.length import judge_length
from macromicro.judge.validity import PEOPLE, check_votes, find_majority, judge_pairs, measure_agreement
from macromicro.study import params
from macromicro.study.layout import find_root
from sklearn.metrics import accuracy_score, cohen_kappa_score

QUICK = {"n_bootstrap": 200}


def make_pairs(n_prompts=40, n_each=5, *, seed=0, noise=0.3):
    """Pairs on which people mostly prefer what is truly better, which goes a little with length."""
    rng = np.random.default_rng(seed)
    n = n_prompts * n_each
    truth = rng.choice([1, 2, 0], n, p=[0.45, 0.45, 0.1])
    people = {f"annotator_{k}": np.where(rng.random(n) < noise, rng.integers(0, 3, n), truth) for k in (1, 2, 3)}
    lengths = rng.integers(5, 60, (n, 2))
    texts = {f"output_{side + 1}": ["x" * length for length in lengths[:, side]] for side in (0, 1)}
    prompts = np.repeat([f"prompt {k}" for k in range(n_prompts)], n_each)
    return pd.DataFrame({"instruction": prompts, **texts, **people}), truth


def values(table, judge):
    return table[table["judge"] == judge].set_index("measure")["value"].to_dict()


def test_accuracy_and_kappa_are_those_of_scikit_learn():
    pairs, truth = make_pairs()
    majority = find_majority(check_votes(pairs))
    kept = majority >= 0
    table = measure_agreement(pairs, {"judge": truth}, **QUICK)
    assert table.index.tolist() == list(range(len(table)))
    found = values(table, "judge")
    assert found["accuracy"] == pytest.approx(accuracy_score(majority[kept], truth[kept]))
    assert found["kappa"] == pytest.approx(cohen_kappa_score(majority[kept], truth[kept]))
    decided = majority > 0
    assert found["accuracy, decided"] == pytest.approx(accuracy_score(majority[decided], truth[decided]))
    singles = [pairs[f"annotator_{k}"][kept] for k in (1, 2, 3)]
    assert found["kappa, one person"] == pytest.approx(
        np.mean([cohen_kappa_score(one, truth[kept]) for one in singles])
    )
    assert found["accuracy, one person"] == pytest.approx(np.mean([(one == truth[kept]).mean() for one in singles]))


def test_two_choices_of_equally_many_people_are_no_majority():
    votes = np.array([[1, 1, 2, 2, 0], [1, 1, 2, 2, 1], [0, 0, 2, 2, 2], [0, 0, 0, 1, 2]])
    assert find_majority(votes).tolist() == [-1, 1, 2, 0]
    assert find_majority(votes[:, :4]).tolist() == [-1, -1, -1, 0]


def test_people_against_each_other_are_the_ceiling():
    pairs, truth = make_pairs()
    one, two, three = (pairs[f"annotator_{k}"] for k in (1, 2, 3))
    found = values(measure_agreement(pairs, {"judge": truth}, **QUICK), PEOPLE)
    pairwise = [cohen_kappa_score(a, b) for a, b in ((one, two), (one, three), (two, three))]
    assert found["kappa, one person"] == pytest.approx(np.mean(pairwise))
    agreed = [(a == b).mean() for a, b in ((one, two), (one, three), (two, three))]
    assert found["accuracy, one person"] == pytest.approx(np.mean(agreed))
    alone = measure_agreement(pairs.drop(columns=["annotator_2", "annotator_3"]), {"judge": truth}, **QUICK)
    assert set(values(alone, PEOPLE)) == {"length"}


def test_length_explains_all_of_a_judge_that_goes_by_it_and_none_of_another():
    pairs, _ = make_pairs(seed=3)
    pairs["output_1"], pairs["output_2"] = pairs["output_1"].str[:3], "y" * 9
    pairs.loc[::2, ["output_1", "output_2"]] = pairs.loc[::2, ["output_2", "output_1"]].to_numpy()
    said, orders = judge_pairs(pairs, judge_length)
    assert said.tolist() == [1, 2] * 100
    assert orders.shape == (200, 1)
    never = np.resize([1, 1, 2, 2], 200)
    table = measure_agreement(pairs, {"length": said, "other": never}, **QUICK)
    assert values(table, "length")["length"] == pytest.approx(1.0)
    assert values(table, "other")["length"] == pytest.approx(0.0, abs=1e-3)


def test_length_explains_the_squared_correlation_with_the_logarithm_of_the_ratio():
    pairs, truth = make_pairs()
    said = np.where(np.arange(len(truth)) % 7 == 0, -1, truth)
    kept = said >= 0
    found = values(measure_agreement(pairs, {"judge": said, "people": truth}, **QUICK), "judge")
    sign = np.select([said == 1, said == 2], [1, -1], default=0)[kept]
    ratio = np.log((pairs["output_1"].str.len() + 1) / (pairs["output_2"].str.len() + 1))[kept]
    decided = find_majority(check_votes(pairs))[kept] >= 0
    assert found["length"] == pytest.approx(np.corrcoef(sign[decided], ratio[decided])[0, 1] ** 2)


def test_a_judge_without_a_verdict_says_minus_one_in_every_order():
    pairs = pd.DataFrame({"instruction": list("abc"), "output_1": "x", "output_2": "y"})
    said = {1: ["win", None, "loss"], 2: ["win", "win", "tie"]}

    def judging(answers, baseline):
        assert answers["answer"].tolist() == ["x"] * 3 and baseline["answer"].tolist() == ["y"] * 3
        tables = [answers.assign(order=order, verdict=verdicts, margin=0.0) for order, verdicts in said.items()]
        return pd.concat(tables).sample(frac=1, random_state=0)

    joined, orders = judge_pairs(pairs, judging)
    assert joined.tolist() == [1, -1, 0]
    assert orders.tolist() == [[1, 1], [-1, 1], [2, 0]]


def test_a_wider_confidence_gives_a_wider_interval():
    pairs, truth = make_pairs()
    narrow, wide = (
        measure_agreement(pairs, {"judge": truth}, confidence=confidence, **QUICK).set_index(["judge", "measure"])
        for confidence in (0.5, 0.99)
    )
    assert (narrow["value"] == wide["value"]).all()
    assert (wide["low"] < narrow["low"]).all() and (narrow["high"] < wide["high"]).all()


def test_consistency_is_the_share_with_one_verdict_in_both_orders():
    pairs, truth = make_pairs()
    both = np.column_stack([truth, np.where(np.arange(len(truth)) % 4 == 0, (truth + 1) % 3, truth)])
    table = measure_agreement(
        pairs, {"judge": truth, "once": truth}, orders={"judge": both, "once": truth[:, None]}, **QUICK
    )
    majority = find_majority(check_votes(pairs)) >= 0
    assert values(table, "judge")["consistency"] == pytest.approx((both[:, 0] == both[:, 1])[majority].mean())
    assert "consistency" not in values(table, "once")


def test_pairs_without_a_majority_or_a_verdict_are_left_out_and_counted():
    votes = {"annotator_1": [1, 0, 2, 1], "annotator_2": [1, 1, 2, 1], "annotator_3": [2, 2, 2, 1]}
    texts = {"instruction": list("abcd"), "output_1": "x", "output_2": "y"}
    table = measure_agreement(pd.DataFrame({**texts, **votes}), {"judge": np.array([1, 1, 1, -1])}, **QUICK)
    row = table[(table["judge"] == "judge") & (table["measure"] == "accuracy")].iloc[0]
    assert (row["value"], row["n_pairs"], row["n_prompts"]) == (0.5, 2, 2)


def test_the_interval_holds_the_true_accuracy_where_pairs_of_a_prompt_go_together():
    """The judge is right on a prompt in 90 or in 40 percent; resampling pairs would cover far less."""
    covered, narrow = 0, 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        right = rng.random(300) < np.repeat(rng.choice([0.9, 0.4], 30), 10)
        people = np.full(300, 1)
        pairs = pd.DataFrame(
            {"instruction": np.repeat(np.arange(30), 10).astype(str), "output_1": "x", "output_2": "yy"}
        )
        said = np.where(right, 1, 2)
        table = measure_agreement(pairs.assign(annotator_1=people), {"judge": said}, n_bootstrap=300, seed=seed)
        row = table[table["measure"] == "accuracy"].iloc[0]
        covered += row["low"] <= 0.65 <= row["high"]
        narrow += abs(row["value"] - 0.65) <= 1.96 * np.sqrt(0.65 * 0.35 / 300)
    assert 0.89 <= covered / 200 <= 0.98
    assert narrow / 200 < 0.85


@pytest.mark.parametrize(
    ("changed", "rule"),
    [({"annotator_2": 3}, r"annotator_2 must be 1 or 2 .* row 1 has 3"),
     ({"annotator_1": None}, "annotator_1 must be 1 or 2")],
)  # fmt: skip
def test_votes_that_are_none_are_refused(changed, rule):
    pairs, _ = make_pairs()
    with pytest.raises(ValueError, match=rule):
        check_votes(pairs.assign(**changed))
    with pytest.raises(ValueError, match=r"annotator_3 .* row 5 has 7"):
        check_votes(pairs.assign(annotator_3=[0, 1, 2, 1, 7, 8] + [1] * 194))
    with pytest.raises(ValueError, match="missing: annotator_1"):
        check_votes(pairs[["instruction", "output_1", "output_2"]])
    with pytest.raises(ValueError, match="missing: output_1"):
        check_votes(pairs.drop(columns="output_1"))
    with pytest.raises(ValueError, match="judge must have a verdict on each of the 200 pairs, but has 3"):
        measure_agreement(pairs, {"judge": np.array([1, 2, 0])})


def test_the_kept_numbers_are_those_that_were_published_and_measured():
    """What PandaLM's authors give for gpt-3.5-turbo on these 999 pairs (accuracy 71.1 %), and ours."""
    kept = load_agreement()
    accuracy = kept[kept["measure"] == "accuracy"].set_index("judge")["value"]
    assert accuracy.round(3).to_dict() == {
        "similarity": 0.703, "similarity, static": 0.721, "length": 0.611, "gpt-3.5-turbo": 0.711
    }  # fmt: skip
    assert ((kept["low"] < kept["value"]) & (kept["value"] < kept["high"])).all()
    assert set(kept["n_prompts"]) == {170}
    shown = show_agreement(kept)
    assert shown["judge"].tolist()[0] == PEOPLE
    assert shown.loc[3, "accuracy"] == "61.1 (55.4 to 66.4)"
    row = kept[(kept["judge"] == "length") & (kept["measure"] == "kappa")].iloc[0]
    assert shown.loc[3, "kappa"] == f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def test_a_judge_that_agrees_no_more_than_length_is_named_in_bold():
    kept, study = load_agreement(), params.load("paper")
    assert is_checked("similarity", kept) and name_judge(study) == "similarity"
    assert "**" not in describe_headline(study)
    assert "70.3 % (65.9 to 74.4), against 61.1 % for the longer answer" in describe_headline(study)
    worse = kept.assign(low=kept["low"].where(kept["judge"] != "similarity", 0.61))
    assert "**Its interval does not lie above length" in describe_headline(study, worse)
    length = kept.loc[(kept["judge"] == "length") & (kept["measure"] == "accuracy"), "value"].item()
    assert not is_checked("similarity", kept.assign(low=length)), "an interval that ends at length is not above it"
    assert not is_checked("likelihood", kept)
    assert describe_headline(params.load("smoke")).startswith("**How far the judge *likelihood* agrees")
    llm = params.load("paper", changes={"judge.kinds": ["llm"], "judge_llm.model": "some-model"})
    assert describe_headline(llm).startswith("**How far the judge *llm, some-model* agrees")
    by_token = {"judge.kinds": ["llm"], "judge_llm.model": "some-model", "judge_llm.reply": "token"}
    assert name_judge(params.load("paper", changes=by_token)) == "llm, some-model, one token"


@pytest.mark.parametrize("given", [False, True])
def test_the_tutorial_shows_the_kept_numbers_or_those_of_a_file(given, tmp_path):
    pairs, truth = make_pairs()
    pairs.assign(mine=truth).to_parquet(tmp_path / "votes.parquet")
    path = find_root() / "notebooks" / "tutorials" / "judges_and_people.ipynb"
    chosen = {"votes": str(tmp_path / "votes.parquet"), "kinds": ["length"], "columns": ["mine"]} if given else {}
    papermill.execute_notebook(path, tmp_path / "out.ipynb", chosen, kernel_name="python3", progress_bar=False)
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    shown = next(cell for cell in cells if cell.source.startswith("agreement = ")).outputs[0]["data"]["text/html"]
    assert ("mine" in shown) == given
    assert ("gpt-3.5-turbo" in shown) != given
