"""The figures of the page "What it costs"."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from segattr_lib.report.charts import legend_below
from segattr_lib.report.labels import model_label
from segattr_lib.report.style import STYLE
from segattr_lib.sections.costs.records import Runs, named

TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
MEASURES = {"minimum": "seconds", "megabytes": "peak memory, MB"}


def ratios_plot(runs: Runs) -> Figure:
    """Our time over that of the fastest other package, a row a method or metric and model, dots for one image and for
    several; left of 1 ours is faster."""
    rows = runs.rows[runs.rows["ratio"].notna() & (runs.rows["group"] != "whole")]
    rows = rows.assign(label=[f"{named(n)}, {model_label(m)}" for n, m in rows[["name", "model"]].to_numpy()])
    labels = list(rows.groupby("label")["ratio"].max().sort_values(ascending=False).index)
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 0.24 * len(labels) + 1.2))
        for several, colour, text in ((False, "tab:blue", "one image"), (True, "tab:orange", "several at once")):
            some = rows[(rows["images"] > 1) == several]
            axes.scatter(some["ratio"], some["label"].map(labels.index), s=30, color=colour, label=text, zorder=3)
        axes.axvline(1, color="0.4", linewidth=1, zorder=0)
        axes.set_xscale("log")
        ticks = [tick for tick in TICKS if rows["ratio"].min() / 1.3 <= tick <= 1.3 * rows["ratio"].max()]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set(yticks=range(len(labels)), yticklabels=labels, ylim=(-0.6, len(labels) - 0.4))
        axes.set_xlabel("our time over that of the fastest other package")
        axes.grid(axis="y", color="0.92", zorder=0)
        legend_below(figure, axes)
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def growth_plot(runs: Runs) -> Figure:
    """Time and peak memory of a run along each axis, both from 0; workers, whose memory is not the run's own, aside."""
    axes_names = [name for name in dict.fromkeys(runs.growth["axis"]) if name != "workers"]
    with mpl.rc_context(STYLE):
        size = (2.1 * len(axes_names) + 0.6, 4.2)
        figure, panels = plt.subplots(len(MEASURES), len(axes_names), figsize=size, squeeze=False)
        for line, (column, text) in zip(panels, MEASURES.items(), strict=True):
            line[0].set_ylabel(text)
            for axes, name in zip(line, axes_names, strict=True):
                points = runs.growth[runs.growth["axis"] == name]
                axes.plot(points["value"], points[column], "o-", color="tab:blue", markersize=4)
                axes.set_ylim(0, 1.15 * points[column].max())
                if np.ptp(np.log10(points["value"])) > 1.5:
                    axes.set_xscale("log")
        for axes, name in zip(panels[-1], axes_names, strict=True):
            axes.set_xlabel(name)
        figure.tight_layout()
        plt.close(figure)  # shown once, by whoever asked for it
        return figure
