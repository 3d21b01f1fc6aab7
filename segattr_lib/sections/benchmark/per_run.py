"""What each run says, by method: put side by side, averaged over runs, ranked, and counted as wins."""

from __future__ import annotations

import pandas as pd

from segattr_lib.attribution import load_method, method_key
from segattr_lib.benchmark.statistics import RUN, SCORED, plain
from segattr_lib.inference.paired import fill_made_with, keyed
from segattr_lib.metrics import MEASURED, metric_key
from segattr_lib.registry import UserError, make_key


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
    made = fill_made_with(filling)
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
    made = fill_made_with(rows)
    others = [name for name in fills_of(runs) if name != fill]
    keys = keyed(rows)["key"]
    bare = {text: _without_fill(text) for text in keys[made == fill].unique()}
    return rows.assign(variant=keys.map(bare).where(made == fill, rows["variant"]))[~made.isin(others)]


def _without_fill(text: str) -> str:
    """The options of a method's key as text, but for the fill."""
    key = method_key(text)
    return make_key(key.name, {name: value for name, value in key.options.items() if name != "fill"}).pinned


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
