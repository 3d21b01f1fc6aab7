"""The page "What it costs": a recorded bench of methods, metrics and a whole benchmark beside other packages."""

from __future__ import annotations

from typing import Any

import pandas as pd

from segattr_lib.report.tables import power_of_ten
from segattr_lib.sections.costs.figures import growth_plot, ratios_plot
from segattr_lib.sections.costs.records import Runs, Settings, efficiency, grown, named, read, run
from segattr_lib.sections.costs.tables import (
    machine_table,
    methods_table,
    metrics_table,
    slower_table,
    starting_table,
    whole_table,
)

CLAIMS: tuple[str, ...] = ()
NEAR = 1.1  # times its bound, up to which a row wastes nothing that matters

__all__ = [
    "CLAIMS",
    "Runs",
    "Settings",
    "facts",
    "growth_plot",
    "machine_table",
    "methods_table",
    "metrics_table",
    "ratios_plot",
    "read",
    "run",
    "slower_table",
    "starting_table",
    "whole_table",
]


def facts(runs: Runs) -> dict[str, Any]:
    """All that the page's prose quotes, as it is printed: of a machine what it is, of times their ratios alone."""
    rows, about = runs.rows, runs.machine
    beside = rows[rows["ratio"].notna()]
    slower, above = beside[beside["ratio"] > 1], rows[rows["to_bound"] > NEAR]
    single, several = beside[beside["images"] == 1], beside[beside["images"] > 1]
    whole = rows[rows["group"] == "whole"].set_index("name")
    refused = runs.starting[runs.starting["kind"] == "refusal"]
    bounded = rows["to_bound"].notna()
    return {
        "cpu": about["cpu"],
        "cores": about["cores"],
        "threads": about["threads"],
        "date": about["date"].partition("T")[0],
        "repeats": about["repeats"],
        "load_before": f"{about['load_before']:.1f}",
        "load_after": f"{about['load_after']:.1f}",
        "engine": about["engine"],
        "rows": len(beside),
        "slower": len(slower),
        "slower_names": listed(slower),
        "bounded": int(bounded.sum()),
        "above": len(above),
        "near": f"{NEAR:g}",
        "whole": times(whole.loc["whole", "ratio"]),
        "whole_adaptive": times(whole.loc["whole_adaptive", "ratio"]),
        "whole_coarse": times(whole.loc["whole_coarse", "ratio"]),
        "whole_to_needed": f"{whole.loc['whole', 'passes'] / whole.loc['whole', 'needed']:.3f}",
        "whole_to_bound": f"{whole.loc['whole', 'to_bound']:.2f}",
        "single": f"{single['ratio'].median():.2f}",
        "several": f"{several['ratio'].median():.2f}",
        **{f"ratio_{name}": f"{worst(beside, name, 'ratio'):.2f}" for name in ("ria", "road", "arcc", "scorecam")},
        "ria_to_bound": f"{worst(rows, 'ria', 'to_bound'):.2f}",
        "refinecam": f"{rows.loc[rows['name'] == 'refinecam', 'to_itself'].max():.2f}",
        "difference": power_of_ten(rows["difference"].max(), 1),
        "compared": int(rows["difference"].notna().sum()),
        "memory": f"{grown(runs.growth, 'images', 'megabytes'):.2f}",
        "more_images": f"{grown(runs.growth, 'images', 'value'):,.0f}",
        "time_images": f"{grown(runs.growth, 'images', 'minimum'):,.0f}",
        "time_workers": f"{grown(runs.growth, 'workers', 'minimum'):.2f}",
        "efficiency": f"{efficiency(runs.growth):.2f}",
        "refusals": len(refused),
        "refusal": f"{refused['user'].max() / refused['promised'].max():.2f}",
        "broken": int((~runs.starting["kept"].astype(bool)).sum()),
    }


def times(ratio: float) -> str:
    """How many times faster, of a ratio of times."""
    return f"{1 / ratio:.1f}"


def worst(rows: pd.DataFrame, name: str, column: str) -> float:
    """The largest value of a column among the rows of a name."""
    return float(rows.loc[rows["name"] == name, column].max())


def listed(rows: pd.DataFrame) -> str:
    """The names of some rows, each once, in a sentence; "none" of no rows."""
    names = list(dict.fromkeys(named(name) for name in rows["name"]))
    return ", ".join(names) if names else "none"
