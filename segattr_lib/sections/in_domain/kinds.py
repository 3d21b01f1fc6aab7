"""Which kinds of deletion a copy knows: what is left of its answer, beside what is left of the original's."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from safetensors import safe_open

from segattr_lib.models import IN_DOMAIN, WEIGHTS

KINDS = ("pixels", "cells", "smooth")  # of deletion, as training names them
UNDER = ("mean", "zeros", "blur")  # fills, as training measures them
BAR = 0.5  # IoU with its own answer to the whole image, below which a kind is not in domain


def read_kinds(models: Iterable[str]) -> pd.DataFrame:
    """What the copies' own files say: a row a model, kind and fill, with the IoU of copy and original, and clean."""
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


def kinds_table(kinds: pd.DataFrame, fills: Iterable[str]) -> pd.DataFrame:
    """Copy (original) by kind and fill, a row a model and kind; what is not in domain stands in brackets."""
    shown = kinds[kinds["fill"].isin([*fills])]
    texts = [
        f"{copy:.2f} ({original:.2f})" if known else f"[{copy:.2f}] ({original:.2f})"
        for copy, original, known in shown[["copy", "original", "known"]].to_numpy()
    ]
    table = shown.assign(text=texts).set_index(["model", "kind", "fill"])["text"].unstack("fill")  # noqa: PD010
    order = pd.MultiIndex.from_product([kinds["model"].unique(), KINDS])
    return table.reindex(index=order, columns=[*fills]).rename_axis(columns=None)


def clean_table(kinds: pd.DataFrame) -> pd.DataFrame:
    """What tuning costs: mean IoU on whole images of the original and of the copy."""
    clean = kinds.drop_duplicates("model").set_index("model")[["clean_original", "clean_copy"]]
    clean = clean.assign(lost=clean["clean_original"] - clean["clean_copy"])
    return clean.set_axis(["original", "copy", "lost"], axis=1).map("{:.3f}".format).rename_axis(None)


def kinds_chart(kinds: pd.DataFrame, fill: str) -> Figure:
    """What is left of the answer by kind of deletion under one fill: a panel a model, original and copy joined."""
    models = list(kinds["model"].unique())
    figure, panels = plt.subplots(1, len(models), figsize=(2.7 * len(models) + 0.6, 2.4), sharey=True, squeeze=False)
    for axes, model in zip(panels[0], models, strict=True):
        rows = kinds[(kinds["model"] == model) & (kinds["fill"] == fill)].set_index("kind").loc[list(KINDS)]
        axes.axvline(BAR, color="0.7", linewidth=0.8, linestyle="--", zorder=0)
        axes.hlines(range(len(KINDS)), rows["original"], rows["copy"], color="0.6", linewidth=1.5, zorder=1)
        axes.scatter(rows["original"], range(len(KINDS)), s=34, facecolor="white", edgecolor="black", label="original")
        axes.scatter(rows["copy"], range(len(KINDS)), s=34, color="black", label="copy")
        axes.set(title=model.replace("_", " "), xlabel="IoU with its own answer", xlim=(-0.03, 1.03))
        axes.set(yticks=range(len(KINDS)), yticklabels=KINDS, ylim=(len(KINDS) - 0.5, -0.5))
        axes.title.set_size("small")
    panels[0][0].legend(loc="lower left", fontsize="small", frameon=False)
    figure.tight_layout()
    plt.close(figure)  # shown once, by whoever asked for it
    return figure
