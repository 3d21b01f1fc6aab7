"""How much of its coherency does RefineCAM earn by keeping maps it should have recomputed?"""

from __future__ import annotations

from typing import Any

import pandas as pd

from segattr_lib.inference.intervals import means
from segattr_lib.report import tables
from segattr_lib.report.labels import method_label
from segattr_lib.sections.refinecam.runs import Runs
from segattr_lib.sections.refinecam.settings import Settings

NAMES = {
    "coherency": "Coherency, whole",
    "coherency_kept": "deep maps kept",
    "arcc": "ARCC, whole",
    "arcc_kept": "ARCC, kept",
}


def facts(page: Settings, runs: Runs) -> dict[str, Any]:
    """What the page quotes of the shortcut."""
    gained = means(gained_by_image(runs).mean(axis=1).to_frame("all"), page.level, page.seed).iloc[0]
    coherency = runs.shortcuts["coherency_kept"] - runs.shortcuts["coherency"]
    return {
        "flattered": tables.interval(gained["mean"], gained["low"], gained["high"], n=float(gained["n"])),
        "flattered_coherency": f"{coherency.mean():+.3f}",
    }


def gained_by_image(runs: Runs) -> pd.DataFrame:
    """What the kept maps add to RefineCAM's ARCC, mean over the models: images as rows, bases as columns."""
    gained = (runs.shortcuts["arcc_kept"] - runs.shortcuts["arcc"]).rename("gained").reset_index()
    return gained.pivot_table(index="sample_id", columns="base", values="gained", sort=False)


def shortcut_table(page: Settings, runs: Runs) -> pd.DataFrame:
    """Coherency and ARCC whole and with the deep maps kept, by CAM, and ARCC's paired difference, as text."""
    table = runs.shortcuts.groupby("base", sort=False).mean().map(tables.number)
    gained = means(gained_by_image(runs), page.level, page.seed).set_index("method").loc[table.index]
    ends = gained[["mean", "low", "high", "n"]].to_numpy(float)
    table["ARCC, kept − whole"] = [tables.interval(mean, low, high, n=n) for mean, low, high, n in ends]
    return table.rename(index=method_label, columns=NAMES).rename_axis(index=None, columns=None)
