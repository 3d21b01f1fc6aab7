"""The tables a reader sees: run-level rows to text, the paper's values beside them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd
from IPython.display import HTML

from segattr_lib.benchmark.statistics import across_runs, by_run, centre, keyed, of_one_setting
from segattr_lib.inference.agreement import EVERY, WAYS
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.report.labels import key_label, metric_label, model_label, signed_label
from segattr_lib.report.reference import dea_table1

PAPER_FILL = "mean"  # of the DEA paper


def number(value: float, digits: int = 3) -> str:
    """A value for a table; a dash where there is none, powers of ten where it would not fit."""
    if pd.isna(value):
        return "–"
    return f"{value:z.{digits}f}" if abs(value) < 1000 else f"{value:.1e}"


def wide(runs: pd.DataFrame, metrics: Sequence[str], column: str = "mean") -> pd.DataFrame:
    """What methods are ranked by: means over runs of a run-level column, or of the median where statistics.centre has
    it so. Rows are methods by their keys ("ria", "ria(grid=7)"), columns the metrics, under their registered names.

    Raises UserError for values of several data sets, k or evaluation fills.
    """
    means = {metric: by_run(runs, metric, centre(metric, column)).mean() for metric in metrics}
    keys = keyed(runs[runs["metric"].isin(list(metrics))])["key"].unique()
    return pd.DataFrame(means, index=keys, columns=list(metrics), dtype=float)


def over_runs(runs: pd.DataFrame, metrics: Sequence[str], column: str = "mean") -> pd.DataFrame:
    """Mean and standard deviation over runs as text: methods with their options as rows, metrics as columns.

    Raises UserError for values of several data sets, k or evaluation fills.
    """
    table = _spreads(runs, metrics, column)
    return table.rename(index=key_label, columns=metric_label)


def beside_paper(runs: pd.DataFrame, column: str = "mean") -> pd.DataFrame:
    """Our mean and deviation over runs beside Table 1 of the DEA paper, SBD and VOC; metric and method as rows.

    The paper's stand beside the plain method, and where each map was made with several fills beside PAPER_FILL's.
    """
    paper = dea_table1()
    metrics = list(dict.fromkeys(paper["metric"]))
    ours = _spreads(runs, metrics, column)
    shown = {"ours": pd.concat({metric: ours[metric] for metric in ours})}
    for dataset, rows in paper.groupby("dataset", sort=False):
        text = [_spread(mean, std) for mean, std in zip(rows["mean"], rows["std"], strict=True)]
        keys = [key if key in ours.index else f"{key}(fill={PAPER_FILL})" for key in rows["method"]]
        shown[f"paper, {str(dataset).upper()}"] = pd.Series(text, pd.MultiIndex.from_arrays([rows["metric"], keys]))
    table = pd.DataFrame(shown).reindex(shown["ours"].index).fillna("")
    names = [(metric_label(metric), key_label(key)) for metric, key in table.index]
    return table.set_axis(pd.MultiIndex.from_tuples(names))


def mean_and_robust(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric's plain mean and median, and beside them means over some of the samples, each with their number:
    those that the model scores at least .3, those whose selection is not degenerate, and those of which ties decide
    at most half.

    Each mean is of run-level values over the runs; each count is the sum over the runs. Raises UserError for values of
    several data sets, k or evaluation fills.
    """

    def counted(column: str) -> pd.Series:
        return by_run(runs, metric, column).sum().astype(int)

    whole = counted("count")
    some = {
        "s(x) ≥ .3": ("mean_robust", counted("count_robust")),
        "not degenerate": ("mean_nondegenerate", whole - counted("degenerate")),
        "tied ≤ .5": ("mean_untied", counted("count_untied")),
    }
    table = {column: by_run(runs, metric, column).mean().map(number) for column in ("mean", "median")}
    for title, (column, counts) in some.items():
        means = by_run(runs, metric, column).mean()
        table[title] = pd.Series({key: f"{number(means[key])} ({counts[key]})" for key in means.index})
    shown = pd.DataFrame({**table, "n": whole, "undefined": counted("undefined")})
    return shown.rename(index=key_label).rename_axis(index=None, columns=None)


def cost(runs: pd.DataFrame) -> pd.DataFrame:
    """Passes and mean wall seconds of one explanation, over the runs."""
    means = wide(runs, ["passes", "seconds"])
    table = pd.DataFrame({"passes": means["passes"].map("{:.0f}".format), "seconds": means["seconds"].map(number)})
    return table.rename(index=key_label, columns=metric_label)


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
                interval(mid, low, high, n=n)
                for mid, low, high, n in found[["difference", "low", "high", "n"]].to_numpy()
            ],
            "p sign flip": found["sign_flip_holm"].map(number),
            "p Wilcoxon": found["wilcoxon_holm"].map(number),
            "d_z": found["d_z"].map(partial(number, digits=2)),
            "rank biserial": found["rank_biserial"].map(partial(number, digits=2)),
            "wins": [f"{rate:.0%}" for rate in found["win_rate"]],
        }
    )
    return table.set_index(["metric", "pair"]).rename_axis(index=(None, None))


def interval(value: float, low: float, high: float, digits: int = 3, n: int | float | None = None) -> str:
    """A value with its interval, as text; without one, as of few images, with their number n instead."""
    shown, *ends = [number(round(one, digits) + 0.0, digits) for one in (value, low, high)]  # + 0.0: no minus before 0
    if not (pd.isna(low) or pd.isna(high)):
        return f"{shown} [{', '.join(ends)}]"
    return shown if n is None or pd.isna(value) else f"{shown} (n = {n:.0f})"


def side(low: float, high: float, n: int) -> str:
    """On which side of 0 a difference lies by its interval over n images, as a word for the page.

    "higher than", "lower than" or "not told apart from"; the last for an interval that holds 0 or is none, and for
    fewer than FEWEST images whatever it holds.
    """
    if n >= FEWEST and low > 0:
        return "higher than"
    return "lower than" if n >= FEWEST and high < 0 else "not told apart from"


def intervals(found: pd.DataFrame, row: str, column: str, value: str = "mean", digits: int = 3) -> pd.DataFrame:
    """Values with their intervals (columns low, high) as text: one column of `found` as rows, another as columns.

    Where a value has no interval, the column n stands beside it, if there is such a column.
    Methods in the rows get their labels, metrics in the columns theirs.
    """
    counts = found["n"] if "n" in found else [None] * len(found)
    ends = found[[value, "low", "high"]].to_numpy(float)
    text = [interval(mid, low, high, digits, n) for (mid, low, high), n in zip(ends, counts, strict=True)]
    rows, columns = found[row].unique(), found[column].unique()
    told = found.assign(text=text).pivot(  # noqa: PD010 - refuses a value that stands twice
        index=row, columns=column, values="text"
    )
    told = told.reindex(index=rows, columns=columns)
    if row == "method":
        told = told.rename(index=key_label)
    if column == "metric":
        told = told.rename(columns=metric_label)
    return told.rename_axis(index=None, columns=None)


def correlations(table: pd.DataFrame, by: str | list[str], column: str = "way") -> pd.DataFrame:
    """Correlations with their intervals as text, a block for each of `by` (kind, model, way), a row a metric.

    table: of agreement.correlations. column: whose values stand side by side.
    """
    kinds, ways, models = table["kind"].str.capitalize(), table["way"].map(WAYS), table["model"].map(model_label)
    blocks = table.assign(kind=kinds, way=ways, model=models).groupby(by, sort=False)
    shown = {name: intervals(rows, "metric", column, "value", 2) for name, rows in blocks}
    return pd.concat(shown).rename(index=signed_label)


def correlation(table: pd.DataFrame, metric: str, way: str, model: str = EVERY) -> str:
    """Pearson's correlation of a metric with its interval as text; a dash where the table is empty.

    table: of agreement.correlations, in which `model` is what it is the correlation of.
    """
    if table.empty:
        return "–"
    names = {"metric": metric, "way": way, "model": model, "kind": "pearson"}
    (row,) = table[(table[list(names)] == list(names.values())).all(axis=1)].to_dict("records")
    return interval(row["value"], row["low"], row["high"], 2, row["n"])


def wrapped(table: pd.DataFrame, index: bool = True) -> HTML:
    """A table whose cells hold sentences: they go on in the next line where the page is too narrow."""
    return HTML(table.to_html(index=index, classes="wrap", border=0))


def off_zero(found: pd.DataFrame, side: str) -> str:
    """How many of the intervals (columns low, high) lie wholly "above" or "below" 0, as text.

    Rows without an interval decide nothing, and are counted beside.
    """
    count = int((found["low"] > 0).sum() if side == "above" else (found["high"] < 0).sum())
    without = int((found["low"].isna() | found["high"].isna()).sum())
    return f"{count} ({without} without an interval)" if without else str(count)


def coverage(found: pd.DataFrame) -> pd.DataFrame:
    """What each kind of interval promises and how often it held, as text; see inference.simulated_coverage."""
    shares = found[["reached", "low", "high"]].to_numpy(float)
    table = pd.DataFrame(
        {
            "n": found["n"],
            "nominal": found["nominal"].map("{:.0%}".format),
            "reached": [f"{reached:.1%} [{low:.1%}, {high:.1%}]" for reached, low, high in shares],
        }
    )
    return table.set_axis(found["interval"]).rename_axis(None)


def _spreads(runs: pd.DataFrame, metrics: Sequence[str], column: str) -> pd.DataFrame:
    """Mean and standard deviation over runs as text, by keys and metrics; a dash where there is none."""
    rows = keyed(across_runs(of_one_setting(runs[runs["metric"].isin(list(metrics))]), column).reset_index())
    texts = [_spread(mean, std) for mean, std in rows[["mean", "std"]].to_numpy(float)]
    table = rows.assign(text=texts).pivot(  # noqa: PD010 - refuses a value that stands twice
        index="key", columns="metric", values="text"
    )
    table = table.reindex(index=rows["key"].unique(), columns=list(metrics)).astype(object).fillna("–")
    return table.rename_axis(index=None, columns=None)


def _spread(mean: float, std: float) -> str:
    return number(mean) if pd.isna(std) or pd.isna(mean) else f"{number(mean)} ± {number(std)}"
