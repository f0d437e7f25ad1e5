"""What a study found, in words and beside the paper, read from its results."""

from collections.abc import Sequence

import pandas as pd

from macromicro.analyse import paper, readings
from macromicro.analyse.words import show_estimate
from macromicro.study.layout import Layout


def load_slopes(out: Layout) -> pd.DataFrame:
    """Slopes of the study, as `outcome.analyse_levels` gives them."""
    return pd.read_parquet(out.results / "slopes.parquet")


def load_decisions(out: Layout) -> pd.DataFrame:
    """Verdicts on the slopes of the study, as `outcome.analyse_levels` gives them."""
    return pd.read_parquet(out.results / "decisions.parquet")


def load_scores(out: Layout) -> pd.DataFrame:
    """Scores of the study's models, as `results.load_points` gives them."""
    return pd.read_parquet(out.results / "scores.parquet")


def load_untuned(out: Layout) -> pd.DataFrame:
    """Scores of the untuned base model, as `results.load_untuned` gives them."""
    return pd.read_parquet(out.results / "untuned.parquet")


def load_correlations(out: Layout) -> pd.DataFrame:
    """Correlations of the study's metrics with its scores, as `metric_correlations.correlate_families` gives them."""
    return pd.read_parquet(out.results / "correlations.parquet")


def has_slopes(out: Layout) -> bool:
    """Whether any strategy of the study has diversity levels."""
    return len(load_slopes(out)) > 0


def headline(out: Layout) -> str:
    """Every verdict on a slope: a line per family that counts them, then a sentence on each."""
    return readings.describe_decisions(load_decisions(out))


def verdict_on_claims(out: Layout) -> str:
    """The verdicts on the paper's two headline results, as a list, and for every family how many slopes have which."""
    decisions = load_decisions(out)
    found = [f"- {row['sentence']}" for name in paper.CLAIMED for row in _of_paper(decisions, name).to_dict("records")]
    said = "\n".join(found) or "The paper's two headline results are on strategies that this study does not have."
    return f"{said}\n\n{readings.count_decisions(decisions)}"


def in_plain_words(out: Layout) -> str:
    """How many prompts the most diverse models of the paper's two headline results win, and the random ones.

    Of every strategy the smallest size, which is that of the baseline, and of that the highest level; prompts of all
    seeds are added up. Where a study has neither strategy, it is told of the first of its strategies with levels; empty
    where there is none.
    """
    scores = load_scores(out)
    leveled = scores.dropna(subset=["level", "score"])
    claimed = [name for name in paper.CLAIMED if len(_of_paper(leveled, name))]
    tables = [_of_paper(leveled, name) for name in claimed]
    if not tables:
        tables = [leveled[leveled["strategy"] == name] for name in sorted(set(leveled["strategy"]))[:1]]
    return " ".join(map(_wins, tables))


def untuned(out: Layout) -> str:
    """A sentence on the base model as it is against the random baseline of the smallest size, or of each length band.

    Over several seeds the mean, with the lowest and the highest; of one seed the interval over prompts.
    """
    sentences = []
    for (baseline, size), seeds in load_untuned(out).groupby(["baseline", "baseline_size"], sort=True):
        low, high, over = seeds["low"].iloc[0], seeds["high"].iloc[0], "other prompts"
        if len(seeds) > 1:
            low, high, over = seeds["score"].min(), seeds["score"].max(), f"{len(seeds)} seeds"
        against = f"the random {baseline} (N = {size:,}), which scores 50 by definition"
        said = f"The base model without any fine-tuning scores {seeds['score'].mean():.1f}"
        sentences.append(f"{said} ({low:.1f} to {high:.1f} over {over}) against {against}.")
    return " ".join(sentences)


def coverage(out: Layout) -> str:
    """What the intervals of the slopes cover, in a sentence."""
    return readings.describe_cover(load_slopes(out))


def signs(out: Layout) -> str:
    """Where wins and mean margin disagree in sign, in words."""
    return readings.describe_signs(load_slopes(out), load_scores(out))


def _wins(models: pd.DataFrame) -> str:
    """A sentence on the prompts that the most diverse models of one strategy win."""
    smallest = models[models["size"] == models["size"].min()]
    most = smallest[smallest["level"] == smallest["level"].max()]
    row, seeds = most.iloc[0], len(most)
    wins, ties, losses = (int(most[f"n_{name}"].sum()) for name in ("wins", "ties", "losses"))
    asked = f"Of {wins + ties + losses:,} prompts" + (f" over {seeds} seeds" if seeds > 1 else "")
    tied = f", and {ties:,} {'is a tie' if ties == 1 else 'are ties'}" if ties else ""
    model = f"the most diverse model of {row['strategy']} (N = {row['size']:,}, {row['level']:.0f} %)"
    return f"{asked}, {model} wins {wins:,}, the random one {losses:,}{tied}."


def n_prompts(out: Layout) -> str:
    """How many prompts a model was scored on, as text; a range where models differ in it."""
    scores = load_scores(out)
    counts = scores[["n_wins", "n_ties", "n_losses"]].dropna().sum(axis=1).astype(int)
    ends = dict.fromkeys(f"{n:,}" for n in (counts.min(), counts.max()))
    return " to ".join(ends)


def slopes_beside_paper(out: Layout) -> pd.DataFrame:
    """A row per strategy of every family: our slopes with intervals, and the paper's for each of its sizes."""
    ours = load_slopes(out)
    text = [
        row["note"] if pd.isna(row["slope"]) else f"{show_estimate(row)}{' *' if row['significant'] else ''}"
        for row in ours.to_dict("records")
    ]
    ours = _wide(ours.assign(value=text), "here, N={:,}")
    theirs = paper.load_slopes()
    theirs = _wide(theirs.assign(value=theirs["slope"].map("{:+.1f}".format)), "paper, N={:,}")
    return ours.join(theirs).fillna("").reset_index()


def agreement(out: Layout) -> str:
    """For how many of the paper's strategies our slope has the sign of the paper's mean over sizes, and where not."""
    ours = _of_paper(load_slopes(out)).dropna(subset=["slope"]).groupby("strategy")["slope"].mean()
    theirs = paper.load_slopes().groupby("strategy")["slope"].mean()
    both = pd.DataFrame({"ours": ours, "theirs": theirs}).dropna().astype(float)
    if both.empty:
        return "No strategy of this study is one of the paper's."
    differs = set(both.index[both["ours"] * both["theirs"] <= 0])
    text = f"The sign of the slope is the paper's for {len(both) - len(differs)} of {len(both)} strategies"
    text += " (means over sizes)."
    if differs:
        one = len(differs) == 1
        named = " and ".join(sorted(differs))
        text += f" The {'one' if one else len(differs)} whose sign differs {'is' if one else 'are'} {named}"
        text += f"{_among_claims(differs)}."
    return text + " A sign is worth no more than the interval of its slope."


def _among_claims(differs: set[str]) -> str:
    """What the strategies whose sign differs are among the paper's headline results, as the end of a sentence."""
    claims = differs & set(paper.CLAIMED)
    if not claims:
        return ""
    both = len(claims) == len(paper.CLAIMED)
    words = "the paper's two headline results" if both else "one of the paper's two headline results"
    if claims == differs:
        return f": {words}"
    return f"; {'among them are' if both else 'among them is'} {words}"


def correlations_beside_paper(out: Layout) -> pd.DataFrame:
    """A row per metric: Pearson's r with the score, for both parts, ours and the paper's, a dash where it has none.

    The paper's metrics come first, then those that it does not have.
    """
    tables = {"here": _own(load_correlations(out)), "paper": paper.load_correlations()}
    columns = {
        f"{part}, {name}": table[table["part"] == part].set_index("metric")["r"]
        for part in ("instruction", "response")
        for name, table in tables.items()
    }
    metrics = dict.fromkeys([*tables["paper"]["metric"], *tables["here"]["metric"]])
    wide = pd.DataFrame(columns).reindex(list(metrics))
    missing = {name: "not defined" if str(name).endswith("here") else "–" for name in wide}
    shown = wide.map("{:+.2f}".format, na_action="ignore").astype(object).fillna(missing)
    return shown.rename_axis("metric").reset_index()


def best_metrics(out: Layout, part: str, n: int = 3) -> Sequence[str]:
    """The metrics of a part that follow the score most closely, strongest first, as text."""
    table = _own(load_correlations(out))
    known = table[(table["part"] == part) & table["r"].notna()]
    strongest = known.reindex(known["r"].abs().sort_values(ascending=False).index).head(n)
    return [f"{row['metric']} ({row['r']:+.2f})" for row in strongest.to_dict("records")]


def _of_paper(table: pd.DataFrame, strategy: str | None = None) -> pd.DataFrame:
    """The rows of the paper's family, or of one strategy of it."""
    ours = table[table["family"] == paper.FAMILY]
    return ours if strategy is None else ours[ours["strategy"] == strategy]


def _own(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the paper's family, or where a study has none, of its first."""
    return table[table["family"] == paper.list_families(table)[0]]


def _wide(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """`value` with a row per family and strategy and a column per size."""
    sizes = {size: column.format(size) for size in sorted(set(table["size"]))}
    wide = table.set_index(["family", "strategy", "size"])["value"].unstack("size")  # noqa: PD010
    return wide.rename(columns=sizes)
