"""The papers' own numbers, as data with their source."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml


@cache
def reference() -> dict[str, Any]:
    """Everything in reference.yaml, by the name of the table."""
    return yaml.safe_load((Path(__file__).parent / "reference.yaml").read_text(encoding="utf-8"))


def dea_table1() -> pd.DataFrame:
    """Table 1 of the DEA paper; columns dataset, method, metric, mean, std."""
    table = reference()["dea_table1"]
    return pd.DataFrame(
        [
            {
                "dataset": row["dataset"],
                "method": row["method"],
                "metric": metric,
                "mean": row[metric][0],
                "std": row[metric][1],
            }
            for row in table["rows"]
            for metric in table["metrics"]
        ]
    )


def refinecam_table2() -> pd.DataFrame:
    """Table 2 of the ARCC paper, RefineCAM's ARCC by how it fuses; columns base, fuse, mean, std."""
    table = reference()["refinecam_table2"]
    return pd.DataFrame(
        [
            {"base": row["base"], "fuse": fuse, "mean": row[fuse][0], "std": row[fuse][1]}
            for row in table["rows"]
            for fuse in table["fuses"]
        ]
    )
