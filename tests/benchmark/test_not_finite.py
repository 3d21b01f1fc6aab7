"""A value that is not finite reaches the map, whatever the method: a NaN, not zeros and not a neighbour's value."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from oracles import ConvNet, random_images, random_masks, ready
from torch import Tensor, nn

from segattr_lib.attribution import METHODS, cam
from segattr_lib.attribution.cam import GRADIENT_CAMS
from segattr_lib.attribution.fusion import FUSIONS, dual_evidence, refined
from segattr_lib.attribution.maps import normalise, spoilt_by
from segattr_lib.evaluate import model_score
from segattr_lib.prompting.cues import NoCues, fused, support_box
from segattr_lib.registry import accepted
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target, bind

INF = math.inf
SIZE = 32
OF_THE_MODEL = [name for name, method in METHODS.items() if method.family != "control"]


@pytest.mark.parametrize("bad", [math.nan, INF, -INF])
def test_a_map_that_is_not_finite_is_normalised_to_nan_and_no_other_with_it(bad: float):
    maps = torch.tensor([[[1.0, 2.0], [3.0, 5.0]], [[1.0, bad], [3.0, 5.0]], [[4.0, 4.0], [4.0, 4.0]]])
    first, second, constant = normalise(maps)
    assert first.tolist() == [[0, 0.25], [0.5, 1]]
    assert second.isnan().all()
    assert constant.tolist() == [[0, 0], [0, 0]]
    clean = torch.ones(3, 2, 2)
    assert spoilt_by(clean, maps).isnan().flatten(1).all(1).tolist() == [False, True, False]


class Broken(ConvNet):
    """A classifier or segmenter whose features or logits are not finite on dark images (below .2 on the mean)."""

    def __init__(self, where: str, bad: float, classifies: bool):
        super().__init__()
        self.where, self.bad, self.classifies = where, bad, classifies

    def forward(self, images: Tensor) -> Tensor:
        dark = (images.mean((1, 2, 3)) < 0.2)[:, None, None, None]
        features = self.features(images - 0.5)
        if self.where == "features":
            features = features.where(~dark, features * self.bad)
        logits = nn.functional.interpolate(self.head(features), images.shape[2:], mode="bilinear")
        if self.where == "logits":
            logits = logits + torch.where(dark, self.bad, 0)
        return logits.mean((2, 3)) if self.classifies else logits


@pytest.mark.parametrize("bad", [math.nan, INF])
@pytest.mark.parametrize("where", ["features", "logits"])
@pytest.mark.parametrize("name", OF_THE_MODEL)
def test_no_method_hides_what_the_model_answers_to_an_image(name: str, where: str, bad: float):
    method = METHODS[name]
    classifies = "explorer" not in method.tables
    images = random_images(1, SIZE) * 0.1
    target = Target(torch.tensor([1]), None if classifies else random_masks(1, SIZE))
    score = bind(ready(Broken(where, bad, classifies), 16), target)
    offered = {"layer": "features", "layers": ["features.1", "features"], "draws": Draws(0, ["dark"]), "grid": 4}
    offered |= {"budget": 12, "guided": 0.2, "refined": 0.5, "samples": 30, "steps": 4, "segments": 200}
    maps = method.function(score, images, target, **accepted(method.function, offered))
    assert maps.isnan().all()


@pytest.mark.parametrize("bad", [math.nan, INF, -INF])
@pytest.mark.parametrize("spoilt", ["activation", "gradient"])
@pytest.mark.parametrize("name", GRADIENT_CAMS)
def test_a_cam_of_a_gradient_or_activation_that_is_not_finite_is_nan(name: str, spoilt: str, bad: float, monkeypatch):
    """Minus infinity too, which every relu on the way takes for 0."""
    activation, gradient = torch.rand(2, 4, 5, 5), torch.rand(2, 4, 5, 5)
    (activation if spoilt == "activation" else gradient)[1, 2, 3, 3] = bad
    monkeypatch.setattr(cam, "activations_and_gradients", lambda *_args, **_kwargs: [(activation, gradient)])
    images = random_images(2, 16)
    (maps,) = GRADIENT_CAMS[name](bind(ConvNet(), Target(torch.tensor([0, 0]))), images, ["features"], scalar="logit")
    assert maps[0].isfinite().all() and maps[1].isnan().all()


@pytest.mark.parametrize("alpha", [0.0, 0.65, 1.0])
def test_dual_evidence_of_a_map_of_nan_is_nan_whatever_the_map_weighs(alpha: float):
    sound, lost = torch.rand(1, 4, 4), torch.full((1, 4, 4), math.nan)
    assert dual_evidence(sound, lost, alpha=alpha).isnan().all()
    assert dual_evidence(lost, sound, alpha=alpha).isnan().all()


@pytest.mark.parametrize("fuse", FUSIONS)
def test_a_layer_of_nan_is_not_refined_away_by_a_layer_of_zeros(fuse: str):
    assert refined([torch.zeros(1, 4, 4), torch.full((1, 4, 4), math.nan)], fuse).isnan().all()


@pytest.mark.parametrize("weights", [None, torch.tensor([[1.0], [0.0]])])
def test_the_mean_of_maps_is_nan_where_one_is_though_it_weighs_nothing(weights: Tensor | None):
    maps = torch.stack([torch.rand(1, 4, 4), torch.full((1, 4, 4), math.nan)])
    assert fused(maps, weights).isnan().all()


def test_there_is_no_box_around_a_map_of_nan():
    with pytest.raises(NoCues, match="the map holds a value that is not finite"):
        support_box(torch.full((4, 4), math.nan))


@pytest.mark.parametrize(
    ("logits", "wanted"),
    [
        ([0.0, 1.0, 2.0], math.exp(1) / (1 + math.exp(1) + math.exp(2))),
        ([-INF, 1.0, 2.0], 1 / (1 + math.exp(1))),  # a class that is ruled out
        ([0.0, -INF, 2.0], 0.0),
        ([INF, 1.0, 2.0], math.nan),
        ([0.0, INF, 2.0], math.nan),
        ([math.nan, 1.0, 2.0], math.nan),
    ],
)
@pytest.mark.parametrize("region", [True, False])
def test_a_probability_is_the_softmax_of_what_the_model_says_infinite_or_not(logits, wanted, region):
    class Says(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            said = torch.tensor([logits])
            return said[..., None, None].expand(1, 3, 8, 8) if region else said

    score = bind(ready(Says()), Target(torch.tensor([1]), random_masks(1, 8) if region else None))
    np.testing.assert_allclose(model_score(score, random_images(1, 8)).item(), wanted, rtol=1e-5, atol=1e-30)
