"""Metrics: plain functions `g(score, images, maps, target, *, options) -> (B,)`, and how to read them.

A new metric is one such function and one line of METRICS; its keyword-only parameters are its options
and take what the run offers under those names: k, fill (the evaluation fill, bound), base (s(x)),
surrogates, strength, draws, void, ring, explain; or keep their defaults. A value that does not exist is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from segattr_lib.metrics import composite, deletion, fragmentation, localization, road, stability
from segattr_lib.perturbation import PERTURBATIONS
from segattr_lib.registry import lookup
from segattr_lib.targets import EPS

Table = Literal["segmentation", "classification", "prompting"]


@dataclass(frozen=True)
class Metric:
    """function: the metric; or parts and combine, where it is made of others' values.

    direction: 1 higher is better, -1 lower is better, 0 neither. range: the values it can take.
    table: where it is a column unless others are asked for; every metric can be asked for by name.
    ranked_by: what of its samples methods are ranked and compared by; a ratio of ratios has no mean to trust.
    """

    function: Callable[..., Tensor] | None
    label: str
    direction: int
    range: tuple[float, float]
    parts: tuple[str, ...] = ()
    combine: Callable[..., Tensor] | None = None
    undefined: str = "the value does not exist"
    table: Table = "segmentation"
    ranked_by: Literal["mean", "median"] = "mean"


INF = float("inf")
NOTHING_OUTSIDE = "no pixel lies outside the mask"
CONSTANT = "a constant map has no correlation"
STABILITIES = {
    f"stability_{kind}": Metric(stability.stability_under(kind), f"Stab. {kind}", 1, (-1.0, 1.0), undefined=CONSTANT)
    for kind in PERTURBATIONS
}
METRICS: dict[str, Metric] = {
    "tdd": Metric(deletion.tdd, "TDD", 1, (-INF, 1.0)),
    "odd": Metric(deletion.odd, "ODD", 0, (-INF, 1.0), undefined=NOTHING_OUTSIDE),
    "odd_abs": Metric(None, "|ODD|", -1, (0.0, INF), ("odd",), lambda odd: odd.abs(), NOTHING_OUTSIDE),
    "odd_exclude": Metric(deletion.odd_exclude, "ODD, ring left out", 0, (-INF, 1.0), undefined=NOTHING_OUTSIDE),
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
    "insertion": Metric(deletion.insertion, "Insertion", 1, (-INF, INF)),
    "stability": Metric(
        None, "Stability", 1, (-1.0, 1.0), tuple(STABILITIES), lambda *kinds: sum(kinds) / len(kinds), CONSTANT
    ),
    **STABILITIES,
    "excess_tdd": Metric(deletion.excess_tdd, "excess TDD", 1, (-INF, INF)),
    "excess_tdd_phase": Metric(deletion.excess_tdd_phase, "excess TDD (phase)", 1, (-INF, INF)),
    "excess_odd_abs": Metric(deletion.excess_odd_abs, "excess |ODD|", -1, (-INF, INF), undefined=NOTHING_OUTSIDE),
    "excess_odd_abs_phase": Metric(
        deletion.excess_odd_abs_phase, "excess |ODD| (phase)", -1, (-INF, INF), undefined=NOTHING_OUTSIDE
    ),
    "excess_insertion": Metric(deletion.excess_insertion, "excess insertion", 1, (-INF, INF)),
    "excess_insertion_phase": Metric(deletion.excess_insertion_phase, "excess insertion (phase)", 1, (-INF, INF)),
    "grain": Metric(fragmentation.grain, "grain, px", 0, (1.0, INF), undefined="a constant map has no grain"),
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


def load_metric(name: str) -> Metric:
    """The metric of this name, pinned options aside, or a user's own by "file.py:function". Raises UserError."""
    name = name.partition("(")[0].strip()
    found: Any = lookup("metric", name, {**METRICS, **PROMPTED, **MEASURED})
    return found if isinstance(found, Metric) else Metric(found, name.rpartition(":")[2], 1, (-INF, INF))
