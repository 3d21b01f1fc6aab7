"""How few passes does a map of interventions need, and which way of adapting pays?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from segattr_lib.attribution import load_method, method_key
from segattr_lib.attribution.adaptive import SMALLEST
from segattr_lib.inference.comparison import compare
from segattr_lib.inference.intervals import means, studentised_interval
from segattr_lib.inference.paired import paired
from segattr_lib.registry import PERTURBATIONS, make_key
from segattr_lib.report import charts, tables
from segattr_lib.sections.beyond_dea.runs import Runs, by_image
from segattr_lib.sections.beyond_dea.settings import AGAIN, STRATEGIES, Settings, thin_methods
from segattr_lib.sections.beyond_dea.significance import comparisons

EXCESS = "excess_tdd"
BUDGETS = ("budget", "grid")  # the options that decide how many passes a map of interventions takes
LAYOUT = "random_adaptive"  # the adaptive map's cells, with drops that are noise
ON_THIN = ("tdd", "excess_tdd", "odd_abs")


def relative(table: pd.DataFrame, to: str, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Each column's mean as a share of the mean of column `to`, with the studentised interval of a ratio."""
    values = table.dropna()
    rows = []
    for name in values:
        ends = studentised_interval(values[name].to_numpy(float), level, seed, per=values[to].to_numpy(float))
        rows.append((name, values[name].mean() / values[to].mean(), *ends, len(values)))
    return pd.DataFrame(rows, columns=["method", "share", "low", "high", "n"])


def faithfulness(rows: pd.DataFrame, k: float) -> dict[str, pd.DataFrame]:
    """The measures a cheaper map is held to: images as rows, "method(options)" as columns, by name.

    TDD, mean over all k of the rows, under each evaluation fill; excess TDD and |ODD| at their one k, under the one
    fill of excess TDD. Raises UserError where that has several.
    """
    of_tdd = rows[rows["metric"] == "tdd"]
    every_k = sorted(set(of_tdd["k"]))
    measures = {}
    for fill in dict.fromkeys(of_tdd["fill"]):
        measures[f"TDD, {fill} ↑"] = sum(paired(rows, "tdd", at_k, fill) for at_k in every_k) / len(every_k)
    measures["excess TDD ↑"] = paired(rows, EXCESS, k)
    fill = rows[rows["metric"] == EXCESS]["fill"].iloc[0]
    measures["|ODD| ↓"] = paired(rows, "odd_abs", k, fill)
    return measures


def budget_curve(rows: pd.DataFrame, k: float, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Means of `faithfulness` along the passes a map took, for charts.interval_lines: a line a method and its options
    other than what sets the passes, BUDGETS."""
    passes = paired(rows, "passes").mean()
    curves = []
    for panel, table in faithfulness(rows, k).items():
        curve = means(table, level, seed)
        lines = [_line(text) for text in curve["method"]]
        curves.append(curve.assign(panel=panel, line=lines, passes=passes[curve["method"]].to_numpy()))
    return pd.concat(curves).sort_values("passes", kind="stable")


def _line(text: str) -> str:
    method = method_key(text)
    others = {option: value for option, value in method.options.items() if option not in BUDGETS}
    return make_key(method.name, others).text


def reach(rows: pd.DataFrame, k: float, to: str, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """`faithfulness` of every method as a share of that of the method `to`, with the passes of each."""
    passes = paired(rows, "passes").mean()
    shares = [
        relative(table, to, level, seed).assign(panel=panel, passes=passes[table.columns].to_numpy())
        for panel, table in faithfulness(rows, k).items()
    ]
    return pd.concat(shares)[["panel", "method", "passes", "share", "low", "high", "n"]]


def budget_reach(settings: Settings, runs: Runs) -> pd.DataFrame:
    """`reach` of every budget and grid, as a share of the fixed map at the run's own grid."""
    fixed = f"ria(grid={settings.run.grid})"
    return reach(runs.rows["budget"], settings.k, fixed, settings.level, settings.seed)


def strategy_reach(settings: Settings, runs: Runs) -> pd.DataFrame:
    """`reach` of every way of adapting at one budget, as a share of the first."""
    return reach(runs.rows["strategies"], settings.k, STRATEGIES[0], settings.level, settings.seed)


def thin_values(runs: Runs) -> dict[str, pd.DataFrame]:
    """Each metric of ON_THIN on thin targets, images as rows and methods as columns."""
    return {metric: by_image(runs.rows["thin"], metric) for metric in ON_THIN}


def thin_comparisons(settings: Settings, runs: Runs) -> pd.DataFrame:
    """The adaptive map against the fixed one at equal budgets on thin targets, under each metric of ON_THIN."""
    adaptive, fixed, _ = thin_methods(settings)
    rows = [
        compare(table, [(adaptive, fixed)], metric, settings.level, settings.seed)
        for metric, table in thin_values(runs).items()
    ]
    return pd.concat(rows)


def stability_comparisons(settings: Settings, runs: Runs) -> pd.DataFrame:
    """Stability of maps on the coarse grid minus that of maps on the run's own, a row a method."""
    fine, coarse = (by_image(runs.rows[name], "stability") for name in ("stability", "stability_coarse"))
    rows = [
        compare(
            pd.DataFrame({method: coarse[method], "fine": fine[method]}),
            [(method, "fine")],
            "stability",
            settings.level,
            settings.seed,
        )
        for method in AGAIN
    ]
    return pd.concat(rows)


def stability_table(settings: Settings, runs: Runs) -> pd.DataFrame:
    """What a coarser grid does to a method's stability, and the passes that both take for it."""
    fine, coarse = settings.run.grid, settings.coarse
    rows = [
        {
            "method": load_method(row.method).label,
            "n": row.n,
            f"stability at {coarse}² less at {fine}²": tables.interval(row.difference, row.low, row.high),
            f"passes at {fine}²": len(PERTURBATIONS) * (fine**2 + 1),
            f"passes at {coarse}²": (len(PERTURBATIONS) + 1) * (coarse**2 + 1),
        }
        for row in stability_comparisons(settings, runs).itertuples()
    ]
    return pd.DataFrame(rows).set_index("method").rename_axis(None)


def budget_lines(settings: Settings, runs: Runs) -> Figure:
    """What the adaptive and the fixed map earn over the passes that they took."""
    curve = budget_curve(runs.rows["budget"], settings.k, settings.level, settings.seed)
    return charts.interval_lines(curve, "passes", log=True)


def budget_table(settings: Settings, runs: Runs) -> pd.DataFrame:
    """The share of the fixed map's value that each budget and grid reaches."""
    return tables.intervals(budget_reach(settings, runs), "method", "panel", "share", 2)


def strategy_table(settings: Settings, runs: Runs) -> pd.DataFrame:
    """The share of the adaptive map's value that each way of adapting reaches."""
    return tables.intervals(strategy_reach(settings, runs), "method", "panel", "share", 2)


def thin_table(settings: Settings, runs: Runs) -> pd.DataFrame:
    """The adaptive map minus the fixed one on thin targets, a row a metric."""
    return comparisons(thin_comparisons(settings, runs)).droplevel(1)


def facts(settings: Settings, runs: Runs) -> Mapping[str, Any]:
    """What the adaptive map reaches at the run's budget, and what its cells earn with random drops.

    Numbered are the measures of `faithfulness`, in their order.
    """
    run, shares = settings.run, budget_reach(settings, runs)
    fixed = shares[shares["method"] == f"ria(grid={run.grid})"]
    quoted: dict[str, Any] = {
        "budget": run.budget,
        "least_cell": SMALLEST,
        "coarse": settings.coarse,
        "own_grid": run.grid,
        "fixed_passes": int(fixed["passes"].max()),
        "thin_n": int(thin_comparisons(settings, runs)["n"].min()),
    }
    adaptive = shares[shares["method"] == f"adaptive_ria(budget={run.budget})"]
    for place, (share, low) in enumerate(adaptive[["share", "low"]].to_numpy()):
        quoted[f"reach_{place}"] = f"{share:.1%}"
        quoted[f"reach_low_{place}"] = "–" if pd.isna(low) else f"{low:.1%}"
    ways = strategy_reach(settings, runs)
    for place, row in enumerate(ways[ways["method"] == LAYOUT].itertuples()):
        ends = f"n = {row.n}" if pd.isna(row.low) else f"{row.low:.0%}, {row.high:.0%}"
        quoted[f"layout_{place}"] = f"{row.share:.0%} [{ends}]"
    thin, on_thin = thin_methods(settings), thin_values(runs)
    for metric in ("tdd", EXCESS):
        beside = compare(on_thin[metric], [(thin[0], thin[2])], metric, settings.level, settings.seed)
        difference, low, high, n = beside[["difference", "low", "high", "n"]].to_numpy()[0]
        quoted[f"thin_{metric}"] = tables.interval(difference, low, high, n=n)
    return quoted
