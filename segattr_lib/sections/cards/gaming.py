"""What a metric costs, and what is gained by choosing among random maps with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segattr_lib.attribution import method_key
from segattr_lib.benchmark.group import Group, about_map, row_of
from segattr_lib.benchmark.runner import Question, group_of, open_run
from segattr_lib.benchmark.settings import Settings
from segattr_lib.benchmark.statistics import ROBUST_FLOOR, plain
from segattr_lib.data.sample import SampleError
from segattr_lib.evidence.records import Record
from segattr_lib.inference.intervals import median_interval, studentised_interval
from segattr_lib.metrics import load_metric, metric_key
from segattr_lib.models.engine import counted_passes
from segattr_lib.registry import Key, make_key, read_key
from segattr_lib.sections.cards.measures import explains_again

COLUMNS = ("metric", "sample_id", "best", "centre")
CODE = "cards"  # of the sections; what decides a row's value


@dataclass(frozen=True)
class Gamed:
    """What came of gaming the metrics of a run on the images of these ids.

    chosen: a row a metric and image, the best of the random maps and their mean (the median for a metric ranked by it).
    methods: rows of some methods' maps on the same images, but for metrics that explain again. passes: of one value of
    each metric, of a map of `probe`, beside those of the map itself. draws: random maps of each image. control: what
    they are maps of.
    """

    chosen: pd.DataFrame
    methods: pd.DataFrame
    passes: dict[str, int]
    images: list[str]
    draws: int
    control: str
    probe: str


def gamed(run: Settings, draws: int, control: str, probe: str, methods: Sequence[str]) -> Gamed:
    """Score random maps of the run's images by every of its metrics, and let each metric choose the best.

    Of the run's images those that the model scores at least ROBUST_FLOOR. run: of one model and seed.
    """
    (alone,) = run.runs()
    seen = scored(alone)
    if not seen:
        return Gamed(pd.DataFrame(columns=list(COLUMNS)), pd.DataFrame(), {}, [], draws, control, probe)
    group = group_of(alone, seen)
    picked = chosen(group, draws, method_key(control))
    lasting = [metric for metric in alone.metrics if not explains_again(metric.text)]
    judged = [row for method in methods for row in group.rows_of(method_key(method), lasting)[0]]
    return Gamed(picked, pd.DataFrame(judged), cost(alone, seen[0], probe), seen, draws, control, probe)


def question(settings: Settings, about: Mapping[str, Any]) -> Question:
    """The Question of a recorded run: what gaming gains, as rows. about: draws, the random maps of each image; control,
    what they are maps of; metrics, by which one is chosen."""
    return Question(CODE, dict(about), lambda group, methods: rows_of_group(group, **about))


def rows_of_group(group: Group, draws: int, control: str, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """`chosen` as rows of a run's table, whose metrics are best(of=METRIC) and centre(of=METRIC)."""
    key = method_key(control)
    samples = {sample.sample_id: sample for sample in group.samples}
    rows = []
    for each in chosen(group, draws, key, [metric_key(metric) for metric in metrics]).to_dict("records"):
        for name in ("best", "centre"):
            metric = make_key(name, {"of": each["metric"]}, load_metric)
            rows.append(row_of(about_map(samples[each["sample_id"]], key), metric.text, each[name]))
    return rows


def of_record(record: Record, passes: dict[str, int], probe: str) -> Gamed:
    """Gamed from what `question` recorded, of the images that the model scores at least ROBUST_FLOOR."""
    rows = plain(record.rows)
    scores = rows[(rows["metric"] == "score") & (rows["value"] >= ROBUST_FLOOR)]
    images = [name for name in record.sample_ids if name in set(scores["sample_id"])]
    rows = rows[rows["sample_id"].isin(images)]
    asked = rows[rows["metric"].fillna("").str.contains("(of=", regex=False)]
    keys = [read_key(text, load_metric) for text in asked["metric"]]
    named = asked.assign(metric=[key.options["of"] for key in keys], which=[key.name for key in keys])
    table = named.pivot_table(index=["metric", "sample_id"], columns="which", values="value", sort=False)
    methods = rows[rows["method"].notna()].drop(asked.index)
    about = record.question
    return Gamed(table.reset_index(), methods, passes, images, about["draws"], about["control"], probe)


def chosen(group: Group, draws: int, control: Key, metrics: Sequence[Key] | None = None) -> pd.DataFrame:
    """Of so many random maps of each image the best by every metric, beside their mean; columns COLUMNS. metrics: the
    run's where they are left out."""
    rows = []
    judging = list(group.run.metrics if metrics is None else metrics)
    for number in range(draws):
        function = control.entry.function
        options: dict[str, Any] = {"draws": group.draws.on(f"random map {number}")}
        if "grid" in control.entry.options:
            options["grid"] = group.run.grid
        maps = function(group.score, group.images, group.target, **options)
        rows += group.judged(control, maps, judging, [0] * len(maps))
    values = pd.DataFrame(rows)
    values = values[values["status"] == "ok"]
    kept = []
    for (metric, sample_id), mine in values.groupby(["metric", "sample_id"], sort=False):
        entry = metric_key(str(metric)).entry
        scores = mine["value"].astype(float)
        centre = scores.median() if entry.ranked_by == "median" else scores.mean()
        best = scores.max() if entry.direction > 0 else scores.min()
        kept.append({"metric": metric, "sample_id": sample_id, "best": best, "centre": centre})
    return pd.DataFrame(kept, columns=list(COLUMNS))


def gain(chosen_by: pd.DataFrame, metric: str) -> float:
    """How much better the best of the random maps is than their mean, over the images; NaN where none was scored."""
    better = _gains(chosen_by, metric)
    if not len(better):
        return np.nan
    return float(np.median(better) if metric_key(metric).entry.ranked_by == "median" else better.mean())


def gain_interval(chosen_by: pd.DataFrame, metric: str, level: float) -> tuple[float, float]:
    """The interval of `gain` at this level; NaN for few images."""
    better = _gains(chosen_by, metric)
    by_median = metric_key(metric).entry.ranked_by == "median"
    return median_interval(better, level) if by_median else studentised_interval(better, level)


def _gains(chosen_by: pd.DataFrame, metric: str) -> np.ndarray:
    """By how much the best is better, an image a value."""
    mine = chosen_by[chosen_by["metric"] == metric]
    better = (mine["best"] - mine["centre"]) * metric_key(metric).entry.direction
    return better.to_numpy(float)


def reached(chosen_by: pd.DataFrame, metric: str) -> float:
    """What the best of the random maps reach, the mean over the images (the median for a metric ranked by it)."""
    mine = chosen_by.loc[chosen_by["metric"] == metric, "best"].astype(float)
    return float(mine.median() if metric_key(metric).entry.ranked_by == "median" else mine.mean())


def best_method(methods: pd.DataFrame, metric: str) -> tuple[str, float] | None:
    """The method with the best mean (median for a metric ranked by it), and that mean; None of none.

    methods: rows, as Gamed has them.
    """
    if methods.empty:
        return None
    mine = methods[(methods["metric"] == metric) & (methods["status"] == "ok")]
    by = mine.assign(value=mine["value"].astype(float)).groupby("method", sort=False)["value"]
    entry = metric_key(metric).entry
    centres = by.median() if entry.ranked_by == "median" else by.mean()
    if centres.empty:
        return None
    name = (centres * entry.direction).idxmax()
    return str(name), float(centres[name])


def cost(run: Settings, sample_id: str, probe: str) -> dict[str, int]:
    """Passes of one value of each of the run's metrics, beside those of s(x) and of the map, which `probe` makes."""
    method, passes, opened = method_key(probe), {}, open_run(run, classes=False)
    for metric in run.metrics:
        group = group_of(run, [sample_id], opened)  # anew: what one metric asked costs another nothing
        maps = group.maps_of(method)[0].to(group.images.device)
        with counted_passes(group.score.model) as counted:
            group.judged(method, maps, [metric], [0])
        passes[metric.text] = counted[0]
    return passes


def scored(run: Settings) -> list[str]:
    """The run's images in which the model sees something and is sure enough of it."""
    kept, opened = [], open_run(run, classes=False)
    for sample_id in opened.ids[run.seed[0]]:
        with suppress(SampleError):
            if float(group_of(run, [sample_id], opened).base[0]) >= ROBUST_FLOOR:
                kept.append(sample_id)
    return kept
