"""The sliders of three pages, on small photographs: laws of the maps that their frames must keep."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jupytext
import pytest

from segattr_lib.report.photographs import photographed
from segattr_lib.sections import dea_mechanism, refinecam, wsss_sam2
from segattr_lib.sections.dea_mechanism.sliders import ALPHAS, BETAS
from segattr_lib.sections.wsss_sam2.opening import cued_photographs

ROOT = Path(__file__).parent.parent.parent


def parameters(page: str, **changes: Any) -> dict[str, Any]:
    """What the parameters cell of a page says, some of it changed."""
    values: dict[str, Any] = {}
    for cell in jupytext.read(ROOT / "notebooks" / f"{page}.py").cells:
        if "parameters" in cell.metadata.get("tags", []):
            exec(cell.source, {}, values)
    return {**values, **changes}


def frames_of(shown: Any) -> dict[tuple[int, ...], str]:
    """The frames of an output by the places of its sliders."""
    parts = re.split(r'<div data-step="([\d ]+)"(?: hidden)?>', shown.data)[1:]
    return {tuple(map(int, place.split())): frame for place, frame in zip(parts[::2], parts[1::2], strict=True)}


def pictures(frame: str) -> list[str]:
    return re.findall(r'src="([^"]+)"', frame)


def test_dea_without_the_gradient_is_one_map_whatever_beta_is() -> None:
    settings = dea_mechanism.read(parameters("dea_mechanism", image_size=65, grid=5))
    frames = frames_of(dea_mechanism.weighed(settings, "motorcycle_left"))
    assert set(frames) == {(alpha, beta) for alpha in range(len(ALPHAS)) for beta in range(len(BETAS))}
    assert len({tuple(pictures(frames[0, beta])) for beta in range(len(BETAS))}) == 1  # RIA
    assert len({pictures(frames[5, beta])[0] for beta in range(len(BETAS))}) == len(BETAS)
    assert len({pictures(frames[alpha, 0])[0] for alpha in range(len(ALPHAS))}) == len(ALPHAS)


def test_refinecam_from_the_deepest_layer_is_the_map_of_that_layer() -> None:
    settings = refinecam.read(parameters("refinecam", image_size=64))
    photographs = photographed(settings.photographs(), ["chelsea", "coffee"])
    for index in (0, 1):
        frames = frames_of(refinecam.along_layers(settings, photographs, index))
        assert len(frames) == 4
        alone, together = pictures(frames[3,])
        assert alone == together
        assert pictures(frames[0,])[0] != pictures(frames[0,])[1]


def test_as_many_points_as_the_page_draws_give_the_pages_own_mask() -> None:
    changes = {"photo_ids": ["coffee"], "photo_methods": ["gradcam", "random"], "image_size": 64}
    given = parameters("wsss_sam2", segmenters=["random_walker"], counts=[1, 5, 6], **changes)
    settings = wsss_sam2.read(given)
    cued = cued_photographs(settings)
    shown = wsss_sam2.along_counts(settings, cued)
    (own,) = cued.pictured["random_walker"]["gradcam"]
    assert own.mask is not None and settings.cueing.foreground == 5
    frames = frames_of(shown)
    assert f"mask: {float(own.mask.float().mean()):.0%} of the picture" in frames[1,]
    assert 'value="1"' in shown.data  # it begins where the page draws
    assert "1 point of either kind" in frames[0,] and len(frames) == 3


@pytest.mark.parametrize("page", ["dea_mechanism", "refinecam", "wsss_sam2"])
def test_the_page_has_its_slider_once(page: str) -> None:
    source = (ROOT / "notebooks" / f"{page}.py").read_text(encoding="utf-8")
    name = {"dea_mechanism": "weighed", "refinecam": "along_layers", "wsss_sam2": "along_counts"}[page]
    assert source.count(f"page.{name}(") == 1
