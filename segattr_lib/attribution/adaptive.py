"""Adaptive region interventions: as few passes as a budget allows, spent where they tell most."""

from __future__ import annotations

import heapq

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from segattr_lib.attribution.maps import normalise, spoilt_by
from segattr_lib.evaluate import occluded_scores
from segattr_lib.models.runtime import running
from segattr_lib.perturbation import Fill, bind_fill, gaussian_blur, occlude
from segattr_lib.seeds import Draws
from segattr_lib.targets import Images, Maps, Score, Target

SMALLEST = 8  # px a side of a cell
SPREAD = 6.0  # px over which the first-order estimate is blurred: less than a cell, more than a gradient's speckle
Cell = tuple[int, int, int, int]  # top, bottom, left, right; half open


def adaptive_ria(
    score: Score,
    images: Images,
    target: Target,
    *,
    budget: int = 49,
    focus: float = 0.6,
    guided: float = 0.0,
    refined: float = 0.0,
    fill: str = "mean",
    draws: Draws | None = None,
    others: Images | None = None,
) -> Maps:
    """RIA on cells that follow the target: fine on it, coarse elsewhere. Ours, after the DEA paper's outlook.

    The image is cut into rectangles of equal weight. The pixels of the target hold the share `focus` of it, the
    first-order estimate of every pixel's drop, `first_order`, the share `guided`, and all pixels alike the rest. Each
    is filled once. `refined` keeps a share of the budget to go on coarse to fine: the cells of the greatest drop are
    cut in two and both halves filled, in a second batched evaluation. At equal budgets neither following the gradient
    nor the drops gained anything that held on other images, so both are 0. A cell's value is its drop per pixel, a
    rise counts as 0; N: maps in [0,1].

    budget: passes an image, s(x) among them and a backward pass as 2, which `guided` takes. Cells of a level are
    disjoint rectangles, at least 8 x 8 px. Raises ValueError for a budget too small for one cell, shares outside
    [0,1] or above 1 together, and as bind_fill does.
    """
    spent = 4 if guided else 1  # before any cell is filled
    if budget <= spent:
        raise ValueError(f"budget is {budget}; expected at least {spent + 1} passes.")
    for name, value in (("focus", focus), ("guided", guided), ("refined", refined), ("focus + guided", focus + guided)):
        if not 0 <= value <= 1 + 1e-9:
            raise ValueError(f"{name} is {value}; expected a share in [0, 1].")
    bound = bind_fill(fill, images, draws, others)
    masks = _masks(target, images)
    estimate = first_order(score, images, bound) if guided else torch.zeros_like(images[:, 0])
    guide = spoilt_by(estimate, estimate).nan_to_num(0)  # cells are laid out even where the map is to be NaN
    guides = list(guide.cpu().numpy())
    weights = [_cumulated(mask, focus, part, guided) for mask, part in zip(masks, guides, strict=True)]
    splits = int(refined * (budget - spent)) // 2
    coarse = [_cut(weight, budget - spent - 2 * splits) for weight in weights]
    base, drops = _drops(score, images, coarse, bound)
    halves = [
        _halves(cells, values, summed, splits) for cells, values, summed in zip(coarse, drops, weights, strict=True)
    ]
    if splits:
        _, finer = _drops(score, images, halves, bound, base)
    else:
        finer = [values[:0] for values in drops]
    maps = torch.zeros_like(images[:, 0])
    _paint(maps, coarse, drops)
    _paint(maps, halves, finer)
    totals = torch.stack([torch.cat(pair).sum() for pair in zip(drops, finer, strict=True)])
    return spoilt_by(normalise(maps), estimate, totals)


def first_order(score: Score, images: Images, fill: Fill) -> Maps:
    """What filling each pixel would take from s(x) were the score linear: the gradient times x - fill.

    Summed over the channels, blurred over 6 px, rises cut to 0. One forward and one backward pass.
    """
    owner = torch.arange(len(images), device=images.device)
    with running(score.model, (images.shape[2], images.shape[3])) as runtime, torch.enable_grad():
        pixels = runtime.place(images).detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(score(pixels, owner).sum(), [pixels])
    filled = occlude(images, torch.ones_like(images[:, 0], dtype=torch.bool), owner, fill)
    estimate = gradient * (images - filled)
    return spoilt_by(gaussian_blur(estimate, SPREAD).sum(1).clamp_min(0), estimate)


def random_adaptive(
    score: Score,
    images: Images,
    target: Target,
    *,
    budget: int = 49,
    focus: float = 0.7,
    draws: Draws,
) -> Maps:
    """Cells that follow the target as those of `adaptive_ria` do, with random drops: what their layout earns alone."""
    layouts = [_cut(_cumulated(mask, focus), budget - 1) for mask in _masks(target, images)]
    rngs = draws.generators("random adaptive")
    drops = [torch.from_numpy(rng.random(len(cells), np.float32)) for rng, cells in zip(rngs, layouts, strict=True)]
    maps = torch.zeros_like(images[:, 0])
    _paint(maps, layouts, drops)
    return normalise(maps)


def _paint(maps: Tensor, layouts: list[list[Cell]], drops: list[Tensor]) -> None:
    """Write each cell's drop per pixel over whatever stood there."""
    for attribution, cells, values in zip(maps, layouts, drops, strict=True):
        for (top, bottom, left, right), drop in zip(cells, values.tolist(), strict=True):
            attribution[top:bottom, left:right] = max(drop, 0) / ((bottom - top) * (right - left))


def _masks(target: Target, images: Tensor) -> list[np.ndarray]:
    mask = target.mask if target.mask is not None else torch.ones_like(images[:, 0], dtype=torch.bool)
    return list(mask.cpu().numpy())


def _cumulated(mask: np.ndarray, focus: float, estimate: np.ndarray | None = None, guided: float = 0.0) -> np.ndarray:
    """The weights of the pixels summed over rows and columns, (H+1,W+1), so that a rectangle's weight is four reads.

    An empty mask and an estimate that is 0 everywhere leave their shares to all pixels alike.
    """
    weights, left = np.zeros(mask.shape), 1.0
    for share, part in ((focus, mask), (guided, estimate)):
        if part is not None and part.any():
            weights += share * part / part.sum(dtype=np.float64)
            left -= share
    weights += left / mask.size
    return np.pad(weights.cumsum(0).cumsum(1), ((1, 0), (1, 0)))


def _weight(summed: np.ndarray, cell: Cell) -> float:
    top, bottom, left, right = cell
    return float(summed[bottom, right] - summed[top, right] - summed[bottom, left] + summed[top, left])


def _halved(summed: np.ndarray, cell: Cell) -> tuple[Cell, Cell] | None:
    """Halves of equal weight across the longer side, each at least SMALLEST px; None for a cell too small for that."""
    top, bottom, left, right = cell
    height, width = bottom - top, right - left
    if max(height, width) < 2 * SMALLEST:
        return None
    if height >= width:
        along = summed[top : bottom + 1, right] - summed[top : bottom + 1, left]
    else:
        along = summed[bottom, left : right + 1] - summed[top, left : right + 1]
    middle = int(np.searchsorted(along, (along[0] + along[-1]) / 2))
    middle = min(max(middle, SMALLEST), max(height, width) - SMALLEST)
    if height >= width:
        return (top, top + middle, left, right), (top + middle, bottom, left, right)
    return (top, bottom, left, left + middle), (top, bottom, left + middle, right)


def _cut(summed: np.ndarray, count: int) -> list[Cell]:
    """The image in at most `count` cells, the heaviest halved first."""
    whole = (0, summed.shape[0] - 1, 0, summed.shape[1] - 1)
    heap: list[tuple[float, Cell]] = [(-1.0, whole)]
    small: list[Cell] = []
    while heap and len(heap) + len(small) < count:
        _, heaviest = heapq.heappop(heap)
        halves = _halved(summed, heaviest)
        if halves is None:
            small.append(heaviest)
            continue
        for half in halves:
            heapq.heappush(heap, (-_weight(summed, half), half))
    return small + [cell for _, cell in heap]


def _halves(cells: list[Cell], drops: Tensor, summed: np.ndarray, splits: int) -> list[Cell]:
    """Both halves of the `splits` cells that drop most, of those large enough."""
    order = drops.argsort(descending=True, stable=True).tolist()
    halved = [_halved(summed, cells[place]) for place in order]
    pairs = [pair for pair in halved if pair]
    return [half for pair in pairs[:splits] for half in pair]


def _drops(
    score: Score, images: Tensor, layouts: list[list[Cell]], fill: Fill, base: Tensor | None = None
) -> tuple[Tensor, list[Tensor]]:
    """s(x) of each image, evaluated where it is not given, and s(x) - s(x with a cell filled) of each of its cells."""
    flat = [(number, cell) for number, cells in enumerate(layouts) for cell in cells]
    if base is None:
        flat += [(number, (0, 0, 0, 0)) for number in range(len(layouts))]  # the image as it is
    owner = torch.tensor([number for number, _ in flat], dtype=torch.long, device=images.device)

    def cell(start: int, stop: int) -> Bool[Tensor, "n h w"]:
        selected = torch.zeros((stop - start, *images.shape[2:]), dtype=torch.bool, device=images.device)
        for where, (_, (top, bottom, left, right)) in zip(selected, flat[start:stop], strict=True):
            where[top:bottom, left:right] = True
        return selected

    scores = occluded_scores(score, images, cell, owner, fill).to(images.device)
    if base is None:
        base, scores = scores[-len(layouts) :], scores[: -len(layouts)]
    drops = base[owner[: len(scores)]] - scores
    return base, list(drops.split([len(cells) for cells in layouts]))
