"""Tables to figures, in one style: methods keep their colour, a metric says which way is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segattr_lib.attribution import METHODS, method_key
from segattr_lib.metrics import metric_key
from segattr_lib.registry import read_key
from segattr_lib.report.labels import key_label, metric_label
from segattr_lib.report.style import STYLE, method_colours

MARKS = "osD^vP*Xdhp<>8"
LONGEST_PAIR = 48  # characters of two methods' labels on one line
LINE = 0.16  # inches of a point's name beside a panel
ROOM = 0.6  # of a plot's width: what says which side is better takes less than the rest of it


def correlation_forest(correlations: pd.DataFrame, ways: Mapping[str, str], whole: str) -> Figure:
    """Correlations with their intervals: a panel a way, a row a metric; see agreement.correlations.

    correlations: columns way, metric, model, value, low, high, of one kind. ways: titles, by name, in order. whole: the
    model that stands for all, drawn thick and black; the others beside it in their own colours.
    """
    metrics, models = list(correlations["metric"].unique()), list(correlations["model"].unique())
    single = [model for model in models if model != whole]
    colours = {**dict(zip(single, sns.color_palette("colorblind", len(single)), strict=True)), whole: "black"}
    with mpl.rc_context(STYLE):
        size = (2.2 * len(ways) + 1.2, (0.13 * len(models) + 0.12) * len(metrics) + 1.1)
        figure, panels = plt.subplots(1, len(ways), figsize=size, sharex=True, sharey=True, squeeze=False)
        for axes, (way, title) in zip(panels[0], ways.items(), strict=True):
            for place, model in enumerate([whole, *single]):
                mine = (correlations["way"] == way) & (correlations["model"] == model)
                rows = correlations[mine].set_index("metric").reindex(metrics)
                heights = np.arange(len(metrics)) + 0.72 * (place - (len(models) - 1) / 2) / len(models)
                thick = model == whole
                axes.hlines(heights, rows["low"], rows["high"], color=colours[model], linewidth=2.4 if thick else 1.1)
                axes.scatter(
                    rows["value"], heights, s=30 if thick else 12, color=[colours[model]], label=model, zorder=3
                )
            axes.axvline(0, color="0.7", linewidth=0.8, zorder=0)
            axes.set(title=title, xlim=(-1.02, 1.02), xticks=(-1, 0, 1), ylim=(len(metrics) - 0.5, -0.5))
            axes.set(yticks=range(len(metrics)), yticklabels=[metric_key(metric).entry.label for metric in metrics])
            axes.tick_params(axis="y", length=0)
        legend_below(figure, panels[0][0])
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def interval_plot(comparisons: pd.DataFrame) -> Figure:
    """Mean paired differences of one metric with their intervals, a row a pair; see inference.compare.

    Blue: the sign-flip test tells the pair apart at .05, Holm-adjusted. At the right how often the first method
    is better.
    """
    (metric,), (level,) = comparisons["metric"].unique(), comparisons["level"].unique()
    significant = comparisons["sign_flip_holm"] < 0.05
    with mpl.rc_context(STYLE):
        pairs = [(key_label(a), key_label(b)) for a, b in comparisons[["method", "over"]].to_numpy()]
        broken = max(len(a) + len(b) for a, b in pairs) > LONGEST_PAIR  # else the labels leave no room for the plot
        names = [f"{a} −\n{b}" if broken else f"{a} − {b}" for a, b in pairs]
        figure, axes = plt.subplots(figsize=(6.4, (0.52 if broken else 0.36) * len(comparisons) + 1.4))
        axes.axvline(0, color="0.7", linewidth=0.8, zorder=0)
        for apart, colour, label in ((True, "tab:blue", "p < .05"), (False, "0.6", "p ≥ .05")):
            rows = comparisons[significant == apart]
            places = np.flatnonzero(significant == apart)
            axes.hlines(places, rows["low"], rows["high"], color=colour, linewidth=2.5)
            axes.scatter(rows["difference"], places, s=40, color=colour, zorder=2, label=label)
        axes.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.4, -0.6))
        axes.set_xlabel(f"mean difference in {metric_label(metric)}, {level:.0%} interval")
        for place, rate in enumerate(comparisons["win_rate"]):
            text = "–" if pd.isna(rate) else f"{rate:.0%}"
            axes.text(1.03, place, text, transform=axes.get_yaxis_transform(), va="center")
        axes.text(1.03, -0.6, "wins", transform=axes.get_yaxis_transform(), va="bottom")
        firsts = comparisons["method"].unique()
        first = key_label(firsts[0]) if len(firsts) == 1 else "first"
        _better(axes, first, metric_key(metric).entry.direction)
        legend_below(figure, axes)
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def _better(axes: Axes, first: str, direction: int) -> None:
    """Above the plot, on which side of 0 the first is better: from 0 on, where there is room, else at the end."""
    low, high = axes.get_xlim()
    zero, above = -low / (high - low), {"va": "bottom", "transform": axes.transAxes}
    if direction > 0:
        place, side = (zero, "left") if zero < ROOM else (1, "right")
        axes.text(place, 1, f"{first} better →", ha=side, **above)
    elif direction < 0:
        place, side = (zero, "right") if zero > 1 - ROOM else (0, "left")
        axes.text(place, 1, f"← {first} better", ha=side, **above)


def legend_below(figure: Figure, axes: Axes) -> None:
    """One legend for all panels, centred under them, of what these axes show."""
    handles, labels = axes.get_legend_handles_labels()
    figure.tight_layout()
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=4)


def heat_table(table: pd.DataFrame, row: str, column: str) -> Figure:
    """A table of values as a heat map, brighter is more; row and column name its two sides."""
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(0.95 * len(table.columns) + 1.6, 0.42 * len(table) + 1))
        sns.heatmap(table, annot=True, fmt=".2f", cmap="crest_r", cbar=False, linewidths=1, ax=axes)
        axes.set(xlabel=column, ylabel=row)
        axes.tick_params(length=0)
        axes.tick_params(axis="y", rotation=0)
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def interval_lines(table: pd.DataFrame, x: str, marks: pd.DataFrame | None = None, log: bool = False) -> Figure:
    """Means with their intervals along `x`: a panel a `panel`, a line a `line`; columns mean, low, high beside.

    Lines that are all methods have their colours and labels, controls dashed. marks: named points (columns panel,
    name, x, mean) drawn over the lines, their names at the right.
    """
    panels, lines = list(dict.fromkeys(table["panel"])), list(dict.fromkeys(table["line"]))
    methods = all(read_key(line).name in METHODS or ":" in line for line in lines)
    across = len(panels) if len(panels) < 4 else 2
    down = -(-len(panels) // across)
    if methods:
        colours = method_colours([method_key(line).name for line in lines])
        look = {line: (colours[method_key(line).name], line_style(line), key_label(line)) for line in lines}
    else:
        palette = sns.color_palette("colorblind", len(lines))
        look = {line: (colour, "-", line) for line, colour in zip(lines, palette, strict=True)}
    with mpl.rc_context(STYLE):
        named = 0 if marks is None else marks.groupby("panel").size().max()
        size = (3.1 * across + 0.8, max(2.9, LINE * named + 0.9) * down + 0.2)
        figure, grid = plt.subplots(down, across, figsize=size, squeeze=False)
        for panel, axes in zip(panels, grid.flat, strict=False):
            for line, rows in table[table["panel"] == panel].groupby("line", sort=False):
                colour, stroke, label = look[str(line)]
                mark = MARKS[lines.index(line) % len(MARKS)]  # whoever sees no colours tells the lines by these
                axes.plot(
                    rows[x],
                    rows["mean"],
                    stroke,
                    marker=mark,
                    color=colour,
                    markersize=4,
                    markeredgewidth=0,
                    label=label,
                )
                axes.fill_between(rows[x], rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)
            if log:
                axes.set_xscale("log")
                ticks = _apart(sorted(set(table[x])))
                axes.set_xticks(ticks, [f"{tick:.3g}" if tick >= 1 else f"{tick:.2g}" for tick in ticks])
                axes.minorticks_off()
            if marks is not None:
                _name_points(axes, marks[marks["panel"] == panel], x)
            axes.axhline(0, color="0.7", linewidth=0.8, zorder=0)
            axes.set(xlabel=x, title=panel)
        legend_below(figure, grid[0][0])
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def line_style(key: str) -> str:
    """How a method's line is drawn: controls dashed."""
    return "--" if method_key(key).entry.family == "control" else "-"


def _apart(ticks: Sequence[float], factor: float = 1.4) -> list[float]:
    """Those of rising ticks that stand far enough apart on a log axis for their labels."""
    kept: list[float] = []
    for tick in ticks:
        if not kept or tick > factor * kept[-1]:
            kept.append(tick)
    return kept


def _name_points(axes: Axes, points: pd.DataFrame, x: str) -> None:
    """Points with their names in a column at the right, in the order of their height, a thin line between."""
    axes.scatter(points[x], points["mean"], color="black", s=22, zorder=3)
    points = points.sort_values("mean")
    low, high = axes.get_ylim()
    rows = np.linspace(low, high, len(points) + 2)[1:-1]  # as far apart as there is room
    for (name, at_x, value), row in zip(points[["name", x, "mean"]].itertuples(index=False), rows, strict=True):
        axes.annotate(
            name,
            (at_x, value),
            (1.04, row),
            textcoords=axes.get_yaxis_transform(),
            fontsize=8,
            va="center",
            arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkB": 2},
            annotation_clip=False,
        )


def interval_dots(table: pd.DataFrame) -> Figure:
    """Methods' means with their intervals: a panel a `panel` (columns method, mean, low, high), rows in the order of
    the first panel's means, the best above."""
    panels = list(dict.fromkeys(table["panel"]))
    first = table[table["panel"] == panels[0]].sort_values("mean", ascending=False)["method"].tolist()
    colours = method_colours([method_key(key).name for key in first])
    with mpl.rc_context(STYLE):
        size = (2.5 * len(panels) + 1.4, 0.3 * len(first) + 1)
        figure, grid = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
        for panel, axes in zip(panels, grid[0], strict=True):
            rows = table[table["panel"] == panel].set_index("method").reindex(first)
            for place, (key, row) in enumerate(rows.iterrows()):
                colour = colours[method_key(str(key)).name]
                axes.hlines(place, row["low"], row["high"], color=colour, linewidth=2.5)
                axes.scatter(row["mean"], place, s=34, color=colour, edgecolor="black", linewidth=0.6, zorder=3)
            axes.axvline(0, color="0.7", linewidth=0.8, zorder=0)
            axes.set(xlabel=panel, yticks=range(len(first)), ylim=(len(first) - 0.4, -0.6))
        grid[0][0].set_yticklabels([key_label(key) for key in first])
        plt.close(figure)  # shown once, by whoever asked for it
        return figure
