"""What an image looks like when DEA fails on it: shapes whose traits are known, and traits that go with outcomes."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from segattr_lib.benchmark.runner import group_of, run_benchmark
from segattr_lib.benchmark.store import read_samples
from segattr_lib.data import IGNORE, Sample
from segattr_lib.sections.dea_mechanism.causes import relation_table, relations, traits_of
from segattr_lib.sections.dea_mechanism.rows.traits import asked_of, traits

ROWS, COLUMNS = np.mgrid[:200, :200] + 0.0
RADIUS = np.hypot(ROWS - 100, COLUMNS - 100)


def sample(mask: np.ndarray, image: Tensor | None = None, labels: np.ndarray | None = None) -> Sample:
    picture = torch.zeros(3, *mask.shape) if image is None else image
    drawn = mask.astype(np.uint8) if labels is None else labels
    return Sample(picture, torch.from_numpy(mask), 1, "drawn", torch.from_numpy(drawn))


def bar(width: int, length: int = 160) -> np.ndarray:
    mask = np.zeros((200, 200), bool)
    mask[50 : 50 + width, 20 : 20 + length] = True
    return mask


@pytest.mark.parametrize("radius", [10, 40, 80])
def test_a_disc_has_thinness_one_and_its_diameters_width(radius):
    measured = traits(sample(radius > RADIUS))
    assert measured["thinness"] == pytest.approx(1, rel=0.02)
    # its skeleton is little more than the centre; on 10 px it has a tail
    assert measured["width"] == pytest.approx(2 * radius, rel=0.18 if radius == 10 else 0.02)
    assert measured["area"] == pytest.approx(math.pi * radius**2 / 200**2, rel=0.03)


@pytest.mark.parametrize(("outer", "inner"), [(40, 30), (60, 54), (80, 77)])
def test_a_ring_counts_both_its_borders(outer, inner):
    """Perimeter 2 pi (R + r), area pi (R^2 - r^2): thinness (R + r) / (R - r)."""
    measured = traits(sample((outer > RADIUS) & (inner <= RADIUS)))
    assert measured["thinness"] == pytest.approx((outer + inner) / (outer - inner), rel=0.02)
    assert measured["width"] == pytest.approx(outer - inner, abs=1)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8, 9, 15])
def test_a_bars_width_is_its_width_and_its_thinness_that_of_a_rectangle(width):
    measured = traits(sample(bar(width)))
    assert measured["width"] == pytest.approx(width - (width % 2 == 0), abs=0.05)  # the skeleton's ends are narrower
    # Crofton's perimeter in four directions falls short along the axes, by up to 6 %
    exact = (160 + width) ** 2 / (math.pi * 160 * width)
    assert 0.88 * exact <= measured["thinness"] <= exact


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
    measured = traits(sample(labels == 1, labels=labels))
    assert (measured["area"], measured["others"]) == pytest.approx((0.1, 0.1))


def test_relations_pair_by_image_and_say_nothing_of_a_constant():
    names = [f"s{number}" for number in range(12)]
    causes = pd.DataFrame({"up": np.arange(12.0), "flat": 1.0}, index=names)
    outcome = pd.Series(np.exp(-np.arange(12.0)), names).sample(frac=1, random_state=1)  # in another order
    table = relations(causes, pd.DataFrame({"gain": outcome, "some": outcome.where(outcome > 1e-4)}))
    table = table.set_index(["trait", "outcome"])
    assert table.loc[("up", "gain"), "value"] == pytest.approx(-1)
    assert table["n"].tolist() == [12, 10, 12, 10]
    assert table.loc["flat", "value"].isna().all()


@pytest.mark.parametrize("region", [None, "predicted"])
def test_the_traits_of_a_run_are_those_of_its_targets(run, region, tmp_path):
    run = run.changed({"region": region, "methods": ["random"], "metrics": ["tdd"]})
    rows = read_samples(run_benchmark(run, tmp_path / "run", asked_of(run)))
    measured, names = traits_of(rows), list(dict.fromkeys(rows["sample_id"]))
    group = group_of(run, names)
    for name, sample in zip(names, group.samples, strict=True):
        mine = measured.loc[name]
        assert mine.drop("score").to_dict() == pytest.approx(traits(sample), nan_ok=True)
    np.testing.assert_allclose(measured.loc[names, "area"], group.target.mask.float().mean((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(measured.loc[names, "score"], group.base, rtol=1e-6)


def test_the_table_of_relations_has_the_fewest_images_beside():
    columns = ["trait", "outcome", "value", "low", "high", "n"]
    rows = [("thin", "gain", -0.5, -0.8, -0.1, 12), ("thin", "tdd", 0.25, np.nan, np.nan, 5)]
    table = relation_table(
        pd.DataFrame(rows, columns=columns), {"thin": "thinness"}, {"gain": "DEA − EGA", "tdd": "TDD"}
    )
    assert table.loc["thinness"].to_dict() == {"DEA − EGA": "-0.50 [-0.80, -0.10]", "TDD": "0.25 (n = 5)", "n": 5}
