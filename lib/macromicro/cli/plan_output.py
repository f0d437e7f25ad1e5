"""How a plan is printed for people."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

GIB = 2**30


def show_plan(found: Mapping[str, Any]) -> None:
    """Print the plan that `planning.print_plan` made: counts, memory and disk, time, and the checks in the end."""
    print(f"{found['study']}: " + ", ".join(f"{stage} x {n}" for stage, n in found["cells"].items()) + "\n")
    print(pd.DataFrame(found["models"]).to_string(index=False, formatters={"tokens": "{:,}".format}) + "\n")
    for name, value in found["counts"].items():
        print(f"{name}: {value:,}" if isinstance(value, int | float) else f"{name}: {value}")
    if "model" in found:
        model = found["model"]
        print(f"\nbase model: {model['source']}, {model['parameters']:,} parameters ({model['known']})")
        for name, value in found["room"].items():
            print(f"{name}: {value / GIB:,.2f} GiB")
    if "time" in found:
        print()
        for name, value in found["time"].items():
            shown = ", ".join(f"{key} {item:,}" for key, item in value.items()) if isinstance(value, dict) else value
            print(f"{name}: {shown}")
    print()
    for check in found["checks"]:
        way_out = "" if check["holds"] else f" -> {check['way_out']}"
        print(f"{'ok    ' if check['holds'] else 'CANNOT'} {check['rule']}: {check['found']}{way_out}")
