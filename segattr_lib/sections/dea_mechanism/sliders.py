"""DEA's map of one photograph under sliders of alpha and beta."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch

from segattr_lib.attribution.fusion import dual_evidence
from segattr_lib.benchmark.runner import group_of
from segattr_lib.metrics.deletion import tdd
from segattr_lib.perturbation import bind_fill
from segattr_lib.report.panels import figure, outlined, overlay, pixels_of, without_top
from segattr_lib.report.steps import Slider, stepped
from segattr_lib.sections.dea_mechanism.settings import Settings
from segattr_lib.targets import bind

ALPHAS = (0.0, 0.25, 0.5, 0.65, 0.8, 1.0)
BETAS = (0.0, 0.35, 1.0)
WIDTH = 200  # px of a picture


def weighed(settings: Settings, sample_id: str) -> Any:
    """The photograph's DEA map at every alpha and beta of a grid, the run's own among them, and the photograph without
    the map's top k: two sliders.

    sample_id: of the pictures that the page opens with. Raises SampleError as group_of does.
    """
    run = settings.opening()
    group = group_of(run, [sample_id])
    assert group.target.mask is not None, "DEA explains segmenters, whose targets have masks"
    k, mask = run.k[0], group.target.mask[0].cpu().numpy()
    gradient, intervention = (group.maps_of(key)[0] for key in run.method_keys()[:2])
    alphas, betas = sorted({*ALPHAS, run.alpha}), sorted({*BETAS, run.beta})
    steps = list(product(range(len(alphas)), range(len(betas))))
    maps = torch.cat(
        [dual_evidence(gradient, intervention, alpha=alphas[place], beta=betas[other]) for place, other in steps]
    )
    target = group.target[torch.zeros(len(steps), dtype=torch.long, device=group.target.class_id.device)]
    images = group.images.expand(len(steps), -1, -1, -1)
    fill = bind_fill(run.evaluation_fills(None)[0], images, group.draws.on("evaluation"), group.others)
    base = group.base.expand(len(steps))
    drops = tdd(bind(group.score.model, target, group.score.scalar), images, maps, target, k=k, fill=fill, base=base)
    deleted = without_top(images, maps, target, k, fill)
    photograph = figure(
        outlined(pixels_of(group.images[0]), mask), f"The photograph {sample_id}", "its target outlined", WIDTH
    )
    frames: dict[tuple[int, ...], str] = {}
    for step, values, drop, left in zip(steps, maps, drops.tolist(), deleted, strict=True):
        setting = f"α {alphas[step[0]]:g}, β {betas[step[1]]:g}"
        alt = f"DEA's map of {sample_id} at {setting}, the target outlined"
        over = figure(overlay(group.images[0], values, mask), alt, f"{setting}: dark 0, light 1", WIDTH)
        gone = f"The photograph without the map's top {k:.0%} of the target"
        frames[step] = over + figure(pixels_of(left), gone, f"without its top {k:.0%}: TDD {drop:.2f}", WIDTH)
    return stepped(
        [
            Slider("α, gradient against intervention", [f"{alpha:g}" for alpha in alphas], alphas.index(run.alpha)),
            Slider("β, what agreement adds", [f"{beta:g}" for beta in betas], betas.index(run.beta)),
        ],
        frames,
        photograph,
    )
