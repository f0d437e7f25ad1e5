"""A blind sample for people: its spread, what they see of it, their votes by file and by button, and no names."""

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest
from fake_study import enter_checkout, write_preset
from macromicro.judge.ballot import list_votes, name_votes, open_ballot
from macromicro.judge.people import (
    add_texts,
    count_points,
    draw_pairs,
    read_judges,
    read_votes,
    save_sheet,
)

N_PROMPTS = 20


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study whose answers name the model that gave them."""
    enter_checkout(tmp_path, monkeypatch)
    study = write_preset({"select.seeds": [0, 1]})
    prompts = pd.DataFrame({"id": [f"p{n:02d}" for n in range(N_PROMPTS)], "instruction": "Say.", "response": "x"})
    study.out.prompts.parent.mkdir(parents=True)
    prompts.to_parquet(study.out.prompts)
    for strategy in study.all_strategies:
        for dataset in strategy.datasets():
            path = study.out.answers(strategy.name, dataset.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            answers = [f"{strategy.name} {dataset.name} {prompt}" for prompt in prompts["id"]]
            pd.DataFrame({"dataset": dataset.name, "prompt_id": prompts["id"], "answer": answers}).to_parquet(path)
    return study


def verdicts_of(study, points=1.0):
    rows = [
        (one.strategy, one.level, one.size, one.seed, one.name, f"p{n:02d}", points)
        for name in study.strategies
        for one in study.strategy(name).datasets()
        for n in range(N_PROMPTS)
    ]
    columns = ["strategy", "level", "size", "seed", "dataset", "prompt_id", "points"]
    return pd.DataFrame(rows, columns=columns).astype({"level": float})


def test_pairs_come_in_rounds_over_strategies_and_levels(study):
    verdicts = verdicts_of(study)
    drawn = draw_pairs(verdicts, n_pairs=43, seed=1)
    groups = drawn.groupby(["strategy", "level"], dropna=False)
    assert set(groups.size()) == {8, 9} and groups.ngroups == 5
    for start in range(0, 40, 5):
        turn = drawn.iloc[start : start + 5]
        assert len(turn.drop_duplicates(["strategy", "level"])) == 5, "a round has each strategy and level once"
    assert drawn.duplicated(["strategy", "dataset", "prompt_id"]).sum() == 0
    assert 10 < (drawn["order"] == 1).sum() < 33 and set(drawn["order"]) == {1, 2}
    assert set(drawn["seed"]) == {0, 1}
    firsts = draw_pairs(verdicts.sample(frac=1, random_state=0), n_pairs=12, seed=1)
    pd.testing.assert_frame_equal(firsts, drawn.head(12))
    assert not draw_pairs(verdicts, n_pairs=43, seed=2).equals(drawn)
    for n in (0, len(verdicts) + 1):
        with pytest.raises(ValueError, match=f"n_pairs={n} must be at least 1 and at most the 200"):
            draw_pairs(verdicts, n_pairs=n, seed=1)


def test_a_person_sees_both_answers_in_the_drawn_order_and_nothing_of_where_they_are_from(study, tmp_path):
    drawn = draw_pairs(verdicts_of(study), n_pairs=60, seed=0)
    pairs = add_texts(drawn, study)
    for row in pairs.to_dict("records"):
        own = f"{row['strategy']} {row['dataset']} {row['prompt_id']}"
        other = f"baseline n40-s{row['seed']} {row['prompt_id']}"
        assert [row["output_1"], row["output_2"]] == ([own, other] if row["order"] == 1 else [other, own])
    save_sheet(pairs.assign(output_1="=HYPERLINK(1)", output_2="@x", instruction='a, "b"\nc'), tmp_path / "sheet.csv")
    sheet = pd.read_csv(tmp_path / "sheet.csv", keep_default_na=False)
    assert sheet.columns.tolist() == ["pair", "instruction", "output_1", "output_2", "vote"]
    assert sheet.loc[0, ["instruction", "output_1", "output_2"]].tolist() == ['a, "b"\nc', "'=HYPERLINK(1)", "'@x"]
    assert sheet["pair"].tolist() == pairs["pair"].tolist() and sheet["pair"].is_unique
    unknown = drawn.assign(prompt_id=drawn["prompt_id"].where(drawn.index > 0, "p99"))
    with pytest.raises(ValueError, match="has no answer to prompt 'p99'"):
        add_texts(unknown, study)


def test_equal_texts_are_one_pair_on_the_sheet_and_its_vote_counts_for_each(tmp_path):
    pairs = pd.DataFrame({"pair": ["x", "x", "y"], "instruction": "i", "output_1": "a", "output_2": "b"})
    save_sheet(pairs, tmp_path / "sheet.csv")
    sheet = pd.read_csv(tmp_path / "sheet.csv")
    assert sheet["pair"].tolist() == ["x", "y"]
    sheet.assign(vote=[2, 0]).to_csv(tmp_path / "votes.csv")
    assert read_votes([tmp_path / "votes.csv"], pairs).tolist() == [[2], [2], [0]]


PAIRS = pd.DataFrame({"pair": ["a", "b", "c", "d"], "order": [1, 2, 2, 1]})


def write_votes(folder, text, name="Anna Rossi.csv"):
    (folder / name).write_text(text)
    return folder / name


def test_votes_of_two_people_by_file(tmp_path):
    one = write_votes(tmp_path, "vote,rater,pair\n1,Anna Rossi,a\n1.0,Anna Rossi,b\n0,,d\n,,c\n")
    two = write_votes(tmp_path, "pair,vote\nb,2\na,0\nold,\n", "other.csv")
    votes = read_votes([one, two], PAIRS)
    assert votes.tolist() == [[1, 0], [1, 2], [-1, -1], [0, -1]]
    np.testing.assert_equal(count_points(votes, PAIRS["order"]), [0.75, 0.5, np.nan, 0.5])


@pytest.mark.parametrize(
    ("text", "rule"),
    [("pair,vote\na,3\n", "a vote must be 1 or 2 .* row 1 has pair 'a', vote '3'"),
     ("pair,vote\na,1\nz,2\n", "on a pair of this sample as it is now, but row 2 has pair 'z'"),
     ("pair,vote\na,1\na,1\n", "must stand once, but row 2"),
     ("pair,note\na,1\n", "must have the columns pair and vote"),
     ("pair,vote\na,\n", "nobody has voted yet")],
)  # fmt: skip
def test_votes_that_are_none_are_refused_without_a_name(tmp_path, text, rule):
    with pytest.raises(ValueError, match=rule) as failed:
        read_votes([write_votes(tmp_path, text)], PAIRS)
    assert "Anna" not in str(failed.value)
    with pytest.raises(ValueError, match="nobody has voted"):
        read_votes([], PAIRS)


def test_what_judges_say_is_turned_as_the_pair_was_shown(study):
    verdicts = verdicts_of(study)
    drawn = draw_pairs(verdicts, n_pairs=40, seed=0)
    judges = {"for": verdicts, "ties": verdicts.assign(points=0.5), "against": verdicts.assign(points=0.0),
              "silent": verdicts.assign(points=np.nan)}  # fmt: skip
    said = read_judges(judges, drawn)
    assert said["for"].tolist() == drawn["order"].tolist()
    assert said["against"].tolist() == (3 - drawn["order"]).tolist()
    assert set(said["ties"]) == {0} and set(said["silent"]) == {-1}


def test_votes_by_button_are_on_disk_at_once_and_go_on_where_they_ended(tmp_path):
    texts = {"instruction": "<b>Say</b>", "output_1": ["<script>one</script>", "3", "5"], "output_2": ["2", "4", "6"]}
    pairs = pd.DataFrame({"pair": ["a", "b", "c"], **texts})
    path = name_votes(tmp_path / "people", 2)
    ballot = open_ballot(pairs, path)
    shown, (first, equal, second, back) = ballot.children[0], ballot.children[1].children
    assert "&lt;script&gt;one" in shown.value and "<script>" not in shown.value and "Pair 1 of 3" in shown.value
    second.click()
    assert pd.read_csv(path).to_numpy().tolist() == [["a", 2]]
    equal.click()
    back.click()
    first.click()
    assert pd.read_csv(path).to_numpy().tolist() == [["a", 2], ["b", 1]]
    again = open_ballot(pairs, path)
    assert "Pair 3 of 3" in again.children[0].value
    again.children[1].children[0].click()
    assert "All 3 pairs are shown, 3 voted on" in again.children[0].value
    assert [button.disabled for button in again.children[1].children] == [True, True, True, False]
    assert read_votes([path], pairs).ravel().tolist() == [2, 1, 1]
    assert list_votes(path.parent) == [path]
    path.with_name("votes-Anna.csv").touch()
    with pytest.raises(ValueError, match="kept as votes-<number>") as failed:
        list_votes(path.parent)
    assert "Anna" not in str(failed.value)
    for name in ("Anna", 0, True):
        with pytest.raises(ValueError, match="must be a number from 1 on"):
            name_votes(tmp_path, name)


def finish_judging(study):
    """Verdicts of two judges on disk, and the names of the datasets."""
    rng = np.random.default_rng(0)
    for name in study.strategies:
        for seed in (0, 1):
            tables = []
            for one in study.strategy(name).datasets(seed):
                table = pd.DataFrame({"dataset": one.name, "prompt_id": [f"p{n:02d}" for n in range(N_PROMPTS)]})
                said = {"similarity": rng.choice(["win", "loss"], N_PROMPTS), "length": "tie"}
                tables += [table.assign(judge=judge, order=np.nan, verdict=said[judge], margin=0.0) for judge in said]
            names = [one.name for one in study.strategy(name).datasets(seed)]
            levels = pd.DataFrame({"dataset": names, "digest": names})
            for path, table in (
                (study.out.verdicts(name, seed), pd.concat(tables)),
                (study.out.levels(name, seed), levels),
            ):
                path.parent.mkdir(parents=True, exist_ok=True)
                table.to_parquet(path)


def test_the_notebook_keeps_agreement_and_corrected_win_rates_and_no_name(study, tmp_path):
    finish_judging(study)
    pairs = add_texts(draw_pairs(verdicts_of(study), n_pairs=50, seed=0), study)
    mine = tmp_path / "Anna Rossi.csv"
    best = pd.DataFrame({"pair": pairs["pair"], "vote": pairs["order"], "rater": "Anna Rossi"})
    best.iloc[:45].to_csv(mine, index=False)
    given = {"preset": "tiny", "n_pairs": 50, "sheets": [str(mine)]}
    notebook = tmp_path / "notebooks" / "human.ipynb"
    papermill.execute_notebook(notebook, tmp_path / "out.ipynb", given, kernel_name="python3", progress_bar=False)
    folder = study.out.people
    assert {path.name for path in folder.iterdir()} == {"sheet.csv", "agreement.parquet", "corrected.parquet"}
    rates = pd.read_parquet(folder / "corrected.parquet").set_index(["judge", "models"])
    counted = ["n_pairs", "n_votes", "corrected"]
    assert rates.loc[("similarity", "all"), counted].tolist() == pytest.approx([200, 45, 100])
    agreement = pd.read_parquet(folder / "agreement.parquet").set_index(["judge", "measure"])
    assert agreement.loc[("length", "accuracy"), ["value", "n_pairs"]].tolist() == [0, 45]
    assert not any(b"Anna" in path.read_bytes() for path in folder.iterdir())
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    shown = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    assert "Anna" not in str(shown) and any(
        "application/vnd.jupyter.widget-view+json" in one.get("data", {}) for one in shown
    )
