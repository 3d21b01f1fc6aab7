"""Is there a better composite than ARCC? Other ways to put its parts together, held against the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import HTML

from segattr_lib.inference.agreement import EVERY, RESAMPLES, WAYS, agreement, correlations, nested
from segattr_lib.inference.maps import TRUTH, directed
from segattr_lib.report import tables
from segattr_lib.report.labels import signed_label


@dataclass(frozen=True)
class Composites:
    """Correlations of ARCC and what else its parts make with the truth; both tables are empty where none is known.

    candidates: of agreement.correlations. choices: of agreement.nested; empty, too, for a single model. images: that
    have a map with a value of every part.
    """

    candidates: pd.DataFrame
    choices: pd.DataFrame
    images: int


def held_against_truth(
    maps: pd.DataFrame, known: bool, level: float, seed: int, resamples: int = RESAMPLES
) -> Composites:
    """Correlate composites of the metrics of some maps (of maps_table) with the cosine. known: is there a truth?"""
    if not known:
        return Composites(pd.DataFrame(), pd.DataFrame(), 0)
    agreed = agreement(with_composites(maps), maps[TRUTH], seed, resamples)
    choices = nested(agreed, "arcc", level) if len(agreed.models) > 1 else pd.DataFrame()
    return Composites(correlations(agreed, "arcc", level), choices, agreed.images)


def harmonic(*parts: pd.Series) -> pd.Series:
    """The harmonic mean, 0 where a part is 0 or less; as metrics.composite.harmonic_mean."""
    stacked = pd.concat(parts, axis=1)
    with np.errstate(divide="ignore"):
        mean = len(parts) / (1 / stacked).sum(axis=1, skipna=False)
    return mean.where((stacked > 0).all(axis=1) | stacked.isna().any(axis=1), 0.0)


def with_composites(maps: pd.DataFrame) -> pd.DataFrame:
    """The paper's metrics so that higher is better, and what else could be made of their parts, by its label.

    ROAD enters a composite as max(0, ROAD), and by itself as it is.
    """
    coherency, simplicity, keeps = maps["coherency"], 1 - maps["complexity"], 1 - maps["average_drop"]
    road = maps["road"].clip(lower=0)
    three = [coherency, simplicity, road]
    product = coherency * simplicity * road
    return directed(maps).assign(
        **{
            "arithmetic mean": sum(three) / 3,
            "geometric mean": product ** (1 / 3),
            "product": product,
            "least part": pd.concat(three, axis=1).min(axis=1, skipna=False),
            "ROAD × coherency": road * coherency,
            "ROAD × simplicity": road * simplicity,
            "harmonic, ROAD and coherency": harmonic(coherency, road),
            "harmonic, ROAD and simplicity": harmonic(simplicity, road),
            "harmonic, ARCC's parts and 1 − AD": harmonic(*three, keeps),
        }
    )


def beside_arcc(composites: Composites) -> HTML | None:
    """Pearson's correlation of each composite with the truth, mean over the models, and the difference to ARCC's with
    its interval; nothing without a truth."""
    rows = composites.candidates
    if rows.empty:
        return None
    rows = rows[(rows["model"] == EVERY) & (rows["kind"] == "pearson")].replace({"way": WAYS})
    values = rows.pivot_table(index="metric", columns="way", values="value", sort=False).map(tables.number, digits=2)
    leads = rows[["metric", "way", "n", "difference", "difference_low", "difference_high"]]
    leads = leads.set_axis(["composite", "way", "n", "difference", "low", "high"], axis=1)
    leads = tables.intervals(leads, "composite", "way", "difference", 2)
    shown = {way: pd.DataFrame({"r": values[way], "− ARCC's": leads[way]}) for way in WAYS.values()}
    return tables.wrapped(pd.concat(shown, axis=1).rename(index=signed_label).rename_axis(None))


def chosen_elsewhere(composites: Composites) -> HTML | None:
    """What composite is best on all models but one, and its lead over ARCC on that one; nothing without a truth, and
    for a single model."""
    choices = composites.choices
    if choices.empty:
        return None
    differences = choices[["difference", "low", "high"]].to_numpy(float)
    columns = {
        "correlation": choices["kind"].str.capitalize(),
        "over": choices["way"].map(WAYS),
        "chosen (held-out models)": choices["chosen"].map(_names_and_times),
        "ARCC": choices["baseline"].map(tables.number, digits=2),
        "chosen − ARCC": [tables.interval(mid, low, high, 2, composites.images) for mid, low, high in differences],
    }
    return tables.wrapped(pd.DataFrame(columns), index=False)


def facts(composites: Composites) -> dict[str, Any]:
    """How often what was chosen on other models beats ARCC, or loses to it, by its interval."""
    choices = composites.choices
    return {
        "nested_rows": len(choices),
        "nested_better": tables.off_zero(choices, "above") if len(choices) else 0,
        "nested_worse": tables.off_zero(choices, "below") if len(choices) else 0,
    }


def _names_and_times(chosen: Mapping[str, Any]) -> str:
    """What was chosen, and on how many models each."""
    return ", ".join(f"{signed_label(name)} ({times})" for name, times in chosen.items())
