"""A claim in every universe as a picture: sorted differences, the settings of each marked below."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segattr_lib.attribution import method_key
from segattr_lib.evidence.universes import SETTINGS
from segattr_lib.metrics import metric_key
from segattr_lib.report.labels import model_label
from segattr_lib.report.style import STYLE
from segattr_lib.sections.multiverse.claims import Claim, wholly

COLOURS = {1: "tab:blue", -1: "tab:red", 0: "0.4"}  # the claimed side, the other, no difference
PREFIXES = {
    "k": "k = ",
    "fill": "fill: ",
    "grid": "grid: ",
    "size": "image: ",
    "region": "target: ",
    "model": "model: ",
    "training": "training seed ",
}
FILL_ORDER = ("mean", "dataset_mean", "zeros", "blur", "linear", "other_image")


def strip(claim: Claim, rows: pd.DataFrame, kinds: Sequence[str]) -> Figure:
    """One claim: a panel a kind of data, a column a universe, by rising difference; dark where the whole interval lies
    on one side of 0, light where it holds 0. Below, which settings each universe has."""
    panels = [kind for kind in kinds if (rows["data"] == kind).any()]
    marks = _marks(rows)
    with mpl.rc_context(STYLE):
        size = (9.6, 2.3 + 0.17 * len(marks) + 0.3)
        widths = [max((rows["data"] == kind).sum(), 20) for kind in panels]
        figure, grid = plt.subplots(
            2,
            len(panels),
            figsize=size,
            sharey="row",
            sharex="col",
            squeeze=False,
            gridspec_kw={"height_ratios": [2.0, 0.17 * len(marks)], "width_ratios": widths},
        )
        for place, kind in enumerate(panels):
            mine = rows[rows["data"] == kind].sort_values("value", kind="stable").reset_index(drop=True)
            _differences(grid[0][place], mine)
            grid[0][place].set_title(f"{kind}: {len(mine)} universe{'' if len(mine) == 1 else 's'}")
            _settings(grid[1][place], mine, marks)
        _within(grid[0][0], rows)
        names = [method_key(key).label for key in (claim.method, claim.over)]
        median = "median " if claim.by_median else ""
        grid[0][0].set_ylabel(f"{names[0]} − {names[1]},\n{median}{metric_key(claim.metric).entry.label}")
        _legend(figure, claim)
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def _differences(axes: Axes, rows: pd.DataFrame) -> None:
    sure = wholly(rows) != 0
    axes.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    for side, colour in COLOURS.items():
        for wholly_there, opacity in ((True, 1.0), (False, 0.4)):
            some = rows[(rows["side"] == side) & (sure == wholly_there)]
            axes.vlines(some.index, some["low"], some["high"], color=colour, alpha=0.5 * opacity, linewidth=1.6)
            axes.scatter(some.index, some["value"], s=13, color=colour, alpha=opacity, linewidth=0, zorder=2)
    axes.tick_params(axis="x", bottom=False, labelbottom=False)
    axes.spines["bottom"].set_visible(False)


def _within(axes: Axes, rows: pd.DataFrame) -> None:
    """No long interval of a universe makes the others invisible: the axis holds the values, and what is near them."""
    values = rows["value"]
    reach = max(np.ptp(np.append(values, 0.0)), 1e-3)
    low = max(rows["low"].min(), min(values.min(), 0) - 0.5 * reach)
    high = min(rows["high"].max(), max(values.max(), 0) + 0.5 * reach)
    if np.isfinite([low, high]).all():
        axes.set_ylim(low - 0.05 * reach, high + 0.05 * reach)


def _marks(rows: pd.DataFrame) -> list[tuple[str, object]]:
    """The rows of the lower panel: every value of every setting that takes more than one."""
    marks: list[tuple[str, object]] = []
    for setting in SETTINGS:
        values = list(rows[setting].dropna().unique())
        if setting == "fill":
            values.sort(key=lambda fill: FILL_ORDER.index(fill) if fill in FILL_ORDER else len(FILL_ORDER))
        elif setting != "model":
            values.sort()
        if len(values) > 1:
            marks += [(setting, value) for value in values]
    return marks


def _settings(axes: Axes, rows: pd.DataFrame, marks: Sequence[tuple[str, object]]) -> None:
    for height, (setting, value) in enumerate(marks):
        there = np.flatnonzero(rows[setting] == value)
        colours = [COLOURS[side] for side in rows["side"].iloc[there]]
        axes.scatter(there, np.full(len(there), height), marker="|", s=26, c=colours, linewidth=1.3)
        if height and marks[height - 1][0] != setting:
            axes.axhline(height - 0.5, color="0.85", linewidth=0.7)
    axes.set(yticks=range(len(marks)), ylim=(len(marks) - 0.5, -0.5))
    axes.set_yticklabels([mark_label(*mark) for mark in marks], fontsize=8)
    axes.tick_params(length=0, bottom=False, labelbottom=False)
    for edge in ("left", "bottom"):
        axes.spines[edge].set_visible(False)


def mark_label(setting: str, value: object) -> str:
    """A value of a setting as the strip names it, with the setting."""
    return PREFIXES.get(setting, "") + mark_value(setting, value)


def mark_value(setting: str, value: object) -> str:
    """A value of a setting as text."""
    if setting == "model":
        return model_label(str(value)).removeprefix("voc_").replace("deeplabv3_mobilenetv2", "MobileNetV2")
    if setting == "grid":
        return f"{value:.0f} × {value:.0f}"
    return f"{value:.0f} px" if setting == "size" else f"{value:g}" if setting == "k" else str(value)


def _legend(figure: Figure, claim: Claim) -> None:
    handles = [
        mpl.lines.Line2D([], [], color=COLOURS[side], marker="o", markersize=4, linewidth=1.6, label=label)
        for side, label in ((1, f"as claimed ({claim.side} 0)"), (-1, "the other side"))
    ]
    pale = mpl.lines.Line2D(
        [], [], color="0.8", marker="o", markersize=4, linewidth=1.6, label="pale: interval holds 0"
    )
    figure.tight_layout()
    figure.legend(handles=[*handles, pale], loc="upper center", bbox_to_anchor=(0.5, 0), ncols=3)
