"""The page "Maps that know nothing": which metrics do trivial maps fool, beside those of the methods?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.figure import Figure
from pydantic import field_validator

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
    accuracies_text,
    answers_of,
    opening,
    read_maps_page,
    rows_of,
    scored_images,
)
from segattr_lib.report.labels import metric_label
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
class Runs:
    """What the page shows of its run.

    maps: every map, a row each, a column a metric. images: that were scored. fooled: of `fooled`. shown: the methods
    and the trivial maps; the ground truth is none of them where no truth is known. coverage: of simulated_coverage.
    photographs: that the page opens with, photo_values: what the judged metrics say of their maps.
    answers: what each model names on each image.
    """

    maps: pd.DataFrame
    images: int
    shown: list[str]
    fooled: pd.DataFrame
    coverage: pd.DataFrame
    photographs: Photographs
    photo_values: pd.DataFrame
    answers: pd.DataFrame


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings; UserError in one sentence for what cannot be."""
    return read_maps_page(Settings, parameters)


def run(settings: Settings) -> Runs:
    """Run the methods and the trivial maps, or read what is finished, and hold the ones against the others."""
    rows = rows_of(settings)
    maps = maps_table(rows, MEASURES)
    trivial = [key.text for key in settings.trivial] if truth_known(maps) else settings.blind
    shown, level, seed = [*settings.real, *trivial], settings.level, settings.run.seed[0]
    photographs = opening(settings)
    shapes = coverage.standardised(by_image(maps, metric)[shown] for metric in JUDGED)
    return Runs(
        maps,
        len(scored_images(rows)),
        shown,
        fooled(maps, trivial, settings.real, JUDGED, level, seed),
        coverage.simulated_coverage(shapes, seed=seed, level=level),
        photographs,
        values_of(photographs, settings.photo_methods, JUDGED),
        answers_of(settings.run, rows),
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
    """All that the prose quotes."""
    verdict = _verdicts_of_half(runs)
    counts = _counts(runs, settings.blind)
    reached = runs.coverage.loc[runs.coverage["interval"] == "studentised bootstrap", "reached"]
    return {
        "dataset": settings.run.dataset,
        "images": runs.images,
        "models": len(settings.run.model),
        "methods": len(settings.real),
        "blind": len(settings.blind),
        "level": f"{settings.level:.0%}",
        "accuracy": accuracies_text(runs.answers, settings.level),
        "margin": MARGIN,
        "fewest": FEWEST,
        "coverage": f"{reached.iloc[0]:.1%}" if len(reached) else "–",
        **{f"half_{metric}": f"{SAID[verdict[metric]]} {METRICS[metric].label}" for metric in JUDGED},
        **{f"lead_{metric}": _lead_of_half(runs, metric) for metric in JUDGED},
        **{f"lies_{metric}": counts[metric] for metric in JUDGED},
        "photo_model": settings.photo_model,
        "photo_said": runs.photographs.said,
        "photo_credit": runs.photographs.credit,
        **{f"photo_first_{metric}": label for metric, label in first_by(runs.photo_values).items()},
        "held": held(_answers(runs)),
    }


def photo_maps(settings: Settings, runs: Runs) -> Figure:
    """The photographs, maps of the class that the classifier names, and maps that know nothing of it."""
    return photo_gallery(runs.photographs, maps_by_label(runs.photographs, settings.photo_methods))


def photo_scores(runs: Runs) -> pd.DataFrame:
    """What each of the judged metrics says of each map of the photographs."""
    return values_table(runs.photo_values)


def dots(settings: Settings, runs: Runs, metrics: Sequence[str]) -> Figure:
    """Means of some metrics over images and models with their intervals, a panel each, the best method above."""
    panels = []
    for metric in metrics:
        averages = means(by_image(runs.maps, metric)[runs.shown], settings.level, settings.run.seed[0])
        panels.append(averages.assign(panel=metric_label(metric)))
    return charts.interval_dots(pd.concat(panels))


def leads(settings: Settings, runs: Runs) -> pd.DataFrame:
    """Each trivial map minus the mean of the methods with its interval, those that know nothing marked by verdict."""
    marks = runs.fooled["verdict"].map(MARKS).where(runs.fooled["method"].isin(settings.blind), "")
    marks = runs.fooled.assign(mark=marks).pivot_table(
        index="method", columns="metric", values="mark", aggfunc="first", sort=False
    )
    return tables.intervals(runs.fooled, "method", "metric", "difference", 2) + marks.to_numpy()


def coverages(runs: Runs) -> pd.DataFrame:
    """What each kind of interval promises, and how often it holds the truth of differences such as these."""
    return tables.coverage(runs.coverage)


def reproduced(runs: Runs) -> HTML:
    """The paper's claims, and what this run says of each."""
    return claims_table(CLAIMED, _answers(runs))


def _verdicts_of_half(runs: Runs) -> dict[str, str]:
    """By metric, does the half map fool it? Undecided where the run has no such map."""
    half = runs.fooled[runs.fooled["method"] == "half"].set_index("metric")["verdict"]
    return {metric: half.get(metric, UNDECIDED) for metric in JUDGED}


def _lead_of_half(runs: Runs, metric: str) -> str:
    """The half map's lead over the mean of the methods with its interval, as text."""
    half = runs.fooled[(runs.fooled["method"] == "half") & (runs.fooled["metric"] == metric)].to_dict("records")
    return tables.interval(half[0]["difference"], half[0]["low"], half[0]["high"], 2, half[0]["n"]) if half else "–"


def _counts(runs: Runs, blind: list[str]) -> dict[str, str]:
    """By metric, how many of the maps that know nothing fool it, as text: "1 (2 do not, 0 undecided)"."""
    of_blind = runs.fooled[runs.fooled["method"].isin(blind)]
    texts = {}
    for metric in JUDGED:
        given = list(of_blind.loc[of_blind["metric"] == metric, "verdict"])
        fool, fail, unclear = (given.count(verdict) for verdict in (FOOLS, DOES_NOT_FOOL, UNDECIDED))
        texts[metric] = f"{fool} ({fail} do not, {unclear} undecided)"
    return texts


def _answers(runs: Runs) -> dict[str, str]:
    """What the run says of each of the CLAIMS, by its id."""
    fools = {FOOLS: YES, DOES_NOT_FOOL: NO, UNDECIDED: UNDECIDED}
    does_not = {FOOLS: NO, DOES_NOT_FOOL: YES, UNDECIDED: UNDECIDED}
    verdict = _verdicts_of_half(runs)
    return {
        **{f"half_fools_{metric}": fools[verdict[metric]] for metric in ("average_drop", "adcc")},
        **{f"half_does_not_fool_{metric}": does_not[verdict[metric]] for metric in ("road", "arcc")},
    }
