"""The tables of the benchmark's page: what each run says as text, the paper's values beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from segattr_lib.inference.paired import keyed
from segattr_lib.registry import PERTURBATIONS
from segattr_lib.report.labels import key_label, metric_label
from segattr_lib.report.reference import reference
from segattr_lib.report.tables import number
from segattr_lib.sections.benchmark.per_run import across_runs, by_run, centre, of_one_setting

PAPER_FILL = "mean"  # of the DEA paper
BLIND = ("tdd", "border", "chance_tdd", "excess_tdd", "excess_odd_abs", "excess_insertion")
TABLED = ("tdd", "odd_abs", "insertion", "stability", "excess_tdd")  # the paper's Table 1, and what chance leaves
LEAKAGE = ("odd_abs", "odd_abs_exclude", "leak_abs", "leak_signed")


def wide(runs: pd.DataFrame, metrics: Sequence[str], column: str = "mean") -> pd.DataFrame:
    """What methods are ranked by: means over runs of a run-level column, or of the median where per_run.centre has
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


def side_by_side(runs: Mapping[str, pd.DataFrame], column: str = "mean") -> pd.DataFrame:
    """Table 1's metrics and excess TDD of several benchmarks, each in a column of its own: mean and deviation over its
    runs; metric and method as rows. What one of them did not run is empty there.

    runs: run-level rows of one data set, k and fill, by what the column is called.
    """
    texts = {title: _spreads(rows, TABLED, column) for title, rows in runs.items()}
    keys = list(dict.fromkeys(key for table in texts.values() for key in table.index))
    columns = {}
    for title, texts_of_run in texts.items():
        columns[title] = pd.concat({metric: texts_of_run[metric].reindex(keys) for metric in TABLED})
    table = pd.DataFrame(columns).fillna("")
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


def hidden_by_the_mean(runs: pd.DataFrame) -> pd.DataFrame:
    """`mean_and_robust` of both deletion drops, one below the other."""
    return pd.concat({metric_label(metric): mean_and_robust(runs, metric) for metric in ("tdd", "odd_abs")})


def blind_selection(runs: pd.DataFrame) -> pd.DataFrame:
    """TDD, how ragged the selections are, what a blind one as ragged earns, and what is left of each metric."""
    return over_runs(runs, BLIND)


def leakage(runs: pd.DataFrame) -> pd.DataFrame:
    """What the outside costs, with and without the unlabelled ring, and its share of TDD: mean and, last, median."""
    medians = wide(runs, ["leak_abs"])["leak_abs"].map(number).to_numpy()
    return over_runs(runs, LEAKAGE).assign(**{f"{metric_label('leak_abs')}, median": medians})


def stability(runs: pd.DataFrame) -> pd.DataFrame:
    """Stability, and that under each kind of change."""
    return over_runs(runs, ["stability", *(f"stability_{kind}" for kind in PERTURBATIONS)])


def dea_table1() -> pd.DataFrame:
    """Table 1 of the DEA paper; columns dataset, method, metric, mean, std."""
    table = reference()["dea_table1"]
    values = [
        (row["dataset"], row["method"], metric, *row[metric]) for row in table["rows"] for metric in table["metrics"]
    ]
    return pd.DataFrame(values, columns=["dataset", "method", "metric", "mean", "std"])


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
