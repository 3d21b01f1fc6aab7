"""What does a map earn that knows nothing of the model, and which methods stand above that?"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from segattr_lib.inference.chance import VERDICTS, above_chance
from segattr_lib.inference.comparison import HOLDS
from segattr_lib.inference.intervals import means
from segattr_lib.inference.max_t import all_pairs
from segattr_lib.inference.paired import paired
from segattr_lib.report import charts, tables
from segattr_lib.report.labels import fill_label, key_label, metric_label
from segattr_lib.sections.beyond_dea.runs import Runs, by_image
from segattr_lib.sections.beyond_dea.settings import Settings
from segattr_lib.sections.beyond_dea.significance import judged

BORDER = "border, px a selected pixel"
NOISE = "TDD of noise ↑"


def noise_curve(rows: pd.DataFrame, k: float, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """TDD of noise along how ragged its selections are, a line a fill, for charts.interval_lines.

    rows: of a run of "random_cells(grid=...)" under several evaluation fills, with the metrics tdd and border; a
    variant stands at its mean border length a selected pixel.
    """
    ragged = paired(rows, "border", k).mean()
    curves = []
    for fill in list(dict.fromkeys(rows[rows["metric"] == "tdd"]["fill"])):
        table = paired(rows, "tdd", k, fill)
        table.columns = [ragged[name] for name in table]
        curves.append(means(table, level, seed).rename(columns={"method": BORDER}).assign(line=fill_label(fill)))
    return pd.concat(curves).assign(panel=NOISE).sort_values(BORDER, kind="stable")


def method_points(settings: Settings, rows: pd.DataFrame) -> pd.DataFrame:
    """Each method of the main run at its own mean border length and TDD, as marks of charts.interval_lines."""
    border = by_image(rows, "border", settings.k).mean()
    earned = judged(settings, rows)["tdd"].mean().reindex(border.index)
    names = [key_label(name) for name in border.index]
    return pd.DataFrame({"panel": NOISE, "name": names, BORDER: border.to_numpy(), "mean": earned.to_numpy()})


def noise_lines(settings: Settings, runs: Runs) -> Figure:
    """The TDD of noise over the border length of its selections, a line a fill, with the methods as points."""
    curve = noise_curve(runs.rows["noise"], settings.k, settings.level, settings.seed)
    return charts.interval_lines(curve, BORDER, method_points(settings, runs.rows["main"]), log=True)


def ranking_dots(settings: Settings, runs: Runs) -> Figure:
    """Mean TDD and mean excess TDD of every method, in the order of TDD."""
    panels = [
        means(table, settings.level, settings.seed).assign(panel=metric_label(metric))
        for metric, table in judged(settings, runs.rows["main"]).items()
    ]
    return charts.interval_dots(pd.concat(panels))


def chance(settings: Settings, rows: pd.DataFrame) -> pd.DataFrame:
    """Is each method of the main run above every control? See inference.chance.above_chance."""
    return above_chance(rows, settings.k, settings.fill, settings.level, settings.seed)


def chance_table(runs: Runs) -> pd.DataFrame:
    """Each method beside the control that comes closest to it."""
    return tables.chance(runs.chance)


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """What noise earns, how the two rankings differ, and how many methods stand above chance."""
    curve = noise_curve(runs.rows["noise"], settings.k, settings.level, settings.seed)
    values = judged(settings, runs.rows["main"])
    ranks = {metric: table.mean().rank(ascending=False) for metric, table in values.items()}
    agreement = ranks["tdd"].corr(ranks["excess_tdd"], method="spearman")
    quoted: dict[str, Any] = {
        "noise_most": f"{curve['mean'].max():.2f}",
        "noise_least": f"{curve['mean'].min():.2f}",
        "rank_agreement": f"{agreement:.2f}",
        "above_chance": int((runs.chance["verdict"] == VERDICTS[True]).sum()),
        "of_chance": len(runs.chance),
    }
    for metric, table in values.items():
        quoted[f"first_{metric}"] = _first(table, settings)
        quoted[f"random_{metric}"] = int(ranks[metric].get("random", 0))
    return quoted


def _first(table: pd.DataFrame, settings: Settings) -> str:
    """The method of the highest mean, and whether the images tell it from every other."""
    pairs = all_pairs(table, seed=settings.seed)
    name = key_label(pairs.highest)
    apart = pairs.verdict(pairs.highest, level=settings.level) == HOLDS
    return name if apart else f"{name} (not told apart from every other)"
