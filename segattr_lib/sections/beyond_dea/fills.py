"""Does RIA lead because it is judged by its own operator? Each fill makes maps, and each judges them."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from segattr_lib.benchmark.statistics import at, plain
from segattr_lib.inference.intervals import means, studentised_interval
from segattr_lib.inference.paired import fill_made_with
from segattr_lib.report import charts, tables
from segattr_lib.report.labels import fill_label
from segattr_lib.sections.beyond_dea.runs import Runs
from segattr_lib.sections.beyond_dea.settings import Settings


def cross_table(rows: pd.DataFrame, metric: str, k: float) -> pd.DataFrame:
    """Mean of a metric by the fill that made the map (rows) and the fill that judged it (columns)."""
    values = _of_metric(rows, metric, k)
    made = fill_made_with(values)
    return values.assign(made=made).pivot_table(index="made", columns="fill", values="value", sort=False)


def own_operator(rows: pd.DataFrame, metric: str, k: float) -> pd.Series:
    """What a map gains by being judged with the fill that made it, over maps made with other fills under that
    judge: one value an image, the mean over the fills."""
    values = _of_metric(rows, metric, k)
    values = values.assign(own=fill_made_with(values) == values["fill"])
    sides = values.pivot_table(index=["sample_id", "fill"], columns="own", values="value", sort=False)
    return (sides[True] - sides[False]).groupby("sample_id", sort=False).mean()


def operator_agreement(rows: pd.DataFrame, metric: str, k: float, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Do two fills order the methods of an image alike? A row a pair of fills, for a metric judged by both.

    spearman, low, high: mean over images of the rank correlation of the methods within an image; n: the images that
    have it, with three methods or more that are not all equal. pooled: Spearman's over all images and methods at once,
    which is high already where both fills find the same images hard.
    """
    values = _of_metric(rows, metric, k)
    wide = values.pivot_table(index=["sample_id", "method", "variant"], columns="fill", values="value", sort=False)
    pairs = []
    for fill, other in combinations(wide.columns, 2):
        both = wide[[fill, other]].dropna()
        ranks_of = both.groupby(level="sample_id", sort=False)
        alike = ranks_of.corr(method="spearman").xs(fill, level=1)[other][ranks_of.size() > 2]
        (mean,) = means(alike.to_frame(), level, seed)[["mean", "low", "high", "n"]].to_numpy()
        pairs.append((fill, other, *mean, both.corr(method="spearman").loc[fill, other]))
    return pd.DataFrame(pairs, columns=["fill", "other", "spearman", "low", "high", "n", "pooled"]).astype({"n": int})


def cross_heat(settings: Settings, runs: Runs) -> Figure:
    """RIA's mean TDD by the fill that made the map and the fill that judged it."""
    table = cross_table(runs.rows["cross"], "tdd", settings.k)
    table = table.rename(index=fill_label, columns=fill_label)
    return charts.heat_table(table, "the map was made with", "and judged with")


def agreement_table(settings: Settings, runs: Runs) -> pd.DataFrame:
    """How every two fills agree on the order of maps, within an image and pooled over all."""
    rows = operator_agreement(runs.rows["cross"], "tdd", settings.k, settings.level, settings.seed)
    ends = rows[["spearman", "low", "high"]].to_numpy()
    within = [tables.interval(mean, low, high, digits=2) for mean, low, high in ends]
    pooled = rows["pooled"].map("{:.2f}".format)
    shown = pd.DataFrame({"within an image": within, "pooled": pooled, "n": rows["n"]})
    return shown.set_index(rows["fill"].map(fill_label) + " and " + rows["other"].map(fill_label)).rename_axis(None)


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """What a map gains under its own operator, and on how many images."""
    own = own_operator(runs.rows["cross"], "tdd", settings.k)
    ends = studentised_interval(own.to_numpy(), settings.level, settings.seed)
    return {"own": tables.interval(own.mean(), *ends), "own_n": len(own)}


def _of_metric(rows: pd.DataFrame, metric: str, k: float) -> pd.DataFrame:
    return at(plain(rows)[plain(rows)["metric"] == metric], k)
