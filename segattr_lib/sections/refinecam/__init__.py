"""The page on RefineCAM: what it is told, what it runs, what it quotes, its tables and its figures."""

from __future__ import annotations

from typing import Any

from segattr_lib.report.classifiers import accuracies_text
from segattr_lib.report.labels import method_label
from segattr_lib.sections.refinecam import choices, lift, opening, segmentation, shortcut
from segattr_lib.sections.refinecam.choices import fusion_plot, fusion_table, start_curves
from segattr_lib.sections.refinecam.claims import CLAIMS, WORDS, claims_table, verdicts
from segattr_lib.sections.refinecam.lift import (
    arcc_table,
    coverage_table,
    leaders_table,
    lift_plot,
    lift_table,
    parts_table,
)
from segattr_lib.sections.refinecam.looks import ends_gallery, gains_of, median_image, taken_apart
from segattr_lib.sections.refinecam.opening import photo_ends, photo_table
from segattr_lib.sections.refinecam.runs import Runs, run
from segattr_lib.sections.refinecam.segmentation import region_plot, region_table
from segattr_lib.sections.refinecam.settings import Settings, read
from segattr_lib.sections.refinecam.shortcut import shortcut_table
from segattr_lib.sections.refinecam.sliders import along_layers

__all__ = [
    "CLAIMS",
    "Runs",
    "Settings",
    "along_layers",
    "arcc_table",
    "claims_table",
    "coverage_table",
    "ends_gallery",
    "facts",
    "fusion_plot",
    "fusion_table",
    "leaders_table",
    "lift_plot",
    "lift_table",
    "parts_table",
    "photo_ends",
    "photo_table",
    "read",
    "region_plot",
    "region_table",
    "run",
    "shortcut_table",
    "start_curves",
    "taken_apart",
]


def facts(page: Settings, runs: Runs) -> dict[str, Any]:
    """All that the page's prose quotes, as it is printed."""
    refined = runs.ends[(runs.ends["metric"] == "arcc") & (runs.ends["method"] == "refinecam")]
    known = "cosine" in runs.metrics
    verdict = verdicts(page, runs)
    return {
        "dataset": page.run.dataset,
        "n": len(runs.images),
        "models": len(page.run.model),
        "cams": len(page.bases),
        "level": f"{page.level:.0%}",
        "accuracy": accuracies_text(runs.answers, page.level),
        "vanished": int((refined["status"] == "undefined").sum()),
        "composites": len(refined),
        "truth": "the truth is known" if known else "no truth is known, and columns that need it are left out",
        "swept": method_label(page.swept),
        "median": median_image(gains_of(page, runs)),
        "shown_model": page.run.model[0],
        "lifts": WORDS[verdict["refinement_lifts_arcc"]],
        "multiplies": WORDS[verdict["product_beats_means"]],
        **opening.facts(page, runs),
        **lift.facts(page, runs),
        **choices.facts(page, runs),
        **shortcut.facts(page, runs),
        **segmentation.facts(page, runs),
    }
