"""Planted evidence: scenes whose truth is known (data/planted.py), to hold methods and metrics against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from segattr_lib.attribution import method_key
from segattr_lib.benchmark.group import Group
from segattr_lib.data import planted
from segattr_lib.evaluate import occluded_scores
from segattr_lib.inference.intervals import means
from segattr_lib.perturbation import bind_fill
from segattr_lib.report import charts, tables
from segattr_lib.report.labels import metric_label
from segattr_lib.sections.beyond_dea.runs import Runs, by_image
from segattr_lib.sections.beyond_dea.settings import EVIDENCE, PLANTED, Settings, found, probes
from segattr_lib.targets import Masks, Values

Evidence = Mapping[str, Mapping[str, Masks]]  # data set, role, masks
LEAKAGE = ("odd_abs", "leak_abs")  # metrics that are to tell a model which looks off the target


def planted_evidence(groups: Mapping[str, Group], size: int) -> Evidence:
    """Where the marker and the badges of each group's samples lie, by data set and role, (B,H,W) bool."""
    evidence = {}
    for name, group in groups.items():
        masks = [planted.evidence(sample.sample_id, size) for sample in group.samples]
        roles = {role: torch.stack([by_role[role] for by_role in masks]) for role in masks[0]}
        evidence[name] = {role: stacked.to(group.images.device) for role, stacked in roles.items()}
    return evidence


def evidence_drop(group: Group, evidence: Masks, fill: str) -> Values:
    """(s(x) - s(x with the evidence filled)) / s(x): what the model's score owes to it."""
    owner = torch.arange(len(evidence), device=group.images.device)
    bound = bind_fill(fill, group.images, group.draws, group.others)
    return (group.base - occluded_scores(group.score, group.images, evidence, owner, bound)) / group.base


def drops(groups: Mapping[str, Group], evidence: Evidence, fill: str) -> pd.DataFrame:
    """What each model's score owes to each kind of evidence: a row a sample, with model, filled (the role) and drop."""
    rows = []
    for name, group in groups.items():
        names = [sample.sample_id for sample in group.samples]
        for role, masks in evidence[name].items():
            values = evidence_drop(group, masks, fill).tolist()
            rows.append(pd.DataFrame({"model": name, "filled": role, "sample_id": names, "drop": values}))
    return pd.concat(rows, ignore_index=True)


def owed(rows: pd.DataFrame, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Means of `drops` with their intervals: a row a model and role."""
    wide = {pair: some["drop"].reset_index(drop=True) for pair, some in rows.groupby(["model", "filled"], sort=False)}
    table = means(pd.DataFrame(wide), level, seed)
    table.insert(0, "model", [model for model, _ in table["method"]])
    return table.assign(method=[role for _, role in table["method"]]).rename(columns={"method": "filled"})


def finds(rows: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Does each method's map find the glyph that decides, in its region: the marker off the target, the badges on it?

    rows: of the runs on PLANTED, by name. One row a panel ("finds the marker", "finds the badge"), sample and method
    (key), with auc: see metrics.localization.evidence_auc.
    """
    panels = []
    for name, role in EVIDENCE.items():
        table = by_image(rows[name], found(name))
        of_maps = table.melt(ignore_index=False, var_name="key", value_name="auc").reset_index()
        panels.append(of_maps.assign(panel=f"finds the {role}"))
    return pd.concat(panels, ignore_index=True)


def mean_finds(rows: pd.DataFrame, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Means of the auc of `finds` with their intervals, for charts.interval_dots."""
    panels = []
    for panel, some in rows.groupby("panel", sort=False):
        table = some.pivot_table(index="sample_id", columns="key", values="auc", sort=False)
        panels.append(means(table, level, seed).assign(panel=panel))
    return pd.concat(panels)


def leakage_found(rows: Mapping[str, pd.DataFrame], level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Do |ODD| and LeakAbs tell the model that looks off the target from its control, on the same images?

    rows: of the runs on PLANTED, by name. Columns: method, then for each metric the mean difference (context minus
    control) with its interval, and the share of images on which it is above 0, ties half.
    """
    differences = []
    for metric in LEAKAGE:
        context, control = (by_image(rows[name], metric) for name in PLANTED)
        difference = context - control
        table = means(difference, level, seed).assign(metric=metric)
        differences.append(table.assign(share=((np.sign(difference) + 1) / 2).mean().to_numpy()))
    return pd.concat(differences)[["metric", "method", "mean", "low", "high", "share", "n"]]


def owed_table(settings: Settings, runs: Runs) -> pd.DataFrame:
    """The share of the target's score that goes when the marker, or the badges, are filled."""
    return tables.intervals(owed(runs.drops, settings.level, settings.seed), "model", "filled")


def leakage_dots(settings: Settings, runs: Runs) -> Figure:
    """|ODD| of every method on the planted context and on its control."""
    panels = [
        means(by_image(runs.rows[name], "odd_abs"), settings.level, settings.seed).assign(
            panel=f"{metric_label('odd_abs')}, {name}"
        )
        for name in PLANTED
    ]
    return charts.interval_dots(pd.concat(panels))


def find_dots(settings: Settings, runs: Runs) -> Figure:
    """The chance that each method ranks the planted glyph above the rest of its region."""
    return charts.interval_dots(mean_finds(runs.finds, settings.level, settings.seed))


def leakage_table(settings: Settings, runs: Runs) -> pd.DataFrame:
    """How far each metric of LEAKAGE tells the two models apart, and on what share of the images."""
    rows = leakage_found(runs.rows, settings.level, settings.seed)
    shown = tables.intervals(rows, "method", "metric", digits=2)
    for metric in LEAKAGE:
        label = metric_label(metric)
        shares = rows[rows["metric"] == metric]["share"].map("{:.0%}".format)
        shown.insert(list(shown).index(label) + 1, f"images, {label}", shares.to_numpy())
    return shown


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """How many maps tell the two models apart by each metric, and how many of these know nothing of the model."""
    rows = leakage_found(runs.rows, settings.level, settings.seed)
    asked = probes(settings)
    controls = [text for text in asked if method_key(text).entry.family == "control"]
    by_metric = {metric: rows[rows["metric"] == metric] for metric in LEAKAGE}
    of_controls = by_metric["odd_abs"][by_metric["odd_abs"]["method"].isin(controls)]
    return {
        "apart_odd": tables.off_zero(by_metric["odd_abs"], "above"),
        "apart_leak": tables.off_zero(by_metric["leak_abs"], "above"),
        "apart_odd_controls": tables.off_zero(of_controls, "above"),
        "controls": len(controls),
        "probes": len(asked),
    }
