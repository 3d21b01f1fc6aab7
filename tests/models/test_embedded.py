"""The embedded segmenters and classifiers: their architectures, and what the shipped weights reach."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from nets import sides_of_layers
from oracles import random_images
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from torchvision.models import VGG, ConvNeXt, ResNet, SwinTransformer, get_model
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead
from torchvision.models.segmentation.lraspp import LRASPPHead
from torchvision.transforms.functional import normalize

from segattr_lib.data import load_dataset
from segattr_lib.data.shapes import scene
from segattr_lib.data.single_shapes import CLASS_NAMES, TIERS, class_of, tier_of
from segattr_lib.models import MODELS, WEIGHTS, names
from segattr_lib.models.embedded import MEAN, STD
from segattr_lib.models.loading import load_model
from segattr_lib.training.classifiers import RECIPE, TUNING
from segattr_lib.training.segmenters import MEASURED

HEADS = {"deeplabv3": DeepLabHead(8, 7), "fcn": FCNHead(8, 7), "lraspp": LRASPPHead(8, 8, 7, 8)}
FAMILY = {  # torchvision's own, whose class and layer names each has
    "shapes_vgg11": (VGG, "vgg11"),
    "shapes_resnet18": (ResNet, "resnet18"),
    "shapes_swin": (SwinTransformer, "swin_t"),
    "shapes_convnext": (ConvNeXt, "convnext_tiny"),
    "figures_resnet": (ResNet, "resnet18"),
}
SEGMENTERS = [name for name in names("segmenter") if MODELS[name].trained_on]
OF_SHAPES = [name for name in SEGMENTERS if MODELS[name].trained_on == "shapes"]
CLASSIFIERS = [name for name in FAMILY if MODELS[name].trained_on == "single_shapes"]
HELD_OUT = 300


def shipped(name: str) -> Path:
    path = WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        pytest.skip(f"the weights of {name} are not at {path}; `make train` makes them")
    return path


def about(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


@cache
def held_out_scenes() -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of the 500 test scenes, drawn once for all models."""
    scenes = [scene(f"test-{number:05d}") for number in range(500)]
    return np.stack([s.image for s in scenes]), np.stack([s.labels for s in scenes])


def jaccard(said: np.ndarray, truth: np.ndarray) -> list[float]:
    """Intersection over union of each class over all pixels: |A and B| / (|A| + |B| - |A and B|)."""
    both, given, named = (np.bincount(x.ravel(), minlength=7) for x in (truth[truth == said], truth, said))
    return (both / (given + named - both)).tolist()


@cache
def measured_iou(name: str) -> float:
    """Mean IoU on the held-out scenes, from the shipped file."""
    module = load_model(name).module.to(memory_format=torch.channels_last)
    pixels, labels = held_out_scenes()
    with torch.inference_mode():
        said = np.concatenate(
            [
                module(torch.from_numpy(part).permute(0, 3, 1, 2) / 255).argmax(1).byte().numpy()
                for part in np.array_split(pixels, 25)
            ]
        )
    return float(np.mean(jaccard(said, labels)))


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_SHAPES)
def test_a_shipped_segmenter_does_what_it_claims(name: str):
    assert measured_iou(name) == pytest.approx(float(about(shipped(name))["miou_test"]), abs=0.005)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_SHAPES)
def test_a_shipped_segmenter_reaches_its_bar(name: str):
    shipped(name)
    assert measured_iou(name) >= 0.85


@pytest.mark.parametrize("name", SEGMENTERS)
def test_a_shipped_segmenter_says_how_it_came_about(name: str):
    facts = about(shipped(name))
    assert name in facts["command"]
    assert f"--seed {facts['seed']}" in facts["command"]
    assert float(facts["seconds"]) > 0
    assert all(0 < float(facts[f"miou_{part}"]) <= 1 for part in MEASURED[MODELS[name].trained_on])


@pytest.mark.parametrize("name", SEGMENTERS)
def test_shipped_segmenters_are_half_precision(name: str):
    assert {value.dtype for value in load_file(shipped(name)).values()} == {torch.float16}


def test_shipped_segmenters_take_12_megabytes_at_most():
    assert sum(shipped(name).stat().st_size for name in OF_SHAPES) <= 12e6


@pytest.mark.parametrize("name", SEGMENTERS)
def test_an_embedded_segmenter_has_the_head_of_its_family(name: str):
    module = MODELS[name].build()
    family = MODELS[name].place.rpartition("_")[2]  # what builds it is named for it
    layers, expected = (
        [(name, type(layer)) for name, layer in head.named_modules() if name]
        for head in (module.classifier, HEADS[family])
    )
    assert layers == expected  # whatever their channels
    assert type(module).__name__.lower() == family


@pytest.mark.parametrize("name", SEGMENTERS)
def test_an_embedded_segmenter_answers_each_image_alone(name: str):
    torch.manual_seed(0)
    module = MODELS[name].build().eval()
    with torch.inference_mode():
        together = module(random_images(3, 64))["out"]
        alone = torch.cat([module(image[None])["out"] for image in random_images(3, 64)])
    assert together.shape == (3, len(load_dataset(MODELS[name].trained_on).class_names), 64, 64)
    assert torch.allclose(together, alone, atol=1e-5)


# Classifiers.


@cache
def held_out_single_shapes() -> tuple[Tensor, np.ndarray, list[str]]:
    """The first test scenes, their classes and their names, drawn once for all models."""
    dataset = load_dataset("single_shapes", split="test")
    names = list(dataset.sample_ids[:HELD_OUT])
    return torch.stack([dataset.load(name, 224).image for name in names]), np.array(list(map(class_of, names))), names


@cache
def right(name: str) -> np.ndarray:
    """Whether the shipped classifier tells the class of each held-out scene."""
    batch, classes, _ = held_out_single_shapes()
    module = load_model(name).module
    with torch.inference_mode():
        said = torch.cat([module(part).argmax(1) for part in batch.split(25)])
    return said.numpy() == classes


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_shipped_classifier_does_what_it_claims(name: str):
    facts = about(shipped(name))
    claimed = float(facts["accuracy_test"])
    assert right(name).mean() == pytest.approx(claimed, abs=4 * (claimed * (1 - claimed) / HELD_OUT) ** 0.5)
    tiers = np.array(list(map(tier_of, held_out_single_shapes()[2])))
    for tier in TIERS:
        assert right(name)[tiers == tier].mean() == pytest.approx(float(facts[f"accuracy_{tier}"]), abs=0.1)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_shipped_classifier_reaches_its_bar(name: str):
    assert float(about(shipped(name))["accuracy_test"]) >= 0.97


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_shipped_classifier_says_how_it_came_about(name: str):
    facts = about(shipped(name))
    assert facts["command"] == f"python -m segattr_lib train {name} --seed {facts['seed']}"
    assert float(facts["seconds"]) > 0
    stages = [*RECIPE[name], *TUNING.get(name, [])]
    assert int(facts["images"]) == sum(stage.images for stage in stages)
    tiers = [float(facts[f"accuracy_{tier}"]) for tier in TIERS]
    assert min(tiers) <= float(facts["accuracy_test"]) <= max(tiers)


def test_shipped_classifiers_are_half_precision_and_small():
    paths = [shipped(name) for name in CLASSIFIERS]
    assert sum(path.stat().st_size for path in paths) <= 16e6
    for path in paths:
        kinds = {value.dtype for value in load_file(path).values()}
        assert kinds <= {torch.float16, torch.int64}  # Swin's table of places is whole numbers


@pytest.mark.parametrize("name", FAMILY)
def test_an_embedded_classifier_is_torchvisions_own_of_its_family(name: str):
    module, (family, full_name) = MODELS[name].build(), FAMILY[name]
    assert type(module) is family
    assert not any(parameter.is_meta for parameter in module.parameters())
    with torch.device("meta"):
        full = {key for key, _ in get_model(full_name).named_modules()}
    assert set(MODELS[name].layers) <= {key for key, _ in module.named_modules()} & full
    assert MODELS[name].layers == MODELS[full_name].layers


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_an_embedded_classifier_answers_each_image_alone_and_normalises(name: str):
    torch.manual_seed(0)
    module = MODELS[name].build().eval()
    with torch.inference_mode():
        together = module(random_images(3, 64))
        alone = torch.cat([module(image[None]) for image in random_images(3, 64)])
        module._forward_pre_hooks.clear()
        by_hand = module(normalize(random_images(3, 64), MEAN, STD))
    assert together.shape == (3, len(CLASS_NAMES))
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(together, by_hand, atol=1e-5)


# The layers that are explained by default.


@pytest.mark.parametrize("name", FAMILY)
def test_the_layers_of_a_classifier_are_four_maps_shallow_to_deep(name: str):
    shipped(name)
    assert sides_of_layers(load_model(name), 224) == [56, 28, 14, 7]


@pytest.mark.parametrize("name", SEGMENTERS)
def test_the_layer_of_a_segmenter_holds_the_features_the_head_reads(name: str):
    shipped(name)
    model = load_model(name, shape=(64, 64))
    seen: dict[str, Tensor] = {}
    layer = model.module.get_submodule(model.layer)
    layer.register_forward_hook(lambda _module, _inputs, output: seen.update(layer=output))
    model.module.classifier.register_forward_pre_hook(lambda _module, inputs: seen.update(head=inputs[0]))
    with torch.inference_mode():
        model.module(random_images(1, 64))
    head = seen["head"]["high"] if isinstance(seen["head"], dict) else seen["head"]
    assert torch.equal(seen["layer"], head)
