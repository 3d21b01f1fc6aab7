"""Attribution methods: closed forms, captum, oracle models, and the laws that hold between methods."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam, Occlusion
from oracles import (
    ConvNet,
    Pointwise,
    RegionOracle,
    plain_edges,
    plain_fill,
    plain_score,
    random_images,
    random_masks,
    ready,
)
from scipy import ndimage
from torch import Tensor, nn

from segattr_lib.attribution import METHODS, load_method
from segattr_lib.attribution.cam import activations_and_gradients, ega, gpa, pool_windows
from segattr_lib.attribution.fusion import dea, dual_evidence
from segattr_lib.attribution.intervention import region_drops, ria
from segattr_lib.attribution.maps import normalise, upsample
from segattr_lib.imputation import impute
from segattr_lib.models.engine import counted_passes
from segattr_lib.perturbation import FILLS, IMAGENET_MEAN, bind_fill, cells
from segattr_lib.registry import accepted
from segattr_lib.seeds import Draws
from segattr_lib.targets import Score, Target, bind

DRAWS = Draws(0, ["a", "b"])
CONTROLS = [name for name, method in METHODS.items() if method.family == "control"]


def _setting(model: nn.Module | None = None, size: int = 16, width: int | None = None) -> tuple[Score, Tensor, Target]:
    target = Target(torch.tensor([1, 2]), random_masks(2, size, width))
    return bind(ready(model or ConvNet()), target), random_images(2, size, width), target


def _closed_form(model: Pointwise, image: Tensor, mask: Tensor, class_id: int, scalar: str) -> tuple[Tensor, Tensor]:
    """Activations and gradients (K,h,w) of a Pointwise model with stride s, written out by hand.

    A feature cell stands for s x s pixels, m of which lie in the mask: d logit_c / d a_k = w_ck, and
    d p_c / d a_k = p_c (w_ck - sum_j p_j w_jk); the mean over the mask weighs a cell with m / |M|.
    """
    step = model.stride
    height, width = -(-image.shape[1] // step), -(-image.shape[2] // step)
    weight = model.head.weight[:, :, 0, 0]
    activation = torch.zeros(weight.shape[1], height, width)
    gradient = torch.zeros_like(activation)
    for y in range(height):
        for x in range(width):
            pixel = image[:, step * y, step * x]
            activation[:, y, x] = model.features.weight[:, :, 0, 0] @ pixel + model.features.bias
            share = mask[step * y : step * (y + 1), step * x : step * (x + 1)].sum() / mask.sum()
            slope = weight[class_id]
            if scalar == "probability":
                p = (weight @ activation[:, y, x] + model.head.bias).softmax(0)
                slope = p[class_id] * (weight[class_id] - p @ weight)
            gradient[:, y, x] = share * slope
    return activation, gradient


def _as_map(values: Tensor, size: tuple[int, int]) -> Tensor:
    return normalise(upsample(values.relu()[None], size))[0]


@pytest.mark.parametrize("scalar", ["logit", "probability"])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_gpa_and_ega_have_their_closed_form_on_a_model_linear_in_its_features(stride, scalar):
    model = Pointwise(stride=stride)
    score, images, target = _setting(model, 16, 12)
    pooled = gpa(score, images, target, layer="features", scalar=scalar)
    elementwise = ega(score, images, target, layer="features", scalar=scalar)
    for row in range(2):
        activation, gradient = _closed_form(model, images[row], target.mask[row], int(target.class_id[row]), scalar)
        weights = gradient.mean((1, 2))
        wanted = _as_map((weights[:, None, None] * activation).sum(0), (16, 12))
        torch.testing.assert_close(pooled[row], wanted, rtol=0, atol=1e-4)
        torch.testing.assert_close(
            elementwise[row], _as_map((gradient * activation).sum(0), (16, 12)), rtol=0, atol=1e-4
        )


def test_gpa_of_the_logit_of_a_linear_head_is_the_relu_of_the_heads_own_map():
    model = Pointwise(stride=1)
    score, images, target = _setting(model)
    got = gpa(score, images, target, layer="features", scalar="logit")
    bare = model(images) - model.head.bias[:, None, None]
    wanted = normalise(torch.stack([bare[row, class_id].relu() for row, class_id in enumerate(target.class_id)]))
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-5)


def test_ega_without_a_stride_is_zero_outside_the_mask_of_a_pointwise_model():
    score, images, target = _setting(Pointwise(stride=1))
    maps = ega(score, images, target, layer="features")
    assert not maps[~target.mask].any()
    assert maps[target.mask].any()


@pytest.mark.parametrize("window", [2, 3, 5, 7])
@pytest.mark.parametrize("shape", [(8, 8), (7, 9)])
def test_window_pooling_is_the_mean_of_each_window_also_where_it_does_not_divide(window, shape):
    values = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    wanted = torch.empty_like(values)
    for top in range(0, shape[0], window):
        for left in range(0, shape[1], window):
            part = (..., slice(top, top + window), slice(left, left + window))
            wanted[part] = values[part].mean((2, 3), keepdim=True)
    torch.testing.assert_close(pool_windows(values, window), wanted)


@pytest.mark.parametrize("window", [3, 4])
def test_egas_window_pools_the_gradients_and_not_the_activations(window):
    model = Pointwise(stride=2)
    score, images, target = _setting(model)
    maps = ega(score, images, target, layer="features", window=window, scalar="logit")
    for row in range(2):
        activation, gradient = _closed_form(model, images[row], target.mask[row], int(target.class_id[row]), "logit")
        wanted = _as_map((pool_windows(gradient[None], window)[0] * activation).sum(0), (16, 16))
        torch.testing.assert_close(maps[row], wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("window", [8, 20])
def test_ega_with_a_window_of_the_whole_feature_map_is_gpa(window):
    score, images, target = _setting()
    torch.testing.assert_close(
        ega(score, images, target, layer="features", window=window), gpa(score, images, target, layer="features")
    )


def test_gpa_is_captums_layer_grad_cam():
    score, images, target = _setting()
    explainer = LayerGradCam(lambda inputs: score(inputs, torch.arange(2)), score.model.features)
    theirs = explainer.attribute(images.requires_grad_(), relu_attributions=True)[:, 0].detach()
    wanted = normalise(upsample(theirs, (16, 16)))
    got = gpa(score, images.detach(), target, layer="features")
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-5)


def test_gradients_at_several_layers_of_one_pass_are_those_of_a_pass_each():
    score, images, _ = _setting()
    layers = ["features.0", "features.2", "features"]
    with counted_passes(score.model) as passes:
        together = activations_and_gradients(score, images, layers)
    assert passes == [6]
    for layer, (activation, gradient) in zip(layers, together, strict=True):
        ((alone, slope),) = activations_and_gradients(score, images, [layer])
        torch.testing.assert_close(activation, alone)
        torch.testing.assert_close(gradient, slope)


class InPlace(ConvNet):
    """The same net as ConvNet, its ReLUs in place."""

    def __init__(self):
        super().__init__()
        for module in self.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = True


@pytest.mark.parametrize("layer", ["features.0", "features.2", "features"])
@pytest.mark.parametrize("method", [gpa, ega])
def test_a_layer_hooked_before_an_in_place_relu_is_unaffected(method, layer):
    wanted = method(*_setting(ConvNet()), layer=layer)
    torch.testing.assert_close(method(*_setting(InPlace()), layer=layer), wanted)
    assert wanted.any()
    ((activation, _),) = activations_and_gradients(_setting(InPlace())[0], _setting()[1], ["features.0"])
    assert (activation < 0).any()


class Stubborn(ConvNet):
    """Raises after its features."""

    def forward(self, images: Tensor) -> Tensor:
        self.features(images)
        raise RuntimeError("no more")


def _hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


@pytest.mark.parametrize(
    ("model", "layers", "error"),
    [
        (Stubborn(), ["features"], "no more"),
        (ConvNet(), ["nowhere"], "no layer 'nowhere'"),
        (ConvNet(), ["features", "nowhere"], "no layer 'nowhere'"),
    ],
)
def test_hooks_are_removed_after_an_error(model, layers, error):
    score, images, _ = _setting(model)
    with pytest.raises((RuntimeError, ValueError), match=error):
        activations_and_gradients(score, images, layers)
    assert _hooks(model) == 0


def test_a_layer_that_gives_no_feature_map_is_refused_and_left_without_a_hook():
    class Flat(ConvNet):
        def __init__(self):
            super().__init__()
            self.flat = nn.Flatten()

        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) + 0 * self.flat(images).mean()

    score, images, target = _setting(Flat())
    with pytest.raises(ValueError, match=r"'flat' gives \(2, 768\); expected a tensor \(B,C,h,w\)"):
        gpa(score, images, target, layer="flat")
    assert _hooks(score.model) == 0


def test_a_layer_that_the_forward_pass_never_runs_is_refused_by_name():
    class Idle(ConvNet):
        def __init__(self):
            super().__init__()
            self.auxiliary = nn.Conv2d(3, 3, 1)

    score, images, target = _setting(Idle())
    with pytest.raises(ValueError, match="'auxiliary'"):
        gpa(score, images, target, layer="auxiliary")


@pytest.mark.parametrize("name", ["gpa", "ega", "ria", "dea", *CONTROLS])
def test_images_explained_together_get_the_maps_they_get_alone(name):
    score, images, target = _setting()
    method = METHODS[name].function

    def explain(rows: list[int]) -> Tensor:
        offered = {"layer": "features", "grid": 4, "draws": Draws(0, [DRAWS.sample_ids[row] for row in rows])}
        return method(bind(score.model, target[rows]), images[rows], target[rows], **accepted(method, offered))

    together = explain([0, 1])
    torch.testing.assert_close(together, torch.cat([explain([0]), explain([1])]), rtol=0, atol=1e-4)
    assert together.min() >= 0 and together.max() <= 1


def _reference(name: str, images: Tensor, others: Tensor) -> np.ndarray:
    mean = images.numpy().mean((2, 3), keepdims=True)
    return {
        "mean": np.broadcast_to(mean, images.shape),
        "dataset_mean": np.broadcast_to(np.array(IMAGENET_MEAN, np.float32)[:, None, None], images.shape),
        "zeros": np.zeros(images.shape, np.float32),
        "blur": np.stack(
            [[ndimage.gaussian_filter(p, images.shape[2] / 20) for p in image] for image in images.numpy()]
        ),
        "other_image": others.numpy(),
    }.get(name)


@pytest.mark.parametrize("name", FILLS)
@pytest.mark.parametrize(("height", "width", "grid"), [(16, 16, 4), (17, 13, 3)])
def test_rias_drops_are_those_of_a_plain_loop_over_the_cells(name, height, width, grid):
    score, images, target = _setting(None, height, width)
    others = random_images(2, height, width, seed=7)
    drops = region_drops(score, images, cells(height, width, grid), bind_fill(name, images, DRAWS, others)).numpy()
    noise = 0.01 * DRAWS.standard_normal("imputation", (3, height, width))
    for row in range(2):
        plain = plain_score(score.model, target.mask[row].numpy(), int(target.class_id[row]))
        image = images[row].numpy()
        boxes = [(a, b) for a in plain_edges(height, grid) for b in plain_edges(width, grid)]
        for number, ((top, bottom), (left, right)) in enumerate(boxes):
            places = [(y, x) for y in range(top, bottom) for x in range(left, right)]
            if name == "linear":
                holes = torch.zeros(height, width, dtype=torch.bool)
                holes[top:bottom, left:right] = True
                values = impute(images[[row]], holes[None])[0].numpy() + noise[row]
            else:
                values = _reference(name, images, others)[row]
            wanted = plain(image) - plain(plain_fill(image, places, values))
            assert drops[row, number] == pytest.approx(wanted, abs=1e-5)
    assert np.abs(drops).max() > 1e-3


@pytest.mark.parametrize("name", [name for name in FILLS if name != "linear"])
@pytest.mark.parametrize(("height", "width", "grid"), [(16, 16, 4), (12, 18, 6)])
def test_rias_drops_are_captums_occlusion_where_the_grid_divides_the_image(name, height, width, grid):
    score, images, _ = _setting(None, height, width)
    others = random_images(2, height, width, seed=7)
    fill = bind_fill(name, images, DRAWS, others)
    drops = region_drops(score, images, cells(height, width, grid), fill).view(2, grid, grid)
    window = (3, height // grid, width // grid)
    for row in range(2):
        explainer = Occlusion(lambda inputs, row=row: score(inputs, torch.full((len(inputs),), row)))
        baseline = torch.from_numpy(_reference(name, images, others)[row : row + 1].copy())
        theirs = explainer.attribute(images[row : row + 1], window, strides=window, baselines=baseline)
        torch.testing.assert_close(theirs[0, 0, :: window[1], :: window[2]].float(), drops[row], rtol=0, atol=1e-5)


@pytest.mark.parametrize("signed", [False, True])
def test_ria_is_its_drops_clamped_spread_over_the_cells_and_normalised(signed):
    score, images, target = _setting(None, 17, 13)
    regions = cells(17, 13, 3)
    drops = region_drops(score, images, regions, bind_fill("mean", images)).numpy()
    assert (drops < 0).any() and (drops > 0).any()
    maps = ria(score, images, target, grid=3, signed=signed).numpy()
    for row in range(2):
        values = drops[row] if signed else drops[row].clip(0)
        spread = np.array([[values[cell] for cell in line] for line in regions.tolist()])
        wanted = (spread - spread.min()) / (spread.max() - spread.min())
        np.testing.assert_allclose(maps[row], wanted, atol=1e-5)


def test_passes_are_one_and_a_cell_each_for_ria_three_for_a_gradient_and_their_sum_for_dea():
    score, images, target = _setting()

    def passes(method, **options) -> float:
        with counted_passes(score.model) as counted:
            method(score, images, target, **options)
        return counted[0] / len(images)

    assert passes(gpa, layer="features") == passes(ega, layer="features") == 3
    assert passes(ria, grid=4) == 17
    assert passes(ria, grid=5) == 26
    assert passes(dea, layer="features", grid=4) == 20
    assert passes(METHODS["centre"].function) == 0


@pytest.mark.parametrize("cell", [0, 5, 15])
def test_ria_of_a_model_that_reads_one_cell_is_one_there_and_zero_elsewhere(cell):
    inside = cells(16, 16, 4) == cell
    model = ready(RegionOracle(inside / inside.sum()))
    images = 0.1 * random_images(2, 16) + 0.6 * inside  # brighter than the mean that fills it
    target = Target(torch.tensor([1, 1]), random_masks(2, 16))
    maps = ria(bind(model, target), images, target, grid=4)
    torch.testing.assert_close(maps, inside.float().expand(2, -1, -1), rtol=0, atol=1e-4)


def test_ria_gives_a_cell_that_raises_the_score_nothing_unless_signed():
    regions = cells(16, 16, 4)
    weights = torch.where((regions == 9) | (regions == 0), 1.0, torch.where(regions == 3, -0.5, 0.0)) / 16
    model = ready(RegionOracle(weights))
    images = torch.full((1, 3, 16, 16), 0.4)
    target = Target(torch.tensor([1]), random_masks(1, 16))
    drops = torch.where((regions == 9) | (regions == 0), 0.4, torch.where(regions == 3, -0.2, 0.0))
    maps = ria(bind(model, target), images, target, grid=4, fill="zeros")
    torch.testing.assert_close(maps[0], drops.clamp_min(0) / 0.4, rtol=0, atol=1e-4)
    signed = ria(bind(model, target), images, target, grid=4, fill="zeros", signed=True)
    torch.testing.assert_close(signed[0], (drops + 0.2) / 0.6, rtol=0, atol=1e-4)


@pytest.mark.parametrize("axis", [1, 2])
def test_flipping_image_and_mask_flips_rias_map_of_a_flip_equivariant_model(axis):
    score, images, target = _setting(Pointwise(), 16)
    flipped = Target(target.class_id, target.mask.flip(axis))
    maps = ria(score, images, target, grid=4)
    again = ria(bind(score.model, flipped), images.flip(axis + 1), flipped, grid=4)
    assert maps.amax((1, 2)).min() == 1
    torch.testing.assert_close(again.flip(axis), maps, rtol=0, atol=1e-4)


def test_rolling_image_and_mask_by_whole_cells_rolls_rias_map_of_a_pointwise_model():
    score, images, target = _setting(Pointwise(), 16)
    moved = Target(target.class_id, target.mask.roll((4, 8), (1, 2)))
    again = ria(bind(score.model, moved), images.roll((4, 8), (2, 3)), moved, grid=4)
    torch.testing.assert_close(again.roll((-4, -8), (1, 2)), ria(score, images, target, grid=4), rtol=0, atol=1e-4)


def test_a_grid_finer_than_the_image_is_refused():
    with pytest.raises(ValueError, match="grid is 17; expected 1 to 16"):
        ria(*_setting(), grid=17)


def _evidence() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return normalise(torch.rand(2, 6, 7, generator=rng)), normalise(torch.rand(2, 6, 7, generator=rng))


@pytest.mark.parametrize(("alpha", "beta"), [(0.65, 0.35), (0.5, 0.0), (0.8, 2.0), (1.0, 0.35)])
def test_dual_evidence_is_equation_two_normalised(alpha, beta):
    gradient, intervention = _evidence()
    fused = dual_evidence(gradient, intervention, alpha=alpha, beta=beta)
    for row in range(2):
        g, r = gradient[row].double().numpy(), intervention[row].double().numpy()
        wanted = alpha * g * (1 + beta * r) + (1 - alpha) * r
        wanted = (wanted - wanted.min()) / (wanted.max() - wanted.min())
        np.testing.assert_allclose(fused[row], wanted, atol=1e-6)


def test_dea_with_all_weight_on_one_side_is_that_side():
    score, images, target = _setting()
    gradient, intervention = ega(score, images, target, layer="features"), ria(score, images, target, grid=4)
    only = dea(score, images, target, layer="features", grid=4, alpha=1.0, beta=0.0)
    torch.testing.assert_close(only, normalise(gradient))
    only = dea(score, images, target, layer="features", grid=4, alpha=0.0)
    torch.testing.assert_close(only, intervention)


@pytest.mark.parametrize(
    "options",
    [{}, {"alpha": 0.5, "beta": 1.0}, {"grid": 5, "fill": "zeros"}, {"window": 2, "scalar": "logit"}],
    ids=str,
)
def test_dea_is_the_dual_evidence_of_ega_and_ria_under_their_own_options(options):
    score, images, target = _setting()
    of = {"ega": ("window", "scalar"), "ria": ("grid", "fill"), "fuse": ("alpha", "beta")}
    own = {part: {key: options[key] for key in keys if key in options} for part, keys in of.items()}
    parts = ega(score, images, target, layer="features", **own["ega"]), ria(score, images, target, **own["ria"])
    torch.testing.assert_close(
        dea(score, images, target, layer="features", **options), dual_evidence(*parts, **own["fuse"])
    )
    assert METHODS["dea"].parts == ("ega", "ria")
    assert METHODS["dea"].fuse is dual_evidence


@pytest.mark.parametrize("options", [{"alpha": -0.1}, {"alpha": 1.01}, {"beta": -0.1}], ids=str)
def test_dual_evidence_out_of_range_is_refused_by_name(options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        dual_evidence(*_evidence(), **options)


def test_normalise_takes_each_map_to_zero_and_one_and_a_constant_to_zeros():
    maps = torch.tensor([[[1.0, 3.0], [2.0, 5.0]], [[4.0, 4.0], [4.0, 4.0]], [[-1.0, 0.0], [0.0, -3.0]]])
    wanted = [[[0, 0.5], [0.25, 1]], [[0, 0], [0, 0]], [[2 / 3, 1], [1, 0]]]
    torch.testing.assert_close(normalise(maps), torch.tensor(wanted))


def test_normalise_changes_nothing_the_second_time_and_ignores_shift_and_scale():
    maps = torch.rand(3, 5, 5, generator=torch.Generator().manual_seed(0))
    once = normalise(maps)
    assert torch.equal(normalise(once), once)
    torch.testing.assert_close(normalise(4 * maps + 3), once, rtol=0, atol=1e-5)


def test_a_map_without_evidence_is_zeros():
    model = ready(RegionOracle(torch.zeros(16, 16)))
    images, target = random_images(2, 16), Target(torch.tensor([1, 1]), random_masks(2, 16))
    assert not ria(bind(model, target), images, target, grid=4).any()


def _control(name: str, draws: Draws, seed: int = 0) -> Tensor:
    images, target = random_images(2, 28, seed=seed), Target(torch.tensor([1, 2]), random_masks(2, 28))
    method = METHODS[name].function
    return method(bind(ready(ConvNet()), target), images, target, **accepted(method, {"draws": draws}))


@pytest.mark.parametrize("name", ["random", "random_cells", "random_smooth", "half", "all_ones"])
def test_random_controls_are_set_by_seed_and_sample(name):
    assert torch.equal(_control(name, DRAWS), _control(name, Draws(0, ["a", "b"])))
    assert torch.equal(_control(name, DRAWS), _control(name, DRAWS, seed=1))
    assert not torch.equal(_control(name, DRAWS), _control(name, Draws(1, ["a", "b"])))
    first, second = _control(name, DRAWS)
    assert not torch.equal(first, second)
    assert torch.equal(_control(name, Draws(0, ["b", "a"])).flip(0), _control(name, DRAWS))


@pytest.mark.parametrize("name", ["random", "random_cells", "random_smooth"])
def test_random_maps_are_drawn_anew_on_another_occasion(name):
    first, second = _control(name, DRAWS), _control(name, DRAWS.on("noise"))
    assert abs(np.corrcoef(first.flatten(), second.flatten())[0, 1]) < 0.5
    assert not torch.equal(first, second)


@pytest.mark.parametrize(("name", "levels"), [("half", {0.0: 1, 0.5: 782, 1.0: 1}), ("all_ones", {0.0: 1, 1.0: 783})])
def test_half_and_all_ones_have_the_same_special_pixels_on_every_occasion(name, levels):
    maps = _control(name, DRAWS)
    assert torch.equal(maps, _control(name, DRAWS.on("noise").on("again")))
    for one_map in maps:
        values, counts = one_map.unique(return_counts=True)
        assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == levels


def test_random_cells_are_constant_on_rias_cells_and_differ_between_them():
    for one_map in _control("random_cells", DRAWS):
        cell_values = [one_map[cells(28, 28, 14) == cell].unique().tolist() for cell in range(14**2)]
        assert all(len(values) == 1 for values in cell_values)
        assert len({values[0] for values in cell_values}) == 14**2


def test_random_pixels_are_uniform():
    values = np.sort(_control("random", DRAWS).flatten().numpy())
    assert values[0] >= 0 and values[-1] < 1
    ranks = (np.arange(len(values)) + 0.5) / len(values)
    assert np.abs(values - ranks).max() < 1.63 / len(values) ** 0.5  # Kolmogorov-Smirnov, 1 %


def test_the_centre_map_is_a_gaussian_of_a_quarter_of_each_side():
    centre_map = _control("centre", DRAWS)[0].double().numpy()
    assert np.array_equal(centre_map, centre_map[::-1]) and np.array_equal(centre_map, centre_map.T)
    place = (np.arange(28) - 13.5) / (27 / 2)  # -1 at the first pixel, 1 at the last: sigma is half of that
    bump = np.exp(-(place[:, None] ** 2 + place**2) / (2 * 0.5**2))
    np.testing.assert_allclose(centre_map, (bump - bump.min()) / (bump.max() - bump.min()), atol=1e-6)


def test_the_edge_map_peaks_at_an_edge_and_is_zero_far_from_it():
    images = torch.zeros(1, 3, 40, 40)
    images[..., 20:] = 1
    target = Target(torch.tensor([1]), random_masks(1, 40))
    edge_map = METHODS["edges"].function(bind(ready(ConvNet()), target), images, target)[0]
    assert edge_map.argmax(1).unique().tolist() in ([19], [20], [19, 20])
    assert edge_map[:, :8].max() < 1e-3 and edge_map[:, 32:].max() < 1e-3


def test_the_ground_truth_map_is_the_mask():
    target = Target(torch.tensor([1, 2]), random_masks(2, 28))
    assert torch.equal(_control("ground_truth", DRAWS), target.mask.float())


def test_a_users_own_function_is_a_method(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def flat(score, images, target, *, level=0.5):\n    return images[:, 0] * level\n", encoding="utf-8"
    )
    method = load_method(f"{tmp_path}/mine.py:flat")
    images = random_images(1, 8)
    assert (method.label, method.family) == ("flat", "own")
    assert torch.equal(method.function(None, images, None, level=1.0), images[:, 0])
