"""Planted evidence: what a model owes to it, which maps find it, and which metrics tell where the model looks."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import RegionOracle, random_images, random_masks
from scenes import lit, of_maps, planted_group, rows_of, seen, toy
from scipy import ndimage
from sklearn.metrics import roc_auc_score
from torch import Tensor

from segattr_lib.benchmark.group import Group
from segattr_lib.data import planted
from segattr_lib.registry import UserError
from segattr_lib.sections.beyond_dea.evidence import (
    drops,
    evidence_drop,
    evidence_found,
    finds,
    leakage_found,
    mean_finds,
    owed,
    planted_evidence,
)

OWN = """
def red(score, images, target):
    return images[:, 0]
"""


def scattered(region: Tensor, share: float = 0.2) -> Tensor:
    """Some pixels of the region, and some off it, which are not to count."""
    return torch.rand(region.shape, generator=torch.Generator().manual_seed(4)) < share


@pytest.mark.parametrize("levels", [None, 4, 2])
def test_the_auc_of_found_evidence_is_that_of_scikit_learn(levels):
    rng = np.random.default_rng(1)
    drawn = rng.random((4, 16, 16)) if levels is None else rng.integers(0, levels, (4, 16, 16)) / (levels - 1)
    maps, region = torch.from_numpy(drawn).float(), random_masks(4, 16)
    evidence = scattered(region)
    group, keys = of_maps(maps)
    rows = evidence_found(group, keys, evidence, region)
    assert rows["sample_id"].tolist() == [f"image {n}" for n in range(4)] and set(rows["key"]) == {"given"}
    for row, drawn_map, where, around in zip(rows.itertuples(), maps, evidence, region, strict=True):
        truth, values = where[around], drawn_map[around].double()
        assert row.auc == pytest.approx(roc_auc_score(truth, values), abs=1e-6)
        assert row.mass == pytest.approx(float(values[truth].sum() / values.sum()), rel=1e-5)
        assert row.area == pytest.approx(float(truth.double().mean()))
    # what the map does elsewhere is of no account
    pd.testing.assert_frame_equal(evidence_found(*of_maps(maps.where(region, 0.9)), evidence, region), rows)


def test_the_evidence_itself_is_found_wholly_and_its_contrary_not_at_all():
    evidence, region = torch.zeros(1, 10, 10, dtype=torch.bool), torch.zeros(1, 10, 10, dtype=torch.bool)
    region[:, 2:8, 1:9], evidence[:, 2:5, 1:5] = True, True
    for maps, auc, mass in (
        (evidence.float(), 1, 1),
        (1 - evidence.float(), 0, 0),
        (torch.full((1, 10, 10), 0.3), 0.5, 1 / 4),  # a map that knows nothing: its mass is the area
        (torch.zeros(1, 10, 10), 0.5, np.nan),  # and one without mass
    ):
        (row,) = evidence_found(*of_maps(maps), evidence, region).itertuples()
        assert row.area == 12 / 48
        assert row.auc == auc
        assert row.mass == pytest.approx(mass, nan_ok=True)


def test_a_map_that_is_not_finite_finds_nothing():
    maps = torch.rand(2, 16, 16)
    maps[0, 3, 3] = torch.nan
    region = torch.ones(2, 16, 16, dtype=torch.bool)
    rows = evidence_found(*of_maps(maps), scattered(region), region)
    assert rows[["auc", "mass"]].isna().to_numpy().tolist() == [[True, True], [False, False]]


@pytest.mark.parametrize("fill", ["zeros", "mean", "dataset_mean", "blur"])
def test_the_score_owes_to_the_evidence_what_the_model_takes_from_it(fill):
    """The score is the brightness over the pixels that count, so that its drop is theirs."""
    counts, evidence = random_masks(2, 16)
    images = 0.1 + 0.8 * random_images(3, 16)
    group = seen(RegionOracle(counts.float() / counts.sum()), images, random_masks(3, 16, seed=9), fill=fill)
    filled = {
        "zeros": torch.zeros_like(images),
        "mean": images.mean((2, 3), keepdim=True).expand_as(images),
        "dataset_mean": torch.tensor([0.485, 0.456, 0.406])[:, None, None].expand_as(images),
        "blur": torch.from_numpy(ndimage.gaussian_filter(images.numpy(), (0, 0, 16 / 20, 16 / 20))),
    }[fill]
    left = images.where(~evidence, filled)
    before, after = (each.mean(1)[:, counts].mean(1) for each in (images, left))
    owes = evidence_drop(group, evidence.expand(3, -1, -1), fill)
    torch.testing.assert_close(owes, (before - after) / before, rtol=1e-4, atol=1e-5)


def test_all_or_nothing_is_owed_to_evidence_that_is_all_or_nothing_of_the_score():
    evidence = random_masks(3, 16)
    elsewhere = ~evidence & scattered(evidence)
    group = seen(RegionOracle(torch.full((16, 16), 1 / 256)), lit(evidence), random_masks(3, 16, seed=9))
    torch.testing.assert_close(evidence_drop(group, evidence, "zeros"), torch.ones(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(evidence_drop(group, elsewhere, "zeros"), torch.zeros(3), rtol=0, atol=1e-5)


def test_nothing_filled_is_nothing_owed_whatever_the_precision():
    group = toy(precision="bfloat16")
    assert evidence_drop(group, torch.zeros(2, 16, 16, dtype=torch.bool), "mean").tolist() == [0, 0]


def glyph_groups(context: int, own: int) -> dict[str, Group]:
    """One model sees the marker, the other the badges."""
    return {
        "planted_context": planted_group("planted_context", context, lambda where: lit(where["marker"][None])[0]),
        "planted_own": planted_group("planted_own", own, lambda where: lit(where["badge"][None])[0]),
    }


def test_planted_evidence_lies_where_it_was_planted():
    groups = glyph_groups(2, 2)
    evidence = planted_evidence(groups, 64)
    for name, group in groups.items():
        assert set(evidence[name]) == {"marker", "badge"}
        for number, sample in enumerate(group.samples):
            wanted = planted.evidence(sample.sample_id, 64)
            assert all(torch.equal(masks[number], wanted[role]) for role, masks in evidence[name].items())


@pytest.mark.parametrize(("context", "own"), [(3, 3), (4, 3)])
def test_what_is_owed_is_a_mean_by_model_and_evidence(context, own):
    """Of as many images as each model has scored."""
    groups = glyph_groups(context, own)
    table = owed(drops(groups, planted_evidence(groups, 64), "zeros")).set_index(["model", "filled"])
    assert set(table.index) == set(product(groups, ("marker", "badge")))
    for (name, role), row in table.iterrows():
        mine = (name, role) in (("planted_context", "marker"), ("planted_own", "badge"))
        assert row["mean"] == pytest.approx(float(mine), abs=1e-4)
        assert row[["low", "high"]].isna().all()  # of so few images
        assert row["n"] == {"planted_context": context, "planted_own": own}[name]


def test_a_map_of_the_marker_finds_it_and_not_the_badge(tmp_path):
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    red = f"{tmp_path / 'own.py'}:red"

    def marked(where: dict[str, Tensor]) -> Tensor:
        return lit(where["marker"][None])[0]

    methods = [red, "ground_truth"]
    groups = {name: planted_group(name, 2, marked, methods=methods) for name in ("planted_context", "planted_own")}
    table = mean_finds(finds(groups, planted_evidence(groups, 64))).set_index(["panel", "method"])
    assert set(table["n"]) == {2}
    assert table.loc[("finds the marker", red), "mean"] == 1
    for place in product(["finds the badge"], [red, "ground_truth"]):  # constant on the target
        assert table.loc[place, "mean"] == 0.5
    assert table.loc[("finds the marker", "ground_truth"), "mean"] == 0.5  # and off it


def leaking(values: dict[str, dict[str, list[float]]]) -> dict[str, pd.DataFrame]:
    """odd_abs of each method and image under two data sets, and thrice that as leak_abs."""
    return {
        name: rows_of(
            [
                {"dataset": name, "sample_id": f"i{n}", "method": method, "metric": metric, "value": weight * value}
                for method, series in methods.items()
                for n, value in enumerate(series)
                for metric, weight in (("odd_abs", 1), ("leak_abs", 3))
            ]
        )
        for name, methods in values.items()
    }


def test_leakage_is_context_minus_control_on_the_same_images():
    context = {"ria": [0.5, 0.4, 0.3, 0.2], "random": [0.1, 0.2, 0.3, 0.4]}
    control = {"ria": [0.1, 0.1, 0.3, 0.4], "random": [0.1, 0.2, 0.3, 0.4]}
    table = leakage_found(leaking({"planted_context": context, "planted_own": control})).set_index(["metric", "method"])
    assert table["n"].tolist() == [4] * 4
    for metric, weight in (("odd_abs", 1), ("leak_abs", 3)):
        assert table.loc[(metric, "ria"), "mean"] == pytest.approx(weight * (0.4 + 0.3 + 0 - 0.2) / 4)
        assert table.loc[(metric, "ria"), "share"] == 2.5 / 4  # two above, one tie
        assert table.loc[(metric, "random"), ["mean", "share"]].tolist() == [0, 0.5]
    assert table[["low", "high"]].isna().all(axis=None)


def test_a_share_of_images_is_of_those_its_mean_is_over():
    """random has no value on the only image where ria leaks less; that is not ria's affair."""
    context = {"ria": [0.5, 0.4, 0.3, 0.0], "random": [0.1, 0.2, 0.3, np.nan]}
    control = {"ria": [0.1, 0.1, 0.1, 0.4], "random": [0.2, 0.1, 0.1, 0.1]}
    table = leakage_found(leaking({"planted_context": context, "planted_own": control})).set_index(["metric", "method"])
    assert table.loc[("odd_abs", "ria"), ["share", "n"]].tolist() == [3 / 4, 4]
    assert table.loc[("odd_abs", "random"), ["share", "n"]].tolist() == [2 / 3, 3]


def test_images_that_only_one_of_the_models_saw_are_no_pairs():
    context, control = {"ria": [0.5, 0.4, 0.3]}, {"ria": [0.1, 0.2]}
    table = leakage_found(leaking({"planted_context": context, "planted_own": control}))
    assert table["n"].tolist() == [2, 2] and table["mean"].tolist() == pytest.approx([0.3, 0.9])
    with pytest.raises(UserError, match="found none"):
        leakage_found(
            {name: rows_of([{"sample_id": "i0", "value": 1.0}]) for name in ("planted_context", "planted_own")}
        )
