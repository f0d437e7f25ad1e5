"""A study computed here, as a whole or in part, against the numbers that are kept of it.

`python benchmarks/kept.py reference`, after `make report PRESET=reference CORPUS=...` or a part of it (as in
`SNAKEMAKE="--nocolor outputs/reference/stamps/7_judge/response-micro/s0"`): whether datasets are the same samples, and
how far scores differ. Bound: same datasets; scores equal on the same kind of processor, within 2 points on another.
"""

import argparse

import pandas as pd
from macromicro.study import params

WITHIN = 2.0


def compare(preset: str) -> pd.DataFrame:
    """A row per strategy and seed that is kept and judged here: datasets, those of the same samples, scores."""
    study = params.load(preset, check_corpus=False)
    out = study.out
    chosen, scores = (pd.read_parquet(out.kept / f"{kind}.parquet") for kind in ("datasets", "scores"))
    rows = []
    for (name, seed), own in scores[scores["judge"] == study.judge.headline].groupby(["strategy", "seed"]):
        path = out.scores(name, seed)
        if not path.is_file():
            continue
        here = pd.read_parquet(path).query("judge == @study.judge.headline").set_index("dataset")["score"]
        apart = (here - own.set_index("dataset")["score"]).abs()
        kept = chosen[(chosen["strategy"] == name) & (chosen["seed"] == seed)].groupby("dataset")["id"].agg(sorted)
        same = [
            sorted(pd.read_parquet(out.dataset(name, one), columns=["id"])["id"]) == ids for one, ids in kept.items()
        ]
        rows.append((name, seed, len(same), sum(same), len(apart), apart.max()))
    columns = ["strategy", "seed", "datasets", "same samples", "scores", "largest difference"]
    return pd.DataFrame(rows, columns=columns)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", nargs="?", default="reference")
    table = compare(parser.parse_args().preset)
    print(table.to_string(index=False))
    fine = (table["datasets"] == table["same samples"]) & (table["largest difference"] <= WITHIN)
    print(f"{fine.sum()} of {len(table)} hold the bound" if len(table) else "nothing that is kept was computed here")
