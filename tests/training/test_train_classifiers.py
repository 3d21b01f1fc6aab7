"""How classifiers are trained on the single shapes, embedded ones and torchvision's, on two dozen scenes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from segattr_lib.data import load_dataset
from segattr_lib.data.single_shapes import SPLITS, TIERS
from segattr_lib.models import MODELS, WEIGHTS, loading
from segattr_lib.models import embedded as models
from segattr_lib.models.loading import load_model
from segattr_lib.training import classifiers
from segattr_lib.training.classifiers import (
    EPOCH,
    RECIPE,
    STEM_OF,
    TUNING,
    Examples,
    begin_with_stem,
    cycle,
    draw,
    fine_tune,
    train_classifier,
    tune_classifier,
)
from segattr_lib.training.clutter import HELD_OUT
from segattr_lib.training.loop import in_half_precision

FEW = 24


def images(count: int, size: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training sees two dozen scenes, drawn in this process."""
    pool = drawn_examples()
    monkeypatch.setattr(classifiers, "_examples", lambda split, count=None, start=0: pool)
    monkeypatch.setattr(classifiers, "_examples_on", lambda kinds, split, count, start=0: cluttered(tuple(kinds)))
    monkeypatch.setattr(classifiers, "EPOCH", replace(EPOCH, images=FEW, batch=8))


@cache
def drawn_examples() -> Examples:
    dataset = load_dataset("single_shapes", split="train")
    parts = [classifiers._example("single_shapes", "train", name) for name in dataset.sample_ids[:FEW]]
    pixels, classes, boxes, tiers = zip(*parts, strict=True)
    return Examples(np.stack(pixels), np.array(classes), np.array(boxes), np.array(tiers))


@cache
def cluttered(kinds: tuple[str, ...]) -> Examples:
    names = load_dataset("single_shapes", split="train").sample_ids[:FEW]
    return classifiers._stacked([classifiers._example_on(kinds, "train", name) for name in names])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shapes_resnet18", "shapes_vgg11"])
def test_training_writes_what_loads_and_says_how(name: str, few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(RECIPE, name, [cycle(8, 1e-3, batch=4, side=128), cycle(4, 1e-4, batch=4, side=224)])
    monkeypatch.setitem(TUNING, name, [cycle(4, 1e-4, batch=4, side=128)])
    states = []
    for part, seed in (("a", 3), ("b", 3), ("c", 4)):
        facts = train_classifier(name, seed, tmp_path / part)
        states.append(load_file(tmp_path / part / f"{name}.safetensors"))
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert any(not torch.equal(states[0][key], states[2][key]) for key in states[0])
    with safe_open(tmp_path / "c" / f"{name}.safetensors", framework="pt") as file:
        assert file.metadata() == facts
    assert (facts["seed"], facts["images"], facts["tuned_images"]) == ("4", "16", "4")
    monkeypatch.setattr(loading, "WEIGHTS", tmp_path / "c")
    module = load_model(name, kind="classifier").module
    pool = drawn_examples()
    for part, examples in {"test": pool, **{kind: cluttered((kind,)) for kind in HELD_OUT}}.items():
        with torch.inference_mode():
            predicted = module(torch.from_numpy(examples.images).permute(0, 3, 1, 2) / 255).argmax(1).numpy()
        assert facts[f"accuracy_{part}"] == f"{np.mean(predicted == examples.classes):.4f}"
    with pytest.raises(ValueError, match="was tuned"):
        tune_classifier(name, 4, tmp_path / "c")


@pytest.mark.slow
@pytest.mark.parametrize("name", STEM_OF)
def test_a_model_that_begins_with_a_stem_says_so(name: str, few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without a rate nothing but the stem is another's, and it stays so."""
    vgg = in_half_precision(MODELS[STEM_OF[name]].build())
    save_file(vgg, tmp_path / f"{STEM_OF[name]}.safetensors")
    monkeypatch.setitem(RECIPE, name, [cycle(4, 0.0, batch=4, side=56)])
    monkeypatch.delitem(TUNING, name, raising=False)
    facts = train_classifier(name, 1, tmp_path)
    assert facts["stem_of"] == STEM_OF[name]
    weights = load_file(tmp_path / f"{name}.safetensors")
    for layer in (0, 3):
        assert torch.equal(weights[f"features.0.0.{layer}.weight"], vgg[f"features.{layer}.weight"])


def test_a_batch_norm_folded_away_answers_the_same():
    torch.manual_seed(0)
    module = models.shapes_vgg11(batch_norm=True)
    for _ in range(3):
        module(images(4, 64))  # moves the running statistics
    for layer in module.features:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 2)
            nn.init.normal_(layer.bias)
    with torch.inference_mode():
        expected = module.eval()(images(3, 64, 1))
        folded = classifiers._folded(module)
        assert torch.allclose(folded(images(3, 64, 1)), expected, atol=1e-4 * float(expected.abs().max()))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
    assert list(folded.state_dict()) == list(models.shapes_vgg11().state_dict())


@pytest.mark.parametrize("name", STEM_OF)
def test_a_stem_begins_as_the_vggs(name: str):
    vgg, module = models.shapes_vgg11(), MODELS[name].build()
    begin_with_stem(module, in_half_precision(vgg))
    vgg.load_state_dict(in_half_precision(vgg))
    stem, batch = module.features[0][0], images(2, 64)
    assert torch.equal(stem[:6](batch.clone()), vgg.features[:6](batch.clone()))
    assert stem(batch).shape[2:] == (16, 16)


def test_a_window_holds_the_whole_object():
    """Painted black everywhere else, every window still holds all of the object's pixels."""
    pool = drawn_examples()
    dataset = load_dataset("single_shapes", split="train")
    masks = np.stack([dataset.load(name, 224).mask.numpy() for name in dataset.sample_ids[:FEW]])
    painted = np.repeat(masks[..., None], 3, -1).astype(np.uint8) * 255
    of_class = {index: set(masks.sum((1, 2))[pool.classes == index].tolist()) for index in range(6)}
    tops = set()
    for seed in range(6):
        batch, classes = draw(
            Examples(painted, pool.classes, pool.boxes, pool.tiers),
            cycle(32, 1e-3, side=128),
            np.random.default_rng(seed),
        )
        assert batch.shape == (32, 3, 128, 128)
        for image, class_id in zip(batch, classes.tolist(), strict=True):
            assert int(image[0].sum()) in of_class[class_id]
            tops.add(int(image[0].any(1).nonzero()[0]))
    assert len(tops) > 20  # anywhere in the window


# Fine-tuning.


class Stopped(Exception):
    pass


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, few: None) -> None:
    """The net that fine-tuning finds in ResNet-18's place, with dropout, so that its draws count too."""

    def net(_name: str) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 9, stride=8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(16, 9),
        )

    monkeypatch.setattr(classifiers, "fetched", net)


def test_an_epoch_is_the_papers_and_sees_each_training_image():
    """ARCC paper, 3.5: AdamW at 1e-4 with weight decay 1e-4, batches of 32."""
    assert (EPOCH.rate, EPOCH.weight_decay, EPOCH.batch, EPOCH.warmup) == (1e-4, 1e-4, 32, None)
    assert EPOCH.steps * EPOCH.batch == EPOCH.images == SPLITS["train"]


def test_an_epoch_sees_every_image_once_in_an_order_of_its_own(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen: list[float] = []
    honest = classifiers.loss

    def watched(model: nn.Module, batch: Tensor, classes: Tensor) -> Tensor:
        seen.extend(batch.double().sum((1, 2, 3)).tolist())
        return honest(model, batch, classes)

    monkeypatch.setattr(classifiers, "loss", watched)
    fine_tune("finetuned_resnet18", 0, tmp_path, epochs=2)
    pixels = torch.from_numpy(drawn_examples().images).permute(0, 3, 1, 2).float().div(255)
    every = sorted(pixels.double().sum((1, 2, 3)).tolist())
    first, second = seen[:FEW], seen[FEW:]
    assert sorted(first) == pytest.approx(every)
    assert sorted(second) == pytest.approx(every)
    assert first != second


def test_fine_tuning_goes_on_where_it_was_killed(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = fine_tune("finetuned_resnet18", 1, tmp_path / "whole", epochs=4)
    for kill_at in (1, 2, 2):  # in the middle of an epoch, each time
        with monkeypatch.context() as patch:
            patch.setattr(classifiers, "accuracy", stopping(classifiers.accuracy, kill_at))
            with pytest.raises(Stopped):
                fine_tune("finetuned_resnet18", 1, tmp_path / "killed", epochs=4)
    again = fine_tune("finetuned_resnet18", 1, tmp_path / "killed", epochs=4)
    assert {key: again[key] for key in again if key != "seconds"} == {k: whole[k] for k in whole if k != "seconds"}
    states = [load_file(tmp_path / part / "finetuned_resnet18.safetensors") for part in ("whole", "killed")]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert [path.name for path in (tmp_path / "killed").iterdir()] == ["finetuned_resnet18.safetensors"]


def stopping(accuracy: Callable[..., dict[str, float]], at: int) -> Callable[..., dict[str, float]]:
    calls = iter(range(1, 100))

    def counted(*args: object) -> dict[str, float]:
        if next(calls) == at:
            raise Stopped
        return accuracy(*args)

    return counted


def test_fine_tuning_keeps_the_best_epoch(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    states: list[dict[str, Tensor]] = []
    shares = iter([0.4, 0.8, 0.8, 0.5, 0.77])  # of four epochs, and of the test split

    def scripted(model: nn.Module, _examples: object) -> dict[str, float]:
        states.append({key: value.clone() for key, value in model.state_dict().items()})
        return dict.fromkeys(["test", *TIERS], next(shares))

    monkeypatch.setattr(classifiers, "accuracy", scripted)
    facts = fine_tune("finetuned_resnet18", 0, tmp_path, epochs=4)
    kept = load_file(tmp_path / "finetuned_resnet18.safetensors")
    assert (facts["epoch"], facts["accuracy_val"], facts["accuracy_test"]) == ("2", "0.8000", "0.7700")
    assert facts["images"] == str(4 * FEW)
    assert all(torch.equal(kept[key], states[1][key]) for key in kept)
    assert any(not torch.equal(kept[key], states[3][key]) for key in kept)
    assert next(iter(kept.values())).shape[0] != 9
    assert kept["5.weight"].shape == (6, 16)
    monkeypatch.setattr(classifiers, "fetched", lambda name: pytest.fail("done already"))
    assert fine_tune("finetuned_resnet18", 0, tmp_path, epochs=4) == facts


# Tuning on clutter.


@pytest.mark.slow
def test_tuning_begins_where_training_ended(few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without a rate the weights stay as they were, and what was measured on the scenes is measured again."""
    name = "shapes_vgg11"
    monkeypatch.setitem(TUNING, name, [cycle(8, 0.0, batch=4, side=224)])
    shutil.copy(WEIGHTS / f"{name}.safetensors", tmp_path / f"{name}.safetensors")
    path = tmp_path / f"{name}.safetensors"
    before = load_file(path)
    save_file(before, path, {"seed": "0", "images": "100", "seconds": "10"})
    facts = tune_classifier(name, 0, tmp_path)
    after = load_file(path)
    assert before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)
    assert (facts["images"], facts["tuned_images"]) == ("108", "8") and float(facts["seconds"]) >= 10
    assert "stem_of" not in facts
