"""The real models that are shipped: their weights are the originals', and what they say of photographs is known."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from oracles import random_images
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from voc_measures import FIRST, ORIGINALS, confusions, mean_iou, recognised, voc200

from segattr_lib.data.class_maps import load_class_map, members
from segattr_lib.data.images import as_rgb
from segattr_lib.data.photographs import available
from segattr_lib.data.voc import CLASS_NAMES
from segattr_lib.models import MODELS, WEIGHTS
from segattr_lib.models.loading import load_model, registered, spread
from segattr_lib.models.state import packed, unpacked

SEGMENTERS = [name for name in ORIGINALS if MODELS[name].kind == "segmenter"]
MOST = 30_000_000  # bytes of all weights together


def without_norms(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state with its batch norms, which only add their biases, as biases of the convolutions before them."""
    norms = {key.removesuffix(".running_mean") for key in state if key.endswith(".running_mean")}
    folded = {}
    for key, tensor in state.items():
        owner, _, kind = key.rpartition(".")
        if owner not in norms:
            folded[key] = tensor
        elif kind == "bias":
            before, _, number = owner.rpartition(".")
            folded[f"{before}.{int(number) - 1}.bias"] = tensor
        elif kind != "num_batches_tracked":
            value = 0 if kind == "running_mean" else 1
            scale = torch.sqrt(tensor + 1e-5) if kind == "running_var" else tensor
            assert bool((scale == value).all())
    return folded


@pytest.fixture(scope="module")
def originals(real: Path) -> ModuleType:
    """The same models as a user's own file brings them, in float32 and with batch norms."""
    spec = importlib.util.spec_from_file_location("originals", real / "models.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ORIGINALS)
def test_the_weights_are_the_originals_bit_for_bit(name: str, real: Path):
    expected = without_norms(load_file(real / f"weights/{name}.safetensors"))
    state = registered(name).state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[key], tensor) for key, tensor in expected.items())
    repacked, shipped = packed(expected), load_file(WEIGHTS / f"{name}.safetensors")
    assert repacked.keys() == shipped.keys()
    assert all(torch.equal(repacked[key], tensor) for key, tensor in shipped.items())


@pytest.mark.parametrize("name", ORIGINALS)
def test_the_answers_are_the_originals(name: str, originals: ModuleType):
    module, original = registered(name).eval(), getattr(originals, name)()
    for size in (224, 225):
        images = random_images(2, size, size - 32)
        with torch.no_grad():
            assert torch.allclose(module(images), original(images), atol=1e-4, rtol=1e-5)


def test_packing_loses_nothing():
    """Whatever a state holds: many values or one, none, whole numbers."""
    rng = torch.Generator().manual_seed(0)
    state = {
        "few": torch.randint(0, 9, (40, 30), generator=rng) / 7,
        "256": torch.arange(256).repeat(50).float() * 0.1,
        "257": torch.arange(257).repeat(50).float() * 0.1,
        "one": torch.full((100,), -0.25),
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 4),
        "half": torch.randn(20, 30, generator=rng).half(),
        "whole": torch.randint(0, 5, (100,), generator=rng),
    }
    kept = packed(state)
    assert {key for key in state if f"{key}.index" in kept} == {"few", "256", "one", "whole"}
    back = unpacked(kept)
    assert back.keys() == state.keys()
    for key, tensor in state.items():
        assert back[key].dtype == tensor.dtype
        assert torch.equal(back[key], tensor)
    assert all(torch.equal(tensor, state[key]) for key, tensor in unpacked(state).items())


def test_all_weights_stay_small_and_the_licence_lies_beside_them():
    assert sum(path.stat().st_size for path in WEIGHTS.glob("*.safetensors") if "finetuned" not in path.name) <= MOST
    notice = (WEIGHTS / "NOTICE").read_text(encoding="utf-8")
    for name, original in ORIGINALS.items():
        assert f"{name}.safetensors" in notice and original in notice
        with safe_open(WEIGHTS / f"{name}.safetensors", "pt") as file:
            about = file.metadata()
        assert (about["licence"], about["file"], about["source"]) == ("Apache-2.0", original, MODELS[name].source)
    licence = (WEIGHTS / "LICENSE-APACHE-2.0").read_text(encoding="utf-8")
    assert "Apache License" in licence and "END OF TERMS AND CONDITIONS" in licence


def test_a_segmenter_is_loaded_without_torchvision():
    """Whose import takes longer than the passes that explain a photograph."""
    code = "import sys, segattr_lib.photograph as p; p.load_model; from segattr_lib.models.loading import load_model;"
    code += "load_model('voc_deeplabv3_mobilenetv2_half', shape=(65, 65)); print('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("name", ORIGINALS)
def test_classes_are_named(name: str):
    model = load_model(name, shape=(65, 65))
    assert len(model.class_names) == model.classes == {True: 1000, False: 21}[model.classifies]
    assert model.class_names[0] == {True: "tench", False: "background"}[model.classifies]


def test_a_classifier_that_is_spread_says_everywhere_what_it_said():
    model = load_model("imagenet_mobilenet_v2", shape=(65, 65))
    images = random_images(2, 65, 97)
    with torch.no_grad():
        logits = model.module(images)
        everywhere = spread(model)
        answer = everywhere.module(images)
        again = model.module.eval()(images)  # it was given back as it was made
    assert answer.shape == (2, 1000, 65, 97)
    assert torch.equal(answer, answer[..., :1, :1].expand_as(answer))
    assert torch.allclose(answer[..., 0, 0], logits, atol=1e-5)
    assert torch.allclose(again, logits, atol=1e-5)
    assert [key for key, _ in everywhere.module.named_modules()] == [key for key, _ in model.module.named_modules()]


# centre square at 224 px: what the largest region is, its share and mean probability, of the full and the half width,
# and the class that the classifier names, with its probability
KNOWN = {
    "motorcycle_left": (("motorbike", 0.52, 0.91), ("motorbike", 0.50, 0.89), ("moped", 0.51)),
    "astronaut": (("person", 0.54, 0.86), ("person", 0.49, 0.91), ("ski", 0.45)),
    "grace_hopper": (("person", 0.63, 0.96), ("person", 0.59, 0.93), ("military uniform", 0.44)),
    "camera": (("person", 0.34, 0.92), ("person", 0.31, 0.90), ("tripod", 0.95)),
    "chelsea": (("cat", 1.0, 0.98), ("cat", 0.96, 0.97), ("tiger cat", 0.60)),
    "coffee": (("diningtable", 0.99, 0.96), ("diningtable", 0.86, 0.74), ("espresso", 0.91)),
    "flower": (("pottedplant", 0.31, 0.67), ("pottedplant", 0.77, 0.90), ("honeycomb", 0.87)),
    "rocket": (None, None, ("missile", 0.70)),
    "china": (None, None, ("palace", 0.57)),
}


def centre_square(name: str) -> Tensor:
    with Image.open(available()[name].path) as opened:
        picture = as_rgb(opened)
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(square)).movedim(2, 0)[None].float() / 255


@pytest.mark.parametrize("name", KNOWN)
def test_what_a_segmenter_sees_on_a_photograph_is_known(name: str):
    for model, known in zip(SEGMENTERS, KNOWN[name][:2], strict=True):
        with torch.no_grad():
            probabilities = registered(model).eval()(centre_square(name)).softmax(1)[0]
        labels = probabilities.argmax(0)
        if known is None:
            assert float((labels > 0).float().mean()) < 0.02  # but for some pixels nothing
            continue
        class_id = int(labels[labels > 0].bincount().argmax())
        where = labels == class_id
        share, probability = float(where.float().mean()), float(probabilities[class_id][where].mean())
        assert (CLASS_NAMES[class_id], share, probability) == (
            known[0],
            pytest.approx(known[1], abs=0.02),
            pytest.approx(known[2], abs=0.02),
        )


@pytest.mark.parametrize("name", KNOWN)
def test_what_the_classifier_names_a_photograph_is_known(name: str):
    model = load_model("imagenet_mobilenet_v2")
    with torch.no_grad():
        probabilities = model.module(centre_square(name)).softmax(1)[0]
    known, probability = KNOWN[name][2]
    assert model.class_names[int(probabilities.argmax())] == known
    assert float(probabilities.max()) == pytest.approx(probability, abs=0.02)


def test_every_photograph_has_a_known_answer():
    assert set(available()) <= set(KNOWN)


@pytest.mark.slow
@pytest.mark.parametrize("name", ORIGINALS)
def test_what_a_file_says_of_its_model_is_measured_again(name: str, real: Path):
    """On the first images of voc200."""
    with safe_open(WEIGHTS / f"{name}.safetensors", "pt") as file:
        about = file.metadata()
    dataset = voc200(real)
    names = list(dataset.sample_ids)[:FIRST]
    if MODELS[name].kind == "segmenter":
        measured = mean_iou(confusions(load_model(name), dataset, names, 224, padded=False))
        assert measured == pytest.approx(float(about[f"miou_224_first_{FIRST}"]), abs=0.003)
        return
    groups = members(load_class_map("voc_imagenet"), CLASS_NAMES)
    known, right = recognised(load_model(name, kind="classifier", members=groups), dataset, names)
    assert right[known].mean() == pytest.approx(float(about[f"accuracy_224_first_{FIRST}"]), abs=0.03)


def test_mean_iou_is_that_of_its_definition():
    """Two classes and one that is nowhere: 3 of 4 and 1 of 2 pixels, by hand."""
    counts = np.zeros((1, len(CLASS_NAMES), len(CLASS_NAMES)), int)
    counts[0, 0, 0], counts[0, 0, 5], counts[0, 5, 5] = 3, 1, 1
    assert mean_iou(counts) == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_dilation_keeps_the_resolution_of_a_sixteenth():
    module = registered("voc_deeplabv3_mobilenetv2_half").eval()
    with torch.no_grad():
        features = module.features(torch.zeros(1, 3, 225, 193))
    assert features.shape[2:] == (15, 13)
