"""Pictures of one map's anatomy: what it is made of, what makes it fail, and what its settings change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from segattr_lib.report.charts import legend_below
from segattr_lib.report.labels import method_label, metric_label
from segattr_lib.report.pictures import picture
from segattr_lib.report.style import STYLE, method_colours
from segattr_lib.sections.dea_mechanism.sweeps import SIGNS
from segattr_lib.targets import Images, Maps, Masks

PARTS = {  # as parts.decompose names them
    "gradient": "$A_g$ (EGA)",
    "intervention": "$A_r$ (RIA)",
    "interaction": "$A_g A_r$",
    "corrected": r"$A_g (1 + \beta A_r)$",
    "dea": "DEA",
}


def decomposition(
    images: Images,
    masks: Masks,
    parts: Mapping[str, Maps],
    shares: pd.DataFrame,
    cases: pd.DataFrame,
) -> Figure:
    """A row a sample: the image with its target outlined, then every part over it, dark (0) to bright (its
    own maximum), and below it the share of its mass that lies on the target.

    parts, shares, cases: as decompose, agreement_table and cases_of give them.
    """
    with mpl.rc_context(STYLE):
        columns = len(parts) + 1
        figure, panels = plt.subplots(
            len(images), columns, figsize=(1.45 * columns, 1.72 * len(images)), squeeze=False, layout="compressed"
        )
        for row, (image, mask, name) in enumerate(zip(images, masks, cases.index, strict=True)):
            picture(panels[row][0], image, mask, "image and target" if row == 0 else "")
            case, gain = cases.loc[name, ["case", "difference"]]
            title = f"{name}\n{case}" + ("" if pd.isna(gain) else f", {round(gain, 2) + 0.0:+.2f}")
            panels[row][0].set_ylabel(title, fontsize=8)
            for axes, (part, maps) in zip(panels[row][1:], parts.items(), strict=True):
                picture(axes, image.mean(0, keepdim=True).expand(3, -1, -1), mask, PARTS[part] if row == 0 else "")
                top = max(float(maps[row].amax()), 1e-12)
                axes.imshow(maps[row].cpu().numpy(), cmap="inferno", vmin=0, vmax=top, alpha=0.75)
                share = shares[part].iloc[row]
                axes.set_xlabel("no mass" if pd.isna(share) else f"{share:.0%} on target", fontsize=8, labelpad=2)
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def share_plot(shares: pd.DataFrame, area: pd.Series, intervals: pd.DataFrame) -> Figure:
    """The share of each map's mass on the target: a dot a sample, a bar with its interval for the mean.

    shares: a row a sample, a column a method by its registered name. area: the target's share of the same
    images, which a map that knows nothing would reach. intervals: index method; mean, low, high.
    """
    methods = list(shares.columns)
    colours = method_colours(methods)
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6, 0.42 * len(methods) + 1.1))
        jitter = np.linspace(-0.16, 0.16, len(shares))[np.argsort(np.argsort(shares.index.astype(str)))]
        for place, method in enumerate(methods):
            axes.scatter(shares[method], place + jitter, s=16, color=colours[method], alpha=0.55, linewidth=0)
            mean, low, high = intervals.loc[method, ["mean", "low", "high"]].astype(float)
            axes.plot([low, high], [place] * 2, color="black", linewidth=1.4)
            axes.plot([mean] * 2, [place - 0.3, place + 0.3], color="black", linewidth=1.8)
        axes.axvline(area.mean(), color="0.5", linestyle="--", linewidth=1, zorder=0)
        axes.annotate(
            "area of\nthe target",
            (area.mean(), 1),
            (4, 0),
            ("data", "axes fraction"),
            "offset points",
            va="top",
            fontsize=8,
            color="0.35",
        )
        axes.set(xlabel="share of the map's mass on the target", xlim=(0, 1.01), yticks=range(len(methods)))
        axes.set_yticklabels([method_label(method) for method in methods])
        axes.set_ylim(len(methods) - 0.4, -0.9)
        figure.tight_layout()
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def forest(relations: pd.DataFrame, traits: Mapping[str, str], outcomes: Mapping[str, str]) -> Figure:
    """Correlations with their intervals: a panel an outcome, a row a trait; intervals off 0 are drawn full.

    relations: columns trait, outcome, value, low, high. traits, outcomes: labels, by name, in order.
    """
    with mpl.rc_context(STYLE):
        size = (1.9 * len(outcomes) + 1.6, 0.33 * len(traits) + 1.1)
        figure, panels = plt.subplots(
            1, len(outcomes), figsize=size, sharey=True, sharex=True, squeeze=False, layout="constrained"
        )
        for axes, (outcome, label) in zip(panels[0], outcomes.items(), strict=True):
            rows = relations[relations["outcome"] == outcome].set_index("trait").reindex(list(traits))
            for place, (value, low, high) in enumerate(rows[["value", "low", "high"]].to_numpy(float)):
                sure = low > 0 or high < 0
                axes.plot([low, high], [place] * 2, color="black" if sure else "0.65", linewidth=1.8 if sure else 1.2)
                axes.plot(
                    value, place, "o", markersize=6, color="black" if sure else "0.65", mfc="black" if sure else "w"
                )
            axes.axvline(0, color="0.7", linewidth=0.8, zorder=0)
            axes.set(title=label, xlim=(-1.02, 1.02), xticks=(-1, 0, 1), yticks=range(len(traits)))
            axes.set_yticklabels(list(traits.values()))
            axes.tick_params(axis="y", length=0)
        panels[0][0].set_ylim(len(traits) - 0.5, -0.5)
        figure.supxlabel("Spearman's correlation over images", fontsize=10)
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def option_curves(
    table: pd.DataFrame, metrics: Sequence[str], own: Mapping[str, float], claimed: tuple[float, float]
) -> Figure:
    """DEA minus EGA over alpha, beta and the grid with its interval: a row a metric, a column an option.

    table: columns option, value, metric, difference, low, high. own: the run's own value of each option, ringed.
    claimed: the range of alpha that is shaded.
    """
    colour = method_colours(["dea"])["dea"]
    with mpl.rc_context(STYLE):
        figure, panels = plt.subplots(
            len(metrics),
            len(own),
            figsize=(2.9 * len(own), 2.3 * len(metrics) + 0.4),
            squeeze=False,
            sharex="col",
            sharey="row",
            layout="constrained",
        )
        for line, metric in zip(panels, metrics, strict=True):
            for axes, (option, value) in zip(line, own.items(), strict=True):
                mine = table[(table["option"] == option) & (table["metric"] == metric)].sort_values("value")
                if option == "alpha":
                    axes.axvspan(*claimed, color="0.93", zorder=0)
                axes.axhline(0, color="0.5", linewidth=0.8)
                axes.plot(mine["value"], mine["difference"], "o-", markersize=3.5, color=colour)
                axes.fill_between(mine["value"], mine["low"], mine["high"], color=colour, alpha=0.15, linewidth=0)
                here = mine[mine["value"] == value]
                axes.plot(here["value"], here["difference"], "o", markersize=8, mfc="none", color=colour)
                if metric == metrics[-1]:
                    axes.set_xlabel(SIGNS[option])
            line[0].set_ylabel(f"DEA − EGA, {metric_label(metric)}")
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def layer_curves(table: pd.DataFrame, metrics: Sequence[str], layers: Sequence[str]) -> Figure:
    """Means with their intervals over layers, shallow to deep: a panel a metric, a line a method.

    table: columns method, layer, metric, mean, low, high.
    """
    methods = list(dict.fromkeys(table["method"]))
    colours = method_colours(methods)
    with mpl.rc_context(STYLE):
        figure, panels = plt.subplots(1, len(metrics), figsize=(2.9 * len(metrics), 3.2), squeeze=False)
        for axes, metric in zip(panels[0], metrics, strict=True):
            for number, method in enumerate(methods):
                rows = table[(table["metric"] == metric) & (table["method"] == method)]
                line = rows.set_index("layer").reindex(list(layers))
                places = np.arange(len(layers)) + 0.08 * (number - (len(methods) - 1) / 2)  # bars side by side
                axes.plot(places, line["mean"], "o-", markersize=4, color=colours[method], label=method_label(method))
                axes.vlines(places, line["low"], line["high"], color=colours[method], linewidth=1.2)
            axes.axhline(0, color="0.7", linewidth=0.8, zorder=0)
            axes.set(ylabel=metric_label(metric), xticks=range(len(layers)))
            axes.set_xticklabels(_short(layers), rotation=30, ha="right")
        legend_below(figure, panels[0][0])
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def _short(layers: Sequence[str]) -> list[str]:
    """Layer names without the parent that all share."""
    parents = {name.rpartition(".")[0] for name in layers}
    return [name.rpartition(".")[2] for name in layers] if len(parents) == 1 else list(layers)
