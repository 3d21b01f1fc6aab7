"""Planted evidence: what a model owes to it, which maps find it, and which metrics tell where the model looks."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import RegionOracle, random_images, random_masks
from scenes import lit, planted_group, rows_of, seen, toy
from scipy import ndimage
from torch import Tensor

from segattr_lib.benchmark.group import Group
from segattr_lib.data import planted
from segattr_lib.registry import UserError
from segattr_lib.sections.beyond_dea.evidence import (
    drops,
    evidence_drop,
    finds,
    leakage_found,
    mean_finds,
    owed,
    planted_evidence,
)


def scattered(region: Tensor, share: float = 0.2) -> Tensor:
    """Some pixels of the region, and some off it, which are not to count."""
    return torch.rand(region.shape, generator=torch.Generator().manual_seed(4)) < share


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


def test_a_map_of_the_marker_finds_it_and_not_the_badge():
    """The maps of the one data set are asked for the marker, those of the other for the badges, whatever else a run
    has."""
    found = {"planted_context": {"ria": [1.0, 0.5], "random": [0.5, np.nan]}, "planted_own": {"ria": [0.25, 0.75]}}
    roles = {"planted_context": ("marker", "badge"), "planted_own": ("badge", "marker")}
    rows = {
        name: rows_of(
            [
                {"dataset": name, "sample_id": f"i{n}", "method": method, "k": np.nan, "fill": None} | measured
                for method, values in found[name].items()
                for n, value in enumerate(values)
                for measured in (
                    {"metric": f"evidence_auc(role={own})", "value": value},
                    {"metric": f"evidence_auc(role={other})", "value": 0.1},
                )
            ]
        )
        for name, (own, other) in roles.items()
    }
    table = mean_finds(finds(rows)).set_index(["panel", "method"])
    assert table["mean"].to_dict() == {
        ("finds the marker", "ria"): 0.75,
        ("finds the marker", "random"): 0.5,
        ("finds the badge", "ria"): 0.5,
    }
    assert table["n"].tolist() == [2, 1, 2]


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
