"""Columns that say yes or no, in whatever way a file writes it."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

TRUE = ("true", "t", "yes", "y", "1", "1.0")
FALSE = ("false", "f", "no", "n", "0", "0.0", "")


def read_flag(column: pd.Series) -> NDArray[np.bool_]:
    """Whether each value of a column means yes, shape (n_rows,).

    Booleans, 1 and 0 in any type, and the words true, false, t, f, yes, no, y and n in any case; what is missing or
    empty means no. Raises ValueError naming the column and row of any other value.

    >>> read_flag(pd.Series(["Yes", "0", None], name="near")).tolist()
    [True, False, False]
    """
    missing = column.isna().to_numpy(dtype=bool)
    words = column.astype("object").where(~missing, "").map(str).str.strip().str.lower()
    flags = words.isin(TRUE).to_numpy(dtype=bool)
    wrong = np.flatnonzero(~(flags | words.isin(FALSE).to_numpy(dtype=bool)))
    if len(wrong):
        found = f"row {wrong[0]} is {column.iloc[wrong[0]]!r}"
        raise ValueError(f"column {column.name!r} must say true or false (or 1/0, yes/no), but {found}")
    return flags
