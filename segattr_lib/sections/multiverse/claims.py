"""Difference claims, and what every universe of the records says of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from segattr_lib.evidence.universes import SETTINGS, Recorded, pairs_apart, universes
from segattr_lib.inference.intervals import median_interval, studentised_interval
from segattr_lib.inference.verdicts import SIDES
from segattr_lib.metrics import metric_key


@dataclass(frozen=True)
class Claim:
    """One method said to lie "above" or "below" another on a metric, in its own unit. id: the ledger's, where it has
    the claim."""

    id: str
    says: str
    metric: str
    method: str
    over: str
    side: str = "above"

    @property
    def by_median(self) -> bool:
        """Is its metric ranked by the median?"""
        return metric_key(self.metric).entry.ranked_by == "median"


EXAMINED = (
    Claim("dea_tdd_above_ega", "DEA's deletion drop is above EGA's", "tdd", "dea", "ega"),
    Claim("dea_tdd_above_gpa", "DEA's deletion drop is above GPA's", "tdd", "dea", "gpa"),
    Claim("dea_tdd_below_ria", "DEA's deletion drop is below RIA's", "tdd", "dea", "ria", "below"),
    Claim("ria_tdd_above_ega", "RIA's deletion drop is above EGA's", "tdd", "ria", "ega"),
    Claim("dea_odd_below_ega", "DEA's off-target drop is below EGA's", "odd_abs", "dea", "ega", "below"),
    Claim("dea_leak_below_ega", "DEA leaks less than EGA", "leak_abs", "dea", "ega", "below"),
    Claim("dea_tdd_above_random", "DEA's deletion drop is above that of random pixels", "tdd", "dea", "random"),
    Claim("ria_above_cells", "RIA earns more than random cells", "excess_tdd", "ria", "random_cells"),
    Claim("dea_excess_above_ega", "DEA earns more than EGA", "excess_tdd", "dea", "ega"),
    Claim("ria_above_depth", "RIA earns more than depth", "excess_tdd", "ria", "depth"),
    Claim("ega_above_depth", "EGA earns more than depth", "excess_tdd", "ega", "depth"),
)

FEWEST_PAIRS = 6  # of universes that differ in a setting alone: of fewer no share is told
COLUMNS = ("claim", "data", *SETTINGS, "n", "value", "low", "high", "side")


def differences(
    examined: Sequence[Claim], values: Mapping[str, Mapping[str, Sequence[Recorded]]], level: float, seed: int = 0
) -> pd.DataFrame:
    """A row a claim, kind of data and universe: the mean paired difference (LeakAbs: the median) with its interval.

    values: by kind of data, then by metric. side: 1 where the difference has the claimed sign, -1 where it has the
    other, 0 for none; low, high: NaN for too few images.
    """
    rows = []
    for claim in examined:
        for data, by_metric in values.items():
            for universe, table in universes(by_metric[claim.metric], [claim.method, claim.over]).items():
                between = (table[claim.method] - table[claim.over]).to_numpy(float)
                if claim.by_median:
                    value, ends = float(np.median(between)), median_interval(between, level)
                else:
                    value, ends = float(between.mean()), studentised_interval(between, level, seed)
                settings = {name: getattr(universe, name) for name in SETTINGS}
                about = {"claim": claim.id, "data": data, **settings, "n": len(between), "value": value}
                side = int(np.sign(value)) * SIDES[claim.side]
                rows.append({**about, "low": ends[0], "high": ends[1], "side": side})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def wholly(rows: pd.DataFrame) -> pd.Series:
    """The side that a whole interval lies on: 1 the claimed one, -1 the other, 0 where it holds 0 or is none."""
    off = (rows["low"] > 0) | (rows["high"] < 0)
    return rows["side"].where(off, 0)


def shares(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a claim and kind of data: universes, and the shares of them in which the difference has the claimed sign,
    in which its interval lies wholly there, and in which it lies wholly on the other side."""
    marked = rows.assign(sign=rows["side"] > 0, there=wholly(rows) > 0, against=wholly(rows) < 0)
    grouped = marked.groupby(["claim", "data"], sort=False)
    return grouped.agg(
        universes=("side", "size"), sign=("sign", "mean"), there=("there", "mean"), against=("against", "mean")
    ).reset_index()


def turns(rows: pd.DataFrame) -> pd.Series:
    """How often a setting turns the sign: the share of those pairs of universes that differ in it alone whose
    differences have different signs, by setting; of one claim and kind of data. A setting that moves in fewer than
    FEWEST_PAIRS of them is absent.
    """
    sides = rows["side"].to_numpy()
    pairs = pairs_apart(rows)
    return pd.Series(
        {
            name: (sides[first] != sides[second]).mean()
            for name, (first, second) in pairs.items()
            if len(first) >= FEWEST_PAIRS
        },
        dtype=float,
    )


def share_by_value(rows: pd.DataFrame, setting: str) -> pd.Series:
    """The share of universes with the claimed sign at every value of a setting; of one claim and kind of data."""
    return (rows["side"] > 0).groupby(rows[setting], sort=False).mean().sort_index()
