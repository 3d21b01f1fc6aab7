"""AD, Complexity, Coherency, ADCC, ARCC and the cosine with the truth: by hand, by grad-cam, and what fools them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from nets import Brightness
from oracles import plain_pearson, random_images, random_masks, randomise, ready
from pytorch_grad_cam.metrics.arcc import ARCC
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from torch import Tensor, nn

from segattr_lib.attribution.trivial import all_ones, half
from segattr_lib.benchmark.runner import run_benchmark
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.benchmark.statistics import plain
from segattr_lib.benchmark.store import read_samples
from segattr_lib.evaluate import model_score
from segattr_lib.metrics import METRICS, metrics_of
from segattr_lib.metrics.composite import faded, harmonic_mean
from segattr_lib.perturbation import IMAGENET_MEAN, gaussian_blur
from segattr_lib.registry import UserError, accepted
from segattr_lib.seeds import Draws
from segattr_lib.targets import Score, Target, bind

DRAWS = Draws(0, ["a", "b", "c"])
FIRST = Target(torch.zeros(3, dtype=torch.long))


class Hue(nn.Module):
    """Two classes by the share of red in a picture, which fading to black leaves as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(4.0))

    def forward(self, images: Tensor) -> Tensor:
        share = images[:, 0].sum((1, 2)) / images.sum((1, 2, 3)).clamp_min(1e-6)
        return torch.stack([self.gain * share, torch.zeros_like(share)], 1)


class SmallClassifier(nn.Module):
    """Four classes from two convolutions and the mean over the image; random weights."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 5, 2, 2), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(8, 4)
        randomise(self, 2, 3.0)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images - 0.5).mean((2, 3)))


def _metric(name: str, score: Score, images: Tensor, maps: Tensor, target: Target, **options) -> Tensor:
    """A registered metric, its parts put together as the registry says."""
    metric = METRICS[name]
    if metric.combine:
        return metric.combine(*(_metric(part, score, images, maps, target, **options) for part in metric.parts))
    offered = {"draws": DRAWS, "base": model_score(score, images), **options}
    return metric.function(score, images, maps, target, **accepted(metric.function, offered))


def _explain(images: Tensor, target: Target, occasion: str) -> Tensor:
    """A map that depends on the image alone."""
    return (images[:, 0] * images[:, 1] + images[:, 2]) / 2


def _even(size: int) -> Tensor:
    return torch.full((size, size), 1 / size**2)


def test_average_drop_solved_by_hand():
    images = torch.full((3, 3, 4, 4), 0.8)
    score = bind(ready(Brightness(_even(4))), FIRST)
    maps = torch.ones(3, 4, 4)
    maps[1, :, :2] = 0  # half of the image is left: .8 falls to .4
    maps[2] = 0.25
    got = _metric("average_drop", score, images, maps, FIRST)
    assert got.tolist() == pytest.approx([0, 0.5, 0.75], abs=1e-5)
    # towards a colour brighter than the image the score rises, and no drop is left
    bright = torch.tensor(IMAGENET_MEAN).mean()
    images = 0.5 * bright * torch.ones(3, 3, 4, 4)
    assert _metric("average_drop", score, images, maps, FIRST, background="dataset_mean").tolist() == [0, 0, 0]


def test_average_drop_is_undefined_where_there_is_nothing_to_lose():
    score = bind(ready(Brightness(_even(4))), FIRST)
    images = torch.full((3, 3, 4, 4), 0.5)
    images[1] = 0
    got = _metric("average_drop", score, images, torch.full((3, 4, 4), 0.5), FIRST)
    assert got.isnan().tolist() == [False, True, False]


def test_the_drop_of_a_segmenter_is_taken_inside_its_mask():
    class Pixels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unit = nn.Parameter(torch.ones(()))

        def forward(self, images: Tensor) -> Tensor:
            seen = (self.unit * images.mean(1)).clamp(1e-6, 1 - 1e-6)
            return torch.stack([seen.log(), (-seen).log1p()], 1)

    masks = random_masks(3, 8)
    target = Target(torch.zeros(3, dtype=torch.long), masks)
    images = 0.5 + 0.4 * random_images(3, 8)
    score = bind(ready(Pixels()), target)
    assert _metric("average_drop", score, images, masks.float(), target).tolist() == pytest.approx([0] * 3, abs=1e-5)
    assert (_metric("average_drop", score, images, (~masks).float(), target) > 0.99).all()


def test_fading_to_the_data_sets_mean_is_the_product_after_normalisation():
    images, maps = random_images(2, 6), torch.rand(2, 6, 6, generator=torch.Generator().manual_seed(0))
    mean, std = torch.tensor(IMAGENET_MEAN)[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    wanted = (images - mean) / std * maps[:, None]
    torch.testing.assert_close((faded(images, maps, "dataset_mean") - mean) / std, wanted, rtol=0, atol=1e-5)
    assert torch.equal(faded(images, maps), images * maps[:, None])


def test_complexity_is_the_share_of_the_image_that_is_shown():
    maps = torch.zeros(3, 4, 4)
    maps[0, 0] = 1
    maps[1] = 0.5
    score = bind(ready(Hue()), FIRST)
    assert _metric("complexity", score, random_images(3, 4), maps, FIRST).tolist() == [0.25, 0.5, 0]


def test_coherency_is_the_correlation_with_the_map_of_what_the_map_shows():
    images = random_images(3, 8)
    score, maps = bind(ready(Hue()), FIRST), _explain(images, FIRST, "")
    occasions = []

    def explain(changed: Tensor, seen: Target, occasion: str) -> Tensor:
        occasions.append(occasion)
        assert seen is FIRST and torch.equal(changed, images * maps[:, None])
        return _explain(changed, seen, occasion)

    got = _metric("coherency", score, images, maps, FIRST, explain=explain)
    assert occasions == ["faded to zeros"]
    for row in range(3):
        again = _explain(images[[row]] * maps[row], FIRST, "")[0].numpy()
        assert float(got[row]) == pytest.approx((plain_pearson(maps[row].numpy(), again) + 1) / 2, abs=1e-5)


@pytest.mark.parametrize(("again", "wanted"), [(lambda maps: maps, 1), (lambda maps: 1 - maps, 0)])
def test_coherency_of_the_same_map_is_1_and_of_its_negative_0(again, wanted):
    images = random_images(3, 8)
    maps = _explain(images, FIRST, "")
    score = bind(ready(Hue()), FIRST)
    got = _metric("coherency", score, images, maps, FIRST, explain=lambda *_: again(maps))
    assert got.tolist() == pytest.approx([wanted] * 3, abs=1e-6)


def test_coherency_is_undefined_where_a_map_is_constant_and_so_are_adcc_and_arcc():
    images = random_images(3, 8)
    maps = _explain(images, FIRST, "")
    maps[0] = 0.5
    again = _explain(images, FIRST, "")
    again[2] = 0.25
    score = bind(ready(Hue()), FIRST)
    for name in ("coherency", "adcc", "arcc"):
        got = _metric(name, score, images, maps, FIRST, explain=lambda *_: again)
        assert got.isnan().tolist() == [True, False, True], name


def test_the_harmonic_mean_solved_by_hand():
    parts = torch.tensor([[1.0, 0.5, 0.25], [0.3, 0.3, 0.3], [1.0, 0.0, 1.0], [0.9, 0.9, -0.2], [0.5, torch.nan, 0.0]])
    got = harmonic_mean(*parts.T)
    # 3 / (1 + 2 + 4), the common value, and nothing where a part is nothing
    assert got[:4].tolist() == pytest.approx([3 / 7, 0.3, 0, 0])
    assert bool(got[4].isnan())


def test_adcc_and_arcc_are_made_of_their_parts():
    images = random_images(3, 24) * torch.linspace(0, 1, 24)
    target = Target(torch.tensor([0, 1, 2]))
    score, maps = bind(ready(SmallClassifier()), target), _explain(images, target, "")
    parts = ("coherency", "complexity", "average_drop", "road", "adcc", "arcc")
    got = {name: _metric(name, score, images, maps, target, explain=_explain).tolist() for name in parts}
    assert max(got["road"]) > 1e-3 and min(got["road"]) < 0
    for row in range(3):
        rho, shown, drop, road, adcc, arcc = (got[name][row] for name in parts)
        assert adcc == pytest.approx(3 / (1 / rho + 1 / (1 - shown) + 1 / (1 - drop)), abs=1e-6)
        wanted = 3 / (1 / rho + 1 / (1 - shown) + 1 / road) if road > 0 else 0
        assert arcc == pytest.approx(wanted, abs=1e-6)


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
def test_arcc_is_grad_cams_on_the_same_maps(monkeypatch):
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)  # its noise is not seeded
    images = random_images(3, 32) * torch.linspace(0, 1, 32)
    target = Target(torch.tensor([0, 1, 2]))
    model, maps = ready(SmallClassifier()), _explain(images, target, "")
    targets = [ClassifierOutputSoftmaxTarget(int(class_id)) for class_id in target.class_id]

    def base_method(input_tensor: Tensor, targets: list) -> np.ndarray:
        return _explain(input_tensor, target, "").numpy()

    theirs = ARCC(base_method)(images, maps.numpy(), targets, model)
    options = {"explain": _explain, "noise": 0.0, "ties": "percentile"}
    got = _metric("arcc", bind(model, target), images, maps, target, **options)
    np.testing.assert_allclose(got, theirs, atol=1e-4)
    assert theirs.max() > 1e-2


def test_a_monotone_transform_of_the_map_changes_arcc_and_not_road():
    images = random_images(3, 24) * torch.linspace(0, 1, 24)
    target = Target(torch.tensor([0, 1, 2]))
    score = bind(ready(SmallClassifier()), target)
    maps = (_explain(images, target, "").flatten(1).argsort(1).argsort(1) / 575).view(3, 24, 24)

    def both(power: float) -> tuple[Tensor, Tensor]:
        changed = maps**power
        again = {"explain": lambda images, target, _: _explain(images, target, "") ** power}
        return tuple(_metric(name, score, images, changed, target, **again) for name in ("road", "arcc"))

    first, second = both(1), both(3)
    assert torch.equal(first[0], second[0])
    positive = first[0] > 0
    assert positive.any() and ((first[1] - second[1]).abs()[positive] > 1e-2 * first[1][positive]).all()


@pytest.mark.parametrize(("method", "adcc"), [(half, 3 / (1 + 2 + 1)), (all_ones, 0.0)])
def test_half_fools_ad_and_adcc_all_ones_ad_alone_and_neither_road_and_arcc(method, adcc):
    images = gaussian_blur(random_images(3, 32), 3.0)
    score = bind(ready(Hue()), FIRST)

    def explain(changed: Tensor, seen: Target, occasion: str) -> Tensor:
        return method(score, changed, seen, draws=DRAWS.on(occasion))

    maps = explain(images, FIRST, "")
    got = {
        name: _metric(name, score, images, maps, FIRST, explain=explain)
        for name in ("average_drop", "coherency", "adcc", "road", "arcc")
    }
    assert (got["average_drop"] < 1e-3).all() and (got["coherency"] > 0.999).all()
    assert got["adcc"].tolist() == pytest.approx([adcc] * 3, abs=4e-3)
    assert (got["road"].abs() < 1e-2).all() and (got["arcc"] < 3e-2).all()


def test_batched_equals_one_by_one():
    images = random_images(3, 24) * torch.linspace(0, 1, 24)
    target = Target(torch.tensor([0, 1, 2]), truth=random_masks(3, 24))
    model, maps = ready(SmallClassifier(), batch_size=5), _explain(images, target, "")
    for name in metrics_of("classification"):
        together = _metric(name, bind(model, target), images, maps, target, explain=_explain)
        for row in range(3):
            mine = target[[row]]
            options = {"explain": _explain, "draws": Draws(0, [DRAWS.sample_ids[row]])}
            alone = _metric(name, bind(model, mine), images[[row]], maps[[row]], mine, **options)
            torch.testing.assert_close(alone[0], together[row], rtol=0, atol=2e-6)


def test_the_cosine_with_the_truth_solved_by_hand():
    truth = torch.zeros(3, 2, 2, dtype=torch.bool)
    truth[:, 0] = True
    maps = torch.tensor([[[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.3, 0.9]], [[1.0, 0.0], [1.0, 0.0]]])
    target = Target(torch.zeros(3, dtype=torch.long), truth=truth)
    score = bind(ready(Hue()), target)
    images = random_images(3, 2)
    assert _metric("cosine", score, images, maps, target).tolist() == pytest.approx([1, 0, 0.5])
    assert _metric("cosine", score, images, 0.1 * maps, target).tolist() == pytest.approx([1, 0, 0.5])
    # a segmenter's truth is its mask, unless it says otherwise
    target = Target(target.class_id, truth)
    assert _metric("cosine", score, images, maps, target).tolist() == pytest.approx([1, 0, 0.5])
    target = Target(target.class_id, truth, ~truth)
    assert _metric("cosine", score, images, maps, target).tolist() == pytest.approx([0, (1.2**2 / 2 / 0.9) ** 0.5, 0.5])


def test_the_cosine_is_undefined_for_a_constant_map_and_an_empty_truth_and_refused_without_a_truth():
    truth = torch.ones(3, 2, 2, dtype=torch.bool)
    truth[0, 0] = truth[1] = False
    maps = torch.rand(3, 2, 2, generator=torch.Generator().manual_seed(0))
    maps[2] = 0.5
    score = bind(ready(Hue()), FIRST)
    target = Target(FIRST.class_id, truth=truth)
    got = _metric("cosine", score, random_images(3, 2), maps, target)
    assert got.isnan().tolist() == [False, True, True]
    with pytest.raises(UserError, match="is not known"):
        _metric("cosine", score, random_images(3, 2), maps, FIRST)


def test_they_are_columns_of_the_classification_table_and_the_segmentation_benchmark_is_as_it_was():
    names = {"average_drop", "complexity", "coherency", "adcc", "road", "arcc", "cosine"}
    assert names <= set(metrics_of("classification"))
    metrics = [key.text for key in Settings().metrics]
    assert metrics == [*metrics_of("segmentation"), "passes"]
    assert not names & set(metrics) and "tdd" in metrics
    written = ["arcc(ties=percentile)", "cosine"]
    assert [key.text for key in read_settings({"metrics": written}).metrics] == written


def test_in_a_run_each_methods_faded_images_are_its_own_and_a_constant_map_is_a_row(tmp_path: Path):
    own = tmp_path / "own.py"
    own.write_text(
        "import torch\nfrom oracles import ConvNet\n\ndef tiny():\n    return ConvNet(classes=7, seed=99)\n\n"
        "def flat(score, images, target):\n    return torch.full_like(images[:, 0], 0.25)\n",
        encoding="utf-8",
    )
    usual = {
        "samples": 2,
        "image_size": 32,
        "model": f"{own}:tiny",
        "layer": "features",
        "metrics": metrics_of("classification"),
        "grid": 4,
        "device": "cpu",
        "batch_size": 8,
    }

    def rows_of(name: str, *methods: str):
        folder = run_benchmark(read_settings({**usual, "methods": list(methods)}), tmp_path / name)
        return plain(read_samples(folder)).set_index(["method", "metric", "sample_id"])

    together = rows_of("together", "ega", "ria", "dea", "half", f"{own}:flat")
    alone = rows_of("alone", "dea")
    values = together.loc["dea"]["value"]
    np.testing.assert_allclose(values, alone.loc["dea"]["value"], rtol=0, atol=1e-6)
    assert (together.loc["half"].loc["arcc"]["value"] < 0.05).all()
    flat = together.loc[f"{own}:flat"]
    assert set(flat.loc["road"]["status"]) == {"degenerate"} and (flat.loc["road"]["value"] == 0).all()
    for name in ("coherency", "adcc", "arcc", "cosine"):
        assert set(flat.loc[name]["status"]) == {"undefined"}
