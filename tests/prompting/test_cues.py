"""Maps to prompts: small cases by hand, what holds for any maps, and draws that are uniform, seeded and apart."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from oracles import random_masks
from scipy.stats import chisquare, entropy
from torch import Tensor

from segattr_lib.attribution.maps import normalise
from segattr_lib.prompting.cues import (
    Cues,
    NoCues,
    centre_point,
    consensus,
    draw_cues,
    focus,
    fused,
    pairwise_iou,
    reliability,
    support,
    support_box,
    truth_cues,
    uniform_points,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def random_maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def places(cues: Cues, label: int) -> list[tuple[int, int]]:
    """The (x, y) of the points of this label, in the order drawn."""
    return [(int(x), int(y)) for x, y in cues.points[cues.labels == label].tolist()]


def distances(cues: Cues) -> list[float]:
    return [math.dist(a, b) for a, b in combinations(cues.points.tolist(), 2)]


# agreement


def test_intersection_over_union_solved_by_hand():
    first, second, none = (torch.zeros(4, 4, dtype=torch.bool) for _ in range(3))
    first[0, :3] = True
    second[0, 1:] = second[1, 0] = True
    got = pairwise_iou(torch.stack([first, second, none, none])[:, None])[0]
    assert got[:2, :2].tolist() == [[1, pytest.approx(0.4)], [pytest.approx(0.4), 1]]
    assert got[2, :2].tolist() == [0, 0]
    assert got[2:, 2:].isnan().all()


def test_intersection_over_union_is_that_of_plain_sets_and_symmetric():
    supports = support(random_maps(4, 3, 12, 12))
    got = pairwise_iou(supports)
    assert torch.equal(got, got.transpose(1, 2))
    for row in range(3):
        sets = [set(map(tuple, masks[row].nonzero().tolist())) for masks in supports]
        for first, second in combinations(range(4), 2):
            wanted = len(sets[first] & sets[second]) / len(sets[first] | sets[second])
            assert float(got[row, first, second]) == pytest.approx(wanted)


def test_consensus_is_the_mean_with_the_others_solved_by_hand():
    maps = torch.zeros(3, 2, 2, 2)
    maps[0, :, 0] = maps[1, :, 0] = maps[2, :, :, 0] = 1
    maps[:, 1] *= torch.tensor([1, 0.2, 0.2])[:, None, None]  # of the second image's maps two have no support
    got = consensus(maps)
    assert got[:, 0].tolist() == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert got[:, 1].tolist() == [0, 0, 0]
    assert consensus(maps, 0.2)[:, 1].tolist() == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert consensus(maps[:1]).isnan().all()
    assert consensus(maps[1:, 1:]).isnan().all()


def test_explainers_in_another_order_agree_alike_and_weigh_alike():
    maps, order = random_maps(5, 3, 16, 16), [3, 0, 4, 2, 1]
    torch.testing.assert_close(consensus(maps)[order], consensus(maps[order]))
    shared = consensus(maps)
    weights = reliability(shared, focus(maps), random_maps(5, 3))
    again = reliability(shared[order], focus(maps)[order], random_maps(5, 3)[order])
    torch.testing.assert_close(weights[order], again)
    torch.testing.assert_close(fused(maps, weights), fused(maps[order], weights[order]))


def test_focus_is_none_for_a_constant_map_all_for_a_point_and_scipys_between():
    maps = random_maps(6, 8, 8) ** 3
    maps[0] = 0.3
    maps[1] = 0
    maps[1, 2, 3] = 0.7
    got = focus(maps)
    assert got[:2].tolist() == pytest.approx([0, 1], abs=1e-6)
    assert got.tolist() == pytest.approx([1 - entropy(one_map.numpy().ravel(), base=64) for one_map in maps], abs=1e-6)
    torch.testing.assert_close(focus(0.1 * maps), got)
    half = torch.zeros(4, 4)
    half[:2] = 1
    assert float(focus(half)) == pytest.approx(1 - math.log(8) / math.log(16))
    assert focus(torch.zeros(2, 3, 4, 4)).isnan().all()
    assert ((got >= 0) & (got <= 1)).all()


def test_reliability_solved_by_hand():
    parts = torch.tensor([[0.5, 0.5], [0.2, math.nan], [1.0, 0.0]])
    focused = torch.tensor([[0.2, 0.2], [0.5, 0.5], [0.7, 0.7]])
    robust = torch.tensor([[0.9, -0.9], [0.3, 0.3], [-0.5, 0.5]])
    got = reliability(parts, focused, robust)
    assert got[:, 0].tolist() == pytest.approx([0.75, 0.25, 0])
    assert got[:, 1].isnan().all()


def test_weights_sum_to_one_and_whoever_alone_agrees_with_nobody_weighs_nothing():
    truth = random_masks(4, 32).float()
    lonely = 1 - truth
    maps = torch.stack([truth, 0.9 * truth + 0.05, lonely])
    weights = reliability(consensus(maps), focus(maps), torch.ones(3, 4))
    torch.testing.assert_close(weights.sum(0), torch.ones(4))
    assert not weights[2].any() and (weights[0] > weights[1]).all()
    assert torch.equal(fused(maps, weights), normalise(truth))


def test_fusion_solved_by_hand():
    maps = torch.zeros(2, 3, 2, 2)
    maps[0, :, 0, 0], maps[0, :, 0, 1], maps[1, :, 0, 1], maps[1, :, 1, 1] = 1, 0.5, 1, 0.4
    weights = torch.tensor([[0.75, 0.0, math.nan], [0.25, 1.0, math.nan]])
    got = fused(maps, weights)
    assert got[0].flatten().tolist() == pytest.approx([1, 0.625 / 0.75, 0, 0.1 / 0.75])
    assert torch.equal(got[1], maps[1, 1])
    assert got[2].isnan().all()
    assert fused(maps)[2].flatten().tolist() == pytest.approx([0.5 / 0.75, 1, 0, 0.2 / 0.75])
    torch.testing.assert_close(fused(maps), fused(maps, torch.full((2, 3), 0.5)))


# cues


def test_cues_of_a_small_map_solved_by_hand():
    """Sixteen values, an eighth of them two pixels: those can be told apart, and lie 3 px from one another."""
    one_map = torch.arange(16.0).view(4, 4)
    one_map[0, 0], one_map[0, 3] = 16, -1  # x, y: the highest at 0, 0 and 3, 3; the lowest at 3, 0 and 1, 0
    shares = {"top": 0.125, "bottom": 0.125}
    cues = draw_cues(one_map, rng(), apart=2, **shares)
    assert set(places(cues, 1)) == {(0, 0), (3, 3)} and places(cues, 0) == [(3, 0)]
    assert cues.labels.tolist() == [1, 1, 0]  # 1, 0 is but 1 px from 0, 0
    assert set(places(draw_cues(one_map, rng(), apart=1, **shares), 0)) == {(3, 0), (1, 0)}
    for seed in range(5):
        only = draw_cues(one_map, rng(seed), apart=4, background=0, **shares)
        assert len(only.points) == 2  # 4.24 px
        assert len(draw_cues(one_map, rng(seed), apart=4.3, background=0, **shares).points) == 1
    assert places(draw_cues(one_map, rng(), foreground=0, background=1, bottom=0.01), 0) == [(3, 0)]


@pytest.mark.parametrize("shape", [(64, 64), (40, 90)])
def test_cues_lie_in_the_highest_and_lowest_share_and_apart(shape: tuple[int, int]):
    for seed in range(20):
        one_map = random_maps(*shape, seed=seed)
        cues = draw_cues(one_map, rng(seed), foreground=8, background=6, top=0.1, bottom=0.2, apart=7)
        assert cues.labels.tolist() == [1] * 8 + [0] * 6
        assert min(distances(cues)) >= 7
        ranks = one_map.flatten().argsort().argsort().view(shape)
        count = one_map.numel()
        assert all(int(ranks[y, x]) >= count - int(0.1 * count + 0.5) for x, y in places(cues, 1))
        assert all(int(ranks[y, x]) < int(0.2 * count + 0.5) for x, y in places(cues, 0))


def test_the_same_seed_gives_the_same_cues_and_another_others():
    one_map = random_maps(64, 64)
    first = draw_cues(one_map, rng(3))
    assert torch.equal(draw_cues(one_map, rng(3)).points, first.points)
    assert not torch.equal(draw_cues(one_map, rng(4)).points, first.points)


def test_foreground_does_not_depend_on_how_much_follows_it():
    one_map = random_maps(96, 96)
    many = draw_cues(one_map, rng(), foreground=12, background=12)
    for foreground, background in ((12, 0), (5, 5), (1, 3)):
        assert (
            places(draw_cues(one_map, rng(), foreground=foreground, background=background), 1)
            == places(many, 1)[:foreground]
        )
    assert places(draw_cues(one_map, rng(), foreground=12, background=4), 0) == places(many, 0)[:4]


@pytest.mark.parametrize(
    "change", [lambda one_map: 3 * one_map + 1, torch.exp, lambda one_map: one_map**3, lambda one_map: one_map.sqrt()]
)
def test_cues_do_not_change_under_what_keeps_the_order(change):
    one_map = (random_maps(48, 48) * 50).floor() / 50  # with ties
    assert torch.equal(draw_cues(change(one_map), rng()).points, draw_cues(one_map, rng()).points)


def test_cues_of_a_mirrored_map_are_the_mirrored_cues():
    """Of points so far apart that all of them are taken."""
    one_map = torch.full((40, 60), 0.5)
    for x, y in ((3, 4), (30, 8), (15, 33), (57, 20)):
        one_map[y, x] = 1
    for x, y in ((10, 15), (45, 36)):
        one_map[y, x] = 0
    options = {"foreground": 4, "background": 2, "top": 4 / 2400, "bottom": 2 / 2400}
    cues, mirrored = draw_cues(one_map, rng(1), **options), draw_cues(one_map.flip(1), rng(2), **options)
    for label in (0, 1):
        assert {(59 - x, y) for x, y in places(mirrored, label)} == set(places(cues, label))
    upside_down = draw_cues(1 - one_map, rng(), foreground=2, background=4, top=2 / 2400, bottom=4 / 2400)
    assert set(places(upside_down, 1)) == set(places(cues, 0))


def drawn_as_often(first_points: list[tuple[int, int]], candidates: set[tuple[int, int]]) -> bool:
    counts = [first_points.count(point) for point in candidates]
    assert sum(counts) == len(first_points)
    return chisquare(counts).pvalue > 1e-3


def test_ties_are_broken_at_random_and_points_drawn_uniformly():
    one_map = torch.full((8, 8), 0.5)
    one_map[0, 0], one_map[7, 7] = 1, 0
    alone = {"background": 0, "apart": 1}
    first = [places(draw_cues(one_map, rng(seed), foreground=1, top=0.5, **alone), 1)[0] for seed in range(1000)]
    middling = {(x, y) for x in range(8) for y in range(8)} - {(0, 0), (7, 7)}
    assert drawn_as_often([point for point in first if point != (0, 0)], middling)
    assert first.count((0, 0)) == pytest.approx(1000 / 32, abs=22)
    untied = torch.arange(64.0).view(8, 8)
    first = [places(draw_cues(untied, rng(seed), foreground=1, top=0.25, **alone), 1)[0] for seed in range(1000)]
    assert drawn_as_often(first, {(x, y) for x in range(8) for y in (6, 7)})
    lowest = [
        places(draw_cues(untied, rng(seed), foreground=0, background=1, bottom=0.25), 0)[0] for seed in range(1000)
    ]
    assert drawn_as_often(lowest, {(x, y) for x in range(8) for y in (0, 1)})


def test_the_least_value_is_never_foreground_nor_the_greatest_background():
    """As where a map is 0 nearly everywhere, and less of it speaks than the share asked for."""
    small = torch.zeros(32, 32)
    small[10, 20] = small[20, 10] = 1
    for seed in range(10):
        assert set(places(draw_cues(small, rng(seed), top=0.5, bottom=0.5), 1)) == {(20, 10), (10, 20)}
        assert set(places(draw_cues(1 - small, rng(seed), foreground=0, top=0.5, bottom=0.5), 0)) == {
            (20, 10),
            (10, 20),
        }


def test_where_fewer_fit_than_are_asked_for_those_that_fit_are_given():
    cues = draw_cues(random_maps(16, 16), rng(), foreground=50, background=50, apart=6)
    assert 1 < len(cues.points) < 16 and min(distances(cues)) >= 6
    single = draw_cues(random_maps(16, 16), rng(), apart=100)
    assert single.labels.tolist() == [1]
    every = draw_cues(random_maps(10, 10), rng(), foreground=100, background=0, top=0.2, apart=0)
    assert len(set(places(every, 1))) == 20


@pytest.mark.parametrize(
    ("one_map", "reason"),
    [
        (torch.full((8, 8), 0.5), "is constant"),
        (torch.zeros(8, 8), "is constant"),
        (torch.full((8, 8), math.nan), "not finite"),
        (torch.tensor([[0.0, math.inf], [1.0, 0.5]]), "not finite"),
    ],
)
def test_a_map_that_says_nothing_gives_no_cues(one_map: Tensor, reason: str):
    with pytest.raises(NoCues, match=reason):
        draw_cues(one_map, rng())


def test_what_cannot_be_drawn_is_refused():
    one_map = random_maps(8, 8)
    for shares in ({"top": 0.0}, {"bottom": -0.1}, {"top": 0.6, "bottom": 0.5}):
        with pytest.raises(ValueError, match="expected positive shares"):
            draw_cues(one_map, rng(), **shares)
    with pytest.raises(ValueError, match="background -1"):
        draw_cues(one_map, rng(), background=-1)
    with pytest.raises(NoCues, match="no point was asked for"):
        draw_cues(one_map, rng(), foreground=0, background=0)


# controls


def test_cues_of_the_truth_lie_in_it_and_outside_it():
    for seed, mask in enumerate(random_masks(5, 48)):
        cues = truth_cues(mask, rng(seed), foreground=4, background=3)
        assert all(bool(mask[y, x]) for x, y in places(cues, 1))
        assert not any(bool(mask[y, x]) for x, y in places(cues, 0)) and places(cues, 0)
        assert min(distances(cues)) >= 8
    small = torch.zeros(8, 8, dtype=torch.bool)
    small[2:4, 5:7] = True
    first = [places(truth_cues(small, rng(seed), foreground=1, background=0), 1)[0] for seed in range(1000)]
    assert drawn_as_often(first, {(5, 2), (6, 2), (5, 3), (6, 3)})
    assert truth_cues(~torch.zeros(8, 8, dtype=torch.bool), rng(), foreground=1).labels.tolist() == [1]
    with pytest.raises(NoCues, match="mask is empty"):
        truth_cues(torch.zeros(8, 8, dtype=torch.bool), rng())


def test_uniform_points_know_no_place():
    first = [places(uniform_points((4, 6), 2, rng(seed), apart=2), 1)[0] for seed in range(2000)]
    assert drawn_as_often(first, {(x, y) for x in range(6) for y in range(4)})
    cues = uniform_points((50, 80), 7, rng(), background=3)
    assert cues.labels.tolist() == [1] * 7 + [0] * 3
    assert min(distances(cues)) >= 8


def test_the_centre_is_between_the_middle_pixels_of_an_even_side():
    assert centre_point((4, 7)).points.tolist() == [[3, 1.5]]
    assert centre_point((4, 7)).labels.tolist() == [1]


def test_the_box_goes_round_all_of_the_support():
    one_map = torch.zeros(8, 10)
    one_map[2, 3], one_map[5, 1], one_map[4, 8], one_map[7, 9] = 0.5, 1, 0.8, 0.4
    assert support_box(one_map).points.tolist() == [[1, 2], [8, 5]]
    assert support_box(one_map).labels.tolist() == [2, 3]
    assert support_box(one_map, 0.3).points.tolist() == [[1, 2], [9, 7]]
    with pytest.raises(NoCues, match=r"reaches 0\.5"):
        support_box(0.4 * one_map)
