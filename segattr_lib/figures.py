"""Tables and maps to figures, in one style: methods keep their colour, a metric says which way is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from segattr_lib.attribution import METHODS, load_method
from segattr_lib.metrics import load_metric

FAMILIES = {"gradient": "Blues", "intervention": "Oranges", "fusion": "Greens", "own": "Purples", "control": "Greys"}
STYLE: Any = {
    "figure.dpi": 110,
    "savefig.bbox": "tight",
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "font.size": 10,
    "legend.frameon": False,
}
ARROWS = {1: " ↑", -1: " ↓", 0: ""}


def metric_label(metric: str) -> str:
    """A metric's name with the direction in which it is better."""
    found = load_metric(metric)
    return found.label + ARROWS[found.direction]


def method_label(method: str, variant: str = "") -> str:
    """A method's name, with its pinned options where it has any."""
    return load_method(method).label + (f" ({variant})" if variant else "")


def method_colours(methods: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """A colour for every method, of its family's hue; the same for a registered method in every figure."""
    colours: dict[str, tuple[float, ...]] = {}
    everyone = list(dict.fromkeys([*METHODS, *methods]))
    for family, hue in FAMILIES.items():
        members = [name for name in everyone if load_method(name).family == family]
        shades = mpl.colormaps[hue](np.linspace(0.85, 0.4, max(len(members), 2)))
        colours |= {name: tuple(shade) for name, shade in zip(members, shades, strict=False)}
    return {name: colours[name] for name in methods}


def rank_heatmap(ranks: pd.DataFrame) -> Figure:
    """Ranks of methods (rows) under metrics (columns), 1 the best; see statistics.ranking."""
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(0.85 * len(ranks.columns) + 2, 0.36 * len(ranks) + 1.3))
        shown = ranks.rename(index=method_label, columns=metric_label).astype(float)
        sns.heatmap(shown, annot=True, fmt=".0f", cmap="crest", cbar=False, linewidths=1, ax=axes)
        axes.set(xlabel="", ylabel="")
        axes.tick_params(axis="x", rotation=35, length=0)
        axes.tick_params(axis="y", rotation=0, length=0)
        plt.setp(axes.get_xticklabels(), ha="right")
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def trade_off(runs: pd.DataFrame, against: Sequence[str], metric: str = "tdd", column: str = "mean") -> Figure:
    """One metric against others: a point a run, a large one with its name for the mean over runs."""
    table = _wide(runs, [metric, *against], column)
    methods = list(dict.fromkeys(table.index.get_level_values("method")))
    colours = method_colours(methods)
    with mpl.rc_context(STYLE):
        figure, panels = plt.subplots(1, len(against), figsize=(2.9 * len(against), 3.2), sharey=True, squeeze=False)
        for axes, other in zip(panels[0], against, strict=True):
            for method in methods:
                points = table.xs(method, level="method")
                axes.scatter(points[other], points[metric], s=14, alpha=0.55, color=colours[method], linewidth=0)
                x, y = points[other].mean(), points[metric].mean()
                axes.scatter(
                    x, y, s=80, color=colours[method], edgecolor="black", linewidth=0.8, label=method_label(method)
                )
            axes.set(xlabel=metric_label(other))
            if other in ("seconds", "passes"):
                axes.set_xscale("symlog", linthresh=1e-3 if other == "seconds" else 1)
        panels[0][0].set(ylabel=metric_label(metric))
        _legend_below(figure, panels[0][0])
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def curves(runs: pd.DataFrame, metrics: Sequence[str], column: str = "mean") -> Figure:
    """Metrics over the fraction k, mean over runs, the band their standard deviation."""
    rows = runs[runs["k"].notna() & (runs["variant"] == "")]
    methods = list(dict.fromkeys(rows["method"]))
    colours = method_colours(methods)
    with mpl.rc_context(STYLE):
        figure, panels = plt.subplots(1, len(metrics), figsize=(2.9 * len(metrics), 3), squeeze=False)
        for axes, metric in zip(panels[0], metrics, strict=True):
            table = rows[rows["metric"] == metric].groupby(["method", "k"])[column].agg(["mean", "std"])
            for method in methods:
                line = table.loc[method].sort_index()
                dashes = "--" if load_method(method).family == "control" else "-"
                axes.plot(line.index, line["mean"], dashes, color=colours[method], label=method_label(method))
                spread = line["std"].fillna(0)
                band = (line["mean"] - spread, line["mean"] + spread)
                axes.fill_between(line.index, *band, color=colours[method], alpha=0.1, linewidth=0)
            axes.set(xlabel="fraction k", ylabel=metric_label(metric))
        _legend_below(figure, panels[0][0])
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def dot_plot(runs: pd.DataFrame, metrics: Sequence[str], column: str = "mean") -> Figure:
    """Metrics side by side: a dot a run, a bar for the mean over runs; methods as rows."""
    table = _wide(runs, metrics, column)
    methods = list(dict.fromkeys(table.index.get_level_values("method")))
    colours = method_colours(methods)
    with mpl.rc_context(STYLE):
        size = (2.4 * len(metrics) + 1.2, 0.32 * len(methods) + 1.1)
        figure, panels = plt.subplots(1, len(metrics), figsize=size, sharey=True, squeeze=False)
        for axes, metric in zip(panels[0], metrics, strict=True):
            for place, method in enumerate(methods):
                points = table.xs(method, level="method")[metric].dropna()
                axes.scatter(points, [place] * len(points), s=22, color=colours[method], alpha=0.7, linewidth=0)
                axes.plot([points.mean()] * 2, [place - 0.32, place + 0.32], color="black", linewidth=1.6)
            axes.axvline(0, color="0.7", linewidth=0.8, zorder=0)
            axes.set(xlabel=metric_label(metric), yticks=range(len(methods)))
            axes.set_yticklabels([method_label(method) for method in methods])
        panels[0][0].invert_yaxis()
        figure.tight_layout()
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def gallery(
    images: Sequence[Tensor], masks: Sequence[Tensor], maps: Mapping[str, Sequence[Tensor]], titles: Sequence[str]
) -> Figure:
    """A row a sample: the image with its target outlined, then every method's map over the image, from dark
    (0) to bright (1), the target outlined.

    images (3,H,W), masks (H,W); maps: label to one (H,W) map a sample; titles: one a row.
    """
    with mpl.rc_context(STYLE):
        columns = len(maps) + 1
        figure, panels = plt.subplots(
            len(images), columns, figsize=(1.45 * columns, 1.62 * len(images)), squeeze=False, layout="compressed"
        )
        for row, (image, mask, title) in enumerate(zip(images, masks, titles, strict=True)):
            _picture(panels[row][0], image, mask, "image and target" if row == 0 else "")
            panels[row][0].set_ylabel(title, fontsize=8)
            for axes, (label, drawn) in zip(panels[row][1:], maps.items(), strict=True):
                _picture(axes, image.mean(0, keepdim=True).expand(3, -1, -1), mask, label if row == 0 else "")
                axes.imshow(drawn[row].cpu().numpy(), cmap="inferno", vmin=0, vmax=1, alpha=0.75)
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.tight_layout()
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=4)


def _picture(axes: Axes, image: Tensor, mask: Tensor, title: str) -> None:
    axes.imshow(image.movedim(0, -1).cpu().numpy())
    axes.contour(mask.cpu().numpy(), levels=[0.5], colors="cyan", linewidths=0.8)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _wide(runs: pd.DataFrame, metrics: Sequence[str], column: str) -> pd.DataFrame:
    """One row a run and method in the order of the rows, one column a metric."""
    rows = runs[runs["metric"].isin(list(metrics)) & (runs["variant"] == "")]
    values = rows[column].where(rows["metric"] != "seconds", rows["mean"])
    table = rows.assign(shown=values).pivot_table(
        index=["run_id", "method"], columns="metric", values="shown", sort=False
    )
    return table.reindex(columns=list(metrics))
