"""What the book says of a study, from tables written by hand."""

import pandas as pd
import pytest
from macromicro.analyse import findings, paper
from macromicro.study.layout import Layout

SLOPES = ["strategy", "family", "size", "slope", "low", "high", "significant", "note"]
DECISIONS = ["strategy", "family", "size", "verdict", "sentence"]
SCORES = ["strategy", "family", "size", "level", "seed", "score", "n_wins", "n_ties", "n_losses"]


@pytest.fixture
def out(tmp_path):
    out = Layout(tmp_path)
    out.results.mkdir()
    write(out, "slopes", SLOPES, [
        ("instruction-micro", "paper", 500, 2.0, -1.0, 5.0, False, "0 %, 16 % are one dataset"),
        ("response-macro", "paper", 500, 1.0, 0.5, 1.5, True, ""),
        ("response-micro", "paper", 500, -4.0, -6.0, -2.0, True, ""),
        ("response-meso", "paper", 500, None, None, None, False, "only 1 prompt"),
        ("response-micro", "bands", 500, 9.0, 8.0, 10.0, True, ""),
    ])  # fmt: skip
    write(out, "decisions", DECISIONS, [
        ("instruction-micro", "paper", 500, "cannot be told", "in: cannot."),
        ("response-macro", "paper", 500, "rises slightly", "macro: slightly."),
        ("response-micro", "paper", 500, "falls", "re: falls."),
        ("response-micro", "bands", 500, "rises", "band: rises."),
    ])  # fmt: skip
    rows = [("response-micro", "paper", size, level, seed, 50.0, 60 + level + seed, seed, 40 - seed)
            for size in (300, 500) for level in (0.0, 16.0) for seed in (0, 1)]  # fmt: skip
    rows += [("longest", "rivals", 500, None, 0, 50.0, 3, 0, 4)]
    rows += [("response-macro", "paper", 500, 16.0, 0, 50.0, 1, 2, 1000), ("x", "bands", 500, 0.0, 0, 1.0, 9, 9, 99)]
    write(out, "scores", SCORES, rows)
    return out


def write(out, name, columns, rows):
    pd.DataFrame(rows, columns=columns).to_parquet(out.results / f"{name}.parquet")


def test_what_is_claimed_is_what_the_paper_prints():
    means = paper.load_slopes().groupby("strategy")["slope"].mean()
    assert (means.idxmax(), means.idxmin()) == paper.CLAIMED
    assert means[paper.CLAIMED[1]] < 0


def test_the_verdict_names_the_two_claims_first_and_counts_the_rest(out):
    first, *counts = findings.verdict_on_claims(out).split("\n\n")
    assert first == "- re: falls.\n- in: cannot."
    assert counts == [
        "**Family *paper*: falls 1, rises slightly 1, cannot be told 1** (of 3 slopes).",
        "**Family *bands*: rises 1** (of 1 slope).",
    ]
    said = findings.headline(out).split("\n\n")
    assert said == [counts[0], "- in: cannot.\n- macro: slightly.\n- re: falls.", counts[1], "- band: rises."]


def test_wins_are_told_of_the_baselines_size_and_highest_level_over_all_seeds(out):
    assert findings.in_plain_words(out) == (
        "Of 233 prompts over 2 seeds, the most diverse model of response-micro (N = 300, 16 %) wins 153, "
        "the random one 79, and 1 is a tie."
    )


def test_without_the_claimed_strategies_another_is_told_of_or_none(out):
    scores = findings.load_scores(out)
    scores[scores["strategy"] == "response-macro"].to_parquet(out.results / "scores.parquet")
    assert findings.in_plain_words(out) == (
        "Of 1,003 prompts, the most diverse model of response-macro (N = 500, 16 %) wins 1, the random one 1,000, "
        "and 2 are ties."
    )
    scores[scores["level"].isna()].to_parquet(out.results / "scores.parquet")
    assert findings.in_plain_words(out) == ""


def test_the_strategies_of_another_sign_are_named_and_so_is_what_they_are(out):
    assert findings.agreement(out) == (
        "The sign of the slope is the paper's for 1 of 3 strategies (means over sizes). "
        "The 2 whose sign differs are instruction-micro and response-micro: the paper's two headline results. "
        "A sign is worth no more than the interval of its slope."
    )
    slopes = findings.load_slopes(out)
    slopes.assign(slope=[2.0, -1.0, 4.0, None, 9.0]).to_parquet(out.results / "slopes.parquet")
    assert (
        "The 2 whose sign differs are instruction-micro and response-macro; among them is one of the paper's two "
        "headline results. A sign" in findings.agreement(out)
    )
    slopes.assign(slope=[-2.0, -1.0, 4.0, None, 9.0]).to_parquet(out.results / "slopes.parquet")
    assert "The one whose sign differs is response-macro. A sign" in findings.agreement(out)
    slopes[slopes["strategy"] == "response-macro"].to_parquet(out.results / "slopes.parquet")
    assert "for 1 of 1 strategies (means over sizes). A sign" in findings.agreement(out)
    slopes.head(0).to_parquet(out.results / "slopes.parquet")
    assert findings.agreement(out) == "No strategy of this study is one of the paper's."
    assert not findings.has_slopes(out)


def test_a_slope_with_a_remark_is_shown_and_a_missing_one_says_why(out):
    table = findings.slopes_beside_paper(out).set_index(["family", "strategy"])["here, N=500"]
    assert table["paper", "instruction-micro"] == "+2.0 (-1.0 to +5.0)"
    assert table["paper", "response-micro"] == "-4.0 (-6.0 to -2.0) *"
    assert table["paper", "response-meso"] == "only 1 prompt"


UNTUNED = ["baseline", "baseline_size", "seed", "score", "low", "high"]


def test_the_untuned_model_is_a_sentence_for_every_baseline(out):
    write(out, "untuned", UNTUNED, [("baseline", 500, 0, 3.68, 1.0, 6.8)])
    assert findings.untuned(out) == (
        "The base model without any fine-tuning scores 3.7 (1.0 to 6.8 over other prompts) against the random baseline "
        "(N = 500), which scores 50 by definition."
    )
    rows = [("baseline", 500, 0, 40.0, 1.0, 90.0), ("baseline", 500, 1, 44.0, 2.0, 91.0)]
    write(out, "untuned", UNTUNED, [*rows, ("baseline-5-50", 500, 0, 60.0, 55.0, 65.0)])
    first, second = findings.untuned(out).split(". The ")
    assert "scores 42.0 (40.0 to 44.0 over 2 seeds) against the random baseline (" in first
    assert "scores 60.0 (55.0 to 65.0 over other prompts) against the random baseline-5-50 (" in second


def test_metrics_that_the_paper_has_not_follow_its_own(out):
    rows = [("paper", part, metric, r) for part in ("instruction", "response")
            for metric, r in (("MTLD", 0.5), ("IE", None), ("SL", -0.25))]  # fmt: skip
    write(out, "correlations", ["family", "part", "metric", "r"], rows)
    table = findings.correlations_beside_paper(out).set_index("metric")
    assert table.index.tolist() == [*dict.fromkeys(paper.load_correlations()["metric"]), "MTLD"]
    assert table.loc[["MTLD", "IE", "SL"], "response, here"].tolist() == ["+0.50", "not defined", "-0.25"]
    assert table.loc[["MTLD", "IE"], "response, paper"].tolist() == ["–", "+0.58"]


def test_the_best_metrics_are_those_of_a_part_that_follow_the_score_most(out):
    rows = [("paper", "response", metric, r) for metric, r in
            (("IE", 0.2), ("SL", -0.75), ("BL", None), ("CR", 0.5), ("ED", -0.1))]  # fmt: skip
    rows += [("paper", "instruction", "IE", 0.9), ("bands", "response", "IE", 0.8)]
    write(out, "correlations", ["family", "part", "metric", "r"], rows)
    assert findings.best_metrics(out, "response") == ["SL (-0.75)", "CR (+0.50)", "IE (+0.20)"]
    assert findings.best_metrics(out, "response", n=1) == ["SL (-0.75)"]
    assert findings.best_metrics(out, "instruction") == ["IE (+0.90)"]


def test_prompts_are_those_that_were_judged(out):
    assert findings.n_prompts(out) == "7 to 1,003"
    scores = findings.load_scores(out)
    scores[scores["strategy"] == "longest"].to_parquet(out.results / "scores.parquet")
    assert findings.n_prompts(out) == "7"
