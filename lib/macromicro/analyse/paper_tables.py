"""The tests of the paper's points (`paper_tested`) as tables of text, small enough to read."""

import pandas as pd

from macromicro.analyse.paper_tested import find_ends


def tabulate_slopes(slopes: pd.DataFrame) -> pd.DataFrame:
    """The slopes as text, a row per line, and in words whether each is told from zero."""
    rows = []
    for row in slopes.to_dict("records"):
        said = "not told"
        if row["significant"]:
            said = "rises" if row["slope"] > 0 else "falls"
        rows.append(
            {
                "types": _whole(row["strategy"]),
                "N": f"{row['size']:,}",
                "slope": f"{row['slope']:+.2f}",
                "interval": _whole(f"{row['low']:+.2f} to {row['high']:+.2f}"),
                "p": _p(row["p"]),
                "Holm apart": _p(row["p_holm"]),
                "Holm all": _p(row["p_holm_all"]),
                "in words": said,
            }
        )
    return pd.DataFrame(rows)


def tabulate_differences(differences: pd.DataFrame) -> pd.DataFrame:
    """The differences of slopes as text, a row per pair of lines."""
    rows = [
        {
            "slope of": _whole(f"{row['strategy']} {row['size']:,}"),
            "less that of": _whole(f"{row['other']} {row['other_size']:,}"),
            "difference": f"{row['difference']:+.2f}",
            "interval": _whole(f"{row['low']:+.2f} to {row['high']:+.2f}"),
            "p": _p(row["p"]),
            "Holm": _p(row["p_holm"]),
            "seen": f"{row['smallest_seen']:.1f}",
        }
        for row in differences.to_dict("records")
    ]
    return pd.DataFrame(rows)


def tabulate_from_levels(free: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    """The slope without the first levels as text, with length free and with length held, a row per first level."""
    rows = [
        {
            "length": name,
            "levels": _whole(f"{row['first_level']:.0f} to 100 %"),
            "points": row["n"],
            "slope": f"{row['slope']:+.2f}",
            "interval": _whole(f"{row['low']:+.2f} to {row['high']:+.2f}"),
            "p": _p(row["p"]),
        }
        for name, table in (("free", free), ("held", held))
        for row in table.to_dict("records")
    ]
    return pd.DataFrame(rows)


def tabulate_ends(scores: pd.DataFrame) -> pd.DataFrame:
    """Score at the highest level and r of score and level as text, a row per strategy and a column per size."""
    most, r = find_ends(scores)
    shown = most.map("{:.1f}".format) + " (r = " + r.map("{:+.2f}".format) + ")"
    return shown.rename(columns="N = {:,}".format).rename_axis(columns=None).reset_index()


def _p(p: float) -> str:
    """A p-value as text."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1g}"


def _whole(text: str) -> str:
    """The text with blanks and hyphens at which no line breaks, so that a cell of a narrow table stays whole."""
    return text.replace(" ", "\N{NO-BREAK SPACE}").replace("-", "\N{NON-BREAKING HYPHEN}")
