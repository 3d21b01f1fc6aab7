"""How the embedded SAM 2 is trained and measured: what its prompts ask for, and that they reach it as they will."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import Sam2ImageProcessor, Sam2Processor

from segattr_lib.data.shapes import CANVAS
from segattr_lib.models import WEIGHTS
from segattr_lib.models.sam2 import NO_POINT, SIDE, embedded_sam2, shapes_sam2
from segattr_lib.prompting import segmenters
from segattr_lib.prompting.segmenters import load_segmenter
from segattr_lib.training import loop, sam2
from segattr_lib.training.sam2 import LENGTHS, PROMPTS, cycle, draw, mask_loss, train_sam2

FILE = WEIGHTS / "shapes_sam2.safetensors"


@cache
def scenes() -> list[sam2.Owned]:
    return [sam2._scene(f"train-{number:05d}") for number in range(4)]


@pytest.mark.slow
def test_training_is_seeded_and_writes_what_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "ProcessPoolExecutor", lambda: ThreadPoolExecutor(1))
    monkeypatch.setattr(sam2, "POOL", 2)
    stages = [cycle(4, 1e-3, batch=2, side=128), cycle(2, 1e-3, batch=2, side=256)]
    monkeypatch.setattr(sam2, "RECIPE", {"shapes_sam2": stages})
    monkeypatch.setattr(sam2, "measured", lambda model: {"miou_1_2": 0.5})
    facts = [train_sam2(seed=seed, folder=tmp_path / str(run)) for run, seed in enumerate((0, 0, 1))]
    first, second, other = (load_file(tmp_path / str(run) / "shapes_sam2.safetensors") for run in range(3))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)
    assert {value.dtype for value in first.values()} == {torch.float16}
    assert (facts[0]["images"], facts[0]["miou_1_2"]) == ("6", "0.5000")
    shapes_sam2().load_state_dict(first)


@pytest.mark.parametrize("length", [None, *sorted(set(LENGTHS))])
def test_clicks_lie_inside_and_outside_of_the_mask_they_ask_for(length: int | None):
    """All of a given length; a box holds the mask, up to its jitter, in the labels 2 and 3."""
    boxes = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        _, owner, classes, _ = scenes()[seed % 4]
        points, labels, truth = sam2._prompt(owner, classes, rng, length)
        assert len(points) == len(labels) == (length or len(labels))
        for (x, y), label in zip(points, labels, strict=True):
            if label < 2:
                assert truth[int(y), int(x)] == bool(label)
        assert len(set(classes[np.unique(owner[truth]) - 1].tolist())) == 1  # of one class, or one object
        if 2 in labels:
            boxes += 1
            rows, columns = np.nonzero(truth)
            extent = np.array([[columns.min(), rows.min()], [columns.max(), rows.max()]])
            assert (np.abs(points[:2] - extent) <= 0.03 * 5 * (extent[1] - extent[0]) + 1e-9).all()
            assert labels[:2].tolist() == [2, 3]
    assert (boxes == 0) == (length == 1)


@pytest.mark.parametrize("lengths", [None, (3,)])
def test_a_batch_is_filled_up_with_no_points_where_lengths_differ(lengths: tuple[int, ...] | None):
    stage = cycle(4, 1e-3, batch=4, side=128)
    images, prompt, masks, classes = draw(scenes(), lengths, stage, np.random.default_rng(0))
    points, labels = prompt["input_points"], prompt["input_labels"]
    assert images.shape == (4, 3, 128, 128)
    assert points.shape[:3] == labels.shape == (4, PROMPTS, labels.shape[2])
    filled = labels == NO_POINT
    assert (filled.diff(dim=2).int() >= 0).all()  # at the end
    assert not points[filled].any()
    assert filled.any() == (lengths is None)
    assert not filled.all(2).any()
    assert masks.shape == (4, PROMPTS, sam2.FINE, sam2.FINE)
    assert classes.shape == (4, 32, 32)
    inside = points[labels == 1] / 128 * sam2.FINE
    owners = torch.nonzero(labels == 1)
    shown = [masks[b, p, int(y), int(x)] for (b, p, _), (x, y) in zip(owners.tolist(), inside.tolist(), strict=True)]
    assert min(shown) > 0


def test_the_mask_loss_is_that_of_the_best_of_each_prompts_masks():
    """Sure and right, it is nothing; of others that are wrong no gradient is left but that of the right quality."""
    torch.manual_seed(0)
    truth = (torch.rand(2, 3, 16, 16) > 0.5).float()
    right = 40 * (2 * truth - 1)[:, :, None]
    logits = torch.cat([right, -right, torch.zeros_like(right)], dim=2).requires_grad_()
    said = functional.one_hot(torch.zeros(2, 3, dtype=torch.long), 3).float()
    sure = mask_loss(logits, said, truth)
    assert sure.item() == pytest.approx(0, abs=1e-6)
    sure.backward()
    assert not logits.grad[:, :, 1:].any()
    worse = mask_loss(logits[:, :, 1:], said[:, :, 1:], truth)
    assert worse.item() > 3
    assert mask_loss(logits, said + 0.5, truth).item() == pytest.approx(0.25, abs=1e-6)  # the square of what it is off


class Enough(Exception):
    pass


@pytest.mark.parametrize("clicks", [(1, 2), (3, 4)])
def test_a_prompt_through_the_processor_is_the_prompt_of_the_training(monkeypatch, clicks):
    torch.manual_seed(4)
    model = embedded_sam2() if FILE.exists() else shapes_sam2().eval()
    asked = []

    def watched(model, pixels, points, labels, honest=sam2.best_mask):
        asked.append((pixels, points, labels, honest(model, pixels, points, labels)))
        if len(asked) == 4:
            raise Enough
        return asked[-1][-1]

    monkeypatch.setattr(sam2, "best_mask", watched)
    with pytest.raises(Enough):
        sam2.held_out(model, clicks, each=1)
    processor = Sam2Processor(Sam2ImageProcessor(size={"height": SIDE, "width": SIDE}))
    segmenter = load_segmenter("shapes_sam2") if FILE.exists() else partial(segmenters.sam2, model, processor)
    for pixels, points, labels, mask in asked:
        answer = segmenter(torch.from_numpy(pixels).movedim(-1, 0).float() / 255)
        masks = answer(torch.from_numpy(points)[None].float(), torch.tensor(labels)[None])
        answered = masks[0][0].numpy()
        assert answered.shape == (CANVAS, CANVAS)
        assert 0 < mask.mean() < 1
        assert (answered != mask).mean() < 2e-3  # a processor's own resampling, at the outline
