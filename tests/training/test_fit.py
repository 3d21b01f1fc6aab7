"""The loop that trains everything: what it reaches, how its rate goes, when it reports; what trainers share."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

from segattr_lib.seeds import generator
from segattr_lib.training import loop
from segattr_lib.training.loop import (
    Stage,
    as_stored,
    drawn_view,
    fit,
    predicted_classes,
    streams,
    to_images,
    write_weights,
)

INPUTS = torch.randn(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
WANTED = INPUTS @ torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64) + 0.3 * INPUTS[:, 0] ** 2
STAGE = Stage(40 * 30, 0.1, batch=40, weight_decay=0.0, warmup=0.3)


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 1, dtype=torch.float64)


def squared_error(model: nn.Module, inputs: Tensor, wanted: Tensor) -> Tensor:
    return (model(inputs)[:, 0] - wanted).square().mean()


def whole_batches(stage: Stage) -> list[tuple[Tensor, Tensor]]:
    return [(INPUTS, WANTED)] * stage.steps


def small_batches(stage: Stage) -> list[tuple[Tensor, Tensor]]:
    rows = [rng.integers(0, len(INPUTS), stage.batch) for rng in streams(0, "rows", stage)]
    return [(INPUTS[drawn], WANTED[drawn]) for drawn in rows]


def parameters(model: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


def test_least_squares_ends_at_the_answer_in_closed_form():
    model, stage = linear(), replace(STAGE, images=40 * 1000)
    fit(model, stage, whole_batches(stage), squared_error, "least squares")
    columns = np.column_stack([INPUTS.numpy(), np.ones(len(INPUTS))])
    answer, *_ = np.linalg.lstsq(columns, WANTED.numpy(), rcond=None)
    assert np.allclose(parameters(model).numpy(), answer, atol=1e-4)


def test_weights_that_the_loss_does_not_depend_on_decay_by_rate_times_decay_a_step():
    model, stage = linear(), Stage(50, 0.01, batch=1, weight_decay=0.5)
    before = parameters(model)
    nothing = [(INPUTS, WANTED)] * stage.steps
    fit(model, stage, nothing, lambda model, inputs, _: 0 * model(inputs).sum(), "decay")
    assert torch.allclose(parameters(model), before * (1 - 0.01 * 0.5) ** 50)


@pytest.mark.parametrize("clip", [None, 0.05])
def test_a_stage_is_the_plain_loop_of_torch(clip: float | None):
    stage = replace(STAGE, images=4 * 25, batch=4, weight_decay=0.1, clip=clip)
    batches = small_batches(stage)
    model, plain = linear(), linear()
    fit(model, stage, batches, squared_error, "stage")
    optimiser = AdamW(plain.parameters(), lr=stage.rate, weight_decay=0.1)
    schedule = OneCycleLR(optimiser, 0.1, total_steps=25, pct_start=0.3)
    for batch in batches:
        optimiser.zero_grad()
        squared_error(plain, *batch).backward()
        if clip is not None:
            norm = torch.sqrt(sum(weight.grad.square().sum() for weight in plain.parameters()))
            for weight in plain.parameters():
                weight.grad *= min(1.0, clip / (norm + 1e-6))
        optimiser.step()
        schedule.step()
    assert torch.allclose(parameters(model), parameters(plain), rtol=1e-12)


@pytest.mark.parametrize("warmup", [0.1, 0.2, 0.3])
def test_the_rate_rises_to_the_highest_and_falls_by_half_a_cosine_each(warmup: float):
    model, stage, rates = linear(), replace(STAGE, images=40 * 50, warmup=warmup), []
    optimiser = AdamW(model.parameters(), lr=stage.rate)

    def loss(model: nn.Module, inputs: Tensor, wanted: Tensor) -> Tensor:
        rates.append(optimiser.param_groups[0]["lr"])
        return squared_error(model, inputs, wanted)

    fit(model, stage, whole_batches(stage), loss, "rate", optimiser=optimiser)
    first, last, top = stage.rate / 25, stage.rate / 25 / 1e4, warmup * 50 - 1
    expected = [
        _along_a_cosine(first, stage.rate, step / top)
        if step <= top
        else _along_a_cosine(stage.rate, last, (step - top) / (49 - top))
        for step in range(50)
    ]
    assert rates == pytest.approx(expected)
    assert max(rates) == pytest.approx(stage.rate)


def _along_a_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def test_without_a_warmup_the_rate_is_constant_and_two_stages_are_one_of_their_length():
    """What fine-tuning epoch by epoch needs: the optimiser carries over all that the next epoch needs."""
    long = replace(STAGE, images=40 * 20, warmup=None)
    short = replace(long, images=40 * 10)
    once, twice = linear(), linear()
    fit(once, long, whole_batches(long), squared_error, "once")
    optimiser = AdamW(twice.parameters(), lr=long.rate, weight_decay=long.weight_decay)
    for _ in range(2):
        fit(twice, short, whole_batches(short), squared_error, "twice", optimiser=optimiser)
        assert {group["lr"] for group in optimiser.param_groups} == {long.rate}
    assert torch.equal(parameters(once), parameters(twice))


@pytest.mark.parametrize(("images", "batch", "steps"), [(64_000, 8, 8000), (10_000, 32, 312), (5, 2, 2), (4, 4, 1)])
def test_a_stage_has_a_step_for_each_whole_batch(images: int, batch: int, steps: int):
    assert Stage(images, 0.1, batch, 0.0).steps == steps


@pytest.mark.parametrize("count", [9, 11])
def test_more_or_fewer_batches_than_the_schedule_has_steps_are_an_error(count: int):
    stage = replace(STAGE, images=400)
    with pytest.raises(ValueError, match="zip"):
        fit(linear(), stage, [(INPUTS, WANTED)] * count, squared_error, "count")


@pytest.mark.parametrize(("steps", "every", "expected"), [(10, 1, 10), (10, 3, 3), (10, 5, 2), (10, 11, 0)])
def test_it_reports_after_each_so_many_steps_and_goes_on_in_training_mode(
    steps: int, every: int, expected: int, capsys: pytest.CaptureFixture[str]
):
    model, stage, reported = linear(), replace(STAGE, images=40 * steps), []
    modes, calls = [], Counter[str]()

    def loss(model: nn.Module, inputs: Tensor, wanted: Tensor) -> Tensor:
        modes.append(model.training)
        calls["loss"] += 1
        return squared_error(model, inputs, wanted)

    def report() -> str:
        model.eval()
        reported.append(calls["loss"])
        return f"seen {calls['loss']} batches"

    fit(model.eval(), stage, whole_batches(stage), loss, "a model, stage 1", report=report, every=every)
    assert reported == [every * (number + 1) for number in range(expected)]
    assert modes == [True] * steps
    lines = [line for line in capsys.readouterr().out.splitlines() if "seen" in line]
    assert lines == [f"a model, stage 1, step {step}: seen {step} batches" for step in reported]


def test_the_bar_shows_the_label_and_the_loss(capsys: pytest.CaptureFixture[str]):
    fit(linear(), STAGE, whole_batches(STAGE), squared_error, "a model, stage 1")
    first = squared_error(linear(), INPUTS, WANTED).item()
    assert "a model, stage 1: 100%" in (bar := capsys.readouterr().err)
    assert f"loss={first:.3f}" in bar


def test_the_gradient_of_the_model_is_clipped_and_that_of_what_is_trained_beside_it_is_not():
    model, beside = linear(), nn.Parameter(torch.ones(2, dtype=torch.float64))
    stage = replace(STAGE, images=40, clip=0.25)

    def loss(model: nn.Module, inputs: Tensor, wanted: Tensor) -> Tensor:
        return 1000 * squared_error(model, inputs, wanted) + (torch.tensor([3.0, 4.0]) * beside).sum()

    before = beside.detach().clone()
    fit(model, stage, whole_batches(stage), loss, "clipped", beside=[beside])
    gradients = torch.cat([weight.grad.flatten() for weight in model.parameters()])
    assert gradients.norm().item() == pytest.approx(0.25, rel=1e-5)
    assert torch.equal(beside.grad, torch.tensor([3.0, 4.0], dtype=torch.float64))
    assert (beside != before).all()


def test_a_step_has_a_stream_of_its_own():
    stage = Stage(30, 0.1, 10, 0.0)
    drawn = [rng.random(3).tolist() for rng in streams(7, "train", stage)]
    assert drawn == [generator(7, f"step-{step}", "train").random(3).tolist() for step in range(3)]
    others = [[rng.random(3).tolist() for rng in streams(*of, stage)] for of in ((8, "train"), (7, "train stage 1"))]
    assert not any(stream in other for stream in drawn for other in others)


def test_an_image_and_its_labels_are_turned_and_mirrored_alike_into_all_views():
    """Labels that count the pixels, and images that show them; in the end all 8 views in all 6 orders of colours."""
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = np.stack([labels, labels + 100, labels + 200], axis=-1)
    views = set()
    for seed in range(1000):
        view = drawn_view(np.random.default_rng(seed))
        turned, seen = view(labels), view(image)
        colours = tuple(int(seen[0, 0, channel] - turned[0, 0]) // 100 for channel in range(3))
        assert all(np.array_equal(seen[..., channel], turned + 100 * colours[channel]) for channel in range(3))
        views.add((turned.shape, turned.tobytes(), colours))
    assert len(views) == 8 * 6


def test_predicted_classes_are_those_of_each_image_alone():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 5, 2), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(5 * 9, 4)).train()
    pixels = np.random.default_rng(0).integers(0, 256, (103, 4, 4, 3), np.uint8)
    predicted = predicted_classes(model, pixels)
    assert not model.training
    with torch.inference_mode():
        alone = [model(torch.tensor(image).permute(2, 0, 1)[None] / 255).argmax().item() for image in pixels]
    assert predicted.tolist() == alone
    assert len(set(alone)) > 1
    assert to_images(pixels).is_contiguous(memory_format=torch.channels_last)


def test_what_is_measured_is_what_is_stored():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 5, 2), nn.BatchNorm2d(5))
    model(torch.rand(2, 3, 4, 4))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    weights = as_stored(model)
    assert set(before) - set(weights) == {"1.num_batches_tracked"}
    for key, value in weights.items():
        assert value.dtype == torch.float16
        assert torch.equal(model.state_dict()[key], value.float())
        assert torch.allclose(value.float(), before[key], rtol=2**-11, atol=2**-24)
    assert all(torch.equal(value, weights[key]) for key, value in as_stored(model).items())


def test_a_file_says_how_it_came_about_and_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    facts = {"images": 12, "miou_test": 0.123456}
    about = write_weights("a_model", 3, tmp_path / "new", {"weight": torch.ones(2)}, facts, 61.7)
    assert about == {
        "command": "python -m segattr_lib train a_model --seed 3",
        "seed": "3",
        "images": "12",
        "miou_test": "0.1235",
        "seconds": "62",
        "torch": torch.__version__,
    }
    path = tmp_path / "new" / "a_model.safetensors"
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == about

    def cut_short(weights: object, spot: Path, about: object) -> None:
        spot.write_bytes(b"half of")
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_file", cut_short)
    with pytest.raises(KeyboardInterrupt):
        write_weights("a_model", 3, tmp_path / "new", {"weight": torch.zeros(2)}, facts, 1.0)
    assert torch.equal(load_file(path)["weight"], torch.ones(2))
