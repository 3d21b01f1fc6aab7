"""The seam: what a Score is, against its definition."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from oracles import Classifier, ConvNet, plain_score, random_images, random_masks

from segattr_lib.targets import EPS, Target, bind


def _setting(count: int = 3, size: int = 12) -> tuple[ConvNet, torch.Tensor, Target]:
    return ConvNet(), random_images(count, size), Target(torch.tensor([1, 2, 0]), random_masks(count, size))


@pytest.mark.parametrize("owner", [[0, 1, 2], [2, 0, 1, 1, 0, 2, 2], [1, 1, 1], [0]], ids=str)
def test_a_score_is_the_softmax_then_the_masked_mean_whoever_owns_the_images(owner):
    model, _, target = _setting()
    many = random_images(len(owner), 12, seed=5)
    got = bind(model, target)(many, torch.tensor(owner))
    for image, row, value in zip(many.numpy(), owner, got.tolist(), strict=True):
        plain = plain_score(model, target.mask[row].numpy(), int(target.class_id[row]))
        assert value == pytest.approx(plain(image), abs=1e-6)


def test_a_logit_score_is_the_masked_mean_logit():
    model, images, target = _setting()
    got = bind(model, target, "logit")(images, torch.arange(3)).detach()
    logits = model(images).detach()
    for row in range(3):
        inside = logits[row, target.class_id[row]][target.mask[row]]
        assert float(got[row]) == pytest.approx(float(inside.sum() / (target.mask[row].sum() + EPS)), abs=1e-5)


def test_the_order_of_owners_only_orders_the_scores():
    model, _, target = _setting()
    images = random_images(9, 12, seed=3)
    owner = torch.tensor([2, 0, 1, 0, 2, 1, 1, 0, 2])
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    score = bind(model, target)
    torch.testing.assert_close(score(images[order], owner[order]), score(images, owner)[order], rtol=0, atol=1e-6)


@pytest.mark.parametrize("scalar", ["probability", "logit"])
def test_the_gradient_is_the_slope_of_finite_differences(scalar):
    model = ConvNet().double()
    images = random_images(2, 8).double().requires_grad_()
    target = Target(torch.tensor([1, 2]), random_masks(2, 8))
    score, owner = bind(model, target, scalar), torch.tensor([1, 0])
    (gradient,) = torch.autograd.grad(score(images, owner).sum(), images)
    rng = torch.Generator().manual_seed(0)
    assert gradient.abs().max() > 1e-4
    for _ in range(5):
        way = torch.randn(images.shape, generator=rng, dtype=torch.float64)
        step = 1e-3  # the score itself is float32
        with torch.no_grad():
            rise = (score(images + step * way, owner) - score(images - step * way, owner)).sum() / (2 * step)
        assert float(rise) == pytest.approx(float((gradient * way).sum()), rel=2e-2, abs=2e-3)


def test_a_gradient_reaches_only_the_pixels_and_images_of_the_score():
    model, images, target = _setting()
    images = images.requires_grad_()
    values = bind(model, target)(images, torch.arange(3))
    (gradient,) = torch.autograd.grad(values[1], images)
    assert gradient[1].abs().sum() > 0
    assert not gradient[[0, 2]].any()


@pytest.mark.parametrize("scalar", ["probability", "logit"])
def test_without_a_mask_the_score_is_the_classifiers_output_of_the_class(scalar):
    model, images, owner = Classifier(), random_images(5, 6), torch.tensor([1, 0, 0, 1, 1])
    class_id = torch.tensor([3, 1])
    output = model(images).detach().double().numpy()
    probability = np.exp(output) / np.exp(output).sum(1, keepdims=True)
    wanted = (output if scalar == "logit" else probability)[range(5), class_id[owner]]
    got = bind(model, Target(class_id), scalar)(images, owner).detach()
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_an_empty_mask_scores_zero():
    model, images, _ = _setting()
    target = Target(torch.tensor([1]), torch.zeros(1, 12, 12, dtype=torch.bool))
    assert bind(model, target)(images[:1], torch.tensor([0])).item() == 0


def test_a_target_picks_class_and_mask_together():
    _, _, target = _setting()
    some = target[torch.tensor([2, 0])]
    assert some.class_id.tolist() == [0, 1]
    assert torch.equal(some.mask, target.mask[[2, 0]])
    assert Target(torch.tensor([4, 7]))[torch.tensor([1])].mask is None


def test_an_unknown_scalar_is_refused_by_name():
    model, _, target = _setting()
    with pytest.raises(ValueError, match=r"scalar is 'prob'.*'probability' or 'logit'"):
        inspect.unwrap(bind)(model, target, "prob")  # as users call it, without the tests' type checks
