"""torchvision's own models, with random weights in place of the download."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import pytest
import torch
from nets import sides_of_layers
from oracles import random_images
from torch import nn
from torchvision.models import get_model, get_model_weights
from torchvision.transforms.functional import normalize

from segattr_lib.models import MODELS, names
from segattr_lib.models.embedded import MEAN, STD
from segattr_lib.models.loading import Model, load_model
from segattr_lib.models.real import check_hash, with_head
from segattr_lib.registry import UserError

SEGMENTERS = [name for name in names("segmenter") if not MODELS[name].stored]
CLASSIFIERS = [name for name in names("classifier") if not MODELS[name].stored]
TUNED = [entry.torchvision for entry in MODELS.values() if entry.trained_on and entry.torchvision]


@cache
def plain_segmenter(name: str) -> nn.Module:
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
def from_random_checkpoint(name: str) -> Model:
    """The segmenter as loaded where torchvision's download is the state of plain_segmenter."""
    weights = get_model_weights(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "get_state_dict", lambda self, *_args, **_kwargs: plain_segmenter(name).state_dict())
        return load_model(name, shape=(64, 64))


@pytest.mark.parametrize("name", SEGMENTERS)
def test_a_pretrained_segmenter_is_torchvisions_on_normalised_images(name: str):
    segmenter = from_random_checkpoint(name)
    batch = random_images(2, 64)
    with torch.inference_mode():
        said = segmenter.module(batch)
        expected = plain_segmenter(name)(normalize(batch, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))["out"]
        unlike = plain_segmenter(name)(batch)["out"]
    assert torch.allclose(said, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert not torch.allclose(said, unlike, rtol=1e-2, atol=1e-2 * float(expected.abs().max()))
    assert segmenter.classes == 21


@pytest.mark.parametrize("name", SEGMENTERS)
def test_a_pretrained_segmenter_keeps_torchvisions_layer_names(name: str):
    segmenter = from_random_checkpoint(name)
    layers = {key for key, _ in plain_segmenter(name).named_modules() if not key.startswith("aux_classifier")}
    assert {key for key, _ in segmenter.module.named_modules()} == layers
    assert segmenter.layer == MODELS[name].layers[-1]
    assert segmenter.layer in layers


@cache
def plain_classifier(name: str) -> nn.Module:
    torch.manual_seed(0)
    return get_model(name).eval()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "vgg11" else []) for name in CLASSIFIERS]
)
def test_a_pretrained_classifier_is_torchvisions_on_normalised_images(name: str, monkeypatch: pytest.MonkeyPatch):
    plain, weights = plain_classifier(name), get_model_weights(name)
    monkeypatch.setattr(weights, "get_state_dict", lambda self, *_args, **_kwargs: plain.state_dict())
    classifier = load_model(name, shape=(64, 64))
    batch = random_images(2, 64)
    with torch.inference_mode():
        said, expected, unlike = classifier.module(batch), plain(normalize(batch, MEAN, STD)), plain(batch)
    assert torch.allclose(said, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert not torch.allclose(said, unlike, rtol=1e-2, atol=1e-2 * float(expected.abs().max()))
    assert classifier.classes == 1000
    assert {key for key, _ in classifier.module.named_modules()} == {key for key, _ in plain.named_modules()}
    assert sides_of_layers(classifier, 64) == [16, 8, 4, 2]


@pytest.mark.parametrize("name", TUNED)
def test_a_new_head_leaves_all_else(name: str):
    plain = plain_classifier(name)
    before = {key: value.shape for key, value in plain.state_dict().items()}
    with torch.device("meta"):
        changed = with_head(get_model(name), 6)
    after = {key: value.shape for key, value in changed.state_dict().items()}
    different = {key for key in before if before[key] != after[key]}
    assert set(before) == set(after)
    assert {key.rpartition(".")[2] for key in different} == {"weight", "bias"}
    assert {after[key][0] for key in different} == {6}
    assert list(before)[-2:] == sorted(different, key=list(before).index)


def test_a_file_is_held_against_the_hash_in_its_name(tmp_path: Path):
    digest = hashlib.sha256(b"weights").hexdigest()
    right, wrong, unnamed = (tmp_path / name for name in (f"net-{digest[:8]}.pth", "net-01234567.pth", "net.pth"))
    for path in (right, wrong, unnamed):
        path.write_bytes(b"weights")
    check_hash(right)
    check_hash(unnamed)
    check_hash(tmp_path / "gone-01234567.pth")
    with pytest.raises(UserError, match=f"begins with {digest[:8]}, expected 01234567; delete it") as caught:
        check_hash(wrong)
    assert str(wrong) in str(caught.value)


@pytest.mark.parametrize("name", ["lraspp_mobilenet_v3_large", "resnet18"])
@pytest.mark.parametrize("failure", [OSError("no route to host"), RuntimeError("invalid hash value"), EOFError("cut")])
def test_weights_that_cannot_be_fetched_are_an_error_that_says_what_to_do(
    name: str, failure: Exception, monkeypatch: pytest.MonkeyPatch
):
    def offline(*_args: object, **_kwargs: object) -> None:
        raise failure

    weights = get_model_weights(name).DEFAULT
    monkeypatch.setattr(type(weights), "get_state_dict", offline)
    with pytest.raises(UserError, match=str(failure)) as caught:
        load_model(name)
    assert weights.url in str(caught.value)
    assert Path(weights.url).name in str(caught.value).split(" to ")[-1]
