"""From samples to runs: what a run's samples come to, by method, metric, k and fill."""

from __future__ import annotations

import numpy as np
import pandas as pd

ROBUST_FLOOR = 0.3  # below this model score a relative drop explodes (spec, section 4.1)
OF_EXPLAINED = "score_explained"  # the explained model's own score, where another one is the judge
TIED = 0.5  # of a selection: above this its pixels are a matter of order more than of the map
RUN = ["run_id", "dataset", "model", "seed"]
SCORED = ["method", "variant", "metric", "k", "fill"]


def run_level(samples: pd.DataFrame) -> pd.DataFrame:
    """One row a run, method, variant, metric, k and fill, in the order of the rows.

    mean, median: over all samples that have a value. mean_robust: over those whose model score is at
    least ROBUST_FLOOR. mean_nondegenerate: without selections that a constant decides. mean_untied: without those of
    which order among ties decided more than half (TIED), where the run has the tied share at the same k. The counts of
    each stand beside them; samples_failed and samples_skipped count the run's samples that have no values at all.
    """
    keys = RUN + SCORED
    lost = samples[samples["metric"].isna()]
    values = samples[samples["metric"].notna() & ~samples["metric"].isin(["score", OF_EXPLAINED])]
    model_score = least_score(samples).reindex(pd.MultiIndex.from_frame(values[["run_id", "sample_id"]])).to_numpy()
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


def least_score(samples: pd.DataFrame) -> pd.Series:
    """The model's score of every sample, by run_id and sample_id: the lower of judge's and explained model's."""
    scores = samples[samples["metric"].isin(["score", OF_EXPLAINED])]
    return scores.groupby(["run_id", "sample_id"], observed=True, sort=False)["value"].min()


def _tied_share(values: pd.DataFrame) -> np.ndarray | None:
    """The tied share of the selection behind each row, NaN where it has none; None where the run did not ask for it."""
    keys = ["run_id", "sample_id", "method", "variant", "k"]
    shares = values[values["metric"] == "tied_share"].set_index(keys)["value"]
    if not len(shares):
        return None
    return shares.reindex(pd.MultiIndex.from_frame(values[keys])).to_numpy()


def at(rows: pd.DataFrame, k: float | None = None, fill: str | None = None) -> pd.DataFrame:
    """The rows of one k and one evaluation fill, with those of metrics that depend on neither."""
    right_k = rows["k"].isna() | (np.isclose(rows["k"], k) if k is not None else True)
    right_fill = rows["fill"].isna() | ((rows["fill"] == fill) if fill is not None else True)
    return rows[right_k & right_fill]


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """Categories back to text, so that tables of different folders can be put together."""
    texts = table.select_dtypes("category").columns
    return table.astype(dict.fromkeys(texts, object))
