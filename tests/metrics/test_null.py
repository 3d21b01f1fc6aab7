"""What blind selections earn: border lengths and fits solved by hand, laws of the draws, and the judge held against
maps that know nothing, on shipped models and on photographs."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import ConvNet, plain_insertion, plain_odd, plain_score, plain_tdd, random_images, random_masks, ready
from torch import Tensor

from segattr_lib.attribution import METHODS
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import group_of, open_run
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.data import draw, load_dataset
from segattr_lib.evaluate import model_score
from segattr_lib.metrics import metric_key
from segattr_lib.metrics.deletion import (
    bind_null,
    border,
    chance_insertion,
    chance_odd_abs,
    chance_tdd,
)
from segattr_lib.metrics.null import (
    FIELDS,
    SIDES,
    SIGMAS,
    blind_selections,
    border_length,
    cell_field,
    level_set_field,
    local_fit,
)
from segattr_lib.perturbation import bind_fill, top_fraction
from segattr_lib.registry import accepted
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target, bind

ROOT = Path(__file__).parents[2]

DRAWS = Draws(0, ["a", "b", "c"])
ROWS, COLUMNS = np.indices((96, 96))
DISC = (ROWS - 40) ** 2 + (COLUMNS - 50) ** 2 <= 30**2


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """Another implementation of the null's parts, where it is at hand."""
    path = Path(ROOT.parent / "shared" / "null_reference.py")
    if not path.is_file():
        pytest.skip(f"no other implementation of the null at {path}")
    spec = importlib.util.spec_from_file_location("null_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _plain_border(selected: np.ndarray) -> float:
    """Crofton's formula, one pair of neighbours at a time."""
    height, width = selected.shape

    def at(y: int, x: int) -> bool:
        return 0 <= y < height and 0 <= x < width and bool(selected[y, x])

    total = 0.0
    for y in range(-1, height + 1):
        for x in range(-1, width + 1):
            for dy, dx, weight in ((0, 1, 1.0), (1, 0, 1.0), (1, 1, math.sqrt(0.5)), (1, -1, math.sqrt(0.5))):
                total += weight * (at(y, x) != at(y + dy, x + dx))
    return math.pi / 8 * total


def _plain_fit(x: np.ndarray, y: np.ndarray, at: float) -> float:
    """A weighted straight line by least squares, read where it was weighted for."""
    at = min(max(at, x.min()), x.max())
    roots = np.exp(-0.25 * ((x - at) / 0.3) ** 2)
    design = np.stack([np.ones_like(x), x - at], 1)
    return float(np.linalg.lstsq(design * roots[:, None], y * roots, rcond=None)[0][0])


def test_border_lengths_solved_by_hand():
    selected = torch.zeros(3, 6, 6, dtype=torch.bool)
    selected[0, 2, 3] = True
    selected[1, 0, 0] = True  # in the corner: the frame's outside is not selected either
    # a pixel has 4 straight and 4 slanted neighbours: pi / 8 (4 + 4 / sqrt 2)
    alone = math.pi / 8 * (4 + 4 / math.sqrt(2))
    assert border_length(selected).tolist() == pytest.approx([alone, alone, 0])


def test_the_border_of_a_disc_is_near_its_circumference_and_no_side_of_a_slanted_square_is_too_long():
    assert float(border_length(torch.from_numpy(DISC)[None])) == pytest.approx(2 * math.pi * 30.5, rel=0.02)
    diamond = torch.from_numpy(abs(ROWS - 48) + abs(COLUMNS - 48) <= 30)
    assert float(border_length(diamond[None])) == pytest.approx(4 * 30.5 * math.sqrt(2), rel=0.06)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_border_lengths_are_those_of_a_plain_loop_over_neighbours(share):
    selected = np.random.default_rng(3).random((4, 9, 7)) < share
    assert border_length(torch.from_numpy(selected)).tolist() == pytest.approx([_plain_border(s) for s in selected])


def test_a_level_set_field_has_one_variance_all_over_its_region():
    rng = np.random.default_rng(0)
    fields = np.stack([level_set_field(rng.standard_normal(DISC.shape), DISC, 6.0) for _ in range(600)])
    distance = np.hypot(ROWS - 40, COLUMNS - 50)
    variance = fields.var(0)
    ratio = variance[DISC & (distance > 27)].mean() / variance[distance < 8].mean()
    assert ratio == pytest.approx(1, abs=0.12)


def test_cells_have_one_value_each_and_an_offset_that_is_drawn():
    first, second = (cell_field(np.random.default_rng(seed), (30, 20), 8) for seed in (0, 1))
    for field in (first, second):
        changes = [np.flatnonzero((np.diff(field, axis=axis) != 0).any(1 - axis)) for axis in (0, 1)]
        assert all((np.diff(places) == 8).all() for places in changes)
    assert not np.array_equal(np.diff(first, axis=0) != 0, np.diff(second, axis=0) != 0)


def test_the_fit_is_a_weighted_straight_line_by_least_squares_and_holds_its_ends():
    rng = np.random.default_rng(1)
    x = rng.uniform(3, 7, (4, 86))
    y = np.sin(x) + 0.1 * rng.standard_normal(x.shape)
    for at in (2.0, 3.5, 5.2, 6.9, 9.0):
        fitted = local_fit(torch.from_numpy(x), torch.from_numpy(y), torch.full((4,), at))
        assert fitted.tolist() == pytest.approx([_plain_fit(*row, at) for row in zip(x, y, strict=True)], abs=2e-3)
    line = torch.linspace(3, 7, 86)[None]
    assert local_fit(line, 0.1 * line, torch.tensor([5.2])).item() == pytest.approx(0.52, abs=1e-4)


def test_draws_of_one_border_length_are_fitted_by_their_mean():
    values = torch.rand(1, 20, generator=torch.Generator().manual_seed(0))
    fitted = local_fit(torch.full((1, 20), 4.0), values, torch.tensor([4.0]))
    assert fitted.item() == pytest.approx(values.mean().item(), abs=1e-6)


def test_parts_of_the_null_agree_with_another_implementation(reference):
    rng = np.random.default_rng(5)
    selected = rng.random((3, 40, 50)) < 0.3
    assert border_length(torch.from_numpy(selected)).tolist() == pytest.approx(
        [reference.border_length(pixels) for pixels in selected]
    )
    noise = rng.standard_normal(DISC.shape)
    for sigma in (0.0, 0.7, 5.6, 32.0):
        field = level_set_field(noise, DISC, sigma)
        np.testing.assert_allclose(field[DISC], reference.level_set_field(noise, DISC, sigma)[DISC], atol=1e-6)
    x, y = rng.uniform(3, 7, (5, 86)), rng.standard_normal((5, 86))
    at = [2.0, 3.1, 5.0, 6.8, 8.0]
    ours = local_fit(torch.from_numpy(x), torch.from_numpy(y), torch.tensor(at))
    assert ours.tolist() == pytest.approx([reference.local_fit(*row) for row in zip(x, y, at, strict=True)], abs=1e-5)


def _regions() -> Tensor:
    whole = np.ones_like(DISC)
    return torch.from_numpy(np.stack([DISC, whole, ROWS + COLUMNS < 40]))


def test_blind_selections_are_subsets_of_the_regions_size_from_fine_to_coarse():
    regions = _regions()
    drawn = blind_selections(regions, 0.2, DRAWS)
    assert drawn.shape == (3, 86, 96, 96) and len(FIELDS) == 4 * len(SIGMAS) + 3 * len(SIDES) == 86
    for region, selections in zip(regions, drawn, strict=True):
        assert not (selections & ~region).any()
        assert (selections.sum((1, 2)) == math.floor(0.2 * int(region.sum()) + 0.5)).all()
        lengths = border_length(selections)
        by_sigma = lengths[:56].view(14, 4).mean(1)
        assert (by_sigma[4:11].diff() < 0).all() and lengths[0] > 4 * lengths[55]  # finer than a pixel is no finer
        assert lengths[56] > 3 * lengths[85]


def test_a_draw_depends_on_its_image_and_seed_and_on_no_other_draw():
    regions = _regions()
    drawn = blind_selections(regions, 0.2, DRAWS)
    assert torch.equal(drawn[:, ::3], blind_selections(regions, 0.2, DRAWS, every=3))
    assert torch.equal(drawn[1:2], blind_selections(regions[1:2], 0.2, Draws(0, ["b"])))
    assert not torch.equal(drawn, blind_selections(regions, 0.2, Draws(1, ["a", "b", "c"])))
    # what is selected at a smaller k is selected at a larger one: the same fields
    assert not (drawn & ~blind_selections(regions, 0.5, DRAWS)).flatten(2).any(2)[:, :56].any()


def test_no_draw_is_decided_by_one_cell_that_holds_most_of_the_region():
    corner = torch.zeros(1, 224, 224, dtype=torch.bool)
    corner[0, 100:122, 100:122] = True  # smaller than half of the coarsest cells
    drawn = blind_selections(corner, 0.2, Draws(0, ["a"]))
    rows = drawn[0, 56:, 100:122, 100:122]
    first_rows = torch.zeros(22, 22, dtype=torch.bool)
    first_rows.view(-1)[: int(rows[0].sum())] = True
    assert not (rows == first_rows).all(2).all(1).any()


def test_a_region_of_one_pixel_and_an_empty_one_end():
    regions = torch.zeros(2, 20, 20, dtype=torch.bool)
    regions[0, 3, 4] = True
    drawn = blind_selections(regions, 0.2, Draws(0, ["a", "b"]))
    assert drawn[0].sum((1, 2)).tolist() == [1] * 86 and not drawn[1].any()


def test_chance_is_the_fit_of_what_the_blind_selections_earn_by_a_plain_implementation():
    target = Target(torch.tensor([1, 2, 0]), random_masks(3, 20))
    score, images = bind(ready(ConvNet()), target), random_images(3, 20)
    maps = torch.rand(3, 20, 20, generator=torch.Generator().manual_seed(1))
    base, fill, every = model_score(score, images), bind_fill("mean", images), 6
    null = bind_null(score, images, target, base, DRAWS, every=every)
    called = {"k": 0.2, "fill": fill, "null": null}
    chances = {
        plain_tdd: chance_tdd(score, images, maps, target, **called),
        plain_insertion: chance_insertion(score, images, maps, target, **called),
        plain_odd: chance_odd_abs(score, images, maps, target, **called),
    }
    for measure, chance in chances.items():
        off_target = measure is plain_odd
        region = ~target.mask if off_target else target.mask
        drawn = blind_selections(region, 0.2, DRAWS.on("off target") if off_target else DRAWS, every)
        own = border_length(top_fraction(maps, region, 0.2).pixels)
        for row in range(3):
            image = images[row].numpy()
            plain = plain_score(score.model, target.mask[row].numpy(), int(target.class_id[row]))
            grey = np.broadcast_to(image.mean((1, 2), keepdims=True), image.shape)
            values = [
                measure(plain, image, selection.float().numpy(), target.mask[row].numpy(), 0.2, grey)
                for selection in drawn[row]
            ]
            values = np.abs(values) if off_target else np.array(values)
            lengths = np.log([_plain_border(selection.numpy()) for selection in drawn[row]])
            assert chance[row].item() == pytest.approx(_plain_fit(lengths, values, math.log(own[row])), abs=2e-3)
    ragged = border(score, images, maps, target)
    chosen = top_fraction(maps, target.mask, 0.2).pixels
    assert ragged.tolist() == pytest.approx(
        [_plain_border(selection.numpy()) / int(selection.sum()) for selection in chosen]
    )


def test_a_selection_without_an_outside_has_no_chance_there():
    target = Target(torch.tensor([1]), torch.ones(1, 12, 12, dtype=torch.bool))
    score, images = bind(ready(ConvNet()), target), random_images(1, 12)
    null = bind_null(score, images, target, model_score(score, images), Draws(0, ["a"]), every=20)
    assert chance_odd_abs(score, images, images[:, 0], target, fill=bind_fill("mean", images), null=null).isnan().all()


def _seen(methods: list[str], metrics: list[str], samples: int = 2, **settings) -> pd.DataFrame:
    usual = {"dataset": "shapes", "model": "shapes_lraspp", "samples": samples, "order": "shuffled", "batch_size": 16}
    run = read_settings({**usual, "methods": methods, "metrics": metrics, **settings}).runs()[0]
    group = group_of(run, draw(load_dataset(run.dataset), samples, run.order, run.seed[0]))
    return pd.DataFrame([row for each in run.method_keys() for row in group.rows_of(each, run.metrics)[0]])


def test_what_a_map_does_outside_the_target_does_not_change_its_excess_by_a_bit(tmp_path):
    own = tmp_path / "own.py"
    own.write_text(
        "def red(score, images, target):\n    return images[:, 0]\n"
        "def red_inside(score, images, target):\n    return images[:, 0] * target.mask\n"
        "def red_and_more(score, images, target):\n    return images[:, 0].where(target.mask, 1 - images[:, 1])\n",
        encoding="utf-8",
    )
    rows = _seen([f"{own}:{name}" for name in ("red", "red_inside", "red_and_more")], ["excess_tdd"], null_every=10)
    red, inside, more = (part["value"].to_numpy() for _, part in rows.groupby("method", sort=False))
    assert len(red) == 2 and red[0] != red[1]
    assert red.tolist() == inside.tolist() == more.tolist()


def test_selections_that_a_constant_decides_are_degenerate_and_those_of_cells_are_not():
    methods = ["ground_truth", "random_masked", "depth", "rim", "discs", "ria", "random_cells"]
    rows = _seen(methods, ["tdd", "odd_abs", "tied_share", "leak_abs"], grid=7)
    status = rows.groupby(["method", "metric"])["status"].agg(set)
    assert status["ground_truth", "tdd"] == status["ground_truth", "odd_abs"] == {"degenerate"}
    for method in ("random_masked", "depth", "rim", "discs"):
        assert status[method, "tdd"] == {"ok"} and status[method, "odd_abs"] == {"degenerate"}
        assert status[method, "leak_abs"] == {"degenerate"} and status[method, "tied_share"] == {"ok"}
    assert {*status["ria", "tdd"], *status["random_cells", "odd_abs"]} == {"ok"}
    reasons = rows[(rows["method"] == "depth") & (rows["metric"] == "odd_abs")]["reason"]
    assert set(reasons) == {"the selection is cut at a value that most of the image outside the target shares"}


NOISES = {"random": 0.05, "random_masked": 0.05, "random_smooth_28": 0.05, "random_smooth_28_masked": 0.05}
NOISES |= {"random_cells": 0.09, "random_cells_masked": 0.09, "random_smooth": 0.09, "random_smooth_masked": 0.09}


def _noise_lies_at_chance(settings: dict, offset_cells: Path, wanted: int = 48) -> None:
    """Excess TDD of maps that know nothing, on images the model scores at least .3; as many blind selections as the
    records of photographs have."""
    allowed = {**NOISES, f"{offset_cells}:cells": 0.05, f"{offset_cells}:cells_masked": 0.05}
    asked = {"methods": list(allowed), "metrics": ["excess_tdd"], "null_every": 3, "batch_size": 16}
    run = read_settings({**settings, **asked}).runs()[0]
    opened = open_run(run, classes=False)
    (model,), (names,) = opened.models.values(), opened.ids.values()
    known = opened.dataset, model, opened.prepared(model.name)
    values: dict[str, list[float]] = {name: [] for name in allowed}
    for start in range(0, len(names), 8):
        samples = [opened.dataset.load(name, run.image_size) for name in names[start : start + 8]]
        scores = Group(run, *known, samples).base.tolist()
        sure = [sample for sample, score in zip(samples, scores, strict=True) if score >= 0.3]
        group = Group(run, *known, sure) if sure else None
        for each in run.method_keys() if group else ():
            rows = group.rows_of(each, [metric_key("excess_tdd")])[0]
            values[each.name] += [row["value"] for row in rows if row["status"] == "ok"]
        if min(map(len, values.values())) >= wanted:
            break
    for name, excess in values.items():
        assert len(excess) >= wanted, name
        error = np.std(excess, ddof=1) / math.sqrt(len(excess))
        assert abs(np.mean(excess)) <= allowed[name] + 3 * error, (name, np.mean(excess), error)


@pytest.fixture
def offset_cells(tmp_path) -> Path:
    path = tmp_path / "noise.py"
    path.write_text(
        "import torch\n"
        "from segattr_lib.metrics.null import cell_field\n"
        "def cells(score, images, target, *, draws):\n"
        "    fields = [cell_field(rng, images.shape[2:], 16) for rng in draws.generators('cells')]\n"
        "    return torch.stack([torch.from_numpy(field) for field in fields])\n"
        "def cells_masked(score, images, target, *, draws):\n"
        "    return cells(score, images, target, draws=draws.on('masked')) * target.mask\n",
        encoding="utf-8",
    )
    return path


@pytest.mark.slow
@pytest.mark.parametrize("model", ["shapes_fcn", "shapes_lraspp"])
def test_maps_that_know_nothing_lie_at_chance_on_generated_scenes(model, offset_cells):
    _noise_lies_at_chance({"dataset": "shapes", "model": model, "order": "shuffled"}, offset_cells)


@pytest.mark.slow
def test_maps_that_know_nothing_lie_at_chance_on_photographs(real, offset_cells):
    model = f"{real / 'models.py'}:voc_deeplabv3_mobilenetv2_half"
    settings = {"dataset": "voc", "root": str(real), "split": "val", "model": model, "layer": "features.17"}
    _noise_lies_at_chance({**settings, "order": "shuffled"}, offset_cells)


def test_every_control_of_the_segmentation_table_knows_the_image_and_the_mask_alone():
    """The same maps whatever the model: none has looked at it."""
    target = Target(torch.tensor([1, 1]), random_masks(2, 32))
    images = random_images(2, 32)
    controls = [method for method in METHODS.values() if method.family == "control"]
    assert len(controls) == 17
    for method in controls:
        maps = []
        for seed in (0, 1):
            score = bind(ready(ConvNet(seed=seed)), target)
            options = accepted(method.function, {"draws": Draws(0, ["a", "b"])})
            maps.append(method.function(score, images, target, **options))
        assert torch.equal(*maps)


def test_excess_is_a_measure_less_chance():
    rows = _seen(["ega", "random"], ["tdd", "chance_tdd", "excess_tdd", "odd_abs", "chance_odd_abs", "excess_odd_abs"])
    values = rows.pivot_table(index=["sample_id", "method"], columns="metric", values="value")
    for name in ("tdd", "odd_abs"):
        wanted = (values[name] - values[f"chance_{name}"]).to_numpy()
        np.testing.assert_allclose(values[f"excess_{name}"], wanted, atol=1e-6)
    assert values["chance_tdd"].nunique() == 4
