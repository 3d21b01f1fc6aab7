"""ROAD: a plain loop over a direct solve, models that must score best and worst, grad-cam's number and its defect."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import (
    ConvNet,
    direct_imputation,
    plain_fill,
    plain_score,
    plain_top,
    random_images,
    random_masks,
    randomise,
    ready,
)
from pytorch_grad_cam.metrics.road import ROADCombined
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from scipy import ndimage
from torch import Tensor, nn

from segattr_lib.metrics.road import FRACTIONS, removals, road
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target, bind

DRAWS = Draws(0, ["a", "b", "c"])


class SmallClassifier(nn.Module):
    """Four classes from two convolutions and the mean over the image; random weights."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 5, 2, 2), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(8, 4)
        randomise(self, 2, 3.0)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images - 0.5).mean((2, 3)))


class Detector(nn.Module):
    """Two classes: class 1 with certainty where what `measure` finds in an image exceeds the level, else class 0."""

    def __init__(self, measure, level: float):
        super().__init__()
        self.measure, self.level = measure, level
        self.scale = nn.Parameter(torch.tensor(1e6))

    def forward(self, images: Tensor) -> Tensor:
        logit = (self.measure(images) - self.level) * self.scale
        return torch.stack([torch.zeros_like(logit), logit], 1)


def _maps(count: int, size: int, seed: int = 0) -> Tensor:
    """Untied maps, every value once: the ranks of smooth fields."""
    fields = np.random.default_rng(seed).random((count, 5, 5))
    smooth = np.stack([ndimage.zoom(field, size / 5, order=1).ravel() for field in fields])
    ranks = smooth.argsort(1, kind="stable").argsort(1) / (size * size - 1)
    return torch.from_numpy(ranks.reshape(count, size, size)).float()


def _images(count: int, size: int) -> Tensor:
    """Noise that grows brighter from left to right."""
    return random_images(count, size) * torch.linspace(0, 1, size)


def _classified(count: int) -> Target:
    return Target(torch.arange(count) % 4)


def _plain_road(score, image: np.ndarray, one_map: np.ndarray, noise: np.ndarray) -> float:
    everywhere = np.ones(one_map.shape, bool)
    total = 0.0
    for k in (0.2, 0.4, 0.6, 0.8):
        left = []
        for ranked in (-one_map, one_map):
            places = plain_top(ranked, everywhere, k)
            holes = np.zeros(one_map.shape, bool)
            holes[tuple(np.array(places).T)] = True
            filled = direct_imputation(torch.from_numpy(image), torch.from_numpy(holes)) + noise
            left.append(score(plain_fill(image, places, filled.astype(np.float32))))
        total += left[0] - left[1]
    return total / 4


@pytest.mark.parametrize("kind", ["untied", "tied"])
def test_road_of_a_segmenter_is_a_plain_loop_over_the_direct_solve(kind):
    images, maps = _images(3, 24), _maps(3, 24)
    if kind == "tied":
        maps = (4 * maps).floor() / 4
    target = Target(torch.tensor([1, 2, 0]), random_masks(3, 24))
    score = bind(ready(ConvNet(seed=2), batch_size=5), target)
    noise = 0.01 * DRAWS.on("road").standard_normal("imputation", (3, 24, 24))
    got = road(score, images, maps, target, draws=DRAWS)
    for row in range(3):
        plain = plain_score(score.model, target.mask[row].numpy(), int(target.class_id[row]))
        wanted = _plain_road(plain, images[row].numpy(), maps[row].numpy(), noise[row])
        assert abs(wanted) > 1e-3
        assert float(got[row]) == pytest.approx(wanted, abs=1e-4)


def test_road_of_a_classifier_is_a_plain_loop_over_the_direct_solve():
    images, maps, model = _images(3, 24), _maps(3, 24), ready(SmallClassifier())
    target = _classified(3)
    got = road(bind(model, target), images, maps, target, draws=DRAWS, noise=0.0)
    for row in range(3):

        def plain(image: np.ndarray, row: int = row) -> float:
            with torch.no_grad():
                return float(model(torch.from_numpy(image[None].copy())).softmax(1)[0, target.class_id[row]])

        wanted = _plain_road(plain, images[row].numpy(), maps[row].numpy(), np.zeros((3, 24, 24)))
        assert abs(wanted) > 1e-3
        assert float(got[row]) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("size", [32, 33])
def test_a_map_of_the_one_pixel_that_counts_is_the_best_and_its_negative_the_worst(size):
    images = torch.zeros(2, 3, size, size)
    images[0, :, 9, 20] = images[1, :, 4, 4] = 1
    places = torch.stack([image[0] for image in images])

    def brightest(pixels: Tensor) -> Tensor:
        return pixels.mean(1).amax((1, 2))

    target = Target(torch.ones(2, dtype=torch.long))
    score = bind(ready(Detector(brightest, 0.5)), target)
    maps = 0.5 * _maps(2, size) + 0.5 * places
    assert road(score, images, maps, target, draws=DRAWS).tolist() == [1, 1]
    assert road(score, images, 1 - maps, target, draws=DRAWS).tolist() == [-1, -1]


def test_road_sees_only_the_order_of_the_pixels():
    images, maps = _images(3, 24), _maps(3, 24)
    target = _classified(3)
    score = bind(ready(SmallClassifier()), target)
    first = road(score, images, maps, target, draws=DRAWS)
    for changed in (maps.square(), maps.sqrt(), (4 * maps).exp() / 60):
        assert torch.equal(road(score, images, changed, target, draws=DRAWS), first)
    assert not torch.equal(road(score, images, maps.flip(1), target, draws=DRAWS), first)


def test_reversing_an_untied_map_turns_the_sign():
    images, maps = _images(3, 24), _maps(3, 24)
    target = _classified(3)
    score = bind(ready(SmallClassifier()), target)
    first, second = (road(score, images, some_maps, target, draws=DRAWS) for some_maps in (maps, 1 - maps))
    torch.testing.assert_close(first, -second, rtol=0, atol=1e-6)


def test_a_map_that_says_nothing_scores_nothing():
    images = random_images(3, 24)
    target = _classified(3)
    score = bind(ready(SmallClassifier()), target)
    assert road(score, images, torch.full((3, 24, 24), 0.3), target, draws=DRAWS).tolist() == [0, 0, 0]


def test_batched_equals_one_by_one():
    images, maps = _images(3, 32), _maps(3, 32)
    target = _classified(3)
    model = ready(SmallClassifier(), batch_size=7)
    together = road(bind(model, target), images, maps, target, draws=DRAWS)
    for row in range(3):
        mine, draws = target[[row]], Draws(0, [DRAWS.sample_ids[row]])
        alone = road(bind(model, mine), images[[row]], maps[[row]], mine, draws=draws)
        torch.testing.assert_close(alone[0], together[row], rtol=0, atol=1e-6)


def test_the_noise_is_drawn_per_seed_and_can_be_left_out():
    images, maps = _images(3, 24), _maps(3, 24)
    target = _classified(3)
    score = bind(ready(SmallClassifier()), target)

    def value(seed: int, noise: float) -> Tensor:
        return road(score, images, maps, target, draws=Draws(seed, DRAWS.sample_ids), noise=noise)

    assert torch.equal(value(0, 0.01), value(0, 0.01))
    assert not torch.equal(value(0, 0.01), value(1, 0.01))
    assert torch.equal(value(0, 0.0), value(1, 0.0))
    assert float((value(0, 0.01) - value(0, 0.0)).abs().max()) < float((value(0, 0.3) - value(0, 0.0)).abs().max())


@pytest.mark.parametrize("ties", ["order", "permutation"])
@pytest.mark.parametrize("levels", [2, 10, 0])
def test_exactly_the_fraction_goes_whatever_the_ties(ties, levels):
    maps = _maps(3, 25)
    maps = (maps * levels).floor() / levels if levels else maps
    for k in FRACTIONS:
        least, most = removals(maps, k, ties, DRAWS)
        assert (least.sum((1, 2)) == round(k * 625)).all() and (most.sum((1, 2)) == round(k * 625)).all()
        for one_map, low, high in zip(maps, least, most, strict=True):
            assert one_map[low].max() <= one_map[~low].min() and one_map[high].min() >= one_map[~high].max()


def test_a_drawn_order_of_ties_is_seeded_per_sample_and_moves_no_pixel_that_is_untied():
    untied = _maps(3, 20)
    assert torch.equal(removals(untied, 0.4, "permutation", DRAWS), removals(untied, 0.4))
    tied = torch.zeros(3, 20, 20)
    drawn = removals(tied, 0.4, "permutation", DRAWS)
    assert torch.equal(drawn, removals(tied, 0.4, "permutation", DRAWS))
    assert torch.equal(drawn[:, 1:2], removals(tied[1:2], 0.4, "permutation", Draws(0, ["b"])))
    assert not torch.equal(drawn, removals(tied, 0.4, "permutation", Draws(1, DRAWS.sample_ids)))
    assert not torch.equal(drawn[:, 0], drawn[:, 1])
    # scattered, where row-major order takes the top of the image
    assert removals(tied, 0.4)[:, :, :8].all() and drawn[0, :, :10].float().mean() < 0.6


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
def test_the_naive_variant_is_grad_cams_on_the_same_maps(monkeypatch):
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)  # its noise is not seeded
    images, model = _images(3, 40), ready(SmallClassifier())
    target = _classified(3)
    maps = _maps(3, 40)
    maps[1] = (maps[1] * 8).floor() / 8  # tied: the percentile takes more than its share
    maps[2] = torch.nn.functional.avg_pool2d(maps[2][None], 9, 1, 4)[0]
    targets = [ClassifierOutputSoftmaxTarget(int(class_id)) for class_id in target.class_id]
    theirs = 2 * ROADCombined([20, 40, 60, 80])(images, maps.numpy(), targets, model)
    score = bind(model, target)
    naive = road(score, images, maps, target, draws=DRAWS, ties="percentile", noise=0.0)
    np.testing.assert_allclose(naive, theirs, atol=1e-4)
    exact = road(score, images, maps, target, draws=DRAWS, noise=0.0)
    np.testing.assert_allclose(exact[[0, 2]], theirs[[0, 2]], atol=1e-3)
    assert abs(float(exact[1]) - theirs[1]) > 1e-3
    assert np.abs(theirs).min() > 1e-3


def test_the_naive_variant_takes_the_whole_image_from_a_sparse_map_and_rewards_it():
    def structure(pixels: Tensor) -> Tensor:
        return pixels.std((1, 2, 3))

    images = random_images(1, 32)
    target = Target(torch.ones(1, dtype=torch.long))
    score = bind(ready(Detector(structure, 0.005)), target)
    # a map that knows nothing: a twentieth of the pixels, drawn
    values = _maps(1, 32)
    sparse = values.where(values > 0.95, 0)
    least, most = removals(sparse, 0.2, "percentile")
    assert most.all() and bool((least == (sparse == 0)).all())
    assert road(score, images, sparse, target, draws=DRAWS, ties="percentile").tolist() == [1]
    assert road(score, images, sparse, target, draws=DRAWS).tolist() == [0]


def test_other_ties_are_refused():
    with pytest.raises(ValueError, match=r"'random'; expected one of order, permutation, percentile"):
        removals.__wrapped__(torch.rand(1, 4, 4), 0.2, "random")
