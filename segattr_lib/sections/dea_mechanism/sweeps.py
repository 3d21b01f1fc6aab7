"""What alpha, beta, the grid, the explained scalar and the layer change: settings swept over the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from segattr_lib.attribution import method_key
from segattr_lib.benchmark.group import scalar_of
from segattr_lib.benchmark.settings import Settings
from segattr_lib.inference import intervals as intervals_
from segattr_lib.inference.comparison import compare
from segattr_lib.inference.paired import paired
from segattr_lib.report.labels import method_label, metric_label
from segattr_lib.report.tables import interval, interval_texts, number

GRADIENTS = ("gpa", "ega", "dea")  # the methods that take a gradient at a layer
SIGNS = {"alpha": "α", "beta": "β", "grid": "cells a side"}


def one_at_a_time(
    run: Settings, alphas: Sequence[float | int], betas: Sequence[float | int], grids: Sequence[int]
) -> pd.DataFrame:
    """Settings of DEA that differ from the run's own in one of alpha, beta and grid, and the run's own of each.

    Columns option, value, method, key (as inference.paired names it) and written (as `methods` takes it). Settings of
    one map are one method, so that it is measured once: alpha 0 is RIA, and the run's own is plain `dea`. In a run of
    these methods A_g costs 3 passes and A_r grid^2 + 1 passes a grid, whatever the number of alphas and betas.
    """
    values = {"alpha": alphas, "beta": betas, "grid": grids}
    settings = [
        {"option": option, "value": value}
        for option, others in values.items()
        for value in sorted({getattr(run, option), *others})
    ]
    return _points([_written(run, setting["option"], setting["value"]) for setting in settings], settings)


def over_layers(layers: Sequence[str], own: str, methods: Sequence[str] = GRADIENTS) -> pd.DataFrame:
    """Methods at each of the layers; columns layer, method, key and written. At the layer `own`, the one a run
    explains, they are the plain methods."""
    settings = [{"layer": layer} for _ in methods for layer in layers]
    texts = [name if layer == own else f"{name}(layer={layer!r})" for name in methods for layer in layers]
    return _points(texts, settings)


def over_scalars(run: Settings, methods: Sequence[str] = GRADIENTS) -> pd.DataFrame:
    """Methods with the gradient of the probability and of the logit; columns scalar, method, key and written."""
    settings = [{"scalar": scalar} for _ in methods for scalar in ("probability", "logit")]
    texts = [
        name if scalar == scalar_of(run, classifies=False) else f"{name}(scalar={scalar})"
        for name in methods
        for scalar in ("probability", "logit")
    ]
    return _points(texts, settings)


def _points(written: Sequence[str], settings: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Settings and the methods that have them: the settings' own columns, then method, key and written."""
    rows = []
    for text, setting in zip(written, settings, strict=True):
        method = method_key(text)
        rows.append({**setting, "method": method.name, "key": method.text, "written": text})
    return pd.DataFrame(rows)


def means(
    points: pd.DataFrame, samples: pd.DataFrame, metrics: Sequence[str], level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """The mean over samples at every point of a sweep, with its interval.

    points: as one_at_a_time, over_layers and over_scalars give them. samples: of one run, as store.read_samples
    gives them. Columns: those of points, metric, mean, low, high and n; one row a metric and point.
    """
    tables = []
    for metric in metrics:
        values = paired(samples, metric)[list(dict.fromkeys(points["key"]))]
        of_key = intervals_.means(values, level, seed).set_index("method")
        of_point = of_key.loc[points["key"], ["mean", "low", "high", "n"]].set_axis(points.index)
        tables.append(pd.concat([points.assign(metric=metric), of_point], axis=1))
    return pd.concat(tables, ignore_index=True)


def differences(
    points: pd.DataFrame,
    samples: pd.DataFrame,
    metrics: Sequence[str],
    over: str | None = "ega",
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Every point of a sweep against one method on the same images, as inference.compare has it.

    over: the method's key; None takes the point's own method as the run has it. A point that is `over`
    itself is left out, settings of one map are one test, and Holm's correction is over the tests of a
    metric. Columns: those of points, then those of compare; one row a metric and point.
    """
    tested = points.assign(over=points["method"] if over is None else over)
    tested = tested[tested["key"] != tested["over"]]
    pairs = list(dict.fromkeys(zip(tested["key"], tested["over"], strict=True)))
    tables = []
    for metric in metrics:
        compared = compare(paired(samples, metric), pairs, metric, level, seed).rename(columns={"method": "key"})
        tables.append(tested.merge(compared, on=["key", "over"], how="left"))
    return pd.concat(tables, ignore_index=True)


def option_table(table: pd.DataFrame) -> pd.DataFrame:
    """DEA minus EGA for every setting: the mean difference with its interval, the share of images that gain, and p.

    table: as `differences` gives it, of one_at_a_time.
    """
    rows: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for row in table.to_dict("records"):
        line = rows.setdefault((SIGNS[row["option"]], f"{row['value']:g}"), {})
        label = metric_label(str(row["metric"]))
        line[label, "DEA − EGA"] = interval(row["difference"], row["low"], row["high"], n=row["n"])
        line[label, "wins"] = f"{row['win_rate']:.0%}"
        line[label, "p (Holm)"] = number(row["sign_flip_holm"])
    shown = pd.DataFrame.from_dict(rows, orient="index")
    return shown.set_axis(pd.MultiIndex.from_tuples(shown.columns), axis=1)


def scalar_table(means: pd.DataFrame, differences: pd.DataFrame) -> pd.DataFrame:
    """Each method under each scalar: every metric's mean with its interval, and the change in TDD from the
    method as the run has it.

    means, differences: as the functions of these names give them, of over_scalars.
    """
    keys = ["method", "scalar"]
    texts = means.assign(text=interval_texts(means, "mean"))
    table = texts.pivot_table(index=keys, columns="metric", values="text", aggfunc="first", sort=False)
    table = table.rename(columns=metric_label)
    for metric, rows in differences.set_index(keys).groupby("metric", sort=False):
        changes = interval_texts(rows, "difference").reindex(table.index).fillna("")
        table[f"change in {metric_label(str(metric))}"] = changes
    table.index = pd.MultiIndex.from_tuples([(method_label(method), scalar) for method, scalar in table.index])
    return table.rename_axis(columns=None)


def _written(run: Settings, option: str, value: float | int) -> str:
    """The shortest method text of DEA at another value of one of its options."""
    if value == getattr(run, option):
        return "dea"
    return "ria" if option == "alpha" and value == 0 else f"dea({option}={value:g})"
