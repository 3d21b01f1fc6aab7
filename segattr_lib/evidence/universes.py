"""Records read as a multiverse (ours): one metric's values under every k, fill, grid, size, region and model that is
recorded, and whether the order of methods survives a change of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from segattr_lib.attribution import method_key
from segattr_lib.benchmark.statistics import ROBUST_FLOOR, plain
from segattr_lib.evidence.records import Record
from segattr_lib.inference.paired import paired
from segattr_lib.inference.verdicts import sound
from segattr_lib.metrics import metric_key
from segattr_lib.models import REPEATED
from segattr_lib.registry import read_key


@dataclass(frozen=True)
class Universe:
    """One value of every setting that a claim may hang on.

    k, fill: of the metric, None where it has none. grid: cells a side of the maps of interventions, None where none
    of the methods compared takes one. size: px of the images' side. region: whose labels the target is found in.
    training: the seed that the model was trained from, beside the models of REPEATED, which count as one.
    """

    k: float | None
    fill: str | None
    grid: int | None
    size: int
    region: str
    model: str
    training: int = 0


SETTINGS = tuple(field.name for field in fields(Universe))


@dataclass(frozen=True)
class Recorded:
    """A metric's values in a record: a table an image and method for each of (k, fill, region, model).

    tables: images that the model scores at least ROBUST_FLOOR as rows, keys of methods as columns; only sound values,
    NaN elsewhere. size, grid: of the record's settings.
    """

    size: int
    grid: int
    tables: Mapping[tuple[float | None, str | None, str, str], pd.DataFrame]


def recorded_values(record: Record, metric: str) -> Recorded:
    """One metric's values in a record, under everything that it was measured with; empty where it was not."""
    rows = record.rows
    rows = plain(rows[(rows["metric"] == metric) | (rows["metric"] == "score") | rows["metric"].isna()])
    takes = metric_key(metric).entry.options
    tables = {}
    for (region, model), part in rows.groupby(["region", "model"], sort=False):
        mine = sound(part)
        measured = mine["metric"] == metric
        for (k, fill), rows_there in mine[measured].groupby(["k", "fill"], sort=False, dropna=False):
            place = (float(k) if "k" in takes else None, fill if "fill" in takes else None)
            table = paired(pd.concat([mine[~measured], rows_there]), metric, *place, floor=ROBUST_FLOOR)
            tables[(*place, str(region), str(model))] = table.droplevel("dataset")
    return Recorded(record.settings.image_size, record.settings.grid, tables)


def universes(several: Iterable[Recorded], methods: Sequence[str]) -> dict[Universe, pd.DataFrame]:
    """The values of these methods in every universe that has them all: images that have every one as rows.

    Universes that the methods cannot tell apart are one: the grid is none where no method but a control takes one (a
    control keeps its own, as the grain of its noise is what it is for). Of two records of one universe the larger
    counts.
    """
    moved = [key for key in map(method_key, methods) if takes_grid(key.text)]
    found: dict[Universe, pd.DataFrame] = {}
    for values in several:
        for (k, fill, region, model), table in values.tables.items():
            trained, seed = REPEATED.get(model, (model, 0))
            for grid in _grids(table, values.grid) if moved else [None]:
                keys = [at_grid(method, grid, values.grid) for method in methods]
                if not set(keys) <= set(table):
                    continue
                complete = table[keys].dropna().set_axis(list(methods), axis=1)
                universe = Universe(k, fill, grid, values.size, region, trained, seed)
                if len(complete) > len(found.get(universe, [])):
                    found[universe] = complete
    return found


def takes_grid(method: str) -> bool:
    """Does a grid decide this method's maps, and is it not its own? A control's grain is what the control is."""
    key = method_key(method)
    return "grid" in key.entry.options and "grid" not in key.options and key.entry.family != "control"


def at_grid(method: str, grid: int | None, default: int) -> str:
    """The key of a method at a grid, as the rows of a run of this default name it."""
    return (
        method if grid in (None, default) or not takes_grid(method) else method_key(method).with_pinned(grid=grid).text
    )


def _grids(table: pd.DataFrame, default: int) -> list[int]:
    """The grids that some method of the table was run with."""
    options = [read_key(key).options for key in table]
    return sorted({default, *(pinned["grid"] for pinned in options if list(pinned) == ["grid"])})


def orders(found: Mapping[Universe, pd.DataFrame], metric: str) -> pd.DataFrame:
    """How good each method is in each universe: a row a universe (SETTINGS as its index), a column a method.

    The mean over the images, the median for a metric that is ranked by it; signed so that higher is better.
    """
    entry = metric_key(metric).entry
    centres = {
        universe: (table.median() if entry.ranked_by == "median" else table.mean()) * entry.direction
        for universe, table in found.items()
    }
    index = [tuple(getattr(universe, name) for name in SETTINGS) for universe in centres]
    return pd.DataFrame(list(centres.values()), pd.MultiIndex.from_tuples(index, names=SETTINGS) if index else None)


def kendall(ordered: pd.DataFrame) -> np.ndarray:
    """Kendall's tau-b between every two rows, the orders of the columns by their values (rows, rows).

    NaN where a row's values are all equal, and where there are fewer than two columns.
    """
    values = ordered.to_numpy(float)
    first, second = np.triu_indices(values.shape[1], 1)
    signs = np.sign(values[:, first] - values[:, second])
    untied = (signs != 0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return signs @ signs.T / np.sqrt(np.outer(untied, untied))


def tau_by_setting(ordered: pd.DataFrame) -> pd.DataFrame:
    """Kendall's tau of every two universes: a row a setting, over the pairs that differ in it alone, and "any", over
    all pairs. Columns: mean, least, same (share of pairs of one order), pairs; a setting that never moved has none."""
    taus = kendall(ordered)
    rows = {name: taus[pairs] for name, pairs in pairs_apart(ordered.index.to_frame(index=False)).items()}
    rows["any"] = taus[np.triu_indices(len(ordered), 1)]
    return pd.DataFrame(
        [
            {
                "setting": name,
                "mean": values.mean(),
                "least": values.min(),
                "same": (values > 1 - 1e-9).mean(),
                "pairs": len(values),
            }
            for name, values in rows.items()
            if len(values)
        ],
        columns=["setting", "mean", "least", "same", "pairs"],
    ).set_index("setting")


def pairs_apart(settings: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The places (first, second) of every two rows of the columns SETTINGS that differ in one setting alone, by its
    name."""
    codes = np.stack([pd.factorize(settings[name].astype(object))[0] for name in SETTINGS], axis=1)
    first, second = np.triu_indices(len(settings), 1)
    apart = codes[first] != codes[second]
    alone = apart.sum(axis=1) == 1
    return {
        name: (first[alone & apart[:, place]], second[alone & apart[:, place]]) for place, name in enumerate(SETTINGS)
    }
