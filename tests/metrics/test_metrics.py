"""Metrics: a slow plain implementation, oracle models that must score best and worst, cases solved by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from oracles import (
    ConvNet,
    PixelOracle,
    RegionOracle,
    plain_insertion,
    plain_leak,
    plain_odd,
    plain_pearson,
    plain_score,
    plain_tdd,
    random_images,
    random_masks,
    ready,
)
from torch import Tensor

from segattr_lib.evaluate import model_score
from segattr_lib.metrics import METRICS, load_metric
from segattr_lib.metrics.deletion import bind_null
from segattr_lib.metrics.stability import pearson
from segattr_lib.perturbation import PERTURBATIONS, bind_fill, cells, perturb
from segattr_lib.registry import UserError, accepted
from segattr_lib.seeds import Draws
from segattr_lib.targets import Score, Target, bind

COUNT = 3
DRAWS = Draws(0, ["a", "b", "c"])


def _metric(name: str, score: Score, images: Tensor, maps: Tensor, target: Target, **options) -> Tensor:
    """A registered metric, its parts put together as the registry says."""
    metric = METRICS[name]
    if metric.combine:
        return metric.combine(*(_metric(part, score, images, maps, target, **options) for part in metric.parts))
    fill = options.pop("fill", "mean")
    offered = {"draws": DRAWS, "fill": bind_fill(fill, images) if isinstance(fill, str) else fill, **options}
    offered.setdefault("base", model_score(score, images))
    about = (target, offered["base"], offered["draws"], offered.get("void"))
    offered.setdefault("null", bind_null(score, images, *about))
    return metric.function(score, images, maps, target, **accepted(metric.function, offered))


def _maps(kind: str, size: int = 10) -> Tensor:
    rng = np.random.default_rng(7)
    values = rng.integers(0, 4, (COUNT, size, size)) / 3 if kind == "tied" else rng.random((COUNT, size, size))
    return torch.from_numpy(values).float()


def _setting(size: int = 10) -> tuple[Score, Tensor, Target]:
    target = Target(torch.tensor([1, 2, 0]), random_masks(COUNT, size))
    return bind(ready(ConvNet()), target), random_images(COUNT, size), target


def _plain(target: Target, model: torch.nn.Module, images: Tensor, maps: Tensor):
    """(score function, image, map, mask, mean image) of each sample, as numpy."""
    for row in range(len(images)):
        mask, image = target.mask[row].numpy(), images[row].numpy()
        values = np.broadcast_to(image.mean((1, 2), keepdims=True), image.shape)
        yield plain_score(model, mask, int(target.class_id[row])), image, maps[row].numpy(), mask, values


@pytest.mark.parametrize("k", [0.01, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("kind", ["random", "tied"])
def test_deletion_and_insertion_agree_with_the_plain_implementation(kind, k):
    score, images, target = _setting()
    maps = _maps(kind)
    names = ("tdd", "odd", "odd_abs", "leak_abs", "leak_signed", "insertion")
    got = {name: _metric(name, score, images, maps, target, k=k).tolist() for name in names}
    for row, (plain, image, one_map, mask, values) in enumerate(_plain(target, score.model, images, maps)):
        tdd, odd = (f(plain, image, one_map, mask, k, values) for f in (plain_tdd, plain_odd))
        assert got["tdd"][row] == pytest.approx(tdd, abs=1e-5)
        assert got["odd"][row] == pytest.approx(odd, abs=1e-5)
        assert got["odd_abs"][row] == pytest.approx(abs(odd), abs=1e-5)
        # a ratio of float32 differences: as exact as its parts
        slack = 2e-6 * (1 + abs(odd / tdd)) / abs(tdd) + 1e-5
        assert [got["leak_abs"][row], got["leak_signed"][row]] == pytest.approx(plain_leak(tdd, odd), abs=slack)
        insertion = plain_insertion(plain, image, one_map, mask, k, values)
        assert got["insertion"][row] == pytest.approx(insertion, abs=1e-5)
    assert max(map(abs, got["tdd"])) > 1e-3


@pytest.mark.parametrize("fill", ["zeros", "other_image"])
def test_deletion_fills_what_it_is_told_to(fill):
    score, images, target = _setting()
    maps, others = _maps("random"), random_images(COUNT, 10, seed=8)
    reference = others if fill == "other_image" else torch.zeros_like(images)
    got = _metric("tdd", score, images, maps, target, fill=bind_fill(fill, images, DRAWS, others))
    for row, (plain, image, one_map, mask, _) in enumerate(_plain(target, score.model, images, maps)):
        wanted = plain_tdd(plain, image, one_map, mask, 0.2, reference[row].numpy())
        assert float(got[row]) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_stability_is_the_pearson_correlation_of_two_explanations(kind):
    score, images, target = _setting()

    def explain(changed: Tensor, seen: Target, occasion: str) -> Tensor:
        assert occasion == kind
        return (changed[:, 0] * changed[:, 1] + seen.mask * changed[:, 2]) / 2

    maps = explain(images, target, kind)
    got = _metric(f"stability_{kind}", score, images, maps, target, explain=explain, strength=0.3)
    changed = perturb(images, kind, 0.3, DRAWS).numpy()
    for row in range(COUNT):
        mask = target.mask[row].numpy()
        if kind == "flip":
            mask = mask[:, ::-1]
        again = (changed[row, 0] * changed[row, 1] + mask * changed[row, 2]) / 2
        if kind == "flip":
            again = again[:, ::-1]
        assert float(got[row]) == pytest.approx(plain_pearson(maps[row].numpy(), again), abs=1e-5)


def test_stability_is_the_mean_of_the_five_kinds():
    score, images, target = _setting()
    explain = lambda changed, seen, occasion: changed.prod(1) + 0.1 * len(occasion) * changed[:, 0] ** 2  # noqa: E731
    maps = explain(images, target, "")
    each = [_metric(f"stability_{kind}", score, images, maps, target, explain=explain) for kind in PERTURBATIONS]
    torch.testing.assert_close(
        _metric("stability", score, images, maps, target, explain=explain), torch.stack(each).mean(0)
    )
    assert len({round(float(values[0]), 6) for values in each}) >= 4


def _oracle(size: int = 6) -> tuple[Score, Tensor, Target, Tensor]:
    """A model whose score is the mean over the mask of weight times brightness, on a mask of ten pixels."""
    rng = torch.Generator().manual_seed(3)
    weights = 0.2 + 0.6 * torch.rand(size, size, generator=rng)
    mask = torch.zeros(1, size, size, dtype=torch.bool)
    mask[0, 1:3, 1:6] = True
    images = 0.2 + 0.6 * torch.rand(1, 3, size, size, generator=rng)
    target = Target(torch.tensor([1]), mask)
    return bind(ready(PixelOracle(weights)), target), images, target, weights * images.mean(1)


@pytest.mark.parametrize("k", [0.1, 0.3, 0.5, 0.8])
def test_the_true_map_of_an_additive_oracle_deletes_best_of_all_selections_and_its_inverse_worst(k):
    score, images, target, worth = _oracle()
    inside = target.mask[0].flatten().nonzero()[:, 0]
    chosen = [torch.tensor(some) for some in combinations(inside.tolist(), max(1, int(10 * k + 0.5)))]
    maps = torch.zeros(len(chosen), 6, 6)
    for one_map, some in zip(maps, chosen, strict=True):
        one_map.view(-1)[some] = 1
    everyone = Target(target.class_id.expand(len(maps)), target.mask.expand(len(maps), -1, -1))
    all_images = images.expand(len(maps), -1, -1, -1)
    many = bind(score.model, everyone)
    values = _metric("tdd", many, all_images, maps, everyone, k=k, fill="zeros")
    true = _metric("tdd", score, images, worth, target, k=k, fill="zeros").item()
    inverse = _metric("tdd", score, images, 1 - worth, target, k=k, fill="zeros").item()
    assert values.max() - values.min() > 0.01
    assert true == pytest.approx(values.max().item(), abs=1e-6)
    assert inverse == pytest.approx(values.min().item(), abs=1e-6)


@pytest.mark.parametrize("k", [0.1, 0.3, 1.0])
def test_deletion_and_insertion_of_an_additive_oracle_are_the_share_of_what_was_selected(k):
    score, images, target, worth = _oracle()
    parts = worth[target.mask].sort(descending=True).values
    share = float(parts[: max(1, int(10 * k + 0.5))].sum() / parts.sum())
    assert _metric("tdd", score, images, worth, target, k=k, fill="zeros").item() == pytest.approx(share, abs=1e-5)
    assert _metric("insertion", score, images, worth, target, k=k, fill="zeros").item() == pytest.approx(
        share, abs=1e-5
    )


def test_a_case_solved_by_hand():
    # brightness .8 .6 .4 .2 in the mask, zeros outside; the score is their mean, .5; the image's mean is .25
    images = torch.zeros(1, 3, 2, 4)
    images[0, :, 0] = torch.tensor([0.8, 0.6, 0.4, 0.2])
    mask = torch.zeros(1, 2, 4, dtype=torch.bool)
    mask[0, 0] = True
    target = Target(torch.tensor([1]), mask)
    score = bind(ready(PixelOracle(torch.ones(2, 4))), target)
    maps = torch.tensor([[[0.1, 0.9, 0.2, 0.8], [1.0, 0.0, 0.0, 0.0]]])
    assert model_score(score, images).item() == pytest.approx(0.5, abs=1e-5)
    # k = .5 takes .6 and .2: they become .25 each, the score (.8 + .4 + .25 + .25) / 4 = .425
    assert _metric("tdd", score, images, maps, target, k=0.5).item() == pytest.approx(0.15, abs=1e-5)
    assert _metric("odd", score, images, maps, target, k=0.5).item() == pytest.approx(0, abs=1e-6)
    # the mean image scores .25; with .6 and .2 put back (.6 + .2 + .25 + .25) / 4 = .325
    assert _metric("insertion", score, images, maps, target, k=0.5).item() == pytest.approx(0.15, abs=1e-5)
    # k = .2 of 4 pixels is one pixel: floor(.8 + .5)
    assert _metric("tdd", score, images, maps, target, k=0.2).item() == pytest.approx(0.175, abs=1e-5)


def test_a_model_that_ignores_the_outside_has_no_off_target_drop():
    size = 16
    target = Target(torch.tensor([1, 1, 1]), random_masks(COUNT, size))
    score = bind(ready(PixelOracle(torch.full((size, size), 0.8))), target)
    images = random_images(COUNT, size)
    for maps in _maps("random", size), _maps("tied", size):
        assert _metric("odd", score, images, maps, target).tolist() == [0, 0, 0]
        assert _metric("leak_abs", score, images, maps, target).tolist() == [0, 0, 0]
        assert (_metric("tdd", score, images, maps, target).abs() > 0).all()


def test_a_model_that_reads_only_the_outside_has_no_target_drop_and_its_true_map_the_best_off_target_drop():
    size, k = 4, 0.25
    mask = torch.zeros(1, size, size, dtype=torch.bool)
    mask[0, :2] = True
    rng = torch.Generator().manual_seed(0)
    weights = torch.rand(size, size, generator=rng) * ~mask[0] / 8
    images = 0.2 + 0.6 * torch.rand(1, 3, size, size, generator=rng)
    target = Target(torch.tensor([1]), mask)
    score = bind(ready(RegionOracle(weights)), target)
    truth = (weights * images.mean(1))[:1]
    assert _metric("tdd", score, images, truth, target, k=k, fill="zeros").item() == 0
    best = _metric("odd", score, images, truth, target, k=k, fill="zeros").item()
    outside = (~mask[0]).flatten().nonzero()[:, 0].tolist()
    every = []
    for some in combinations(outside, 2):
        one_map = torch.zeros(1, size * size)
        one_map[0, list(some)] = 1
        every.append(_metric("odd", score, images, one_map.view(1, size, size), target, k=k, fill="zeros").item())
    assert best == pytest.approx(max(every), abs=1e-6)
    assert max(every) > min(every) + 0.01


@pytest.mark.parametrize("fill", ["mean", "linear"])
def test_without_a_pixel_outside_the_off_target_metrics_are_undefined_for_that_sample_alone(fill):
    score, images, target = _setting()
    mask = target.mask.clone()
    mask[1] = True
    target = Target(target.class_id, mask)
    score = bind(score.model, target)
    options = {"fill": bind_fill(fill, images, DRAWS)}
    for name in ("odd", "odd_abs", "leak_abs", "leak_signed", "excess_odd_abs", "chance_odd_abs"):
        values = _metric(name, score, images, _maps("random"), target, **options)
        assert values.isnan().tolist() == [False, True, False], name
    assert not _metric("tdd", score, images, _maps("random"), target, **options).isnan().any()


def test_void_pixels_are_left_out_of_the_outside():
    score, images, target = _setting()
    rng = torch.Generator().manual_seed(0)
    void = torch.rand(COUNT, 10, 10, generator=rng) < 0.5
    maps = _maps("random")
    kept, all_in = (_metric("odd", score, images, maps, target, void=pixels) for pixels in (void, None))
    ring = _metric("odd_exclude", score, images, maps, target, ring=void)
    for row, (plain, image, one_map, mask, values) in enumerate(_plain(target, score.model, images, maps)):
        wanted = plain_odd(plain, image, one_map, mask, 0.2, values, void[row].numpy())
        assert float(kept[row]) == pytest.approx(wanted, abs=1e-5)
        assert float(ring[row]) == pytest.approx(wanted, abs=1e-5)
    assert not torch.allclose(kept, all_in)
    everything = torch.ones_like(void)
    assert _metric("odd", score, images, maps, target, void=everything).isnan().all()


def test_a_metric_of_many_samples_is_that_of_each_alone():
    score, images, target = _setting()
    maps = _maps("random")
    for name in ("tdd", "odd", "insertion", "excess_tdd", "excess_odd_abs", "border", "tied_share"):
        together = _metric(name, score, images, maps, target)
        for row in range(COUNT):
            index = [row]
            alone = _metric(
                name,
                bind(score.model, target[index]),
                images[index],
                maps[index],
                target[index],
                draws=Draws(0, ["abc"[row]]),
            )
            assert alone.item() == pytest.approx(together[row].item(), abs=1e-5), name


def test_the_tied_share_of_a_constant_map_is_one_and_of_an_untied_map_none():
    score, images, target = _setting()
    assert _metric("tied_share", score, images, torch.full((COUNT, 10, 10), 0.3), target).tolist() == [1, 1, 1]
    assert _metric("tied_share", score, images, _maps("random"), target).tolist() == [0, 0, 0]


def test_deletion_asks_for_the_ranking_alone():
    score, images, target = _setting()
    maps = _maps("random")
    for name in ("tdd", "odd", "insertion", "excess_tdd"):
        first, second = (_metric(name, score, images, some_maps, target) for some_maps in (maps, maps**3 / 2))
        torch.testing.assert_close(first, second)


@pytest.mark.parametrize("kind", PERTURBATIONS)
@pytest.mark.parametrize(("change", "wanted"), [("same", 1), ("negated", -1), ("constant", np.nan)])
def test_stability_of_an_unmoved_map_is_one_of_its_negation_minus_one_of_a_constant_undefined(kind, change, wanted):
    score, images, target = _setting()
    maps = _maps("random")

    def explain(changed: Tensor, seen: Target, occasion: str) -> Tensor:
        again = {"same": maps, "negated": 1 - maps, "constant": torch.full_like(maps, 0.1)}[change]
        return again.flip(2) if kind == "flip" else again

    got = _metric(f"stability_{kind}", score, images, maps, target, explain=explain)
    np.testing.assert_allclose(got, [wanted] * COUNT, atol=1e-6)
    constant = _metric(f"stability_{kind}", score, images, torch.full_like(maps, 0.3), target, explain=explain)
    assert constant.isnan().all()


def test_an_equivariant_explainer_is_exactly_stable_under_the_flip():
    score, images, target = _setting()
    by_pixel = lambda changed, seen, occasion: changed.prod(1)  # noqa: E731
    by_mask = lambda changed, seen, occasion: seen.mask.float()  # noqa: E731
    for explain in by_pixel, by_mask:
        values = _metric("stability_flip", score, images, explain(images, target, ""), target, explain=explain)
        np.testing.assert_allclose(values, [1] * COUNT, rtol=0, atol=1e-7)


def test_the_truth_of_a_classifiers_target_flips_with_the_image():
    score, images, segmented = _setting()
    target = Target(segmented.class_id, None, segmented.mask)

    def explain(_changed: Tensor, seen: Target, _occasion: str) -> Tensor:
        assert seen.mask is None and seen.truth is not None
        return seen.truth.float()  # a map that follows the truth alone

    flip = METRICS["stability_flip"].function
    values = flip(score, images, explain(images, target, ""), target, explain=explain, draws=DRAWS)
    np.testing.assert_allclose(values, [1] * COUNT, rtol=0, atol=1e-7)


def test_stability_leaves_the_mask_alone_but_under_the_flip():
    score, images, target = _setting()
    seen_masks = {}

    def explain(changed: Tensor, seen: Target, occasion: str) -> Tensor:
        seen_masks[occasion] = seen.mask
        assert torch.equal(seen.class_id, target.class_id)
        return changed[:, 0]

    _metric("stability", score, images, images[:, 0], target, explain=explain)
    for kind in PERTURBATIONS:
        assert torch.equal(seen_masks[kind], target.mask.flip(2) if kind == "flip" else target.mask)


def test_pearson_agrees_with_numpy_and_ignores_shift_and_scale():
    first, second = _maps("random"), _maps("tied")
    wanted = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(first.numpy(), second.numpy(), strict=True)]
    np.testing.assert_allclose(pearson(first, second), wanted, atol=1e-6)
    np.testing.assert_allclose(pearson(3 * first - 1, 0.01 * second), wanted, atol=1e-5)


@pytest.mark.parametrize("name", ["excess_tdd", "excess_insertion"])
def test_the_excess_of_a_map_that_knows_where_the_evidence_lies_is_positive(name):
    size = 16
    weights = torch.where(cells(size, size, 4) % 5 == 0, 0.9, 0.05)
    target = Target(torch.ones(COUNT, dtype=torch.long), torch.ones(COUNT, size, size, dtype=torch.bool))
    images = 0.4 + 0.2 * random_images(COUNT, size)
    score = bind(ready(PixelOracle(weights)), target)
    maps = weights * images.mean(1)
    assert (_metric(name, score, images, maps, target, fill="zeros") > 0.2).all()
    assert (_metric(name, score, images, 1 - maps, target, fill="zeros") < 0).all()


def test_every_metric_states_direction_and_range_and_parts_that_exist():
    for name, metric in METRICS.items():
        assert metric.direction in (-1, 0, 1), name
        assert metric.range[0] < metric.range[1], name
        assert (metric.function is None) == bool(metric.parts) == bool(metric.combine), name
        assert all(part in METRICS for part in metric.parts), name
    better = {name for name, metric in METRICS.items() if metric.direction == 1}
    assert {"tdd", "insertion", "stability", "excess_tdd"} <= better
    worse = {name for name, metric in METRICS.items() if metric.direction == -1}
    assert {"odd_abs", "leak_abs", "excess_odd_abs", "tied_share"} <= worse


def test_an_unknown_metric_names_the_nearest():
    with pytest.raises(UserError, match=r"Unknown metric 'tddd' \(did you mean 'tdd'\?\)"):
        load_metric("tddd")
