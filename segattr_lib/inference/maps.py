"""A run's maps as a table: a row a map, a column a metric. What metrics of maps are held against a truth on."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from segattr_lib.inference.paired import paired
from segattr_lib.metrics import metric_key

PAPER = ("average_drop", "complexity", "coherency", "adcc", "road", "arcc")  # of the ARCC paper, in its order
TRUTH = "cosine"  # likeness of a map and the shape that it should lie on


def maps_table(rows: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """A run's maps: a row a model, sample_id and method ("name(options)"), a column a metric, averaged over seeds.

    rows: of store.read_samples. A value that does not exist is NaN. Raises UserError for a metric without rows.
    """
    columns = {
        metric: paired(rows, metric, by_model=True)
        .droplevel("dataset")
        .melt(ignore_index=False, var_name="method")
        .set_index("method", append=True)["value"]
        for metric in metrics
    }
    return pd.DataFrame(columns)


def truth_known(maps: pd.DataFrame, truth: str = TRUTH) -> bool:
    """Does any of the maps have a value of the truth? Without one nothing can be held against it."""
    return bool(maps[truth].notna().any())


def by_image(maps: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric's values, images as rows and methods as columns: means over the models that have one."""
    values = maps.reset_index().pivot_table(
        index="sample_id", columns="method", values=metric, dropna=False, sort=False, observed=True
    )
    return values.reindex(columns=maps.index.unique("method"))


def directed(maps: pd.DataFrame) -> pd.DataFrame:
    """The metrics of PAPER, signed so that higher is better."""
    return pd.DataFrame({name: maps[name] * metric_key(name).entry.direction for name in PAPER})
