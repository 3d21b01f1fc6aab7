"""Metrics: plain functions `g(score, images, maps, target, *, options) -> (B,)`, and how to read them.

A new metric is one such function and one line of METRICS; its keyword-only parameters are its options
and take what the run offers under those names: k, fill (the evaluation fill, bound), base (s(x)),
null (what blind selections earn), strength, draws, void, ring, explain; or keep their defaults. A value that
does not exist is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from segattr_lib.metrics import composite, deletion, localization, road, stability
from segattr_lib.metrics.deletion import Region
from segattr_lib.perturbation import PERTURBATIONS
from segattr_lib.registry import lookup, variant
from segattr_lib.targets import EPS

Table = Literal["segmentation", "classification", "prompting", "mechanism"]


@dataclass(frozen=True)
class Metric:
    """function: the metric; or parts and combine, where it is made of others' values.

    direction: 1 higher is better, -1 lower is better, 0 neither. range: the values it can take.
    table: where it is a column unless others are asked for; every metric can be asked for by name. ranked_by: what of
    its samples methods are ranked and compared by; a ratio of ratios has no mean to trust. selects: the region whose
    top fraction decides the value: where more than half of it has one value, no choice of the map's does.
    """

    function: Callable[..., Tensor] | None
    label: str
    direction: int
    range: tuple[float, float]
    parts: tuple[str, ...] = ()
    combine: Callable[..., Tensor] | None = None
    undefined: str = "the value does not exist"
    table: Table | None = "segmentation"
    ranked_by: Literal["mean", "median"] = "mean"
    selects: Region | None = None


INF = float("inf")
NOTHING_OUTSIDE = "no pixel lies outside the mask"
CONSTANT = "a constant map has no correlation"
STABILITIES = {
    f"stability_{kind}": Metric(stability.stability_under(kind), f"Stab. {kind}", 1, (-1.0, 1.0), undefined=CONSTANT)
    for kind in PERTURBATIONS
}
METRICS: dict[str, Metric] = {
    "tdd": Metric(deletion.tdd, "TDD", 1, (-INF, 1.0), selects="target"),
    "odd": Metric(deletion.odd, "ODD", 0, (-INF, 1.0), undefined=NOTHING_OUTSIDE, selects="outside"),
    "odd_abs": Metric(None, "|ODD|", -1, (0.0, INF), ("odd",), lambda odd: odd.abs(), NOTHING_OUTSIDE),
    "odd_exclude": Metric(
        deletion.odd_exclude, "ODD, ring left out", 0, (-INF, 1.0), undefined=NOTHING_OUTSIDE, selects="outside"
    ),
    "odd_abs_exclude": Metric(
        None, "|ODD|, ring left out", -1, (0.0, INF), ("odd_exclude",), lambda odd: odd.abs(), NOTHING_OUTSIDE
    ),
    "leak_abs": Metric(
        None,
        "LeakAbs",
        -1,
        (0.0, INF),
        ("odd", "tdd"),
        lambda odd, tdd: odd.abs() / (tdd.abs() + EPS),
        NOTHING_OUTSIDE,
        ranked_by="median",
    ),
    "leak_signed": Metric(
        None, "ODD / TDD", 0, (-INF, INF), ("odd", "tdd"), lambda odd, tdd: odd / (tdd + EPS), NOTHING_OUTSIDE
    ),
    "insertion": Metric(deletion.insertion, "Insertion", 1, (-INF, INF), selects="target"),
    "stability": Metric(
        None, "Stability", 1, (-1.0, 1.0), tuple(STABILITIES), lambda *kinds: sum(kinds) / len(kinds), CONSTANT
    ),
    **STABILITIES,
    "chance_tdd": Metric(deletion.chance_tdd, "TDD by chance", 0, (-INF, 1.0), table=None, selects="target"),
    "chance_odd_abs": Metric(
        deletion.chance_odd_abs,
        "|ODD| by chance",
        0,
        (0.0, INF),
        undefined=NOTHING_OUTSIDE,
        table=None,
        selects="outside",
    ),
    "chance_insertion": Metric(
        deletion.chance_insertion, "insertion by chance", 0, (-INF, INF), table=None, selects="target"
    ),
    "excess_tdd": Metric(None, "excess TDD", 1, (-INF, INF), ("tdd", "chance_tdd"), torch.sub),
    "excess_odd_abs": Metric(
        None, "excess |ODD|", -1, (-INF, INF), ("odd_abs", "chance_odd_abs"), torch.sub, NOTHING_OUTSIDE
    ),
    "excess_insertion": Metric(None, "excess insertion", 1, (-INF, INF), ("insertion", "chance_insertion"), torch.sub),
    "border": Metric(deletion.border, "border", 0, (0.0, 2.7), selects="target"),
    "tied_share": Metric(deletion.tied_share, "tied share", -1, (0.0, 1.0)),
    "average_drop": Metric(
        composite.average_drop, "AD", -1, (0.0, 1.0), undefined="the model's score is 0", table="classification"
    ),
    "complexity": Metric(composite.complexity, "Complexity", -1, (0.0, 1.0), table="classification"),
    "coherency": Metric(composite.coherency, "Coherency", 1, (0.0, 1.0), undefined=CONSTANT, table="classification"),
    "road": Metric(road.road, "ROAD", 1, (-1.0, 1.0), table="classification"),
    "adcc": Metric(
        None,
        "ADCC",
        1,
        (0.0, 1.0),
        ("coherency", "complexity", "average_drop"),
        composite.adcc,
        CONSTANT,
        table="classification",
    ),
    "arcc": Metric(
        None,
        "ARCC",
        1,
        (0.0, 1.0),
        ("coherency", "complexity", "road"),
        composite.arcc,
        CONSTANT,
        table="classification",
    ),
    "cosine": Metric(
        localization.cosine,
        "cosine with truth",
        1,
        (0.0, 1.0),
        undefined="a constant map, or an empty truth, has no direction",
        table="classification",
    ),
    "coverage": Metric(
        localization.coverage, "Coverage", 1, (0.0, 1.0), undefined="the truth is empty", table="prompting"
    ),
    "spill": Metric(localization.spill, "Spill", -1, (0.0, 1.0), undefined="the support is empty", table="prompting"),
    "share_inside": Metric(
        localization.share_inside,
        "share inside",
        1,
        (0.0, 1.0),
        undefined="the map is zero everywhere",
        table="mechanism",
    ),
    "pointing_game": Metric(
        localization.pointing_game,
        "LA",
        1,
        (0.0, 1.0),
        undefined="a constant map has no maximum, or the truth is empty",
        table="prompting",
    ),
    "effectiveness": Metric(
        localization.effectiveness,
        "Effectiveness",
        1,
        (-INF, 1.0),
        undefined="the model's score is 0",
        table="prompting",
    ),
}
PROMPTED: dict[str, Metric] = {  # by benchmark.prompted, of maps beside each other and of the masks they prompt
    "consensus": Metric(None, "consensus", 1, (0.0, 1.0), undefined="no other map has a support"),
    "focus": Metric(None, "focus", 1, (0.0, 1.0), undefined="a map of zeros is no distribution"),
    "robustness": Metric(None, "robustness", 1, (-1.0, 1.0), undefined=CONSTANT),
    "weight": Metric(None, "weight", 0, (0.0, 1.0), undefined="no map is reliable"),
    "agreement": Metric(None, "agreement", 0, (0.0, 1.0), undefined="both supports are empty"),
    "iou": Metric(None, "IoU", 1, (0.0, 1.0), undefined="mask and truth are empty"),
    "confidence": Metric(None, "confidence", 0, (0.0, 1.0), undefined="there is no mask"),
}
MEASURED: dict[str, Metric] = {  # by the run itself, while it explains
    "passes": Metric(None, "passes", -1, (0.0, INF)),
    "seconds": Metric(None, "seconds", -1, (0.0, INF)),
}


def metrics_of(table: Table) -> list[str]:
    """The names of the metrics that are columns of this table, in order."""
    return [name for name, metric in METRICS.items() if metric.table == table]


def regions_of(name: str) -> set[Region]:
    """The regions whose selections decide a metric's value, its parts' included. Raises as load_metric does."""
    metric = load_metric(name)
    own: set[Region] = {metric.selects} if metric.selects else set()
    return own.union(*(regions_of(part) for part in metric.parts))


def load_metric(name: str) -> Metric:
    """The metric of this name, pinned options aside, or a user's own by "file.py:function". Raises UserError."""
    known, registered = {**METRICS, **PROMPTED, **MEASURED}, name.partition("(")[0].strip()
    name = registered if registered in known else variant(name)[0]
    found: Any = lookup("metric", name, known)
    return found if isinstance(found, Metric) else Metric(found, name.rpartition(":")[2], 1, (-INF, INF))
