"""The trainer of the embedded segmenters: what it writes loads, twice the same, and is measured as it should be."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from segattr_lib.data import load_dataset
from segattr_lib.data.shapes import scene
from segattr_lib.models import MODELS, loading
from segattr_lib.models.loading import load_model
from segattr_lib.training import loop, segmenters
from segattr_lib.training.segmenters import mean_iou, soft_jaccard_loss, train_segmenter


def about(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


def jaccard(said: np.ndarray, truth: np.ndarray) -> list[float]:
    """Intersection over union of each class over all pixels: |A and B| / (|A| + |B| - |A and B|)."""
    both, given, named = (np.bincount(x.ravel(), minlength=7) for x in (truth[truth == said], truth, said))
    return (both / (given + named - both)).tolist()


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, int], Path]:
    """Trains shapes_lraspp on a handful of scenes into a folder, unmeasured."""
    monkeypatch.setattr(loop, "ProcessPoolExecutor", lambda: ThreadPoolExecutor(1))
    monkeypatch.setattr(segmenters, "POOL", 4)
    monkeypatch.setattr(segmenters, "BATCH", 2)
    monkeypatch.setattr(segmenters, "RECIPE", {"shapes_lraspp": [(4, 1e-3), (4, 1e-4)]})
    monkeypatch.setattr(segmenters, "mean_iou", lambda *args, **kwargs: 0.5)

    def train(folder: Path, seed: int) -> Path:
        train_segmenter("shapes_lraspp", seed=seed, folder=folder)
        return folder / "shapes_lraspp.safetensors"

    return train


def test_training_writes_what_loads_and_says_how(
    trained: Callable[[Path, int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = trained(tmp_path / "new", 3)
    facts = about(path)
    assert {"command", "seconds"} <= set(facts)
    assert (facts["seed"], facts["images"]) == ("3", "8")
    assert {facts[f"miou_{part}"] for part in ("test", "test_small", "test_thin")} == {"0.5000"}
    monkeypatch.setattr(loading, "WEIGHTS", path.parent)
    loaded = load_model("shapes_lraspp", shape=(64, 64)).module.state_dict()
    assert all(torch.equal(loaded[key], value.float()) for key, value in load_file(path).items())
    torch.manual_seed(3)
    start = MODELS["shapes_lraspp"].build()
    assert all(not torch.equal(loaded[key], value.half().float()) for key, value in start.named_parameters())


def test_training_twice_gives_the_same_weights(trained: Callable[[Path, int], Path], tmp_path: Path):
    first, again, other = (load_file(trained(tmp_path / part, seed)) for part, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_the_mean_iou_is_that_of_all_pixels_pooled():
    torch.manual_seed(0)
    module = nn.Conv2d(3, 7, 1).eval()
    scenes = [scene(f"val-{number:05d}") for number in range(23)]
    pixels = torch.stack([torch.from_numpy(s.image).permute(2, 0, 1) / 255 for s in scenes])
    with torch.inference_mode():
        said = module(pixels).argmax(1).numpy()
    expected = np.mean(jaccard(said, np.stack([s.labels for s in scenes])))
    assert mean_iou(module, load_dataset("shapes", split="val"), 23) == pytest.approx(expected, abs=1e-6)


def test_the_jaccard_loss_of_certain_answers_is_one_minus_the_mean_iou():
    rng = np.random.default_rng(0)
    truth, said = (torch.from_numpy(rng.integers(0, 7, (2, 64, 64))) for _ in range(2))
    logits = 100.0 * nn.functional.one_hot(said, 7).movedim(-1, 1).float()
    expected = 1 - np.mean(jaccard(said.numpy(), truth.numpy()))
    assert float(soft_jaccard_loss(logits, truth)) == pytest.approx(expected, abs=2e-3)  # smoothed by 1 px
    right = 100.0 * nn.functional.one_hot(truth, 7).movedim(-1, 1).float()
    assert float(soft_jaccard_loss(right, truth)) == pytest.approx(0, abs=1e-6)
