"""Does RefineCAM lift the CAM it refines, on which models, and by which part of the score?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED, compare
from segattr_lib.inference.intervals import FEWEST, means
from segattr_lib.inference.max_t import AllPairs, all_pairs, cross_fitted
from segattr_lib.inference.paired import paired
from segattr_lib.registry import with_options
from segattr_lib.report import charts, tables
from segattr_lib.report.labels import method_label, metric_label
from segattr_lib.report.reference import reference
from segattr_lib.sections.refinecam.runs import ENDS, PLACES, REFINED, SHALLOWEST, Ends, key_of
from segattr_lib.sections.refinecam.settings import Settings

WORDS = {HOLDS: "yes", CONTRADICTED: "no", UNDECIDED: "undecided"}
PARTS = ("road", "coherency", "complexity")


def facts(page: Settings, runs: Ends) -> dict[str, Any]:
    """What the page quotes of how RefineCAM stands to its base."""
    rivals = {"led": runs.places, "led_shallow": (SHALLOWEST, REFINED)}
    led = {
        name: leaders(runs.ends, page.bases, places, page.level, page.seed)["refined"]
        for name, places in rivals.items()
    }
    paper = reference()["refinecam_strongest"]
    reached = runs.coverage[runs.coverage["interval"] == "studentised bootstrap"]["reached"]
    values: dict[str, Any] = {
        **{
            name: f"{(of_model == HOLDS).sum()} ({(of_model == UNDECIDED).sum()} undecided)"
            for name, of_model in led.items()
        },
        "paper_strongest": paper["strongest"],
        "paper_models": paper["models"],
        "coverage": f"{reached.iloc[0]:.1%}" if len(reached) else "–",
        "fewest": FEWEST,
    }
    wholes = of_parts(page, runs).groupby("place").mean()
    for metric in PARTS:
        for place in PLACES:
            there = place in runs.places and metric in runs.metrics
            values[f"{metric}_{place}"] = f"{wholes.loc[place, metric]:.2f}" if there else "–"
    for place in ENDS:
        if place not in runs.places:
            absent = dict.fromkeys(("up", "above", "below", "gain"), "–") | {"side": "not held against"}
            values |= {f"{name}_{place}": text for name, text in absent.items()}
            continue
        of_models = means(lift(runs.ends, page.bases, place), page.level, page.seed)
        values[f"up_{place}"] = int((of_models["mean"] > 0).sum())
        values[f"above_{place}"] = tables.off_zero(of_models, "above")
        values[f"below_{place}"] = tables.off_zero(of_models, "below")
        gain = overall(page, runs, place)
        values[f"gain_{place}"] = tables.interval(gain["mean"], gain["low"], gain["high"], n=float(gain["n"]))
        values[f"side_{place}"] = tables.side(gain["low"], gain["high"], int(gain["n"]))
    return values


def summary(rows: pd.DataFrame, bases: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Means over the images: a row a model, base, place and metric, of the rows of runs.at_ends.

    mean, std (n - 1), n: of the images that have a value; undefined: those whose value does not exist, settled or not.
    """
    ends = {key_of(base, place): (base, place) for base in bases for place in PLACES}
    of_metrics = rows[rows["metric"].isin(metrics)]
    pairs = zip(of_metrics["method"], of_metrics["variant"].fillna(""), strict=True)
    keys = pd.Series([with_options(*pair) for pair in pairs], of_metrics.index, dtype=object)
    of_ends = of_metrics[keys.isin(list(ends))]
    base, place = (keys[of_ends.index].map({key: about[side] for key, about in ends.items()}) for side in (0, 1))
    of_ends = of_ends.assign(base=base, place=place, undefined=of_ends["status"] == "undefined")
    grouped = of_ends.groupby(["model", "base", "place", "metric"], sort=False)
    return grouped.agg(
        mean=("value", "mean"), std=("value", "std"), n=("value", "count"), undefined=("undefined", "sum")
    ).reset_index()


def lift(rows: pd.DataFrame, bases: Sequence[str], over: str, metric: str = "arcc") -> pd.DataFrame:
    """What RefineCAM adds to its base at one end, mean over the bases: images as rows, models as columns.

    rows: of runs.at_ends, settled; an image that lacks a value of any base has none.
    """
    table = paired(rows, metric, by_model=True)
    gains = [table[key_of(base)] - table[key_of(base, over)] for base in bases]
    return sum(gains[1:], gains[0]).div(len(bases)).unstack("model").droplevel("dataset")  # noqa: PD010


def overall(page: Settings, runs: Ends, over: str) -> pd.Series:
    """What RefineCAM adds to its base's ARCC at one end over all models and bases: mean, low, high and n."""
    per_image = lift(runs.ends, page.bases, over).mean(axis=1, skipna=False)
    return means(per_image.to_frame("all"), page.level, page.seed).iloc[0]


def by_model(page: Settings, runs: Ends) -> pd.DataFrame:
    """What RefineCAM adds to its base's ARCC: a row a model and end, with its interval, as intervals.means."""
    ends = [
        means(lift(runs.ends, page.bases, place), page.level, page.seed).assign(over=f"− {place}")
        for place in runs.places[:-1]
    ]
    return pd.concat(ends).rename(columns={"method": "model"})


def leaders(
    rows: pd.DataFrame, bases: Sequence[str], places: Sequence[str] = PLACES, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Which base and place has the highest ARCC on each model: a row a model, of the rows of runs.at_ends, settled.

    base, place: of the highest mean over the images; mean: of the base and place that are highest on other images
    (max_t.cross_fitted); n: the images that have every value. best: does it lie above every other base and place;
    refined: does one of the refined lie above every one that is not, see `verdict_of`.
    """
    ends = {key_of(base, place): (base, place) for base in bases for place in places}
    refined_keys = [key for key, (_, place) in ends.items() if place == REFINED]
    rows_by_model = []
    for model, of_model in paired(rows, "arcc", by_model=True)[list(ends)].groupby("model", sort=False):
        table = of_model.droplevel(["dataset", "model"])
        pairs = all_pairs(table, seed=seed)
        base, place = ends[pairs.highest]
        rows_by_model.append(
            {
                "model": model,
                "base": base,
                "place": place,
                "mean": cross_fitted(table, seed=seed).mean(),
                "n": pairs.n,
                "best": pairs.verdict(pairs.highest, level=level),
                "refined": verdict_of(pairs, refined_keys, level),
            }
        )
    return pd.DataFrame(rows_by_model).set_index("model")


def verdict_of(pairs: AllPairs, some: Sequence[str], level: float = 0.95) -> str:
    """Is the highest way one of some? It holds where one of them lies above every other way, is contradicted where one
    of the others lies above all of them, and else undecided."""
    others = [way for way in pairs.p if way not in some]
    if any(pairs.verdict(way, others, level) == HOLDS for way in some):
        return HOLDS
    return CONTRADICTED if any(pairs.verdict(way, some, level) == HOLDS for way in others) else UNDECIDED


def of_parts(page: Settings, runs: Ends) -> pd.DataFrame:
    """Means over images and models of every metric: bases and places as rows, metrics as columns."""
    values = summary(runs.ends, page.bases, runs.metrics)
    parts = values.pivot_table(index=["base", "place"], columns="metric", values="mean", sort=False)[runs.metrics]
    return parts.reindex([(base, place) for base in page.bases for place in runs.places])


def arcc_table(page: Settings, runs: Ends) -> pd.DataFrame:
    """Mean ARCC by model and CAM at either end and refined, as text: the paper's Table 1."""
    values = summary(runs.ends, page.bases, ["arcc"])
    table = values.pivot_table(index=["model", "base"], columns="place", values="mean", sort=False)[list(runs.places)]
    shown = table.map(tables.number).rename(index=method_label, level="base")
    return shown.rename_axis(index=(None, None), columns=None)


def leaders_table(page: Settings, runs: Ends) -> pd.DataFrame:
    """Which CAM and place has the highest ARCC on each model, and whether that is told apart; see `leaders`."""
    led = leaders(runs.ends, page.bases, runs.places, page.level, page.seed)
    columns = {
        "highest": [f"{method_label(base)}, {place}" for base, place in led[["base", "place"]].to_numpy()],
        "chosen on other images": led["mean"].map(tables.number),
        "n": led["n"],
        "above every other": led["best"].map(WORDS),
        "a refined one above all that are not": led["refined"].map(WORDS),
    }
    return pd.DataFrame(columns, index=list(led.index))


def parts_table(page: Settings, runs: Ends) -> pd.DataFrame:
    """What ARCC is made of, and the other metrics, by CAM and place, mean over images and models, as text."""
    shown = of_parts(page, runs).map(tables.number).rename(index=method_label, level="base")
    return shown.rename(columns=metric_label).rename_axis(index=(None, None), columns=None)


def lift_plot(page: Settings, runs: Ends) -> Figure:
    """Paired differences in ARCC, RefineCAM minus its base at either end, a row a base and end."""
    pairs = [(key_of(base), key_of(base, place)) for place in runs.places[:-1] for base in page.bases]
    return charts.interval_plot(compare(runs.arcc, pairs, "arcc", page.level, page.seed))


def coverage_table(runs: Ends) -> pd.DataFrame:
    """How often each kind of interval holds the truth of differences shaped as this page's own, as text."""
    return tables.coverage(runs.coverage)


def lift_table(page: Settings, runs: Ends) -> pd.DataFrame:
    """What RefineCAM adds to its base's ARCC by model and end, mean over the CAMs, as text."""
    return tables.intervals(by_model(page, runs), "model", "over")
