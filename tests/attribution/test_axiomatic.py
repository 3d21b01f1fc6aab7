"""Attributions through captum: exact answers on nets that have them, laws, and what captum alone gets wrong."""

from __future__ import annotations

import warnings
from itertools import combinations
from math import comb

import captum.attr
import numpy as np
import pytest
import torch
from nets import NETS, Vgg, net, setting
from oracles import Classifier, random_images, ready
from scipy.stats import pearsonr
from torch import Tensor, nn

from segattr_lib.attribution.axiomatic import (
    colour_map,
    deeplift,
    gradient_variance,
    guided_gradcam,
    guided_gradient,
    input_x_gradient,
    integrated,
    integrated_gradients,
    kernel_shap,
    lime,
    occlusion,
    rescaled,
    sliding_drops,
    superpixels,
    surrogate,
    vargrad,
)
from segattr_lib.attribution.cam import activations_and_gradients, pooled
from segattr_lib.attribution.maps import normalise, upsample
from segattr_lib.models.engine import counted_passes
from segattr_lib.perturbation import bind_fill
from segattr_lib.registry import accepted
from segattr_lib.seeds import Draws
from segattr_lib.targets import Score, Target, bind

DRAWS = Draws(0, ["a", "b"])
pytestmark = pytest.mark.filterwarnings("ignore:.*(Setting|did not already require)")  # captum's own calls


def close(got: Tensor, wanted: Tensor, atol: float = 1e-4) -> None:
    torch.testing.assert_close(got, wanted.to(got), rtol=0, atol=atol)


def blocks(count: int, size: int, cells: int) -> Tensor:
    """Images of plain squares, which SLIC finds."""
    side = size // cells
    return random_images(count, cells).repeat_interleave(side, 2).repeat_interleave(side, 3)


def logit(score: Score) -> Score:
    return bind(score.model, score.target, "logit")


def rise(score: Score, images: Tensor) -> Tensor:
    """s(x) - s(black)."""
    owner = torch.arange(len(images))
    with torch.no_grad():
        return score(images, owner) - score(torch.zeros_like(images), owner)


def test_of_a_linear_logit_every_method_is_the_weight_times_the_image():
    images, target = blocks(2, 24, 4), Target(torch.tensor([1, 2]))
    model = ready(Classifier())
    score = bind(model, target)
    exact = images * model.head.weight[target.class_id][:, :, None, None] / 24**2
    wanted = colour_map(exact)
    for method in (input_x_gradient, integrated_gradients, deeplift):
        close(method(score, images, target), wanted)
    for row in range(2):
        regions = superpixels(images[row], 16)
        assert regions.max() >= 12
        shared = torch.zeros_like(wanted[row])
        for number in regions.unique():
            shared[regions == number] = exact[row].sum(0)[regions == number].sum().abs()
        options = {"draws": Draws(0, [str(row)]), "segments": 16, "samples": 300}
        row_target = target[[row]]
        got = kernel_shap(bind(model, row_target), images[[row]], row_target, **options)[0]
        close(got, normalise(shared[None])[0], 1e-3)


def test_attributions_are_of_probability_or_logit_as_told():
    score, images, target, _ = setting("vgg", 1)
    maps = [input_x_gradient(score, images, target, scalar=scalar) for scalar in ("logit", "probability")]
    inputs = images.clone().requires_grad_()
    output = score.model(inputs)
    for got, value in zip(maps, (output, output.softmax(1)), strict=True):
        (slope,) = torch.autograd.grad(value[0, int(target.class_id[0])], inputs, retain_graph=True)
        close(got, colour_map(slope * images))
    assert (maps[0] - maps[1]).abs().amax() > 0.01


@pytest.mark.parametrize("name", NETS)
def test_integrated_gradients_sum_to_the_rise_from_black(name):
    score, images, target, _ = setting(name)
    values = integrated(logit(score), images, 20)
    torch.testing.assert_close(values.sum((1, 2, 3)), rise(logit(score), images), rtol=0.02, atol=0.02)
    close(integrated_gradients(score, images, target, steps=20), colour_map(values))


def test_integrated_gradients_are_the_mean_gradient_on_the_way_from_black():
    score, images, _, _ = setting("convnext", 1)
    total = torch.zeros_like(images)
    for step in range(100):
        inputs = (images * (step + 0.5) / 100).requires_grad_()
        (slope,) = torch.autograd.grad(logit(score)(inputs, torch.zeros(1, dtype=torch.long)).sum(), inputs)
        total += slope / 100
    wanted = total * images
    close(integrated(logit(score), images, 50), wanted, float(1e-2 * wanted.abs().amax()))


@pytest.mark.parametrize("name", ["vgg", "resnet"])
def test_deeplift_of_a_net_of_relus_and_pools_sums_to_the_rise_from_black(name):
    """torchvision's residual blocks call one ReLU twice, in place, and the windows of its first pooling overlap."""
    score, images, _, _ = setting(name)
    score = logit(score)
    before = dict(score.model.named_modules())
    wanted = rise(score, images)
    torch.testing.assert_close(rescaled(score, images).sum((1, 2, 3)), wanted, rtol=1e-3, atol=1e-3)
    assert dict(score.model.named_modules()) == before
    torch.testing.assert_close(rise(score, images), wanted)


def test_captum_alone_refuses_a_relu_that_is_called_twice():
    with pytest.raises(RuntimeError, match="used more than once"):
        captum.attr.DeepLift(net("resnet")).attribute(random_images(1, 64), target=1)


def outright(widths: tuple[int | str, ...]) -> nn.Module:
    """A VGG of these widths none of whose ReLUs work in place, which captum takes as it is."""
    torch.manual_seed(3)
    model = Vgg(widths)
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return ready(model)


def test_deeplift_is_captums_but_where_a_pool_follows_a_relu():
    """There captum tells the ReLU the plain gradient, and of overlapping windows it keeps one: its values do not sum
    to the rise from black."""
    images, target = random_images(2, 32), Target(torch.tensor([1, 2]))
    overlapping = outright((8, 12))
    overlapping.features.add_module("pool", nn.MaxPool2d((3, 2), (2, 1), (1, 0)))
    rounded = outright((8, 12))
    rounded.features.add_module("pool", nn.MaxPool2d(3, ceil_mode=True))
    for model in (outright((8, 12)), outright((8, "M", 12)), overlapping, rounded):
        theirs = captum.attr.DeepLift(model).attribute(images, target=[1, 2]).detach()
        ours, wanted = rescaled(bind(model, target, "logit"), images), rise(bind(model, target, "logit"), images)
        torch.testing.assert_close(ours.sum((1, 2, 3)), wanted, rtol=1e-3, atol=1e-4)
        if any(isinstance(module, nn.MaxPool2d) for module in model.modules()):
            assert ((theirs.sum((1, 2, 3)) - wanted).abs() > 0.01 * wanted.abs()).all()
        else:
            close(ours, theirs, float(1e-4 * theirs.abs().amax()))
            close(deeplift(bind(model, target), images, target), colour_map(theirs))


def test_guided_gradcam_is_captums():
    images, target = random_images(2, 32), Target(torch.tensor([1, 2]))
    model = outright((8, "M", 12, "M", 16))
    with torch.no_grad():
        model.head.weight.abs_()  # so that the last layer's map is nowhere 0, and N would change its product
    ((activation, gradient),) = activations_and_gradients(bind(model, target, "logit"), images, ["features.7"])
    assert pooled(activation, gradient).min() > 0
    for layer in ("features.1", "features.4", "features.7"):
        explainer = captum.attr.GuidedGradCam(model, model.get_submodule(layer))
        theirs = explainer.attribute(images, [1, 2], interpolate_mode="bilinear").detach()
        assert theirs.any()
        score = bind(model, target)
        close(guided_gradcam(score, images, target, layer=layer), colour_map(theirs))
        close(guided_gradcam(score, images, target, layer=layer, sign="positive"), colour_map(theirs, "positive"))


class Guided(torch.autograd.Function):
    """ReLU whose gradient is 0 where it falls, too."""

    @staticmethod
    def forward(ctx, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values.relu()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors
        return gradient.relu() * (values > 0)


def test_guided_backpropagation_lets_only_rising_gradients_through_every_relu(monkeypatch):
    score, images, _, _ = setting("resnet")
    got = guided_gradient(logit(score), images)
    inputs = images.clone().requires_grad_()
    monkeypatch.setattr(nn.ReLU, "forward", lambda _self, values: Guided.apply(values))
    (wanted,) = torch.autograd.grad(logit(score)(inputs, torch.arange(2)).sum(), inputs)
    close(got, wanted, float(1e-4 * wanted.abs().amax()))


@pytest.mark.parametrize("name", ["swin", "convnext"])
def test_guided_backpropagation_without_a_relu_is_the_gradient(name):
    score, images, _, _ = setting(name)
    inputs = images.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(logit(score)(inputs, torch.arange(2)).sum(), inputs)
    close(guided_gradient(logit(score), images), wanted, float(1e-5 * wanted.abs().amax()))


def shapley(score: Score, image: Tensor, regions: Tensor) -> Tensor:
    """The Shapley value of every superpixel, over all coalitions."""
    count = int(regions.max()) + 1
    value = {}
    for size in range(count + 1):
        for coalition in combinations(range(count), size):
            shown = torch.isin(regions, torch.tensor(coalition, dtype=regions.dtype))
            with torch.no_grad():
                value[coalition] = float(score((image * shown)[None], torch.zeros(1, dtype=torch.long)))
    shapley_values = torch.zeros(count)
    for coalition, before in value.items():
        for player in set(range(count)) - set(coalition):
            after = value[tuple(sorted((*coalition, player)))]
            shapley_values[player] += (after - before) / (count * comb(count - 1, len(coalition)))
    return shapley_values


def test_kernel_shap_comes_to_the_shapley_values_over_all_coalitions():
    images, target = blocks(1, 32, 2), Target(torch.tensor([1]))
    score = bind(net("vgg"), target, "logit")
    regions = superpixels(images[0], 6)
    assert 4 <= regions.max() + 1 <= 7
    wanted = shapley(score, images[0], regions)[regions.long()]
    got = surrogate(captum.attr.KernelShap, score, images, Draws(0, ["a"]), 600, 6)
    close(got[0, 0], wanted, float(0.05 * wanted.abs().amax()))
    assert float(got[0, 0].abs().amax()) > 0.1


def test_kernel_shap_shares_out_the_whole_rise_from_black():
    images, target = blocks(2, 48, 6), Target(torch.tensor([1, 2]))
    score = bind(net("convnext"), target, "logit")
    values = surrogate(captum.attr.KernelShap, score, images, DRAWS, 120, 20)
    for row in range(2):
        regions = superpixels(images[row], 20)
        shares = [values[row, 0][regions == number][0] for number in regions.unique()]
        assert float(sum(shares)) == pytest.approx(float(rise(score, images)[row]), abs=1e-2)


def test_lime_finds_the_weights_of_a_model_linear_in_its_superpixels():
    images, target = blocks(1, 24, 4), Target(torch.tensor([1]))
    model = ready(Classifier())
    with torch.no_grad():
        model.head.weight.mul_(100)  # the lasso's penalty is not scaled
    score = bind(model, target, "logit")
    values = surrogate(captum.attr.Lime, score, images, Draws(0, ["a"]), 300, 16)[0, 0]
    regions = superpixels(images[0], 16)
    exact = (images[0] * model.head.weight[1][:, None, None] / 24**2).sum(0)
    shares = torch.stack([exact[regions == number].sum() for number in regions.unique()])
    coefficients = torch.stack([values[regions == number][0] for number in regions.unique()])
    assert pearsonr(coefficients, shares)[0] > 0.999


def test_lime_converges_with_fewer_samples_than_superpixels():
    """captum leaves scikit-learn its 1000 rounds, which then end with a warning and weights on their way."""
    images, target = blocks(1, 48, 8), Target(torch.tensor([1]))
    model = ready(Classifier())
    with torch.no_grad():
        model.head.weight.mul_(1000)
    score = bind(model, target, "logit")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = surrogate(captum.attr.Lime, score, images, Draws(0, ["a"]), 25, 60)
    assert values.any()
    explainer = captum.attr.Lime(lambda perturbed: score(perturbed, torch.zeros(len(perturbed), dtype=torch.long)))
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="did not converge"), torch.no_grad():
        explainer.attribute(images, 0, feature_mask=superpixels(images[0], 60)[None, None], n_samples=25)


def test_vargrad_is_the_variance_of_the_gradient_among_the_noisy_copies():
    score, images, target, _ = setting("convnext")
    got = gradient_variance(logit(score), images, DRAWS, 6, 0.2)
    for row, rng in enumerate(DRAWS.generators("vargrad")):
        slopes = []
        for _ in range(6):
            noise = torch.from_numpy(rng.standard_normal(tuple(images.shape[1:]), np.float32))
            copy = (images[[row]] + 0.2 * noise).requires_grad_()
            slopes.append(torch.autograd.grad(score.model(copy)[0, int(target.class_id[row])], copy)[0][0])
        wanted = torch.stack(slopes).var(0, correction=0)
        close(got[row], wanted, float(1e-4 * wanted.amax()))
        maps = vargrad(bind(score.model, target), images, target, draws=DRAWS, samples=6, noise=0.2)
        close(maps[row], normalise(wanted.sum(0)[None])[0], 1e-3)


def test_vargrad_comes_to_captums():
    score, images, _, _ = setting("convnext", 1)
    explainer = captum.attr.NoiseTunnel(captum.attr.Saliency(score.model))
    torch.manual_seed(0)
    options = {"nt_type": "vargrad", "nt_samples": 800, "nt_samples_batch_size": 100, "stdevs": 0.15, "abs": False}
    theirs = explainer.attribute(images, target=1, **options).detach()
    ours = gradient_variance(logit(score), images, Draws(0, ["a"]), 800, 0.15)
    assert pearsonr(ours.flatten(), theirs.flatten())[0] > 0.99
    assert float(ours.sum() / theirs.sum()) == pytest.approx(1, abs=0.03)


def test_a_gradient_that_is_the_same_everywhere_has_no_variance_and_one_copy_is_refused():
    images, target = random_images(2, 24), Target(torch.tensor([1, 2]))
    score = bind(ready(Classifier()), target)
    assert not vargrad(score, images, target, draws=DRAWS, samples=5).any()
    with pytest.raises(ValueError, match="samples is 1"):
        vargrad(score, images, target, draws=DRAWS, samples=1)


@pytest.mark.parametrize("method", [lime, kernel_shap, vargrad])
def test_what_draws_is_drawn_by_seed_sample_and_occasion_whatever_the_batch(method):
    images, target = blocks(1, 32, 4), Target(torch.tensor([1]))
    options = accepted(method, {"samples": 40, "segments": 16})

    def maps(draws: Draws, batch_size: int = 16) -> Tensor:
        return method(bind(ready(net("vgg"), batch_size), target), images, target, draws=draws, **options)

    state = torch.random.get_rng_state()
    first = maps(Draws(0, ["a"]))
    assert torch.equal(state, torch.random.get_rng_state())
    torch.manual_seed(123)
    close(maps(Draws(0, ["a"]), batch_size=7), first)
    for other in (Draws(1, ["a"]), Draws(0, ["b"]), Draws(0, ["a"]).on("noise")):
        assert (maps(other) - first).abs().amax() > 1e-3
    torch.random.set_rng_state(state)


@pytest.mark.parametrize(("patch", "stride"), [(8, 8), (8, 4), (9, 5), (32, 1), (5, 3)])
def test_occlusion_is_captums(patch: int, stride: int):
    """Some of the strides leave a last square that hangs over the border."""
    score, images, target, _ = setting("vgg")
    explainer = captum.attr.Occlusion(score.model)
    fill = bind_fill("mean", images)
    options = {"strides": (3, stride, stride), "baselines": fill.reference, "perturbations_per_eval": 16}
    with torch.no_grad():
        theirs = explainer.attribute(images, (3, patch, patch), target=target.class_id, **options)
    ours = sliding_drops(logit(score), images, patch, stride, fill)
    close(ours[:, None].expand_as(theirs), theirs)
    close(occlusion(score, images, target, patch=patch, stride=stride), colour_map(theirs), 1e-3)


def test_squares_side_by_side_share_out_the_whole_rise_from_the_fill_of_a_linear_logit():
    images, target = random_images(2, 24), Target(torch.tensor([1, 2]))
    score = bind(ready(Classifier()), target, "logit")
    drops = sliding_drops(score, images, 6, 6, bind_fill("zeros", images))
    close(drops[:, ::6, ::6].sum((1, 2)), rise(score, images), 1e-5)
    exact = (images * score.model.head.weight[target.class_id][:, :, None, None] / 24**2).sum(1)
    close(sliding_drops(score, images, 1, 1, bind_fill("zeros", images)), exact, 1e-5)


def test_occlusion_costs_one_pass_a_square_and_one_and_refuses_what_does_not_fit():
    score, images, target, _ = setting("vgg")
    with counted_passes(score.model) as passes:
        maps = occlusion(score, images, target)  # squares of 32 // 7 px, every 2 px
    assert passes == [2 * (15**2 + 1)]
    close(maps, occlusion(score, images, target, patch=4, stride=2))
    for patch, stride in ((33, 1), (4, 5), (4, 0)):
        with pytest.raises(ValueError, match=f"patch is {patch} and stride {stride}; expected"):
            occlusion(score, images, target, patch=patch, stride=stride)


@pytest.mark.parametrize("method", [lime, kernel_shap])
def test_an_image_of_one_superpixel_has_a_map_of_zeros(method):
    images, target = random_images(1, 32), Target(torch.tensor([1]))  # noise, of which SLIC makes one piece
    assert not superpixels(images[0], 12).any()
    assert not method(bind(net("vgg"), target), images, target, draws=Draws(0, ["a"]), segments=12).any()


def test_a_black_image_has_nothing_to_attribute():
    score, images, target, _ = setting("vgg")
    for method in (input_x_gradient, integrated_gradients, deeplift):
        assert not method(score, torch.zeros_like(images), target).any()


def test_colours_are_summed_before_the_absolute_value_or_the_positive_part():
    values = torch.tensor([[1.0, -3.0], [2.0, 0.5]])[None, None] * torch.tensor([1.0, -0.5, 0.5])[None, :, None, None]
    close(colour_map(values), torch.tensor([[[0.2, 1.0], [0.6, 0.0]]]))
    close(colour_map(values, "positive"), torch.tensor([[[0.5, 0.0], [1.0, 0.25]]]))
    close(colour_map(upsample(values[:, 0], (4, 4))[:, None].expand(-1, 3, -1, -1) * 0), torch.zeros(1, 4, 4))
