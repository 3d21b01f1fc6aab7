"""The page "Parts taken away": which metric follows what a model loses when a part of the thing goes?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from IPython.display import HTML
from matplotlib.figure import Figure
from pydantic import Field, field_validator

from segattr_lib.benchmark.runner import run_benchmark
from segattr_lib.benchmark.store import read_samples
from segattr_lib.evidence.basis import recorded_basis
from segattr_lib.inference.agreement import EVERY, RESAMPLES, WAYS, agreement, correlations, ends
from segattr_lib.inference.maps import PAPER, TRUTH, directed, maps_table
from segattr_lib.inference.paired import settled
from segattr_lib.registry import Key
from segattr_lib.report import charts, tables
from segattr_lib.report.classifiers import (
    CONTROLS,
    GROUND_TRUTH,
    MEASURES,
    MapsPage,
    accuracies_text,
    as_recorded,
    opening,
    read_maps_page,
)
from segattr_lib.report.labels import dataset_label, method_label
from segattr_lib.report.photographs import Photographs
from segattr_lib.report.reproduced import answers_of_ends, claims_of_ends, claims_table, end_label, held
from segattr_lib.sections.arcc_parts.parts import FUNNYBIRDS, KEYS, part_scores, part_summary, parts_table
from segattr_lib.sections.arcc_parts.pixels import Marked, marked, marked_panel, marked_table
from segattr_lib.sections.arcc_parts.recorded import asked_of, parts_of, scores_of

SCORE = "FunnyBirds score"
TRUTHS = {SCORE: "funnybirds"} | {name: name for name in FUNNYBIRDS[1:]}  # by what the page calls them
CLAIMED = claims_of_ends("FunnyBirds' score")
CLAIMS = tuple(CLAIMED)


class Settings(MapsPage):
    """resamples: of the correlations' intervals. photo_share: how many of a photograph's pixels are deleted, in (0, 1].
    A class that is asked about has no true map, so none is among the trivial ones."""

    resamples: int = Field(ge=1)
    photo_share: float = Field(0.2, gt=0, le=1)

    @field_validator("trivial")
    @classmethod
    def _no_truth(cls, trivial: list[Key]) -> list[Key]:
        if any(key.name == GROUND_TRUTH for key in trivial):
            raise ValueError(
                f"trivial names {GROUND_TRUTH}, but of the rivals' classes no truth is known; leave it out."
            )
        return trivial


@dataclass(frozen=True)
class Runs:
    """scores: of part_scores. both: the methods' maps that have a value of every metric and score, a column each.
    incomplete: their maps that lack one. correlations: of agreement.correlations, the mean over the models, `model`
    being the truth; ends: of agreement.ends with the score; both empty where no map has every value.
    photographs: that the page opens with; marked: of pixels.marked. source: where the rows are from."""

    scores: pd.DataFrame
    both: pd.DataFrame
    incomplete: int
    correlations: pd.DataFrame
    ends: pd.DataFrame
    photographs: Photographs
    marked: dict[str, Marked]
    source: str


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings; UserError in one sentence for what cannot be."""
    return read_maps_page(Settings, parameters, [name for name in CONTROLS if name != GROUND_TRUTH])


def run(settings: Settings) -> Runs:
    """Run the methods, score their maps by parts taken away, or read what is finished; correlate the one with the
    other. Raises UserError for a data set whose parts cannot be taken away."""
    photographs, own = opening(settings), as_recorded(settings)
    checked = {"samples": settings.checked}
    basis = recorded_basis(own.run, f"{settings.results}-checked", asked_of(own.run), checked=checked)
    if basis is None:
        rows, scores = rows_of(settings), part_scores(settings.run, f"{settings.results}/scores")
        source = f"computed with this page, on {scores['sample_id'].nunique()} images"
    else:
        settings = own
        rows, scores = settled(basis.rows), scores_of(basis.rows, parts_of(settings.run))
        source = basis.text()
    maps = maps_table(rows, MEASURES)
    maps = maps[maps.index.get_level_values("method").isin(settings.real)]
    both = directed(maps).assign(**{TRUTH: maps[TRUTH]}).join(parts_table(scores)).dropna()
    correlated = held_against_scores(both, settings.level, settings.run.seed[0], settings.resamples)
    of_pixels = marked(photographs, settings.photo_methods, settings.photo_share)
    return Runs(scores, both, len(maps) - len(both), *correlated, photographs, of_pixels, source)


def rows_of(settings: Settings) -> pd.DataFrame:
    """The rows of the page's run, a composite that does not exist being 0 (see paired.settled)."""
    return settled(read_samples(run_benchmark(settings.run, settings.results)))


def held_against_scores(
    both: pd.DataFrame, level: float, seed: int, resamples: int = RESAMPLES
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The correlations of the metrics with each of TRUTHS and, of the same maps, with the cosine; and the ends of those
    with the score. both: as in Runs; without a row both tables are empty."""
    if both.empty:
        return pd.DataFrame(), pd.DataFrame()
    blocks = []
    for title, name in {**TRUTHS, TRUTH: TRUTH}.items():
        metrics = list(PAPER) if name == TRUTH else list(MEASURES)
        agreed = agreement(both[metrics], both[name], seed, resamples)
        rows = correlations(agreed, "arcc", level)
        blocks.append(rows[rows["model"] == EVERY].assign(model=title))
        if title == SCORE:
            of_score = ends(agreed, among=PAPER, level=level)
    return pd.concat(blocks, ignore_index=True), of_score


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """All that the prose quotes."""
    samples = runs.scores.drop_duplicates(["model", "sample_id"])
    compared = "No map here has a value of every metric and score; nothing is correlated."
    if len(runs.both):
        compared = f"{len(runs.both)} maps have a value of every metric and score, {runs.incomplete} lack one."
    return {
        "dataset": dataset_label(settings.run.dataset),
        "images": runs.scores["sample_id"].nunique(),
        "model": ", ".join(settings.run.model),
        "methods": len(settings.real),
        "asked": len(samples),
        "right": int((samples["said"] == samples["class_id"]).sum()),
        "accuracy": accuracies_text(samples, settings.level),
        "basis": runs.source,
        "level": f"{settings.level:.0%}",
        "complete": len(runs.both),
        "incomplete": runs.incomplete,
        "compared": compared,
        **{f"highest_{way}": end_label(runs.ends, way, "highest") for way in WAYS},
        **{f"lowest_{way}": end_label(runs.ends, way, "lowest") for way in WAYS},
        **{f"arcc_{way}": tables.correlation(runs.correlations, "arcc", way, SCORE) for way in WAYS},
        "photo_model": settings.photo_model,
        "photo_share": f"{settings.photo_share:.0%}",
        "photo_said": runs.photographs.said,
        "photo_credit": runs.photographs.credit,
        "held": held(answers_of_ends(runs.ends)),
    }


def photo_pixels(runs: Runs) -> Figure:
    """The photographs, whole, without the pixels that each map marks most, and these alone."""
    return marked_panel(runs.photographs, runs.marked)


def photo_table(runs: Runs) -> pd.DataFrame:
    """The probability of the class in each of these cases."""
    return marked_table(runs.photographs, runs.marked)


def summed(runs: Runs) -> pd.DataFrame:
    """Each method's completeness, correctness and contrastivity, and their mean, the score: means over the images."""
    scores = part_summary(runs.scores).groupby(KEYS[3:], sort=False).mean()
    scores.index = pd.Index([method_label(*key) for key in scores.index])
    shown = scores[[*FUNNYBIRDS[1:], FUNNYBIRDS[0]]].map(tables.number, digits=2)
    return shown.rename(columns={"funnybirds": "score"})


def forest(runs: Runs) -> Figure | None:
    """Pearson's correlations with the score, thick, with its parts and the cosine, thin; nothing without a map."""
    if runs.correlations.empty:
        return None
    pearson = runs.correlations[runs.correlations["kind"] == "pearson"]
    return charts.correlation_forest(pearson, WAYS, SCORE)


def with_score(runs: Runs) -> pd.DataFrame | None:
    """The correlations with the score, Pearson's and Spearman's; nothing without a map."""
    if runs.correlations.empty:
        return None
    return tables.correlations(runs.correlations[runs.correlations["model"] == SCORE], "kind")


def reproduced(runs: Runs) -> HTML:
    """The paper's claims, held against the score by parts; none where nothing was correlated."""
    return claims_table(CLAIMED, answers_of_ends(runs.ends))
