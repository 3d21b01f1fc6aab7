"""From samples to runs, from runs to the paper's table, and the wins the paper counts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segattr_lib.attribution import load_method, method_key
from segattr_lib.metrics import MEASURED, metric_key
from segattr_lib.registry import UserError, with_options

ROBUST_FLOOR = 0.3  # below this model score a relative drop explodes (spec, section 4.1)
TIED = 0.5  # of a selection: above this its pixels are a matter of order more than of the map
RUN = ["run_id", "dataset", "model", "seed"]
SCORED = ["method", "variant", "metric", "k", "fill"]
FILLED = r"(?:^|, )fill=(?P<fill>\w+)$"  # of a variant made under several fills, as Settings.method_keys writes it


def run_level(samples: pd.DataFrame) -> pd.DataFrame:
    """One row a run, method, variant, metric, k and fill, in the order of the rows.

    mean, median: over all samples that have a value. mean_robust: over those whose model score is at
    least ROBUST_FLOOR. mean_nondegenerate: without selections that a constant decides. mean_untied: without those of
    which order among ties decided more than half (TIED), where the run has the tied share at the same k. The counts of
    each stand beside them; samples_failed and samples_skipped count the run's samples that have no values at all.
    """
    keys = RUN + SCORED
    lost = samples[samples["metric"].isna()]
    scores = samples[samples["metric"] == "score"].set_index(["run_id", "sample_id"])["value"]
    values = samples[samples["metric"].notna() & (samples["metric"] != "score")]
    model_score = scores.reindex(pd.MultiIndex.from_frame(values[["run_id", "sample_id"]])).to_numpy()
    tied = _tied_share(values)
    values = values.assign(
        untied=values["value"].where(tied <= TIED) if tied is not None else np.nan,
        robust=values["value"].where(model_score >= ROBUST_FLOOR),
        sound=values["value"].where(values["status"] != "degenerate"),
        undefined=values["status"] == "undefined",
        failed=values["status"] == "failed",
        degenerate=values["status"] == "degenerate",
    )
    grouped = values.groupby(keys, observed=True, sort=False, dropna=False)
    table = grouped.agg(
        mean=("value", "mean"),
        median=("value", "median"),
        mean_robust=("robust", "mean"),
        mean_nondegenerate=("sound", "mean"),
        mean_untied=("untied", "mean"),
        count=("value", "count"),
        count_robust=("robust", "count"),
        count_untied=("untied", "count"),
        degenerate=("degenerate", "sum"),
        undefined=("undefined", "sum"),
        failed=("failed", "sum"),
    ).reset_index()
    for status in ("failed", "skipped"):
        counts = lost[lost["status"] == status]["run_id"].astype(str).value_counts()
        table[f"samples_{status}"] = table["run_id"].astype(str).map(counts).fillna(0).astype(int)
    return table


def _tied_share(values: pd.DataFrame) -> np.ndarray | None:
    """The tied share of the selection behind each row, NaN where it has none; None where the run did not ask for it."""
    keys = ["run_id", "sample_id", "method", "variant", "k"]
    shares = values[values["metric"] == "tied_share"].set_index(keys)["value"]
    if not len(shares):
        return None
    return shares.reindex(pd.MultiIndex.from_frame(values[keys])).to_numpy()


def with_seconds(runs: pd.DataFrame, timings: pd.DataFrame) -> pd.DataFrame:
    """The run-level table with the mean wall seconds of an explanation as one more metric."""
    keys = [*RUN, "method", "variant"]
    timed = timings.groupby(keys, observed=True, sort=False, dropna=False)["seconds"]
    rows = timed.agg(mean="mean", median="median", count="count").reset_index().assign(metric="seconds")
    return pd.concat([plain(runs), plain(rows)], ignore_index=True)


def across_runs(runs: pd.DataFrame, column: str = "mean") -> pd.DataFrame:
    """Mean and standard deviation (n - 1) of one run-level column over the runs, every run counting once.

    Index: dataset, method, variant, metric, k, fill, in the order of the rows; columns mean, std, runs.
    """
    grouped = plain(runs).groupby(["dataset", *SCORED], sort=False, dropna=False)[column]
    return grouped.agg(mean="mean", std="std", runs="count")


def keyed(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column `key`, the method with its options as inference.paired names it: "ria", "ria(grid=7)".

    Two variants of a method are two methods: whatever is grouped, compared or ranked is so by this key.
    """
    pairs = zip(rows["method"], rows["variant"].fillna(""), strict=True)
    return plain(rows).assign(key=pd.Series([with_options(*pair) for pair in pairs], rows.index, dtype=object))


def by_run(runs: pd.DataFrame, metric: str, column: str = "mean") -> pd.DataFrame:
    """One metric's run-level values: runs as rows, keys (see `keyed`) as columns, both in the order of the rows.

    column: mean, median or another of run_level's; seconds and passes have one kind of mean alone. Raises UserError
    for values of several data sets, k or evaluation fills.
    """
    rows = keyed(of_one_setting(runs[runs["metric"] == metric]))
    values = rows.pivot(  # noqa: PD010 - refuses a value that stands twice
        index="run_id", columns="key", values="mean" if metric in MEASURED else column
    )
    return values.reindex(index=rows["run_id"].unique(), columns=rows["key"].unique())


def of_one_setting(runs: pd.DataFrame) -> pd.DataFrame:
    """The rows as they are, unless a metric has values of several data sets, k or evaluation fills: a UserError, for
    whatever puts a metric's values side by side would mix them."""
    for metric, given in plain(runs)[["metric", "dataset", "k", "fill"]].drop_duplicates().groupby("metric"):
        if len(given) > 1:
            seen = "; ".join(f"{dataset}, k = {k:g}, fill = {fill}" for _, dataset, k, fill in given.to_numpy())
            raise UserError(f"{metric!r}: expected values of one data set, k and evaluation fill, got {seen}.")
    return runs


def centre(metric: str, column: str = "mean") -> str:
    """The run-level column that methods are ranked and compared by where `column` is shown; see Metric.ranked_by."""
    return "median" if metric_key(metric).entry.ranked_by == "median" else column


def fills_of(runs: pd.DataFrame) -> list[str]:
    """The fills that maps were made with in a run under several: there each method that takes a fill has a variant for
    each, "fill=mean", and no plain one. None in a run under a single fill, where a pinned fill is a variant as any."""
    pairs = plain(runs)[["method", "variant"]].dropna(subset="method").fillna({"variant": ""}).drop_duplicates()
    takes = {name: "fill" in load_method(name).options for name in pairs["method"].unique()}
    filling = pairs[pairs["method"].map(takes).astype(bool)]
    made = filling["variant"].str.extract(FILLED)["fill"]
    if made.isna().any():
        return []
    methods = set(filling["method"])
    return [fill for fill in made.unique() if set(filling[made == fill]["method"]) == methods]


def under_fill(runs: pd.DataFrame, fill: str | None) -> pd.DataFrame:
    """The rows as a run under this fill alone has them: of the maps of the fills of `fills_of` those made with it, and
    without its name in theirs. None leaves the rows as they are."""
    if fill is None:
        return runs
    rows = plain(runs)
    made = rows["variant"].str.extract(FILLED)["fill"]
    others = [name for name in fills_of(runs) if name != fill]
    bare = rows["variant"].str.replace(FILLED, "", regex=True)
    return rows.assign(variant=bare.where(made == fill, rows["variant"]))[~made.isin(others)]


def wins(runs: pd.DataFrame, method: str, over: str, metric: str, column: str = "mean") -> tuple[int, int]:
    """In how many runs the first method's value is better than the other's, and of how many (DEA paper, 5.1).

    method, over: keys, see `keyed`; in a run under several fills "dea" is the map made with the fill that judges it.
    Better as the metric's direction has it, and by the median where methods are ranked by that. Runs where either has
    no value are not counted. Raises UserError for values of several data sets, k or evaluation fills, and for a
    method that was made with several fills of which none is the judge's.
    """
    table = by_run(runs, metric, centre(metric, column))
    made = fills_of(runs)
    judges = [fill for fill in made if fill in set(runs["fill"].dropna())]
    names = [name if name in table or len(judges) != 1 else _filled(name, judges[0]) for name in (method, over)]
    for name in names:
        fills = [_filled(name, fill) for fill in made if _filled(name, fill) in table]
        if name not in table and fills:
            raise UserError(f"{name!r} was made with several fills; name one of {', '.join(fills)}.")
    if not set(names) <= set(table.columns):
        return 0, 0
    pair = table[names].dropna()
    difference = (pair[names[0]] - pair[names[1]]) * metric_key(metric).entry.direction
    return int((difference > 0).sum()), len(pair)


def _filled(key: str, fill: str) -> str:
    """The key with a fill among its options, last, as Settings.method_keys writes it."""
    return method_key(key).with_pinned(fill=fill).text


def ranking(table: pd.DataFrame) -> pd.DataFrame:
    """Ranks (1 the best) of the methods under each metric, best as the metric's direction has it.

    table: methods as rows, metrics as columns, values being what methods are ranked by, as `tables.wide` has them. A
    metric that has no better end ranks nothing.
    """
    directions = {name: metric_key(name).entry.direction for name in table.columns}
    kept = [name for name, direction in directions.items() if direction]
    ranks = pd.DataFrame({name: table[name].rank(ascending=directions[name] < 0, method="min") for name in kept})
    return ranks.astype("Int64")


def at(rows: pd.DataFrame, k: float | None = None, fill: str | None = None) -> pd.DataFrame:
    """The rows of one k and one evaluation fill, with those of metrics that depend on neither."""
    right_k = rows["k"].isna() | (np.isclose(rows["k"], k) if k is not None else True)
    right_fill = rows["fill"].isna() | ((rows["fill"] == fill) if fill is not None else True)
    return rows[right_k & right_fill]


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """Categories back to text, so that tables of different folders can be put together."""
    texts = table.select_dtypes("category").columns
    return table.astype(dict.fromkeys(texts, object))
