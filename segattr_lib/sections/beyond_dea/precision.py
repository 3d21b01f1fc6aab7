"""What does half precision save, and what does it change?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch

from segattr_lib.attribution.intervention import ria
from segattr_lib.benchmark.group import Group
from segattr_lib.metrics.deletion import tdd
from segattr_lib.metrics.stability import pearson
from segattr_lib.models.runtime import prepare, synchronised_clock
from segattr_lib.perturbation import bind_fill
from segattr_lib.sections.beyond_dea.runs import Runs
from segattr_lib.sections.beyond_dea.settings import Settings

LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}
COLUMNS = {  # as the page calls them
    "batch": "images at once",
    "seconds": "seconds an image ↓",
    "pearson": "Pearson of the maps with the first's",
    "tdd": "mean TDD",
    "largest": "largest change of TDD",
}


def precisions(group: Group, names: Sequence[str], grid: int, fill: str, k: float) -> pd.DataFrame:
    """RIA under each precision and memory format: what it saves, and what it changes.

    One row a precision and format, at the run's batch, or where it names none at the precision's fastest: batch,
    layout, seconds an image, pearson of the maps with those of the first row, tdd and largest, the mean TDD and the
    largest change of an image's TDD. TDD is measured in the run's own precision.
    """
    model, shape = group.score.model, (group.images.shape[2], group.images.shape[3])
    device = str(group.runtime.device)
    bound = bind_fill(fill, group.images, group.draws, group.others)
    rows, first = [], None
    for name in names:
        batch = prepare(model, shape, device, name, group.run.batch_size).batch_size
        for layout, memory_format in LAYOUTS.items():
            runtime = prepare(model, shape, device, name, batch, memory_format)
            began = synchronised_clock(runtime.device)
            maps = ria(
                group.score, group.images, group.target, grid=grid, fill=fill, draws=group.draws, others=group.others
            )
            seconds = (synchronised_clock(runtime.device) - began) / len(group.samples)
            own = group.runtime
            prepare(model, shape, device, own.precision, own.batch_size, own.memory_format, own.engine)
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


def precision_table(runs: Runs) -> pd.DataFrame:
    """What each precision and memory format costs, and how far its maps and their TDD lie from the first row's."""
    shown = runs.precisions.round(4).set_index(["precision", "layout"]).rename_axis([None, None])
    return shown.rename(columns=COLUMNS)


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """Which precision the rule chooses."""
    chosen = chosen_precision(runs.precisions, settings.tolerance)
    return {"tolerance": settings.tolerance, "chosen": f"{chosen['precision']}, {chosen['layout']}"}
