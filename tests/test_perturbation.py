"""Fills, imputation, cells, selections and perturbations, against plain loops and formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from oracles import plain_edges, plain_top, random_images, random_masks
from scipy import ndimage

from segattr_lib.imputation import impute
from segattr_lib.perturbation import (
    FILLS,
    IMAGENET_MEAN,
    PERTURBATIONS,
    bind_fill,
    cells,
    gaussian_blur,
    occlude,
    perturb,
    top_fraction,
)
from segattr_lib.seeds import Draws

DRAWS = Draws(3, ["a", "b", "c"])


def _plain_imputation(image: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """One dense system over all pixels: a known pixel is itself, a hole the weighted mean of its neighbours."""
    _, height, width = image.shape
    system, wanted = np.eye(height * width), image.reshape(3, -1).T.astype(np.float64).copy()
    for y in range(height):
        for x in range(width):
            if not holes[y, x]:
                continue
            wanted[y * width + x] = 0
            near = {
                (y + dy, x + dx): (1 / 12 if dy and dx else 1 / 6)
                for dy in (-1, 0, 1)
                for dx in (-1, 0, 1)
                if (dy or dx) and 0 <= y + dy < height and 0 <= x + dx < width
            }
            for (ny, nx), weight in near.items():
                system[y * width + x, ny * width + nx] -= weight / sum(near.values())
    return np.linalg.solve(system, wanted).T.reshape(3, height, width)


def _plain_reference(name: str, images: np.ndarray, others: np.ndarray) -> np.ndarray:
    values = np.empty_like(images)
    for row, image in enumerate(images):
        for channel in range(3):
            values[row, channel] = {
                "mean": image[channel].mean(),
                "dataset_mean": IMAGENET_MEAN[channel],
                "zeros": 0,
                "blur": ndimage.gaussian_filter(image[channel].astype(np.float64), image.shape[1] / 20),
                "other_image": others[row, channel],
            }[name]
    return values


@pytest.mark.parametrize("name", [name for name in FILLS if name != "linear"])
def test_a_fill_puts_its_values_in_the_selected_pixels_as_a_plain_loop_does(name):
    images, others = random_images(3, 10, 12), random_images(3, 10, 12, seed=9)
    owner, selected = torch.tensor([2, 0, 0, 1, 2]), random_masks(5, 10, 12)
    got = occlude(images, selected, owner, bind_fill(name, images, DRAWS, others)).numpy()
    values = _plain_reference(name, images.numpy(), others.numpy())
    for row, (source, holes) in enumerate(zip(owner.tolist(), selected.numpy(), strict=True)):
        for y in range(10):
            for x in range(12):
                wanted = values[source, :, y, x] if holes[y, x] else images[source, :, y, x].numpy()
                np.testing.assert_allclose(got[row, :, y, x], wanted, atol=1e-6)


@pytest.mark.parametrize("name", FILLS)
def test_pixels_outside_the_selection_are_untouched_bit_for_bit(name):
    images = random_images(3, 9)
    before = images.clone()
    owner, selected = torch.tensor([2, 0, 1, 1]), random_masks(4, 9)
    got = occlude(images, selected, owner, bind_fill(name, images, DRAWS, random_images(3, 9, seed=4)))
    kept = ~selected[:, None].expand_as(got)
    assert torch.equal(got[kept], images[owner][kept])
    assert not torch.equal(got, images[owner])
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", FILLS)
def test_selecting_nothing_changes_nothing(name):
    images = random_images(3, 8)
    fill = bind_fill(name, images, DRAWS, random_images(3, 8, seed=4))
    nothing = torch.zeros(3, 8, 8, dtype=torch.bool)
    assert torch.equal(occlude(images, nothing, torch.arange(3), fill), images)


@pytest.mark.parametrize("seed", range(4))
def test_linear_imputation_is_the_dense_solution_with_weights_renormalised_at_the_border(seed):
    images = random_images(1, 7, 9, seed=seed)
    rng = np.random.default_rng(seed)
    holes = rng.random((7, 9)) < (0.2, 0.5, 0.9, 0.98)[seed]
    holes[0, :4] = holes[-1, -1] = True  # border and corner
    holes[3, 4] = False
    got = impute(images, torch.from_numpy(holes)[None]).numpy()
    np.testing.assert_allclose(got[0], _plain_imputation(images[0].numpy(), holes), atol=1e-6)


def test_a_linear_ramp_is_reproduced_in_the_interior_of_a_hole():
    y, x = torch.meshgrid(torch.linspace(0, 1, 12), torch.linspace(0, 1, 14), indexing="ij")
    image = torch.stack([0.3 * y + 0.5 * x, 1 - y, 0.2 + 0.1 * x])
    holes = torch.zeros(12, 14, dtype=torch.bool)
    holes[2:10, 3:12] = True
    holes[5, 6] = False
    broken = torch.where(holes, torch.rand(12, 14, generator=torch.Generator().manual_seed(0)), image)
    torch.testing.assert_close(impute(broken[None], holes[None])[0], image, rtol=0, atol=1e-6)


def test_imputation_with_no_pixel_left_is_the_channel_mean():
    images = random_images(1, 6)
    got = impute(images, torch.ones(1, 6, 6, dtype=torch.bool))
    mean = images.numpy().mean((2, 3), keepdims=True)
    np.testing.assert_allclose(got, np.broadcast_to(mean, images.shape), atol=1e-6)


def test_what_hides_in_a_hole_cannot_be_seen_in_its_imputation():
    images, holes = random_images(1, 8), random_masks(1, 8)
    others = torch.where(holes[:, None], 1 - images, images)
    assert torch.equal(impute(images, holes), impute(others, holes))


def test_a_linear_fill_is_the_imputation_plus_seeded_noise_of_sigma_one_hundredth():
    images = random_images(3, 40)
    holes = torch.zeros(3, 40, 40, dtype=torch.bool)
    holes[:, 4:36, 4:36] = True
    owner = torch.arange(3)
    got = occlude(images, holes, owner, bind_fill("linear", images, DRAWS))
    clean = impute(images, holes)
    noise = (got - clean)[holes[:, None].expand_as(got)]
    size = len(noise)
    assert abs(float(noise.mean())) < 4 * 0.01 / math.sqrt(size)
    assert abs(float(noise.std()) - 0.01) < 4 * 0.01 / math.sqrt(2 * size)
    again = occlude(images, holes, owner, bind_fill("linear", images, DRAWS))
    assert torch.equal(got, again)
    assert not torch.equal(got, occlude(images, holes, owner, bind_fill("linear", images, Draws(4, ["a", "b", "c"]))))
    alone = occlude(images[1:2], holes[1:2], torch.tensor([0]), bind_fill("linear", images[1:2], Draws(3, ["b"])))
    torch.testing.assert_close(alone[0], got[1], rtol=0, atol=1e-6)


def test_a_linear_fill_of_the_whole_image_is_its_mean_without_noise():
    images, everything = random_images(2, 6), torch.ones(2, 6, 6, dtype=torch.bool)
    got = occlude(images, everything, torch.arange(2), bind_fill("linear", images, Draws(0, ["a", "b"])))
    torch.testing.assert_close(got, images.mean((2, 3), keepdim=True).expand_as(images), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "missing"), [("linear", "draws"), ("other_image", "others")])
def test_a_fill_that_lacks_what_it_needs_says_so(name, missing):
    with pytest.raises(ValueError, match=f"'{name}' needs {missing}"):
        bind_fill(name, random_images(1, 6))


def test_an_unknown_fill_lists_the_valid_ones():
    with pytest.raises(ValueError, match=r"'grey'.*mean, dataset_mean, zeros, blur, linear, other_image"):
        bind_fill("grey", random_images(1, 6))


@pytest.mark.parametrize(
    ("height", "width", "grid"),
    [(14, 14, 14), (10, 10, 3), (17, 23, 5), (224, 224, 14), (9, 31, 9), (50, 7, 7), (8, 8, 1)],
)
def test_cell_edges_lie_at_floor_i_h_over_g_and_every_pixel_is_in_one_cell(height, width, grid):
    got = cells(height, width, grid).numpy()
    wanted = np.full((height, width), -1)
    for row, (top, bottom) in enumerate(plain_edges(height, grid)):
        for column, (left, right) in enumerate(plain_edges(width, grid)):
            assert (wanted[top:bottom, left:right] == -1).all()
            wanted[top:bottom, left:right] = row * grid + column
    np.testing.assert_array_equal(got, wanted)
    assert np.unique(got).tolist() == list(range(grid**2))


@pytest.mark.parametrize(("height", "width", "grid"), [(8, 8, 9), (8, 20, 9), (20, 8, 9), (8, 8, 0), (8, 8, -1)])
def test_a_grid_finer_than_the_image_is_refused(height, width, grid):
    with pytest.raises(ValueError, match=f"grid is {grid}; expected 1 to 8"):
        cells(height, width, grid)


def _maps(kind: str, rng: np.random.Generator) -> np.ndarray:
    shape = (9, 11)
    return {
        "random": rng.random(shape),
        "tied": rng.integers(0, 3, shape) / 2,
        "sparse": np.where(rng.random(shape) < 0.8, 0, rng.random(shape)),
        "constant": np.full(shape, 0.7),
        "zero": np.zeros(shape),
        "signed zero": np.where(rng.random(shape) < 0.5, 0.0, -0.0),
    }[kind].astype(np.float32)


@pytest.mark.parametrize("kind", ["random", "tied", "sparse", "constant", "zero", "signed zero"])
def test_the_top_fraction_is_that_of_a_stable_descending_sort(kind):
    rng = np.random.default_rng(0)
    for k in (0.001, 0.01, 0.1, 0.2, 0.25, 0.333, 0.5, 0.7, 0.99, 1.0):
        one_map = _maps(kind, rng)
        region = rng.random(one_map.shape) < rng.choice([0.1, 0.5, 1.0])
        region[4, 4] = True
        places = np.flatnonzero(region)
        count = max(1, math.floor(k * len(places) + 0.5))
        ranked = np.argsort(-one_map.ravel()[places], kind="stable")
        wanted = np.zeros(one_map.size, bool)
        wanted[places[ranked[:count]]] = True
        selected, share, level = top_fraction(torch.from_numpy(one_map)[None], torch.from_numpy(region)[None], k)
        np.testing.assert_array_equal(selected[0].numpy().ravel(), wanted)
        assert selected.sum() == count
        assert {(y, x) for y, x in zip(*np.nonzero(selected[0].numpy()), strict=True)} == set(
            plain_top(one_map, region, k)
        )
        least = one_map.ravel()[places[ranked[count - 1]]]
        chosen, tied = one_map.ravel()[wanted] == least, one_map.ravel()[places] == least
        assert float(share[0]) == pytest.approx(chosen.sum() / count if tied.sum() > chosen.sum() else 0)
        assert float(level[0]) == pytest.approx(tied.mean())


def test_an_empty_region_selects_nothing_and_ties_nothing():
    selected, share, level = top_fraction(torch.rand(2, 4, 4), torch.zeros(2, 4, 4, dtype=torch.bool), 0.2)
    assert not selected.any()
    assert share.tolist() == level.tolist() == [0, 0]


def test_the_tied_share_of_a_case_solved_by_hand():
    maps = torch.tensor([[[0.9, 0.5, 0.5, 0.5], [0.1, 0.5, 0.8, 0.0]]])
    everywhere = torch.ones(1, 2, 4, dtype=torch.bool)
    # k = .5 takes 4 of 8: .9, .8 and two of the four that are .5
    selected, share, level = top_fraction(maps, everywhere, 0.5)
    assert selected.int().tolist() == [[[1, 1, 1, 0], [0, 0, 1, 0]]]
    assert share.tolist() == level.tolist() == [0.5]
    # 6 of 8 take all of the .5: nothing was decided by order
    assert top_fraction(maps, everywhere, 0.75).tied.tolist() == [0]
    # a tie with a pixel outside the region is none
    region = torch.tensor([[[1, 1, 0, 0], [1, 0, 1, 1]]]).bool()
    assert top_fraction(maps, region, 0.6).tied.tolist() == [0]


def test_a_constant_map_takes_the_first_pixels_in_row_major_order_and_all_of_them_are_tied():
    selected, share, level = top_fraction(torch.ones(1, 3, 4), torch.ones(1, 3, 4, dtype=torch.bool), 0.5)
    assert selected.flatten().tolist() == [True] * 6 + [False] * 6
    assert share.tolist() == level.tolist() == [1]


def _perturbed(kind: str, images: np.ndarray, strength: float) -> np.ndarray:
    mean = images.mean((2, 3), keepdims=True)
    noise = np.stack([rng.standard_normal(images.shape[1:], np.float32) for rng in DRAWS.generators("perturbation")])
    blurred = np.stack([[ndimage.gaussian_filter(plane, 1.0) for plane in image] for image in images])
    changed = {
        "noise": images + strength * noise,
        "brightness": images + strength,
        "contrast": mean + (1 + strength) * (images - mean),
        "blur": blurred,
        "flip": images[..., ::-1],
    }
    return np.clip(changed[kind], 0, 1)


@pytest.mark.parametrize("strength", [0.03, 0.4])
@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_a_perturbation_is_its_formula_clamped(kind, strength):
    images = random_images(3, 10, 12)
    got = perturb(images, kind, strength, DRAWS)
    np.testing.assert_allclose(got, _perturbed(kind, images.numpy(), strength), atol=1e-6)
    assert got.min() >= 0 and got.max() <= 1
    assert not torch.equal(got, images)


def test_the_perturbing_noise_has_the_strength_for_sigma():
    images = torch.full((3, 3, 40, 40), 0.5)
    noise = perturb(images, "noise", 0.03, DRAWS) - images
    assert abs(float(noise.std()) - 0.03) < 4 * 0.03 / math.sqrt(2 * noise.numel())
    assert not torch.equal(noise[0], noise[1])


def test_an_unknown_perturbation_lists_the_valid_ones():
    with pytest.raises(ValueError, match=r"'rotate'.*noise, brightness, contrast, blur, flip"):
        perturb(random_images(3, 6), "rotate", 0.03, DRAWS)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 5.0])
def test_gaussian_blur_keeps_a_constant_and_the_channels_apart(sigma):
    images = torch.tensor([0.2, 0.5, 1.0])[None, :, None, None].expand(2, 3, 9, 12)
    torch.testing.assert_close(gaussian_blur(images, sigma), images, rtol=0, atol=1e-6)


def test_gaussian_blur_keeps_the_mean_and_does_not_mix_images():
    images = random_images(2, 16)
    torch.testing.assert_close(gaussian_blur(images, 2.0).mean((2, 3)), images.mean((2, 3)), rtol=0, atol=1e-5)
    torch.testing.assert_close(gaussian_blur(images[1:], 2.0), gaussian_blur(images, 2.0)[1:])
