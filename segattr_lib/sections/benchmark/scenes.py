"""The first table once more, on generated scenes: beside that of the main run, never pooled with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd
from scipy import stats

from segattr_lib.attribution import method_key
from segattr_lib.benchmark.settings import Settings
from segattr_lib.data.regions import FREQUENT
from segattr_lib.evidence.basis import Basis
from segattr_lib.report.labels import key_label
from segattr_lib.sections.benchmark.tables import TABLED, wide


@dataclass(frozen=True)
class Scenes:
    """The run on generated scenes. rows, per_run, above_chance, basis: as those of Runs."""

    rows: pd.DataFrame
    per_run: pd.DataFrame
    above_chance: pd.DataFrame
    basis: Basis


def settings_of(run: Settings, dataset: str, models: Sequence[str], samples: int | None) -> Settings:
    """The main run's settings on generated scenes, whose truth is known: of its metrics those of the first table, under
    its first seed and k, and on no more samples than it has. Raises UserError as read_settings does."""
    fewest = [number for number in (samples, run.samples) if number is not None]
    return run.changed(
        {
            "dataset": dataset,
            "model": list(models),
            "samples": min(fewest, default=None),
            "order": "shuffled",
            "metrics": [key.text for key in run.metrics if key.name in TABLED],
            "k": run.k[:1],
            "seed": run.seed[:1],
            "target": FREQUENT,
            **dict.fromkeys(("root", "split", "backgrounds", "class_map", "region", "layer", "layers")),
        }
    )


def order_facts(runs: pd.DataFrame, scenes: pd.DataFrame) -> dict[str, Any]:
    """How far two benchmarks order the same maps alike by mean TDD; both are run-level rows.

    order_tau: Kendall's tau over all maps that both have; order_n: how many. order_methods: how many of them are no
    controls; order_swapped: which two of these stand the other way round.
    """
    means = pd.DataFrame({"runs": wide(runs, ["tdd"])["tdd"], "scenes": wide(scenes, ["tdd"])["tdd"]}).dropna()
    tau = stats.kendalltau(means["runs"], means["scenes"]).statistic
    methods = [key for key in means.index if method_key(key).entry.family != "control"]
    swapped = [
        f"{key_label(one)} and {key_label(other)}"
        for one, other in combinations(methods, 2)
        if ((means.loc[one] - means.loc[other]).prod()) < 0
    ]
    return {
        "order_tau": "–" if pd.isna(tau) else f"{tau:.2f}",
        "order_n": len(means),
        "order_methods": len(methods),
        "order_swapped": ", ".join(swapped) or "none",
    }


def images_of(rows: pd.DataFrame) -> int:
    """How many different images have a model's score, in one run at least."""
    return int(rows[rows["metric"] == "score"]["sample_id"].nunique())
