"""A few samples chosen by rule, the maps of every method over them, and the slider of the first."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from IPython.display import HTML
from ipywidgets import VBox
from matplotlib.figure import Figure

from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import group_of
from segattr_lib.benchmark.settings import Settings
from segattr_lib.benchmark.statistics import ROBUST_FLOOR
from segattr_lib.inference.paired import paired
from segattr_lib.report import pictures
from segattr_lib.report.labels import key_label
from segattr_lib.report.slider import deletion_slider
from segattr_lib.sections.benchmark.per_run import under_fill
from segattr_lib.targets import Maps, bind


@dataclass(frozen=True)
class Cases:
    """Samples with the maps of every method that is no control.

    by: what they were ranked by, as the page calls it. titles: one a sample. group: the samples as the first run sees
    them. maps: by the method's label.
    """

    by: str
    titles: list[str]
    group: Group
    maps: dict[str, Maps]


def ranked_samples(rows: pd.DataFrame, k: float, fill: str, made: str | None = None) -> tuple[str, pd.Series]:
    """What the samples of one run are ranked by, and that value of each, the highest first, by sample id.

    It is DEA's TDD minus EGA's, or where one of them was not run the TDD of the first method; over the samples that
    the model scores at least ROBUST_FLOOR, where there are any. made: which of several fills the maps were made with.
    """
    own = under_fill(rows, made)
    table = paired(own, "tdd", k, fill).droplevel("dataset").dropna(how="all")
    scored_well = own[(own["metric"] == "score") & (own["value"] >= ROBUST_FLOOR)]["sample_id"]
    well = table.index.isin(scored_well)
    if well.any():
        table = table[well]
    if {"dea", "ega"} <= set(table):
        by, values = "DEA − EGA", table["dea"] - table["ega"]
    else:
        by, values = key_label(table.columns[0]), table.iloc[:, 0]
    return by, values.dropna().sort_values(ascending=False)


def evenly_spaced(values: pd.Series, count: int) -> pd.Series:
    """Those values of an ordered series that stand at evenly spaced places, the ends among them; few stand once."""
    places = [round(place * (len(values) - 1) / max(count - 1, 1)) for place in range(count)]
    return values.iloc[list(dict.fromkeys(places))]


def look(run: Settings, rows: pd.DataFrame, fill: str, made: str | None, count: int) -> Cases:
    """The cases of one run: rows are all rows of its folder. Raises SampleError as group_of does."""
    by, values = ranked_samples(rows[rows["run_id"] == run.run_id()], run.k[0], fill, made)
    chosen = evenly_spaced(values, count)
    chosen.index = chosen.index.astype(str)
    group = group_of(run, list(chosen.index))
    methods = [key for key in run.method_keys() if key.entry.family != "control"]
    maps = {key.label: group.maps_of(key)[0] for key in methods}
    titles = [f"{name}\n{by}: {round(value, 2) + 0.0:+.2f}" for name, value in chosen.items()]  # + 0.0: no minus zero
    return Cases(by, titles, group, maps)


def gallery(cases: Cases) -> Figure:
    """A row a sample: the image with its target outlined, then every method's map over it."""
    group = cases.group
    assert group.target.mask is not None, "the benchmark explains segmenters, whose targets have masks"
    maps = {label: list(of_method) for label, of_method in cases.maps.items()}
    return pictures.gallery(list(group.images), list(group.target.mask), maps, cases.titles)


def slider(cases: Cases) -> VBox:
    """The first sample under a slider of how much of its target is deleted, see report.slider."""
    score = bind(cases.group.score.model, cases.group.target[[0]])
    return deletion_slider(score, cases.group.images[0], {label: maps[0] for label, maps in cases.maps.items()})


def credit(cases: Cases, count: int | None = None) -> HTML | None:
    """Whose photographs these are, where they are some; count: of the first so many samples alone."""
    names = [sample.sample_id for sample in cases.group.samples[:count]]
    return pictures.credit_line(cases.group.run.dataset, names)
