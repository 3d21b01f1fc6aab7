"""Weights from files, and fingerprints: what is missing, cut short or another model's is refused in one sentence."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
import torch
from nets import handed_out
from oracles import ConvNet, random_images
from safetensors.torch import save_file
from torch import Tensor, nn

from segattr_lib.data import load_dataset
from segattr_lib.models import MODELS, WEIGHTS, loading
from segattr_lib.models.loading import load_model, prediction
from segattr_lib.models.state import stored, weight_fingerprint
from segattr_lib.registry import UserError
from segattr_lib.training.loop import in_half_precision

EMBEDDED = [name for name, entry in MODELS.items() if entry.trained_on and not entry.torchvision]


def write_weights(
    monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, other: str | None = None
) -> dict[str, Tensor]:
    """Random weights of a model, or of another one under its name, as they are shipped, in place of the shipped."""
    torch.manual_seed(0)
    state = in_half_precision(MODELS[other or name].build())
    save_file(state, folder / f"{name}.safetensors")
    monkeypatch.setattr(loading, "WEIGHTS", folder)
    return state


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_model_is_its_file_in_float32(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    state = write_weights(monkeypatch, tmp_path, name)
    model = load_model(name, shape=(64, 64))
    loaded = model.module.state_dict()
    assert all(torch.equal(loaded[key], value.to(loaded[key].dtype)) for key, value in state.items())
    assert {value.dtype for value in model.module.parameters()} == {torch.float32}
    plain = MODELS[name].build().eval()
    plain.load_state_dict(loaded)
    with torch.inference_mode():
        assert torch.equal(model.module(random_images(2, 64)), prediction(plain(random_images(2, 64))))
    classes = len(load_dataset(MODELS[name].trained_on).class_names)
    assert (model.classes, model.module.training) == (classes, False)


@pytest.mark.parametrize("name", ["shapes_fcn", "shapes_resnet18"])
@pytest.mark.parametrize("share", [0, 1e-5, 0.01, 0.5, 0.999])
def test_truncated_weights_are_an_error(name: str, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_weights(monkeypatch, tmp_path, name)
    path = tmp_path / f"{name}.safetensors"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(UserError, match=r"cannot be read.*restore") as caught:
        load_model(name, shape=(64, 64))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", EMBEDDED)
def test_truncated_shipped_weights_are_an_error(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shipped = WEIGHTS / f"{name}.safetensors"
    if not shipped.is_file():
        pytest.skip(f"the weights of {name} are not at {shipped}; `make train` makes them")
    path = Path(shutil.copy(shipped, tmp_path))
    path.write_bytes(path.read_bytes()[:-1])
    monkeypatch.setattr(loading, "WEIGHTS", tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        load_model(name, shape=(64, 64))


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("shapes_fcn", "`make train` makes them anew"),
        ("shapes_vgg11", "`make train` makes them anew"),
        ("finetuned_resnet18", "`make train SUITE=arcc PROFILE=paper` makes them"),
    ],
)
def test_missing_weights_are_an_error_that_says_what_makes_them(
    name: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loading, "WEIGHTS", tmp_path)
    with pytest.raises(UserError) as caught:
        load_model(name)
    assert str(caught.value) == f"The weights of {name!r} are not at {tmp_path / name}.safetensors; {remedy}."


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("shapes_fcn", "shapes_lraspp"),
        ("shapes_fcn", "shapes_deeplabv3"),
        ("shapes_convnext", "shapes_resnet18"),
    ],
)
def test_weights_of_another_model_are_an_error(name: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_weights(monkeypatch, tmp_path, name, other)
    with pytest.raises(UserError, match=f"not those of '{name}'"):
        load_model(name)


def test_weights_of_another_width_are_an_error(tmp_path: Path):
    path = tmp_path / "net.safetensors"
    state = ConvNet(classes=3).state_dict()
    save_file(state, path)
    given = stored("net", ConvNet(classes=3, seed=1), path).state_dict()
    assert all(torch.equal(given[key], state[key]) for key in state)
    save_file({**state, "head.bias": state["head.bias"][:2].clone()}, path)
    with pytest.raises(UserError, match="not those of 'net'"):
        stored("net", ConvNet(classes=3), path)


# Fingerprints.


class Extra(ConvNet):
    extra: object = None

    def get_extra_state(self) -> object:
        return self.extra

    def set_extra_state(self, state: object) -> None:
        self.extra = state


def test_a_fingerprint_follows_whatever_is_in_the_state():
    model = Extra()
    model.register_buffer("flags", torch.tensor([True, False]))
    model.register_buffer("waves", torch.ones(2, dtype=torch.complex64))
    model.register_buffer("few", torch.eye(3).to_sparse())
    model.register_buffer("none", None)
    seen = {weight_fingerprint(model)}
    for change in (
        lambda: model.set_extra_state({"a": [1, torch.ones(2)]}),
        lambda: model.set_extra_state({"a": [1, torch.zeros(2)]}),
        lambda: model.flags.logical_not_(),
        lambda: model.waves.mul_(1j),
        lambda: setattr(model, "few", 2 * model.few),
    ):
        change()
        assert weight_fingerprint(model) == weight_fingerprint(model)
        seen.add(weight_fingerprint(model))
    assert len(seen) == 6
    model.set_extra_state(threading.Lock())
    with pytest.raises(UserError, match="holds a lock at '_extra_state', which cannot be written down"):
        weight_fingerprint(model)


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_classifier_is_loaded_and_told_from_another():
    class Net(nn.Module):
        def __init__(self, seed: int):
            super().__init__()
            torch.manual_seed(seed)
            self.features, self.head = nn.Conv2d(3, 8, 3, 2, 1), nn.Linear(8, 4)

        def forward(self, images: Tensor) -> Tensor:
            return self.head(self.features(images).mean((2, 3)))

    prints = set()
    for seed in (0, 0, 1):
        quantised = torch.ao.quantization.quantize_dynamic(Net(seed).eval(), {nn.Linear})
        prints.add(handed_out(lambda module=quantised: module, kind="classifier").fingerprint)
    assert len(prints) == 2
