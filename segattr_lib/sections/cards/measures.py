"""What the records say of a metric: its null, its agreement with truth, its faults, and what its settings move."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from segattr_lib.attribution import method_key
from segattr_lib.benchmark.statistics import plain
from segattr_lib.evidence.records import Record
from segattr_lib.evidence.universes import kendall, orders, pairs_apart, recorded_values, universes
from segattr_lib.inference.agreement import EVERY, agreement, correlations
from segattr_lib.inference.intervals import FEWEST, median_interval, studentised_interval
from segattr_lib.inference.maps import PAPER, TRUTH, directed, maps_table
from segattr_lib.inference.paired import keyed, paired, settled
from segattr_lib.inference.verdicts import LEVEL, sound, values_of
from segattr_lib.metrics import metric_key

GRAINS = ("random", "random_cells", "random_smooth_28", "random_smooth")  # random maps, the most ragged first
TRUE = "ground_truth"  # the control that knows something: the truth
K, FILL = 0.2, "mean"  # the setting that values are told at
Estimate = tuple[float, float, float, int]  # a value, the ends of its interval, and of how many images


def by_median(metric: str) -> bool:
    """Is the metric ranked by the median of its samples?"""
    return metric_key(metric).entry.ranked_by == "median"


def estimate(metric: str, values: Float[np.ndarray, " n"]) -> Estimate:
    """The mean of some values with its interval; the median for a metric that is ranked by it."""
    if not len(values):
        return np.nan, np.nan, np.nan, 0
    if by_median(metric):
        return float(np.median(values)), *median_interval(values, LEVEL), len(values)
    return float(values.mean()), *studentised_interval(values, LEVEL), len(values)


def explaining(record: Record, metric: str) -> list[str]:
    """The methods of a record that look at the model, at their own settings, of which it has the metric."""
    rows = record.rows
    named = keyed(plain(rows[rows["metric"] == metric][["method", "variant"]].drop_duplicates()))["key"]
    return [key for key in named if not method_key(key).pinned and method_key(key).entry.family != "control"]


def blind(record: Record, metric: str) -> list[str]:
    """The maps of a record that know nothing of the model or the truth, of which it has the metric: random ones of
    every grain, and others, such as the distance to the target's edge."""
    rows = record.rows
    there = rows.loc[rows["metric"] == metric, "method"].dropna().unique()
    controls = [str(name) for name in there if method_key(str(name)).entry.family == "control" and name != TRUE]
    return sorted(controls, key=lambda name: GRAINS.index(name) if name in GRAINS else len(GRAINS))


def levels(record: Record, metric: str) -> pd.DataFrame:
    """Where the methods and the maps that know nothing lie: a row each, columns method, kind, mean, low, high, n.

    kind: "method", "random" for those of GRAINS, "other" for the rest that knows nothing. mean: the median for a metric
    that is ranked by it. Maps with sound values of fewer than FEWEST images are left out.
    """
    rows = []
    for method in [*explaining(record, metric), *blind(record, metric)]:
        values = values_of(record.rows, metric, [method], K, FILL)
        if len(values) < FEWEST:
            continue
        mean, low, high, n = estimate(metric, values[method].to_numpy(float))
        control = method_key(method).entry.family == "control"
        kind = "method" if not control else "random" if method in GRAINS else "other"
        rows.append({"method": method, "kind": kind, "mean": mean, "low": low, "high": high, "n": n})
    return pd.DataFrame(rows, columns=["method", "kind", "mean", "low", "high", "n"])


def spread(where: pd.DataFrame, kind: str) -> float:
    """How far apart the maps of a kind lie: the greatest mean less the least; NaN of none."""
    means = where.loc[where["kind"] == kind, "mean"]
    return float(np.ptp(means)) if len(means) else np.nan


def explains_again(metric: str) -> bool:
    """Is the metric nothing but a comparison with maps that are made anew? Random maps are then drawn anew, too."""
    entry = metric_key(metric).entry
    parts = [metric_key(part).entry for part in entry.parts] or [entry]
    return all("explain" in part.options for part in parts)


def lead(record: Record, metric: str, where: pd.DataFrame) -> tuple[str, str, Estimate] | None:
    """The best method beside the best map that knows nothing: both, and how much better the method is on the same
    images (above 0: better). None where the record lacks either."""
    direction = metric_key(metric).entry.direction
    looks = where["kind"] == "method"
    sides = [where[looks], where[~looks]]
    if any(side.empty for side in sides):
        return None
    best, rival = (str(side["method"].iloc[int((side["mean"] * direction).argmax())]) for side in sides)
    table = values_of(record.rows, metric, [best, rival], K, FILL)
    return best, rival, estimate(metric, direction * (table[best] - table[rival]).to_numpy(float))


def faults(record: Record, metric: str) -> dict[str, float]:
    """The shares of the methods' values that are undefined, degenerate and failed, at the setting that is told."""
    rows = plain(record.rows[record.rows["metric"] == metric])
    takes = metric_key(metric).entry.options
    if "k" in takes:
        rows = rows[np.isclose(rows["k"].astype(float), K)]
    if "fill" in takes:
        rows = rows[rows["fill"] == FILL]
    mine = keyed(rows)
    mine = mine[mine["key"].isin(explaining(record, metric))]
    return {status: float((mine["status"] == status).mean()) for status in ("undefined", "degenerate", "failed")}


def shift(record: Record, metric: str) -> float:
    """How far the mean (the median for a metric that is ranked by it) of some method moves when the images that the
    model scores low are taken in: the largest move of all methods, NaN of none. Relative drops explode there."""
    keys = explaining(record, metric)
    well = values_of(record.rows, metric, keys, K, FILL)
    rows = record.rows
    takes = metric_key(metric).entry.options
    place = (K if "k" in takes else None, FILL if "fill" in takes else None)
    if well.empty:
        return np.nan
    every = paired(sound(plain(rows[rows["metric"] == metric])), metric, *place)[keys]
    centre = "median" if by_median(metric) else "mean"
    return float((every.agg(centre) - well.agg(centre)).abs().max())


def setting_taus(records: Sequence[Record], metric: str) -> pd.DataFrame | None:
    """Kendall's tau between the orders of the methods at two k (the fill the same) and at two fills (the k the same):
    a row each, columns mean, least, pairs. Over all records, models and regions, at the record's own grid; None where
    the metric was recorded at a single setting."""
    taus: dict[str, list[float]] = {"k": [], "fill": []}
    for record in records:
        found = universes([recorded_values(record, metric)], explaining(record, metric))
        own = {universe: table for universe, table in found.items() if universe.grid in (None, record.settings.grid)}
        if not own:
            continue
        ordered = orders(own, metric)
        between, pairs = kendall(ordered), pairs_apart(ordered.index.to_frame(index=False))
        for setting in taus:
            taus[setting] += between[pairs[setting]].tolist()
    rows = {
        setting: {"mean": np.mean(values), "least": np.min(values), "pairs": len(values)}
        for setting, values in taus.items()
        if values
    }
    return pd.DataFrame.from_dict(rows, orient="index") if rows else None


def planted(own: Record, context: Record, metric: str, methods: Sequence[str] | None = None) -> Estimate | None:
    """Does the metric tell where the evidence was planted? How much better it finds the same scenes under the model
    whose class hangs on a badge on the target than under the one whose class hangs on a marker far from it.

    Scene by scene, the mean over the methods (all that look at the model, unless they are named); above 0: in the
    metric's better direction. None where either record lacks the metric.
    """
    sides = []
    for record in (own, context):
        keys = list(methods or explaining(record, metric))
        table = values_of(record.rows, metric, keys, K, FILL)
        if table.empty:
            return None
        sides.append(table.mean(axis=1).droplevel("dataset"))
    both = pd.concat(sides, axis=1, join="inner", keys=["own", "context"])
    return estimate(metric, metric_key(metric).entry.direction * (both["own"] - both["context"]).to_numpy(float))


def with_truth(record: Record) -> pd.DataFrame:
    """Pearson's correlation of each of the ARCC paper's metrics (higher is better) with the likeness of a map and the
    shape it should lie on: over all maps ("pooled") and over the images of a method ("within"), mean over the models;
    see agreement.correlations."""
    maps = maps_table(settled(record.rows), [*PAPER, TRUTH])
    names = maps.index.unique("method")
    explained = maps[
        maps.index.get_level_values("method").isin(
            [name for name in names if method_key(name).entry.family != "control"]
        )
    ]
    table = correlations(agreement(directed(explained), explained[TRUTH]))
    return table[(table["model"] == EVERY) & (table["kind"] == "pearson")]
