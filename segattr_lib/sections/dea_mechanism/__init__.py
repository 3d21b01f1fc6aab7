"""The page on DEA's mechanism: what its maps are made of, what they fail on, and what its settings change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from IPython.display import HTML
from matplotlib.figure import Figure

from segattr_lib.benchmark import settings as settings_
from segattr_lib.benchmark.runner import group_of, open_run, run_benchmark
from segattr_lib.benchmark.store import read_samples
from segattr_lib.evidence.basis import basis_of, recorded_basis
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.inference.paired import paired
from segattr_lib.models.loading import load_model
from segattr_lib.report import tables
from segattr_lib.report.labels import dataset_label
from segattr_lib.report.pictures import credit_line
from segattr_lib.sections.dea_mechanism import causes, claims, pictures, sides, sweeps
from segattr_lib.sections.dea_mechanism.claims import CLAIMS
from segattr_lib.sections.dea_mechanism.parts import TAIL, agreement_table, case_table, cases_of, parts_of
from segattr_lib.sections.dea_mechanism.pictures import decomposition
from segattr_lib.sections.dea_mechanism.rows.traits import asked_of
from segattr_lib.sections.dea_mechanism.settings import MAPS, MEASURES, Settings, read
from segattr_lib.sections.dea_mechanism.sides import LEADS, OUTCOMES, TRAITS, Side, claimed_alphas, gain_of, side_of
from segattr_lib.sections.dea_mechanism.sliders import weighed
from segattr_lib.targets import Images, Maps, Masks

__all__ = [
    "CLAIMS",
    "MAPS",
    "MEASURES",
    "Runs",
    "Settings",
    "case_table",
    "claimed_alphas",
    "claims_table",
    "coverage",
    "credit",
    "decomposition",
    "facts",
    "forest",
    "layer_curves",
    "option_curves",
    "option_table",
    "read",
    "relation_table",
    "run",
    "scalar_table",
    "share_plot",
    "weighed",
]


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

    photographs: many of them, None where they are neither recorded nor at hand. scenes: the page's own run, or the
    record that it is of. cases: of the latter. opening: of the pictures that the page opens with.
    """

    photographs: Side | None
    scenes: Side
    cases: Cases
    opening: Cases

    @property
    def first(self) -> Side:
        """What the page is told from: photographs, where there are enough of them for an interval."""
        many = self.photographs
        return many if many is not None and len(many.gain) >= FEWEST else self.scenes

    @property
    def second(self) -> Side | None:
        """What stands beside it."""
        return self.photographs if self.first is self.scenes else self.scenes


def run(settings: Settings) -> Runs:
    """Do or read the runs of all methods of all sweeps, or take the records that they are of, and look at the samples
    that are shown."""
    opened = open_run(settings.run)
    model = opened.models[settings.run.model[0]]
    asked = settings.with_methods(settings.run, model.layers, model.layer)
    basis = basis_of(asked, settings.results, asked_of(asked), checked=_checked(settings, asked))
    scenes = side_of(settings, asked, basis, model.layers, model.layer)
    return Runs(
        photographs=on_photographs(settings),
        scenes=scenes,
        cases=look(asked, scenes.gain, settings.cases, settings.sample_ids),
        opening=opening(settings),
    )


def on_photographs(settings: Settings) -> Side | None:
    """Many photographs: as they are recorded, or as they lie at the root that the parameters name."""
    many = settings.many()
    size = (many.image_size, many.image_size)
    model = load_model(many.model[0], shape=size, kind="segmenter")
    asked = settings.with_methods(many, model.layers, model.layer)
    take = recorded_basis if many.root is None else basis_of
    basis = take(asked, f"{settings.results}-many", asked_of(asked), checked=_checked(settings, asked))
    return None if basis is None else side_of(settings, asked, basis, model.layers, model.layer)


def _checked(settings: Settings, run: settings_.Settings) -> dict[str, int]:
    return {"samples": min(settings.checked, run.samples or settings.checked)}


def opening(settings: Settings) -> Cases:
    """Do or read the run that the page opens with, and look at its cases."""
    asked = settings.opening()
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


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """All that the prose quotes: of the first run as it is, of the second with `other_` before."""
    first = sides.facts(settings, runs.first)
    other = dict.fromkeys(first, "–") if runs.second is None else sides.facts(settings, runs.second)
    low, high = claimed_alphas()
    decided = _verdicts(settings, runs)
    return {
        **first,
        **{f"other_{name}": value for name, value in other.items()},
        "beside": "no other run is at hand" if runs.second is None else f"{other['dataset']}: {other['basis']}",
        "apart": claims.apart(decided),
        "k": runs.scenes.run.k[0],
        "floor": runs.scenes.run.floor or 0,
        "tail": f"{TAIL:.0%}",
        "level": f"{settings.level:.0%}",
        "fewest": FEWEST,
        "claimed_low": low,
        "claimed_high": high,
        "cases_dataset": dataset_label(runs.cases.dataset),
        "photo_dataset": dataset_label(runs.opening.dataset),
        "photo_model": settings.photo_model,
        "photo_n": runs.opening.of,
        "photo_leads": int((runs.opening.table["difference"] > 0).sum()),
        "photo_cases": len(runs.opening.table),
    }


def share_plot(of: Side | None) -> Figure | None:
    """The share of each map's mass on the target; nothing where there is no such run."""
    return None if of is None else pictures.share_plot(of.shares, of.traits["area"], of.on_target)


def forest(of: Side | None) -> Figure | None:
    """Correlations of traits with outcomes; nothing where there is no such run."""
    return None if of is None else pictures.forest(of.relations, TRAITS, OUTCOMES)


def relation_table(runs: Runs) -> pd.DataFrame:
    """The correlations of traits with outcomes as numbers, run by run."""
    return _stacked(runs, lambda of: causes.relation_table(of.relations, TRAITS, OUTCOMES))


def option_curves(of: Side | None) -> Figure | None:
    """DEA minus EGA over alpha, beta and the grid; nothing where there is no such run."""
    if of is None:
        return None
    own = {option: getattr(of.run, option) for option in sweeps.SIGNS}
    return pictures.option_curves(of.against_ega, LEADS, own, claimed_alphas())


def option_table(runs: Runs) -> pd.DataFrame:
    """The same as numbers, run by run."""
    return _stacked(runs, lambda of: sweeps.option_table(of.against_ega))


def scalar_table(runs: Runs) -> pd.DataFrame:
    """What the gradient is taken of, run by run."""
    return _stacked(runs, lambda of: sweeps.scalar_table(of.by_scalar, of.scalar_changes))


def layer_curves(of: Side | None) -> Figure | None:
    """The measures over layers; nothing where there is no such run."""
    return None if of is None else pictures.layer_curves(of.by_layer, MEASURES, of.layers)


def coverage(runs: Runs) -> pd.DataFrame:
    """How often each kind of interval covers, run by run."""
    return _stacked(runs, lambda of: tables.coverage(of.covered))


def claims_table(settings: Settings, runs: Runs) -> HTML:
    """What was reproduced and what was not, by run."""
    evidence = {of.title: sides.evidence_of(settings, of) for of in (runs.first, runs.second) if of is not None}
    return HTML(claims.claims_table(evidence).to_html(index=False, classes="wrap", border=0))


def _verdicts(settings: Settings, runs: Runs) -> list[dict[str, str]]:
    return [claims.verdicts(sides.evidence_of(settings, of)) for of in (runs.first, runs.second) if of is not None]


def _stacked(runs: Runs, table_of: Any) -> pd.DataFrame:
    """A table of each run, one below the other where there are two."""
    if runs.second is None:
        return table_of(runs.first)
    return pd.concat({of.title: table_of(of) for of in (runs.first, runs.second)})
