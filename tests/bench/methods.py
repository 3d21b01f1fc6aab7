"""Maps: each method of ours beside the packages' own, of one image and of many."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import captum.attr
import pytorch_grad_cam
import torch
from captum._utils.models.linear_model import SkLearnLasso
from torch import Tensor, nn

from segattr_lib.attribution import METHODS
from segattr_lib.attribution.axiomatic import colour_map, superpixels
from segattr_lib.attribution.fusion import dual_evidence
from segattr_lib.attribution.intervention import region_drops
from segattr_lib.attribution.maps import normalise
from segattr_lib.perturbation import bind_fill, cells
from segattr_lib.registry import accepted

from . import peers
from .subjects import Subject
from .timing import Call, Case, Compare, Peer, furthest

CAPTUM, GRAD_CAM, TORCHCAM = "captum", "grad-cam", "torchcam"


def ours(subject: Subject, name: str, **options: object) -> Call:
    """A registered method with these options and, where it takes them, the subject's layers and draws."""
    method = METHODS[name]
    offered = {"layer": subject.layer, "layers": subject.layers, "draws": subject.draws, **options}
    taken = {option: value for option, value in offered.items() if option in method.options}
    function: Callable[..., Tensor] = method.function
    return lambda: function(subject.score, subject.images, subject.target, **accepted(function, taken)).detach()


def gradients_of_a_region(subject: Subject) -> list[Case]:
    """GPA and EGA of the mean logit in the region, which is what grad-cam's target sums."""
    grad_cam = partial(peers.grad_cam, subject=subject, layer=subject.layer)
    return [
        Case(
            "gpa",
            "one pass forward and back, a map",
            ours(subject, "gpa", scalar="logit"),
            {"GradCAM": Peer(GRAD_CAM, [grad_cam(pytorch_grad_cam.GradCAM)], furthest)},
        ),
        Case(
            "ega",
            "one pass forward and back, a map",
            ours(subject, "ega", scalar="logit"),
            {
                "HiResCAM": Peer(GRAD_CAM, [grad_cam(pytorch_grad_cam.HiResCAM)], furthest),
                "GradCAMElementWise": Peer(
                    GRAD_CAM, [grad_cam(pytorch_grad_cam.GradCAMElementWise)]
                ),  # clamps before it sums
            },
        ),
    ]


def interventions_in_a_region(subject: Subject) -> list[Case]:
    """RIA, adaptive RIA and DEA beside captum's ablation of the same cells, window by window and in batches."""
    at_once, grid = subject.reference_runtime.batch_size, subject.machine.grid
    single = peers.feature_ablation(subject, grid, 1)
    batched = peers.feature_ablation(subject, grid, at_once)
    hires = peers.grad_cam(pytorch_grad_cam.HiResCAM, subject, subject.layer)
    height, width = subject.images.shape[2:]
    regions = cells(height, width, grid).to(subject.images.device)

    def drops_apart(_: Tensor, theirs: Tensor) -> float:
        fill = bind_fill("mean", subject.images)
        return furthest(region_drops(subject.score, subject.images, regions, fill)[:, regions], theirs)

    def fused_apart(maps: Tensor, theirs: list[Tensor]) -> float:
        gradient, drops = theirs
        return furthest(maps, dual_evidence(gradient, normalise(drops.clamp_min(0).cpu())))

    one_by_one, in_batches = "FeatureAblation", f"FeatureAblation, {at_once} at once"
    return [
        Case(
            "ria",
            f"{grid} x {grid} cells filled in turn",
            ours(subject, "ria", grid=grid),
            {
                one_by_one: Peer(CAPTUM, [single], drops_apart),
                in_batches: Peer(CAPTUM, [batched], drops_apart),
            },
        ),
        Case(
            "adaptive_ria",
            f"49 passes beside the whole grid of {grid} x {grid}",
            ours(subject, "adaptive_ria"),
            {one_by_one: Peer(CAPTUM, [single]), in_batches: Peer(CAPTUM, [batched])},
        ),
        Case(
            "dea",
            "EGA and RIA, fused",
            ours(subject, "dea", grid=grid, scalar="logit"),
            {
                f"HiResCAM + {one_by_one}": Peer("grad-cam + captum", [hires, single], fused_apart),
                f"HiResCAM + {in_batches}": Peer("grad-cam + captum", [hires, batched], fused_apart),
            },
        ),
    ]


def gradient_cams(subject: Subject) -> list[Case]:
    """A classifier's CAMs of one pass forward and back, at its deepest layer; RefineCAM at all four."""
    layer = subject.layers[-1]
    known = {
        "gradcam": {"GradCAM": pytorch_grad_cam.GradCAM},
        "gradcam_plus_plus": {"GradCAMPlusPlus": pytorch_grad_cam.GradCAMPlusPlus},
        "hirescam": {"HiResCAM": pytorch_grad_cam.HiResCAM},
        "layercam": {"LayerCAM": pytorch_grad_cam.LayerCAM},
        "shapleycam": {"ShapleyCAM": pytorch_grad_cam.ShapleyCAM},
    }
    of_torchcam = {"gradcam": "GradCAM", "gradcam_plus_plus": "GradCAMpp", "layercam": "LayerCAM"}
    cases = []
    for name, explainers in known.items():
        others = {
            label: Peer(GRAD_CAM, [peers.grad_cam(kind, subject, layer, name == "shapleycam")], furthest)
            for label, kind in explainers.items()
        }
        if name in of_torchcam:
            alike = None if name == "gradcam_plus_plus" else furthest  # torchcam's ++ is not the paper's
            call = peers.torch_cam(of_torchcam[name], subject, layer)
            others[f"torchcam's {of_torchcam[name]}"] = Peer(TORCHCAM, [call], alike)
        work = "a pass forward and two back" if name == "shapleycam" else "one pass forward and back, a map"
        cases.append(Case(name, work, ours(subject, name, layer=layer), others))
    refined = peers.layer_by_layer(pytorch_grad_cam.GradCAMPlusPlus, subject)
    cases.append(
        Case(
            "refinecam",
            "Grad-CAM++ at four layers, fused",
            ours(subject, "refinecam"),
            {
                "RefineCAM": Peer(GRAD_CAM, [refine_cam(subject)], furthest),
                "GradCAMPlusPlus a layer": Peer(GRAD_CAM, [refined], furthest),
            },
            {"one Grad-CAM++ at the shallowest": ours(subject, "gradcam_plus_plus", layer=subject.layers[0])},
        )
    )
    return cases


def refine_cam(subject: Subject) -> Call:
    """grad-cam's RefineCAM, whose hooks are taken off again by hand."""
    targets, layers = peers.cam_targets(subject), [subject.peer.get_submodule(layer) for layer in subject.layers]

    def call() -> Tensor:
        explainer = pytorch_grad_cam.RefineCAM(subject.peer, layers)
        try:
            return torch.from_numpy(explainer(subject.plain, targets))
        finally:
            for cam in explainer.base_cam_per_layer:
                cam.activations_and_grads.release()

    return call


def channel_cams(subject: Subject) -> list[Case]:
    """Score-CAM and Ablation-CAM, a pass a channel, at the shallowest layer. Of coarse features the packages' Score-CAM
    is resized or normalised otherwise than the paper's."""
    layer = subject.layers[0]
    return [
        Case(
            "scorecam",
            "a pass a channel",
            ours(subject, "scorecam", layer=layer),
            {
                "ScoreCAM": Peer(GRAD_CAM, [peers.grad_cam(pytorch_grad_cam.ScoreCAM, subject, layer)]),
                "torchcam's ScoreCAM": Peer(TORCHCAM, [peers.torch_cam("ScoreCAM", subject, layer)]),
            },
        ),
        Case(
            "ablationcam",
            "a pass a channel",
            ours(subject, "ablationcam", layer=layer),
            {"AblationCAM": Peer(GRAD_CAM, [peers.grad_cam(pytorch_grad_cam.AblationCAM, subject, layer)])},
        ),
    ]


def colours_apart(maps: Tensor, values: Tensor) -> float:
    """The difference of a map from captum's values of colours, shown as ours are."""
    return furthest(maps, colour_map(values))


def axiomatic(subject: Subject) -> list[Case]:
    """captum's explainers of a pass or two, ours through captum as well."""
    explainer = captum.attr.InputXGradient(subject.peer)
    return [
        Case(
            "input_x_gradient",
            "one pass forward and back",
            ours(subject, "input_x_gradient"),
            {
                "InputXGradient": Peer(
                    CAPTUM,
                    [peers.together(subject, lambda x, y: explainer.attribute(x.requires_grad_(), y))],
                    colours_apart,
                )
            },
        )
    ]


class Within(nn.Module):
    """A model as a part of another, since captum hands the hooks of the outermost what those of ours cannot take."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


def rule_based(subject: Subject) -> list[Case]:
    """DeepLIFT and Guided Grad-CAM of a net whose ReLUs are called once and not in place, as captum wants them."""
    for module in subject.peer.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    layer = subject.layers[-1]
    deep_lift = captum.attr.DeepLift(Within(subject.peer))
    guided = captum.attr.GuidedGradCam(subject.peer, subject.peer.get_submodule(layer))
    return [
        Case(
            "deeplift",
            "image and baseline forward and back",
            ours(subject, "deeplift"),
            # captum's rule of a pooling is another after a ReLU
            {"DeepLift": Peer(CAPTUM, [peers.together(subject, lambda x, y: deep_lift.attribute(x, target=y))])},
            passes=(7, 0),
        ),
        Case(
            "guided_gradcam",
            "two passes forward and back",
            ours(subject, "guided_gradcam", layer=layer),
            {
                "GuidedGradCam": Peer(
                    CAPTUM,
                    [peers.together(subject, lambda x, y: guided.attribute(x, y, interpolate_mode="bilinear"))],
                )
            },
            passes=(6, 0),
        ),
    ]


def sampled(subject: Subject) -> list[Case]:
    """Explainers that ask an image many times: captum's as it is called without further thought, and in batches of the
    size that runs fastest, where it knows them."""
    at_once = subject.reference_runtime.batch_size
    asks = subject.machine.asks
    integrated = captum.attr.IntegratedGradients(subject.peer)
    noisy = captum.attr.NoiseTunnel(captum.attr.Saliency(subject.peer))
    noise = {"nt_type": "vargrad", "nt_samples": asks, "stdevs": 0.15, "abs": False}

    def path(image: Tensor, class_id: int, _: int, **options: int) -> Tensor:
        return integrated.attribute(image, 0, class_id, n_steps=asks, **options).float()

    def tunnel(image: Tensor, class_id: int, _: int, **options: int) -> Tensor:
        return noisy.attribute(image, target=class_id, **noise, **options)

    def pair(package_call: Callable[..., Tensor], label: str, option: str, alike: Compare | None) -> dict[str, Peer]:
        batched = partial(package_call, **{option: at_once})
        return {
            label: Peer(CAPTUM, [peers.per_image(subject, package_call)], alike),
            f"{label}, {at_once} at once": Peer(CAPTUM, [peers.per_image(subject, batched)], alike),
        }

    patch = subject.images.shape[2] // 7
    windows = captum.attr.Occlusion(subject.peer)

    def slide(image: Tensor, class_id: int, _: int, **options: int) -> Tensor:
        mean = image.mean((2, 3), keepdim=True).expand_as(image)
        sizes = {"sliding_window_shapes": (3, patch, patch), "strides": (3, patch, patch)}
        with torch.inference_mode():
            return windows.attribute(image, baselines=mean, target=class_id, **sizes, **options)

    return [
        Case(
            "integrated_gradients",
            f"{asks} passes forward and back",
            ours(subject, "integrated_gradients", steps=asks),
            pair(path, "IntegratedGradients", "internal_batch_size", colours_apart),
        ),
        Case(
            "vargrad",
            f"{asks} noisy copies, forward and back",
            ours(subject, "vargrad", samples=asks),
            pair(tunnel, "NoiseTunnel", "nt_samples_batch_size", None),  # of other noise
        ),
        Case(
            "occlusion",
            "7 x 7 windows",
            ours(subject, "occlusion", patch=patch, stride=patch),
            pair(slide, "Occlusion", "perturbations_per_eval", colours_apart),
        ),
        surrogate(subject, "lime", "Lime", at_once),
        surrogate(subject, "kernel_shap", "KernelShap", at_once),
    ]


def surrogate(subject: Subject, name: str, label: str, at_once: int) -> Case:
    """LIME or KernelSHAP on the same superpixels and the same draws as captum's; LIME's lasso has as many rounds to
    converge in as ours."""
    fit_by = {"interpretable_model": SkLearnLasso(alpha=0.01, max_iter=100_000)} if name == "lime" else {}
    explainer = getattr(captum.attr, label)(subject.peer, **fit_by)
    seeds = [int(source.integers(2**63)) for source in subject.draws.generators(label)]

    def fit(image: Tensor, class_id: int, place: int, **options: int) -> Tensor:
        regions = superpixels(image[0], 100)[None, None].to(image.device)
        torch.manual_seed(seeds[place])
        with torch.no_grad():
            return explainer.attribute(
                image, 0, target=class_id, feature_mask=regions, n_samples=4 * subject.machine.asks, **options
            )

    batched = partial(fit, perturbations_per_eval=at_once)
    return Case(
        name,
        f"{2 * subject.machine.asks} images of superpixels, a linear model",
        ours(subject, name, samples=4 * subject.machine.asks),
        {
            label: Peer(CAPTUM, [peers.per_image(subject, fit)], colours_apart),
            f"{label}, {at_once} at once": Peer(CAPTUM, [peers.per_image(subject, batched)], colours_apart),
        },
    )
