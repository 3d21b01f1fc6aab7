"""Diagnose, then assist: the tables of explainers as prompts, from the rows of `prompted.run_prompted`.

A way to a mask is a column: a map's key, such as "lime(samples=60)", and where a prompt was made otherwise than the
run's setting has it, how, behind a bar: "weighted | background=0". Intervals are bootstrap intervals over images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from scipy import stats
from torch import Tensor

from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.statistics import plain
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED, compare
from segattr_lib.inference.correlation import Correlation
from segattr_lib.inference.intervals import FEWEST, RESAMPLES, bootstrap, means, studentised_interval
from segattr_lib.inference.max_t import all_pairs, cross_fitted
from segattr_lib.inference.paired import paired
from segattr_lib.metrics import metric_key
from segattr_lib.prompting import cues
from segattr_lib.prompting.cues import Cues, NoCues
from segattr_lib.prompting.segmenters import Segmenter
from segattr_lib.registry import with_options
from segattr_lib.report.labels import short_labels
from segattr_lib.sections.wsss_sam2.prompted import ALONE, CEILING, FUSIONS, THRESHOLD, Prompting
from segattr_lib.seeds import generator

WALKER = "random_walker"
LABELS = {**{name: f"fused, {name}" for name in FUSIONS}, **ALONE, **CEILING}
OTHERWISE = {"background=0": "no background points", "cues=box": "box of the support"}
AGREE = 0.5  # two supports that overlap less than this name different regions
ALIKE = 0.7  # two tables that rank explainers alike above this could be one
VIOLATED, UNTOLD = "violated", "cannot be told here"
SINGLE = "Do not supervise with a single explainer; quantify agreement first"
FUSE = "Prefer confidence-weighted fusion and dual cues over thresholding or averaging"
DECLARE = "Declare the segmenter's prior"
APART = "Report interpretability apart from utility"


def label(key: str) -> str:
    """What a column is called on the page: the method's name without its options, and how else it was prompted."""
    return labels([key])[key]


def labels(keys: Iterable[str]) -> dict[str, str]:
    """What each of some columns is called, by key: as `label` has it, with the options of a method where they are what
    tells it from another."""
    parts = {key: key.partition(" | ") for key in keys}
    methods = {**short_labels(name for name, _, _ in parts.values() if name not in LABELS), **LABELS}
    return {
        key: f"{methods[name]}, {OTHERWISE.get(otherwise, otherwise)}" if otherwise else methods[name]
        for key, (name, _, otherwise) in parts.items()
    }


def settled(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with 0 for the IoU of a mask that does not exist, as where a map is constant and gives no cues. Ours.

    To leave such images out would reward an explainer for showing nothing where it would have done badly.
    """
    lost = rows["metric"].astype(str).str.startswith("iou(") & (rows["status"] == "undefined")
    return plain(rows).assign(value=rows["value"].mask(lost, 0.0))


def explainers_of(rows: pd.DataFrame) -> list[str]:
    """The keys of the explainers that are fused, in the order of the rows."""
    return list(paired(rows, "weight"))


def masks(rows: pd.DataFrame, segmenter: str) -> pd.DataFrame:
    """The IoU with the truth of all masks of a segmenter, "threshold" for the maps' own: images by ways.

    An image that was not scored has no row.
    """
    found = []
    for metric in rows["metric"].dropna().unique():
        name, pinned = _parsed(str(metric))
        if name == "iou" and pinned.pop("segmenter") == segmenter:
            how = ", ".join(f"{option}={value}" for option, value in pinned.items())
            found.append(paired(rows, metric).rename(columns=lambda key, how=how: f"{key} | {how}" if how else key))
    return pd.concat(found, axis=1).droplevel("dataset").dropna(how="all")


def summary(rows: pd.DataFrame, metrics: Mapping[str, str], level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Means over images with their intervals: columns method, mean, low, high, n, label and panel, a row each.

    metrics: as the rows have them, to the panel, what they are called.
    """
    found = [means(paired(rows, name), level, seed).assign(panel=told) for name, told in metrics.items()]
    return _labelled(pd.concat(found, ignore_index=True))


def utility(rows: pd.DataFrame, segmenters: Sequence[str], level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """mIoU, the mean IoU over images, of every way to a mask by segmenter: columns as `summary`'s, the panel the
    segmenter; explainers first, then fusions, controls, the segmenter alone and the ceiling.

    Numbers of points and shares that were tried are not among them, see `along`.
    """
    found, kinds = [], [explainers_of(rows), FUSIONS, None, ALONE, CEILING]

    def kind(key: str) -> int:
        name = key.partition(" | ")[0]
        return next((place for place, keys in enumerate(kinds) if keys and name in keys), kinds.index(None))

    for name in (THRESHOLD, *segmenters):
        table = masks(rows, name)
        kept = [key for key in table if key.partition(" | ")[2] in ("", *OTHERWISE)]
        found.append(means(table[sorted(kept, key=kind)], level, seed).assign(panel=name))
    return _labelled(pd.concat(found, ignore_index=True))


def along(
    rows: pd.DataFrame,
    metric: str,
    option: str,
    default: int | float,
    keys: Sequence[str],
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """A metric along one of its options, means over images with intervals: columns method, mean, low, high, n, option.

    metric: with what else is pinned, such as "iou(segmenter=random_walker)"; its own rows stand at `default`.
    """
    found, base = [], _parsed(metric)
    for written in rows["metric"].dropna().unique():
        name, pinned = _parsed(str(written))
        place = pinned.pop(option, str(default))
        if (name, pinned) == base:
            table = paired(rows, written)
            told = means(table[[key for key in keys if key in table]], level, seed)
            found.append(told.assign(**{option: float(place)}))
    return pd.concat(found).sort_values(option, kind="stable").drop_duplicates(["method", option])


def agreement(rows: pd.DataFrame) -> pd.DataFrame:
    """The mean IoU over images of every two explainers' supports: a symmetric table, 1 along its diagonal."""
    keys = explainers_of(rows)
    found = pd.DataFrame(np.eye(len(keys)), keys, keys)
    for key in keys:
        table = paired(rows, with_options("agreement", f"with={key}"))
        found.loc[list(table), key] = table.mean()
    return found


def prior_shares(
    threshold: pd.DataFrame,
    walker: pd.DataFrame,
    assisted: pd.DataFrame,
    keys: Sequence[str],
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """What a segmenter gains over thresholding the map, and what share of it the map's cues alone do not bring.

    threshold, walker, assisted: `masks` of the map itself, of the random walker and of the segmenter under the same
    cues; a key prompted otherwise, such as "weighted | background=0", is held against the same threshold as its map's
    own. A row a key: gain and control, mean differences of the segmenter and of the walker to the threshold, each
    with its interval; share, (assisted - walker) / (assisted - threshold) as a ratio of means over images: 0 if the
    walker gains as much, below if it gains more, 1 if it gains nothing, above if it loses. Unless the gain's interval
    lies above 0, as it cannot where so few images give none, there is nothing to share, and share is NaN.
    """
    found = []
    for key in keys:
        own, walked, prompted = threshold[key.partition(" | ")[0]], walker[key], assisted[key]
        sides = {"gain": (prompted, own), "control": (walked, own), "prior": (prompted, walked)}
        gains = {name: (one - other).dropna() for name, (one, other) in sides.items()}
        row: dict[str, Any] = {"method": key, "n": len(gains["gain"])}
        for name, values in gains.items():
            low, high = studentised_interval(values.to_numpy(float), level, seed)
            row |= {name: values.mean(), f"{name}_low": low, f"{name}_high": high}
        share = (np.nan,) * 3
        if row["gain_low"] > 0 and len(gains["prior"]):
            both = pd.DataFrame(gains).dropna()
            prior, gain = both["prior"].to_numpy(float), both["gain"].to_numpy(float)
            share = (prior.mean() / gain.mean(), *studentised_interval(prior, level, seed, per=gain))
        found.append({**row, **dict(zip(("share", "share_low", "share_high"), share, strict=True))})
    return pd.DataFrame(found)


def gap(
    rows: pd.DataFrame, metrics: Sequence[str], utility_of: pd.DataFrame, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Interpretability against utility: a row an explainer and metric, for figures.interval_scatter.

    utility_of: `masks` of a segmenter. x and y, the metric's mean and the mIoU, each with low and high.
    """
    found, keys = [], explainers_of(rows)
    heights = means(utility_of[keys], level, seed)
    for metric in metrics:
        told = means(paired(rows, metric)[keys], level, seed)
        columns = {"x": told["mean"], "x_low": told["low"], "x_high": told["high"]}
        columns |= {"y": heights["mean"], "y_low": heights["low"], "y_high": heights["high"]}
        found.append(pd.DataFrame({"metric": metric, "method": keys, **columns}))
    return pd.concat(found, ignore_index=True)


def rank_correlation(x: pd.DataFrame, y: pd.DataFrame, level: float = 0.95, seed: int = 0) -> Correlation:
    """Spearman's correlation over the columns of their means over images, with the percentile interval of resampled
    images; n: the columns.

    x, y: images by explainers. The columns and images that both have count; a value that is NaN is left out of its
    column's mean. NaN where a side has equal means throughout, and the interval for fewer than FEWEST images.
    """
    columns = [key for key in x if key in y]
    images = x.index.intersection(y.index)
    sides = [table.loc[images, columns].to_numpy(float) for table in (x, y)]

    def over(times: Float[np.ndarray, "draws n"]) -> Float[np.ndarray, " draws"]:
        """The correlation where each image stands as often as it was drawn."""
        with np.errstate(invalid="ignore"):
            means = [times @ np.nan_to_num(side) / (times @ ~np.isnan(side)) for side in sides]
            ranks = [stats.rankdata(side, axis=1, nan_policy="propagate") for side in means]
            centred = [rank - rank.mean(1, keepdims=True) for rank in ranks]
            norm = np.sqrt((centred[0] ** 2).sum(1) * (centred[1] ** 2).sum(1))
            return (centred[0] * centred[1]).sum(1) / norm

    low = high = np.nan
    if len(images) >= FEWEST:
        rng, size = generator(seed, "", "bootstrap"), sides[0].size
        drawn = bootstrap(over, len(images), RESAMPLES, rng, size, method="percentile").bootstrap_distribution
        if np.isfinite(drawn).any():
            low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Correlation(float(over(np.ones((1, len(images))))[0]), float(low), float(high), len(columns))


def recommendations(
    rows: pd.DataFrame,
    segmenters: Sequence[str],
    measures: Sequence[str] = ("coverage", "effectiveness"),
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """The poster's checklist held against the rows at hand, of any images and classifier; a row a check.

    recommendation; check, what was measured; value, low, high; n, the images; wanted, the side on which the
    recommendation is borne out; verdict: it holds where the whole interval lies on that side, is violated where it
    lies on the other, else it cannot be told here, nor where what it speaks of was not run. Against the best explainer
    the value is that of the one chosen on other images (`max_t.cross_fitted`), and has no interval; the verdict is
    over all pairs at once (`max_t.all_pairs`): it holds where the fusion lies above every explainer, and is
    violated where one of them lies above it. Masks are those of the first of the segmenters that is not the random
    walker. measures: of interpretability, held against utility.
    """
    rows = settled(rows)
    main = assisted(segmenters)
    found = _checks(rows, main, masks(rows, main), segmenters, measures, level, seed)
    return pd.DataFrame(found, columns=["recommendation", "check", "value", "low", "high", "n", "wanted", "verdict"])


def assisted(segmenters: Sequence[str]) -> str:
    """The first that is not the random walker; the walker where there is no other."""
    return next((name for name in segmenters if name != WALKER), segmenters[0])


def control(rows: pd.DataFrame, segmenters: Sequence[str]) -> pd.DataFrame:
    """`masks` of the random walker where it stands beside the `assisted` segmenter; else NaN throughout."""
    main = assisted(segmenters)
    if WALKER in segmenters and main != WALKER:
        return masks(rows, WALKER)
    return masks(rows, main) * np.nan


def verdict(low: float, high: float, bound: float, above: bool) -> str:
    """Whether an interval lies on the side of the bound that is wanted."""
    if low > bound or high < bound:
        return HOLDS if (low > bound) == above else VIOLATED
    return UNTOLD


def _checks(
    rows: pd.DataFrame,
    main: str,
    table: pd.DataFrame,
    segmenters: Sequence[str],
    measures: Sequence[str],
    level: float,
    seed: int,
) -> Iterator[dict[str, object]]:
    """The rows of `recommendations`; table: `masks` of the main segmenter."""
    keys, fused, own = explainers_of(rows), table["weighted"], masks(rows, THRESHOLD)
    walked = control(rows, segmenters)

    def told(
        rule: str, check: str, interval: Sequence[float], n: int, bound: float = 0.0, above: bool = True
    ) -> dict[str, object]:
        value, low, high = interval
        wanted = f"{'above' if above else 'below'} {bound:g}"
        numbers = {"value": value, "low": low, "high": high, "n": n, "wanted": wanted}
        return {"recommendation": rule, "check": check, **numbers, "verdict": verdict(low, high, bound, above)}

    def beyond(rule: str, check: str, other: pd.Series) -> dict[str, object]:
        found = compare(pd.DataFrame({"one": fused, "other": other}), [("one", "other")], "iou", level, seed).iloc[0]
        return told(rule, check, found[["difference", "low", "high"]].to_list(), int(found["n"]))

    def over_best(rule: str) -> dict[str, object]:
        ways = table[[*keys, "weighted"]].dropna()
        value, best, said = np.nan, "none", UNDECIDED
        if len(ways):
            pairs, explainers = all_pairs(ways, seed=seed), all_pairs(ways[keys], seed=seed)
            value, best = (ways["weighted"] - cross_fitted(ways[keys], seed=seed)).mean(), label(explainers.highest)
            said = pairs.verdict("weighted", level=level)
        check = f"IoU of the fused mask − of the explainer that is best on other images ({best} on all)"
        about = {"value": value, "low": np.nan, "high": np.nan, "n": len(ways), "wanted": "above each, all pairs"}
        words = {HOLDS: HOLDS, CONTRADICTED: VIOLATED, UNDECIDED: UNTOLD}
        return {"recommendation": rule, "check": check, **about, "verdict": words[said]}

    overlap = means(paired(rows, "consensus").mean(axis=1).to_frame(), level, seed).iloc[0]
    measured = "mean overlap (IoU) of two explainers' supports"
    yield told(SINGLE, measured, overlap[["mean", "low", "high"]].to_list(), int(overlap["n"]), AGREE, above=False)
    yield beyond(SINGLE, "IoU of the fused mask − of an explainer's taken blindly", table[keys].mean(axis=1))
    yield over_best(SINGLE)
    yield beyond(FUSE, "IoU of the prompted mask − of the fused map's own support", own["weighted"])
    yield beyond(FUSE, "IoU under weighted fusion − under the mean", table["mean"])
    yield beyond(FUSE, "IoU with background points − without", table["weighted | background=0"])
    yield beyond(DECLARE, f"IoU of {main} − of the random walker, same cues", walked["weighted"])
    for key, when in {"weighted": "", "weighted | background=0": ", without background points"}.items():
        share = prior_shares(own, walked, table, [key], level, seed).iloc[0]
        measured = f"share of {main}'s gain over the threshold that is its prior{when}"
        yield told(DECLARE, measured, share[["share", "share_low", "share_high"]].to_list(), int(share["n"]))
    yield beyond(DECLARE, f"IoU of {main} from cues − from uniform points, no map", table["uniform_points"])
    for metric in measures:
        ranks = rank_correlation(paired(rows, metric).droplevel("dataset")[keys], table[keys], level, seed)
        check = f"rank correlation of {metric_key(metric).entry.label} with mIoU over {ranks.n} explainers"
        yield told(APART, check, ranks[:3], len(table), ALIKE, above=False)


@dataclass(frozen=True)
class Shown:
    """One map of one image, the cues drawn from it and the mask they prompt, both None where it gives none."""

    map: Float[Tensor, "h w"]
    cues: Cues | None
    mask: Bool[Tensor, "h w"] | None


def shown(
    group: Group, rows: pd.DataFrame, prompts: Prompting, segmenter: Segmenter, keys: Sequence[str]
) -> dict[str, list[Shown]]:
    """What lies behind the rows of the group's samples, by key; the maps are made again, the weights are the rows'."""
    ids = [sample.sample_id for sample in group.samples]
    variants = {key.text: key for key in group.run.method_keys()}
    weights = paired(rows, "weight").droplevel("dataset").loc[ids]
    needed = [*weights, *keys] if set(keys) & set(FUSIONS) else keys
    maps = {key: torch.nan_to_num(group.maps_of(variants[key])[0]).clamp(0, 1) for key in needed if key not in FUSIONS}
    if len(needed) > len(keys):
        together = torch.stack([maps[key] for key in weights])
        told = torch.tensor(weights.to_numpy(float).T, dtype=together.dtype, device=together.device)
        maps |= {"mean": cues.fused(together), "weighted": torch.nan_to_num(cues.fused(together, told))}
    settings = {name: getattr(prompts, name) for name in ("foreground", "background", "top", "bottom", "apart")}
    found: dict[str, list[Shown]] = {key: [] for key in keys}
    for index, sample_id in enumerate(ids):
        answer = segmenter(group.images[index])
        for key in keys:
            one = variants.get(key)
            name, text = (key, "") if one is None else (one.name, one.pinned)
            rng = generator(group.run.seed[0], sample_id, cues.purpose(name, text))
            try:
                drawn = cues.draw_cues(maps[key][index], rng, **settings)
            except NoCues:
                found[key].append(Shown(maps[key][index], None, None))
                continue
            mask = answer(drawn.points[None].float(), drawn.labels[None])[0][0]
            found[key].append(Shown(maps[key][index], drawn, mask))
    return found


def _labelled(found: pd.DataFrame) -> pd.DataFrame:
    return found.assign(label=found["method"].map(labels(found["method"].unique())))


def _parsed(metric: str) -> tuple[str, dict[str, str]]:
    """A metric's name and options as text; an option's own value may be a key with options, as agreement's is."""
    name, _, inside = metric.partition("(")
    if name == "agreement":
        return name, {"with": inside.removeprefix("with=").removesuffix(")")}
    pairs = [pair.partition("=") for pair in inside.removesuffix(")").split(", ") if pair]
    return name, {option: value for option, _, value in pairs}
