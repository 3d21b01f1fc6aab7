"""One metric's values of each image by method: what every comparison begins with.

The unit is the image: seeds, and the models unless told apart, see the same images again, so their values are
averaged before anything is counted, and no n is larger than the number of images.
"""

from __future__ import annotations

import pandas as pd

from segattr_lib.benchmark.statistics import at, least_score, plain
from segattr_lib.registry import UserError, read_key, with_options

COMPOSITES = ["arcc", "adcc"]  # harmonic means with coherency among their parts


def keyed(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column `key`, the method with its options as inference.paired names it: "ria", "ria(grid=7)".

    Two variants of a method are two methods: whatever is grouped, compared or ranked is so by this key.
    """
    pairs = zip(rows["method"], rows["variant"].fillna(""), strict=True)
    return plain(rows).assign(key=pd.Series([with_options(*pair) for pair in pairs], rows.index, dtype=object))


def fill_made_with(rows: pd.DataFrame) -> pd.Series:
    """The fill that a run under several fills made each row's map with, as Settings.method_keys writes it: the last of
    the method's options. NaN for a map of no such fill, and for a row of no map."""
    keys = keyed(rows)["key"]
    options = {text: read_key(text).options for text in keys.dropna().unique()}
    fills = {text: pinned["fill"] for text, pinned in options.items() if list(pinned)[-1:] == ["fill"]}
    return keys.map(fills)


def paired(
    samples: pd.DataFrame,
    metric: str,
    k: float | None = None,
    fill: str | None = None,
    floor: float | None = None,
    by_model: bool = False,
) -> pd.DataFrame:
    """One metric's values, images as rows (dataset, sample_id), methods as columns in the order of the rows.

    samples: rows of store.read_samples, of one folder or several together. A value is the mean over the seeds and
    models that saw the image; by_model keeps the models apart (dataset, model, sample_id). An image has no value (NaN)
    of a method that lacks one in any of them, so that a pair's two means are over the same runs; images that
    could not be scored at all are rows of NaN. floor: leave out the samples whose model score is below it, of judge
    or explained model (an image that was not scored has none). A method with pinned options is "name(options)".

    Raises UserError where there are no such values, or values of several k or fills to choose from; ValueError
    where a method has two values of an image under one model and seed.
    """
    rows = plain(samples)
    if floor is not None:
        scores = least_score(rows)
        rows = rows.merge(scores[scores >= floor].index.to_frame(index=False))
    values = at(rows[rows["metric"] == metric], k, fill)
    given = values[["k", "fill"]].drop_duplicates()
    if len(given) != 1:
        there = "; ".join(f"k = {at_k:g}, fill = {by}" for at_k, by in given.itertuples(index=False)) or "none"
        raise UserError(
            f"{metric!r} at k = {k}, fill = {fill}, floor = {floor}: expected values of one, found {there}."
        )
    values = keyed(values)
    by_method = values.assign(method=values["key"])
    seen = by_method.pivot(  # noqa: PD010 - refuses a value that stands twice
        index=["dataset", "model", "seed", "sample_id"], columns="method", values="value"
    )
    unit = ["dataset", "model", "sample_id"] if by_model else ["dataset", "sample_id"]
    table = seen[values["key"].unique()].groupby(unit).mean(skipna=False)
    lost = pd.MultiIndex.from_frame(rows.loc[rows["metric"].isna(), unit])
    return table.reindex(table.index.union(lost.unique()))


def settled(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with 0 for an ARCC or ADCC that does not exist, so that a map that vanished is not left out. Ours.

    A constant map, or one whose repetition is constant, has no coherency: that stays undefined, is left out of
    means and correlations of coherency itself, and counted. The composites are harmonic means, which are 0 as soon as
    a part is; to leave them out would reward a method for showing nothing where it would have done badly. A map that
    failed is not settled.
    """
    names = {text: read_key(text).name for text in rows["metric"].dropna().unique()}
    composite = rows["metric"].astype(object).map(names).isin(COMPOSITES)
    return rows.assign(value=rows["value"].mask(composite & (rows["status"] == "undefined"), 0.0))


def check_units(table: pd.DataFrame) -> None:
    """One image seen by two models is not two images."""
    images = table.index.droplevel("model") if "model" in table.index.names else table.index
    if images.has_duplicates:
        raise UserError(
            f"{len(table)} rows hold {images.nunique()} images; expected one row an image: average over the models, "
            'or take one of them, as table.xs(name, level="model") does.'
        )
