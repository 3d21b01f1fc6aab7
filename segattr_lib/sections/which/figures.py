"""The figure of the page: what passes buy."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segattr_lib.attribution import method_key
from segattr_lib.report.charts import MARKS
from segattr_lib.report.labels import key_label
from segattr_lib.report.style import STYLE, method_colours
from segattr_lib.sections.which.runs import Runs
from segattr_lib.sections.which.tables import BUDGETS

MOST_NAMED = 8  # points that are each named; more of them are a line a method
ALIKE = 1.25  # passes up to which two points stand so near that they are moved apart
APART = 1.09  # by which factor each of the two is moved
WIDER = 2.6  # by which factor the axis goes on beyond the points, for their names
NAMED: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8.5}


def frontier_plot(runs: Runs) -> Figure:
    """Passes of a map against mean excess TDD with its interval, a panel a record. Stairs: the frontier, what a budget
    buys. Grey: the best control, and 0, a blind selection as ragged. Points of equal passes are moved apart."""
    names = [name for name in runs.frontiers if len(runs.frontiers[name])]
    keys = list(dict.fromkeys(text for name in names for text in runs.frontiers[name]["method"]))
    methods = list(dict.fromkeys(method_key(text).name for text in keys))
    colours = method_colours(methods)
    marks = dict(zip(methods, MARKS, strict=False))
    with mpl.rc_context(STYLE):
        size = (4.6 * max(len(names), 1), 3.9)
        figure, panels = plt.subplots(1, max(len(names), 1), figsize=size, sharey=True, squeeze=False)
        for name, axes in zip(names, panels[0], strict=False):
            passes = runs.frontiers[name]
            _stairs(axes, passes)
            named = len(passes) <= MOST_NAMED
            for key, x, row in zip(passes["method"], _moved(passes["passes"]), passes.to_dict("records"), strict=True):
                method = method_key(key).name
                style = {"color": colours[method], "marker": marks[method]}
                reach = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
                axes.errorbar(x, row["mean"], reach, markersize=7, markeredgecolor="black", linewidth=2, **style)
            _name_points(axes, passes) if named else _join(axes, passes, colours)
            _control(axes, runs.controls.get(name))
            axes.axhline(0, color="0.7", linewidth=0.8, zorder=0)
            axes.set_xscale("log")
            axes.set_xlim(passes["passes"].min() / WIDER, passes["passes"].max() * WIDER)
            ticks = _ticks(passes["passes"])
            axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
            axes.minorticks_off()
            axes.set(xlabel="passes a map takes", title=f"{BUDGETS[name]}, n = {passes['n'].min()}")
        panels[0][0].set_ylabel("excess TDD ↑")
        figure.tight_layout()
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def _moved(passes: pd.Series) -> np.ndarray:
    """The places of points along the axis: rising passes, those that are alike moved apart around their own place."""
    counts = passes.to_numpy(float)
    group = np.concatenate([[0], np.cumsum(counts[1:] > ALIKE * counts[:-1])]) if len(counts) else np.array([], int)
    places = counts.copy()
    for label in np.unique(group):
        (members,) = np.nonzero(group == label)
        if 1 < len(members) < MOST_NAMED / 2:
            places[members] = counts[members].mean() * APART ** (2 * np.arange(len(members)) - len(members) + 1)
    return places


def _stairs(axes: Axes, passes: pd.DataFrame) -> None:
    """The best mean that lies on the frontier, from the fewest passes on."""
    rising = passes[passes["step"]].groupby("passes")["mean"].max()
    if len(rising):
        ends = [*rising.index, passes["passes"].max() * WIDER]
        axes.step(ends, [*rising, rising.iloc[-1]], where="post", color="0.55", linewidth=1, linestyle=":", zorder=1)


def _name_points(axes: Axes, passes: pd.DataFrame) -> None:
    """Each point's name beside it: of points moved apart the left one's at the left."""
    places = _moved(passes["passes"])
    for key, x, count, mean in zip(passes["method"], places, passes["passes"], passes["mean"], strict=True):
        left = x < count
        axes.annotate(key_label(key), (x, mean), (-8 if left else 8, 0), ha="right" if left else "left", **NAMED)


def _join(axes: Axes, passes: pd.DataFrame, colours: dict[str, tuple[float, ...]]) -> None:
    """A line a method through its points, its name at the last of them."""
    names = passes["method"].map(lambda text: method_key(text).name)
    for name, rows in passes.groupby(names, sort=False):
        axes.plot(rows["passes"], rows["mean"], color=colours[str(name)], linewidth=1, zorder=1)
        last = rows.iloc[-1]
        axes.annotate(key_label(str(name)), (last["passes"], last["mean"]), (8, 0), ha="left", **NAMED)


def _control(axes: Axes, control: pd.Series | None) -> None:
    """What the best control earns, as a band of its interval."""
    if control is None:
        return
    axes.axhspan(control["low"], control["high"], color="0.9", zorder=0)
    axes.axhline(control["mean"], color="0.45", linewidth=1, linestyle="--", zorder=0)
    text = f"best control: {key_label(control['method'])}"
    axes.annotate(
        text,
        (0.99, control["high"]),
        (0, 2),
        xycoords=axes.get_yaxis_transform(),
        ha="right",
        va="bottom",
        textcoords="offset points",
        fontsize=8,
        color="0.3",
    )


def _ticks(passes: pd.Series) -> list[float]:
    """Passes that stand far enough apart for their labels."""
    kept: list[float] = []
    for count in sorted(set(passes)):
        if not kept or count > 1.35 * kept[-1]:
            kept.append(count)
    return kept
