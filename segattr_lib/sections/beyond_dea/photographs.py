"""On single photographs: do the paper's maps earn more than blind selections as ragged as theirs?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
from IPython.display import HTML
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segattr_lib.benchmark.group import Group
from segattr_lib.inference.holm import SIGNIFICANT, holm
from segattr_lib.metrics.deletion import border, tdd
from segattr_lib.metrics.null import blind_selections, local_fit
from segattr_lib.perturbation import bind_fill
from segattr_lib.report.labels import dataset_label, key_label, metric_label
from segattr_lib.report.pictures import credit_line, picture
from segattr_lib.report.style import STYLE, method_colours
from segattr_lib.sections.beyond_dea.runs import Photographs, Runs, by_image
from segattr_lib.sections.beyond_dea.settings import PAPER, Settings

ACROSS = 4  # photographs beside each other
RAGGED = "border, px a selected px"


def look(group: Group, class_names: Sequence[str], k: float, fill: str) -> Photographs:
    """A group's pictures, and what blind selections of their targets earn: those of the null that its maps are held
    against. class_names: of the model."""
    assert group.target.mask is not None, "deletion in a target needs a mask"
    bound = bind_fill(fill, group.images, group.draws.on("evaluation"), group.others)
    selections = blind_selections(group.target.mask, k, group.draws, group.run.null_every)
    names, drawn = [sample.sample_id for sample in group.samples], []
    for selected in selections.float().unbind(1):  # a map that is 1 where it selects
        called = (group.score, group.images, selected, group.target)
        earned = tdd(*called, k=k, fill=bound, base=group.base)
        about = {"sample_id": names, "border": border(*called, k=k).tolist(), "tdd": earned.tolist()}
        drawn.append(pd.DataFrame(about))
    ids = [sample.class_id for sample in group.samples]
    seen = [class_names[class_id] if class_id < len(class_names) else f"class {class_id}" for class_id in ids]
    return Photographs(names, seen, group.images, group.target.mask, pd.concat(drawn, ignore_index=True))


def fitted(blind: pd.DataFrame, ragged: np.ndarray) -> np.ndarray:
    """The TDD that blind selections of one picture have at these border lengths, by the null's fit."""
    x, y = (torch.tensor(blind[name].to_numpy(float)).float() for name in ("border", "tdd"))
    at = torch.tensor(np.asarray(ragged, float)).float()
    return local_fit(x.log().expand(len(at), -1), y.expand(len(at), -1), at.log()).double().numpy()


def maps_beside_blind(rows: pd.DataFrame, blind: pd.DataFrame, k: float, fill: str) -> pd.DataFrame:
    """Every map beside the blind selections of its picture: one row a picture and method.

    rows: of a run with the metrics tdd and border. Columns: sample_id, method, border, tdd, chance (the null's fit at
    its border length), p (the share of blind selections that lie as far above the fit as the map, itself among them),
    p_holm over the maps of the picture.
    """
    earned, ragged = by_image(rows, "tdd", k, fill), by_image(rows, "border", k)
    tables = []
    for name, own in blind.groupby("sample_id", sort=False):
        table = pd.DataFrame({"border": ragged.loc[name], "tdd": earned.loc[name]}).rename_axis("method").reset_index()
        residuals = own["tdd"].to_numpy(float) - fitted(own, own["border"].to_numpy(float))
        table["chance"] = fitted(own, table["border"].to_numpy(float))
        above = residuals >= (table["tdd"] - table["chance"]).to_numpy(float)[:, None]
        table["p"] = (1 + above.sum(1)) / (1 + len(own))
        tables.append(table.assign(sample_id=name, p_holm=holm(table["p"].to_numpy(float))))
    return pd.concat(tables, ignore_index=True)


def beside_blind(settings: Settings, runs: Runs) -> pd.DataFrame:
    """`maps_beside_blind` of the page's photographs."""
    return maps_beside_blind(runs.rows["photographs"], runs.photographs.blind, settings.k, settings.fill)


def blind_panels(settings: Settings, runs: Runs) -> Figure:
    """Each photograph with what the model sees outlined; below it TDD over the border length: blind selections as grey
    dots, their fit as a line, the maps as coloured dots, each joined to the fit by what it has in excess."""
    shown, maps = runs.photographs, beside_blind(settings, runs)
    colours = method_colours(list(maps["method"].unique()))
    across = min(ACROSS, len(shown.names))
    blocks = -(-len(shown.names) // across)
    with mpl.rc_context(STYLE):
        size = (2.3 * across + 0.4, 3.9 * blocks + 0.4)
        figure, grid = plt.subplots(2 * blocks, across, figsize=size, squeeze=False, layout="constrained")
        for axes in grid.flat:
            axes.set_visible(False)
        for place, name in enumerate(shown.names):
            row, column = divmod(place, across)
            above, below = grid[2 * row][column], grid[2 * row + 1][column]
            above.set_visible(True)
            below.set_visible(True)
            picture(above, shown.images[place], shown.masks[place], f"{name}: {shown.seen[place]}")
            _panel(below, shown.blind[shown.blind["sample_id"] == name], maps[maps["sample_id"] == name], colours)
            below.set_xlabel(RAGGED, fontsize=8)
            below.set_ylabel(metric_label("tdd") if column == 0 else "")
        figure.legend(*grid[1][0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def _panel(axes: Axes, blind: pd.DataFrame, maps: pd.DataFrame, colours: dict[str, tuple[float, ...]]) -> None:
    axes.scatter(blind["border"], blind["tdd"], s=9, color="0.75", linewidth=0, label="blind selections")
    ends = blind["border"].min(), max(blind["border"].max(), maps["border"].max())
    along = np.geomspace(min(ends[0], maps["border"].min()), ends[1], 60)
    axes.plot(along, fitted(blind, along), color="0.35", linewidth=1.2, label="their fit")
    for method, ragged, value, chance in maps[["method", "border", "tdd", "chance"]].itertuples(index=False):
        axes.plot([ragged] * 2, [chance, value], color=colours[method], linewidth=1.2)
        axes.scatter(ragged, value, s=42, color=colours[method], edgecolor="black", zorder=3, label=key_label(method))
    axes.axhline(0, color="0.85", linewidth=0.8, zorder=0)
    axes.set_xscale("log")
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2) if along[0] <= tick <= along[-1]]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.tick_params(labelsize=8)


def credit(runs: Runs) -> HTML | None:
    """Whose photographs they are, where they are some."""
    return credit_line(str(runs.rows["photographs"]["dataset"].iloc[0]), runs.photographs.names)


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """How many maps of the photographs lie above what blind selections as ragged earn, and which."""
    maps = beside_blind(settings, runs)
    apart = maps["p_holm"] < SIGNIFICANT
    by_method = [f"{key_label(name)} {apart[maps['method'] == name].sum()}" for name in PAPER]
    return {
        "photo_dataset": dataset_label(settings.photo_dataset),
        "photo_model": settings.photo_model,
        "photo_n": len(runs.photographs.names),
        "photo_maps": len(maps),
        "photo_above": int((maps["tdd"] > maps["chance"]).sum()),
        "photo_apart": int(apart.sum()),
        "photo_apart_by": ", ".join(by_method),
        "photo_blind": int(runs.photographs.blind.groupby("sample_id").size().max()),
        "photo_significant": f"{SIGNIFICANT:g}",
    }
