"""Run-level rows made by hand: of variants of methods, and of a run under two fills."""

from __future__ import annotations

import numpy as np
import pandas as pd


def run_rows(values: dict[tuple[str, str], tuple[float, ...]], metric: str = "tdd", fill: str | None = "mean"):
    """Run-level rows of one metric: by method and variant the mean of each run; the median is the mean plus 1."""
    about = {"dataset": "d", "model": "m", "seed": 0, "metric": metric, "k": 0.2 if fill else np.nan, "fill": fill}
    rows = [
        {"run_id": f"run {run}", **about, "method": method, "variant": variant, "mean": mean, "median": mean + 1}
        for (method, variant), means in values.items()
        for run, mean in enumerate(means)
    ]
    counts = dict.fromkeys(("count", "count_robust"), 3) | dict.fromkeys(("degenerate", "undefined"), 0)
    table = pd.DataFrame(rows).assign(**counts)
    return table.assign(
        mean_robust=table["mean"] - 0.01, mean_nondegenerate=table["mean"], mean_untied=table["mean"], count_untied=3
    )


TDD = {
    ("ria", "grid=2"): (0.9, 0.7),
    ("ria", ""): (0.5, 0.6),
    ("ega", ""): (0.4, 0.4),
    ("dea", "alpha=1.0, beta=0.0"): (0.1, 0.1),
    ("dea", ""): (0.45, 0.3),
}
PASSES = {pair: (5.0, 5.0) if pair[1] == "grid=2" else (17.0, 17.0) for pair in TDD}
KEYS = ["ria(grid=2)", "ria", "ega", "dea(alpha=1.0, beta=0.0)", "dea"]


def runs() -> pd.DataFrame:
    return pd.concat([run_rows(TDD), run_rows(PASSES, "passes", None)], ignore_index=True)


FILLS = {
    "mean": {("ega", ""): (0.4, 0.4), ("ria", "fill=mean"): (0.6, 0.5), ("dea", "fill=mean"): (0.5, 0.3)},
    "blur": {("ega", ""): (0.2, 0.2), ("ria", "fill=blur"): (0.1, 0.1), ("dea", "fill=blur"): (0.3, 0.3)},
}
STABILITY = {
    ("ega", ""): (0.9, 0.9),
    ("ria", "fill=mean"): (0.7, 0.7),
    ("ria", "fill=blur"): (0.95, 0.95),
    ("dea", "fill=mean"): (0.8, 0.8),
    ("dea", "fill=blur"): (0.5, 0.5),
}


def filled() -> pd.DataFrame:
    """A run under two fills, each judging the maps that it made."""
    parts = [run_rows(values, fill=fill) for fill, values in FILLS.items()]
    return pd.concat([*parts, run_rows(STABILITY, "stability", None)], ignore_index=True)
