"""DEA taken apart: its parts, where they agree, what an image looks like when it fails, and its settings swept."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import ConvNet, ready
from torch import Tensor

from segattr_lib.attribution.fusion import dual_evidence
from segattr_lib.attribution.maps import normalise
from segattr_lib.benchmark.runner import group_of, run_benchmark
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.benchmark.statistics import plain
from segattr_lib.benchmark.store import read_samples
from segattr_lib.data import IGNORE, Sample
from segattr_lib.evaluate import counted_passes
from segattr_lib.metrics.localization import mass
from segattr_lib.metrics.null import FIELDS
from segattr_lib.models.loading import stages, tried
from segattr_lib.sections.dea_mechanism.mechanism import (
    agreement_table,
    cases_of,
    decompose,
    differences,
    lattice,
    mean_of,
    means,
    over_layers,
    over_scalars,
    parts_of,
    relations,
    traits,
    traits_of,
)

OWN = """
from oracles import ConvNet


def tiny():
    return ConvNet(classes=7, seed=99)
"""
ROWS, COLUMNS = np.mgrid[:200, :200] + 0.0
RADIUS = np.hypot(ROWS - 100, COLUMNS - 100)


@pytest.fixture
def run(tmp_path: Path) -> Settings:
    path = tmp_path / "own.py"
    path.write_text(OWN, encoding="utf-8")
    told: dict[str, Any] = {"samples": 3, "image_size": 32, "model": f"{path}:tiny", "layer": "features", "grid": 4}
    told |= {"null_every": 20, "device": "cpu", "batch_size": 8, "metrics": ["tdd", "odd_abs", "excess_tdd"]}
    return read_settings(told)


def sample(mask: np.ndarray, image: Tensor | None = None, labels: np.ndarray | None = None) -> Sample:
    picture = torch.zeros(3, *mask.shape) if image is None else image
    drawn = mask.astype(np.uint8) if labels is None else labels
    return Sample(picture, torch.from_numpy(mask), 1, "one", torch.from_numpy(drawn))


def bar(width: int, length: int = 160) -> np.ndarray:
    mask = np.zeros((200, 200), bool)
    mask[50 : 50 + width, 20 : 20 + length] = True
    return mask


@pytest.mark.parametrize(("alpha", "beta"), [(0.65, 0.35), (0.0, 1.0), (1.0, 0.0), (0.5, 2.0)])
def test_the_parts_recombine_to_the_dea_map(alpha, beta):
    gradient, intervention = (
        normalise(torch.rand(4, 9, 9, generator=torch.Generator().manual_seed(n))) for n in (1, 2)
    )
    parts = decompose(gradient, intervention, alpha=alpha, beta=beta)
    assert list(parts) == ["gradient", "intervention", "interaction", "corrected", "dea"]
    assert torch.equal(parts["dea"], dual_evidence(gradient, intervention, alpha=alpha, beta=beta))
    # corrected = A_g + beta * interaction, and dea is the weighted sum of corrected and A_r
    torch.testing.assert_close(parts["corrected"], parts["gradient"] + beta * parts["interaction"])
    whole = normalise(alpha * parts["corrected"] + (1 - alpha) * parts["intervention"])
    torch.testing.assert_close(whole, parts["dea"], rtol=0, atol=1e-6)


def test_a_views_parts_are_the_maps_the_run_measures(run):
    group = group_of(run, ["test-00000", "test-00001"])
    told = run.changed({"methods": ["ega", "ria", "dea", "dea(alpha=1.0)", "interaction"]})
    maps = [group.maps_of(one)[0] for one in told.method_keys()]
    parts = parts_of(group)
    for name, one in zip(("gradient", "intervention", "dea"), maps[:3], strict=True):
        assert torch.equal(parts[name], one)
    torch.testing.assert_close(normalise(parts["corrected"]), maps[3])
    torch.testing.assert_close(normalise(parts["interaction"]), maps[4])


def test_agreement_mass_of_indicator_maps_is_counted_pixels():
    """Bands of a 10 x 10 image: A_g rows 0-5, A_r rows 4-9, the target rows 5-9. They meet in rows 4 and 5."""
    gradient, intervention = torch.zeros(1, 10, 10), torch.zeros(1, 10, 10)
    gradient[:, :6], intervention[:, 4:] = 1, 1
    masks = torch.zeros(1, 10, 10, dtype=torch.bool)
    masks[:, 5:] = True
    table = agreement_table(decompose(gradient, intervention, alpha=0.5, beta=1.0), masks)
    found = table.loc[0].to_dict()
    # corrected: 1 in rows 0-3 and 2 in rows 4-5; dea before N: .5 in rows 0-3, 1.5 in 4-5, .5 in 6-9; after: 0, 1, 0
    wanted = {"inside": 10, "outside": 10, "gradient": 1 / 6, "intervention": 5 / 6, "interaction": 1 / 2}
    wanted |= {"corrected": 2 / 8, "dea": 1 / 2, "area": 1 / 2}
    assert found == pytest.approx(wanted)


def test_maps_that_nowhere_meet_have_no_agreement_to_share():
    gradient, masks = torch.zeros(1, 4, 4), torch.ones(1, 4, 4, dtype=torch.bool)
    gradient[:, 0] = 1
    table = agreement_table(decompose(gradient, gradient.flip(1)), masks)
    assert table.loc[0, ["inside", "outside"]].tolist() == [0, 0]
    assert math.isnan(table.loc[0, "interaction"])
    assert [float(one) for one in mass(gradient, ~masks)] == [0, 4]


def test_share_inside_is_a_metric_of_a_run_and_undefined_for_a_map_of_zeros(run, tmp_path):
    told = run.changed({"methods": ["ground_truth", "all_ones", "ega", "interaction"], "metrics": ["share_inside"]})
    rows = plain(read_samples(run_benchmark(told, tmp_path / "results")))
    shares = rows[rows["metric"] == "share_inside"].pivot_table(index="sample_id", columns="method", values="value")
    assert (shares["ground_truth"] == 1).all()
    group = group_of(run, list(shares.index))
    area = group.target.mask.float().mean((1, 2)).numpy()
    np.testing.assert_allclose(shares["all_ones"], area, atol=2 / 32**2)  # one pixel of it is 0
    table = agreement_table(parts_of(group), group.target.mask)
    np.testing.assert_allclose(shares["ega"], table["gradient"], atol=1e-5)
    np.testing.assert_allclose(shares["interaction"], table["interaction"], atol=1e-5)


@pytest.mark.parametrize("radius", [10, 40, 80])
def test_a_disc_has_thinness_one_and_its_diameters_width(radius):
    found = traits(sample(radius > RADIUS))
    assert found["thinness"] == pytest.approx(1, rel=0.02)
    # its skeleton is little more than the centre; on 10 px it has a tail
    assert found["width"] == pytest.approx(2 * radius, rel=0.18 if radius == 10 else 0.02)
    assert found["area"] == pytest.approx(math.pi * radius**2 / 200**2, rel=0.03)


@pytest.mark.parametrize(("outer", "inner"), [(40, 30), (60, 54), (80, 77)])
def test_a_ring_counts_both_its_borders(outer, inner):
    """Perimeter 2 pi (R + r), area pi (R^2 - r^2): thinness (R + r) / (R - r)."""
    found = traits(sample((outer > RADIUS) & (inner <= RADIUS)))
    assert found["thinness"] == pytest.approx((outer + inner) / (outer - inner), rel=0.02)
    assert found["width"] == pytest.approx(outer - inner, abs=1)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8, 9, 15])
def test_a_bars_width_is_its_width_and_its_thinness_that_of_a_rectangle(width):
    found = traits(sample(bar(width)))
    assert found["width"] == pytest.approx(width - (width % 2 == 0), abs=0.05)  # the skeleton's ends are narrower
    # Crofton's perimeter in four directions falls short along the axes, by up to 6 %
    exact = (160 + width) ** 2 / (math.pi * 160 * width)
    assert 0.88 * exact <= found["thinness"] <= exact


def test_a_target_cut_by_the_images_edge_is_as_wide_as_it_is_seen():
    mask = np.zeros((60, 60), bool)
    mask[:5] = True
    assert traits(sample(mask))["width"] == pytest.approx(5, abs=0.2)
    assert math.isnan(traits(sample(np.ones((20, 20), bool)))["clutter"])


def test_clutter_is_the_slope_outside_alone():
    """Brightness rises by .01 a px to the right; the target, a bright square, adds nothing."""
    ramp = torch.arange(50).float().mul(0.01).expand(3, 50, 50).clone()
    mask = np.zeros((50, 50), bool)
    mask[20:30, 20:30] = True
    plain_slope = traits(sample(mask, ramp))["clutter"]
    assert plain_slope == pytest.approx(0.01, rel=0.03)  # half of it at the two mirrored edges
    ramp[:, 20:30, 20:30] = 1
    assert traits(sample(mask, ramp))["clutter"] == pytest.approx(plain_slope)


def test_other_objects_are_labels_that_are_neither_background_nor_ignored_nor_the_target():
    labels = np.zeros((10, 10), np.uint8)
    labels[0], labels[1], labels[2] = 1, 4, IGNORE
    found = traits(sample(labels == 1, labels=labels))
    assert (found["area"], found["others"]) == pytest.approx((0.1, 0.1))


def test_cases_lie_at_even_quantiles_of_the_upper_and_lower_quarter():
    values = pd.Series({f"s{number:02}": number / 10 for number in range(21)}).sample(frac=1, random_state=0)
    found = cases_of(values, 3)
    # ranks 20, 17.5 and 15 of 20; then 5, 2.5 and 0: half a rank goes up
    assert list(found.index) == ["s20", "s18", "s15", "s05", "s03", "s00"]
    assert list(found["case"]) == ["success"] * 3 + ["failure"] * 3
    assert list(found["quantile"]) == [1, 0.875, 0.75, 0.25, 0.125, 0]
    assert found["difference"].is_monotonic_decreasing
    assert list(cases_of(values, 1).index) == ["s20", "s00"]


def test_few_samples_make_fewer_cases_and_ties_go_by_id():
    assert list(cases_of(pd.Series({"b": 1.0, "a": 0.0}), 3).index) == ["b", "a"]
    alone = cases_of(pd.Series({"a": 0.5, "lost": np.nan}), 3)
    assert list(alone.index) == ["a"] and list(alone["case"]) == ["success"]
    assert list(cases_of(pd.Series({"b": 0.0, "a": 0.0, "c": 0.0}), 1).index) == ["c", "a"]


def test_named_samples_are_taken_as_they_are_named():
    found = cases_of(pd.Series({"a": 0.5, "b": 0.1}), 3, ["b", "elsewhere"])
    assert list(found.index) == ["b", "elsewhere"] and list(found["case"]) == ["named"] * 2
    assert found["difference"].tolist()[0] == 0.1 and math.isnan(found["difference"].tolist()[1])


def test_settings_that_give_one_map_are_one_method(run):
    points = lattice(run, [0, 0.5, 1], [0, 1], [4, 2])
    assert len(points) == 4 * 3 * 2  # with the run's own alpha, beta and grid
    written = points.set_index(["alpha", "beta", "grid"])["written"]
    assert set(written.xs(0.0, level="alpha")) == {"ria", "ria(grid=2)"}
    assert {written[1.0, 0.0, grid] for grid in (2, 4)} == {"ega"}
    assert written[0.65, 0.35, 4] == "dea"
    assert written.nunique() == 24 - (3 - 1) * 2 - 1
    told = run.changed({"methods": list(dict.fromkeys(written))})
    assert {f"{one.name}({one.text})" if one.text else one.name for one in told.method_keys()} == set(points["key"])


def test_a_sweep_asks_for_each_gradient_and_each_grid_once(run):
    """Three passes for A_g, grid^2 + 1 for each A_r, TDD and ODD of each map, and the null once for all of them."""
    points = lattice(run, [0, 0.2, 0.5, 1], [0, 0.35, 1], [2, 4])
    told = run.changed({"methods": list(dict.fromkeys(points["written"]))})
    group = group_of(told, ["test-00000", "test-00001"])
    with counted_passes(group.score.model) as passes:
        for one in told.method_keys():
            group.rows_of(one, told.metrics)
    methods = points["written"].nunique()
    assert passes[0] == 2 * (3 + (2**2 + 1) + (4**2 + 1) + methods * (1 + 1) + len(FIELDS[::20]))


def test_the_corners_of_a_sweep_are_ria_and_ega(run):
    """What `lattice` takes for granted, measured: DEA at alpha 0 is RIA to the last bit, at alpha 1, beta 0 EGA."""
    told = run.changed({"methods": ["ria", "ega", "dea(alpha=0.0, beta=1.0)", "dea(alpha=1.0, beta=0.0)"]})
    group = group_of(told, ["test-00000", "test-00001", "test-00002"])
    ria, ega, none, full = (group.maps_of(one)[0] for one in told.method_keys())
    assert torch.equal(none, ria) and torch.equal(full, ega)
    values = [[row["value"] for row in group.rows_of(one, told.metrics)[0]] for one in told.method_keys()]
    assert values[0] == values[2] and values[1] == values[3]


def swept() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two alphas on one grid, and thirteen images, numbered i: TDD i / 10 by RIA, half more by DEA and i / 8 by EGA."""
    points = lattice(read_settings({"alpha": 0.5}), [0, 0.5], [0.35], [14])
    rows = [
        {"run_id": "r", "dataset": "d", "model": "m", "seed": 0, "sample_id": f"s{image}", "class_id": 1}
        | {"method": method, "variant": "", "metric": metric, "k": 0.2, "fill": "mean", "status": "ok"}
        | {"value": sign * value}
        for image in range(13)
        for metric, sign in (("tdd", 1), ("odd_abs", -1))
        for method, value in (("ria", image / 10), ("dea", image / 10 + 0.5), ("ega", image / 8))
    ]
    return points, pd.DataFrame(rows)


def test_a_sweeps_means_and_differences_stand_beside_its_settings():
    points, rows = swept()
    found = means(points, rows, ["tdd", "odd_abs"]).set_index(["metric", "alpha"])
    assert found["mean"].to_dict() == pytest.approx(
        {("tdd", 0): 0.6, ("tdd", 0.5): 1.1, ("odd_abs", 0): -0.6, ("odd_abs", 0.5): -1.1}
    )
    assert (found["low"] < found["mean"]).all() and (found["mean"] < found["high"]).all()
    assert set(found["n"]) == {13}
    told = differences(points, rows, ["tdd"], "ega").set_index("alpha")
    assert told["difference"].to_dict() == pytest.approx({0: -0.15, 0.5: 0.35})
    assert (told["low"] < told["difference"]).all() and (told["difference"] < told["high"]).all()
    assert told["n"].tolist() == [13, 13] and told["win_rate"].tolist() == [0.5 / 13, 1]  # RIA ties once
    assert told.loc[0.5, "sign_flip_holm"] == pytest.approx(2 * 2 / 2**13)  # two tests, all signs alike
    assert list(differences(points, rows, ["tdd"], "ria")["alpha"]) == [0.5]  # RIA is not tested against itself


def test_settings_of_one_map_share_a_test_and_its_correction():
    points, rows = swept()
    once = differences(points, rows, ["tdd"])
    both = differences(pd.concat([points, points.assign(beta=1.0)]), rows, ["tdd"])
    assert len(both) == 2 * len(once)
    assert both["sign_flip_holm"].tolist() == once["sign_flip_holm"].tolist() * 2


def test_a_mean_leaves_out_what_has_no_value():
    mean, low, high = mean_of(pd.Series([1.0, 2.5, np.nan, 4.0] * 4))
    assert mean == 2.5 and low < 2.5 < high
    mean, *ends = mean_of(pd.Series([1.0, 2.5, np.nan, 4.0]))
    assert mean == 2.5 and np.isnan(ends).all()
    assert all(math.isnan(one) for one in mean_of(pd.Series([np.nan])))


def test_relations_pair_by_image_and_say_nothing_of_a_constant():
    names = [f"s{number}" for number in range(12)]
    causes = pd.DataFrame({"up": np.arange(12.0), "flat": 1.0}, index=names)
    outcome = pd.Series(np.exp(-np.arange(12.0)), names).sample(frac=1, random_state=1)  # in another order
    found = relations(causes, pd.DataFrame({"gain": outcome, "some": outcome.where(outcome > 1e-4)}))
    found = found.set_index(["trait", "outcome"])
    assert found.loc[("up", "gain"), "value"] == pytest.approx(-1)
    assert found["n"].tolist() == [12, 10, 12, 10]
    assert found.loc["flat", "value"].isna().all()


def test_layers_and_scalars_that_the_run_has_are_the_plain_methods(run):
    layers = over_layers(["a.1", "a.2"], "a.2", ["gpa", "dea"])
    assert list(layers["key"]) == ["gpa(layer=a.1)", "gpa", "dea(layer=a.1)", "dea"]
    scalars = over_scalars(run, ["ega"])
    assert list(scalars["key"]) == ["ega", "ega(scalar=logit)"]
    texts = [*layers["written"], *scalars["written"]]
    assert [
        f"{one.name}({one.text})" if one.text else one.name
        for one in read_settings({"methods": list(dict.fromkeys(texts))}).method_keys()
    ] == list(dict.fromkeys([*layers["key"], *scalars["key"]]))


def test_the_traits_of_a_run_are_those_of_its_samples(run):
    found = traits_of(run, ["test-00001", "test-00000"])
    group = group_of(run, ["test-00001", "test-00000"])
    assert list(found.index) == ["test-00001", "test-00000"]
    assert found.iloc[1].to_dict() == pytest.approx(traits(group.samples[1]), nan_ok=True)
    np.testing.assert_allclose(found["area"], group.target.mask.float().mean((1, 2)))


def test_layers_are_the_blocks_beside_the_default_one_shallow_to_deep():
    class Deep(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = torch.nn.Module()
            for number in range(8):  # registered from last to first: the forward pass, not the register, says the order
                block = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1))
                self.backbone.add_module(f"block{7 - number}", block)
            self.backbone.add_module("plain", torch.nn.Conv2d(3, 3, 1))
            self.backbone.add_module("idle", torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1)))
            self.head = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1))

        def forward(self, images: Tensor) -> Tensor:
            for number in range(8):
                images = getattr(self.backbone, f"block{number}")(images)
            return self.head(self.backbone.plain(images))

    deep, tiny = ready(Deep()), ready(ConvNet())
    met = ["stem", *(f"backbone.block{number}" for number in range(8)), "head"]  # block 7 comes after the layer
    assert stages(deep, "backbone.block6", met, most=9) == [f"backbone.block{number}" for number in range(7)]
    assert stages(deep, "backbone.block6", met, most=3) == [f"backbone.block{number}" for number in (0, 3, 6)]
    assert stages(deep, "backbone.block6", met, most=1) == ["backbone.block6"]
    met = tried("tiny", tiny, (16, 16))[1]
    assert stages(tiny, "features", met) == ["features"]
    assert stages(tiny, "features.2", met) == ["features.2"]  # the layer itself, where no block lies beside it
