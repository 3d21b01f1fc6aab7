"""ROAD's linear imputation: against the sparse direct solve, and what must hold of any solution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import direct_imputation, random_images, random_masks
from scipy import ndimage
from torch import Tensor

from segattr_lib import imputation
from segattr_lib.imputation import impute


def holes_of(kind: str, size: int = 96) -> Tensor:
    """Masks as deletion by a map makes them."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:size, :size] / size
    if kind == "cam":  # smooth blobs, 20 % and 80 % of the image
        field = ndimage.zoom(rng.random((7, 7)), size / 7, order=1)
        masks = [field > np.quantile(field, level) for level in (0.8, 0.2)]
    elif kind == "block":
        field = np.maximum(abs(y - 0.45), abs(x - 0.5))
        masks = [field < np.quantile(field, level) for level in (0.2, 0.9)]
    elif kind == "frame":  # up to the border, where the weights are renormalised
        field = np.maximum(abs(y - 0.5), abs(x - 0.4))
        masks = [field > np.quantile(field, level) for level in (0.6, 0.1)]
    elif kind == "random":
        masks = [rng.random((size, size)) < level for level in (0.2, 0.8)]
    else:
        masks = [rng.random((size, size)) < 0.99, rng.random((size, size)) < 0.9995]
    return torch.from_numpy(np.stack(masks))


@pytest.mark.parametrize("kind", ["random", "block", "frame", "cam", "almost everything"])
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 1e-3), (torch.float64, 1e-6)])
def test_the_imputation_is_that_of_the_sparse_direct_solve(kind, dtype, allowed):
    holes = holes_of(kind)
    images = random_images(2, 96, seed=1).to(dtype)
    images[1] = images[1].round()  # black and white: the worst the known pixels can be
    got = impute(images, holes)
    assert got.dtype == dtype
    for image, mask, filled in zip(images, holes, got, strict=True):
        assert float(np.abs(filled.double().numpy() - direct_imputation(image, mask)).max()) <= allowed


def test_the_error_left_is_the_one_allowed():
    images, holes = random_images(2, 96, seed=2).double(), holes_of("cam")
    wanted = np.stack([direct_imputation(image, mask) for image, mask in zip(images, holes, strict=True)])
    errors = [
        float(np.abs(impute(images, holes, tolerance).numpy() - wanted).max()) for tolerance in (1e-2, 1e-4, 1e-9)
    ]
    assert errors[0] <= 1e-2 and errors[1] <= 1e-4 and errors[2] <= 1e-9
    assert errors[2] < errors[1] < errors[0]


@pytest.mark.parametrize("kind", ["block", "cam"])
def test_the_work_does_not_grow_with_the_hole(kind, monkeypatch):
    cycles = {}
    real = torch.cholesky_solve  # called once a cycle

    def counted(*arguments: Tensor) -> Tensor:
        cycles[size] = cycles.get(size, 0) + 1
        return real(*arguments)

    monkeypatch.setattr(torch, "cholesky_solve", counted)
    for size in (48, 96, 192, 384):
        impute(random_images(2, size), holes_of(kind, size))
    assert max(cycles.values()) <= 7
    assert cycles[384] <= cycles[96] + 1


@pytest.mark.parametrize("shape", [(5, 5), (1, 40), (40, 1), (2, 90), (37, 64), (64, 37), (63, 66)])
def test_any_shape_of_image_is_filled(shape):
    images = random_images(2, *shape)
    holes = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0)) < 0.7
    got = impute(images, holes)
    for image, mask, filled in zip(images, holes, got, strict=True):
        assert float(np.abs(filled.double().numpy() - direct_imputation(image, mask)).max()) <= 1e-3


def test_an_image_gets_the_same_alone_and_among_others_easy_and_hard(monkeypatch):
    images = random_images(4, 64)
    holes = torch.zeros(4, 64, 64, dtype=torch.bool)
    holes[0, 30:33, 5:8] = True  # done before the others are
    holes[1:3] = holes_of("cam", 64)
    holes[3] = True
    together = impute(images, holes)
    for index in range(4):
        alone = impute(images[[index]], holes[[index]])[0]
        torch.testing.assert_close(alone, together[index], rtol=0, atol=1e-6)
    monkeypatch.setattr(imputation, "AT_ONCE", 3)
    torch.testing.assert_close(impute(images, holes), together, rtol=0, atol=1e-6)


def test_known_pixels_stay_bit_for_bit_and_holes_stay_between_them():
    images, holes = random_images(2, 64), holes_of("block", 64)
    got = impute(images, holes)
    kept = ~holes[:, None].expand_as(got)
    assert torch.equal(got[kept], images[kept])
    known = images.masked_fill(holes[:, None], torch.nan)
    low, high = known.nan_to_num(2).amin((2, 3), keepdim=True), known.nan_to_num(-1).amax((2, 3), keepdim=True)
    assert (got >= low - 1e-3).all() and (got <= high + 1e-3).all()


def test_the_imputation_is_affine_in_the_colours():
    images, holes = random_images(2, 64).double(), random_masks(2, 64)
    scale, shift = torch.tensor([2.0, 0.5, -3.0])[:, None, None], torch.tensor([0.1, -0.4, 7.0])[:, None, None]
    wanted = impute(images, holes) * scale + shift
    torch.testing.assert_close(impute(images * scale + shift, holes), wanted, rtol=0, atol=1e-5)


def test_one_known_pixel_spreads_over_the_whole_image_and_none_gives_the_mean():
    images = random_images(2, 128)
    holes = torch.ones(2, 128, 128, dtype=torch.bool)
    holes[0, 100, 3] = False
    got = impute(images, holes)
    torch.testing.assert_close(got[0], images[0, :, 100:101, 3:4].expand(-1, 128, 128), rtol=0, atol=1e-5)
    torch.testing.assert_close(got[1], images[1].mean((1, 2), keepdim=True).expand(-1, 128, 128), rtol=0, atol=1e-5)


def test_lower_precision_outside_is_not_taken_into_the_solver():
    images, holes = random_images(1, 64), holes_of("block", 64)[1:]
    with torch.autocast("cpu", torch.bfloat16):
        got = impute(images, holes)
    assert torch.equal(got, impute(images, holes))
    half = impute(images.half(), holes)
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), got, rtol=0, atol=2e-3)


def test_an_image_that_is_not_finite_is_refused():
    images = random_images(1, 8)
    images[0, 1, 2, 3] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        impute(images, random_masks(1, 8))
