"""Which metric follows the truth? Correlations over images, over methods, over all maps, and by size of the shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from segattr_lib.data.single_shapes import TIERS, tier_of
from segattr_lib.inference.agreement import EVERY, RESAMPLES, WAYS, agreement, correlations, ends
from segattr_lib.inference.maps import TRUTH, directed
from segattr_lib.report import charts, tables
from segattr_lib.report.labels import signed_label


@dataclass(frozen=True)
class Truth:
    """What the metrics' correlations with the truth are; every table is empty where no truth is known.

    correlations: of agreement.correlations; of_tiers: the same of each size tier by itself (`over_tiers`); ends: of
    agreement.ends. complete, incomplete: maps with a value of every metric, and without, which are left out of all.
    """

    correlations: pd.DataFrame
    of_tiers: pd.DataFrame
    ends: pd.DataFrame
    complete: int
    incomplete: int


def held_against_truth(
    maps: pd.DataFrame, known: bool, dataset: str, level: float, seed: int, resamples: int = RESAMPLES
) -> Truth:
    """Correlate the paper's metrics of some maps (rows of maps_table) with the cosine. known: is there a truth?

    Raises UserError where it is known and no map has a value of every metric.
    """
    if not known:
        return Truth(pd.DataFrame(), pd.DataFrame(), pd.DataFrame(), 0, len(maps))
    agreed = agreement(directed(maps), maps[TRUTH], seed, resamples)
    of_tiers = over_tiers(directed(maps), maps[TRUTH], dataset, "arcc", level, seed, resamples)
    return Truth(correlations(agreed, "arcc", level), of_tiers, ends(agreed, level=level), agreed.maps, agreed.missing)


def tiers(sample_ids: Sequence[str], dataset: str) -> dict[str, list[str]]:
    """The samples of each size tier that has any; one tier, "all", for a data set other than the single shapes."""
    if dataset != "single_shapes":
        return {"all": list(sample_ids)}
    by_tier = {tier: [name for name in sample_ids if tier_of(name) == tier] for tier in TIERS}
    return {tier: names for tier, names in by_tier.items() if names}


def over_tiers(
    table: pd.DataFrame,
    truth: pd.Series,
    dataset: str,
    over: str = "arcc",
    level: float = 0.95,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """agreement.correlations of the images of each size tier by themselves, with columns tier and images."""
    blocks = []
    for tier, names in tiers(list(table.index.unique("sample_id")), dataset).items():
        mine = table.index.get_level_values("sample_id").isin(names)
        of_tier = agreement(table[mine], truth[mine], seed, resamples)
        blocks.append(correlations(of_tier, over, level).assign(tier=tier, images=of_tier.images))
    return pd.concat(blocks, ignore_index=True)


def forest(truth: Truth) -> Figure | None:
    """Pearson's correlations with the truth: a panel a way, thick the mean over the models; nothing without a truth."""
    if truth.correlations.empty:
        return None
    pearson = truth.correlations[truth.correlations["kind"] == "pearson"]
    return charts.correlation_forest(pearson, WAYS, EVERY)


def over_models(truth: Truth) -> pd.DataFrame | None:
    """The correlations' means over the models, Pearson's and Spearman's; nothing without a truth."""
    if truth.correlations.empty:
        return None
    return tables.correlations(truth.correlations[truth.correlations["model"] == EVERY], "kind")


def by_model(truth: Truth) -> pd.DataFrame | None:
    """The correlations of each model by itself; nothing without a truth."""
    if truth.correlations.empty:
        return None
    return tables.correlations(truth.correlations[truth.correlations["model"] != EVERY], ["kind", "model"])


def by_size(truth: Truth) -> pd.DataFrame | None:
    """Pearson's correlations of each size tier, mean over the models, over images and over all maps; nothing without a
    truth."""
    if truth.correlations.empty:
        return None
    rows = _with_images(truth.of_tiers)
    rows = rows[(rows["model"] == EVERY) & (rows["kind"] == "pearson") & (rows["way"] != "across")]
    return tables.correlations(rows, "way", "tier")


def by_size_and_model(truth: Truth) -> pd.DataFrame | None:
    """The correlations of each size tier, of each model, in all three ways; nothing without a truth."""
    if truth.correlations.empty:
        return None
    rows = _with_images(truth.of_tiers).replace({"model": {EVERY: "mean"}})
    return tables.correlations(rows, ["kind", "model", "way"], "tier")


def lead(truth: Truth, way: str) -> str:
    """How far the metric that is highest on one half of the images leads ARCC on the other, as text."""
    if truth.ends.empty:
        return "–"
    highest = truth.ends[(truth.ends["way"] == way) & (truth.ends["end"] == "highest")]
    return tables.number(highest["difference"].item(), 2)


def _with_images(of_tiers: pd.DataFrame) -> pd.DataFrame:
    """With the number of images beside the name of each tier."""
    return of_tiers.assign(tier=of_tiers["tier"] + " (" + of_tiers["images"].astype(str) + ")")


def apart(first: Truth, second: Truth) -> str:
    """The metrics whose correlation has an interval wholly above 0 on one kind of images and wholly below on the other,
    with the way; "none" where none is so, or a truth is missing."""
    if first.correlations.empty or second.correlations.empty:
        return "none"
    sides = []
    for truth in (first, second):
        rows = truth.correlations
        rows = rows[(rows["model"] == EVERY) & (rows["kind"] == "pearson")].set_index(["metric", "way"])
        sides.append((rows["low"] > 0).astype(int) - (rows["high"] < 0).astype(int))
    contrary = [place for place in sides[0].index if sides[0][place] * sides[1].get(place, 0) < 0]
    return "; ".join(f"{signed_label(metric)} over {WAYS[way]}" for metric, way in contrary) or "none"
