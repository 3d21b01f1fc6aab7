"""CAMs: grad-cam and torchcam where definitions agree, closed forms where they do not, and laws."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import pytorch_grad_cam
import torch
import torchcam.methods
from nets import NETS, Answers, handed_out, net, setting
from oracles import ConvNet, plain_score, random_images, random_masks, ready
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import SwinTransformer

from segattr_lib.attribution import METHODS
from segattr_lib.attribution.cam import (
    GRADIENT_CAMS,
    activations_and_gradients,
    channel_axis,
    ega,
    gpa,
    gradcam,
    gradcam_plus_plus,
    hirescam,
    layercam,
    shapleycam,
)
from segattr_lib.attribution.channels import ablationcam, faster_scorecam, scorecam
from segattr_lib.attribution.maps import normalise, upsample
from segattr_lib.models.engine import counted_passes
from segattr_lib.registry import UserError, accepted
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target, bind

CURVED = ("swin", "convnext")
GRADIENT = {
    "gradcam": (gradcam, pytorch_grad_cam.GradCAM),
    "gradcam_plus_plus": (gradcam_plus_plus, pytorch_grad_cam.GradCAMPlusPlus),
    "hirescam": (hirescam, pytorch_grad_cam.HiResCAM),
    "layercam": (layercam, pytorch_grad_cam.LayerCAM),
    "shapleycam": (shapleycam, pytorch_grad_cam.ShapleyCAM),
}


def close(got: Tensor, wanted: Tensor | np.ndarray, atol: float = 1e-4) -> None:
    torch.testing.assert_close(got, torch.as_tensor(wanted, dtype=got.dtype), rtol=0, atol=atol)


def apart(got: Tensor, other: Tensor | np.ndarray) -> float:
    return float((got - torch.as_tensor(other)).abs().amax())


def theirs(explainer: type, model: nn.Module, layer: str, images: Tensor, target: Target) -> np.ndarray:
    """grad-cam's maps of the logits."""
    reshape = (lambda values: values.permute(0, 3, 1, 2)) if isinstance(model, SwinTransformer) else None
    model = copy.deepcopy(model).requires_grad_(True)  # its hooks stay; its Hessian's product asks for gradients
    cam = explainer(model, [model.get_submodule(layer)], reshape)
    return cam(images.clone().requires_grad_(), [ClassifierOutputTarget(int(class_id)) for class_id in target.class_id])


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("method", [name for name in GRADIENT if name != "shapleycam"])
def test_gradient_cams_are_grad_cams_at_every_layer(method, name):
    score, images, target, layers = setting(name)
    ours, explainer = GRADIENT[method]
    maps = []
    for layer in layers[:1] if method == "hirescam" and name in CURVED else layers:
        maps.append(ours(score, images, target, layer=layer))
        close(maps[-1], theirs(explainer, score.model, layer, images, target))
    assert torch.stack(maps).any()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # grad-cam's, when it is deleted
@pytest.mark.parametrize("name", ["vgg", "resnet", "convnext"])
def test_shapleycam_is_grad_cams_where_channels_come_first(name):
    score, images, target, layers = setting(name)
    for layer in layers:  # of Swin, grad-cam weighs the rows as if they were channels
        wanted = theirs(pytorch_grad_cam.ShapleyCAM, score.model, layer, images, target)
        close(shapleycam(score, images, target, layer=layer), wanted)


@pytest.mark.parametrize("name", ["vgg", "resnet", "convnext"])
@pytest.mark.parametrize("method", ["gradcam", "layercam"])
def test_gradcam_and_layercam_are_torchcams(method, name):
    score, images, target, layers = setting(name)
    explainer = {"gradcam": torchcam.methods.GradCAM, "layercam": torchcam.methods.LayerCAM}[method]
    with explainer(score.model, layers) as cam:
        coarse_maps = cam(target.class_id.tolist(), score.model(images.clone().requires_grad_()))
    for layer, coarse in zip(layers, coarse_maps, strict=True):
        wanted = normalise(upsample(coarse.detach(), (images.shape[2], images.shape[3])))
        close(GRADIENT[method][0](score, images, target, layer=layer), wanted)


def test_torchcams_gradcam_plus_plus_is_not_the_papers_for_its_alpha_is_the_squared_gradient():
    score, images, target, layers = setting("vgg")
    with torchcam.methods.GradCAMpp(score.model, layers[1]) as cam:
        (coarse,) = cam(target.class_id.tolist(), score.model(images.clone().requires_grad_()))
    torchcam_maps = normalise(upsample(coarse.detach(), (32, 32)))
    ((activation, gradient),) = activations_and_gradients(bind(score.model, target, "logit"), images, layers[1:2])
    weights = (gradient.relu() ** 3).sum((2, 3), keepdim=True)  # it divides a copy, so alpha stays g^2
    close(torchcam_maps, normalise(upsample((weights * activation).sum(1).relu(), (32, 32))))
    assert apart(gradcam_plus_plus(score, images, target, layer=layers[1]), torchcam_maps) > 0.01


@pytest.mark.parametrize("name", ["vgg", "resnet"])
def test_gradcam_plus_plus_without_epsilon_is_equation_19(name):
    score, images, target, layers = setting(name)
    evidence = activations_and_gradients(bind(score.model, target, "logit"), images, layers)
    for layer, (activation, gradient) in zip(layers, evidence, strict=True):
        wanted = torch.zeros(activation.shape[0], *activation.shape[2:], dtype=torch.float64)
        for row, (planes, slopes) in enumerate(
            zip(activation.double().numpy(), gradient.double().numpy(), strict=True)
        ):
            for a, g in zip(planes, slopes, strict=True):
                bottom = 2 * g**2 + a.sum() * g**3
                alpha = np.divide(g**2, bottom, out=np.zeros_like(g), where=g != 0)
                wanted[row] += torch.from_numpy((alpha * np.maximum(g, 0)).sum() * a)
        close(
            gradcam_plus_plus(score, images, target, layer=layer, epsilon=0.0),
            normalise(upsample(wanted.relu(), (images.shape[2], images.shape[3]))),
        )


def test_epsilon_makes_gradcam_plus_plus_depend_on_a_layers_unit():
    """Activations c times as large, gradients a c-th: the same function of the image, the same map but for epsilon."""

    class Rescaled(nn.Module):
        def __init__(self, model: nn.Module, factor: float):
            super().__init__()
            self.first, self.second = model.features[:5], model.features[5:]
            self.head, self.layer, self.factor = model.head, nn.Identity(), factor

        def forward(self, images: Tensor) -> Tensor:
            values = self.layer(self.first(images - 0.5) * self.factor) / self.factor
            return self.head(self.second(values).mean((2, 3)))

    _, images, target, _ = setting("vgg")
    models = [ready(Rescaled(net("vgg"), factor)) for factor in (1.0, 64.0)]
    exact = [gradcam_plus_plus(bind(model, target), images, target, layer="layer", epsilon=0.0) for model in models]
    close(exact[0], exact[1])
    usual = [gradcam_plus_plus(bind(model, target), images, target, layer="layer") for model in models]
    assert apart(usual[0], usual[1]) > 0.01


@pytest.mark.parametrize("name", ["vgg", "resnet"])
def test_shapleycam_of_a_piecewise_linear_logit_is_gradcam(name):
    score, images, target, layers = setting(name)
    of_probability = []
    for layer in layers:
        close(shapleycam(score, images, target, layer=layer), gradcam(score, images, target, layer=layer), 1e-5)
        options = {"layer": layer, "scalar": "probability"}
        maps = shapleycam(score, images, target, **options), gradcam(score, images, target, **options)
        of_probability.append(apart(*maps))
    assert max(of_probability) > 1e-3


@pytest.mark.parametrize("name", CURVED)
def test_shapleycam_differs_from_gradcam_inside_a_stage_of_a_curved_net(name):
    score, images, target, (inside, *_) = setting(name)
    assert apart(shapleycam(score, images, target, layer=inside), gradcam(score, images, target, layer=inside)) > 0.01


@pytest.mark.parametrize("name", CURVED)
def test_at_the_end_of_a_stage_a_layernorm_undoes_both_the_curvature_and_hirescam(name):
    """What follows does not change when the activations are scaled: so <g, a> = 0, and H a = -g by Euler's theorem.

    ShapleyCAM is then Grad-CAM, 1.5 times as large; where the norm is of each place alone, HiResCAM is zero.
    """
    score, images, target, (_, *ends) = setting(name)
    score = bind(score.model, target, "logit")
    plain = activations_and_gradients(score, images, ends)
    curved = activations_and_gradients(score, images, ends, curved=True)
    for (activation, gradient), (_, corrected) in zip(plain, curved, strict=True):
        torch.testing.assert_close(corrected, 1.5 * gradient, rtol=1e-3, atol=1e-3 * float(gradient.abs().amax()))
        product = gradient * activation
        assert product.sum((1, 2, 3)).abs().amax() < 1e-3 * product.abs().sum((1, 2, 3)).amin()
    for layer in ends:
        close(shapleycam(score, images, target, layer=layer), gradcam(score, images, target, layer=layer), 1e-3)
    activation, gradient = plain[0]
    if name == "convnext":  # Swin's norm is of 2 x 2 places
        product = gradient * activation
        assert product.sum(1).abs().amax() < 1e-3 * product.abs().sum(1).amax()


@pytest.mark.parametrize("name", CURVED)
def test_the_hessians_product_is_the_finite_difference_of_gradients(name):
    score, images, target, layers = setting(name)
    model = score.model.double()
    step = 1e-5
    try:
        score = bind(model, target, "logit")
        plain = activations_and_gradients(score, images.double(), layers)
        curved = activations_and_gradients(score, images.double(), layers, curved=True)
        for layer, (_, gradient), (_, corrected) in zip(layers, plain, curved, strict=True):
            moved = []
            for sign in (1, -1):  # the layer's activations a little longer, a little shorter
                scale = 1 + sign * step
                handle = model.get_submodule(layer).register_forward_hook(lambda _m, _i, out, by=scale: out * by)
                ((_, slope),) = activations_and_gradients(score, images.double(), [layer])
                handle.remove()
                moved.append(slope)
            product = (moved[0] - moved[1]) / (2 * step)
            assert product.abs().amax() > 1e-3 * gradient.abs().amax()
            torch.testing.assert_close(gradient - product / 2, corrected, rtol=1e-5, atol=1e-7)
    finally:
        model.float()


def test_gradcams_of_a_region_are_gpa_and_ega():
    target = Target(torch.tensor([1, 2]), random_masks(2, 16))
    score, images = bind(ready(ConvNet()), target), random_images(2, 16)
    options = {"layer": "features", "scalar": "probability"}
    assert torch.equal(gradcam(score, images, target, **options), gpa(score, images, target, layer="features"))
    assert torch.equal(hirescam(score, images, target, **options), ega(score, images, target, layer="features"))


class ChannelsFirst(nn.Module):
    """Swin with the features of its first stage also as (B,K,h,w), at `turned`."""

    def __init__(self, swin: SwinTransformer):
        super().__init__()
        self.swin, self.turned = swin, nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        values = self.turned(self.swin.features[:2](images).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        values = self.swin.permute(self.swin.norm(self.swin.features[2:](values)))
        return self.swin.head(self.swin.flatten(self.swin.avgpool(values)))


@pytest.mark.parametrize(
    ("width", "shape"),
    [(24, (48, 48)), (24, (64, 32)), (16, (64, 64))],  # the last: 16 channels of 16 x 16
)
@pytest.mark.parametrize("method", [gradcam_plus_plus, shapleycam, scorecam, ablationcam])
def test_a_layer_whose_channels_come_last_is_explained_as_if_they_came_first(method, width, shape):
    torch.manual_seed(0)
    swin = SwinTransformer([4, 4], width, [1, 1], [2, 4], [4, 4], num_classes=5)
    last, first = ready(swin), ready(ChannelsFirst(swin))
    images, target = random_images(2, *shape), Target(torch.tensor([1, 2]))
    got = method(bind(last, target), images, target, layer="features.1")
    close(got, method(bind(first, target), images, target, layer="turned"), 1e-5)
    assert got.any() or method is scorecam  # its weights are positive and these activations are not


def test_an_axis_of_channels_that_cannot_be_told_is_an_error_that_says_what_to_do():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Conv2d(3, 8, 4, 4)
            self.head = nn.Linear(8 * 8 * 8, 5)

        def forward(self, images: Tensor) -> Tensor:
            return self.head(self.features(images).flatten(1))

    model, images, target = ready(Fixed()), random_images(1, 32), Target(torch.tensor([1]))
    with pytest.raises(ValueError, match=r"'features' gives \(1, 8, 8, 8\) for images of 32 x 32 px"):
        gradcam(bind(model, target), images, target, layer="features")
    assert channel_axis(model, "features", (1, 9, 8, 8), images) == 1
    assert channel_axis(model, "features", (1, 8, 8, 9), images) == 3


@pytest.mark.parametrize("name", GRADIENT_CAMS)
def test_maps_at_several_layers_of_one_pass_are_those_of_a_pass_each(name):
    score, images, target, layers = setting("convnext")
    with counted_passes(score.model) as passes:
        together = GRADIENT_CAMS[name](score, images, layers, scalar="logit")
    assert passes == [6]
    for layer, got in zip(layers, together, strict=True):
        close(got, GRADIENT[name][0](score, images, target, layer=layer), 1e-5)


def plain_scorecam(model: nn.Module, layer: str, image: Tensor, class_id: int, channels: list[int]) -> Tensor:
    """Score-CAM's algorithm, one channel after the other."""
    kept: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda _m, _i, output: kept.append(output))
    with torch.no_grad():
        model(image)
        handle.remove()
        logits = {}
        for channel in channels:
            mask = nn.functional.interpolate(kept[0][:, [channel]], image.shape[2:], mode="bilinear")
            if mask.max() > mask.min():
                mask = (mask - mask.min()) / (mask.max() - mask.min())
                logits[channel] = float(model(image * mask)[0, class_id])
    top = sum(np.exp(value) for value in logits.values())
    raw = sum(np.exp(value) / top * kept[0][:, channel] for channel, value in logits.items())
    return normalise(upsample(raw.relu(), tuple(image.shape[2:])))[0]


@pytest.mark.parametrize(("name", "layer"), [("vgg", "features.4"), ("convnext", "features.1")])
def test_scorecam_is_a_plain_loop_over_the_channels(name, layer):
    score, images, target, _ = setting(name)
    got = scorecam(score, images, target, layer=layer)
    fast = faster_scorecam(score, images, target, layer=layer, share=0.3)
    for row, class_id in enumerate(target.class_id.tolist()):
        image = images[[row]]
        ((activation, _),) = activations_and_gradients(bind(net(name), target[[row]]), image, [layer])
        count = activation.shape[1]
        liveliest = activation[0].flatten(1).var(1).argsort(descending=True)[: int(0.3 * count + 0.5)].tolist()
        close(got[row], plain_scorecam(net(name), layer, image, class_id, list(range(count))))
        close(fast[row], plain_scorecam(net(name), layer, image, class_id, liveliest))
    assert torch.equal(faster_scorecam(score, images, target, layer=layer, share=1.0), got)


def dead(channel: int, level: float) -> nn.Module:
    """The VGG with one channel of its first layer the same everywhere."""
    torch.manual_seed(1)
    model = NETS["vgg"][0]()
    with torch.no_grad():
        model.features[0].weight[channel] = 0
        model.features[0].bias[channel] = level
    return ready(model)


@pytest.mark.parametrize("level", [-1.0, 0.0])
def test_scorecam_where_features_have_the_images_size_is_grad_cams_and_torchcams_a_dead_channel_or_not(level):
    """Of coarser features both differ: grad-cam aligns corners, torchcam normalises masks before they are resized."""
    model, images, target = dead(3, level), random_images(2, 32), Target(torch.tensor([1, 2]))
    with counted_passes(model) as passes:
        got = scorecam(bind(model, target), images, target, layer="features.1")
    assert passes == [2 + 2 * 7]
    close(got, theirs(pytorch_grad_cam.ScoreCAM, model, "features.1", images, target))
    with torchcam.methods.ScoreCAM(model, "features.1") as cam:
        model(images)
        (torchcam_maps,) = cam(target.class_id.tolist())
    close(got, normalise(torchcam_maps))


def test_scorecam_of_a_layer_with_no_living_channel_is_zero():
    model, images, target = dead(0, 0.0), random_images(1, 32), Target(torch.tensor([1]))
    with torch.no_grad():
        model.features[0].weight[:] = 0
    for method in (scorecam, faster_scorecam):
        assert not method(bind(model, target), images, target, layer="features.1").any()


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_faster_scorecam_refuses_a_share_that_is_none(share):
    score, images, target, layers = setting("vgg")
    with pytest.raises(ValueError, match=f"share is {share}"):
        faster_scorecam(score, images, target, layer=layers[0], share=share)


@pytest.mark.parametrize("sign", [1, -1])
def test_ablationcam_is_grad_cams_where_the_logit_is_positive(sign):
    """Where it is negative grad-cam, as the paper, divides by it, and its map shows what speaks against the class."""
    torch.manual_seed(2)
    model = NETS["vgg"][0]()
    with torch.no_grad():
        model.head.bias.fill_(100.0 * sign)
    model, images, target = ready(model), random_images(2, 32), Target(torch.tensor([1, 2]))
    got = ablationcam(bind(model, target), images, target, layer="features.1")
    grad_cam_maps = theirs(pytorch_grad_cam.AblationCAM, model, "features.1", images, target)
    assert got.any() and grad_cam_maps.any()
    if sign > 0:
        close(got, grad_cam_maps, 1e-3)  # differences of logits of 100
    else:
        assert not ((got > 0.01) & (torch.from_numpy(grad_cam_maps) > 0.01)).any()


def test_ablationcam_of_a_head_linear_in_the_means_is_gradcam_weighed_by_them():
    """s - s(without k) = w_ck mean(a_k): with Grad-CAM's weights w_ck / n, the map is sum_k w_ck mean(a_k) a_k."""
    score, images, target, layers = setting("vgg")
    ((activation, gradient),) = activations_and_gradients(bind(score.model, target, "logit"), images, layers[-1:])
    weights = gradient.mean((2, 3), keepdim=True) * activation.mean((2, 3), keepdim=True)
    wanted = normalise(upsample((weights * activation).sum(1).relu(), (32, 32)))
    close(ablationcam(score, images, target, layer=layers[-1]), wanted, 1e-3)


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_channels_of_a_region_are_a_plain_loop_whatever_the_batch(batch_size):
    masks = random_masks(2, 16)
    target = Target(torch.tensor([1, 2]), masks)
    model, images = ready(ConvNet(), batch_size), random_images(2, 16)
    score = bind(model, target)
    scores = scorecam(score, images, target, layer="features", scalar="probability")
    drops = ablationcam(score, images, target, layer="features", scalar="probability")
    for row in range(2):
        plain = plain_score(model, masks[row].numpy(), int(target.class_id[row]))
        planes = model.features(images[[row]] - 0.5)
        seen, without = [], []
        for channel in range(planes.shape[1]):
            mask = normalise(upsample(planes[:, channel], (16, 16)))
            seen.append(plain((images[row] * mask).numpy()))
            handle = model.features.register_forward_hook(
                lambda _m, _i, out, channel=channel: out * (torch.arange(out.shape[1]) != channel)[:, None, None]
            )
            without.append(plain(images[row].numpy()))
            handle.remove()
        living = planes[0].amax((1, 2)) > planes[0].amin((1, 2))
        seen = torch.tensor(seen).masked_fill(~living, -torch.inf).softmax(0)
        lost = plain(images[row].numpy()) - torch.tensor(without)
        for got, weights in ((scores, seen), (drops, lost)):
            raw = (weights[:, None, None] * planes[0]).sum(0).relu()
            close(got[row], normalise(upsample(raw[None], (16, 16)))[0], 1e-3)


EXPLAINERS = [
    name
    for name, method in METHODS.items()
    if ("explorer" not in method.tables and method.family != "control") or name.startswith("refine")
]


def options(name: str, layers: list[str], rows: list[int]) -> dict[str, object]:
    offered = {
        "layer": layers[0],
        "layers": layers,
        "draws": Draws(0, [str(row) for row in rows]),
        "samples": 30,
        "segments": 12,
        "steps": 8,
    }
    return accepted(METHODS[name].function, offered)


@pytest.mark.parametrize("name", EXPLAINERS)
def test_images_explained_together_get_the_maps_they_get_alone_and_no_hook_stays(name):
    score, images, target, layers = setting("vgg")
    target = Target(target.class_id)
    images = upsample(images.flatten(0, 1)[..., ::4, ::4], (32, 32)).view(2, 3, 32, 32)  # SLIC wants some order
    method = METHODS[name].function
    before = torch.random.get_rng_state()
    together = method(score, images, target, **options(name, layers, [0, 1]))
    assert torch.equal(before, torch.random.get_rng_state())
    for row in range(2):
        row_target = target[[row]]
        alone = method(bind(score.model, row_target), images[[row]], row_target, **options(name, layers, [row]))
        close(together[[row]], alone)
    assert together.min() == 0 and together.max() == 1
    for module in score.model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks and not module._backward_hooks
    assert not images.requires_grad and all(weight.grad is None for weight in score.model.parameters())
    assert all(module.inplace for module in score.model.modules() if isinstance(module, nn.ReLU))


@pytest.mark.parametrize("name", EXPLAINERS)
def test_every_explainer_of_classifiers_explains_a_region_too(name):
    target = Target(torch.tensor([1, 2]), random_masks(2, 16))
    images = random_images(2, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    score = bind(ready(ConvNet()), target)
    maps = METHODS[name].function(score, images, target, **options(name, ["features", "features.2"], [0, 1]))
    assert maps.shape == (2, 16, 16)
    assert maps.amin() == 0 and maps.amax() == 1


# Models as people have them.


@pytest.mark.parametrize(("kind", "layer"), [("beside", "aux"), ("stopped", "features"), ("frozen", "features.0")])
def test_a_layer_that_the_score_does_not_depend_on_is_an_error_with_candidates(kind: str, layer: str):
    module = handed_out(lambda: Answers(kind), layer).module
    images, target = random_images(2, 16), Target(torch.tensor([1, 2]), random_masks(2, 16))
    for explain in (gpa, METHODS["shapleycam"].function):
        with pytest.raises(UserError, match=f"does not depend on the layer '{layer}'.*such as .*'head'"):
            explain(bind(module, target), images, target, layer=layer)
    assert all(not part._forward_hooks for part in module.modules() if part is not module)


def test_a_layer_that_runs_twice_in_a_pass_is_an_error():
    images, target = random_images(2, 16), Target(torch.tensor([1, 2]), random_masks(2, 16))
    with pytest.raises(ValueError, match=r"'features\.1' runs more than once"):
        gpa(bind(Answers("twice"), target), images, target, layer="features.1")


def test_the_axis_of_channels_of_an_image_that_is_not_square():
    """3 x 4 x 5 of 97 x 130 px: both 4 x 5 and 3 x 4 are a stride of 32, rounded up or down."""
    images = torch.zeros(1, 3, 97, 130)
    first = nn.Sequential(nn.Conv2d(3, 3, 32, 32, 16), nn.Identity())

    class Last(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return functional.avg_pool2d(images[:, :1], 32).expand(-1, 5, -1, -1).movedim(1, -1)

    assert first(images).shape == (1, 3, 4, 5) and Last()(images).shape == (1, 3, 4, 5)
    assert channel_axis(first, "0", (1, 3, 4, 5), images) == 1
    assert channel_axis(nn.Sequential(Last()), "0", (1, 3, 4, 5), images) == 3
