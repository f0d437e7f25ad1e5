"""The four tables that a study's verdicts come to, and what rivals have of them."""

import numpy as np
import pandas as pd
import pytest
from analyse.simulated_studies import World, simulate, verdicts_of
from macromicro.analyse import shapes, slopes
from macromicro.analyse.outcome import analyse_levels
from macromicro.analyse.verdict import decide

FAMILIES = {"response-micro": "paper", "instruction-micro": "paper", "narrow": "bands"}


def study(slope=2.0):
    """Verdicts and models of three strategies, of which one rises, and of a rival."""
    worlds = {name: World(slope=slope if name == "response-micro" else 0.0) for name in FAMILIES}
    rng = np.random.default_rng(0)
    tables = [verdicts_of(simulate(world, 1, rng)[0][0], strategy=name) for name, world in worlds.items()]
    rival = tables[0].drop_duplicates(["seed", "prompt_id"]).assign(strategy="longest", level=np.nan)
    verdicts = pd.concat([*tables, rival.assign(dataset=[f"n500-s{seed}" for seed in rival["seed"]])])
    points = verdicts.drop_duplicates(["strategy", "dataset"]).assign(part="response", granularity="micro")
    return verdicts, points.assign(family=points["strategy"].map(FAMILIES).fillna("rivals"))


def test_every_table_says_of_every_strategy_what_it_is():
    verdicts, points = study()
    found = analyse_levels(verdicts, points, alpha=0.1, smallest_effect=3.0, seed=1)
    for table in found:
        labels = table.drop_duplicates("strategy").set_index("strategy")
        assert labels["family"].to_dict() == FAMILIES, "and nothing of the rival"
        assert set(labels["part"]) == {"response"} and set(labels["granularity"]) == {"micro"}
    leveled = verdicts.dropna(subset=["level"])
    own = slopes.estimate_slopes(leveled, families=FAMILIES, alpha=0.1)
    pd.testing.assert_frame_equal(found.slopes[own.columns], own)
    pd.testing.assert_frame_equal(found.shapes[list(shapes.SHAPES)], shapes.describe_shapes(leveled, seed=1))
    pd.testing.assert_frame_equal(found.levels[list(shapes.LEVELS)], shapes.compare_levels(leveled, seed=1))
    decided = decide(own, smallest_effect=3.0, alpha=0.1)
    pd.testing.assert_frame_equal(found.decisions[decided.columns], decided)


def test_what_is_significant_is_so_after_the_correction():
    table = analyse_levels(*study()).slopes.set_index("strategy")
    assert table["significant"].to_dict() == {"instruction-micro": False, "narrow": False, "response-micro": True}
    alone = analyse_levels(*study(), alpha=table.loc["response-micro", "p_holm"] / 2).slopes
    assert not alone["significant"].any()


def test_a_study_of_rivals_alone_has_empty_tables_with_all_columns(tmp_path):
    verdicts, points = study()
    full = analyse_levels(verdicts, points)
    rivals = [table[table["strategy"] == "longest"] for table in (verdicts, points)]
    found = analyse_levels(*rivals)
    for name, table in found._asdict().items():
        assert table.empty
        assert table.columns.tolist() == getattr(full, name).columns.tolist()
        table.to_parquet(tmp_path / "table.parquet")
        assert pd.read_parquet(tmp_path / "table.parquet").columns.tolist() == table.columns.tolist()


def test_an_effect_of_no_size_is_refused():
    with pytest.raises(ValueError, match="smallest_effect=0 must be above zero"):
        analyse_levels(*study(), smallest_effect=0)
