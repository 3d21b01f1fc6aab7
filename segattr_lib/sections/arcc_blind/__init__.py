"""The page "Maps that know nothing": which metrics do trivial maps fool, beside those of the methods?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.figure import Figure
from pydantic import field_validator

from segattr_lib.evidence.basis import Basis
from segattr_lib.inference import coverage
from segattr_lib.inference.comparison import UNDECIDED
from segattr_lib.inference.intervals import FEWEST, means, studentised_interval
from segattr_lib.inference.maps import by_image, maps_table, truth_known
from segattr_lib.metrics import METRICS, metric_key
from segattr_lib.registry import Key
from segattr_lib.report import charts, tables
from segattr_lib.report.classifiers import (
    MEASURES,
    MapsPage,
    basis_here,
    basis_of_many,
    opening,
    read_maps_page,
    recognised_text,
    scored_images,
)
from segattr_lib.report.labels import dataset_label, key_label, metric_label
from segattr_lib.report.photographs import Photographs, first_by, maps_by_label, photo_gallery, values_of, values_table
from segattr_lib.report.reproduced import NO, YES, claims_table, held

JUDGED = ("average_drop", "adcc", "road", "arcc")
MARGIN = 0.05  # a map worse by less is as good: a twentieth of the range that AD, ADCC and ARCC have, and ROAD above 0
FOOLS, DOES_NOT_FOOL = "fools", "does not fool"
SAID = {FOOLS: "fools", DOES_NOT_FOOL: "does not fool", UNDECIDED: "may or may not fool"}
MARKS = {FOOLS: " ✗", DOES_NOT_FOOL: "", UNDECIDED: " ?"}
CLAIMED = {
    "half_fools_average_drop": "The half map fools AD",
    "half_fools_adcc": "The half map fools ADCC",
    "half_does_not_fool_road": "The half map does not fool ROAD",
    "half_does_not_fool_arcc": "The half map does not fool ARCC",
}
CLAIMS = tuple(CLAIMED)


class Settings(MapsPage):
    """Those of every page about classifiers' maps; this one cannot be without trivial maps."""

    @field_validator("trivial")
    @classmethod
    def _some(cls, trivial: list[Key]) -> list[Key]:
        if not trivial:
            raise ValueError("trivial is empty; name maps that know nothing, such as half, or None for all of them.")
        return trivial


@dataclass(frozen=True)
class Blind:
    """Trivial maps beside those of the methods, of one run.

    dataset, models: what it is of, and how many. maps: every map, a row each, a column a metric. images: that were
    scored. fooled: of `fooled`. shown: the methods and the trivial maps; the ground truth is none of them where no
    truth is known. coverage: of simulated_coverage. source: where its rows are from. accuracy: how often the models
    name the images' class.
    """

    dataset: str
    models: int
    maps: pd.DataFrame
    images: int
    shown: list[str]
    fooled: pd.DataFrame
    coverage: pd.DataFrame
    source: str
    accuracy: str


@dataclass(frozen=True)
class Runs:
    """What the page shows: the page's own images, or the record that they are of; many photographs, None where they are
    neither recorded nor at hand; and the photographs that the page opens with, with what the judged metrics say of
    their maps."""

    scenes: Blind
    many: Blind | None
    photographs: Photographs
    photo_values: pd.DataFrame

    @property
    def first(self) -> Blind:
        """What the page is told from: photographs, where there are enough of them for an interval."""
        return self.many if self.many is not None and self.many.images >= FEWEST else self.scenes

    @property
    def second(self) -> Blind | None:
        """What stands beside it."""
        return self.many if self.first is self.scenes else self.scenes


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings; UserError in one sentence for what cannot be."""
    return read_maps_page(Settings, parameters)


def run(settings: Settings) -> Runs:
    """Run the methods and the trivial maps, or read what is finished or recorded, and hold the ones against the
    others."""
    photographs, many = opening(settings), basis_of_many(settings)
    return Runs(
        blind_of(*basis_here(settings)),
        None if many is None else blind_of(*many),
        photographs,
        values_of(photographs, settings.photo_methods, JUDGED),
    )


def blind_of(settings: Settings, basis: Basis) -> Blind:
    """What the rows of the run of these settings come to."""
    accuracy = recognised_text(settings.run, basis, settings.level)
    return held_apart(settings, basis.rows, basis.text(), accuracy)


def held_apart(settings: Settings, rows: pd.DataFrame, source: str, accuracy: str) -> Blind:
    """The same of rows, wherever they are from."""
    maps = maps_table(rows, MEASURES)
    trivial = [key.text for key in settings.trivial] if truth_known(maps) else settings.blind
    shown, level, seed = [*settings.real, *trivial], settings.level, settings.run.seed[0]
    shapes = coverage.standardised(by_image(maps, metric)[shown] for metric in JUDGED)
    return Blind(
        settings.run.dataset,
        len(settings.run.model),
        maps,
        len(scored_images(rows)),
        shown,
        fooled(maps, trivial, settings.real, JUDGED, level, seed),
        coverage.simulated_coverage(shapes, seed=seed, level=level),
        source,
        accuracy,
    )


def fooled(
    maps: pd.DataFrame,
    trivial: Sequence[str],
    real: Sequence[str],
    metrics: Sequence[str],
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Does a metric tell a map that knows nothing from those of the methods? One row a trivial map and metric.

    maps: of `maps_table`. value: the trivial map's mean over images (and models). difference: trivial minus the mean
    of the real methods on the same n images, signed so that more is better, with its interval. verdict: FOOLS where the
    interval says that the trivial map is not worse by MARGIN or more, DOES_NOT_FOOL where it says that it is worse,
    else UNDECIDED, as without an interval; fools: whether it is the first. beaten: the real methods whose mean is no
    better, of how many. Methods without a value on an image are left out there.
    """
    rows = []
    for metric in metrics:
        values, direction = by_image(maps, metric), metric_key(metric).entry.direction
        others = values[[name for name in real if values[name].notna().any()]]
        for name in trivial:
            lead = (direction * (values[name] - others.mean(axis=1))).dropna().to_numpy(float)
            low, high = studentised_interval(lead, level, seed)
            shared = direction * others.sub(values[name], axis=0).mean()
            verdict = FOOLS if low > -MARGIN else DOES_NOT_FOOL if high < 0 else UNDECIDED
            rows.append(
                {
                    "method": name,
                    "metric": metric,
                    "value": values[name].mean(),
                    "difference": lead.mean() if len(lead) else np.nan,
                    "low": low,
                    "high": high,
                    "beaten": int((shared <= 0).sum()),
                    "of": int(shared.notna().sum()),
                    "n": len(lead),
                    "verdict": verdict,
                    "fools": verdict == FOOLS,
                }
            )
    return pd.DataFrame(rows)


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """All that the prose quotes: of what the page is told from, and with `other_` before of what stands beside it."""
    first = _of_blind(settings, runs.first)
    other = dict.fromkeys(first, "–") if runs.second is None else _of_blind(settings, runs.second)
    return {
        **first,
        **{f"other_{name}": value for name, value in other.items()},
        "apart": _apart(runs),
        "methods": len(settings.real),
        "blind": len(settings.blind),
        "level": f"{settings.level:.0%}",
        "margin": MARGIN,
        "fewest": FEWEST,
        "photo_model": settings.photo_model,
        "photo_said": runs.photographs.said,
        "photo_credit": runs.photographs.credit,
        **{f"photo_first_{metric}": label for metric, label in first_by(runs.photo_values).items()},
    }


def _of_blind(settings: Settings, of: Blind) -> dict[str, Any]:
    """What the prose quotes of one run."""
    verdict = _verdicts_of_half(of)
    counts = _counts(of, settings.blind)
    reached = of.coverage.loc[of.coverage["interval"] == "studentised bootstrap", "reached"]
    return {
        "dataset": dataset_label(of.dataset),
        "images": of.images,
        "models": of.models,
        "basis": of.source,
        "accuracy": of.accuracy,
        "coverage": f"{reached.iloc[0]:.1%}" if len(reached) else "–",
        **{f"half_{metric}": f"{SAID[verdict[metric]]} {METRICS[metric].label}" for metric in JUDGED},
        **{f"lead_{metric}": _lead_of_half(of, metric) for metric in JUDGED},
        **{f"lies_{metric}": counts[metric] for metric in JUDGED},
        "held": held(_answers(of)),
    }


def _apart(runs: Runs) -> str:
    """The trivial maps that fool a metric on one kind of images and not on the other, as text."""
    if runs.second is None:
        return "none"
    first, second = (of.fooled.set_index(["method", "metric"])["verdict"] for of in (runs.first, runs.second))
    both = {FOOLS, DOES_NOT_FOOL}
    contrary = [place for place in first.index if {first[place], second.get(place)} == both]
    return "; ".join(f"{key_label(name)} ({METRICS[metric].label})" for name, metric in contrary) or "none"


def photo_maps(settings: Settings, runs: Runs) -> Figure:
    """The photographs, maps of the class that the classifier names, and maps that know nothing of it."""
    return photo_gallery(runs.photographs, maps_by_label(runs.photographs, settings.photo_methods))


def photo_scores(runs: Runs) -> pd.DataFrame:
    """What each of the judged metrics says of each map of the photographs."""
    return values_table(runs.photo_values)


def dots(settings: Settings, of: Blind | None, metrics: Sequence[str]) -> Figure | None:
    """Means of some metrics over images and models with their intervals, a panel each, the best method above; nothing
    where there is no such run."""
    if of is None:
        return None
    panels = []
    for metric in metrics:
        averages = means(by_image(of.maps, metric)[of.shown], settings.level, settings.run.seed[0])
        panels.append(averages.assign(panel=metric_label(metric)))
    return charts.interval_dots(pd.concat(panels))


def leads(settings: Settings, runs: Runs) -> pd.DataFrame:
    """Each trivial map minus the mean of the methods with its interval, those that know nothing marked by verdict."""

    def table_of(of: Blind) -> pd.DataFrame:
        marks = of.fooled["verdict"].map(MARKS).where(of.fooled["method"].isin(settings.blind), "")
        marks = of.fooled.assign(mark=marks).pivot_table(
            index="method", columns="metric", values="mark", aggfunc="first", sort=False
        )
        return tables.intervals(of.fooled, "method", "metric", "difference", 2) + marks.to_numpy()

    return _stacked(runs, table_of)


def coverages(runs: Runs) -> pd.DataFrame:
    """What each kind of interval promises, and how often it holds the truth of differences such as these."""
    return _stacked(runs, lambda of: tables.coverage(of.coverage))


def reproduced(of: Blind | None) -> HTML | None:
    """The paper's claims, and what a run says of each; nothing where there is no such run."""
    return None if of is None else claims_table(CLAIMED, _answers(of))


def _stacked(runs: Runs, table_of: Callable[[Blind], pd.DataFrame]) -> pd.DataFrame:
    """A table of each run, one below the other where there are two."""
    if runs.second is None:
        return table_of(runs.first)
    return pd.concat(
        {f"{dataset_label(of.dataset)}, n = {of.images}": table_of(of) for of in (runs.first, runs.second)}
    )


def _verdicts_of_half(of: Blind) -> dict[str, str]:
    """By metric, does the half map fool it? Undecided where the run has no such map."""
    half = of.fooled[of.fooled["method"] == "half"].set_index("metric")["verdict"]
    return {metric: half.get(metric, UNDECIDED) for metric in JUDGED}


def _lead_of_half(of: Blind, metric: str) -> str:
    """The half map's lead over the mean of the methods with its interval, as text."""
    half = of.fooled[(of.fooled["method"] == "half") & (of.fooled["metric"] == metric)].to_dict("records")
    return tables.interval(half[0]["difference"], half[0]["low"], half[0]["high"], 2, half[0]["n"]) if half else "–"


def _counts(of: Blind, blind: list[str]) -> dict[str, str]:
    """By metric, how many of the maps that know nothing fool it, as text: "1 (2 do not, 0 undecided)"."""
    of_blind = of.fooled[of.fooled["method"].isin(blind)]
    texts = {}
    for metric in JUDGED:
        given = list(of_blind.loc[of_blind["metric"] == metric, "verdict"])
        fool, fail, unclear = (given.count(verdict) for verdict in (FOOLS, DOES_NOT_FOOL, UNDECIDED))
        texts[metric] = f"{fool} ({fail} do not, {unclear} undecided)"
    return texts


def _answers(of: Blind) -> dict[str, str]:
    """What the run says of each of the CLAIMS, by its id."""
    fools = {FOOLS: YES, DOES_NOT_FOOL: NO, UNDECIDED: UNDECIDED}
    does_not = {FOOLS: NO, DOES_NOT_FOOL: YES, UNDECIDED: UNDECIDED}
    verdict = _verdicts_of_half(of)
    return {
        **{f"half_fools_{metric}": fools[verdict[metric]] for metric in ("average_drop", "adcc")},
        **{f"half_does_not_fool_{metric}": does_not[verdict[metric]] for metric in ("road", "arcc")},
    }
