"""Small models whose scores are known in closed form, and a slow plain implementation of the metrics.

The plain implementation is numpy loops over one image, written from the definitions alone; it shares no
code with the library.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import spsolve
from torch import Tensor, nn
from torch.nn import functional

from segattr_lib.models.runtime import prepare

EPS = 1e-8
PlainScore = Callable[[np.ndarray], float]


class PixelOracle(nn.Module):
    """Two classes; the probability of class 1 at a pixel is weights[y, x] times its brightness there."""

    def __init__(self, weights: Tensor):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, images: Tensor) -> Tensor:
        return _logits(self.weights * images.mean(1))


class RegionOracle(nn.Module):
    """Two classes; the probability of class 1 is the same everywhere: the weighted sum of all brightness."""

    def __init__(self, weights: Tensor):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, images: Tensor) -> Tensor:
        total = (self.weights * images.mean(1)).sum((1, 2))
        return _logits(total[:, None, None].expand(-1, *images.shape[2:]))


class ConvNet(nn.Module):
    """A little segmenter of random weights: two strided convolutions, a head, bilinear upsampling."""

    def __init__(self, classes: int = 3, seed: int = 0, width: int = 6, gain: float = 2.0):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, 2, 1), nn.ReLU()
        )
        self.head = nn.Conv2d(width, classes, 1)
        randomise(self, seed, gain)

    def forward(self, images: Tensor) -> Tensor:
        return functional.interpolate(self.head(self.features(images - 0.5)), images.shape[2:], mode="bilinear")


class Pointwise(nn.Module):
    """A 1x1 feature layer and a 1x1 head, linear throughout; each pixel's logits depend on it alone.

    With stride s only the first pixel of each s x s block is read, and its logits stand for the block.
    """

    def __init__(self, classes: int = 3, width: int = 4, stride: int = 1, seed: int = 0):
        super().__init__()
        self.features = nn.Conv2d(3, width, 1, stride)
        self.head = nn.Conv2d(width, classes, 1)
        self.stride = stride
        randomise(self, seed, 2.0)

    def forward(self, images: Tensor) -> Tensor:
        logits = self.head(self.features(images))
        return functional.interpolate(logits, images.shape[2:], mode="nearest")


class Classifier(nn.Module):
    """Logits (N,C) of the mean colour."""

    def __init__(self, classes: int = 4, seed: int = 0):
        super().__init__()
        self.head = nn.Linear(3, classes)
        randomise(self, seed, 2.0)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(images.mean((2, 3)))


def randomise(model: nn.Module, seed: int, gain: float) -> None:
    """Weights that depend on the seed alone."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            fan_in = weight[0].numel() if weight.dim() > 1 else 4
            weight.copy_(gain * torch.randn(weight.shape, generator=rng) / math.sqrt(fan_in))


def ready(model: nn.Module, batch_size: int = 16) -> nn.Module:
    """The model on the CPU, ready to be evaluated without measuring anything."""
    prepare(model, device="cpu", batch_size=batch_size)
    return model


def random_images(count: int, height: int, width: int | None = None, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(1000 + seed)
    return torch.rand(count, 3, height, width or height, generator=rng)


def random_masks(count: int, height: int, width: int | None = None, seed: int = 0) -> Tensor:
    """A random rectangle an image, never empty and never everything."""
    rng = np.random.default_rng(2000 + seed)
    width = width or height
    masks = torch.zeros(count, height, width, dtype=torch.bool)
    for mask in masks:
        tall, wide = (int(rng.integers(max(2, size // 4), 1 + 3 * size // 4)) for size in (height, width))
        top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
        mask[top : top + tall, left : left + wide] = True
    return masks


def plain_score(model: nn.Module, mask: np.ndarray, class_id: int) -> PlainScore:
    """Eq. 1, for one image (3,H,W): softmax everywhere, then the mean of the class over the mask."""

    def score(image: np.ndarray) -> float:
        with torch.no_grad():
            logits = model(torch.from_numpy(image[None].copy()).float()).double().numpy()[0]
        grown = np.exp(logits - logits.max(0))
        probability = (grown / grown.sum(0))[class_id]
        return float((mask * probability).sum() / (mask.sum() + EPS))

    return score


def plain_top(one_map: np.ndarray, region: np.ndarray, k: float) -> list[tuple[int, int]]:
    """The top-k fraction of the region: a stable descending sort, ties in row-major order."""
    height, width = one_map.shape
    places = [(y, x) for y in range(height) for x in range(width) if region[y, x]]
    if not places:
        return []
    count = max(1, math.floor(k * len(places) + 0.5))
    return sorted(places, key=lambda place: -float(one_map[place]))[:count]  # Python's sort is stable


def plain_fill(image: np.ndarray, places: Sequence[tuple[int, int]], values: np.ndarray) -> np.ndarray:
    """A copy of the image with the pixels at these places taken from values (3,H,W)."""
    changed = image.copy()
    for y, x in places:
        for channel in range(3):
            changed[channel, y, x] = values[channel, y, x]
    return changed


def plain_drop(
    score: PlainScore, image: np.ndarray, one_map: np.ndarray, region: np.ndarray, k: float, values
) -> float:
    """The relative drop of the score when the region's top-k fraction is filled; NaN without a region."""
    places = plain_top(one_map, region, k)
    if not places:
        return math.nan
    before = score(image)
    return (before - score(plain_fill(image, places, values))) / (abs(before) + EPS)


def plain_tdd(score: PlainScore, image, one_map, mask, k: float, values) -> float:
    return plain_drop(score, image, one_map, mask, k, values)


def plain_odd(score: PlainScore, image, one_map, mask, k: float, values, void=None) -> float:
    outside = ~mask if void is None else ~mask & ~void
    return plain_drop(score, image, one_map, outside, k, values)


def plain_leak(tdd: float, odd: float) -> tuple[float, float]:
    """LeakAbs and the signed leakage ratio."""
    return abs(odd) / (abs(tdd) + EPS), odd / (tdd + EPS)


def plain_insertion(score: PlainScore, image, one_map, mask, k: float, values) -> float:
    """(s(blank with S_t put back) - s(blank)) / (|s(x)| + eps)."""
    shown = plain_fill(values, plain_top(one_map, mask, k), image)
    return (score(shown) - score(values)) / (abs(score(image)) + EPS)


def plain_pearson(first: np.ndarray, second: np.ndarray) -> float:
    a, b = first.astype(np.float64).ravel(), second.astype(np.float64).ravel()
    if (a == a[0]).all() or (b == b[0]).all():
        return math.nan
    top = sum((p - a.mean()) * (q - b.mean()) for p, q in zip(a, b, strict=True))
    return top / math.sqrt(sum((p - a.mean()) ** 2 for p in a) * sum((q - b.mean()) ** 2 for q in b))


def direct_imputation(image: Tensor, holes: Tensor) -> np.ndarray:
    """ROAD's imputation without noise, by SuperLU in float64: one equation a hole, image (3,H,W), holes (H,W)."""
    pixels, mask = image.double().numpy(), holes.numpy()
    number = np.where(mask, np.cumsum(mask).reshape(mask.shape) - 1, -1)
    y, x = np.nonzero(mask)
    entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    diagonal, right = np.zeros(len(y)), np.zeros((len(y), 3))
    for dy, dx in [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b]:
        weight = 1 / 12 if dy and dx else 1 / 6
        ny, nx = y + dy, x + dx
        there = np.flatnonzero((ny >= 0) & (ny < mask.shape[0]) & (nx >= 0) & (nx < mask.shape[1]))
        diagonal[there] += weight
        hole = mask[ny[there], nx[there]]
        known = there[~hole]
        right[known] += weight * pixels[:, ny[known], nx[known]].T
        other = there[hole]
        entries.append((other, number[ny[other], nx[other]], np.full(len(other), -weight)))
    entries.append((np.arange(len(y)), np.arange(len(y)), diagonal))
    row, column, value = (np.concatenate(part) for part in zip(*entries, strict=True))
    filled = pixels.copy()
    filled[:, y, x] = spsolve(sparse.csc_matrix((value, (row, column))), right).reshape(-1, 3).T
    return filled


def plain_edges(size: int, grid: int) -> list[tuple[int, int]]:
    """Where each cell begins and ends."""
    return [(math.floor(i * size / grid), math.floor((i + 1) * size / grid)) for i in range(grid)]


def _logits(probability: Tensor) -> Tensor:
    """Two-class logits whose softmax is this probability of class 1."""
    probability = probability.clamp(1e-7, 1 - 1e-6)
    odds = probability.log() - (-probability).log1p()
    return torch.stack([torch.zeros_like(odds), odds], 1)
