"""Which kinds of deletion a copy knows: what is left of its answer, beside what is left of the original's."""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib as mpl
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from safetensors import safe_open

from segattr_lib.models import IN_DOMAIN, WEIGHTS
from segattr_lib.report.charts import legend_below
from segattr_lib.report.style import STYLE

KINDS = ("pixels", "cells", "smooth")  # of deletion, as training names them
UNDER = ("mean", "zeros", "blur")  # fills, as training measures them
BAR = 0.5  # IoU with its own answer to the whole image, below which a kind is not in domain


def read_kinds(models: Iterable[str]) -> pd.DataFrame:
    """What the copies' own files say: a row a model, kind and fill, with the IoU that copy and original keep, whether
    that is known (at least BAR) to the copy and was known_before, and the clean mean IoU of both."""
    rows = []
    for model in models:
        with safe_open(WEIGHTS / f"{IN_DOMAIN[model]}.safetensors", "pt") as file:
            about = file.metadata()
        clean = {"clean_copy": float(about["miou"]), "clean_original": float(about["miou_original"])}
        for kind in KINDS:
            for fill in UNDER:
                key = f"iou_{kind}_{fill}"
                kept = {"copy": float(about[key]), "original": float(about[f"{key}_original"])}
                rows.append({"model": model, "kind": kind, "fill": fill, **kept, **clean})
    table = pd.DataFrame(rows)
    return table.assign(known=table["copy"] >= BAR, known_before=table["original"] >= BAR)


def kinds_table(kinds: pd.DataFrame) -> pd.DataFrame:
    """Copy (original) by kind and fill, a row a model and kind; what is not in domain stands in brackets."""
    texts = [
        f"{copy:.2f} ({original:.2f})" if known else f"[{copy:.2f}] ({original:.2f})"
        for copy, original, known in kinds[["copy", "original", "known"]].to_numpy()
    ]
    table = kinds.assign(text=texts).pivot_table(
        index=["model", "kind"], columns="fill", values="text", aggfunc="first", sort=False
    )
    return table[list(UNDER)].rename_axis(index=[None, None], columns=None)


def clean_table(kinds: pd.DataFrame) -> pd.DataFrame:
    """What tuning costs: mean IoU on whole images of the original and of the copy."""
    clean = kinds.drop_duplicates("model").set_index("model")[["clean_original", "clean_copy"]]
    clean = clean.assign(lost=clean["clean_original"] - clean["clean_copy"])
    return clean.set_axis(["original", "copy", "lost"], axis=1).map("{:.3f}".format).rename_axis(None)


def kinds_chart(kinds: pd.DataFrame, fill: str) -> Figure:
    """What is left of the answer by kind of deletion under one fill: a panel a model, original and copy joined."""
    models = list(kinds["model"].unique())
    places = range(len(KINDS))
    with mpl.rc_context(STYLE):
        figure, panels = plt.subplots(
            1, len(models), figsize=(2.6 * len(models) + 0.8, 2.2), sharey=True, squeeze=False
        )
        for axes, model in zip(panels[0], models, strict=True):
            rows = kinds[(kinds["model"] == model) & (kinds["fill"] == fill)].set_index("kind").loc[list(KINDS)]
            axes.axvline(BAR, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
            axes.hlines(places, rows["original"], rows["copy"], color="0.6", linewidth=1.5, zorder=1)
            for name, colour in (("original", "tab:orange"), ("copy", "tab:blue")):
                axes.scatter(rows[name], places, s=36, color=colour, label=name, zorder=2)
            axes.set_title(model.replace("_", " "), fontsize="small")
            axes.set(xlabel="IoU with its own answer", xlim=(-0.05, 1.05), xticks=(0, BAR, 1))
            axes.set(yticks=places, yticklabels=KINDS, ylim=(len(KINDS) - 0.5, -0.5))
        legend_below(figure, panels[0][0])
        plt.close(figure)  # shown once, by whoever asked for it
        return figure
