"""A CAM's maps at each layer, RefineCAM of them, and its coherency when the deep maps are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from segattr_lib.attribution.fusion import REFINABLE, refined
from segattr_lib.benchmark.group import Group
from segattr_lib.metrics.composite import arcc, coherency
from segattr_lib.registry import unknown
from segattr_lib.targets import Maps, Target

COLUMNS = ["coherency", "coherency_kept", "arcc", "arcc_kept"]


def maps_at(group: Group, base: str, images: Tensor, target: Target, layers: Sequence[str]) -> list[Maps]:
    """A CAM's maps of the images at each of the layers; UserError for a CAM that RefineCAM does not take."""
    if base not in REFINABLE:
        raise unknown("base CAM", base, REFINABLE)
    return REFINABLE[base](group.score, images, target, layers=layers, scalar=group.offered["scalar"])


def layer_maps(group: Group, base: str, fuse: str = "product") -> dict[str, Maps]:
    """A CAM's maps of the group's samples at each of its layers, by the layer's name, and "RefineCAM" of them."""
    layers = group.offered["layers"]
    maps = maps_at(group, base, group.images, group.target, layers)
    return {**dict(zip(layers, maps, strict=True)), "RefineCAM": refined(maps, fuse)}


def shortcut(group: Group, base: str, fuse: str = "product") -> pd.Series:
    """RefineCAM's coherency when the deep maps are kept: only the shallowest is recomputed on the faded image.

    The kept maps correlate with themselves, so this flatters RefineCAM; metrics.composite.coherency recomputes it
    whole. One value a sample, by its id. With one layer the two are the same.
    """
    layers = group.offered["layers"]
    shallow, *deep = maps_at(group, base, group.images, group.target, layers)
    fused = refined([shallow, *deep], fuse)

    def explain(images: Tensor, target: Target, _occasion: str) -> Maps:
        return refined([*maps_at(group, base, images, target, layers[:1]), *deep], fuse)

    values = coherency(group.score, group.images, fused, group.target, explain=explain)
    return pd.Series(values.cpu().numpy(), [sample.sample_id for sample in group.samples])


def shortcuts(groups: Mapping[str, Group], rows: pd.DataFrame, bases: Sequence[str]) -> pd.DataFrame:
    """Coherency and ARCC of RefineCAM, recomputed whole and with the deep maps kept, of the groups' samples by model.

    rows: of runs.at_ends, which hold the samples under these models. Index model, base, sample_id; columns coherency,
    coherency_kept, arcc, arcc_kept, an ARCC that does not exist being 0 in both as in paired.settled.
    """
    tables = []
    for model, group in groups.items():
        for base in bases:
            of_base = (rows["method"] == "refinecam") & (rows["variant"] == f"base={base}")
            mine = rows[(rows["model"] == model) & of_base]
            table = mine.pivot_table(index="sample_id", columns="metric", values="value", dropna=False)
            kept = shortcut(group, base)
            table = table.reindex(kept.index).assign(coherency_kept=kept)
            for name in ("coherency", "coherency_kept"):
                parts = (torch.tensor(table[part].to_numpy(float)) for part in (name, "complexity", "road"))
                vanished = table[name].isna() & table["road"].notna()
                table[name.replace("coherency", "arcc")] = np.where(vanished, 0.0, arcc(*parts).numpy())
            tables.append(table.rename_axis("sample_id").assign(model=model, base=base).reset_index())
    return pd.concat(tables).set_index(["model", "base", "sample_id"])[COLUMNS]
