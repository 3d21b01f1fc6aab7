"""Metrics: plain functions `g(score, images, maps, target, *, options) -> (B,)`, and how to read them.

A new metric is one such function and one line of METRICS; its keyword-only parameters are its options
and take what the run offers under those names: k, fill (the evaluation fill, bound), base (s(x)),
null (what blind selections earn), strength, draws, void, ring, explain; or keep their defaults. A value that
does not exist is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import sub
from typing import Any, Literal

from segattr_lib.registry import PERTURBATIONS, Key, imported, lookup, options_of, read_key

Table = Literal["segmentation", "classification", "prompting"]
Region = Literal["target", "outside"]


@dataclass(frozen=True)
class Metric:
    """What a page and a run know of a metric before its code is imported.

    place: "module:function" of this package, imported when it is first called, or a function itself; None for one that
    the run computes elsewhere, or that is combined_by a function of other metrics' values, its parts.
    direction: 1 higher is better, -1 lower is better, 0 neither. range: the values it can take.
    takes: the names of its options; of a function itself they are its own.
    table: where it is a column unless others are asked for; every metric can be asked for by name.
    ranked_by: what of its samples methods are ranked and compared by; a ratio of ratios has no mean to trust.
    selects: the region whose top fraction decides the value: where more than half of it has one value, no choice of the
    map's does.
    """

    place: str | Callable[..., Any] | None
    label: str
    direction: int
    range: tuple[float, float]
    takes: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    combined_by: str | Callable[..., Any] | None = None
    undefined: str = "the value does not exist"
    table: Table | None = "segmentation"
    ranked_by: Literal["mean", "median"] = "mean"
    selects: Region | None = None

    @property
    def function(self) -> Callable[..., Any] | None:
        """The metric itself; None for one that is made otherwise."""
        return _of_this_package(self.place)

    @property
    def combine(self) -> Callable[..., Any] | None:
        """What makes its values of those of its parts; None for a metric of its own."""
        return _of_this_package(self.combined_by)

    @property
    def options(self) -> frozenset[str]:
        """The names of the options it takes, those of its parts included."""
        own = self.takes if isinstance(self.place, str | None) else tuple(options_of(self.place))
        return frozenset(own).union(*(METRICS[part].options for part in self.parts))

    @property
    def regions(self) -> frozenset[Region]:
        """The regions whose selections decide its value, those of its parts included."""
        own = frozenset({self.selects} if self.selects else ())
        return own.union(*(METRICS[part].regions for part in self.parts))


def _of_this_package(place: str | Callable[..., Any] | None) -> Callable[..., Any] | None:
    return imported(f"{__name__}.{place}") if isinstance(place, str) else place


INF = float("inf")
DROP, SIGNED, SHARE, FALL = (-INF, 1.0), (-INF, INF), (0.0, 1.0), (0.0, INF)
CORRELATION = (-1.0, 1.0)
DELETED = ("k", "fill", "base")
BY_CHANCE = ("k", "fill", "null")
AGAIN = ("explain", "strength", "draws")
NOTHING_OUTSIDE = "no pixel lies outside the mask"
CONSTANT = "a constant map has no correlation"
NO_SCORE = "the model's score is 0"
METRICS: dict[str, Metric] = {
    "tdd": Metric("deletion:tdd", "TDD", 1, DROP, DELETED, selects="target"),
    "odd": Metric("deletion:odd", "ODD", 0, DROP, (*DELETED, "void"), undefined=NOTHING_OUTSIDE, selects="outside"),
    "odd_abs": Metric(None, "|ODD|", -1, FALL, (), ("odd",), abs, NOTHING_OUTSIDE),
    "odd_exclude": Metric(
        "deletion:odd_exclude",
        "ODD, ring left out",
        0,
        DROP,
        (*DELETED, "ring"),
        undefined=NOTHING_OUTSIDE,
        selects="outside",
    ),
    "odd_abs_exclude": Metric(None, "|ODD|, ring left out", -1, FALL, (), ("odd_exclude",), abs, NOTHING_OUTSIDE),
    "leak_abs": Metric(
        None, "LeakAbs", -1, FALL, (), ("odd", "tdd"), "deletion:leakage", NOTHING_OUTSIDE, ranked_by="median"
    ),
    "leak_signed": Metric(None, "ODD / TDD", 0, SIGNED, (), ("odd", "tdd"), "deletion:signed_leakage", NOTHING_OUTSIDE),
    "insertion": Metric("deletion:insertion", "Insertion", 1, SIGNED, DELETED, selects="target"),
    "stability": Metric(
        None,
        "Stability",
        1,
        CORRELATION,
        (),
        tuple(f"stability_{kind}" for kind in PERTURBATIONS),
        "stability:mean_stability",
        CONSTANT,
    ),
    **{
        f"stability_{kind}": Metric(
            f"stability:stability_{kind}", f"Stab. {kind}", 1, CORRELATION, AGAIN, undefined=CONSTANT
        )
        for kind in PERTURBATIONS
    },
    "chance_tdd": Metric("deletion:chance_tdd", "TDD by chance", 0, DROP, BY_CHANCE, table=None, selects="target"),
    "chance_odd_abs": Metric(
        "deletion:chance_odd_abs",
        "|ODD| by chance",
        0,
        FALL,
        (*BY_CHANCE, "void"),
        undefined=NOTHING_OUTSIDE,
        table=None,
        selects="outside",
    ),
    "chance_insertion": Metric(
        "deletion:chance_insertion", "insertion by chance", 0, SIGNED, BY_CHANCE, table=None, selects="target"
    ),
    "excess_tdd": Metric(None, "excess TDD", 1, SIGNED, (), ("tdd", "chance_tdd"), sub),
    "excess_odd_abs": Metric(None, "excess |ODD|", -1, SIGNED, (), ("odd_abs", "chance_odd_abs"), sub, NOTHING_OUTSIDE),
    "excess_insertion": Metric(None, "excess insertion", 1, SIGNED, (), ("insertion", "chance_insertion"), sub),
    "border": Metric("deletion:border", "border", 0, (0.0, 2.7), ("k",), selects="target"),
    "tied_share": Metric("deletion:tied_share", "tied share", -1, SHARE, ("k",)),
    "average_drop": Metric(
        "composite:average_drop",
        "AD",
        -1,
        SHARE,
        ("base", "background"),
        undefined=NO_SCORE,
        table="classification",
    ),
    "complexity": Metric("composite:complexity", "Complexity", -1, SHARE, table="classification"),
    "coherency": Metric(
        "composite:coherency",
        "Coherency",
        1,
        SHARE,
        ("explain", "background"),
        undefined=CONSTANT,
        table="classification",
    ),
    "road": Metric("road:road", "ROAD", 1, CORRELATION, ("draws", "ties", "noise"), table="classification"),
    "adcc": Metric(
        None,
        "ADCC",
        1,
        SHARE,
        (),
        ("coherency", "complexity", "average_drop"),
        "composite:adcc",
        CONSTANT,
        table="classification",
    ),
    "arcc": Metric(
        None,
        "ARCC",
        1,
        SHARE,
        (),
        ("coherency", "complexity", "road"),
        "composite:arcc",
        CONSTANT,
        table="classification",
    ),
    "evidence_auc": Metric(
        "localization:evidence_auc",
        "evidence found",
        1,
        SHARE,
        ("draws", "role"),
        undefined="the image is no planted scene",
        table=None,
    ),
    "cosine": Metric(
        "localization:cosine",
        "cosine with truth",
        1,
        SHARE,
        undefined="a constant map, or an empty truth, has no direction",
        table="classification",
    ),
    "coverage": Metric(
        "localization:coverage",
        "Coverage",
        1,
        SHARE,
        ("threshold",),
        undefined="the truth is empty",
        table="prompting",
    ),
    "spill": Metric(
        "localization:spill",
        "Spill",
        -1,
        SHARE,
        ("threshold",),
        undefined="the support is empty",
        table="prompting",
    ),
    "share_inside": Metric(
        "localization:share_inside",
        "share inside",
        1,
        SHARE,
        undefined="the map is zero everywhere",
        table=None,
    ),
    "pointing_game": Metric(
        "localization:pointing_game",
        "LA",
        1,
        SHARE,
        undefined="a constant map has no maximum, or the truth is empty",
        table="prompting",
    ),
    "effectiveness": Metric(
        "localization:effectiveness",
        "Effectiveness",
        1,
        DROP,
        ("threshold", "fill", "base"),
        undefined=NO_SCORE,
        table="prompting",
    ),
}
OF_CUES: dict[str, Metric] = {  # by the page wsss_sam2, of maps beside each other and of the masks their cues give
    "consensus": Metric(None, "consensus", 1, SHARE, undefined="no other map has a support"),
    "focus": Metric(None, "focus", 1, SHARE, undefined="a map of zeros is no distribution"),
    "robustness": Metric(None, "robustness", 1, CORRELATION, undefined=CONSTANT),
    "weight": Metric(None, "weight", 0, SHARE, undefined="no map is reliable"),
    "agreement": Metric(None, "agreement", 0, SHARE, undefined="both supports are empty"),
    "iou": Metric(None, "IoU", 1, SHARE, undefined="mask and truth are empty"),
    "confidence": Metric(None, "confidence", 0, SHARE, undefined="there is no mask"),
}
OF_REDRAWN: dict[str, Metric] = {  # by the page beyond_dea, of maps before and after a model is drawn anew
    "likeness": Metric(None, "likeness", -1, CORRELATION, undefined=CONSTANT),
    "likeness_smoothed": Metric(None, "likeness, smoothed", -1, CORRELATION, undefined=CONSTANT),
    "entropy_rise": Metric(None, "rise of entropy", 1, SIGNED, undefined="a constant map has no entropy"),
}
OF_SAMPLES: dict[str, Metric] = {  # by the page dea_mechanism, of a sample and its target, whatever the map
    "thinness": Metric(None, "thinness of the target", 0, FALL, undefined="there is no target"),
    "width": Metric(None, "width of the target, px", 0, FALL, undefined="there is no target"),
    "area": Metric(None, "area of the target", 0, SHARE),
    "clutter": Metric(None, "clutter outside", 0, FALL, undefined="no pixel lies off the target"),
    "others": Metric(None, "other objects, area", 0, SHARE),
}
OF_PARTS: dict[str, Metric] = {  # by the page arcc_parts, of maps and of what a model says without parts of a thing
    "correctness": Metric(None, "correctness", 1, SHARE, undefined="all parts are of one importance"),
    "contrastivity": Metric(None, "contrastivity", 1, SHARE, undefined="the rivals' logits do not follow their parts"),
    "share_said": Metric(None, "share on a part, class named", 0, SHARE, undefined="the map is zero everywhere"),
    "share_own": Metric(None, "share on a part or object", 0, SHARE, undefined="the map is zero everywhere"),
    "class_without": Metric(None, "class named without parts", 0, FALL),
    "logit_without": Metric(None, "logit without parts", 0, SIGNED),
}
OF_GAMES: dict[str, Metric] = {  # by the page cards, of many random maps of an image, of which a metric chooses one
    "best": Metric(None, "the best of random maps", 0, SIGNED),
    "centre": Metric(None, "the mean of random maps", 0, SIGNED),
}
BY_PAGES = (
    OF_CUES | OF_REDRAWN | OF_SAMPLES | OF_PARTS | OF_GAMES
)  # no metrics of a map, which a run could be asked for
MEASURED: dict[str, Metric] = {  # by the run itself, while it explains
    "passes": Metric(None, "passes", -1, FALL),
    "seconds": Metric(None, "seconds", -1, FALL),
}


def metrics_of(table: Table) -> list[str]:
    """The names of the metrics that are columns of this table, in order."""
    return [name for name, metric in METRICS.items() if metric.table == table]


def load_metric(name: str) -> Metric:
    """The metric of this name, or a user's own function by "file.py:function". Raises UserError."""
    entry: Any = lookup("metric", name, {**METRICS, **BY_PAGES, **MEASURED})
    return entry if isinstance(entry, Metric) else Metric(entry, name.rpartition(":")[2], 1, SIGNED)


def metric_key(text: str | Key) -> Key:
    """The key of a metric as it is written, such as "tdd(k=0.1)", its entry a Metric. Raises UserError."""
    return text if isinstance(text, Key) else read_key(text, load_metric)
