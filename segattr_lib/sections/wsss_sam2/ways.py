"""Ways to a mask, as columns of a table.

A way is named by the text of one key: a map's own, such as "lime(samples=60)", or what needs no map; a fusion's or the
ceiling's options are how else than the settings have it it was cued, as in "weighted(background=0)".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from segattr_lib.benchmark.statistics import plain
from segattr_lib.inference.paired import paired
from segattr_lib.registry import Key, make_key, read_key
from segattr_lib.report.labels import short_labels
from segattr_lib.sections.wsss_sam2.rows.cueing import ALONE, BOX, CEILING, FUSIONS, NO_BACKGROUND

WALKER = "random_walker"
LABELS = {**{name: f"fused, {name}" for name in FUSIONS}, **ALONE, **CEILING}
OTHERWISE = {make_key("", NO_BACKGROUND).pinned: "no background points", make_key("", BOX).pinned: "box of the support"}
WITHOUT_BACKGROUND = {name: make_key(name, NO_BACKGROUND).text for name in FUSIONS}
BOXED = make_key("weighted", BOX).text


def labels(ways: Iterable[str]) -> dict[str, str]:
    """What a page calls each of some ways: the method without its options, unless these are what tells it from another
    of them, and how else it was cued."""
    keys = {way: read_key(way) for way in ways}
    called = short_labels(way for way, key in keys.items() if key.name not in LABELS)
    for way, key in keys.items():
        if key.name in LABELS:
            how = [OTHERWISE.get(key.pinned, key.pinned)] if key.pinned else []
            called[way] = ", ".join([LABELS[key.name], *how])
    return {way: called[way] for way in keys}


def map_of(way: str) -> str:
    """The way whose map it is: "weighted" of "weighted(background=0)"."""
    key = read_key(way)
    return key.name if key.name in LABELS else way


def cued_as(way: str) -> str:
    """How else than the settings have it a way was cued: "background=0" of "weighted(background=0)"."""
    key = read_key(way)
    return key.pinned if key.name in LABELS else ""


def iou_of(segmenter: str) -> str:
    """The metric of a segmenter's masks, cued as the settings have it."""
    return make_key("iou", {"segmenter": segmenter}).text


def metrics_named(rows: pd.DataFrame, name: str) -> list[Key]:
    """The keys of the rows' metrics of this name, whatever their options, in the order of the rows."""
    texts = rows["metric"].dropna().astype(str).unique()
    return [read_key(text) for text in texts if text == name or text.startswith(f"{name}(")]


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
    tables = []
    for metric in metrics_named(rows, "iou"):
        how = dict(metric.options)
        if str(how.pop("segmenter")) == segmenter:
            table = paired(rows, metric.text)
            tables.append(table.set_axis([_cued(method, how) for method in table], axis=1))
    return pd.concat(tables, axis=1).droplevel("dataset").dropna(how="all")


def assisted(segmenters: Sequence[str]) -> str:
    """The first that is not the random walker; the walker where there is no other."""
    return next((name for name in segmenters if name != WALKER), segmenters[0])


def control(rows: pd.DataFrame, segmenters: Sequence[str]) -> pd.DataFrame:
    """`masks` of the random walker where it stands beside the `assisted` segmenter; else NaN throughout."""
    main = assisted(segmenters)
    if WALKER in segmenters and main != WALKER:
        return masks(rows, WALKER)
    return masks(rows, main) * np.nan


def _cued(method: str, how: dict[str, object]) -> str:
    return read_key(method).with_pinned(**how).text if how else method
