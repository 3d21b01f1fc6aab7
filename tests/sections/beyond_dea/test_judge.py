"""How a judge is fooled, and which judge orders maps that are made with a known share of the truth."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import RegionOracle, plain_top
from scenes import seen
from scipy import ndimage, stats
from torch import Tensor

from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import group_of
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.data import draw, load_dataset
from segattr_lib.metrics.null import blind_selections, border_length, local_fit
from segattr_lib.perturbation import bind_fill, top_fraction
from segattr_lib.sections.beyond_dea.judge import (
    DEGREES,
    GRAINS,
    JUDGES,
    judged_twice,
    made_maps,
    moved_copies,
    moved_excess_tdd,
    ordering,
    rank_agreement,
)
from segattr_lib.seeds import Draws

THREE = Draws(3, ["a", "b", "c"])
ROWS, COLUMNS = np.mgrid[:32, :32] + 0.5
DISC = torch.from_numpy(np.hypot(ROWS - 15, COLUMNS - 17) < 5)


def _made_group(**settings: Any) -> Group:
    """The score is the mean brightness of the disc, which is 0.8 throughout."""
    masks = torch.ones(3, 32, 32, dtype=torch.bool)
    masks[1:, :4] = False
    masks[2, :, 25:] = False
    return seen(RegionOracle(DISC.float() / DISC.sum()), torch.full((3, 3, 32, 32), 0.8), masks, **settings)


def _discs(count: int = 3) -> Tensor:
    return DISC.expand(count, -1, -1)


def test_a_made_map_of_degree_1_is_the_softened_evidence_whatever_the_grain_and_seed():
    wanted = ndimage.gaussian_filter(DISC.numpy().astype(float), 4)
    wanted = (wanted - wanted.min()) / np.ptp(wanted)
    for seed in (0, 1):
        maps = made_maps(_made_group(seed=seed), _discs(), (1.0,), (1, 4, 16))
        assert list(maps) == [(1.0, 1), (1.0, 4), (1.0, 16)]
        for drawn in maps.values():
            np.testing.assert_allclose(drawn, np.stack([wanted] * 3), atol=1e-5)


def test_a_made_map_of_degree_1_ranks_every_pixel_of_a_disc_above_all_others():
    drawn = made_maps(_made_group(), _discs(), (1.0,), (4,))[1.0, 4]
    assert (drawn[:, DISC].amin(1) > drawn[:, ~DISC].amax(1)).all()


def test_a_made_map_of_degree_0_does_not_know_the_evidence_and_is_constant_on_its_cells():
    group, elsewhere = _made_group(), _discs().roll(7, 2)
    for side in (1, 4, 8):
        maps, others = (made_maps(group, where, (0.0,), (side,))[0.0, side] for where in (_discs(), elsewhere))
        assert torch.equal(maps, others)
        cells = maps.view(3, 32 // side, side, 32 // side, side)
        assert torch.equal(cells.amax((2, 4)), cells.amin((2, 4)))
        assert all(len(drawn.unique()) == (32 // side) ** 2 for drawn in maps)
        assert maps.amin() == 0 and maps.amax() == 1
        assert not torch.equal(maps[0], maps[1])  # of another image other noise
        again, drawn_anew = (made_maps(_made_group(seed=n), _discs(), (0.0,), (side,))[0.0, side] for n in (0, 1))
        assert torch.equal(again, maps) and not torch.equal(drawn_anew, maps)


def test_a_made_map_weighs_truth_and_noise_by_its_degree():
    maps = made_maps(_made_group(), _discs(), (0.0, 0.3, 1.0), (4,))
    mixed = 0.3 * maps[1.0, 4] + 0.7 * maps[0.0, 4]
    low, high = mixed.amin((1, 2), keepdim=True), mixed.amax((1, 2), keepdim=True)
    torch.testing.assert_close(maps[0.3, 4], (mixed - low) / (high - low), rtol=0, atol=1e-5)
    assert set(made_maps(_made_group(), _discs())) == set(product(DEGREES, GRAINS))


def test_where_the_disc_alone_counts_tdd_is_the_overlap_and_what_is_chance_an_overlap_too():
    """Zeros on a share of the disc take that share of the score."""
    group = _made_group(fill="zeros", null_every=20)
    maps = made_maps(group, _discs(), (0.0, 0.5, 1.0), (1, 8))
    k = 0.15
    rows = ordering(group, _discs(), maps, k, "zeros")
    assert len(rows) == 3 * len(maps)

    def overlap(drawn: Tensor, mask: Tensor) -> float:
        places = plain_top(drawn.numpy(), mask.numpy(), k)
        return sum(bool(DISC[place]) for place in places) / int(DISC.sum())

    for (degree, side), drawn in maps.items():
        by_sample = rows[(rows["degree"] == degree) & (rows["grain"] == side)].set_index("sample_id")
        moved = moved_copies(drawn, 8, group.draws)
        blind = blind_selections(group.target.mask, k, group.draws, 20)
        lengths = border_length(blind.flatten(0, 1)).view(blind.shape[:2]).log()
        hits = (blind & DISC).sum((2, 3)) / DISC.sum()
        own = border_length(top_fraction(drawn, group.target.mask, k).pixels).log()
        chances = local_fit(lengths, hits, own)
        for number, sample in enumerate(group.samples):
            row, mask = by_sample.loc[sample.sample_id], sample.mask
            wanted = overlap(drawn[number], mask)
            assert row["overlap"] == pytest.approx(wanted)
            assert row["tdd"] == pytest.approx(wanted, abs=1e-4)
            chance = np.mean([overlap(copy[number], mask) for copy in moved])
            assert row["moved_excess_tdd"] == pytest.approx(wanted - chance, abs=1e-4)
            assert row["excess_tdd"] == pytest.approx(wanted - float(chances[number]), abs=1e-4)
    truth = rows[rows["degree"] == 1]
    assert k * group.target.mask.sum((1, 2)).min() >= DISC.sum() and (truth["overlap"] == 1).all()
    assert (rows[rows["degree"] == 0]["overlap"] < 0.7).all()
    np.testing.assert_allclose(rank_agreement(rows, "overlap", ["tdd"]), 1, atol=0.02)  # but for rounding of ties


@pytest.mark.parametrize("shape", [(8, 8), (6, 9)])
def test_moved_copies_keep_the_multiset_of_values(shape):
    maps = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))
    moved = moved_copies(maps, 8, THREE)
    assert moved.shape == (8, 3, *shape)
    wanted = maps.flatten(1).sort()[0].expand(8, -1, -1)
    assert torch.equal(moved.flatten(2).sort(2)[0], wanted)
    assert not (moved == maps).flatten(2).all(2).any()


@pytest.mark.parametrize("shape", [(8, 8), (6, 9)])
def test_moved_copies_keep_which_pixels_are_neighbours_on_the_torus(shape):
    maps = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))

    def neighbours(drawn: torch.Tensor) -> set[frozenset[float]]:
        pairs = (zip(drawn.flatten().tolist(), drawn.roll(1, axis).flatten().tolist(), strict=True) for axis in (0, 1))
        return {frozenset(pair) for both in pairs for pair in both}

    for surrogate in moved_copies(maps, 8, THREE):
        for drawn, other in zip(maps, surrogate, strict=True):
            assert neighbours(drawn) == neighbours(other)


def test_moved_copies_are_drawn_per_image_and_seed_and_not_per_map_or_batch():
    first = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(moved_copies(first, 8, THREE), moved_copies(first, 8, THREE))
    alone = moved_copies(first[1:2], 8, Draws(3, ["b"]))
    torch.testing.assert_close(alone[:, 0], moved_copies(first, 8, THREE)[:, 1])
    torch.testing.assert_close(moved_copies(first, 3, THREE), moved_copies(first, 8, THREE)[:3])
    assert not torch.equal(moved_copies(first, 8, THREE), moved_copies(first, 8, Draws(4, ["a", "b", "c"])))


def test_every_map_of_an_image_is_moved_alike():
    places = torch.arange(64.0).view(1, 8, 8).expand(3, -1, -1)
    where = moved_copies(places.contiguous(), 8, THREE).long()
    maps = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(1))
    moved = moved_copies(maps, 8, THREE)
    for number in range(8):
        for index in range(3):
            assert torch.equal(moved[number, index], maps[index].flatten()[where[number, index]])
    assert len({tuple(order.flatten().tolist()) for order in where.flatten(0, 1)}) == 24


def test_the_judge_that_was_fooled_praises_noise_on_the_target_and_the_one_in_use_does_not():
    """Moved copies of noise on the target leave a solid block of ties, which takes next to nothing of the score."""
    settings = {"dataset": "shapes", "model": "shapes_lraspp", "samples": 4, "order": "shuffled", "image_size": 128}
    run = read_settings({**settings, "methods": ["random_masked", "random"], "batch_size": 16}).runs()[0]
    group = group_of(run, draw(load_dataset("shapes"), 4, "shuffled", 0))
    judged = judged_twice(group, run.method_keys(), 0.2, "mean")
    assert list(judged.columns) == ["sample_id", "key", *JUDGES] and len(judged) == 8
    mean = judged.groupby("key")[list(JUDGES)].mean()
    assert mean.loc["random_masked", "moved_excess_tdd"] > 0.3
    assert abs(mean["excess_tdd"]).max() < 0.1
    moved = moved_excess_tdd(group, group.maps_of(run.method_keys()[0])[0], 0.2, bind_fill("mean", group.images))
    assert judged[judged["key"] == "random_masked"]["moved_excess_tdd"].tolist() == pytest.approx(
        moved.tolist(), abs=1e-6
    )


def test_less_than_the_evidence_holds_less_of_it():
    group = _made_group()
    k = 0.5 * float(DISC.sum()) / 32**2
    rows = ordering(group, _discs(), made_maps(group, _discs(), (1.0,), (4,)), k, "mean")
    for row, mask in zip(rows.itertuples(), group.target.mask, strict=True):
        assert row.overlap == pytest.approx(round(k * int(mask.sum())) / int(DISC.sum()), abs=1e-6)


def test_the_agreement_of_ranks_is_scipys_image_by_image():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        [
            {"sample_id": name, "overlap": rng.integers(0, 4) / 4, "tdd": rng.random(), "same": 0.0, "grain": grain}
            for name in ("z", "a", "m")
            for grain in range(12)
        ]
    )
    table["same"] = -3 * table["overlap"]
    agreement = rank_agreement(table, "overlap", ["tdd", "same"])
    assert list(agreement.index) == ["z", "a", "m"] and list(agreement.columns) == ["tdd", "same"]
    for name, rows in table.groupby("sample_id"):
        assert agreement.loc[name, "tdd"] == pytest.approx(stats.spearmanr(rows["overlap"], rows["tdd"])[0])
        assert agreement.loc[name, "same"] == pytest.approx(-1)
