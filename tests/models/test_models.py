from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead
from torchvision.models.segmentation.lraspp import LRASPPHead
from torchvision.transforms.functional import normalize

from segattr_lib import models
from segattr_lib.data import load_dataset
from segattr_lib.data.shapes import scene
from segattr_lib.models import EMBEDDED, PRETRAINED, SEGMENTERS, Segmenter, load_segmenter
from segattr_lib.models.embedded import TRAINED_ON, WEIGHTS
from segattr_lib.registry import UserError

HEADS = {"deeplabv3": DeepLabHead, "fcn": FCNHead, "lraspp": LRASPPHead}
SHAPES = tuple(name for name, data in TRAINED_ON.items() if data == "shapes")


def shipped(name: str) -> Path:
    path = WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        pytest.skip(f"the weights of {name} are not at {path}; `make train` makes them")
    return path


def about(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


@cache
def held_out() -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of the 500 test scenes, drawn once for all models."""
    scenes = [scene(f"test-{number:05d}") for number in range(500)]
    return np.stack([s.image for s in scenes]), np.stack([s.labels for s in scenes])


def images(count: int, size: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def jaccard(said: np.ndarray, truth: np.ndarray) -> list[float]:
    """Intersection over union of each class over all pixels: |A and B| / (|A| + |B| - |A and B|)."""
    both, one, other = (np.bincount(x.ravel(), minlength=7) for x in (truth[truth == said], truth, said))
    return (both / (one + other - both)).tolist()


@cache
def measured_iou(name: str) -> float:
    """Mean IoU on the held-out scenes, from the shipped file."""
    module = load_segmenter(name).module.to(memory_format=torch.channels_last)
    pixels, labels = held_out()
    with torch.inference_mode():
        said = np.concatenate(
            [
                module(torch.from_numpy(part).permute(0, 3, 1, 2) / 255).argmax(1).byte().numpy()
                for part in np.array_split(pixels, 25)
            ]
        )
    return float(np.mean(jaccard(said, labels)))


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_shipped_weights_do_what_they_claim(name: str):
    assert measured_iou(name) == pytest.approx(float(about(shipped(name))["miou_test"]), abs=0.005)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_shipped_weights_reach_their_bar(name: str):
    shipped(name)
    assert measured_iou(name) >= 0.85


@pytest.mark.parametrize("name", EMBEDDED)
def test_shipped_weights_are_half_precision(name: str):
    assert {value.dtype for value in load_file(shipped(name)).values()} == {torch.float16}


def test_shipped_weights_take_12_megabytes_at_most():
    assert sum(shipped(name).stat().st_size for name in SHAPES) <= 12e6


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_model_has_the_head_of_its_family(name: str):
    module = EMBEDDED[name]()
    family = name.rpartition("_")[2]
    assert type(module.classifier) is HEADS[family]
    assert type(module).__name__.lower() == family


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_model_answers_each_image_alone(name: str):
    torch.manual_seed(0)
    module = EMBEDDED[name]().eval()
    with torch.inference_mode():
        together = module(images(3, 64))["out"]
        alone = torch.cat([module(image[None])["out"] for image in images(3, 64)])
    assert together.shape == (3, len(load_dataset(TRAINED_ON[name]).class_names), 64, 64)
    assert torch.allclose(together, alone, atol=1e-5)


def write_weights(
    monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, build: str | None = None
) -> dict[str, Tensor]:
    """Random weights of an architecture, in half precision and without counters, as they are shipped."""
    torch.manual_seed(0)
    state = {
        key: value.half()
        for key, value in EMBEDDED[build or name]().state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    save_file(state, folder / f"{name}.safetensors")
    monkeypatch.setattr(models, "WEIGHTS", folder)
    return state


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_model_is_its_file_in_float32(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    state = write_weights(monkeypatch, tmp_path, name)
    segmenter = load_segmenter(name, shape=(64, 64))
    loaded = segmenter.module.state_dict()
    for key, value in state.items():
        assert loaded[key].dtype == torch.float32
        assert torch.equal(loaded[key], value.float())
    plain = EMBEDDED[name]().eval()
    plain.load_state_dict(loaded)
    with torch.inference_mode():
        assert torch.equal(segmenter.module(images(2, 64)), plain(images(2, 64))["out"])
    classes = len(load_dataset(TRAINED_ON[name]).class_names)
    assert (segmenter.classes, segmenter.module.training) == (classes, False)


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_default_layer_holds_the_features_the_head_reads(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_weights(monkeypatch, tmp_path, name)
    segmenter = load_segmenter(name, shape=(64, 64))
    seen: dict[str, Tensor] = {}
    layer = segmenter.module.get_submodule(segmenter.layer)
    layer.register_forward_hook(lambda _module, _inputs, output: seen.update(layer=output))
    segmenter.module.classifier.register_forward_pre_hook(lambda _module, inputs: seen.update(head=inputs[0]))
    with torch.inference_mode():
        segmenter.module(images(1, 64))
    head = seen["head"]["high"] if isinstance(seen["head"], dict) else seen["head"]
    assert torch.equal(seen["layer"], head)


@pytest.mark.parametrize("share", [0, 1e-5, 0.01, 0.5, 0.999])
def test_truncated_weights_are_an_error(share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_weights(monkeypatch, tmp_path, "shapes_fcn")
    path = tmp_path / "shapes_fcn.safetensors"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(UserError, match=r"cannot be read.*restore") as caught:
        load_segmenter("shapes_fcn", shape=(64, 64))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", EMBEDDED)
def test_truncated_shipped_weights_are_an_error(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = Path(shutil.copy(shipped(name), tmp_path))
    path.write_bytes(path.read_bytes()[:-1])
    monkeypatch.setattr(models, "WEIGHTS", tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        load_segmenter(name, shape=(64, 64))


def test_missing_weights_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(models, "WEIGHTS", tmp_path)
    with pytest.raises(UserError, match="make train") as caught:
        load_segmenter("shapes_fcn")
    assert str(tmp_path / "shapes_fcn.safetensors") in str(caught.value)


@pytest.mark.parametrize("other", ["shapes_lraspp", "shapes_deeplabv3"])
def test_weights_of_another_model_are_an_error(other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_weights(monkeypatch, tmp_path, "shapes_fcn", other)
    with pytest.raises(UserError, match="not those of 'shapes_fcn'"):
        load_segmenter("shapes_fcn")


def test_weights_of_another_width_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    state = write_weights(monkeypatch, tmp_path, "shapes_fcn")
    last = list(EMBEDDED["shapes_fcn"]().state_dict())[-2]
    save_file({**state, last: state[last][:3].clone()}, tmp_path / "shapes_fcn.safetensors")
    with pytest.raises(UserError, match="not those of 'shapes_fcn'"):
        load_segmenter("shapes_fcn")


@cache
def plain_torchvision(name: str) -> nn.Module:
    """torchvision's own model with random weights and moved batch statistics, its auxiliary head included."""
    torch.manual_seed(0)
    extra = {"aux_loss": True} if name != "lraspp_mobilenet_v3_large" else {}
    module = get_model(name, weights=None, weights_backbone=None, num_classes=21, **extra)
    for key, value in module.state_dict().items():
        if key.endswith("running_mean"):
            value.normal_(0, 0.1)
        elif key.endswith("running_var"):
            value.uniform_(0.5, 2)
    return module.eval()


@cache
def from_random_checkpoint(name: str) -> Segmenter:
    """The segmenter as loaded where torchvision's download is the state of plain_torchvision."""
    weights = get_model_weights(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "get_state_dict", lambda self, *_args, **_kwargs: plain_torchvision(name).state_dict())
        return load_segmenter(name, shape=(64, 64))


@pytest.mark.parametrize("name", PRETRAINED)
def test_a_pretrained_model_is_torchvisions_on_normalised_images(name: str):
    segmenter = from_random_checkpoint(name)
    batch = images(2, 64)
    with torch.inference_mode():
        said = segmenter.module(batch)
        expected = plain_torchvision(name)(normalize(batch, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))["out"]
        unlike = plain_torchvision(name)(batch)["out"]
    assert torch.allclose(said, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert not torch.allclose(said, unlike, rtol=1e-2, atol=1e-2 * float(expected.abs().max()))
    assert segmenter.classes == 21


@pytest.mark.parametrize("name", PRETRAINED)
def test_a_pretrained_model_keeps_torchvisions_layer_names(name: str):
    segmenter = from_random_checkpoint(name)
    names = {key for key, _ in plain_torchvision(name).named_modules() if not key.startswith("aux_classifier")}
    assert {key for key, _ in segmenter.module.named_modules()} == names
    assert segmenter.layer == PRETRAINED[name]
    assert segmenter.layer in names


@pytest.mark.parametrize("failure", [OSError("no route to host"), RuntimeError("invalid hash value"), EOFError("cut")])
def test_weights_that_cannot_be_fetched_are_an_error_that_says_what_to_do(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
):
    def offline(*_args: object, **_kwargs: object) -> None:
        raise failure

    weights = get_model_weights("lraspp_mobilenet_v3_large").DEFAULT
    monkeypatch.setattr(type(weights), "get_state_dict", offline)
    with pytest.raises(UserError, match=str(failure)) as caught:
        load_segmenter("lraspp_mobilenet_v3_large")
    assert weights.url in str(caught.value)
    assert Path(weights.url).name in str(caught.value).split(" to ")[-1]


def test_an_unknown_model_lists_those_there_are():
    with pytest.raises(UserError, match="did you mean 'shapes_fcn'") as caught:
        load_segmenter("shape_fcn")
    assert all(name in str(caught.value) for name in SEGMENTERS)


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
        self.head = nn.Conv2d(6, 5, 1)
        self.up = nn.Upsample(scale_factor=4)
        self.drop = nn.Dropout(0.9)
    def forward(self, images):
        small = self.head(self.deep(self.stem(images)))
        logits = self.drop(self.up(small))
        answers = {"tensor": logits, "dict": {"out": logits, "aux": small}, "other_dict": {"logits": logits},
                   "flat": logits.argmax(1), "small": small, "list": [logits], "classes": logits.mean((2, 3))}
        return answers[self.kind]

def net(): return Net()
def net_dict(): return Net("dict")
def net_other_dict(): return Net("other_dict")
def net_flat(): return Net("flat")
def net_small(): return Net("small")
def net_list(): return Net("list")
def net_classes(): return Net("classes")
def net_grey(): return nn.Conv2d(1, 5, 1)
def net_function(): return lambda images: images
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "own_networks.py"
    path.write_text(OWN, encoding="utf-8")
    return path


@pytest.mark.parametrize("function", ["net", "net_dict"])
@pytest.mark.parametrize("place", ["{path}", "own_networks"])
def test_ones_own_model_comes_from_a_file_or_a_module(own: Path, place: str, function: str):
    segmenter = load_segmenter(f"{place.format(path=own)}:{function}", "deep", (32, 32))
    module = segmenter.module
    batch = images(2, 32)
    expected = nn.functional.interpolate(module.head(module.deep(module.stem(batch))), scale_factor=4)
    assert torch.equal(module(batch), expected)  # in evaluation mode, "out" unwrapped
    assert (segmenter.classes, segmenter.layer) == (5, "deep")


def test_a_fingerprint_follows_the_weights(own: Path):
    first, second = (load_segmenter(f"{own}:net", "deep", (32, 32)) for _ in range(2))
    assert first.fingerprint == second.fingerprint
    with torch.no_grad():
        second.module.head.bias[2] += 1e-6
    assert models.weight_fingerprint(second.module) != first.fingerprint


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        ("net_flat", r"gives \(1, 32, 32\).*expected logits \(1,C,H,W\)"),
        ("net_small", r"gives \(1, 5, 8, 8\).*expected logits \(1,C,H,W\)"),
        ("net_classes", r"gives \(1, 5\).*expected logits \(1,C,H,W\)"),
        ("net_list", r"gives list.*expected logits \(1,C,H,W\)"),
        ("net_other_dict", r"gives dict.*expected logits \(1,C,H,W\)"),
        ("net_grey", r"fails on an image \(1,3,32,32\)"),
        ("net_function", r"gives a function; expected a torch\.nn\.Module"),
    ],
)
def test_what_is_no_segmenter_is_an_error(own: Path, function: str, complaint: str):
    with pytest.raises(UserError, match=complaint) as caught:
        load_segmenter(f"{own}:{function}", "deep", (32, 32))
    assert f"{own}:{function}" in str(caught.value)


def test_ones_own_model_must_name_a_layer(own: Path):
    with pytest.raises(UserError, match=r"no default layer.*'stem', 'deep', 'head'"):
        load_segmenter(f"{own}:net", None, (32, 32))


@pytest.mark.parametrize("layer", ["deeper", "up", ""])
def test_a_layer_that_holds_no_features_is_an_error_with_candidates(own: Path, layer: str):
    with pytest.raises(UserError, match="'stem', 'deep', 'head'"):
        load_segmenter(f"{own}:net", layer, (32, 32))


def test_a_missing_file_or_function_is_an_error(own: Path):
    with pytest.raises(UserError, match="does not exist"):
        load_segmenter(f"{own.with_name('gone.py')}:net")
    with pytest.raises(UserError, match=r"has no 'nets'; it has .*net_dict"):
        load_segmenter(f"{own}:nets")


@pytest.mark.parametrize("function", ["voc_deeplabv3_mobilenetv2", "voc_deeplabv3_mobilenetv2_half"])
def test_real_models_label_real_images(real: Path, function: str):
    segmenter = load_segmenter(f"{real / 'models.py'}:{function}", "features.17")
    assert segmenter.classes == 21
    dataset = load_dataset("voc", str(real))
    for sample_id in dataset.sample_ids[:3]:
        sample = dataset.load(sample_id, 224)
        with torch.inference_mode():
            said = segmenter.module(sample.image[None]).argmax(1)[0]
        given = sample.labels != 255
        assert (said == sample.labels)[given].float().mean() >= 0.6
