"""RefineCAM: its means against exact arithmetic, grad-cam and torchcam, and laws."""

from __future__ import annotations

import copy
from decimal import Decimal, getcontext

import pytest
import pytorch_grad_cam
import torch
import torchcam.methods
from nets import setting
from oracles import ConvNet, random_images, random_masks, ready
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from segattr_lib.attribution import METHODS
from segattr_lib.attribution.cam import GRADIENT_CAMS, ega, gpa
from segattr_lib.attribution.fusion import (
    FUSIONS,
    REFINABLE,
    inverse_exp_mean,
    refine_ega,
    refine_gpa,
    refinecam,
    refined,
)
from segattr_lib.attribution.maps import normalise, upsample
from segattr_lib.models.engine import counted_passes
from segattr_lib.registry import UserError
from segattr_lib.targets import Target, bind


def close(got: Tensor, wanted: Tensor, atol: float = 1e-4) -> None:
    torch.testing.assert_close(got, torch.as_tensor(wanted, dtype=got.dtype), rtol=0, atol=atol)


def random_maps(count: int) -> Tensor:
    """Maps as CAMs are: some pixels 0, many small."""
    rng = torch.Generator().manual_seed(count)
    return torch.stack([normalise(torch.randn(2, 9, 9, generator=rng).relu() ** 3) for _ in range(count)])


@pytest.mark.parametrize(
    "values", [(0.5, 0.8), (1, 1, 1), (0.3, 0.3), (1e-3, 0.9, 0.4), (1e-2, 1e-2 + 1e-4), (1e-6, 1)]
)
def test_inverse_exp_mean_is_equation_9_in_exact_arithmetic(values):
    getcontext().prec = 60
    exact = [Decimal(value) for value in values]
    wanted = 1 / (sum((1 / value).exp() for value in exact) / len(exact)).ln()
    got = inverse_exp_mean(torch.tensor(values, dtype=torch.float32)[:, None, None, None])
    assert float(got) == pytest.approx(float(wanted), rel=2e-6)


def test_inverse_exp_mean_lies_between_the_least_and_the_harmonic_mean_and_is_0_only_where_one_is():
    maps = random_maps(4)
    got, least = inverse_exp_mean(maps), maps.amin(0)
    harmonic = 4 / maps.reciprocal().sum(0)
    assert (got >= least * (1 - 1e-5)).all() and (got <= harmonic * (1 + 1e-5)).all()
    assert torch.equal(got == 0, least == 0)
    assert ((got > 0) & (least < 1 / 89)).any()  # exp(89) overflows float32


@pytest.mark.parametrize("count", [2, 3, 4])
def test_product_and_geometric_mean_rank_pixels_alike(count):
    maps = random_maps(count)
    products, means = (refined(list(maps), fuse).flatten(1) for fuse in ("product", "geometric_mean"))
    for product, mean in zip(products, means, strict=True):
        assert (mean[product.argsort()].diff() >= 0).all()
        assert torch.equal(product == 0, mean == 0)
    assert (products - means).abs().amax() > 0.1


@pytest.mark.parametrize("fuse", FUSIONS)
def test_maps_that_are_all_one_map_refine_to_it_where_the_fusion_is_a_mean(fuse):
    (one_map,) = random_maps(1)
    close(refined([one_map, one_map, one_map], fuse), normalise(one_map**3) if fuse == "product" else one_map, 1e-6)
    assert not refined([one_map, torch.zeros_like(one_map)], fuse).any()  # a layer that shows nothing leaves nothing


@pytest.mark.parametrize("fuse", FUSIONS)
@pytest.mark.parametrize("base", REFINABLE)
def test_refinecam_is_the_fusion_of_the_base_cams_own_maps(base, fuse):
    score, images, target, layers = setting("vgg")
    alone = [METHODS[base].function(score, images, target, layer=layer) for layer in layers]
    with counted_passes(score.model) as passes:
        got = refinecam(score, images, target, layers=layers, base=base, fuse=fuse)
    close(got, refined(alone, fuse), 1e-5)
    if base in GRADIENT_CAMS:
        assert passes == [6]


def test_refinecam_of_one_layer_is_the_base_cam():
    score, images, target, layers = setting("resnet")
    for fuse in FUSIONS:
        got = refinecam(score, images, target, layers=layers[:1], base="layercam", fuse=fuse)
        close(got, METHODS["layercam"].function(score, images, target, layer=layers[0]), 1e-6)


@pytest.mark.parametrize("name", ["vgg", "resnet", "convnext"])
@pytest.mark.parametrize(
    ("base", "explainer"),
    [("gradcam_plus_plus", pytorch_grad_cam.GradCAMPlusPlus), ("layercam", pytorch_grad_cam.LayerCAM)],
)
def test_refinecam_is_grad_cams(base, explainer, name):
    score, images, target, layers = setting(name)
    model = copy.deepcopy(score.model)  # its hooks stay
    theirs = pytorch_grad_cam.RefineCAM(model, [model.get_submodule(layer) for layer in layers], base_method=explainer)
    wanted = theirs(
        images.clone().requires_grad_(), [ClassifierOutputTarget(int(class_id)) for class_id in target.class_id]
    )
    close(refinecam(score, images, target, layers=layers, base=base), wanted)


@pytest.mark.parametrize("name", ["vgg", "resnet"])
def test_refinecam_is_torchcams_but_for_a_second_normalisation_when_that_is_told_the_images_size(name):
    """It multiplies N(CAM) resized, eq. 7 N of these; and of itself it multiplies at the size of the largest layer."""
    score, images, target, layers = setting(name)
    size = tuple(images.shape[2:])
    with torchcam.methods.LayerCAM(score.model, list(layers)) as base:
        coarse_maps = base(target.class_id.tolist(), score.model(images.clone().requires_grad_()))
    theirs = torchcam.methods.RefineCAM.fuse_cams([coarse.detach() for coarse in coarse_maps], size)
    once = normalise(torch.stack([upsample(normalise(coarse.detach()), size) for coarse in coarse_maps]).prod(0))
    close(theirs, once)
    close(
        refinecam(score, images, target, layers=layers, base="layercam"),
        refined([normalise(upsample(coarse.detach(), size)) for coarse in coarse_maps]),
    )


def test_refine_gpa_and_refine_ega_are_products_of_gpa_and_ega_in_one_pass():
    images, target = random_images(2, 16), Target(torch.tensor([0, 2]), random_masks(2, 16))
    score, layers = bind(ready(ConvNet()), target), ["features.0", "features"]
    for refine, base, options in [(refine_gpa, gpa, {}), (refine_ega, ega, {}), (refine_ega, ega, {"window": 4})]:
        with counted_passes(score.model) as passes:
            got = refine(score, images, target, layers=layers, **options)
        assert passes == [6]
        first, second = (base(score, images, target, layer=layer, **options) for layer in layers)
        close(got, normalise(first * second), 1e-6)
        assert got.any()
    pooled, single = (refine_ega(score, images, target, layers=layers, window=size) for size in (4, 1))
    assert (pooled - single).abs().amax() > 0.01


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"base": "grad_cam"}, UserError, r"Unknown base CAM 'grad_cam' \(did you mean 'gradcam'\?\)"),
        ({"fuse": "sum"}, UserError, "Unknown fuse 'sum'.*geometric_mean, inverse_exp_mean, product"),
        ({"layers": []}, ValueError, "layers is empty"),
        ({"layers": ["layer1", "layer9"]}, ValueError, "no layer 'layer9'"),
    ],
)
def test_what_refinecam_cannot_do_is_one_sentence(options, error, said):
    score, images, target, layers = setting("resnet")
    with pytest.raises(error, match=said):
        refinecam(score, images, target, **{"layers": layers, **options})
