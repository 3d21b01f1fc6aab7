"""The benchmark's page: faithfulness, leakage, stability and cost of attribution maps, beside the paper's Table 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd
from IPython.display import HTML
from pydantic import Field, model_validator

from segattr_lib.attribution import methods_of
from segattr_lib.benchmark import settings as settings_
from segattr_lib.benchmark.runner import run_benchmark
from segattr_lib.benchmark.statistics import ROBUST_FLOOR, at, plain, run_level
from segattr_lib.benchmark.store import read_samples
from segattr_lib.data.regions import FREQUENT
from segattr_lib.evidence.basis import Basis, basis_of
from segattr_lib.inference.chance import VERDICTS, above_chance
from segattr_lib.inference.comparison import HOLDS, compare
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.inference.paired import paired
from segattr_lib.metrics import metrics_of
from segattr_lib.registry import PERTURBATIONS
from segattr_lib.report.labels import dataset_label, key_label
from segattr_lib.report.page import Page, read_page, soon_explained
from segattr_lib.report.reference import reference
from segattr_lib.report.tables import chance as chance_table
from segattr_lib.report.tables import interval, side, whole
from segattr_lib.sections.benchmark import claims
from segattr_lib.sections.benchmark import scenes as scenes_
from segattr_lib.sections.benchmark.cases import Cases, credit, gallery, look, slider
from segattr_lib.sections.benchmark.charts import curves, dot_plot, rank_heatmap, trade_off
from segattr_lib.sections.benchmark.claims import CLAIMS
from segattr_lib.sections.benchmark.per_run import fills_of, ranking, under_fill, wins, with_seconds
from segattr_lib.sections.benchmark.scenes import Scenes, images_of
from segattr_lib.sections.benchmark.tables import (
    beside_paper,
    blind_selection,
    cost,
    hidden_by_the_mean,
    leakage,
    mean_and_robust,
    side_by_side,
    stability,
    wide,
)

__all__ = [
    "CLAIMS",
    "Runs",
    "Settings",
    "beside_paper",
    "beside_scenes",
    "blind_selection",
    "chance",
    "chance_beside_scenes",
    "claims_table",
    "cost",
    "credit",
    "curves",
    "dot_plot",
    "facts",
    "gallery",
    "hidden_by_the_mean",
    "leakage",
    "mean_and_robust",
    "rank_heatmap",
    "ranks",
    "read",
    "run",
    "slider",
    "stability",
    "trade_off",
    "whole",
]

ALONG_K = ("tdd", "odd_abs", "insertion")  # the curves
RANKED = ("tdd", "excess_tdd", "odd_abs", "leak_abs", "insertion", "stability", "seconds")
ELSEWHERE = {  # of the registry's metrics, those that other tables of the page show
    *("odd", "odd_exclude", "odd_abs_exclude", "leak_signed", "excess_odd_abs", "excess_insertion", "border"),
    *("tied_share", "chance_tdd", "passes", *(f"stability_{kind}" for kind in PERTURBATIONS)),
}
COUNTED = {  # wins of DEA that the prose quotes: over which method, in which metric
    "ega": ("ega", "tdd"),
    "gpa": ("gpa", "tdd"),
    "random": ("random", "tdd"),
    "odd": ("ega", "odd_abs"),
    "excess": ("random", "excess_tdd"),
}


class Settings(Page):
    """curve_*: the fractions of the deletion and insertion curves, and of their run the models and methods, None being
    the main run's, and the number of samples. gallery_rows: how many samples are shown. scenes_*: data set, models and
    number of samples of the run on generated scenes."""

    curve_k: list[float]
    curve_model: Annotated[list[str], Field(min_length=1)] | None = None
    curve_methods: list[str] | None = None
    curve_samples: Annotated[int, Field(ge=1)] | None = None
    gallery_rows: int = Field(ge=1)
    scenes_dataset: str
    scenes_model: list[str] = Field(min_length=1)
    scenes_samples: Annotated[int, Field(ge=1)] | None

    @model_validator(mode="after")
    def _all_can_be_run(self) -> Settings:
        self.along_k()
        self.on_scenes()
        return self

    def along_k(self) -> settings_.Settings:
        """The settings of the run that the curves are drawn from. Raises UserError for fractions that are none."""
        fewest = min((n for n in (self.curve_samples, self.run.samples) if n is not None), default=None)
        own = {"model": self.curve_model, "methods": self.curve_methods, "samples": fewest}
        chosen = {name: value for name, value in own.items() if value is not None}
        return self.run.changed({"k": self.curve_k, "metrics": list(ALONG_K), **chosen})

    def pictured(self, here: bool) -> settings_.Settings:
        """The settings of the run that the gallery is of: the main run's, or where its data are not here that of the
        photographs that packages bring, under its last model, of several widths the narrowest."""
        if here:
            return self.run
        methods = [key.text for key in self.run.methods if key.entry.family != "control"]
        own_data = dict.fromkeys(("root", "split", "region", "samples", "backgrounds"))
        about = {"dataset": "photographs", "methods": methods, "metrics": "tdd", "target": FREQUENT, "order": "listed"}
        return self.run.changed({**own_data, **about, "model": self.run.model[-1:], "k": self.run.k[:1]})

    def on_scenes(self) -> settings_.Settings:
        """The settings of the run on generated scenes. Raises UserError as read_settings does."""
        return scenes_.settings_of(self.run, self.scenes_dataset, self.scenes_model, self.scenes_samples)

    def judge(self) -> str:
        """The fill that scores the maps of the tables: the first of those that do."""
        return self.run.evaluation_fills(None)[0]


@dataclass(frozen=True)
class Runs:
    """What the page shows.

    rows: a row a sample, method and metric. per_run: run-level, of the first k and the judge's fill, seconds among
    them. along_k: run-level of the curves. made: the fill that the maps were made with where there are several.
    above_chance, verdicts: see chance.above_chance and claims.decided. cases: the gallery's. scenes: the run on
    generated scenes.
    """

    rows: pd.DataFrame
    per_run: pd.DataFrame
    along_k: pd.DataFrame
    made: str | None
    above_chance: pd.DataFrame
    verdicts: dict[str, str]
    cases: Cases
    scenes: Scenes
    basis: Basis
    curve_basis: Basis


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings. methods and metrics None are the registry's of segmentation, with what a blind selection
    earns and the passes. Raises UserError as read_page does."""
    registered = {
        "methods": methods_of("segmentation"),
        "metrics": [*metrics_of("segmentation"), "chance_tdd", "passes"],
    }
    left_open = {name: names for name, names in registered.items() if parameters.get(name) is None}
    return read_page(Settings, parameters, **left_open)


def run(settings: Settings) -> Runs:
    """Do or read the runs of the tables, of the curves and on generated scenes, or take the records that they are of,
    and look at the gallery's samples."""
    basis = basis_of(settings.run, settings.results)
    curve_basis = basis_of(settings.along_k(), f"{settings.results}-curves")
    rows, k, fill = basis.rows, settings.run.k[0], settings.judge()
    per_run = at(with_seconds(run_level(rows), _timed(basis)), k, fill)
    along_k = run_level(curve_basis.rows)
    made = next((name for name in [fill, *fills_of(per_run)] if name in fills_of(per_run)), None)
    return Runs(
        rows=rows,
        per_run=per_run,
        along_k=along_k[along_k["fill"] == fill],
        made=made,
        above_chance=above_chance(rows, k, fill),
        verdicts=claims.decided(rows, k, fill),
        cases=_cases(settings, basis, fill, made),
        scenes=on_scenes(settings),
        basis=basis,
        curve_basis=curve_basis,
    )


def _cases(settings: Settings, basis: Basis, fill: str, made: str | None) -> Cases:
    """The gallery's samples, of a run that was made here."""
    asked = settings.pictured(basis.own)
    folder = settings.results if basis.own else f"{settings.results}-pictured"
    rows = read_samples(run_benchmark(asked, folder))
    return look(asked.runs()[0], rows, fill, made, settings.gallery_rows)


def _timed(basis: Basis) -> pd.DataFrame:
    """The timings of the maps that the rows are of."""
    asked = basis.rows[["run_id", "method", "variant"]].drop_duplicates()
    return plain(basis.timings).merge(plain(asked), on=["run_id", "method", "variant"])


def on_scenes(settings: Settings) -> Scenes:
    """Do or read the run on generated scenes, or take the record that it is of."""
    asked, fill = settings.on_scenes(), settings.judge()
    checked = {"samples": asked.samples, "model": asked.model[-1:], "methods": soon_explained(asked.methods)}
    basis = basis_of(asked, f"{settings.results}-scenes", checked=checked)
    rows = basis.rows
    return Scenes(rows, at(run_level(rows), asked.k[0], fill), above_chance(rows, asked.k[0], fill), basis)


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """All that the prose quotes."""
    scored = runs.rows[runs.rows["metric"] == "score"]
    scores, by_run = scored["value"], scored.groupby("run_id", observed=True)["sample_id"].nunique()
    return {
        "made": runs.made or settings.run.fill[0],
        "well": ROBUST_FLOOR,
        "runs": len(settings.run.runs()),
        "models": len(settings.run.model),
        "seeds": len(settings.run.seed),
        "samples": images_of(runs.rows),
        "drawn": int(runs.rows["sample_id"].nunique()),
        "each_run": " and ".join(map(str, sorted(set(by_run)))),
        "fewest": FEWEST,
        "lost": _lost(runs.rows),
        "low_score": int((scores < ROBUST_FLOOR).sum()),
        "scored": len(scores),
        "dataset": dataset_label(settings.run.dataset),
        "basis": runs.basis.text(),
        "curve_basis": runs.curve_basis.text(),
        "pictured": dataset_label(runs.cases.group.run.dataset),
        "pictured_model": runs.cases.group.run.model[0],
        "k": settings.run.k[0],
        "cells": settings.run.grid**2,
        "stability_cells": (settings.run.stability_grid or settings.run.grid) ** 2,
        "gallery_by": runs.cases.by,
        **_of_claims(runs),
        **_of_ranks(ranks(runs.per_run)),
        **_of_chance(runs.above_chance),
        **_of_scenes(settings, runs),
        **dea_beside_ega(runs.rows, settings.run.k[0], settings.judge(), runs.made),
    }


def ranks(per_run: pd.DataFrame) -> pd.DataFrame:
    """The rank of every method on every axis, 1 the best; see per_run.ranking. A metric that no other table of the page
    shows, as one that was registered since or a user's own, is one more axis."""
    others = [metric for metric in per_run["metric"].unique() if metric not in ELSEWHERE and metric not in RANKED]
    return ranking(wide(per_run, [*RANKED, *others]))


def claims_table(runs: Runs) -> HTML:
    """What was reproduced and what was not."""
    table = claims.claims_table(runs.per_run, runs.verdicts)
    return HTML(table.to_html(index=False, classes="wrap", border=0))


def chance(runs: Runs) -> pd.DataFrame:
    """Each method beside the control that comes closest to it."""
    return chance_table(runs.above_chance)


def beside_scenes(settings: Settings, runs: Runs) -> pd.DataFrame:
    """The first table of the main run and of that on generated scenes, side by side."""
    title, of_scenes = _titles(settings, runs)
    return side_by_side({title: runs.per_run, of_scenes: runs.scenes.per_run})


def chance_beside_scenes(settings: Settings, runs: Runs) -> pd.DataFrame:
    """`chance` of the main run and of that on generated scenes, one below the other."""
    title, of_scenes = _titles(settings, runs)
    return pd.concat({title: chance(runs), of_scenes: chance_table(runs.scenes.above_chance)})


def _titles(settings: Settings, runs: Runs) -> tuple[str, str]:
    """What the columns of the main run and of that on generated scenes are called, with their images' number."""
    counts = images_of(runs.rows), images_of(runs.scenes.rows)
    return (
        f"{dataset_label(settings.run.dataset)}, n = {counts[0]}",
        f"{dataset_label(settings.scenes_dataset)}, n = {counts[1]}",
    )


def dea_beside_ega(rows: pd.DataFrame, k: float, fill: str, made: str | None = None) -> dict[str, Any]:
    """DEA's TDD minus EGA's over the images that the model scores well: the difference, its side, and their number."""
    table = paired(under_fill(rows, made), "tdd", k, fill, ROBUST_FLOOR)
    if not {"dea", "ega"} <= set(table):
        return {"dea_side": "not compared with", "dea_lead": "–", "dea_images": 0}
    (pair,) = compare(table, [("dea", "ega")], "tdd").to_dict("records")
    return {
        "dea_side": side(pair["low"], pair["high"], pair["n"]),
        "dea_lead": interval(pair["difference"], pair["low"], pair["high"]),
        "dea_images": pair["n"],
    }


def _of_claims(runs: Runs) -> dict[str, Any]:
    """The wins that the paper counts and ours, and how many claims hold."""
    paper = {
        f"paper_{row['dataset']}_{row['over']}": f"{row['wins']} of {row['runs']}"
        for row in reference()["dea_wins"]["rows"]
    }
    own = under_fill(runs.per_run, runs.made)  # as a run under one fill has them
    ours = {}
    for name, (over, metric) in COUNTED.items():
        won, count = wins(own, "dea", over, metric)
        ours[f"wins_{name}"] = f"{won} of {count}" if count else "none (not run)"
    return {
        **paper,
        **ours,
        "claims_held": claims.count_held(runs.per_run),
        "claims_held_robust": claims.count_held(runs.per_run, "mean_robust"),
        "borne_out": f"{sum(verdict == HOLDS for verdict in runs.verdicts.values())} of {len(runs.verdicts)}",
    }


def _of_ranks(table: pd.DataFrame) -> dict[str, Any]:
    """Who is first by three metrics, and where pixels drawn at random stand."""
    quoted: dict[str, Any] = {"ranked": len(table)}
    for metric in [metric for metric in ("tdd", "excess_tdd", "leak_abs") if metric in table]:
        first = [key_label(key) for key in table.index[table[metric] == 1]]
        place = f"number {table.loc['random', metric]}" if "random" in table.index else "not run"
        quoted |= {f"first_{metric}": " and ".join(first), f"rank_random_{metric}": place}
    return quoted


def _lost(rows: pd.DataFrame) -> str:
    """How many samples of all runs have no values, and why: "2 (there is no object: 2)"."""
    reasons = rows[rows["metric"].isna()]["reason"].astype(str).value_counts()
    kinds = "; ".join(f"{reason}: {count}" for reason, count in reasons.items())
    return f"{reasons.sum()} ({kinds})" if kinds else "0"


def _of_scenes(settings: Settings, runs: Runs) -> dict[str, Any]:
    """What the run on generated scenes is made of, who is first there, and how far the two orders agree."""
    ranked = _of_ranks(ranking(wide(runs.scenes.per_run, ["tdd", "excess_tdd"])))
    return {
        "scenes_dataset": dataset_label(settings.scenes_dataset),
        "scenes_images": images_of(runs.scenes.rows),
        "scenes_basis": runs.scenes.basis.text(),
        "scenes_models": len(settings.scenes_model),
        "scenes_above_chance": _of_chance(runs.scenes.above_chance)["above_chance"],
        **{f"scenes_{name}": ranked[name] for name in ("first_tdd", "first_excess_tdd", "rank_random_tdd")},
        **scenes_.order_facts(runs.per_run, runs.scenes.per_run),
    }


def _of_chance(table: pd.DataFrame) -> dict[str, Any]:
    """How many methods lie above every control."""
    undecided = int((table["verdict"] == VERDICTS[None]).sum())
    above = int((table["verdict"] == VERDICTS[True]).sum())
    return {
        "above_chance": f"{above} ({undecided} undecided)" if undecided else str(above),
        "held_against_controls": len(table),
    }
