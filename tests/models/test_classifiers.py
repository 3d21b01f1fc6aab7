from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.models import VGG, ConvNeXt, ResNet, SwinTransformer, get_model, get_model_weights
from torchvision.transforms.functional import normalize

from segattr_lib.data import load_dataset
from segattr_lib.data.single_shapes import CLASS_NAMES, TIERS, class_of, tier_of
from segattr_lib.models import classifiers, loading
from segattr_lib.models.classifiers import (
    CLASSIFIERS,
    EMBEDDED_CLASSIFIERS,
    FAMILY,
    MEAN,
    STAGES,
    STD,
    Classifier,
    load_classifier,
    with_head,
)
from segattr_lib.models.embedded import WEIGHTS
from segattr_lib.registry import UserError
from segattr_lib.training.loop import in_half_precision

KIND = {"vgg11": VGG, "resnet18": ResNet, "swin_t": SwinTransformer, "convnext_tiny": ConvNeXt}
HELD_OUT = 300


def shipped(name: str) -> Path:
    path = WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        pytest.skip(f"the weights of {name} are not at {path}; `make train SUITE=arcc` makes them")
    return path


def about(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


def images(count: int, size: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


@cache
def held_out() -> tuple[Tensor, np.ndarray, list[str]]:
    """The first test scenes, their classes and their names, drawn once for all models."""
    dataset = load_dataset("single_shapes", split="test")
    names = list(dataset.sample_ids[:HELD_OUT])
    return torch.stack([dataset.load(name, 224).image for name in names]), np.array(list(map(class_of, names))), names


@cache
def right(name: str) -> np.ndarray:
    """Whether the shipped classifier tells the class of each held-out scene."""
    batch, classes, _ = held_out()
    module = load_classifier(name).module
    with torch.inference_mode():
        said = torch.cat([module(part).argmax(1) for part in batch.split(25)])
    return said.numpy() == classes


@pytest.mark.slow
@pytest.mark.parametrize("name", EMBEDDED_CLASSIFIERS)
def test_shipped_weights_do_what_they_claim(name: str):
    facts = about(shipped(name))
    told = float(facts["accuracy_test"])
    assert right(name).mean() == pytest.approx(told, abs=4 * (told * (1 - told) / HELD_OUT) ** 0.5)
    tiers = np.array(list(map(tier_of, held_out()[2])))
    for tier in TIERS:
        assert right(name)[tiers == tier].mean() == pytest.approx(float(facts[f"accuracy_{tier}"]), abs=0.1)


@pytest.mark.parametrize("name", EMBEDDED_CLASSIFIERS)
def test_shipped_weights_reach_their_bar(name: str):
    assert float(about(shipped(name))["accuracy_test"]) >= 0.97


def test_shipped_weights_are_half_precision_and_small():
    paths = [shipped(name) for name in EMBEDDED_CLASSIFIERS]
    assert sum(path.stat().st_size for path in paths) <= 16e6
    for path in paths:
        kinds = {value.dtype for value in load_file(path).values()}
        assert kinds <= {torch.float16, torch.int64}  # Swin's table of places is whole numbers


@pytest.mark.parametrize("name", EMBEDDED_CLASSIFIERS)
def test_an_embedded_classifier_is_torchvisions_own_of_its_family(name: str):
    module = EMBEDDED_CLASSIFIERS[name]()
    assert type(module) is KIND[FAMILY[name]]
    assert not any(parameter.is_meta for parameter in module.parameters())
    full = {key for key, _ in get_model_on_meta(FAMILY[name]).named_modules()}
    stages = STAGES[FAMILY[name]]
    assert set(stages) <= {key for key, _ in module.named_modules()} & full


def get_model_on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return get_model(name)


@pytest.mark.parametrize("name", EMBEDDED_CLASSIFIERS)
def test_an_embedded_classifier_answers_each_image_alone_and_normalises(name: str):
    torch.manual_seed(0)
    module = EMBEDDED_CLASSIFIERS[name]().eval()
    with torch.inference_mode():
        together = module(images(3, 64))
        alone = torch.cat([module(image[None]) for image in images(3, 64)])
        module._forward_pre_hooks.clear()
        by_hand = module(normalize(images(3, 64), MEAN, STD))
    assert together.shape == (3, len(CLASS_NAMES))
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(together, by_hand, atol=1e-5)


def write_weights(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str) -> dict[str, Tensor]:
    torch.manual_seed(0)
    state = in_half_precision(EMBEDDED_CLASSIFIERS[name]())
    save_file(state, folder / f"{name}.safetensors")
    monkeypatch.setattr(classifiers, "WEIGHTS", folder)
    return state


@pytest.mark.parametrize("name", EMBEDDED_CLASSIFIERS)
def test_an_embedded_classifier_is_its_file_in_float32(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    state = write_weights(monkeypatch, tmp_path, name)
    classifier = load_classifier(name)
    loaded = classifier.module.state_dict()
    assert all(torch.equal(loaded[key], value.to(loaded[key].dtype)) for key, value in state.items())
    assert {value.dtype for value in classifier.module.parameters()} == {torch.float32}
    assert (classifier.classes, classifier.module.training) == (6, False)


@pytest.mark.parametrize("name", EMBEDDED_CLASSIFIERS)
def test_registered_layers_are_four_maps_shallow_to_deep(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_weights(monkeypatch, tmp_path, name)
    assert stages_of(load_classifier(name)) == [56, 28, 14, 7]


def stages_of(classifier: Classifier, size: int = 224) -> list[int]:
    """The side of each layer's map; channels are checked to lie on one axis, and to grow."""
    shapes: list[tuple[int, ...]] = []
    handles = [
        classifier.module.get_submodule(layer).register_forward_hook(
            lambda _m, _i, out: shapes.append(tuple(out.shape))
        )
        for layer in classifier.layers
    ]
    with torch.inference_mode():
        classifier.module(images(1, size))
    for handle in handles:
        handle.remove()
    swin = isinstance(classifier.module, SwinTransformer)
    sides, channels = zip(*((s[1:3], s[3]) if swin else (s[2:], s[1]) for s in shapes), strict=True)
    assert all(height == width for height, width in sides)
    assert list(channels) == sorted(channels)
    return [height for height, _ in sides]


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_truncated_weights_are_an_error(share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_weights(monkeypatch, tmp_path, "shapes_resnet18")
    path = tmp_path / "shapes_resnet18.safetensors"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(UserError, match=r"cannot be read.*restore"):
        load_classifier("shapes_resnet18")


def test_missing_or_another_models_weights_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_weights(monkeypatch, tmp_path, "shapes_resnet18")
    with pytest.raises(UserError, match="make train"):
        load_classifier("shapes_vgg11")
    with pytest.raises(UserError, match="SUITE=arcc PROFILE=paper"):
        load_classifier("finetuned_resnet18")
    (tmp_path / "shapes_resnet18.safetensors").rename(tmp_path / "shapes_convnext.safetensors")
    with pytest.raises(UserError, match="not those of 'shapes_convnext'"):
        load_classifier("shapes_convnext")


# torchvision's own, with random weights.


@cache
def plain_torchvision(name: str) -> nn.Module:
    torch.manual_seed(0)
    return get_model(name).eval()


@pytest.mark.parametrize("name", STAGES)
def test_a_pretrained_classifier_is_torchvisions_on_normalised_images(name: str, monkeypatch: pytest.MonkeyPatch):
    plain, weights = plain_torchvision(name), get_model_weights(name)
    monkeypatch.setattr(weights, "get_state_dict", lambda self, *_args, **_kwargs: plain.state_dict())
    classifier = load_classifier(name, shape=(64, 64))
    batch = images(2, 64)
    with torch.inference_mode():
        said, expected, unlike = classifier.module(batch), plain(normalize(batch, MEAN, STD)), plain(batch)
    assert torch.allclose(said, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert not torch.allclose(said, unlike, rtol=1e-2, atol=1e-2 * float(expected.abs().max()))
    assert classifier.classes == 1000
    assert {key for key, _ in classifier.module.named_modules()} == {key for key, _ in plain.named_modules()}
    assert stages_of(classifier, 64) == [16, 8, 4, 2]


def test_weights_that_cannot_be_fetched_are_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    def offline(*_args: object, **_kwargs: object) -> None:
        raise OSError("no route to host")

    weights = get_model_weights("resnet18").DEFAULT
    monkeypatch.setattr(type(weights), "get_state_dict", offline)
    with pytest.raises(UserError, match="no route to host") as caught:
        load_classifier("resnet18")
    assert weights.url in str(caught.value)


@pytest.mark.parametrize("name", FAMILY.values())
def test_a_new_head_leaves_all_else(name: str):
    plain = plain_torchvision(name)
    before = {key: value.shape for key, value in plain.state_dict().items()}
    with torch.device("meta"):
        changed = with_head(get_model(name), 6)
    after = {key: value.shape for key, value in changed.state_dict().items()}
    different = {key for key in before if before[key] != after[key]}
    assert set(before) == set(after)
    assert {key.rpartition(".")[2] for key in different} == {"weight", "bias"}
    assert {after[key][0] for key in different} == {6}
    assert list(before)[-2:] == sorted(different, key=list(before).index)


# A user's own.

OWN = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, kind="tensor"):
        super().__init__()
        torch.manual_seed(3)
        self.kind = kind
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.deep = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.head = nn.Linear(6, 5)
        self.drop = nn.Dropout(0.9)
    def forward(self, images):
        logits = self.drop(self.head(self.deep(self.stem(images)).mean((2, 3))))
        return {"tensor": logits, "list": [logits], "label": logits.argmax(1), "map": images}[self.kind]

def net(): return Net()
def net_list(): return Net("list")
def net_label(): return Net("label")
def net_map(): return Net("map")
def net_grey(): return nn.Conv2d(1, 5, 1)
def net_function(): return lambda images: images
def net_broken(): raise KeyError("no such file")
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own_classifiers.py"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_ones_own_classifier(own: Path):
    classifier = load_classifier(f"{own}:net", ["stem", "deep"], (32, 32))
    module, batch = classifier.module, images(2, 32)
    assert torch.equal(module(batch), module.head(module.deep(module.stem(batch)).mean((2, 3))))  # in evaluation mode
    assert (classifier.classes, classifier.layers) == (5, ("stem", "deep"))
    with torch.no_grad():
        module.head.bias[2] += 1e-6
    assert classifier.layer == "stem"
    assert load_classifier(f"{own}:net", ["stem", "deep"], (32, 32), "deep").layer == "deep"
    assert load_classifier(f"{own}:net", None, (32, 32), "deep").layers == ("deep",)
    with pytest.raises(UserError, match="no feature layer"):
        load_classifier(f"{own}:net", ["stem", "deep"], (32, 32), "gone")
    assert load_classifier(f"{own}:net", ["deep"], (32, 32)).fingerprint == classifier.fingerprint
    assert loading.weight_fingerprint(module) != classifier.fingerprint


@pytest.mark.parametrize(
    ("function", "layers", "complaint"),
    [
        ("net_list", ["deep"], r"gives list.*expected logits \(1,C\)"),
        ("net_label", ["deep"], r"gives \(1,\).*expected logits \(1,C\)"),
        ("net_map", ["deep"], r"gives \(1, 3, 32, 32\).*expected logits \(1,C\)"),
        ("net_grey", ["deep"], r"fails on an image \(1,3,32,32\)"),
        ("net_function", ["deep"], r"gives a function; expected a torch\.nn\.Module"),
        ("net_broken", ["deep"], r"cannot be built: KeyError: 'no such file'"),
        ("net", None, r"no default layers.*'stem', 'deep'"),
        ("net", ["stem", "deeper"], r"layers has 'deeper'.*'stem', 'deep'"),
        ("net", ["head"], r"layers has 'head'.*'stem', 'deep'"),
        ("net", ["deep", "stem"], r"expected shallow to deep, each once: stem, deep\."),
        ("net", ["stem", "stem"], r"expected shallow to deep, each once: stem\."),
    ],
)
def test_what_is_no_classifier_is_an_error(own: Path, function: str, layers: list[str] | None, complaint: str):
    with pytest.raises(UserError, match=complaint):
        load_classifier(f"{own}:{function}", layers, (32, 32))


def test_an_unknown_classifier_lists_those_there_are():
    with pytest.raises(UserError, match="did you mean 'resnet18'") as caught:
        load_classifier("resnet-18")
    assert all(name in str(caught.value) for name in CLASSIFIERS)


def test_a_real_imagenet_classifier_loads_and_knows_its_classes(real: Path):
    classifier = load_classifier(f"{real / 'models.py'}:imagenet_mobilenet_v2", ["features.3", "features.18"])
    assert (classifier.classes, classifier.layers) == (1000, ("features.3", "features.18"))
    for shape in ((224, 224), (224, 224, 3)):
        with pytest.raises(UserError, match=r"features\.18"):
            load_classifier(f"{real / 'models.py'}:imagenet_mobilenet_v2", ["features.30"], shape[:2])


def test_groups_of_classes_answer_with_the_sum_of_their_probabilities(own: Path):
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        plain = load_classifier(f"{own}:net", ["deep"], (32, 32)).module(images).softmax(1)
        groups = load_classifier(f"{own}:net", ["deep"], (32, 32), members=[[], [4, 0], [2]])
        told = groups.module(images).softmax(1)
    assert groups.classes == 3
    assert torch.equal(told[:, 0], torch.zeros(3))
    torch.testing.assert_close(
        told[:, 1:], torch.stack([plain[:, [0, 4]].sum(1), plain[:, 2], plain[:, [1, 3]].sum(1)], 1)
    )
    assert groups.fingerprint != load_classifier(f"{own}:net", ["deep"], (32, 32), members=[[], [4], [2]]).fingerprint
    with pytest.raises(UserError, match=r"names class 5, but the model .* has 0 to 4"):
        load_classifier(f"{own}:net", ["deep"], (32, 32), members=[[], [5]])


def test_a_module_that_is_handed_out_twice_is_as_it_was(tmp_path: Path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)  # an imported module keeps what it made; a file is run each time
    (tmp_path / "hands_out.py").write_text(
        "from torch import nn\n"
        "kept = nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
        "def net():\n    return kept\n",
        encoding="utf-8",
    )
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    name, asked = "hands_out:net", {"layers": ["0"], "shape": (8, 8)}
    with torch.inference_mode():
        before = load_classifier(name, **asked).module(images)
        first, second = (load_classifier(name, **asked, members=[[4, 0], [2]]).module(images) for _ in range(2))
        assert torch.equal(first, second)
        assert torch.equal(load_classifier(name, **asked).module(images), before)
