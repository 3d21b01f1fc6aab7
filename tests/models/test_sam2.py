"""The embedded SAM 2 as it is built: its size, its masks, and where it begins."""

from __future__ import annotations

import pytest
import torch

from segattr_lib.models.sam2 import HIDDEN, shapes_sam2
from segattr_lib.prompting.segmenters import load_segmenter
from segattr_lib.registry import UserError


def test_the_embedded_one_fits_15_megabytes_in_half_precision():
    assert sum(weight.numel() for weight in shapes_sam2().state_dict().values()) * 2 <= 15e6


def test_missing_weights_say_how_they_are_made(monkeypatch, tmp_path):
    monkeypatch.setattr("segattr_lib.models.sam2.WEIGHTS", tmp_path)
    with pytest.raises(UserError, match=r"shapes_sam2.*make train"):
        load_segmenter("shapes_sam2")


@pytest.mark.parametrize("side", [128, 256])
def test_no_weight_depends_on_the_side_and_masks_are_a_quarter_of_it(side):
    torch.manual_seed(0)
    model = shapes_sam2(side).eval()
    shapes_sam2(384 - side).load_state_dict(model.state_dict())
    with torch.inference_mode():
        output = model(
            pixel_values=torch.randn(1, 3, side, side),
            input_points=torch.full((1, 2, 1, 2), side / 2),
            input_labels=torch.ones(1, 2, 1, dtype=torch.long),
        )
    assert output.pred_masks.shape == (1, 2, 3, side // 4, side // 4)
    embeddings = model.get_image_embeddings(torch.randn(1, 3, side, side))
    assert embeddings[-1].shape == (1, HIDDEN, side // 16, side // 16)


def test_a_fresh_one_already_finds_the_pixels_around_its_point():
    torch.manual_seed(0)
    decoder = shapes_sam2().mask_decoder
    tied = [
        torch.equal(layer.q_proj.weight, layer.k_proj.weight)
        for layer in decoder.modules()
        if type(layer).__name__ == "Sam2Attention"
    ]
    assert tied and all(tied)
