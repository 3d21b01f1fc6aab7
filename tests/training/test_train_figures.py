"""How the classifier of the part-made figures is trained, on a handful of scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from segattr_lib.data.part_figures import CLASSES, PARTS, VARIANTS, class_of, class_variants
from segattr_lib.models.embedded import figures_resnet
from segattr_lib.training import figures
from segattr_lib.training.figures import PART_ROWS, accuracies, cycle, draw, loss, train_figures


@pytest.mark.slow
def test_training_is_seeded_and_writes_what_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(figures, "POOL", 8)
    stages = [cycle(8, 1e-3, batch=4, shrink=4), cycle(4, 1e-3, batch=4, shrink=2)]
    monkeypatch.setattr(figures, "RECIPE", {"figures_resnet": stages})
    monkeypatch.setattr(figures, "accuracies", lambda model: accuracies(model, 4))
    facts = [train_figures(seed=seed, folder=tmp_path / str(run)) for run, seed in enumerate((0, 0, 1))]
    first, second, other = (load_file(tmp_path / str(run) / "figures_resnet.safetensors") for run in range(3))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)
    assert all(value.dtype == torch.float16 for value in first.values())
    assert facts[0]["images"] == "12"
    missing, unexpected = figures_resnet().load_state_dict(first, strict=False)
    assert not unexpected
    assert all(key.endswith("num_batches_tracked") for key in missing)


def test_what_a_scene_may_be_is_equally_likely_and_its_parts_are_its_variants_or_away():
    names, taken = ["train-00003", "train-00004"], [frozenset(), frozenset({"beak", "tail"})]
    scenes = figures._drawn(names, taken)
    images, wanted, variants = draw(*scenes, cycle(16, 1e-3, batch=16), np.random.default_rng(0))
    assert images.shape[0] == 16
    whole = torch.zeros(CLASSES)
    whole[class_of(names[0])] = 1
    mine = class_variants()[class_of(names[1])]
    left = [part not in taken[1] for part in PARTS]
    alike = torch.from_numpy((class_variants()[:, left] == mine[left]).all(1)).float()
    away = [len(VARIANTS[part]) if part in taken[1] else variant for part, variant in zip(PARTS, mine, strict=True)]
    expected = {
        tuple(class_variants()[class_of(names[0])].tolist()): whole,
        tuple(int(variant) for variant in away): alike / alike.sum(),
    }
    assert {tuple(row) for row in variants.tolist()} == set(expected)
    for row, probability in zip(variants.tolist(), wanted, strict=True):
        assert torch.allclose(probability, expected[tuple(row)])
    pixels = scenes[0] / np.float32(255)
    seen = {
        (int(scene), mirror)
        for image in images
        for scene in (0, 1)
        for mirror in (False, True)
        if _is(image, pixels[scene], mirror)
    }
    assert seen == {(0, False), (0, True), (1, False), (1, True)}


def _is(image: torch.Tensor, pixels: np.ndarray, mirrored: bool) -> bool:
    shown = pixels[:, ::-1] if mirrored else pixels
    return np.allclose(image.permute(1, 2, 0).numpy(), shown, atol=1e-6)


def test_the_loss_is_that_of_the_class_and_of_every_part():
    """Logits all alike: the entropy of so many choices, the class's and each part's."""
    logits = torch.zeros(3, CLASSES + sum(PART_ROWS))
    wanted = torch.full((3, CLASSES), 1 / CLASSES)
    variants = torch.zeros(3, len(PARTS), dtype=torch.long)
    module = torch.nn.Identity()
    expected = np.log(CLASSES) + sum(np.log(len(VARIANTS[part]) + 1) for part in PARTS)
    assert float(loss(module, logits, wanted, variants)) == pytest.approx(expected, rel=1e-6)
