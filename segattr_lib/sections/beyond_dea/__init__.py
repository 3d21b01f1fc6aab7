"""The page `beyond_dea`: what the DEA paper left open, and whether the judge itself is fair."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from segattr_lib.benchmark.runner import group_of, open_run, run_benchmark
from segattr_lib.benchmark.settings import Settings as RunSettings
from segattr_lib.benchmark.store import read_samples
from segattr_lib.evidence.basis import Basis, basis_of, record_of
from segattr_lib.report.labels import dataset_label
from segattr_lib.sections.beyond_dea import (
    chance,
    economy,
    evidence,
    fills,
    judge,
    photographs,
    precision,
    randomisation,
    significance,
)
from segattr_lib.sections.beyond_dea.chance import chance_table, noise_lines, ranking_dots
from segattr_lib.sections.beyond_dea.economy import (
    budget_lines,
    budget_table,
    stability_table,
    strategy_table,
    thin_table,
)
from segattr_lib.sections.beyond_dea.evidence import find_dots, leakage_dots, leakage_table, owed_table
from segattr_lib.sections.beyond_dea.fills import agreement_table, cross_heat
from segattr_lib.sections.beyond_dea.judge import fooled_dots, judge_table
from segattr_lib.sections.beyond_dea.photographs import blind_panels, credit
from segattr_lib.sections.beyond_dea.precision import precision_table
from segattr_lib.sections.beyond_dea.randomisation import cascade_lines, randomisation_table
from segattr_lib.sections.beyond_dea.runs import Photographs, Runs, by_image
from segattr_lib.sections.beyond_dea.settings import PLANTED, Settings, checks, parts, read
from segattr_lib.sections.beyond_dea.significance import (
    CLAIMED,
    claims_table,
    coverage_table,
    difference_plot,
    difference_table,
    rank_diagram,
    rejection_table,
)

__all__ = [
    "CLAIMS",
    "Photographs",
    "Runs",
    "Settings",
    "agreement_table",
    "blind_panels",
    "budget_lines",
    "budget_table",
    "cascade_lines",
    "chance_table",
    "claims_table",
    "coverage_table",
    "credit",
    "cross_heat",
    "difference_plot",
    "difference_table",
    "facts",
    "find_dots",
    "fooled_dots",
    "judge_table",
    "leakage_dots",
    "leakage_table",
    "noise_lines",
    "owed_table",
    "precision_table",
    "randomisation_table",
    "rank_diagram",
    "ranking_dots",
    "read",
    "rejection_table",
    "run",
    "stability_table",
    "strategy_table",
    "thin_table",
]

CLAIMS = tuple(CLAIMED)


def run(settings: Settings) -> Runs:
    """Do what is not yet done of the page's runs, a folder of `settings.results` each, and ask some images beside.

    Raises UserError as run_benchmark does, SampleError as group_of does.
    """
    k, fill = settings.k, settings.fill
    asked = parts(settings)
    looked_at = ("photographs", *PLANTED)  # their samples are asked beside, as well
    main_basis = basis_of(asked["main"], f"{settings.results}/main", checked=checks(settings, "main"))
    bases = {
        name: _basis_beside(main_basis, settings, name, part) for name, part in asked.items() if name not in looked_at
    }
    rows = {name: basis.rows for name, basis in bases.items()}
    rows |= {name: read_samples(run_benchmark(asked[name], f"{settings.results}/{name}")) for name in looked_at}

    main, scored = asked["main"].runs()[0], _scored(rows["main"], k, fill)
    methods = main.method_keys()
    fooled = judge.judged_twice(group_of(main, scored[: settings.fooled_samples]), methods, k, fill)
    of_record = randomisation.of_record() if bases["main"].record else None
    redrawn, redrawn_basis = of_record or _redrawn(main, scored[: settings.few], settings)
    timed = group_of(main, scored[: settings.timed])
    precisions = precision.precisions(timed, settings.precisions, main.grid, fill, k)

    groups = {name: group_of(asked[name].runs()[0], _scored(rows[name])) for name in PLANTED}
    planted = evidence.planted_evidence(groups, settings.run.image_size)
    on_object, badges = groups["planted_own"], planted["planted_own"]["badge"]

    seen = asked["photographs"].runs()[0]
    opened, judged_there = open_run(seen), set(_scored(rows["photographs"], k, fill))
    listed = [name for name in opened.ids[settings.seed] if name in judged_there]
    class_names = opened.models[seen.model[0]].class_names

    coverage, rejections = significance.simulated(settings, rows["main"])
    return Runs(
        rows=rows,
        bases={name: basis.text() for name, basis in bases.items()},
        fooled=fooled,
        drops=evidence.drops(groups, planted, fill),
        finds=evidence.finds(rows),
        made=judge.ordering(on_object, badges, judge.made_maps(on_object, badges), k, fill),
        redrawn=redrawn,
        redrawn_basis=redrawn_basis,
        precisions=precisions,
        compared=significance.compared(settings, rows["main"]),
        chance=chance.chance(settings, rows["main"]),
        coverage=coverage,
        rejections=rejections,
        photographs=photographs.look(group_of(seen, listed), class_names, k, fill),
    )


def _basis_beside(main: Basis, settings: Settings, name: str, part: RunSettings) -> Basis:
    """What a part stands on. One that is of the main run's record is checked with that."""
    checked = checks(settings, name)
    record = record_of(part.changed({"samples": checked["samples"]}))
    if record is not None and record.name == main.record:
        return replace(main, rows=record.of(part), asked=record.of(part.changed({"floor": None})))
    return basis_of(part, f"{settings.results}/{name}", checked=checked)


def _redrawn(run: RunSettings, names: list[str], settings: Settings) -> tuple[pd.DataFrame, str]:
    """Models drawn anew, on these images, and what that stands on: a run of a reader's own settings, which no record is
    of, is of their model."""
    rows = randomisation.randomisation(group_of(run, names), run.method_keys(), settings.stages)
    return rows, f"computed with this page, on {len(names)} images of {dataset_label(run.dataset)} under {run.model[0]}"


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """All that the page quotes, formatted, by name."""
    modules = (photographs, significance, chance, judge, fills, evidence, economy, precision, randomisation)
    quoted = {name: value for module in modules for name, value in module.facts(settings, runs).items()}
    return {**quoted, **{f"basis_{name}": text for name, text in runs.bases.items()}}


def _scored(rows: pd.DataFrame, k: float | None = None, fill: str | None = None) -> list[str]:
    """The images on which every method has a TDD."""
    return list(by_image(rows, "tdd", k, fill).dropna().index)
