"""How a model runs fastest: measured once a machine and model, remembered, and nothing of it in the values."""

from __future__ import annotations

import gc
import json

import pytest
import torch
from oracles import ConvNet, random_images, random_masks, ready
from torch import nn

from segattr_lib.evaluate import model_score
from segattr_lib.models import runtime as module
from segattr_lib.models.runtime import prepare, runtime_of
from segattr_lib.registry import UserError
from segattr_lib.targets import Target, bind


def test_a_given_batch_size_is_used_as_it_is():
    model = ConvNet().train()
    runtime = prepare(model, (8, 8), "cpu", batch_size=5)
    assert runtime.batch_size == 5
    assert not model.training and not any(weight.requires_grad for weight in model.parameters())
    assert runtime_of(model) is runtime


def test_without_a_batch_size_the_fastest_measured_one_is_taken(monkeypatch):
    def milliseconds(_model: nn.Module, runtime: module.Runtime, _shape: tuple[int, int]) -> float:
        channels_last = runtime.memory_format == torch.channels_last
        return abs(runtime.batch_size - 16) + (3.0 if channels_last else 1.0)

    monkeypatch.setattr(module, "_milliseconds", milliseconds)
    runtime = prepare(ConvNet(), (8, 8), "cpu")
    assert (runtime.batch_size, runtime.memory_format, runtime.milliseconds) == (16, torch.contiguous_format, 1)


def test_what_was_measured_once_is_not_measured_again_for_the_same_weights(monkeypatch):
    first = prepare(ConvNet(), (8, 8), "cpu")
    monkeypatch.setattr(module, "_milliseconds", lambda *_: pytest.fail("measured again"))
    again = prepare(ConvNet(), (8, 8), "cpu")
    assert again == first and again.milliseconds == first.milliseconds
    monkeypatch.setattr(module, "_milliseconds", lambda _model, runtime, _shape: float(runtime.batch_size))
    assert prepare(ConvNet(seed=1), (8, 8), "cpu").batch_size == 4  # other weights
    assert prepare(ConvNet(), (9, 8), "cpu").batch_size == 4  # another shape


@pytest.mark.parametrize("known", [None, "", "[]", "no json", '{"KEY": 3}', '{"KEY": {"batch_size": 4}}'])
def test_what_was_remembered_and_cannot_be_read_is_measured_again(tmp_path, monkeypatch, known: str | None):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(module, "_milliseconds", lambda _model, runtime, _shape: float(runtime.batch_size))
    path = tmp_path / "segattr" / "runtimes.json"
    prepare(ConvNet(), (8, 8), "cpu")
    (key,) = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    if known is not None:
        path.write_text(known.replace("KEY", key), encoding="utf-8")
    assert prepare(ConvNet(), (8, 8), "cpu").batch_size == 4
    assert json.loads(path.read_text(encoding="utf-8"))[key]["batch_size"] == 4


def test_without_a_home_a_model_is_measured_and_nothing_is_remembered(tmp_path, monkeypatch):
    def no_user(_: int) -> None:
        raise KeyError("uid not found")

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", no_user)
    monkeypatch.setattr(module, "_milliseconds", lambda _model, runtime, _shape: float(runtime.batch_size))
    assert prepare(ConvNet(), (8, 8), "cpu").batch_size == 4
    assert not list(tmp_path.iterdir())


def test_measuring_stops_growing_where_memory_is_short(monkeypatch):
    def milliseconds(_model: nn.Module, runtime: module.Runtime, _shape: tuple[int, int]) -> float:
        if runtime.batch_size > 16:
            raise torch.OutOfMemoryError("no more")
        return 1 / runtime.batch_size

    monkeypatch.setattr(module, "_milliseconds", milliseconds)
    assert prepare(ConvNet(), (8, 8), "cpu").batch_size == 16


def test_a_measured_batch_size_is_one_of_those_tried_and_gives_the_same_values():
    measured, given = ConvNet(), ready(ConvNet(), 3)
    runtime = prepare(measured, (8, 8), "cpu")
    assert runtime.batch_size in module.BATCH_SIZES and runtime.milliseconds > 0
    images, target = random_images(4, 8), Target(torch.tensor([1, 2, 0, 1]), random_masks(4, 8))
    values = [model_score(bind(model, target), images) for model in (measured, given)]
    torch.testing.assert_close(*values, rtol=0, atol=1e-6)


def test_what_was_measured_is_forgotten_with_its_model():
    gc.collect()
    before = len(module._PREPARED)
    model = ready(ConvNet())
    assert len(module._PREPARED) == before + 1
    del model
    gc.collect()
    assert len(module._PREPARED) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda:99"}, "device is 'cuda:99', which cannot be used here"),
        ({"device": "gpu"}, "device is 'gpu', which cannot be used here"),
        ({"precision": "float64"}, "precision is 'float64'; expected one of float32, bfloat16, float16"),
    ],
)
def test_a_device_or_precision_that_is_not_there_is_a_users_error(options, message):
    with pytest.raises(UserError, match=message):
        prepare(ConvNet(), **options)
