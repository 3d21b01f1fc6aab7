"""Adaptive RIA: its cells, its budget, and maps solved by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import ConvNet, RegionOracle
from torch import Tensor

from segattr_lib.attribution.adaptive import (
    SMALLEST,
    _cumulated,
    _cut,
    _halves,
    _weight,
    adaptive_ria,
    first_order,
    random_adaptive,
)
from segattr_lib.attribution.cam import ega
from segattr_lib.attribution.fusion import adaptive_dea, dual_evidence
from segattr_lib.models.engine import counted_passes
from segattr_lib.models.runtime import prepare
from segattr_lib.perturbation import bind_fill
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target, bind


def square(size: int = 64, low: int = 16, high: int = 40) -> Tensor:
    mask = torch.zeros(1, size, size, dtype=torch.bool)
    mask[:, low:high, low:high] = True
    return mask


@pytest.mark.parametrize("focus", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("count", [1, 2, 13, 48, 500])
def test_cells_tile_the_image_and_none_is_smaller_than_allowed(focus: float, count: int):
    weights = _cumulated(square()[0].numpy(), focus)
    cells = _cut(weights, count)
    covered = np.zeros((64, 64), int)
    for top, bottom, left, right in cells:
        assert min(bottom - top, right - left) >= SMALLEST
        covered[top:bottom, left:right] += 1
    assert (covered == 1).all()
    assert len(cells) <= count
    assert sum(_weight(weights, cell) for cell in cells) == pytest.approx(1)
    if count == 500:  # nothing is left to cut
        assert all(max(bottom - top, right - left) < 2 * SMALLEST for top, bottom, left, right in cells)


def test_the_heaviest_cell_is_cut_first_at_its_median():
    weights = _cumulated(np.ones((32, 64), bool), 0.0)
    assert sorted(_cut(weights, 2)) == [(0, 32, 0, 32), (0, 32, 32, 64)]
    assert len({round(_weight(weights, cell), 9) for cell in _cut(weights, 8)}) == 1


def test_a_target_draws_the_cells_onto_itself():
    mask = square()[0].numpy()
    counts = [
        sum(mask[top:bottom, left:right].any() for top, bottom, left, right in _cut(_cumulated(mask, focus), 16))
        for focus in (0.0, 0.5, 0.9)
    ]
    assert counts[0] < counts[1] < counts[2]


def test_only_the_cells_that_dropped_most_are_halved():
    weights = _cumulated(np.ones((64, 64), bool), 0.0)
    cells = _cut(weights, 4)
    halves = _halves(cells, torch.tensor([0.1, 0.4, 0.3, 0.2]), weights, 2)
    tops, bottoms, lefts, rights = zip(*halves[:2], strict=True)
    assert (min(tops), max(bottoms), min(lefts), max(rights)) == cells[1]
    assert len(halves) == 4


def test_a_cell_holds_its_drop_per_pixel():
    weights = torch.zeros(64, 64)
    weights[:32] = 3 / 4096
    weights[32:] = 1 / 4096
    score = bind(RegionOracle(weights), Target(torch.tensor([1]), torch.ones(1, 64, 64, dtype=torch.bool)))
    images = torch.full((1, 3, 64, 64), 0.2)
    maps = adaptive_ria(
        score, images, score.target, budget=5, guided=0.0, fill="zeros"
    )  # four quarters, above or below
    assert torch.allclose(maps[0, :32], torch.ones(32, 64))
    assert torch.allclose(maps[0, 32:], torch.zeros(32, 64), atol=1e-4)


@pytest.mark.parametrize(
    ("budget", "guided", "refined"), [(2, 0.0, 0.0), (5, 0.3, 0.0), (17, 0.3, 0.0), (49, 0.0, 0.3), (50, 0.3, 0.5)]
)
def test_the_budget_is_kept_and_spent(budget: int, guided: float, refined: float):
    net = ConvNet()
    prepare(net, (128, 128), "cpu", batch_size=8)
    target = Target(torch.tensor([1, 2]), square(128, 32, 96).expand(2, -1, -1))
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    with counted_passes(net) as passes:
        adaptive_ria(bind(net, target), images, target, budget=budget, guided=guided, refined=refined)
    assert passes[0] == 2 * budget


def test_images_do_not_see_each_other():
    net = ConvNet()
    target = Target(torch.tensor([1, 2]), torch.cat([square(), square(64, 4, 60)]))
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    together = adaptive_ria(bind(net, target), images, target, budget=21, refined=0.4)
    for index in range(2):
        alone = adaptive_ria(bind(net, target[[index]]), images[[index]], target[[index]], budget=21, refined=0.4)
        assert torch.allclose(together[[index]], alone, atol=1e-5)


def test_random_adaptive_has_the_cells_and_knows_nothing_of_the_model():
    target = Target(torch.tensor([1, 2]), torch.cat([square(), square(64, 4, 60)]))
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    maps = random_adaptive(bind(ConvNet(), target), images, target, budget=21, draws=Draws(0, ["a", "b"]))
    for one_map, mask in zip(maps, target.mask, strict=True):
        cells = _cut(_cumulated(mask.numpy(), 0.7), 20)
        drops = []
        for top, bottom, left, right in cells:
            assert one_map[top:bottom, left:right].unique().numel() == 1
            drops.append(float(one_map[top, left]) * (bottom - top) * (right - left))
        assert len(set(drops)) == len(drops)  # a drop a cell, whatever its size
    other = random_adaptive(
        bind(ConvNet(), target[[1]]), 0 * images[[1]], target[[1]], budget=21, draws=Draws(0, ["b"])
    )
    assert torch.equal(maps[[1]], other)
    again = random_adaptive(bind(ConvNet(), target), images, target, budget=21, draws=Draws(1, ["a", "b"]))
    assert not torch.equal(maps, again)


def test_adaptive_dea_is_the_fusion_of_its_parts():
    net = ConvNet()
    target = Target(torch.tensor([1]), square())
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    score = bind(net, target)
    parts = ega(score, images, target, layer="features"), adaptive_ria(score, images, target, budget=21)
    whole = adaptive_dea(score, images, target, layer="features", budget=21, alpha=0.4, beta=0.2)
    assert torch.equal(whole, dual_evidence(*parts, alpha=0.4, beta=0.2))


def test_the_first_order_estimate_of_a_linear_score_is_its_drop():
    weights = torch.zeros(64, 64)
    weights[:, :32], weights[:, 32:] = 3 / 4096, -1 / 4096
    score = bind(RegionOracle(weights), Target(torch.tensor([1]), torch.ones(1, 64, 64, dtype=torch.bool)))
    images = torch.full((1, 3, 64, 64), 0.2)
    estimate = first_order(score, images, bind_fill("zeros", images))[0]
    drop = score(images, torch.tensor([0])) - score(0 * images, torch.tensor([0]))
    inside = estimate[:, :4].sum() / 4 * 32  # far from the edge the blur changes nothing
    rises = -estimate[:, 60:].sum()
    assert rises == 0 and inside > 0
    assert float(inside) == pytest.approx(float(drop) * 3 / 2, rel=1e-4)


def test_a_gradient_draws_the_cells_to_where_the_score_would_drop():
    mask, estimate = np.zeros((64, 64), bool), np.zeros((64, 64))
    estimate[:16, :16] = 1
    places = [
        sum(top < 16 and left < 16 for top, _, left, _ in _cut(_cumulated(mask, 0.0, estimate, share), 12))
        for share in (0.0, 0.8)
    ]
    assert places[0] < places[1]
    assert np.array_equal(_cumulated(mask, 0.5, 0 * estimate, 0.5), _cumulated(mask, 0.0))


@pytest.mark.parametrize(
    ("option", "value"), [("budget", 1), ("focus", 1.5), ("guided", 1.1), ("guided", -0.1), ("refined", -0.1)]
)
def test_what_cannot_be_is_an_error(option: str, value: float):
    target = Target(torch.tensor([1]), square())
    with pytest.raises(ValueError, match=option):
        adaptive_ria(bind(ConvNet(), target), torch.rand(1, 3, 64, 64), target, **{option: value})
