"""The shipped models that others trained: their weights to the bit, their answers, their terms, and what they see."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from oracles import random_images
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from voc_measures import FIRST, ORIGINALS, confusion, mean_iou, measures

from segattr_lib.data import load_dataset
from segattr_lib.data.images import as_rgb
from segattr_lib.data.photographs import available
from segattr_lib.data.regions import read_region
from segattr_lib.data.sample import SampleError, as_sample, find_region
from segattr_lib.models import MODELS, WEIGHTS
from segattr_lib.models.loading import load_model, registered
from segattr_lib.models.state import packed, unpacked

FULL, HALF, NAMES = "voc_deeplabv3_mobilenetv2", "voc_deeplabv3_mobilenetv2_half", "imagenet_mobilenet_v2"
FOREIGN = [name for name, entry in MODELS.items() if entry.source]
MOST_BYTES = 24_000_000


def test_these_are_the_models_of_others():
    assert set(FOREIGN) == {FULL, HALF, NAMES} == set(ORIGINALS)


@pytest.fixture(scope="module")
def written_before(real: Path) -> ModuleType:
    """models.py beside the weights in float32: the same nets with their batch norms, in code of its own."""
    spec = importlib.util.spec_from_file_location("models_in_float32", real / "models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def folded(state: dict[str, Tensor], ours: list[str]) -> dict[str, Tensor]:
    """A state with batch norms under the names of ours: where ours has a bias and it has none, the batch norm's behind
    that convolution, whose other numbers leave what passes through as it is."""
    result = {}
    for name in ours:
        if name in state:
            result[name] = state[name]
            continue
        convolution = name.removesuffix(".bias")
        parent, _, place = convolution.rpartition(".")
        norm = f"{parent}.{int(place) + 1}"
        assert torch.equal(state[f"{norm}.weight"], torch.ones_like(state[f"{norm}.weight"]))
        assert not state[f"{norm}.running_mean"].any()
        assert torch.allclose(state[f"{norm}.running_var"] + 1e-5, torch.ones(()), atol=1e-6)
        result[name] = state[f"{norm}.bias"]
    return result


@pytest.mark.parametrize("name", FOREIGN)
def test_tables_of_values_hold_the_original_weights_to_the_bit(name: str, real: Path):
    original = load_file(real / f"weights/{name}.safetensors")
    ours = registered(name).state_dict()
    expected = folded(original, list(ours))
    assert all(torch.equal(ours[key], expected[key]) for key in ours)
    counted = {key for key in original if key.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    of_norms = {key.rpartition(".")[0] for key in counted}
    assert {key for key in original if key.rpartition(".")[0] not in of_norms} <= set(ours)  # nothing is lost
    shipped = load_file(WEIGHTS / f"{name}.safetensors")
    again = packed(expected)
    assert shipped.keys() == again.keys()
    assert all(torch.equal(shipped[key], again[key]) and shipped[key].dtype == again[key].dtype for key in shipped)


@pytest.mark.parametrize("size", [(225, 225), (224, 224), (97, 161)])
@pytest.mark.parametrize("name", FOREIGN)
def test_answers_are_those_of_the_nets_in_float32(
    name: str, size: tuple[int, int], written_before: ModuleType, real: Path
):
    images = torch.nn.functional.interpolate(random_images(2, 64), size, mode="bilinear")
    with torch.inference_mode():
        ours, theirs = load_model(name).module(images), getattr(written_before, name)()(images)
    assert torch.allclose(ours, theirs, atol=1e-5 * max(1, float(theirs.abs().max())))
    assert float(theirs.std()) > 0.1


@pytest.mark.parametrize("name", FOREIGN)
def test_most_weights_are_tables(name: str):
    """At 8 bits a tensor has no more than 256 values: every weight that is not a bias is one."""
    state = load_file(WEIGHTS / f"{name}.safetensors")
    plain = [key for key in state if not key.endswith((".values", ".index"))]
    assert all(key.endswith("bias") and state[key].dtype == torch.float32 for key in plain)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64])
@pytest.mark.parametrize("values", [1, 2, 255, 256, 257, 5000])
def test_a_state_is_the_same_once_packed_and_unpacked(values: int, dtype: torch.dtype):
    generator = torch.Generator().manual_seed(values)
    table = torch.randn(values, generator=generator).mul(1000).to(dtype)
    state = {
        "many.weight": table[torch.randint(values, (7, 40, 30), generator=generator)],
        "few.bias": table[torch.randint(values, (3,), generator=generator)],
        "scalar": table[0].clone(),
        "turned.weight": table[torch.randint(values, (50, 60), generator=generator)].T,
    }
    small = packed({**state, "norm.num_batches_tracked": torch.tensor(3)})
    assert ("many.weight.index" in small) == (len(state["many.weight"].unique()) <= 256)
    again = unpacked(small)
    assert again.keys() == state.keys()
    for key, tensor in state.items():
        assert torch.equal(again[key], tensor) and again[key].dtype == tensor.dtype
    size, before = (sum(part.numel() * part.element_size() for part in each.values()) for each in (small, state))
    assert size <= before + 8  # of the count of batches, which is left out


def test_the_terms_lie_beside_the_weights_and_name_each_of_them():
    notice = (WEIGHTS / "NOTICE").read_text(encoding="utf-8")
    for name in FOREIGN:
        assert f"{name}.safetensors" in notice and ORIGINALS[name] in notice
    assert "github.com/google-coral/test_data" in notice and "dequantised" in notice
    licence = (WEIGHTS / "LICENSE-APACHE-2.0").read_text(encoding="utf-8")
    assert licence.lstrip().startswith("Apache License\n")
    for part in ("TERMS AND CONDITIONS FOR USE", "4. Redistribution.", "END OF TERMS AND CONDITIONS", "APPENDIX"):
        assert part in licence


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_says_where_it_is_from_and_what_it_reaches(name: str):
    with safe_open(WEIGHTS / f"{name}.safetensors", "pt") as file:
        about = file.metadata()
    assert (about["source"], about["file"], about["licence"]) == (MODELS[name].source, ORIGINALS[name], "Apache-2.0")
    measure = "accuracy_224" if name == NAMES else "miou_224"
    assert 0.4 < float(about[measure]) < 1


def test_all_weights_take_24_megabytes_at_most():
    files = [path for path in WEIGHTS.glob("*.safetensors") if not path.stem.startswith("finetuned_")]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES


# What they reach on Pascal VOC.


def test_mean_iou_is_what_it_is_by_hand():
    truth = np.array([[0, 0, 3], [3, 255, 3]])
    said = np.array([[0, 3, 3], [3, 3, 7]])
    counts = confusion(said, truth)
    assert counts.sum() == 5 and counts[0, 3] == 1 and counts[3, 7] == 1
    assert mean_iou(counts[None]) == pytest.approx((1 / 2 + 2 / 4 + 0) / 3)  # of 0, 3 and 7, which is only said
    assert mean_iou(np.stack([counts, confusion(truth, truth)])) == pytest.approx((3 / 4 + 5 / 7 + 0) / 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", FOREIGN)
def test_a_shipped_model_reaches_on_the_first_images_what_its_file_says(name: str, real: Path):
    with safe_open(WEIGHTS / f"{name}.safetensors", "pt") as file:
        about = file.metadata()
    measured = measures(name, real, FIRST)
    told = [key for key in about if key.endswith(f"_first_{FIRST}")]
    assert len(told) == (1 if name == NAMES else 2)
    for key in told:
        assert measured[key] == pytest.approx(float(about[key]), abs=1e-3)


# Photographs: the central square at 224 px; the largest region of the prediction with its class, share and mean
# probability, and the first class of the classifier with its probability. None: nothing of a share that counts is seen.

SEEN = {
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
TOLERANCE = 0.02


@cache
def central_square(name: str) -> Tensor:
    """(1,3,224,224), of the upright photograph."""
    if name not in available():
        pytest.skip(f"no installed package brings the photograph {name}")
    picture = as_rgb(load_dataset("photographs").read(name)[0])
    side = min(picture.size)
    left, top = ((extent - side) // 2 for extent in picture.size)
    return as_sample(picture.crop((left, top, left + side, top + side)), None, name, 224).image[None]


@cache
def model(name: str):
    return load_model(name)


def test_every_photograph_has_its_known_answer():
    assert set(available()) <= set(SEEN)


@pytest.mark.parametrize("place", [0, 1], ids=["full", "half"])
@pytest.mark.parametrize("photograph", SEEN)
def test_a_segmenter_sees_on_a_photograph_what_is_known(photograph: str, place: int):
    segmenter = model((FULL, HALF)[place])
    with torch.inference_mode():
        probabilities = segmenter.module(central_square(photograph)).softmax(1)[0]
    labels = probabilities.argmax(0).numpy()
    known = SEEN[photograph][place]
    if known is None:
        assert float((labels != 0).mean()) < 0.001  # on china the half width takes ten pixels for a boat
        if not labels.any():
            with pytest.raises(SampleError, match="there is no object"):
                find_region(labels, read_region("frequent"), (), None, complete=True)
        return
    class_id, mask = find_region(labels, read_region("largest_component"), (), None, complete=True)
    mean = float(probabilities[class_id][torch.from_numpy(mask)].mean())
    assert segmenter.class_names[class_id] == known[0]
    assert (float(mask.mean()), mean) == pytest.approx(known[1:], abs=TOLERANCE)


@pytest.mark.parametrize("photograph", SEEN)
def test_the_classifier_names_on_a_photograph_what_is_known(photograph: str):
    classifier = model(NAMES)
    with torch.inference_mode():
        probabilities = classifier.module(central_square(photograph)).softmax(1)[0]
    assert (classifier.class_names[int(probabilities.argmax())], float(probabilities.max())) == (
        SEEN[photograph][2][0],
        pytest.approx(SEEN[photograph][2][1], abs=TOLERANCE),
    )
