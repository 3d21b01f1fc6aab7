"""What a cascade draws anew where a layer has no way to draw itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import PixelOracle
from torchvision.models import VisionTransformer
from torchvision.ops import FrozenBatchNorm2d

from segattr_lib.models.embedded import shapes_convnext, shapes_swin
from segattr_lib.sections.beyond_dea.randomisation import cascade


def test_a_weight_that_no_layer_can_draw_keeps_its_size_alone():
    model = PixelOracle(torch.linspace(1, 3, 64 * 64).view(64, 64))
    ((share, changed),) = cascade(model, 1, 0)
    drawn, learnt = changed.weights, model.weights
    assert share == 1 and drawn.shape == learnt.shape
    assert float(drawn.detach().mean()) == pytest.approx(0, abs=0.1)
    assert float(drawn.detach().square().mean().sqrt()) == pytest.approx(
        float(learnt.detach().square().mean().sqrt()), rel=0.05
    )
    assert abs(np.corrcoef(drawn.detach().flatten(), learnt.detach().flatten())[0, 1]) < 0.05


class Frozen(torch.nn.Module):
    """Batch norm frozen into buffers, attention whose projections are one weight, a weight norm of each kind, a scalar,
    a batch norm without weights."""

    def __init__(self):
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(4, 2)
        self.norm = FrozenBatchNorm2d(4)
        self.parts = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 4))
        self.scale = torch.nn.Parameter(torch.tensor(2.0))
        self.counted = torch.nn.BatchNorm2d(4, affine=False)


@pytest.mark.parametrize(
    "build", [Frozen, shapes_swin, shapes_convnext, lambda: VisionTransformer(32, 8, 1, 2, 16, 32)]
)
def test_a_whole_cascade_leaves_nothing_that_was_learnt(build):
    """Here every weight was learnt, those too that begin as zeros or ones."""
    model = build()
    with torch.no_grad():
        for value in [*model.parameters(), *model.buffers()]:
            if value.is_floating_point():
                value.uniform_(0.5, 0.9)
    ((share, changed),) = cascade(model, 1, 0)
    learnt, drawn = model.state_dict(), changed.state_dict()
    same = [key for key in learnt if learnt[key].is_floating_point() and torch.equal(learnt[key], drawn[key])]
    assert share == 1 and same == []
    assert all(value.isfinite().all() for value in drawn.values())
    for key, value in drawn.items():
        if key.endswith(("running_mean", "running_var")):
            assert value.unique().tolist() == [0.0 if key.endswith("mean") else 1.0]
