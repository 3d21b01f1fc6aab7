"""What the page opens with: photographs under a real classifier, shallow, deep, refined. No truth of them is known."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from segattr_lib.report.photographs import photo_gallery, values_table
from segattr_lib.sections.refinecam.maps import layer_maps
from segattr_lib.sections.refinecam.runs import DEEPEST, PLACES, REFINED, SHALLOWEST, Runs
from segattr_lib.sections.refinecam.settings import Settings


def facts(page: Settings, runs: Runs) -> dict[str, Any]:
    """What the page quotes of its photographs."""
    arcc = runs.photo_values["arcc"].unstack("key")  # noqa: PD010 - a level of the index
    road = runs.photo_values["road"].groupby("key").mean()
    return {
        "photo_model": page.photo_model,
        "photo_said": runs.photographs.said,
        "photo_credit": runs.photographs.credit,
        "photos": len(arcc),
        "photo_up_shallowest": int((arcc[REFINED] > arcc[SHALLOWEST]).sum()),
        "photo_up_deepest": int((arcc[REFINED] > arcc[DEEPEST]).sum()),
        **{f"photo_road_{place}": f"{road[place]:.2f}" for place in PLACES},
    }


def photo_ends(page: Settings, runs: Runs) -> Figure:
    """Every photograph with the swept CAM's map at the shallowest and at the deepest stage, and refined."""
    maps = [list(of_layer) for of_layer in layer_maps(runs.photographs.group, page.swept).values()]
    return photo_gallery(runs.photographs, dict(zip(PLACES, (maps[0], maps[-2], maps[-1]), strict=True)))


def photo_table(runs: Runs) -> pd.DataFrame:
    """ARCC and what it is made of of each of these maps, as text."""
    return values_table(runs.photo_values, {place: place for place in PLACES})
