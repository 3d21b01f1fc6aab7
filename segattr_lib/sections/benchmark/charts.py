"""Pictures of what each run says: ranks, trade-offs, curves over k, and a dot a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segattr_lib.attribution import method_key
from segattr_lib.inference.paired import keyed
from segattr_lib.metrics import metric_key
from segattr_lib.report.charts import MARKS, legend_below, line_style
from segattr_lib.report.labels import key_label, metric_label
from segattr_lib.report.style import STYLE, method_colours
from segattr_lib.sections.benchmark.per_run import by_run, centre, of_one_setting


def rank_heatmap(ranks: pd.DataFrame) -> Figure:
    """Ranks of methods by their keys (rows) under metrics (columns), 1 the best; see per_run.ranking."""
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(0.85 * len(ranks.columns) + 2, 0.36 * len(ranks) + 1.3))
        shown = ranks.rename(index=key_label, columns=ranked_label).astype(float)
        sns.heatmap(shown, annot=True, fmt=".0f", cmap="crest", cbar=False, linewidths=1, ax=axes)
        axes.set(xlabel="", ylabel="")
        axes.tick_params(axis="x", rotation=35, length=0)
        axes.tick_params(axis="y", rotation=0, length=0)
        plt.setp(axes.get_xticklabels(), ha="right")
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def trade_off(runs: pd.DataFrame, against: Sequence[str], metric: str = "tdd", column: str = "mean") -> Figure:
    """One metric against others: a point a run, a large one with its name for the mean over runs; variants of a method
    share its colour and differ in their marks."""
    table = _wide(runs, [metric, *against], column)
    keys = list(dict.fromkeys(table.index.get_level_values("key")))
    looks = _looks(keys)
    with mpl.rc_context(STYLE):
        figure, panels = plt.subplots(1, len(against), figsize=(2.9 * len(against), 3.2), sharey=True, squeeze=False)
        for axes, other in zip(panels[0], against, strict=True):
            for key in keys:
                points, (colour, mark, _) = table.xs(key, level="key"), looks[key]
                axes.scatter(points[other], points[metric], s=14, alpha=0.55, color=colour, marker=mark, linewidth=0)
                large: Any = {"s": 80, "color": colour, "marker": mark, "edgecolor": "black", "linewidth": 0.8}
                axes.scatter(points[other].mean(), points[metric].mean(), **large, label=key_label(key))
            axes.set(xlabel=ranked_label(other))
            if other in ("seconds", "passes"):
                axes.set_xscale("symlog", linthresh=1e-3 if other == "seconds" else 1)
        panels[0][0].set(ylabel=ranked_label(metric))
        legend_below(figure, panels[0][0])
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def curves(runs: pd.DataFrame, metrics: Sequence[str], column: str = "mean") -> Figure:
    """Metrics over the fraction k, mean over runs, the band their standard deviation; variants of a method share its
    colour and differ in their marks. Raises UserError for values of several data sets or evaluation fills."""
    rows = keyed(runs[runs["k"].notna() & runs["metric"].isin(list(metrics))])
    for _, at_k in rows.groupby("k"):
        of_one_setting(at_k)
    looks = _looks(list(rows["key"].unique()))
    with mpl.rc_context(STYLE):
        figure, panels = plt.subplots(1, len(metrics), figsize=(2.9 * len(metrics), 3), squeeze=False)
        for axes, metric in zip(panels[0], metrics, strict=True):
            table = rows[rows["metric"] == metric].groupby(["key", "k"])[centre(metric, column)].agg(["mean", "std"])
            for key, (colour, mark, variants) in looks.items():
                line = table[table.index.get_level_values("key") == key].droplevel("key").sort_index()
                style: Any = {"color": colour, "marker": mark if variants > 1 else None, "markersize": 4}
                axes.plot(line.index, line["mean"], line_style(key), **style, label=key_label(key))
                spread = line["std"].fillna(0)
                band = (line["mean"] - spread, line["mean"] + spread)
                axes.fill_between(line.index, *band, color=colour, alpha=0.1, linewidth=0)
            axes.set(xlabel="fraction k", ylabel=ranked_label(metric))
            _hold_methods(axes, table)
        legend_below(figure, panels[0][0])
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def _hold_methods(axes: Axes, table: pd.DataFrame) -> None:
    """An axis that holds the methods' lines and bands, whatever a control makes of a ratio: what lies further off than
    they reach is cut. table: index key and k, columns mean and std."""
    controls = [method_key(key).entry.family == "control" for key in table.index.get_level_values("key")]
    methods = table[~np.array(controls, bool)]
    spread = methods["std"].fillna(0)
    low, high = (methods["mean"] - spread).min(), (methods["mean"] + spread).max()
    if np.isfinite([low, high]).all() and high > low:
        reach = high - low
        bottom, top = axes.get_ylim()
        axes.set_ylim(max(bottom, low - reach), min(top, high + reach))


def dot_plot(runs: pd.DataFrame, metrics: Sequence[str], column: str = "mean") -> Figure:
    """Metrics side by side: a dot a run, a bar for the mean over runs; methods with their options as rows."""
    table = _wide(runs, metrics, column)
    keys = list(dict.fromkeys(table.index.get_level_values("key")))
    looks = _looks(keys)
    with mpl.rc_context(STYLE):
        size = (2.4 * len(metrics) + 1.2, 0.32 * len(keys) + 1.1)
        figure, panels = plt.subplots(1, len(metrics), figsize=size, sharey=True, squeeze=False)
        for axes, metric in zip(panels[0], metrics, strict=True):
            for place, key in enumerate(keys):
                points = table.xs(key, level="key")[metric].dropna()
                axes.scatter(points, [place] * len(points), s=22, color=looks[key][0], alpha=0.7, linewidth=0)
                axes.plot([points.mean()] * 2, [place - 0.32, place + 0.32], color="black", linewidth=1.6)
            axes.axvline(0, color="0.7", linewidth=0.8, zorder=0)
            axes.set(xlabel=ranked_label(metric), yticks=range(len(keys)))
            axes.set_yticklabels([key_label(key) for key in keys])
        panels[0][0].invert_yaxis()
        figure.tight_layout()
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def _wide(runs: pd.DataFrame, metrics: Sequence[str], column: str) -> pd.DataFrame:
    """One row a run and key in the order of the rows, one column a metric, of what methods are ranked by."""
    values = {
        metric: by_run(runs, metric, centre(metric, column))
        .melt(ignore_index=False, var_name="key")
        .set_index("key", append=True)["value"]
        for metric in metrics
    }
    order = keyed(runs[runs["metric"].isin(list(metrics))])[["run_id", "key"]].drop_duplicates()
    return pd.DataFrame(values).reindex(pd.MultiIndex.from_frame(order))


def _looks(keys: Sequence[str]) -> dict[str, tuple[tuple[float, ...], str, int]]:
    """By key: the method's colour, a mark of its own among the method's variants, and how many these are."""
    names = [method_key(key).name for key in keys]
    colours = method_colours(list(dict.fromkeys(names)))
    places = [names[:place].count(name) for place, name in enumerate(names)]
    marks = [MARKS[place % len(MARKS)] for place in places]
    return {key: (colours[name], mark, names.count(name)) for key, name, mark in zip(keys, names, marks, strict=True)}


def ranked_label(metric: str) -> str:
    """A metric's label, and what methods are ranked by where that is not the mean."""
    by = metric_key(metric).entry.ranked_by
    return metric_label(metric) + ("" if by == "mean" else f", {by}")
