"""How the embedded segmenters are trained and measured, on a handful of scenes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from segattr_lib.data import load_dataset
from segattr_lib.data.shapes import scene
from segattr_lib.models import MODELS, REPEATED, loading
from segattr_lib.models.loading import load_model
from segattr_lib.training import loop, segmenters
from segattr_lib.training.loop import as_stored
from segattr_lib.training.segmenters import BACKBONE_OF, cycle, draw, mean_iou, soft_jaccard_loss, train_segmenter


def jaccard(predicted: np.ndarray, truth: np.ndarray) -> list[float]:
    """Intersection over union of each class over all pixels."""
    pairs = [(predicted == class_id, truth == class_id) for class_id in range(7)]
    return [float((ours & theirs).sum() / (ours | theirs).sum()) for ours, theirs in pairs]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training sees a handful of scenes, drawn in this process, and is unmeasured."""
    monkeypatch.setattr(loop, "ProcessPoolExecutor", lambda: ThreadPoolExecutor(1))
    monkeypatch.setattr(segmenters, "POOL", 4)
    monkeypatch.setattr(segmenters, "mean_iou", lambda *args, **kwargs: 0.5)


@pytest.fixture
def trained(few: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, int], Path]:
    """Trains shapes_lraspp into a folder."""
    stages = [cycle(4, 1e-3, batch=2), cycle(4, 1e-4, batch=2)]
    monkeypatch.setattr(segmenters, "RECIPE", {"shapes_lraspp": stages})

    def train(folder: Path, seed: int) -> Path:
        train_segmenter("shapes_lraspp", seed=seed, folder=folder)
        return folder / "shapes_lraspp.safetensors"

    return train


@pytest.mark.slow
def test_training_writes_what_loads_and_says_how(
    trained: Callable[[Path, int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = trained(tmp_path / "new", 3)
    with safe_open(path, framework="pt") as file:
        facts = file.metadata()
    assert {"command", "seconds"} <= set(facts)
    assert (facts["seed"], facts["images"]) == ("3", "8")
    assert {facts[f"miou_{part}"] for part in ("test", "test_small", "test_thin")} == {"0.5000"}
    monkeypatch.setattr(loading, "WEIGHTS", path.parent)
    loaded = load_model("shapes_lraspp", shape=(64, 64), kind="segmenter").module.state_dict()
    assert all(torch.equal(loaded[key], value.float()) for key, value in load_file(path).items())
    torch.manual_seed(3)
    start = MODELS["shapes_lraspp"].build()
    assert all(not torch.equal(loaded[key], value.half().float()) for key, value in start.named_parameters())


@pytest.mark.slow
def test_training_twice_gives_the_same_weights(trained: Callable[[Path, int], Path], tmp_path: Path):
    first, again, other = (load_file(trained(tmp_path / part, seed)) for part, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.slow
def test_a_model_trained_again_is_the_same_recipe_from_another_seed(
    few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(segmenters, "RECIPE", {name: [cycle(4, 1e-3, batch=2)] for name in ("shapes_fcn", "again")})
    monkeypatch.setitem(MODELS, "again", MODELS["shapes_fcn"])
    monkeypatch.setitem(REPEATED, "again", ("shapes_fcn", 2))
    for name, seed in (("shapes_fcn", 5), ("again", 3)):
        train_segmenter(name, seed, tmp_path)
    first, again = (load_file(tmp_path / f"{name}.safetensors") for name in ("shapes_fcn", "again"))
    assert all(torch.equal(first[key], again[key]) for key in first)


@pytest.mark.slow
def test_a_stage_begins_with_the_weights_the_one_before_left(
    few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Where the second stage has no rate, its parameters are those of the first; batch statistics alone move."""
    stages = [cycle(4, 1e-3, batch=2), cycle(4, 0.0, batch=2)]
    states = []
    for count in (1, 2):
        monkeypatch.setattr(segmenters, "RECIPE", {"planted_own_lraspp": stages[:count]})
        train_segmenter("planted_own_lraspp", 1, tmp_path / str(count))
        states.append(load_file(tmp_path / str(count) / "planted_own_lraspp.safetensors"))
    names = [name for name, _ in MODELS["planted_own_lraspp"].build().named_parameters()]
    assert all(torch.equal(states[0][name], states[1][name]) for name in names)
    assert any(not torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONE_OF)
def test_a_backbone_begins_as_that_of_another(name: str, few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(7)
    save_file(as_stored(MODELS[BACKBONE_OF[name]].build()), tmp_path / f"{BACKBONE_OF[name]}.safetensors")
    monkeypatch.setattr(segmenters, "RECIPE", {name: [cycle(2, 0.0, batch=2)]})
    train_segmenter(name, 1, tmp_path)
    given, weights = (load_file(tmp_path / f"{of}.safetensors") for of in (BACKBONE_OF[name], name))
    parameters = [key for key, _ in MODELS[name].build().named_parameters() if key.startswith("backbone.")]
    assert parameters
    assert all(torch.equal(given[key], weights[key]) for key in parameters)


def test_scenes_of_half_the_size_are_means_of_four_pixels_with_the_label_of_the_first():
    rng = np.random.default_rng(0)
    scenes = [
        (rng.integers(0, 256, (8, 8, 3)).astype(np.uint8), rng.integers(0, 7, (8, 8)).astype(np.uint8))
        for _ in range(3)
    ]
    whole, half = (cycle(4, 1e-3, batch=4, shrink=shrink) for shrink in (1, 2))
    images, labels = draw(scenes, whole, np.random.default_rng(1))
    small, few_labels = draw(scenes, half, np.random.default_rng(1))
    blocks = images.unflatten(3, (4, 2)).unflatten(2, (4, 2))
    assert torch.allclose(small, blocks.mean((3, 5)))
    assert torch.equal(few_labels, labels.unflatten(2, (4, 2)).unflatten(1, (4, 2))[:, :, 0, :, 0])
    assert replace(half, shrink=1) == whole


def test_the_mean_iou_is_that_of_all_pixels_pooled():
    torch.manual_seed(0)
    module = nn.Conv2d(3, 7, 1).eval()
    scenes = [scene(f"val-{number:05d}") for number in range(23)]
    pixels = torch.stack([torch.from_numpy(s.image).permute(2, 0, 1) / 255 for s in scenes])
    with torch.inference_mode():
        predicted = module(pixels).argmax(1).numpy()
    expected = np.mean(jaccard(predicted, np.stack([s.labels for s in scenes])))
    assert mean_iou(module, load_dataset("shapes", split="val"), 23) == pytest.approx(expected, abs=1e-6)


def test_the_jaccard_loss_of_certain_answers_is_one_minus_the_mean_iou():
    rng = np.random.default_rng(0)
    truth, predicted = (torch.from_numpy(rng.integers(0, 7, (2, 64, 64))) for _ in range(2))
    logits = 100.0 * nn.functional.one_hot(predicted, 7).movedim(-1, 1).float()
    expected = 1 - np.mean(jaccard(predicted.numpy(), truth.numpy()))
    assert float(soft_jaccard_loss(logits, truth)) == pytest.approx(expected, abs=2e-3)  # smoothed by 1 px
    right = 100.0 * nn.functional.one_hot(truth, 7).movedim(-1, 1).float()
    assert float(soft_jaccard_loss(right, truth)) == pytest.approx(0, abs=1e-6)
