"""Running a Score over many images: nothing about the run may show in the values."""

from __future__ import annotations

import gc
import json

import numpy as np
import pytest
import torch
from oracles import ConvNet, plain_score, random_images, random_masks, ready
from torch import Tensor, nn

from segattr_lib import evaluate as module
from segattr_lib.attribution import METHODS
from segattr_lib.evaluate import counted_passes, evaluate, model_score, prepare, runtime_of
from segattr_lib.registry import UserError
from segattr_lib.targets import Target, bind

COUNT = 23


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch, tmp_path):
    """Measured runtimes are kept in a cache folder; every test has an empty one of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def _asked(batch_size: int) -> tuple[Tensor, list[tuple[int, int]], Tensor, Tensor, nn.Module, Target]:
    model = ready(ConvNet(), batch_size)
    images = random_images(COUNT, 12)
    owner = torch.arange(COUNT) % 2
    target = Target(torch.tensor([1, 2]), random_masks(2, 12))
    asked: list[tuple[int, int]] = []

    def perturb(start: int, stop: int) -> tuple[Tensor, Tensor]:
        asked.append((start, stop))
        return images[start:stop], owner[start:stop]

    return evaluate(bind(model, target), COUNT, perturb), asked, images, owner, model, target


@pytest.mark.parametrize("batch_size", [1, 3, 7, 1000])
def test_the_values_are_those_of_one_image_at_a_time_in_order_whatever_the_batch_size(batch_size):
    values, _, images, owner, model, target = _asked(batch_size)
    plain = [
        plain_score(model, target.mask[one].numpy(), int(target.class_id[one]))(image)
        for image, one in zip(images.numpy(), owner.tolist(), strict=True)
    ]
    np.testing.assert_allclose(values, plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 1000])
def test_no_more_than_a_batch_of_images_is_made_at_a_time_and_each_is_made(batch_size):
    _, asked, *_ = _asked(batch_size)
    assert all(0 < stop - start <= batch_size for start, stop in asked)
    made = [index for start, stop in asked for index in range(start, stop)]
    assert made == list(range(COUNT))


def test_nothing_to_evaluate_gives_no_value_and_asks_for_nothing():
    def perturb(start: int, stop: int) -> tuple[Tensor, Tensor]:
        raise AssertionError("asked")

    model = ready(ConvNet())
    assert len(evaluate(bind(model, Target(torch.tensor([1]), random_masks(1, 8))), 0, perturb)) == 0


def test_values_carry_no_gradient_and_leave_gradients_possible():
    values, *_ = _asked(4)
    assert not values.requires_grad
    weight = torch.ones(COUNT, requires_grad=True)
    (weight * values).sum().backward()
    assert torch.equal(weight.grad, values)


def test_a_forward_pass_counts_its_images_and_a_backward_pass_twice_as_many():
    model = ready(ConvNet())
    with counted_passes(model) as passes:
        model(random_images(5, 8))
        assert passes == [5]
        images = random_images(3, 8).requires_grad_()
        output = model(images).sum()
        assert passes == [8]
        torch.autograd.grad(output, images)
        assert passes == [14]
        with torch.inference_mode():
            model(random_images(2, 8))
        assert passes == [16]
    model(random_images(5, 8))
    assert passes == [16]


def test_a_models_dictionary_output_is_counted_too():
    class Dictionary(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = ConvNet()

        def forward(self, images: Tensor) -> dict[str, Tensor]:
            return {"out": self.inner(images)}

    model, images = Dictionary(), random_images(4, 8).requires_grad_()
    with counted_passes(model) as passes:
        torch.autograd.grad(model(images)["out"].sum(), images)
    assert passes == [12]


class Breaks(ConvNet):
    """Raises at its n-th forward pass."""

    def __init__(self, after: int):
        super().__init__()
        self.left = after

    def forward(self, images: Tensor) -> Tensor:
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("it broke")
        return super().forward(images)


def hooks_of(model: nn.Module) -> int:
    return sum(
        len(one._forward_hooks) + len(one._forward_pre_hooks) + len(one._backward_hooks) for one in model.modules()
    )


@pytest.mark.parametrize("after", [0, 2])
def test_a_model_that_raises_keeps_its_mode_and_is_left_without_hooks(after):
    model = ready(Breaks(after), 2)
    score = bind(model, Target(torch.tensor([1]), random_masks(1, 8)))
    images, owner = random_images(9, 8), torch.zeros(9, dtype=torch.long)
    with pytest.raises(RuntimeError, match="it broke"), counted_passes(model):
        evaluate(score, 9, lambda start, stop: (images[start:stop], owner[start:stop]))
    assert hooks_of(model) == 0
    assert not any(one.training for one in model.modules())
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("name", ["gpa", "ega", "ria", "dea"])
def test_explaining_leaves_no_hook_and_no_gradient_behind(name):
    model = ready(ConvNet())
    images, target = random_images(2, 16), Target(torch.tensor([1, 2]), random_masks(2, 16))
    options = {"layer": "features"} if name != "ria" else {}
    METHODS[name].function(bind(model, target), images, target, **options)
    assert hooks_of(model) == 0
    assert all(weight.grad is None for weight in model.parameters())
    assert not images.requires_grad


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


def test_a_model_without_weights_can_be_scored():
    class Weightless(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images

    target = Target(torch.tensor([1]), random_masks(1, 8))
    images = random_images(1, 8)
    model = Weightless()
    wanted = plain_score(model, target.mask[0].numpy(), 1)(images[0].numpy())
    assert float(model_score(bind(model, target), images)) == pytest.approx(wanted, abs=1e-6)


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


def test_bfloat16_gives_nearly_the_values_of_float32():
    images, target = random_images(4, 8), Target(torch.tensor([1, 2, 0, 1]), random_masks(4, 8))
    values = []
    for precision in ("float32", "bfloat16"):
        model = ConvNet()
        prepare(model, device="cpu", precision=precision, batch_size=4)
        values.append(model_score(bind(model, target), images))
    assert values[1].dtype == torch.float32
    assert not torch.equal(*values)
    torch.testing.assert_close(*values, rtol=0, atol=0.02)


@pytest.mark.parametrize("scalar", ["probability", "logit"])
def test_a_classifiers_score_keeps_the_digits_that_its_logits_in_half_precision_have(scalar):
    """In bfloat16 itself a probability near .7 knows three digits, and one near 1 is 1."""

    class Says(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.tensor([[0.0, 3.0, -1.0]], dtype=torch.bfloat16).expand(len(images), -1)

    model = Says()
    prepare(model, (8, 8), "cpu", "bfloat16", 4)
    wanted = torch.tensor([0.0, 3.0, -1.0])
    wanted = wanted[1] if scalar == "logit" else wanted.softmax(0)[1]  # .936
    found = evaluate(
        bind(model, Target(torch.tensor([1])), scalar), 1, lambda *_: (random_images(1, 8), torch.zeros(1).long())
    )
    assert float(found) == pytest.approx(float(wanted), abs=1e-7)
