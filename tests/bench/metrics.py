"""What is asked of a map: ours for all images at once, beside a plain loop or grad-cam's own metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytorch_grad_cam
import torch
from pytorch_grad_cam.metrics.arcc import ARCC, Coherency
from pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence
from pytorch_grad_cam.metrics.road import NoisyLinearImputer, ROADCombined
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from torch import Tensor

from segattr_lib.attribution.cam import gpa, gradcam
from segattr_lib.evaluate import model_score
from segattr_lib.metrics import deletion, stability
from segattr_lib.metrics.composite import arcc, average_drop, coherency, complexity
from segattr_lib.metrics.null import border_length
from segattr_lib.metrics.road import FRACTIONS, removals, road
from segattr_lib.models.state import prediction
from segattr_lib.perturbation import bind_fill, perturb, top_fraction
from segattr_lib.registry import PERTURBATIONS
from segattr_lib.targets import EPS, Target, bind

from . import peers
from .subjects import Subject
from .timing import Case, Peer, furthest

K, STRENGTH = 0.2, 0.03
PERCENTILES = [round(100 * fraction) for fraction in FRACTIONS]


def region_maps(subject: Subject) -> Tensor:
    return gpa(subject.score, subject.images, subject.target, layer=subject.layer, scalar="logit").detach()


def deletions(subject: Subject) -> list[Case]:
    """TDD, ODD and insertion, beside a loop of two or three passes an image."""
    maps = region_maps(subject)

    def together(metric: Callable[..., Tensor]) -> Tensor:
        base = model_score(subject.score, subject.images)
        fill = bind_fill("mean", subject.images)
        return metric(subject.score, subject.images, maps, subject.target, k=K, fill=fill, base=base)

    def loop(name: str) -> Tensor:
        values = []
        for place, (image, relevance) in enumerate(zip(subject.plain, maps, strict=True)):
            assert subject.target.mask is not None
            score, region = peers.region_score(subject, place), subject.target.mask[place]
            region = ~region if name == "odd" else region
            count = max(1, int(K * int(region.sum()) + 0.5))
            order = relevance[region].argsort(descending=True, stable=True)
            chosen = region.nonzero()[order[:count]]
            y, x = chosen[:, 0], chosen[:, 1]
            blank = image.mean((1, 2), keepdim=True).expand_as(image).clone()
            changed = blank.clone() if name == "insertion" else image.clone()
            changed[:, y, x] = (image if name == "insertion" else blank)[:, y, x]
            with torch.inference_mode():
                base, after = score(image[None]), score(changed[None])
                gain = after - score(blank[None]) if name == "insertion" else base - after
            values.append(gain / (base.abs() + EPS))
        return torch.cat(values)

    def in_scores(first: Tensor, second: Tensor) -> float:
        """The largest difference of the scores: a drop relative to a score near 0 would show it many times larger."""
        base = model_score(subject.score, subject.images).cpu()
        return furthest(first.cpu() * base, second.cpu() * base)

    kinds = {"tdd": deletion.tdd, "odd": deletion.odd, "insertion": deletion.insertion}
    return [
        Case(
            name,
            f"the top {K:.0%} of the {'outside' if name == 'odd' else 'region'}",
            partial(together, metric),
            {"a loop over images": Peer("torch", [partial(loop, name)], in_scores)},
        )
        for name, metric in kinds.items()
    ]


def stability_of_gpa(subject: Subject) -> list[Case]:
    """GPA again of five perturbed copies; the same copies for both."""
    maps = region_maps(subject)
    theirs = peers.grad_cam(pytorch_grad_cam.GradCAM, subject, subject.layer)()

    def again(images: Tensor, target: Target, _: str) -> Tensor:
        return gpa(bind(subject.module, target), images, target, layer=subject.layer, scalar="logit").detach()

    def ours() -> Tensor:
        kinds = [
            stability.stability_under(kind)(
                subject.score,
                subject.images,
                maps,
                subject.target,
                explain=again,
                strength=STRENGTH,
                draws=subject.draws.on(kind),
            )
            for kind in PERTURBATIONS
        ]
        return stability.mean_stability(*kinds)

    def loop() -> Tensor:
        values = []
        for kind in PERTURBATIONS:
            changed = perturb(subject.plain, kind, STRENGTH, subject.draws.on(kind))
            flipped = kind == "flip"
            assert subject.target.mask is not None
            masks = subject.target.mask.flip(2) if flipped else subject.target.mask
            copies = [
                peers.grad_cam(pytorch_grad_cam.GradCAM, seen(subject, changed, masks, place), subject.layer)()
                for place in range(len(changed))
            ]
            maps_again = torch.cat(copies).flip(2) if flipped else torch.cat(copies)
            pairs = zip(theirs, maps_again, strict=True)
            values.append(
                torch.stack([torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1] for a, b in pairs])
            )
        return torch.stack(values).mean(0)

    name = "stability"
    return [Case(name, "five perturbed copies explained again", ours, {"GradCAM": Peer("grad-cam", [loop], furthest)})]


def seen(subject: Subject, images: Tensor, masks: Tensor, place: int) -> Subject:
    """A subject of this image alone, as changed, for the packages' use."""
    target = Target(subject.target.class_id[[place]], masks[[place]])
    return replace(subject, images=images[[place]], target=target, ids=[subject.ids[place]])


def chance(subject: Subject) -> list[Case]:
    """What blind selections earn: no package has it, so the bound alone stands beside it."""
    maps = region_maps(subject)
    assert subject.target.mask is not None
    selected = top_fraction(maps, subject.target.mask, K).pixels

    def ours() -> Tensor:
        base = model_score(subject.score, subject.images)
        null = deletion.bind_null(subject.score, subject.images, subject.target, base, subject.draws)
        return null("tdd", K, bind_fill("mean", subject.images), border_length(selected))

    return [Case("chance_tdd", "86 blind selections of the region", ours)]


def wanted(subject: Subject) -> list[ClassifierOutputSoftmaxTarget]:
    return [ClassifierOutputSoftmaxTarget(class_id) for class_id in subject.class_ids]


def class_maps(subject: Subject) -> Tensor:
    return gradcam(subject.score, subject.images, subject.target, layer=subject.layers[-1]).detach()


def drop(subject: Subject) -> list[Case]:
    """Average Drop, beside grad-cam's drop in confidence, which is the same before it is divided by the score."""
    maps = class_maps(subject)
    numpy_maps = maps.cpu().numpy()

    def ours() -> Tensor:
        base = model_score(subject.score, subject.images)
        return average_drop(subject.score, subject.images, maps, subject.target, base=base)

    def theirs() -> Tensor:
        return torch.from_numpy(DropInConfidence()(subject.plain, numpy_maps, wanted(subject), subject.peer))

    def apart(values: Tensor, drops: Tensor) -> float:
        base = model_score(subject.score, subject.images).cpu()
        return furthest(values.cpu() * base, drops)

    package = {"DropInConfidence": Peer("grad-cam", [theirs], apart)}
    return [Case("average_drop", "the image seen through its map", ours, package)]


def road_and_arcc(subject: Subject) -> list[Case]:
    """ROAD and ARCC of Grad-CAM maps, beside grad-cam's; noise is drawn, so ROAD without it is held against a direct
    solution of the same equations."""
    maps, layer = class_maps(subject), subject.layers[-1]
    numpy_maps = maps.cpu().numpy()

    def ours() -> Tensor:
        return road(subject.score, subject.images, maps, subject.target, draws=subject.draws)

    def theirs() -> Tensor:
        halved = ROADCombined(PERCENTILES)(subject.plain, numpy_maps, wanted(subject), subject.peer)
        return torch.from_numpy(2 * np.asarray(halved))

    def apart(*_: Tensor) -> float:
        smooth = road(subject.score, subject.images, maps, subject.target, draws=subject.draws, noise=0.0)
        left = []
        for fraction in FRACTIONS:
            for holes in removals(maps, fraction):
                pairs = zip(subject.plain.cpu(), (~holes).float().cpu(), strict=True)
                solved = torch.stack([NoisyLinearImputer(noise=0.0)(image, kept) for image, kept in pairs])
                with torch.inference_mode():
                    logits = prediction(subject.peer(solved.to(subject.images.device)))
                left.append(logits.softmax(1).gather(1, subject.target.class_id[:, None])[:, 0])
        least, most = torch.stack(left[::2]).mean(0), torch.stack(left[1::2]).mean(0)
        return furthest(smooth, least - most)

    def explain(images: Tensor, target: Target, _: str = "") -> Tensor:
        return gradcam(bind(subject.module, target), images, target, layer=layer).detach()

    def our_coherency() -> Tensor:
        return coherency(subject.score, subject.images, maps, subject.target, explain=explain)

    def our_arcc() -> Tensor:
        simple = complexity(subject.score, subject.images, maps, subject.target)
        return arcc(our_coherency(), simple, ours())

    def their_coherency() -> Tensor:
        with pytorch_grad_cam.GradCAM(subject.peer, [subject.peer.get_submodule(layer)]) as cam:
            return torch.from_numpy(
                Coherency()(subject.plain, numpy_maps, peers.cam_targets(subject), subject.peer, cam)
            )

    def their_arcc() -> Tensor:
        with pytorch_grad_cam.GradCAM(subject.peer, [subject.peer.get_submodule(layer)]) as cam:
            return torch.from_numpy(ARCC(cam)(subject.plain, numpy_maps, wanted(subject), subject.peer))

    return [
        Case("road", "four fractions, both orders", ours, {"ROADCombined": Peer("grad-cam", [theirs], apart)}),
        Case(
            "coherency",
            "the image seen through its map, explained again",
            our_coherency,
            {"Coherency": Peer("grad-cam", [their_coherency], furthest)},
        ),
        Case(
            "arcc",
            "ROAD, coherency and complexity",
            our_arcc,
            {"ARCC": Peer("grad-cam", [their_arcc])},  # of other noise
        ),
    ]
