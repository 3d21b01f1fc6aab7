"""The tables a reader sees: run-level rows to text, the paper's values beside them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd

from segattr_lib.benchmark.statistics import across_runs
from segattr_lib.figures import key_label, method_label, metric_label
from segattr_lib.reference import dea_table1


def number(value: float, digits: int = 3) -> str:
    """A value for a table; a dash where there is none, powers of ten where it would not fit."""
    if pd.isna(value):
        return "–"
    return f"{value:z.{digits}f}" if abs(value) < 1000 else f"{value:.1e}"


def wide(runs: pd.DataFrame, metrics: Sequence[str], column: str = "mean") -> pd.DataFrame:
    """Means over runs: methods as rows, metrics as columns, under their registered names."""
    table = across_runs(runs[runs["metric"].isin(list(metrics))], column).reset_index()
    return table.pivot_table(index="method", columns="metric", values="mean", sort=False).reindex(columns=list(metrics))


def over_runs(runs: pd.DataFrame, metrics: Sequence[str], column: str = "mean") -> pd.DataFrame:
    """Mean and standard deviation over runs as text: methods as rows, metrics as columns."""
    table = across_runs(runs[runs["metric"].isin(list(metrics))], column).reset_index()
    table["text"] = [_spread(mean, std) for mean, std in zip(table["mean"], table["std"], strict=True)]
    table["row"] = [method_label(*pair) for pair in zip(table["method"], table["variant"], strict=True)]
    shown = table.pivot_table(index="row", columns="metric", values="text", aggfunc="first", sort=False)
    shown = shown.reindex(columns=list(metrics)).rename(columns=metric_label)
    return shown.rename_axis(index=None, columns=None)


def beside_paper(runs: pd.DataFrame, column: str = "mean") -> pd.DataFrame:
    """Our mean and deviation over runs beside Table 1 of the DEA paper, SBD and VOC; metric and method as rows."""
    paper = dea_table1()
    metrics = list(dict.fromkeys(paper["metric"]))
    ours = over_runs(runs, metrics, column)
    shown = {"ours": pd.concat({metric: ours[metric] for metric in ours})}
    for dataset, rows in paper.groupby("dataset", sort=False):
        text = [_spread(mean, std) for mean, std in zip(rows["mean"], rows["std"], strict=True)]
        keys = zip(rows["metric"].map(metric_label), rows["method"].map(method_label), strict=True)
        shown[f"paper, {str(dataset).upper()}"] = pd.Series(text, index=pd.MultiIndex.from_tuples(keys))
    return pd.DataFrame(shown).reindex(shown["ours"].index).fillna("")


def mean_and_robust(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric's plain mean, median, mean over well-scored samples and over sound maps, with their counts.

    Each mean is of run-level values over the runs; each count is the sum over the runs.
    """
    rows = runs[runs["metric"] == metric].groupby(["method", "variant"], sort=False)
    means = rows[["mean", "median", "mean_robust", "mean_nondegenerate", "mean_untied"]].mean().map(number)
    counts = rows[["count", "count_robust", "degenerate", "count_untied", "undefined"]].sum().astype(int)
    table = pd.concat([means, counts], axis=1)
    table.index = [method_label(*pair) for pair in table.index]
    names = {
        "mean_robust": "s(x) ≥ .3",
        "mean_nondegenerate": "not degenerate",
        "mean_untied": "tied share ≤ .5",
        "count": "n",
        "count_robust": "n, s(x) ≥ .3",
        "count_untied": "n, tied share ≤ .5",
    }
    return table.rename(columns=names)


def cost(runs: pd.DataFrame) -> pd.DataFrame:
    """Passes and mean wall seconds of one explanation, over the runs."""
    means = wide(runs, ["passes", "seconds"])
    table = pd.DataFrame({"passes": means["passes"].astype(int), "seconds": means["seconds"].map(number)})
    return table.rename(index=method_label, columns=metric_label).rename_axis(index=None, columns=None)


def chance(found: pd.DataFrame) -> pd.DataFrame:
    """Each method beside the control that comes closest to it, as text; see chance.above_chance."""
    table = pd.DataFrame(
        {
            "excess": found["excess"].map(number),
            "closest control": found["control"].map(key_label),
            "difference": [
                interval(mid, low, high) for mid, low, high in found[["difference", "low", "high"]].to_numpy(float)
            ],
            "p": found["p_holm"].map(number),
            "n": found["n"],
            "verdict": found["verdict"],
        }
    )
    table.index = pd.Index(found["method"].map(key_label))
    return table.rename_axis(index=None)


def comparisons(found: pd.DataFrame) -> pd.DataFrame:
    """Paired comparisons as text: a row a metric and pair; see inference.compare."""
    table = pd.DataFrame(
        {
            "metric": found["metric"].map(metric_label),
            "pair": [f"{key_label(a)} − {key_label(b)}" for a, b in found[["method", "over"]].to_numpy()],
            "difference": [
                interval(mid, low, high) for mid, low, high in found[["difference", "low", "high"]].to_numpy()
            ],
            "p sign flip": found["sign_flip_holm"].map(number),
            "p Wilcoxon": found["wilcoxon_holm"].map(number),
            "d_z": found["d_z"].map(partial(number, digits=2)),
            "rank biserial": found["rank_biserial"].map(partial(number, digits=2)),
            "wins": [f"{rate:.0%}" for rate in found["win_rate"]],
        }
    )
    return table.set_index(["metric", "pair"]).rename_axis(index=(None, None))


def interval(value: float, low: float, high: float, digits: int = 3) -> str:
    """A value with its interval, as text."""
    told = [number(round(one, digits) + 0.0, digits) for one in (value, low, high)]  # + 0.0: no minus before zeros
    return told[0] if pd.isna(low) else f"{told[0]} [{told[1]}, {told[2]}]"


def intervals(found: pd.DataFrame, row: str, column: str, value: str = "mean", digits: int = 3) -> pd.DataFrame:
    """Values with their intervals (columns low, high) as text: one column of `found` as rows, another as columns.

    Methods in the rows get their labels, metrics in the columns theirs.
    """
    text = [interval(mid, low, high, digits) for mid, low, high in found[[value, "low", "high"]].to_numpy(float)]
    told = found.assign(text=text).pivot_table(index=row, columns=column, values="text", aggfunc="first", sort=False)
    if row == "method":
        told = told.rename(index=key_label)
    if column == "metric":
        told = told.rename(columns=metric_label)
    return told.rename_axis(index=None, columns=None)


def _spread(mean: float, std: float) -> str:
    return number(mean) if pd.isna(std) or pd.isna(mean) else f"{number(mean)} ± {number(std)}"
