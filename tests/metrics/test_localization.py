"""Coverage, Spill, the pointing game and Effectiveness: by hand, by oracles that must score best and worst."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from nets import Brightness
from oracles import random_images, random_masks, ready
from scipy.stats import mannwhitneyu
from torch import Tensor

from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.data import load_dataset, planted
from segattr_lib.evaluate import model_score
from segattr_lib.metrics import METRICS, metrics_of
from segattr_lib.metrics.localization import support
from segattr_lib.models.engine import counted_passes
from segattr_lib.perturbation import bind_fill
from segattr_lib.registry import UserError, accepted
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target, bind

NAMES = ["coverage", "spill", "pointing_game", "effectiveness"]


def target_of(truth: Tensor | None, count: int = 1) -> Target:
    return Target(torch.zeros(count, dtype=torch.long), truth=truth)


def value(name: str, maps: Tensor, truth: Tensor | None, images: Tensor | None = None, **options) -> Tensor:
    """A registered metric, of images of which only the truth's pixels count unless told."""
    images = random_images(*maps.shape[:2], maps.shape[2]) if images is None else images
    score = bind(ready(Brightness(torch.full(maps.shape[1:], 1 / maps[0].numel()))), target_of(truth, len(maps)))
    offered = {"base": model_score(score, images), "fill": bind_fill("mean", images), **options}
    function = METRICS[name].function
    return function(score, images, maps, score.target, **accepted(function, offered))


def test_they_are_the_prompting_table_and_no_other_table_changed():
    assert metrics_of("prompting") == NAMES
    assert not set(NAMES) & {*metrics_of("segmentation"), *metrics_of("classification"), *Settings().metrics}
    assert [METRICS[name].direction for name in NAMES] == [1, -1, 1, 1]
    assert read_settings({"metrics": ["spill(threshold=0.3)", "effectiveness(fill=blur)"]})


def test_solved_by_hand():
    truth = torch.zeros(1, 4, 4, dtype=torch.bool)
    truth[0, :2, :2] = True
    maps = torch.zeros(1, 4, 4)
    maps[0, 0] = torch.tensor([1.0, 0.5, 0.4, 1.0])  # in the support: two inside, one outside; of two maxima one inside
    assert value("coverage", maps, truth).tolist() == [0.5]
    assert value("spill", maps, truth).tolist() == pytest.approx([1 / 3])
    assert value("pointing_game", maps, truth).tolist() == [0.5]
    assert value("coverage", maps, truth, threshold=0.6).tolist() == [0.25]
    assert value("spill", maps, truth, threshold=0.4).tolist() == [0.5]


def test_effectiveness_solved_by_hand():
    """The score is the mean brightness of an image half white, half black; its mean colour is grey."""
    images = torch.zeros(2, 3, 2, 2)
    images[:, :, 0] = 1
    maps = torch.zeros(2, 2, 2)
    maps[0, 0, 0] = maps[1, 1, 1] = 1  # a white pixel goes grey, a black one does
    assert value("effectiveness", maps, None, images).tolist() == pytest.approx([0.25, -0.25])
    assert value("effectiveness", maps, None, images, fill=bind_fill("zeros", images)).tolist() == pytest.approx(
        [0.5, 0], abs=1e-6
    )
    assert value("effectiveness", torch.ones(2, 2, 2), None, images).tolist() == pytest.approx([0, 0], abs=1e-6)


def test_the_truth_scores_exactly_best_and_its_inverse_exactly_worst():
    truth = random_masks(5, 24)
    for name, best in (("coverage", 1), ("spill", 0), ("pointing_game", 1)):
        assert value(name, truth.float(), truth).tolist() == [best] * 5
        assert value(name, (~truth).float(), truth).tolist() == [1 - best] * 5
    images = random_images(5, 24) * truth[:, None] + 1e-9  # all that is bright lies in the truth
    zeros = bind_fill("zeros", images)
    assert value("effectiveness", truth.float(), truth, images, fill=zeros).tolist() == pytest.approx([1] * 5)
    assert value("effectiveness", (~truth).float(), truth, images, fill=zeros).tolist() == pytest.approx(
        [0] * 5, abs=1e-5
    )


def test_coverage_and_spill_of_random_maps_are_those_of_plain_sets():
    maps, truth = torch.rand(6, 16, 16, generator=torch.Generator().manual_seed(1)), random_masks(6, 16)
    for threshold in (0.1, 0.5, 0.9):
        got = [value(name, maps, truth, threshold=threshold).tolist() for name in ("coverage", "spill")]
        for row in range(6):
            selected = {(y, x) for y, x in np.argwhere(maps[row].numpy() >= np.float32(threshold))}
            real = {(y, x) for y, x in np.argwhere(truth[row].numpy())}
            assert got[0][row] == pytest.approx(len(selected & real) / len(real))
            assert got[1][row] == pytest.approx(len(selected - real) / len(selected))


def test_a_lower_threshold_never_covers_less():
    maps, truth = torch.rand(4, 16, 16, generator=torch.Generator().manual_seed(2)), random_masks(4, 16)
    covered = torch.stack([value("coverage", maps, truth, threshold=t / 10) for t in range(1, 11)])
    assert (covered.diff(dim=0) <= 0).all() and (covered[0] > covered[-1]).all()


def test_what_does_not_exist_is_nan_and_an_empty_support_covers_nothing():
    truth = torch.zeros(3, 2, 2, dtype=torch.bool)
    truth[:2, 0] = True
    maps = torch.tensor([[0.2, 0.1], [0.0, 0.3]]).expand(3, 2, 2).clone()
    maps[1] = 0.4
    images = random_images(3, 2)
    assert value("coverage", maps, truth).tolist()[:2] == [0, 0]
    assert value("coverage", maps, truth).isnan().tolist() == [False, False, True]
    assert value("spill", maps, truth).isnan().all()
    assert value("spill", maps, truth, threshold=0.3).tolist() == pytest.approx([1, 0.5, 1])
    assert value("pointing_game", maps, truth).isnan().tolist() == [False, True, True]
    assert value("effectiveness", maps, truth, images).tolist() == pytest.approx([0, 0, 0])
    images[1] = 0
    assert value("effectiveness", maps, truth, images).isnan().tolist() == [False, True, False]


def test_effectiveness_costs_one_pass_an_image_whatever_the_batch():
    images, maps = random_images(7, 8), torch.rand(7, 8, 8, generator=torch.Generator().manual_seed(3))
    weights = torch.rand(8, 8, generator=torch.Generator().manual_seed(4)) / 64
    target = target_of(None, 7)
    values = []
    for batch_size in (3, 16):
        score = bind(ready(Brightness(weights), batch_size), target)
        base, fill = model_score(score, images), bind_fill("blur", images)
        with counted_passes(score.model) as passes:
            values.append(METRICS["effectiveness"].function(score, images, maps, target, fill=fill, base=base))
        assert passes == [7]
    torch.testing.assert_close(*values)


@pytest.mark.parametrize("name", NAMES[:3])
def test_a_target_whose_truth_is_not_known_is_refused(name):
    with pytest.raises(UserError, match=f"{name} compares a map with the truth, .* is not known"):
        value(name, torch.rand(1, 4, 4), None)


def test_the_support_holds_the_threshold_itself_and_refuses_what_is_none():
    assert support(torch.tensor([[0.5, 0.49999], [1.0, 0.0]])).tolist() == [[True, False], [True, False]]
    for threshold in (0.0, 50.0, -1.0):
        with pytest.raises(ValueError, match=f"threshold is {threshold}"):
            support(torch.rand(4, 4), threshold)


@pytest.mark.parametrize(("role", "dataset"), [("badge", "planted_own"), ("marker", "planted_context")])
def test_planted_evidence_is_told_from_the_rest_of_its_region(role: str, dataset: str):
    """1 of the evidence itself, 0 of its opposite, .5 of a constant map; of noise what Mann and Whitney's test says,
    whatever the map is beside the region; and none of an image that is no planted scene."""
    names = ["test-00003", "test-00004"]
    samples = [load_dataset(dataset).load(name, 96) for name in names]
    images = torch.stack([sample.image for sample in samples])
    target = Target(torch.tensor([sample.class_id for sample in samples]), torch.stack([s.mask for s in samples]))
    where = torch.stack([planted.evidence(name, 96)[role] for name in names])
    region = target.mask if role == "badge" else ~target.mask
    noise = torch.rand(2, 96, 96, generator=torch.Generator().manual_seed(0))

    def found(maps: Tensor, seen: Tensor = images, of: list[str] = names) -> list[float]:
        function = METRICS["evidence_auc"].function
        score = bind(ready(Brightness(torch.ones(96, 96))), target)
        return function(score, seen, maps, target, draws=Draws(0, of), role=role).tolist()

    assert found(where.float()) == [1, 1] and found(1 - where.float()) == [0, 0]
    assert found(torch.full_like(noise, 0.3)) == [0.5, 0.5]
    for index, value_of_noise in enumerate(found(noise)):
        inside, rest = (noise[index][area & region[index]].numpy() for area in (where[index], ~where[index]))
        share = mannwhitneyu(inside, rest).statistic / (len(inside) * len(rest))
        assert value_of_noise == pytest.approx(share, abs=1e-6)
    assert found(noise.where(region, 0)) == found(noise) != found(noise.where(~region, 0))
    assert np.isnan(found(noise, of=names[::-1])).all() and np.isnan(found(noise, images.flip(3))).all()


def test_the_role_of_planted_evidence_is_one_of_two():
    with pytest.raises(UserError, match="role is 'glyph'; expected 'badge'"):
        METRICS["evidence_auc"].function(
            bind(ready(Brightness(torch.ones(8, 8))), target_of(None)),
            random_images(1, 8),
            torch.zeros(1, 8, 8),
            Target(torch.zeros(1, dtype=torch.long), torch.ones(1, 8, 8, dtype=torch.bool)),
            draws=Draws(0, ["test-00001"]),
            role="glyph",
        )
