import numpy as np
import pandas as pd
import pytest
from macromicro.corpus.flags import read_flag
from macromicro.corpus.readers import read_samples


@pytest.mark.parametrize(
    "values",
    [
        [True, False],
        [1, 0],
        [1.0, 0.0],
        [np.uint8(1), np.int64(0)],
        ["1", "0"],
        ["1.0", "0.0"],
        ["true", "false"],
        [" TRUE ", "False"],
        ["yes", "no"],
        ["Y", "n"],
        [True, "no"],
    ],
)
@pytest.mark.parametrize("dtype", [None, "object", "category"])
def test_yes_and_no_in_any_type(values, dtype):
    flags = read_flag(pd.Series(values, dtype=dtype))
    assert flags.dtype == bool
    assert flags.tolist() == [True, False]


@pytest.mark.parametrize("dtype", ["str", "string", "boolean", "Int64", "Float64", "object"])
def test_missing_means_no(dtype):
    yes = {"str": "true", "string": "yes", "Int64": 1, "Float64": 1.0}.get(dtype, True)
    assert read_flag(pd.Series([yes, None], dtype=dtype)).tolist() == [True, False]
    assert read_flag(pd.Series([], dtype=dtype)).tolist() == []


@pytest.mark.parametrize("value", ["maybe", 2, -1, 0.5, "truee", "None"])
def test_anything_else_is_refused_by_row(value):
    with pytest.raises(ValueError, match=f"column 'near' must say true or false .* but row 1 is {value!r}"):
        read_flag(pd.Series([1, value], dtype="object", name="near"))


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("true", "false"), ('"yes"', '"no"')])
def test_a_column_of_a_file_is_read_whatever_it_is_written_as(tmp_path, yes, no):
    rows = [f'{{"instruction": "a{i}", "response": "b", "near": {flag}}}' for i, flag in enumerate((yes, no, yes))]
    (tmp_path / "eval.jsonl").write_text("\n".join(rows) + "\n")
    read = read_samples(tmp_path / "eval.jsonl", columns={})
    assert read_flag(read["near"]).tolist() == [True, False, True]
