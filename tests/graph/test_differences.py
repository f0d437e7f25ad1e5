"""What a run by hand is said to have changed."""

import numpy as np
import pandas as pd
from macromicro.annotate.types import build_types, save_types
from macromicro.graph.differences import compare_outputs


def write(folder, name, table):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / name)


def test_tables_differ_in_rows_shared_samples_and_means(tmp_path):
    before, after = tmp_path / "study", tmp_path / "try"
    write(before, "a.parquet", pd.DataFrame({"id": ["a", "b", "c"], "n": [1, 2, 3], "same": [0, 0, 0]}))
    write(after, "a.parquet", pd.DataFrame({"id": ["b", "c", "d", "e"], "n": [2, 3, 4, 5], "same": [0, 0, 0, 0]}))
    words = compare_outputs(before, after, ["a.parquet"])["changed in a.parquet"]
    assert words.startswith("3 to 4 rows, 2 samples in both, n 2 (mean) to 3.5 (mean)")


def test_equal_bytes_are_nothing_and_what_the_study_lacks_is_said(tmp_path):
    before, after = tmp_path / "study", tmp_path / "try"
    for folder in (before, after):
        write(folder, "a.parquet", pd.DataFrame({"n": [1]}))
    write(after, "b.parquet", pd.DataFrame({"n": [1]}))
    found = compare_outputs(before, after, ["a.parquet", "b.parquet"])
    assert found == {"changed in a.parquet": "nothing", "changed in b.parquet": "the study has none"}


def test_types_are_counted(tmp_path):
    before, after = tmp_path / "study", tmp_path / "try"
    save_types(build_types(["a", "b"], [0, 1, 1], [0, 0, 1], ["x", "y"], report={}), before / "t.npz")
    save_types(build_types(["a", "b"], [0], [0], ["x"], report={}), after / "t.npz")
    words = compare_outputs(before, after, ["t.npz"])["changed in t.npz"]
    assert words == "2 to 1 types, 3 to 1 pairs of sample and type"


def test_a_folder_is_compared_by_its_tables(tmp_path):
    before, after = tmp_path / "study", tmp_path / "try"
    for folder, loss in ((before, [2.0, 1.0]), (after, [2.0, 2.0])):
        write(folder, "model/loss.parquet", pd.DataFrame({"loss": loss}))
        (folder / "model" / "weights").write_bytes(np.array(loss).tobytes())
    words = compare_outputs(before, after, ["model"])["changed in model"]
    assert words == "loss.parquet: loss 1.5 (mean) to 2 (mean)"
