"""Tables to figures, in one style: methods keep their colour, a metric says which way is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scikit_posthocs import critical_difference_diagram

from segattr_lib.attribution import METHODS, load_method, method_key, methods_of
from segattr_lib.inference.ranks import Friedman
from segattr_lib.metrics import metric_key
from segattr_lib.report.labels import key_label, metric_label, short_labels

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
MARKS = "osD^vP*Xdhp<>8"
LONGEST_PAIR = 48  # characters of two methods' labels on one line


def method_colours(methods: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """A colour for every method: its family's hue, shaded within its table; a registered method's never changes."""
    colours: dict[str, tuple[float, ...]] = {}
    everyone = {name: load_method(name) for name in [*METHODS, *methods]}
    segmenting = {name for name, method in everyone.items() if method.family in ("control", "own")}
    segmenting |= set(methods_of("explorer"))
    for (family, hue), segments in product(FAMILIES.items(), (True, False)):
        members = [
            name for name, method in everyone.items() if method.family == family and (name in segmenting) == segments
        ]
        shades = mpl.colormaps[hue](np.linspace(0.85, 0.4, max(len(members), 2)))
        colours |= {name: tuple(shade) for name, shade in zip(members, shades, strict=False)}
    return {name: colours[name] for name in methods}


def correlation_forest(table: pd.DataFrame, ways: Mapping[str, str], whole: str) -> Figure:
    """Correlations with their intervals: a panel a way, a row a metric; see validity.correlations.

    table: columns way, metric, model, value, low, high, of one kind of correlation. ways: titles, by name, in order.
    whole: the model that stands for all, drawn thick and black; the others beside it in their own colours.
    """
    metrics, models = list(dict.fromkeys(table["metric"])), list(dict.fromkeys(table["model"]))
    single = [model for model in models if model != whole]
    colours = {**dict(zip(single, sns.color_palette("colorblind", len(single)), strict=True)), whole: "black"}
    with mpl.rc_context(STYLE):
        size = (2.2 * len(ways) + 1.2, (0.13 * len(models) + 0.12) * len(metrics) + 1.1)
        figure, panels = plt.subplots(1, len(ways), figsize=size, sharex=True, sharey=True, squeeze=False)
        for axes, (way, title) in zip(panels[0], ways.items(), strict=True):
            for place, model in enumerate([whole, *single]):
                mine = (table["way"] == way) & (table["model"] == model)
                rows = table[mine].set_index("metric").reindex(metrics)
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
        text, side = {1: (f"{first} better →", "left"), -1: (f"← {first} better", "right"), 0: ("", "left")}[
            metric_key(metric).entry.direction
        ]
        axes.text(0, -0.6, text, ha=side, va="bottom")
        legend_below(figure, axes)
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def critical_difference(ranked: Friedman) -> Figure:
    """Mean ranks on an axis, 1 the best at the left; a bar joins methods that are not told apart (Demšar 2006)."""
    ranks, names = ranked.mean_rank, {key: method_key(key).name for key in ranked.mean_rank.index}
    colours = method_colours(list(names.values()))
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 0.16 * len(ranks) + 1.8))
        drawn = critical_difference_diagram(
            ranks,
            ranked.nemenyi,
            alpha=1 - ranked.level,
            ax=axes,
            label_fmt_left="{label}",
            label_fmt_right="{label}",
            color_palette={key: colours[name] for key, name in names.items()},
            marker_props={"s": 40, "edgecolor": "black", "linewidth": 0.6, "clip_on": False},
            elbow_props={"linewidth": 0.8, "zorder": 0},
            crossbar_props={"linewidth": 4, "marker": "o", "markersize": 4, "markeredgewidth": 0},
            text_h_margin=0.02 * len(ranks),
        )
        plt.setp(drawn["elbows"], color="0.6")
        for text in drawn["labels"]:
            key = text.get_text()
            text.set(text=f" {key_label(key)}  {ranks[key]:.2f} ", color="black")  # a pale colour is no ink
        end = 1 + ranked.critical_difference
        axes.hlines(2, 1, end, color="black", linewidth=1.5)
        scale = f"critical difference {ranked.critical_difference:.2f}"
        axes.annotate(scale, (end, 2), (4, 0), textcoords="offset points", va="center")
        axes.set(xlim=(1, len(ranks)), xticks=range(1, len(ranks) + 1))
        axes.spines["top"].set_visible(True)
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


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
    methods = all(method_key(line).name in METHODS or ":" in line for line in lines)
    across = len(panels) if len(panels) < 4 else 2
    down = -(-len(panels) // across)
    if methods:
        colours = method_colours([method_key(line).name for line in lines])
        look = {line: (colours[method_key(line).name], dashes(line), key_label(line)) for line in lines}
    else:
        palette = sns.color_palette("colorblind", len(lines))
        look = {line: (colour, "-", line) for line, colour in zip(lines, palette, strict=True)}
    with mpl.rc_context(STYLE):
        size = (3.1 * across + 0.8, 2.9 * down + 0.2)
        figure, grid = plt.subplots(down, across, figsize=size, squeeze=False)
        for panel, axes in zip(panels, grid.flat, strict=False):
            for line, rows in table[table["panel"] == panel].groupby("line", sort=False):
                colour, stroke, label = look[str(line)]
                axes.plot(rows[x], rows["mean"], f"o{stroke}", color=colour, markersize=3.5, label=label)
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


def dashes(key: str) -> str:
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


def interval_rows(table: pd.DataFrame, unit: str) -> Figure:
    """Values with their intervals: a panel a `panel`, in the order of the table, a row a `label`, in that of the panel
    with the most; columns mean, low, high beside. unit: what the axis measures. A column `told`, where there is one,
    says which are drawn blue."""
    panels = list(dict.fromkeys(table["panel"]))
    labels = list(table[table["panel"] == table["panel"].mode()[0]]["label"])
    blue = table["told"] if "told" in table else pd.Series(True, table.index)
    with mpl.rc_context(STYLE):
        size = (2.9 * len(panels) + 2.2, 0.27 * len(labels) + 1.1)
        figure, grid = plt.subplots(1, len(panels), figsize=size, sharex=True, sharey=True, squeeze=False)
        for panel, axes in zip(panels, grid[0], strict=True):
            for colour, some in (("0.6", ~blue), ("tab:blue", blue)):
                rows = table[(table["panel"] == panel) & some]
                places = [labels.index(label) for label in rows["label"]]
                axes.hlines(places, rows["low"], rows["high"], color=colour, linewidth=2.5)
                axes.scatter(rows["mean"], places, s=34, color=colour, zorder=3)
            axes.axvline(0, color="0.7", linewidth=0.8, zorder=0)
            axes.set(title=panel, xlabel=unit, yticks=range(len(labels)), ylim=(len(labels) - 0.4, -0.6))
        grid[0][0].set_yticklabels(labels)
        figure.tight_layout()
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def interval_scatter(table: pd.DataFrame, y: str) -> Figure:
    """Methods by two values, each with its interval: a panel a `panel`, which names x; columns method, x, x_low,
    x_high, y, y_low, y_high. y: what the height measures."""
    panels, keys = list(dict.fromkeys(table["panel"])), list(dict.fromkeys(table["method"]))
    colours, labels = method_colours([method_key(key).name for key in keys]), short_labels(keys)
    with mpl.rc_context(STYLE):
        size = (3.4 * len(panels) + 0.6, 3.5)
        figure, grid = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
        for panel, axes in zip(panels, grid[0], strict=True):
            rows = table[table["panel"] == panel].set_index("method")
            for mark, key in zip(MARKS * len(keys), keys, strict=False):
                row, colour = rows.loc[key], colours[method_key(key).name]
                axes.hlines(row["y"], row["x_low"], row["x_high"], color=colour, linewidth=1, alpha=0.7)
                axes.vlines(row["x"], row["y_low"], row["y_high"], color=colour, linewidth=1, alpha=0.7)
                look: Any = {"marker": mark, "s": 48, "color": colour, "edgecolor": "black", "linewidth": 0.6}
                axes.scatter(row["x"], row["y"], **look, zorder=3, label=labels[key])
            axes.set(xlabel=panel)
        grid[0][0].set_ylabel(y)
        legend_below(figure, grid[0][0])
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def heat_panels(tables: Mapping[str, pd.DataFrame], column: str) -> Figure:
    """Tables of the same rows as heat maps side by side, each with its own scale, brighter is less; a blank cell has no
    value. column: what the columns are."""
    first = next(iter(tables.values()))
    with mpl.rc_context(STYLE):
        size = (2.7 * len(tables) + 1.4, 0.27 * len(first) + 1.1)
        figure, panels = plt.subplots(1, len(tables), figsize=size, sharey=True, squeeze=False)
        for axes, (title, table) in zip(panels[0], tables.items(), strict=True):
            sns.heatmap(table, cmap="crest", xticklabels=False, ax=axes, cbar_kws={"pad": 0.03})
            axes.set(title=title, xlabel=column, ylabel="")
            axes.tick_params(axis="both", length=0, rotation=0)
        figure.tight_layout()
        plt.close(figure)  # shown once, by whoever asked for it
        return figure
