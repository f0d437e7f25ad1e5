"""What a study found, in words and beside the paper, read from its results."""

from collections.abc import Sequence

import pandas as pd

from macromicro.analyse import paper, readings
from macromicro.study.layout import Layout
from macromicro.study.settings import Study


def load_slopes(out: Layout) -> pd.DataFrame:
    """Slopes of the study, as `stats.fit_slopes` gives them."""
    return pd.read_parquet(out.results / "slopes.parquet")


def load_correlations(out: Layout) -> pd.DataFrame:
    """Correlations of the study's metrics with its scores, as `stats.correlate` gives them."""
    return pd.read_parquet(out.results / "correlations.parquet")


def headline(out: Layout, study: Study) -> str:
    """A paragraph per family: which slopes differ from zero."""
    return readings.describe_slopes(load_slopes(out), alpha=study.analyse.alpha)


def slopes_beside_paper(out: Layout) -> pd.DataFrame:
    """A row per strategy of every family: our slopes with intervals, and the paper's for each of its sizes."""
    ours = load_slopes(out)
    text = [
        row["note"]
        or f"{row['slope']:+.1f} ({row['low']:+.1f} to {row['high']:+.1f}){' *' if row['significant'] else ''}"
        for row in ours.to_dict("records")
    ]
    ours = _wide(ours.assign(value=text), "here, N={:,}")
    theirs = paper.load_slopes()
    theirs = _wide(theirs.assign(value=theirs["slope"].map("{:+.1f}".format)), "paper, N={:,}")
    return ours.join(theirs).fillna("").reset_index()


def agreement(out: Layout) -> str:
    """One sentence: for how many of the paper's strategies our slope has the sign of the paper's mean over sizes."""
    ours = _own(load_slopes(out)).groupby("strategy")["slope"].mean().dropna()
    theirs = paper.load_slopes().groupby("strategy")["slope"].mean()
    both = pd.DataFrame({"ours": ours, "theirs": theirs}).dropna()
    if both.empty:
        return "No strategy of this study is one of the paper's."
    same = int((both["ours"] * both["theirs"] > 0).sum())
    return f"The sign of the slope is the paper's for {same} of {len(both)} strategies (means over sizes)."


def correlations_beside_paper(out: Layout) -> pd.DataFrame:
    """A row per metric: Pearson's r with the score, for both parts, ours and the paper's."""
    tables = {"here": _own(load_correlations(out)), "paper": paper.load_correlations()}
    columns = {
        f"{part}, {name}": table[table["part"] == part].set_index("metric")["r"]
        for part in ("instruction", "response")
        for name, table in tables.items()
    }
    wide = pd.DataFrame(columns).reindex(tables["paper"]["metric"].unique())
    shown = wide.map(lambda r: "not defined" if pd.isna(r) else f"{r:+.2f}")
    return shown.rename_axis("metric").reset_index()


def best_metrics(out: Layout, part: str, n: int = 3) -> Sequence[str]:
    """The metrics of a part that follow the score most closely, strongest first, as text."""
    table = _own(load_correlations(out))
    known = table[(table["part"] == part) & table["r"].notna()]
    strongest = known.reindex(known["r"].abs().sort_values(ascending=False).index).head(n)
    return [f"{row['metric']} ({row['r']:+.2f})" for row in strongest.to_dict("records")]


def _own(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the paper's family, or where a study has none, of its first."""
    return table[table["family"] == paper.list_families(table)[0]]


def _wide(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """`value` with a row per family and strategy and a column per size."""
    sizes = {size: column.format(size) for size in sorted(set(table["size"]))}
    wide = table.set_index(["family", "strategy", "size"])["value"].unstack("size")  # noqa: PD010
    return wide.rename(columns=sizes)
