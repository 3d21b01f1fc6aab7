"""Running a Score over many images: nothing about the run may show in the values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException
from oracles import ConvNet, plain_score, random_images, random_masks, ready
from torch import Tensor, nn

from segattr_lib.attribution import METHODS
from segattr_lib.evaluate import evaluate, model_score, occluded_scores
from segattr_lib.models.engine import counted_passes
from segattr_lib.models.runtime import prepare
from segattr_lib.perturbation import bind_fill
from segattr_lib.targets import Target, bind

COUNT = 23


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
        plain_score(model, target.mask[row].numpy(), int(target.class_id[row]))(image)
        for image, row in zip(images.numpy(), owner.tolist(), strict=True)
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


class Full(ConvNet):
    """Has no memory for more than `most` images at once; `seen` holds the sizes of the batches it answered."""

    def __init__(self, most: int, error: Exception):
        super().__init__()
        self.most, self.error, self.seen = most, error, []

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self.most:
            raise self.error
        self.seen.append(len(images))
        return super().forward(images)


OUT = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    RuntimeException(
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : bfc_arena.cc Failed to allocate memory for requested"
    ),
]


@pytest.mark.parametrize("error", OUT)
def test_where_memory_ends_the_batch_is_halved_and_no_value_is_lost_which_is_said(error, capsys):
    torch.manual_seed(0)
    model = ready(Full(COUNT, error), COUNT)
    images, target = random_images(COUNT, 12), Target(torch.ones(COUNT, dtype=torch.long), random_masks(COUNT, 12))
    expected = model_score(bind(model, target), images)
    model.most, model.seen = 6, []
    assert torch.allclose(model_score(bind(model, target), images), expected, rtol=0, atol=1e-6)
    assert sum(model.seen) == COUNT and max(model.seen) <= 5  # of 23 fit 11 no more than 23 do, but 5
    first = model_score(bind(model, target), images)  # it is known now, and not tried again
    assert torch.allclose(first, expected, rtol=0, atol=1e-6)
    said = capsys.readouterr().err.strip().splitlines()
    assert [line.split(";")[1] for line in said] == [
        f" batches are of {size} from here on (values may differ in their last digits)." for size in (11, 5)
    ]


def test_a_single_image_for_which_there_is_no_memory_is_an_error_and_so_is_any_other_fault():
    target = Target(torch.tensor([1, 1]), random_masks(2, 8))
    for most, error in ((0, torch.OutOfMemoryError("full")), (1, RuntimeError("shapes do not match"))):
        with pytest.raises(type(error), match=str(error)):
            model_score(bind(ready(Full(most, error), 2), target), random_images(2, 8))


def test_a_selection_is_scored_once_for_each_fill_and_score_whoever_asks():
    model, images = ready(ConvNet(), 3), random_images(2, 12)
    target = Target(torch.tensor([1, 2]), random_masks(2, 12))
    score, mean, zeros = bind(model, target), bind_fill("mean", images), bind_fill("zeros", images)
    selected, owner = random_masks(5, 12)[[0, 1, 0, 2, 3, 4, 1]], torch.tensor([0, 0, 0, 1, 1, 0, 1])
    alone = [
        occluded_scores(score, images, where[None], whose[None], bind_fill("mean", images))
        for where, whose in zip(selected, owner, strict=True)
    ]
    with counted_passes(model) as passes:
        values = occluded_scores(score, images, selected, owner, mean)
        assert passes == [6]  # the third is the first again; the last is another image's
        assert torch.allclose(values, torch.cat(alone), rtol=0, atol=1e-6)
        again = occluded_scores(score, images, selected.flip(0), owner.flip(0), mean)
        assert passes == [6] and torch.equal(again.flip(0), values)
        occluded_scores(score, images, selected, owner, zeros)
        assert passes == [12]
        occluded_scores(bind(model, target), images, selected, owner, mean)  # of another target, for all we know
        assert passes == [18]
        more = torch.cat([selected[:1], ~selected[:1]])
        values = occluded_scores(score, images, more, torch.tensor([0, 0]), mean)
        assert passes == [19] and torch.equal(values[:1], again.flip(0)[:1])


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
        len(layer._forward_hooks) + len(layer._forward_pre_hooks) + len(layer._backward_hooks)
        for layer in model.modules()
    )


@pytest.mark.parametrize("after", [0, 2])
def test_a_model_that_raises_keeps_its_mode_and_is_left_without_hooks(after):
    model = ready(Breaks(after), 2)
    score = bind(model, Target(torch.tensor([1]), random_masks(1, 8)))
    images, owner = random_images(9, 8), torch.zeros(9, dtype=torch.long)
    with pytest.raises(RuntimeError, match="it broke"), counted_passes(model):
        evaluate(score, 9, lambda start, stop: (images[start:stop], owner[start:stop]))
    assert hooks_of(model) == 0
    assert not any(layer.training for layer in model.modules())
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


def test_a_model_without_weights_can_be_scored():
    class Weightless(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images

    target = Target(torch.tensor([1]), random_masks(1, 8))
    images = random_images(1, 8)
    model = Weightless()
    wanted = plain_score(model, target.mask[0].numpy(), 1)(images[0].numpy())
    assert float(model_score(bind(model, target), images)) == pytest.approx(wanted, abs=1e-6)


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
    score = evaluate(
        bind(model, Target(torch.tensor([1])), scalar), 1, lambda *_: (random_images(1, 8), torch.zeros(1).long())
    )
    assert float(score) == pytest.approx(float(wanted), abs=1e-7)
