"""Win rates corrected by people's votes: a published implementation, coverage, and what a bad judge cannot do."""

import numpy as np
import pandas as pd
import pytest
from macromicro.analyse.corrected import correct_mean, correct_win_rates, show_corrected
from scipy.stats import t

N_PROMPTS, N_MODELS = 120, 14


def alone(n):
    """Pairs that do not go together and stand for equally many."""
    return {"stands_for": np.ones(n), "clusters": np.arange(n).astype(str)}


def test_independent_pairs_give_what_ppi_python_gives():
    """ppi-python 0.2.3 on this data: ppi_mean_ci(people[voted], judged[voted], judged, lam=0.5).

    It takes what the judge says there and of all for two samples, where ours knows that one lies within the other.
    """
    rng = np.random.default_rng(0)
    judged = rng.choice([0, 0.5, 1], 2000, p=[0.3, 0.2, 0.5])
    truth = np.where(rng.random(2000) < 0.7, judged, rng.choice([0, 0.5, 1], 2000))
    people = np.full(2000, np.nan)
    voted = rng.choice(2000, 150, replace=False)
    people[voted] = truth[voted]
    found = correct_mean(judged, people, weight=0.5, **alone(2000))
    assert found.value == pytest.approx(0.578625)
    assert (found.low, found.high) == pytest.approx((0.5251087, 0.6321413), abs=3e-3)
    best = correct_mean(judged, people, **alone(2000))
    both = np.cov(people[voted], judged[voted])
    assert best.weight == pytest.approx(both[0, 1] / both[1, 1], abs=0.02)
    assert best.high - best.low < found.high - found.low


def test_without_a_judge_it_is_the_t_interval_of_the_votes():
    people = np.array([1, 0, 1, 1, 0.5, np.nan, np.nan])
    found = correct_mean(np.ones(7), people, weight=0.0, **alone(7))
    half = t.ppf(0.975, 4) * people[:5].std(ddof=1) / np.sqrt(5)
    assert found == pytest.approx((0.7, 0.7 - half, 0.7 + half, 0))


def test_a_judge_that_foresees_every_vote_is_believed():
    rng = np.random.default_rng(1)
    judged = rng.choice([0.0, 1.0], 1000)
    people = np.where(np.arange(1000) < 60, judged, np.nan)
    found = correct_mean(judged, people, **alone(1000))
    assert found.weight == pytest.approx(1, abs=0.01) and found.value == pytest.approx(judged.mean(), abs=1e-3)
    assert correct_mean(1 - judged, people, **alone(1000)).weight == 0, "a judge is never turned around"


def simulate(rng, n_votes, *, bias):
    """Judge's and people's points of every model and prompt; prompts differ, and the judge likes what is longer."""
    prompts = np.repeat(np.arange(N_PROMPTS), N_MODELS)
    lead = rng.normal(0, 0.8, N_PROMPTS)[prompts] + np.tile(np.linspace(-1, 1, N_MODELS), N_PROMPTS)
    truth = np.where(lead + rng.normal(0, 1, len(lead)) > 0, 1.0, 0.0)
    judged = np.where(lead + bias + rng.normal(0, 1, len(lead)) > 0, 1.0, 0.0)
    people = np.full(len(lead), np.nan)
    voted = rng.choice(len(lead), n_votes, replace=False)
    people[voted] = truth[voted]
    return judged, people, {"stands_for": np.ones(len(lead)), "clusters": prompts.astype(str)}


@pytest.mark.parametrize("n_votes", [30, 120])
def test_the_interval_covers_what_it_promises_where_the_judges_own_does_not(n_votes):
    """The truth is 0.5 over other prompts: the mean of leads that are symmetric about zero."""
    rng = np.random.default_rng(n_votes)
    held, naive, narrower = {0.8: 0, 0.9: 0, 0.95: 0}, 0, []
    n = 600
    for _ in range(n):
        judged, people, how = simulate(rng, n_votes, bias=0.6)
        for confidence in held:
            found = correct_mean(judged, people, confidence=confidence, **how)
            held[confidence] += found.low <= 0.5 <= found.high
        by_prompt = judged.reshape(N_PROMPTS, N_MODELS).mean(axis=1)
        naive += abs(by_prompt.mean() - 0.5) < 1.96 * by_prompt.std(ddof=1) / np.sqrt(N_PROMPTS)
        votes = correct_mean(judged, people, weight=0.0, **how)
        narrower.append((found.high - found.low) / (votes.high - votes.low))
    assert naive / n < 0.2
    for confidence, times in held.items():
        assert abs(times / n - confidence) < 0.035
    assert np.mean(narrower) < 0.97


def make_study(rng, *, n_prompts=30):
    """Verdicts of two judges on two strategies, one with twice as many models, and pairs of both."""
    models = [("a", level, f"n5-d{level:03d}-s0") for level in (0, 100)] + [("b", np.nan, "n5-s0")]
    rows = [(*model[:2], 5, 0, model[2], f"p{prompt}") for model in models for prompt in range(n_prompts)]
    table = pd.DataFrame(rows, columns=["strategy", "level", "size", "seed", "dataset", "prompt_id"])
    truth = np.where(table["strategy"] == "a", 1.0, 0.0)
    verdicts = {"right": table.assign(points=truth), "noise": table.assign(points=rng.choice([0, 0.5, 1], len(table)))}
    return table, truth, verdicts


def test_every_strategy_and_level_has_a_row_and_stands_for_all_of_its_pairs():
    table, truth, verdicts = make_study(np.random.default_rng(2))
    rows = [*range(4), *range(30, 34), *range(60, 76)]
    found = correct_win_rates(verdicts, table.iloc[rows], truth[rows]).set_index(["judge", "models"])
    assert found.loc["right"].index.tolist() == ["all", "a", "b", "level 0 %", "level 100 %"]
    assert found.loc[("noise", "all"), "people"] == pytest.approx(100 * 60 / 90), "b had most votes"
    assert found.loc[("right", "all"), "corrected"] == pytest.approx(100 * 60 / 90)
    counted = found.loc[("right", "all"), ["n_pairs", "n_votes", "judged"]]
    assert counted.tolist() == pytest.approx([90, 24, 100 * 2 / 3])
    assert found.loc[("noise", "a"), "corrected"] == pytest.approx(100)
    assert found.loc[("right", "b"), "n_votes"] == 16
    assert show_corrected(found.reset_index())["corrected"].iloc[0].startswith("66.7 (")


def test_a_judge_without_a_verdict_leaves_the_correction_whole():
    table, truth, verdicts = make_study(np.random.default_rng(3))
    lost = {"right": verdicts["right"].assign(points=verdicts["right"]["points"].where(np.arange(90) % 3 > 0))}
    found = correct_win_rates(lost, table, truth).iloc[0]
    assert found["corrected"] == pytest.approx(100 * 2 / 3)


def test_strategies_without_votes_have_a_note_in_place_of_a_rate():
    table, truth, verdicts = make_study(np.random.default_rng(4))
    few = correct_win_rates(verdicts, table.iloc[:5], truth[:5]).set_index(["judge", "models"])
    noted = few["note"] != ""
    assert few.index[noted].get_level_values("models").unique().tolist() == ["all", "b", "level 100 %"]
    assert few.loc[noted, ["corrected", "low", "people"]].isna().all().all()
    assert few.loc[("right", "level 0 %"), "n_votes"] == 5
    assert "people must vote" in show_corrected(few.reset_index())["corrected"].iloc[0]
