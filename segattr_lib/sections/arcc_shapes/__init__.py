"""The page "Which metric follows the truth?": classifiers' maps of single shapes, whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from IPython.display import HTML
from matplotlib.figure import Figure
from pydantic import Field

from segattr_lib.inference.agreement import WAYS
from segattr_lib.inference.maps import PAPER, TRUTH, maps_table, truth_known
from segattr_lib.report.classifiers import (
    MEASURES,
    SURE,
    MapsPage,
    basis_here,
    basis_of_many,
    opening,
    read_maps_page,
    recognised_text,
    scored_images,
)
from segattr_lib.report.labels import dataset_label, key_label, metric_label, model_label
from segattr_lib.report.photographs import Photographs, first_by, maps_by_label, photo_gallery, values_of, values_table
from segattr_lib.report.reproduced import (
    NO,
    YES,
    answers_of_ends,
    claims_of_ends,
    claims_table,
    end_label,
    held,
)
from segattr_lib.report.tables import correlation, number
from segattr_lib.sections.arcc_shapes import bends, composites, truth
from segattr_lib.sections.arcc_shapes.bends import Bends, means, picture
from segattr_lib.sections.arcc_shapes.composites import Composites, beside_arcc, chosen_elsewhere
from segattr_lib.sections.arcc_shapes.truth import (
    Truth,
    apart,
    by_model,
    by_size,
    by_size_and_model,
    forest,
    over_models,
)

__all__ = [
    "CLAIMS",
    "Many",
    "Runs",
    "Settings",
    "arcc_by_model",
    "beside_arcc",
    "by_model",
    "by_size",
    "by_size_and_model",
    "chosen_elsewhere",
    "facts",
    "forest",
    "many_forest",
    "many_over_models",
    "means",
    "over_models",
    "overview",
    "photo_maps",
    "photo_scores",
    "picture",
    "read",
    "reproduced",
    "run",
]

CLAIMED = claims_of_ends("the truth") | {
    "road_keeps_ranks": "ROAD is the same under a monotone transform of the map",
    "arcc_sees_values": "ARCC is not",
}
CLAIMS = tuple(CLAIMED)


class Settings(MapsPage):
    """bent: the method whose maps are transformed; few: images of that; resamples: of the correlations' intervals."""

    bent: str
    few: int = Field(ge=1)
    resamples: int = Field(ge=1)


@dataclass(frozen=True)
class Many:
    """Photographs: how many images and maps, the metrics held against masks that people drew, where the rows are from
    and how often the model names the images' class."""

    dataset: str
    images: int
    maps: int
    truth: Truth
    source: str
    accuracy: str


@dataclass(frozen=True)
class Runs:
    """The rows of the run; the methods' maps as a table, a column a metric; what was made of them; and the photographs
    that the page opens with, with what the paper's metrics say of their maps. source: where the rows are from.
    accuracy: how often the models name the images' class. many: photographs to count over, None where they are neither
    recorded nor at hand."""

    rows: pd.DataFrame
    maps: pd.DataFrame
    known: bool
    truth: Truth
    composites: Composites
    bends: Bends
    photographs: Photographs
    photo_values: pd.DataFrame
    source: str
    accuracy: str
    many: Many | None = None


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings; UserError in one sentence for what cannot be."""
    return read_maps_page(Settings, parameters)


def run(settings: Settings) -> Runs:
    """Run the methods, or read what is finished; hold the metrics against the truth, and bend one method's maps."""
    photographs, many = opening(settings), many_of(settings)
    settings, basis = basis_here(settings)
    rows = basis.rows
    everything = maps_table(rows, MEASURES)
    known = truth_known(everything)
    maps = everything[everything.index.get_level_values("method").isin(settings.real)]
    level, seed, resamples = settings.level, settings.run.seed[0], settings.resamples
    images = scored_images(rows)[: settings.few]
    return Runs(
        rows,
        maps,
        known,
        truth.held_against_truth(maps, known, settings.run.dataset, level, seed, resamples),
        composites.held_against_truth(maps, known, level, seed, resamples),
        bends.bend(settings.run.runs()[0], images, settings.bent, MEASURES if known else PAPER),
        photographs,
        values_of(photographs, settings.photo_methods, PAPER),
        basis.text(),
        recognised_text(settings.run, basis, settings.level),
        many,
    )


def many_of(settings: Settings) -> Many | None:
    """The same metrics held against the masks of many photographs."""
    there = basis_of_many(settings)
    if there is None:
        return None
    own, basis = there
    everything = maps_table(basis.rows, MEASURES)
    maps = everything[everything.index.get_level_values("method").isin(own.real)]
    about = (own.run.dataset, settings.level, settings.run.seed[0], settings.resamples)
    return Many(
        own.run.dataset,
        len(scored_images(basis.rows)),
        len(maps),
        truth.held_against_truth(maps, truth_known(everything), *about),
        basis.text(),
        recognised_text(own.run, basis, settings.level),
    )


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """All that the prose quotes."""
    scores = runs.rows.loc[runs.rows["metric"] == "score", "value"]
    known = "The truth is known here." if runs.known else "No truth is known of these images: nothing is shown."
    return {
        "dataset": dataset_label(settings.run.dataset),
        "images": len(scored_images(runs.rows)),
        "models": len(settings.run.model),
        "methods": len(settings.real),
        "maps": len(runs.maps),
        "undefined": int(runs.maps["coherency"].isna().sum()),
        "sure": SURE,
        "unsure": int((scores < SURE).sum()),
        "scored": len(scores),
        "accuracy": runs.accuracy,
        "basis": runs.source,
        "lost": int(runs.rows.loc[runs.rows["metric"].isna(), "sample_id"].nunique()),
        "level": f"{settings.level:.0%}",
        "truth": known,
        "complete": runs.truth.complete,
        "incomplete": runs.truth.incomplete,
        **{f"highest_{way}": end_label(runs.truth.ends, way, "highest") for way in WAYS},
        **{f"lowest_{way}": end_label(runs.truth.ends, way, "lowest") for way in WAYS},
        **{f"lead_{way}": truth.lead(runs.truth, way) for way in WAYS},
        **{f"arcc_{way}": correlation(runs.truth.correlations, "arcc", way) for way in WAYS},
        **bends.facts(runs.bends),
        **composites.facts(runs.composites),
        "photo_model": settings.photo_model,
        "photo_maps": len(settings.photo_methods),
        "photo_said": runs.photographs.said,
        "photo_credit": runs.photographs.credit,
        **{f"photo_first_{metric}": label for metric, label in first_by(runs.photo_values).items()},
        "held": held(_answers(runs)),
        **_of_many(runs),
    }


def _of_many(runs: Runs) -> dict[str, Any]:
    """What the prose quotes of the photographs that are counted over."""
    many = runs.many
    if many is None:
        names = ("dataset", "images", "maps", "basis", "accuracy", *(f"highest_{way}" for way in WAYS))
        absent = dict.fromkeys((f"many_{name}" for name in (*names, *(f"arcc_{way}" for way in WAYS))), "–")
        return {**absent, "many_basis": "no photographs are recorded or at hand", "many_apart": "none"}
    return {
        "many_dataset": dataset_label(many.dataset),
        "many_images": many.images,
        "many_maps": many.maps,
        "many_basis": many.source,
        "many_accuracy": many.accuracy,
        **{f"many_highest_{way}": end_label(many.truth.ends, way, "highest") for way in WAYS},
        **{f"many_arcc_{way}": correlation(many.truth.correlations, "arcc", way) for way in WAYS},
        "many_apart": apart(runs.truth, many.truth),
    }


def many_forest(runs: Runs) -> Figure | None:
    """Correlations with the masks of many photographs; nothing where there are none."""
    return None if runs.many is None else forest(runs.many.truth)


def many_over_models(runs: Runs) -> pd.DataFrame | None:
    """The same as numbers; nothing where there are none."""
    return None if runs.many is None else over_models(runs.many.truth)


def photo_maps(settings: Settings, runs: Runs) -> Figure:
    """The photographs, and the methods' maps of the class that the classifier names."""
    return photo_gallery(runs.photographs, maps_by_label(runs.photographs, settings.photo_methods))


def photo_scores(runs: Runs) -> pd.DataFrame:
    """What each of the paper's metrics says of each map of the photographs."""
    return values_table(runs.photo_values)


def overview(runs: Runs) -> pd.DataFrame:
    """Each method's means over images and models, and how many of its maps have no Coherency."""
    by_method = runs.maps.groupby("method", sort=False)
    table = by_method[list(MEASURES)].mean().map(number, digits=2).rename(columns=metric_label)
    without = runs.maps["coherency"].isna().groupby(level="method", sort=False).sum()
    return table.assign(undefined=without).rename(index=key_label).rename_axis(None)


def arcc_by_model(runs: Runs) -> pd.DataFrame:
    """Each method's mean ARCC on each model and, where it is known, the truth."""
    blocks = {}
    for metric in ["arcc", TRUTH] if runs.known else ["arcc"]:
        means = runs.maps.pivot_table(index="method", columns="model", values=metric, sort=False, dropna=False)
        blocks[metric_label(metric)] = means.map(number, digits=2).rename(columns=model_label)
    return pd.concat(blocks, axis=1).rename(index=key_label).rename_axis(index=None, columns=[None, None])


def reproduced(runs: Runs) -> HTML:
    """The paper's claims, and what these runs say of each; those about the truth where there is one."""
    return claims_table(CLAIMED, _answers(runs))


def _answers(runs: Runs) -> dict[str, str]:
    """What the runs say of each of the CLAIMS that they can be held against, by its id."""
    furthest = bends.furthest(runs.bends)
    return {
        **answers_of_ends(runs.truth.ends),
        "road_keeps_ranks": YES if furthest["road"] == 0 else NO,
        "arcc_sees_values": YES if furthest["arcc"] > 0 else NO,
    }
