"""The figure of the page: what passes buy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segattr_lib.attribution import method_key
from segattr_lib.report.charts import MARKS, legend_below
from segattr_lib.report.labels import key_label
from segattr_lib.report.style import STYLE, method_colours
from segattr_lib.sections.which.runs import Runs
from segattr_lib.sections.which.tables import title_of

MOST_NAMED = 8  # points that are each named; of more each method is a line
ALIKE = 1.25  # passes up to which two points stand so near that they are moved apart
LEVEL = 0.08  # of the axis: points nearer in height have no room for two names one above the other
APART = 1.09  # by which factor each of the two is moved
WIDER = 2.6  # by which factor the axis goes on beyond the points, for their names
CLEAR = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}  # behind a name: no line runs through it
NAMED: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8.5, "bbox": CLEAR}


def frontier_plot(runs: Runs) -> Figure:
    """Passes of a map against mean excess TDD with its interval, a panel a record. Stairs: the frontier, what a budget
    buys. Grey: the best control, and 0, a blind selection as ragged. Points of equal passes are moved apart."""
    names = [name for name in runs.frontiers if len(runs.frontiers[name])]
    keys = list(dict.fromkeys(text for name in names for text in runs.frontiers[name]["method"]))
    methods = list(dict.fromkeys(method_key(text).name for text in keys))
    colours = method_colours(methods)
    marks = dict(zip(methods, MARKS, strict=False))
    across = min(max(len(names), 1), 2)
    down = max(-(-len(names) // across), 1)
    with mpl.rc_context(STYLE):
        size = (4.2 * across + 1.2, 3.9 * down)
        figure, grid = plt.subplots(down, across, figsize=size, sharey=True, squeeze=False)
        for spare in grid.flat[len(names) :]:
            spare.set_axis_off()
        for name, axes in zip(names, grid.flat, strict=False):
            passes = runs.frontiers[name]
            crowded = len(passes) > MOST_NAMED
            _stairs(axes, passes)
            _points(axes, passes, colours, marks, crowded)
            if not crowded:
                _name_points(axes, passes)
            band = _control(axes, runs.controls.get(name))
            axes.axhline(0, color="0.7", linewidth=0.8, zorder=0)
            axes.set_xscale("log")
            axes.set_xlim(passes["passes"].min() / WIDER, passes["passes"].max() * WIDER)
            ticks = _ticks(passes["passes"])
            axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
            axes.minorticks_off()
            axes.set(xlabel=f"passes a map takes{band}", title=f"{title_of(name)}, n = {passes['n'].min()}")
            axes.set_ylabel("excess TDD ↑")
        _legend(figure, list(grid.flat), runs, names)
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def _points(
    axes: Axes,
    passes: pd.DataFrame,
    colours: Mapping[str, tuple[float, ...]],
    marks: Mapping[str, str],
    crowded: bool,
) -> None:
    """Every point with its interval; where they are many, a method's joined by a line and named in a legend."""
    places = passes["passes"].to_numpy(float) if crowded else _moved(passes["passes"])
    names = passes["method"].map(lambda text: method_key(text).name)
    for name, rows in passes.assign(place=places).groupby(names, sort=False):
        reach = [rows["mean"] - rows["low"], rows["high"] - rows["mean"]]
        look: dict[str, Any] = {"color": colours[str(name)], "marker": marks[str(name)], "markeredgecolor": "black"}
        look |= {"markersize": 5, "elinewidth": 1, "linewidth": 1} if crowded else {"markersize": 7, "elinewidth": 2}
        label, line = key_label(str(name)), "-" if crowded else "none"
        axes.errorbar(rows["place"], rows["mean"], reach, label=label, linestyle=line, **look)


def _groups(passes: pd.Series) -> np.ndarray:
    """The group of each of rising passes: those that are ALIKE share one."""
    counts = passes.to_numpy(float)
    return np.concatenate([[0], np.cumsum(counts[1:] > ALIKE * counts[:-1])])


def _moved(passes: pd.Series) -> np.ndarray:
    """The places of points along the axis: rising passes, two that are alike moved apart around their own place."""
    places = passes.to_numpy(float).copy()
    groups = _groups(passes)
    for label in np.unique(groups):
        (members,) = np.nonzero(groups == label)
        if len(members) == 2:
            places[members] = places[members].mean() * APART ** np.array([-1, 1])
    return places


def _stairs(axes: Axes, passes: pd.DataFrame) -> None:
    """The best mean that lies on the frontier, from the fewest passes on."""
    rising = passes[passes["step"].astype(bool)].groupby("passes")["mean"].max()
    if len(rising):
        ends = [*rising.index, passes["passes"].max() * WIDER]
        axes.step(ends, [*rising, rising.iloc[-1]], where="post", color="0.55", linewidth=1, linestyle=":", zorder=1)


def _name_points(axes: Axes, passes: pd.DataFrame) -> None:
    """Each point's name beside it: of two of like passes and height to either side, else where there is room."""
    groups, places, heights = _groups(passes["passes"]), _moved(passes["passes"]), passes["mean"].to_numpy(float)
    low, high = axes.get_ylim()
    for place, key in enumerate(passes["method"]):
        mine = np.flatnonzero(groups == groups[place])
        if len(mine) > 1 and np.ptp(heights[mine]) < LEVEL * (high - low):
            left = place == mine[0]
        else:
            left = groups[place] < groups[-1]
        point = (places[place], heights[place])
        axes.annotate(key_label(key), point, (-8 if left else 8, 0), ha="right" if left else "left", **NAMED)


def _legend(figure: Figure, grid: Sequence[Axes], runs: Runs, names: Sequence[str]) -> None:
    """Of a panel with many points what its lines are: where no panel is, else below all of them."""
    crowded = [axes for axes, name in zip(grid, names, strict=False) if len(runs.frontiers[name]) > MOST_NAMED]
    spare = grid[len(names) :]
    if crowded and len(spare):
        spare[0].legend(*crowded[0].get_legend_handles_labels(), loc="center left")
    if crowded and not len(spare):
        legend_below(figure, crowded[0])
    else:
        figure.tight_layout()


def _control(axes: Axes, control: pd.Series | None) -> str:
    """What the best control earns, as a band of its interval; what to write below the axis of it."""
    if control is None:
        return ""
    axes.axhspan(control["low"], control["high"], color="0.9", zorder=0)
    axes.axhline(control["mean"], color="0.45", linewidth=1, linestyle="--", zorder=0)
    return f"\nband: the best control, {key_label(control['method'])}"


def _ticks(passes: pd.Series) -> list[float]:
    """Passes that stand far enough apart for their labels."""
    kept: list[float] = []
    for count in sorted(set(passes)):
        if not kept or count > 1.35 * kept[-1]:
            kept.append(count)
    return kept
