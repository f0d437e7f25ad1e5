"""Verdicts on pairs of answers as files hold them: those of a study, and AlpacaEval's annotations.

All become one table, a row per verdict: `model` and `against`, whose answers were compared on `prompt_id`; `judge`;
`order`, at which place the answer of `model` was shown (1 or 2, missing where it is not known); `points`, 1 where it
won, 0.5 for a tie, 0 where it lost, missing where the judge gave no verdict; `length` and `length_against`, characters
of both answers, missing where unknown; `cluster`, what prompts belong together, by default the prompt itself.
"""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from macromicro.judge.score import POINTS

COLUMNS = ("model", "against", "judge", "prompt_id", "order", "points", "length", "length_against", "cluster")
ALPACA = ("instruction", "output_1", "output_2", "generator_1", "generator_2", "preference")
NUMBERS = ("order", "points", "length", "length_against")
KEY = ["model", "against", "judge", "prompt_id", "order"]


def read_verdicts(files: Sequence[str | Path], *, cluster: str | None = None) -> pd.DataFrame:
    """The verdicts of all files, as the table above, sorted.

    Parameters: files, Parquet as a study writes it (columns dataset, prompt_id, and verdict or points; optionally
    judge, order, baseline, length, length_baseline), or JSON as AlpacaEval does (a list of objects with `ALPACA`, in
    which `preference` runs from 1, the first is better, to 2); cluster, a column of the files, such as category.
    Raises ValueError, naming file and row, if a column or cluster is missing, an outcome unknown, or a verdict repeats.
    """
    table = pd.concat([_read_file(Path(file), cluster) for file in files], ignore_index=True)
    repeated = table.duplicated(KEY, keep=False)
    if repeated.any():
        row = table[repeated].iloc[0]
        raise ValueError(
            f"a judge may see a pair of answers once in an order, but {row['judge']} has {row['model']} against "
            f"{row['against']} twice on prompt {row['prompt_id']!r}"
        )
    return table.sort_values(KEY, ignore_index=True)[list(COLUMNS)]


def model_outputs(answers: pd.DataFrame, prompts: pd.DataFrame) -> list[dict[str, str]]:
    """Answers of one or several models as AlpacaEval's `model_outputs.json` holds them, by model and prompt.

    Parameters: answers, columns dataset, prompt_id, answer; prompts, columns id, instruction.
    Returns: objects with instruction, output, generator (the dataset) and dataset (always `macromicro`).
    Raises ValueError if an answer is to a prompt that is not there, or a model answered one twice.
    """
    texts = prompts.set_index("id")["instruction"]
    unknown = sorted(set(answers["prompt_id"]) - set(texts.index))
    if unknown:
        raise ValueError(f"every answer needs its prompt, but {len(unknown)} have none, such as {unknown[0]!r}")
    repeated = answers[answers.duplicated(["dataset", "prompt_id"])]
    if len(repeated):
        name, prompt = repeated[["dataset", "prompt_id"]].iloc[0]
        raise ValueError(f"a model answers a prompt once, but {name} answered {prompt!r} twice")
    ordered = answers.sort_values(["dataset", "prompt_id"])
    rows = zip(texts[ordered["prompt_id"]], ordered["answer"], ordered["dataset"], strict=True)
    return [
        {"instruction": prompt, "output": answer, "generator": name, "dataset": "macromicro"}
        for prompt, answer, name in rows
    ]


def _read_file(file: Path, cluster: str | None) -> pd.DataFrame:
    """The verdicts of one file."""
    if file.suffix == ".json":
        raw = _read_alpaca(file)
        read = _from_alpaca(raw, file)
    elif file.suffix == ".parquet":
        raw = pd.read_parquet(file)
        read = _from_study(raw, file)
    else:
        raise ValueError(f"{file.name}: verdicts must be .parquet (a study's) or .json (AlpacaEval's)")
    if not len(read):
        raise ValueError(f"{file.name}: holds no verdict")
    if cluster is not None and cluster not in raw:
        raise ValueError(
            f"{file.name}: has no column {cluster!r} to cluster by; it has {', '.join(map(str, raw.columns))}"
        )
    if cluster is not None and raw[cluster].isna().any():
        place = int(np.flatnonzero(raw[cluster].isna())[0])
        raise ValueError(f"{file.name}: every row needs a {cluster} to cluster by, but row {place + 1} has none")
    read["cluster"] = (read["prompt_id"] if cluster is None else raw[cluster]).astype(str)
    return read.astype(dict.fromkeys(NUMBERS, float))


def _read_alpaca(file: Path) -> pd.DataFrame:
    """A row per annotation of an AlpacaEval file."""
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file.name}: is no JSON: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{file.name}: AlpacaEval's annotations are a list of objects, but this is something else")
    return pd.DataFrame(rows)


def _from_alpaca(raw: pd.DataFrame, file: Path) -> pd.DataFrame:
    """AlpacaEval's annotations as verdicts on `generator_2`, which it calls the model, against `generator_1`."""
    _need(raw, ALPACA, file)
    preference = pd.to_numeric(raw["preference"], errors="coerce")
    wrong = raw["preference"].notna() & ~preference.between(1, 2)
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"{file.name}: preference must lie between 1 and 2, or be null where there is none, but annotation "
            f"{place + 1} has {raw['preference'].iloc[place]!r}"
        )
    annotators = raw["annotator"].astype(str) if "annotator" in raw else "annotator"
    return pd.DataFrame(
        {
            "model": raw["generator_2"].astype(str),
            "against": raw["generator_1"].astype(str),
            "judge": annotators,
            "prompt_id": raw["instruction"].map(_short),
            "order": np.nan,
            "points": preference - 1,
            "length": raw["output_2"].str.len(),
            "length_against": raw["output_1"].str.len(),
        }
    )


def _from_study(raw: pd.DataFrame, file: Path) -> pd.DataFrame:
    """A study's verdicts; the baseline is called so where the file does not name it."""
    _need(raw, ("dataset", "prompt_id", "points" if "points" in raw else "verdict"), file)
    points = _points(raw, file)
    return pd.DataFrame(
        {
            "model": raw["dataset"].astype(str),
            "against": raw["baseline"].astype(str) if "baseline" in raw else "baseline",
            "judge": raw["judge"].astype(str) if "judge" in raw else "judge",
            "prompt_id": raw["prompt_id"].astype(str),
            "order": raw.get("order", np.nan),
            "points": points,
            "length": raw.get("length", np.nan),
            "length_against": raw.get("length_baseline", np.nan),
        }
    )


def _points(raw: pd.DataFrame, file: Path) -> pd.Series:
    """Points of every verdict, missing where there is none."""
    given = raw["points"] if "points" in raw else raw["verdict"].map(POINTS)
    known = raw["points" if "points" in raw else "verdict"].notna()
    wrong = known & ~pd.to_numeric(given, errors="coerce").isin(POINTS.values())
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        value = raw["points" if "points" in raw else "verdict"].iloc[place]
        allowed = "1, 0.5 or 0" if "points" in raw else ", ".join(POINTS)
        raise ValueError(f"{file.name}: a verdict must be {allowed}, or null, but row {place + 1} has {value}")
    return pd.to_numeric(given)


def _need(raw: pd.DataFrame, columns: Sequence[str], file: Path) -> None:
    missing = [column for column in columns if column not in raw]
    if missing:
        raise ValueError(f"{file.name}: lacks {', '.join(missing)} of {', '.join(columns)}")


def _short(text: Any) -> str:
    """A name for an instruction: the first 16 hexadecimal digits of its SHA-256."""
    return sha256(str(text).encode()).hexdigest()[:16]
