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


def wsss_table2() -> pd.DataFrame:
    """Table 2 of the poster on explainers as prompts; columns method, column (1 to 3), metric, value.

    The fusion is "weighted", miou the IoU after the segmenter. Which data a column is of, the text does not tell.
    """
    table = reference()["wsss_table2"]
    return pd.DataFrame(
        [
            {"method": row["method"], "column": column, "metric": metric, "value": value}
            for row in table["rows"]
            for column in table["inferred"]
            for metric, value in zip(table["metrics"], row[column], strict=True)
        ]
    )
