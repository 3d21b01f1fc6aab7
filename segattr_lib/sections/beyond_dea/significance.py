"""Which differences between methods are more than the luck of the images?"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from scikit_posthocs import critical_difference_diagram

from segattr_lib.attribution import method_key
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED, compare
from segattr_lib.inference.coverage import simulated_coverage, simulated_rejections, standardised
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.inference.ranks import Friedman, friedman_ranks
from segattr_lib.report import tables
from segattr_lib.report.charts import interval_plot
from segattr_lib.report.labels import dataset_label, key_label, metric_label
from segattr_lib.report.style import STYLE, method_colours
from segattr_lib.sections.beyond_dea.runs import Runs, by_image
from segattr_lib.sections.beyond_dea.settings import Settings

JUDGED = ("tdd", "excess_tdd")  # what methods are ranked and compared by
CLAIMED = {"dea_above_ega": ("dea", "ega"), "dea_above_gpa": ("dea", "gpa")}  # the paper's central claims
PAIRS = [
    *CLAIMED.values(),
    ("ria", "dea"),
    ("adaptive_ria", "ria"),
    ("adaptive_dea", "dea"),
    ("dea", "random"),
    ("ega", "random_smooth"),
    ("ria", "random_cells"),
    ("adaptive_ria", "random_adaptive"),
]
TESTS = {"wilcoxon": "Wilcoxon", "sign_flip": "sign flip"}
EFFECT = 0.5  # standard deviations: the true mean of differences on which the tests' power is simulated
SHOWN = "studentised bootstrap"  # the kind of interval that the pages use


def judged(settings: Settings, rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The main run's values of each metric of JUDGED, images as rows and methods as columns."""
    return {metric: by_image(rows, metric, settings.k, settings.fill) for metric in JUDGED}


def compared(settings: Settings, rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Those of PAIRS whose methods the run has, tested under each metric of JUDGED; see inference.compare."""
    results = {}
    for metric, table in judged(settings, rows).items():
        pairs = [pair for pair in PAIRS if set(pair) <= set(table)]
        results[metric] = compare(table, pairs, metric, settings.level, settings.seed)
    return results


def simulated(settings: Settings, rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How often intervals hold, and tests reject, on differences shaped as this run's: inference.simulated_coverage and
    inference.simulated_rejections, the latter of no effect and of EFFECT."""
    shapes = standardised(judged(settings, rows).values())
    coverage = simulated_coverage(shapes, seed=settings.seed, level=settings.level)
    rejections = simulated_rejections(shapes, EFFECT, seed=settings.seed, level=settings.level)
    return coverage, rejections


def difference_plot(runs: Runs, metric: str) -> Figure:
    """The paired differences in a metric of JUDGED with their intervals."""
    return interval_plot(runs.compared[metric])


def difference_table(runs: Runs) -> pd.DataFrame:
    """Every pair under every metric of JUDGED, with tests and effect sizes."""
    return comparisons(pd.concat(runs.compared.values()))


def comparisons(table: pd.DataFrame) -> pd.DataFrame:
    """Paired comparisons as text: a row a metric and pair; see inference.compare."""
    shown = pd.DataFrame(
        {
            "metric": table["metric"].map(metric_label),
            "pair": [f"{key_label(a)} − {key_label(b)}" for a, b in table[["method", "over"]].to_numpy()],
            "difference": [
                tables.interval(mid, low, high, n=n)
                for mid, low, high, n in table[["difference", "low", "high", "n"]].to_numpy()
            ],
            "p sign flip": table["sign_flip_holm"].map(tables.number),
            "p Wilcoxon": table["wilcoxon_holm"].map(tables.number),
            "Cohen's d": table["d_z"].map(partial(tables.number, digits=2)),
            "rank biserial": table["rank_biserial"].map(partial(tables.number, digits=2)),
            "wins": [f"{rate:.0%}" for rate in table["win_rate"]],
        }
    )
    return shown.set_index(["metric", "pair"]).rename_axis(index=(None, None))


def rank_diagram(settings: Settings, runs: Runs) -> Figure:
    """The critical-difference diagram of all methods in excess TDD."""
    table = judged(settings, runs.rows["main"])["excess_tdd"]
    return critical_difference(friedman_ranks(table, "excess_tdd", settings.level))


def critical_difference(ranked: Friedman) -> Figure:
    """Mean ranks on an axis, 1 the best at the left; a bar joins methods that are not told apart (Demšar 2006)."""
    ranks, names = ranked.mean_rank, {key: method_key(key).name for key in ranked.mean_rank.index}
    colours = method_colours(list(names.values()))
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 0.16 * len(ranks) + 1.8))
        drawn = critical_difference_diagram(
            ranks,
            ranked.nemenyi,
            alpha=1 - ranked.level,
            ax=axes,
            label_fmt_left="{label}",
            label_fmt_right="{label}",
            color_palette={key: colours[name] for key, name in names.items()},
            marker_props={"s": 40, "edgecolor": "black", "linewidth": 0.6, "clip_on": False},
            elbow_props={"linewidth": 0.8, "zorder": 0},
            crossbar_props={"linewidth": 4, "marker": "o", "markersize": 4, "markeredgewidth": 0},
            text_h_margin=0.02 * len(ranks),
        )
        plt.setp(drawn["elbows"], color="0.6")
        for text in drawn["labels"]:
            key = text.get_text()
            text.set(text=f" {key_label(key)}  {ranks[key]:.2f} ", color="black")  # a pale colour is no ink
        end = 1 + ranked.critical_difference
        axes.hlines(2, 1, end, color="black", linewidth=1.5)
        scale = f"critical difference {ranked.critical_difference:.2f}"
        axes.annotate(scale, (end, 2), (4, 0), textcoords="offset points", va="center")
        axes.set(xlim=(1, len(ranks)), xticks=range(1, len(ranks) + 1))
        axes.spines["top"].set_visible(True)
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def coverage_table(runs: Runs) -> pd.DataFrame:
    """What each kind of interval promises, and how often it held."""
    return tables.coverage(runs.coverage)


def rejection_table(runs: Runs) -> pd.DataFrame:
    """How often each test rejects: a row a true mean and test; a dash where nothing is promised."""
    rows = runs.rejections
    shares = rows[["share", "low", "high"]].to_numpy(float)
    shown = pd.DataFrame(
        {
            "test": rows["test"].map(TESTS),
            "rejects": [f"{share:.1%} [{low:.1%}, {high:.1%}]" for share, low, high in shares],
            "should": ["–" if pd.isna(level) else f"{level:.0%}" for level in rows["nominal"]],
        }
    )
    return shown.set_index(rows["effect"].map("true mean {:g}".format)).rename_axis(None)


def claims_table(runs: Runs) -> pd.DataFrame:
    """The paper's central claims: what the differences are under each metric of JUDGED, and what their intervals say.

    "holds" for an interval above 0, "contradicted" for one below it, else "undecided". A claim about a method that the
    run does not have is no row.
    """
    shown: dict[str, dict[str, str]] = {}
    for metric, table in runs.compared.items():
        for row in claimed(table).itertuples():
            claim = shown.setdefault(f"{key_label(row.method)} above {key_label(row.over)}", {})
            claim[metric_label(metric)] = tables.interval(row.difference, row.low, row.high, n=row.n)
            claim[f"in {metric_label(metric)}"] = verdict(row.low, row.high)
    return pd.DataFrame.from_dict(shown, orient="index")


def claimed(table: pd.DataFrame) -> pd.DataFrame:
    """Those rows of a comparison that are claims of the paper."""
    pairs = zip(table["method"], table["over"], strict=True)
    return table[np.array([pair in CLAIMED.values() for pair in pairs], bool)]


def verdict(low: float, high: float) -> str:
    """What an interval says of the claim that the difference is above 0."""
    if low > 0:
        return HOLDS
    return CONTRADICTED if high < 0 else UNDECIDED


def facts(settings: Settings, runs: Runs) -> Mapping[str, Any]:
    """The images and what was asked of them, how the intervals cover, and how many of the central claims hold."""
    rows = runs.rows["main"]
    central = {metric: claimed(table) for metric, table in runs.compared.items()}
    reached = runs.coverage[runs.coverage["interval"] == SHOWN]["reached"]
    return {
        "dataset": dataset_label(settings.run.dataset),
        "model": settings.run.model[0],
        "n": len(judged(settings, rows)["tdd"].dropna(how="all")),  # the lost ones are rows of NaN
        "lost": int(rows[rows["metric"].isna()]["sample_id"].nunique()),
        "floor": settings.run.floor or 0,
        "k": settings.k,
        "level": f"{settings.level:.0%}",
        "coverage": f"{reached.iloc[0]:.1%}" if len(reached) else "–",
        "fewest": FEWEST,
        "central": len(central["tdd"]),
        "central_tdd": tables.off_zero(central["tdd"], "above"),
        "central_excess": tables.off_zero(central["excess_tdd"], "above"),
    }
