"""The page on RefineCAM: what it is told, what it runs, what it quotes, its tables and its figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from segattr_lib.inference.comparison import CONTRADICTED, HOLDS
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.report.labels import dataset_label, method_label
from segattr_lib.sections.refinecam import choices, claims, lift, opening, segmentation, shortcut
from segattr_lib.sections.refinecam.choices import start_curves
from segattr_lib.sections.refinecam.claims import CLAIMS, WORDS, verdicts
from segattr_lib.sections.refinecam.looks import ends_gallery, gains_of, median_image, taken_apart
from segattr_lib.sections.refinecam.opening import photo_ends, photo_table
from segattr_lib.sections.refinecam.runs import Ends, Runs, run
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

BESIDE = (  # what the page quotes of the images that stand beside those that it is told from
    *("dataset", "n", "models", "basis", "accuracy", "gain_shallowest", "side_shallowest", "up_shallowest"),
    *("above_shallowest", "below_shallowest", "road_shallowest", "road_refined", "led_shallow", "lifts", "multiplies"),
)


def facts(page: Settings, runs: Runs) -> dict[str, Any]:
    """All that the page's prose quotes, as it is printed: of what it is told from, and with `other_` before of what
    stands beside it."""
    first, *others = [_of_ends(*side) for side in _sides(page, runs)]
    other = others[0] if others else dict.fromkeys(BESIDE, "–")
    return {
        **first,
        **{f"other_{name}": other[name] for name in BESIDE},
        "own_dataset": dataset_label(page.run.dataset),
        "apart": _apart(page, runs),
        "truth": "the truth is known" if "cosine" in runs.metrics else "no truth is known",
        "swept": method_label(page.swept),
        "median": median_image(gains_of(page, runs)),
        "shown_model": page.run.model[0],
        **opening.facts(page, runs),
        **choices.facts_of_starts(page, runs),
        **shortcut.facts(page, runs),
        **segmentation.facts(page, runs),
    }


def _of_ends(page: Settings, runs: Ends) -> dict[str, Any]:
    """What the prose quotes of CAMs at the ends of models and of RefineCAM, of one kind of images."""
    refined = runs.ends[(runs.ends["metric"] == "arcc") & (runs.ends["method"] == "refinecam")]
    refined = refined[~refined["variant"].astype(str).str.contains("fuse=")]
    verdict = verdicts(page, runs)
    return {
        "dataset": dataset_label(page.run.dataset),
        "n": len(runs.images),
        "basis": runs.source,
        "models": len(page.run.model),
        "cams": len(page.bases),
        "level": f"{page.level:.0%}",
        "accuracy": runs.accuracy,
        "vanished": int((refined["status"] == "undefined").sum()),
        "composites": len(refined),
        "lifts": WORDS[verdict["refinement_lifts_arcc"]],
        "multiplies": WORDS[verdict["product_beats_means"]],
        **lift.facts(page, runs),
        **choices.facts(page, runs),
    }


def _sides(page: Settings, runs: Runs) -> list[tuple[Settings, Ends]]:
    """Photographs and the page's own images, each with the settings that are theirs: the former first, where there are
    enough of them for an interval."""
    if runs.many is None:
        return [(page, runs)]
    many = (runs.many.page, runs.many)
    return [many, (page, runs)] if len(runs.many.images) >= FEWEST else [(page, runs), many]


def _apart(page: Settings, runs: Runs) -> str:
    """The claims that the two kinds of images decide to the contrary, as text."""
    decided = [verdicts(*side) for side in _sides(page, runs)]
    texts = dict(zip(CLAIMS, claims.claims_table(page, runs).index, strict=True))
    contrary = [texts[name] for name in CLAIMS if {HOLDS, CONTRADICTED} <= {of_side[name] for of_side in decided}]
    return "; ".join(contrary) or "none"


def _stacked(page: Settings, runs: Runs, table_of: Callable[[Settings, Ends], pd.DataFrame]) -> pd.DataFrame:
    """A table of photographs and of the page's own images, one below the other; the latter's alone without the
    former."""
    sides = _sides(page, runs)
    if len(sides) == 1:
        return table_of(*sides[0])
    return pd.concat(
        {f"{dataset_label(own.run.dataset)}, n = {len(of.images)}": table_of(own, of) for own, of in sides}
    )


def _drawn(page: Settings, runs: Runs, beside: bool, figure_of: Callable[[Settings, Ends], Figure]) -> Figure | None:
    """A figure of what the page is told from, or of what stands beside it; nothing where nothing does."""
    sides = _sides(page, runs)
    return None if beside and len(sides) == 1 else figure_of(*sides[beside])


def arcc_table(page: Settings, runs: Runs) -> pd.DataFrame:
    """Mean ARCC by model and CAM at either end and refined: the paper's Table 1."""
    return _stacked(page, runs, lift.arcc_table)


def leaders_table(page: Settings, runs: Runs) -> pd.DataFrame:
    """Which CAM and place has the highest ARCC on each model, and whether that is told apart."""
    return _stacked(page, runs, lift.leaders_table)


def parts_table(page: Settings, runs: Runs) -> pd.DataFrame:
    """What ARCC is made of, and the other metrics, by CAM and place."""
    return _stacked(page, runs, lift.parts_table)


def lift_table(page: Settings, runs: Runs) -> pd.DataFrame:
    """What RefineCAM adds to its base's ARCC by model and end."""
    return _stacked(page, runs, lift.lift_table)


def lift_plot(page: Settings, runs: Runs, beside: bool = False) -> Figure | None:
    """Paired differences in ARCC, RefineCAM minus its base."""
    return _drawn(page, runs, beside, lift.lift_plot)


def fusion_table(page: Settings, runs: Runs) -> pd.DataFrame:
    """ARCC by CAM and fusion, the paper's own beside: its Table 2."""
    return _stacked(page, runs, choices.fusion_table)


def fusion_plot(page: Settings, runs: Runs, beside: bool = False) -> Figure | None:
    """Paired differences in ARCC, the product minus each mean."""
    return _drawn(page, runs, beside, choices.fusion_plot)


def coverage_table(page: Settings, runs: Runs) -> pd.DataFrame:
    """How often each kind of interval holds the truth of differences shaped as this page's own."""
    return _stacked(page, runs, lambda _page, of: lift.coverage_table(of))


def claims_table(page: Settings, runs: Runs) -> pd.DataFrame:
    """What was reproduced and what was not."""
    return _stacked(page, runs, claims.claims_table)
