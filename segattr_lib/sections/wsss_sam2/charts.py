"""The page's figures that no other page draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from segattr_lib.attribution import method_key
from segattr_lib.report.charts import MARKS, legend_below
from segattr_lib.report.labels import short_labels
from segattr_lib.report.style import STYLE, method_colours


def interval_rows(table: pd.DataFrame, unit: str) -> Figure:
    """Values with their intervals: a panel a `panel`, in the order of the table, a row a `label`, in that of the panel
    with the most; columns mean, low, high beside. unit: what the axis measures. A column `apart`, where there is one,
    says which are drawn blue, the others grey."""
    panels = list(dict.fromkeys(table["panel"]))
    labels = list(table[table["panel"] == table["panel"].mode()[0]]["label"])
    apart = table["apart"] if "apart" in table else pd.Series(True, table.index)
    with mpl.rc_context(STYLE):
        size = (2.9 * len(panels) + 2.2, 0.27 * len(labels) + 1.1)
        figure, grid = plt.subplots(1, len(panels), figsize=size, sharex=True, sharey=True, squeeze=False)
        for panel, axes in zip(panels, grid[0], strict=True):
            for colour, some in (("0.6", ~apart), ("tab:blue", apart)):
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
