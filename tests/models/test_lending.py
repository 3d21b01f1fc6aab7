"""Models as people have them are given back as they were, or copied, or it is said why they cannot be."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from nets import Answers, handed_out
from oracles import ConvNet, random_images, random_masks
from torch import Tensor, nn

from segattr_lib.attribution import METHODS
from segattr_lib.attribution.axiomatic import deeplift
from segattr_lib.attribution.cam import activations_and_gradients, gpa
from segattr_lib.evaluate import model_score
from segattr_lib.models.lending import give_back
from segattr_lib.models.runtime import prepare, runtime_of
from segattr_lib.registry import UserError, accepted
from segattr_lib.sections.beyond_dea.randomisation import cascade
from segattr_lib.seeds import Draws
from segattr_lib.targets import Score, Target, bind

SIZE = 16
IMAGES = random_images(2, SIZE)
TARGET = Target(torch.tensor([1, 2]), random_masks(2, SIZE))


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def scored(model: nn.Module) -> Score:
    return bind(model, TARGET)


def state_of(model: nn.Module) -> tuple:
    return (
        [part.training for part in model.modules()],
        [weight.requires_grad for weight in model.parameters()],
        [weight.is_contiguous() for weight in model.parameters()],
        [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules()],
    )


def mixed() -> nn.Module:
    """Training, but for one part; one weight is frozen."""
    model = ConvNet().train()
    model.features[1].eval()
    model.head.bias.requires_grad_(False)
    return model


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.family != "control"])
def test_a_method_called_directly_gives_the_model_back_as_it_was(name: str):
    model = mixed()
    before, values = state_of(model), [weight.clone() for weight in model.parameters()]
    offered = {"layer": "features", "layers": ["features.1", "features"], "draws": Draws(0, ["a", "b"]), "grid": 2}
    offered |= {"samples": 4, "steps": 2, "segments": 9, "budget": 6}
    METHODS[name].function(scored(model), IMAGES, TARGET, **accepted(METHODS[name].function, offered))
    assert state_of(model) == before
    assert all(torch.equal(*pair) for pair in zip(values, model.parameters(), strict=True))


def test_a_prepared_model_is_given_back_when_asked_and_runs_in_evaluation_mode_whatever_is_done_to_it_between():
    model = mixed()
    before = state_of(model)
    runtime = prepare(model, (SIZE, SIZE), "cpu", batch_size=4)
    assert not any(part.training for part in model.modules())
    model.train()
    model_score(scored(model), IMAGES)
    assert all(part.training for part in model.modules())
    give_back(model)
    assert state_of(model) == before
    give_back(model)  # nothing more to give back
    assert state_of(model) == before and runtime_of(model) is runtime


def test_a_model_that_raises_is_given_back_too():
    class Breaks(ConvNet):
        def forward(self, images: Tensor) -> Tensor:
            self.features(images)
            raise RuntimeError("boom")

    model = Breaks().train()
    prepare(model, (SIZE, SIZE), "cpu", batch_size=4)
    give_back(model)
    before = state_of(model)
    for explain in (gpa, METHODS["ablationcam"].function):
        with pytest.raises(RuntimeError, match="boom"):
            explain(scored(model), IMAGES, TARGET, layer="features")
        assert state_of(model) == before


def test_a_loaded_model_is_given_back_with_its_own_answer():
    model = Answers("dict").train()
    before = state_of(model)
    module = handed_out(lambda: model).module
    assert isinstance(module(IMAGES), Tensor) and not module.training
    assert len(model._forward_hooks) == 1
    handed_out(lambda: model)
    assert len(model._forward_hooks) == 1  # handed out twice, hooked once
    give_back(model)
    assert state_of(model) == before and isinstance(model(IMAGES), dict)


def test_what_a_pass_leaves_in_a_model_does_not_stop_its_copy():
    class Keeps(ConvNet):
        def forward(self, images: Tensor) -> Tensor:
            self.last = super().forward(images)
            return self.last

    model = Keeps()
    activations_and_gradients(scored(model), IMAGES, ["features"])
    assert model.last.requires_grad
    assert len(list(cascade(model, 2, 0))) == 2
    assert deeplift(scored(model), IMAGES, TARGET).amax() == 1


def test_a_model_that_cannot_be_copied_is_an_error_where_a_copy_is_needed():
    model = ConvNet()
    model.lock = threading.Lock()
    for ask in (lambda: next(cascade(model, 1, 0)), lambda: deeplift(scored(model), IMAGES, TARGET)):
        with pytest.raises(UserError, match="needs a copy of the model, which cannot be copied: TypeError"):
            ask()
