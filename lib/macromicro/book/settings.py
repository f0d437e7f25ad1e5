"""The settings of a study as tables: what each is in this run, and what it would be by default."""

import json
from typing import Any

import pandas as pd
from pydantic import BaseModel

from macromicro.book.markdown import as_text
from macromicro.study.settings import OVERRIDDEN, Study


def tabulate_settings(study: Study) -> dict[str, tuple[str, pd.DataFrame]]:
    """For every section its description and a table: setting, value of this run, default."""
    plain = {name: value for name, value in study if name != "strategies" and not isinstance(value, BaseModel)}
    tables = {"The study": ("What stands above all sections.", _tabulate(plain, study))}
    about = "Each strategy, with what it sets differently from the sections below, and the baseline it is held against."
    tables["strategies"] = (about, tabulate_strategies(study))
    for name, section in study:
        if isinstance(section, BaseModel):
            about = " ".join((type(section).__doc__ or "").split())
            tables[name] = (about, _tabulate(dict(section), section))
    return tables


def tabulate_strategies(study: Study) -> pd.DataFrame:
    """A row per strategy: family, part, granularity, method, its own settings, baseline."""
    rows = []
    for name, given in study.strategies.items():
        own = [f"{section}.{key}: {_shown(value)}" for section in OVERRIDDEN
               for key, value in getattr(given, section).items()]  # fmt: skip
        rows.append(
            {
                "strategy": name,
                "family": given.family,
                "part": given.part,
                "types": given.granularity or "–",
                "method": given.method,
                "of its own": "; ".join(own) or "–",
                "baseline": study.strategy(name).baseline,
            }
        )
    return pd.DataFrame(rows)


def _tabulate(values: dict[str, Any], section: BaseModel) -> pd.DataFrame:
    fields = type(section).model_fields
    rows = []
    for key, value in values.items():
        default = (
            fields[key].get_default(call_default_factory=True) if not fields[key].is_required() else "(must be set)"
        )
        rows.append((f"`{key}`", _shown(value), "the same" if value == default else _shown(default)))
    return pd.DataFrame(rows, columns=["setting", "in this run", "default"])


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return as_text(text.strip("[]").replace('"', "") if isinstance(value, list) else text)
