"""The page on DEA's mechanism: what its maps are made of, what they fail on, and what its settings change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from IPython.display import HTML
from pydantic import Field, model_validator

from segattr_lib.benchmark import settings as settings_
from segattr_lib.benchmark.runner import group_of, open_run, run_benchmark
from segattr_lib.benchmark.store import read_samples
from segattr_lib.inference import intervals as intervals_
from segattr_lib.inference.correlation import correlation
from segattr_lib.inference.coverage import simulated_coverage, standardised
from segattr_lib.inference.paired import paired
from segattr_lib.registry import UserError
from segattr_lib.report.labels import metric_label
from segattr_lib.report.page import Page, read_page
from segattr_lib.report.pictures import credit_line
from segattr_lib.report.reference import reference
from segattr_lib.report.tables import coverage, interval, off_zero, side
from segattr_lib.sections.dea_mechanism import claims
from segattr_lib.sections.dea_mechanism.causes import TRAITS, relation_table, relations, traits_of
from segattr_lib.sections.dea_mechanism.claims import CLAIMS
from segattr_lib.sections.dea_mechanism.parts import TAIL, agreement_table, case_table, cases_of, parts_of
from segattr_lib.sections.dea_mechanism.pictures import (
    alpha_curves,
    decomposition,
    forest,
    layer_curves,
    share_plot,
    surfaces,
)
from segattr_lib.sections.dea_mechanism.sweeps import (
    alpha_table,
    differences,
    lattice,
    means,
    over_layers,
    over_scalars,
    scalar_table,
)
from segattr_lib.targets import Images, Maps, Masks

__all__ = [
    "CLAIMS",
    "LEADS",
    "MEASURES",
    "OUTCOMES",
    "TRAITS",
    "Runs",
    "Settings",
    "alpha_curves",
    "alpha_table",
    "case_table",
    "claimed_alphas",
    "claims_table",
    "coverage",
    "credit",
    "decomposition",
    "facts",
    "forest",
    "layer_curves",
    "read",
    "relation_table",
    "run",
    "scalar_table",
    "share_plot",
    "surfaces",
]

MAPS = ("gpa", "ega", "ria", "interaction", "dea")
MEASURES = ("tdd", "odd_abs", "excess_tdd")
LEADS = ("tdd", "excess_tdd")  # of DEA over EGA
SINGLE = ("model", "seed", "k", "fill")
OUTCOMES = {
    "gain": "TDD, DEA − EGA",
    **{metric: f"DEA's {metric_label(metric)}" for metric in MEASURES},
}


class Settings(Page):
    """alphas, betas, grids: of the sweep, the run's own beside. cases: how many of success, and as many of failure,
    unless sample_ids names some. level: of the intervals. photo_*: data set, model and number of cases of the run that
    the page opens with."""

    alphas: list[float]
    betas: list[float]
    grids: list[int]
    cases: int = Field(ge=1)
    sample_ids: list[str] | None
    level: float = Field(gt=0, lt=1)
    photo_dataset: str
    photo_model: str
    photo_cases: int = Field(ge=1)

    @model_validator(mode="after")
    def _can_be_run(self) -> Settings:
        for name in SINGLE:
            values = getattr(self.run, name)
            if len(values) > 1:
                raise UserError(f"{name} is {values}; this page looks into one run, expected one value.")
        self.run.changed({"methods": list(dict.fromkeys(self.sweep()["written"]))})
        self.on_photographs()
        return self

    def on_photographs(self) -> settings_.Settings:
        """The settings of the run that the page opens with: all pictures there are, and what DEA is made of alone.
        Raises UserError as read_settings does."""
        own = {
            "dataset": self.photo_dataset,
            "model": self.photo_model,
            "samples": None,
            "order": "listed",
            "methods": ["ega", "ria", "dea"],
            "metrics": ["tdd"],
        }
        return self.run.changed({**own, **dict.fromkeys(("root", "split", "backgrounds", "region", "layer", "layers"))})

    def sweep(self) -> pd.DataFrame:
        """Every setting of alpha, beta and the grid, see sweeps.lattice."""
        return lattice(self.run, self.alphas, self.betas, self.grids)


@dataclass(frozen=True)
class Cases:
    """The samples that are shown, `of` so many of the data set: a row a sample in each. table: of cases_of. masses: of
    agreement_table."""

    dataset: str
    of: int
    table: pd.DataFrame
    images: Images
    masks: Masks
    parts: dict[str, Maps]
    masses: pd.DataFrame


@dataclass(frozen=True)
class Runs:
    """What the page shows.

    run: the settings with all their methods. layer, layers: the one explained, and those it is held against. lost: how
    many samples have no values. by_metric: samples as rows and methods as columns. on_target: means of the
    share of each map's mass. traits, relations: see causes. by_*: means at every point of a sweep; against_ega: DEA
    minus EGA at every point, own_alphas the same where beta and grid are the run's own; scalar_changes: the change from
    the scalar that the run has. covered: how often the intervals hold what they should. cases: those of the run;
    photographs: those that the page opens with.
    """

    run: settings_.Settings
    layer: str
    layers: list[str]
    lost: int
    by_metric: dict[str, pd.DataFrame]
    on_target: pd.DataFrame
    traits: pd.DataFrame
    relations: pd.DataFrame
    by_setting: pd.DataFrame
    by_scalar: pd.DataFrame
    by_layer: pd.DataFrame
    against_ega: pd.DataFrame
    own_alphas: pd.DataFrame
    scalar_changes: pd.DataFrame
    covered: pd.DataFrame
    cases: Cases
    photographs: Cases

    @property
    def gain(self) -> pd.Series:
        """DEA's TDD minus EGA's of every sample that has both."""
        return gain_of(self.by_metric)

    @property
    def shares(self) -> pd.DataFrame:
        """The share of each map's mass on the target, samples as rows."""
        return self.by_metric["share_inside"][list(MAPS)]

    @property
    def along_alpha(self) -> pd.DataFrame:
        """DEA minus EGA over alpha on every grid, at the run's own beta."""
        return self.against_ega[self.against_ega["beta"] == self.run.beta]


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings; what is measured the page decides, and the methods its sweeps. Raises UserError as read_page
    does, and for several models, seeds, k or fills."""
    return read_page(Settings, parameters, metrics=[*MEASURES, "share_inside"])


def run(settings: Settings) -> Runs:
    """Do or read the run of all methods of all sweeps, and look at the samples that are shown."""
    opened = open_run(settings.run)
    model = opened.models[settings.run.model[0]]
    sweep, deep, scalars = settings.sweep(), over_layers(model.layers, model.layer), over_scalars(settings.run)
    written = [*MAPS, *sweep["written"], *deep["written"], *scalars["written"]]
    whole = settings.run.changed({"methods": list(dict.fromkeys(written))})
    rows = read_samples(run_benchmark(whole, settings.results))
    level, seed = settings.level, whole.seed[0]
    values = {key.text: paired(rows, key.text).droplevel("dataset") for key in whole.metrics}
    gain = gain_of(values)
    traits = traits_of(opened, list(gain.index))
    scores = rows[rows["metric"] == "score"].astype({"sample_id": str}).set_index("sample_id")["value"]
    outcomes = pd.DataFrame({"gain": gain, **{metric: values[metric]["dea"] for metric in MEASURES}})
    own = sweep[(sweep["beta"] == whole.beta) & (sweep["grid"] == whole.grid)]
    return Runs(
        run=whole,
        layer=model.layer,
        layers=list(dict.fromkeys(deep["layer"])),
        lost=int(rows[rows["metric"].isna()]["sample_id"].nunique()),
        by_metric=values,
        on_target=intervals_.means(values["share_inside"][list(MAPS)], level, seed).set_index("method"),
        traits=traits,
        relations=relations(traits.assign(score=scores)[list(TRAITS)], outcomes, level, seed),
        by_setting=means(sweep, rows, MEASURES, level, seed),
        by_scalar=means(scalars, rows, MEASURES, level, seed),
        by_layer=means(deep, rows, MEASURES, level, seed),
        against_ega=differences(sweep, rows, LEADS, "ega", level, seed),
        own_alphas=differences(own, rows, LEADS, "ega", level, seed),
        scalar_changes=differences(scalars, rows, ["tdd"], None, level, seed),
        covered=simulated_coverage(
            standardised(values[metric][list(MAPS)] for metric in MEASURES), seed=seed, level=level
        ),
        cases=look(whole, gain, settings.cases, settings.sample_ids),
        photographs=photographs(settings),
    )


def photographs(settings: Settings) -> Cases:
    """Do or read the run that the page opens with, and look at its cases."""
    asked = settings.on_photographs()
    rows = read_samples(run_benchmark(asked, f"{settings.results}-photographs"))
    gain = gain_of({"tdd": paired(rows, "tdd").droplevel("dataset")})
    return look(asked, gain, settings.photo_cases)


def look(run: settings_.Settings, gain: pd.Series, cases: int, named: list[str] | None = None) -> Cases:
    """The cases of a run, see cases_of, with the parts of their maps. Raises SampleError as group_of does."""
    table = cases_of(gain, cases, named)
    group = group_of(run, list(table.index))
    assert group.target.mask is not None, "DEA explains segmenters, whose targets have masks"
    parts = parts_of(group)
    masses = agreement_table(parts, group.target.mask).set_index(table.index)
    return Cases(run.dataset, len(gain), table, group.images, group.target.mask, parts, masses)


def credit(cases: Cases) -> HTML | None:
    """Whose photographs the cases are, where they are some."""
    return credit_line(cases.dataset, cases.table.index)


def gain_of(values: Mapping[str, pd.DataFrame]) -> pd.Series:
    """DEA's TDD minus EGA's of every sample that has both."""
    return (values["tdd"]["dea"] - values["tdd"]["ega"]).dropna()


def claimed_alphas() -> tuple[float, float]:
    """The range of alpha in which the paper says that DEA's TDD stays above EGA's."""
    claimed = reference()["dea_alpha_range"]
    return claimed["low"], claimed["high"]


def within_claim(runs: Runs) -> pd.DataFrame:
    """DEA minus EGA at the values of alpha that lie in the paper's range, at the run's own beta and grid."""
    return runs.own_alphas[runs.own_alphas["alpha"].between(*claimed_alphas())]


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """All that the prose quotes."""
    gain = runs.gain
    (of_gain,) = _means(settings, runs, gain).to_dict("records")
    return {
        "dataset": runs.run.dataset,
        "model": runs.run.model[0],
        "layer": runs.layer,
        "n": len(gain),
        "lost": runs.lost,
        "k": runs.run.k[0],
        "floor": runs.run.floor or 0,
        "tail": f"{TAIL:.0%}",
        "level": f"{settings.level:.0%}",
        "gain": interval(of_gain["mean"], of_gain["low"], of_gain["high"], n=len(gain)),
        "gains": side(of_gain["low"], of_gain["high"], len(gain)),
        "photo_dataset": runs.photographs.dataset,
        "photo_model": settings.photo_model,
        "photo_n": runs.photographs.of,
        "photo_leads": int((runs.photographs.table["difference"] > 0).sum()),
        "photo_cases": len(runs.photographs.table),
        **_of_mass(settings, runs),
        **_of_coverage(runs.covered),
        **_of_causes(settings, runs),
        **_of_sweep(runs),
    }


def _means(settings: Settings, runs: Runs, values: pd.Series) -> pd.DataFrame:
    return intervals_.means(values.to_frame("value"), settings.level, runs.run.seed[0])


def _narrowed(settings: Settings, runs: Runs) -> pd.DataFrame:
    """The share of agreement mass on the target, minus that of EGA's own mass."""
    return _means(settings, runs, runs.shares["interaction"] - runs.shares["ega"])


def _of_mass(settings: Settings, runs: Runs) -> dict[str, Any]:
    agreement = runs.on_target.loc["interaction"]
    (narrowed,) = _narrowed(settings, runs).to_dict("records")
    return {
        "agreement": interval(agreement["mean"], agreement["low"], agreement["high"], n=agreement["n"]),
        "narrowed": interval(narrowed["mean"], narrowed["low"], narrowed["high"], n=narrowed["n"]),
        "narrower": side(narrowed["low"], narrowed["high"], narrowed["n"]),
        "area": f"{runs.traits['area'].mean():.2f}",
    }


def _of_coverage(covered: pd.DataFrame) -> dict[str, Any]:
    reached = covered[covered["interval"] == "studentised bootstrap"]["reached"]
    return {"coverage": f"{reached.iloc[0]:.1%}" if len(reached) else "–", "fewest": intervals_.FEWEST}


def _of_causes(settings: Settings, runs: Runs) -> dict[str, Any]:
    table, traits = runs.relations, runs.traits
    clear = int(((table["low"] > 0) | (table["high"] < 0)).sum())
    without = int(table["low"].isna().sum())
    quoted: dict[str, Any] = {
        "pairs": len(table),
        "clear": f"{clear} ({without} without an interval)" if without else clear,
        "by_chance": f"{table['low'].count() * (1 - settings.level):.1f}",
    }
    for name in ("width", "area"):
        together = correlation(traits["thinness"], traits[name], "spearman", settings.level, runs.run.seed[0])
        quoted[f"thin_{name}"] = interval(together.value, together.low, together.high, 2, len(traits))
    for trait in ("thinness", "clutter"):
        (row,) = _of_gain(table, trait).to_dict("records")
        quoted[f"{trait}_goes"] = side(row["low"], row["high"], int(row["n"]))
        quoted[f"{trait}_with_gain"] = interval(row["value"], row["low"], row["high"], 2, row["n"])
    return quoted


def _of_gain(relations: pd.DataFrame, trait: str) -> pd.DataFrame:
    """The correlation of a trait with DEA's lead: one row."""
    return relations[(relations["trait"] == trait) & (relations["outcome"] == "gain")]


def _of_sweep(runs: Runs) -> dict[str, Any]:
    everywhere = runs.against_ega[runs.against_ega["metric"] == "tdd"]
    low, high = claimed_alphas()
    within = within_claim(runs)
    return {
        "claimed_low": low,
        "claimed_high": high,
        "settings": len(everywhere),
        "above": off_zero(everywhere, "above"),
        "below": off_zero(everywhere, "below"),
        "alphas_claimed": int(within["alpha"].nunique()),
        **{f"held_{metric}": off_zero(within[within["metric"] == metric], "above") for metric in LEADS},
    }


def claims_table(settings: Settings, runs: Runs) -> HTML:
    """What was reproduced and what was not."""
    over_area = _means(settings, runs, runs.shares["interaction"] - runs.traits["area"])
    within = within_claim(runs).rename(columns={"difference": "value"})
    evidence = {
        "agreement_on_target": over_area.rename(columns={"mean": "value"}),
        "agreement_above_ega": _narrowed(settings, runs).rename(columns={"mean": "value"}),
        "dea_fails_on_thin": _of_gain(runs.relations, "thinness"),
        "dea_fails_in_clutter": _of_gain(runs.relations, "clutter"),
        "dea_above_ega_over_alpha": within[within["metric"] == "tdd"],
        "dea_excess_above_ega_over_alpha": within[within["metric"] == "excess_tdd"],
    }
    table = claims.claims_table(evidence, {"dea_fails_on_thin": -1, "dea_fails_in_clutter": -1})
    return HTML(table.to_html(index=False, classes="wrap", border=0))
