"""What a map costs, and what is lost by paying less: budgets of passes, and half precision."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch

from segattr_lib.attribution import method_key
from segattr_lib.attribution.intervention import ria
from segattr_lib.benchmark.group import Group
from segattr_lib.evaluate import prepare, synchronised_clock
from segattr_lib.inference.intervals import means, studentised_interval
from segattr_lib.inference.paired import paired
from segattr_lib.metrics.deletion import tdd
from segattr_lib.metrics.stability import pearson
from segattr_lib.perturbation import bind_fill
from segattr_lib.registry import make_key

EXCESS = "excess_tdd"
BUDGETS = ("budget", "grid")  # the options that decide how many passes a map of interventions takes
LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}


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
    fills = list(dict.fromkeys(rows[rows["metric"] == "tdd"]["fill"]))
    every_k = sorted(set(rows[rows["metric"] == "tdd"]["k"]))
    found = {f"TDD, {fill} ↑": sum(paired(rows, "tdd", one, fill) for one in every_k) / len(every_k) for fill in fills}
    excess = paired(rows, EXCESS, k)
    fill = rows[rows["metric"] == EXCESS]["fill"].iloc[0]
    return found | {
        "excess TDD ↑": excess,
        "|ODD| ↓": paired(rows, "odd_abs", k, fill),
    }


def budget_curve(rows: pd.DataFrame, k: float, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Means of `faithfulness` along the passes a map took, for figures.interval_lines: a line a method and its options
    other than what sets the passes, BUDGETS."""
    passes = paired(rows, "passes").mean()
    curves = []
    for panel, table in faithfulness(rows, k).items():
        found = means(table, level, seed)
        lines = [_line(key) for key in found["method"]]
        curves.append(found.assign(panel=panel, line=lines, passes=passes[found["method"]].to_numpy()))
    return pd.concat(curves).sort_values("passes", kind="stable")


def _line(key: str) -> str:
    method = method_key(key)
    others = {option: value for option, value in method.options.items() if option not in BUDGETS}
    return make_key(method.name, others).text


def reach(rows: pd.DataFrame, k: float, to: str, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """`faithfulness` of every method as a share of that of the method `to`, with the passes of each."""
    passes = paired(rows, "passes").mean()
    tables = [
        relative(table, to, level, seed).assign(panel=panel, passes=passes[table.columns].to_numpy())
        for panel, table in faithfulness(rows, k).items()
    ]
    return pd.concat(tables)[["panel", "method", "passes", "share", "low", "high", "n"]]


def precisions(group: Group, names: Sequence[str], grid: int, fill: str, k: float) -> pd.DataFrame:
    """RIA under each precision and memory format: what it saves, and what it changes.

    One row a precision and format, at the precision's fastest batch: batch, layout, seconds an image, pearson of
    the maps with those of the first row, tdd and largest, the mean TDD and the largest change of an image's TDD.
    TDD is measured in the run's own precision.
    """
    model, shape = group.score.model, (group.images.shape[2], group.images.shape[3])
    device = str(group.runtime.device)
    bound = bind_fill(fill, group.images, group.draws, group.others)
    rows, first = [], None
    for name in names:
        batch = prepare(model, shape, device, name).batch_size
        for layout, memory_format in LAYOUTS.items():
            runtime = prepare(model, shape, device, name, batch, memory_format)
            began = synchronised_clock(runtime.device)
            maps = ria(
                group.score, group.images, group.target, grid=grid, fill=fill, draws=group.draws, others=group.others
            )
            seconds = (synchronised_clock(runtime.device) - began) / len(group.samples)
            prepare(model, shape, device, group.run.precision, group.run.batch_size)
            values = tdd(group.score, group.images, maps, group.target, k=k, fill=bound, base=group.base)
            first = first or (maps, values)
            change = {
                "pearson": float(pearson(first[0], maps).nanmean()),
                "tdd": float(values.mean()),
                "largest": float((values - first[1]).abs().max()),
            }
            rows.append({"precision": name, "layout": layout, "batch": batch, "seconds": seconds, **change})
    return pd.DataFrame(rows)


def chosen_precision(rows: pd.DataFrame, tolerance: float) -> pd.Series:
    """The fastest row whose mean TDD differs from the first row's by no more than the tolerance."""
    near = rows[(rows["tdd"] - rows["tdd"].iloc[0]).abs() <= tolerance]
    return near.loc[near["seconds"].idxmin()]
