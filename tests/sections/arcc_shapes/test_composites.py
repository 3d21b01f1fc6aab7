"""Composites of ARCC's parts beside tensors' own, and the page's tables of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from classifier_maps import cells, followed_maps

from segattr_lib.inference.agreement import WAYS
from segattr_lib.metrics.composite import arcc, harmonic_mean
from segattr_lib.sections.arcc_shapes.composites import (
    beside_arcc,
    chosen_elsewhere,
    facts,
    harmonic,
    held_against_truth,
    with_composites,
)


def test_composites_are_arcc_and_what_else_its_parts_make() -> None:
    rng = np.random.default_rng(0)
    parts = pd.DataFrame(rng.random((5, 4)), columns=["average_drop", "complexity", "coherency", "road"])
    parts.loc[0, "road"] = -0.2
    tensors = {name: torch.tensor(values.to_numpy()) for name, values in parts.items()}
    whole = arcc(tensors["coherency"], tensors["complexity"], tensors["road"])
    table = with_composites(parts.assign(arcc=whole.numpy(), adcc=0.5))
    three = [tensors["coherency"], 1 - tensors["complexity"], tensors["road"]]
    assert harmonic(*(pd.Series(part.numpy()) for part in three)).to_numpy() == pytest.approx(whole.numpy())
    every = harmonic_mean(*three, 1 - tensors["average_drop"]).numpy()
    assert table["harmonic, ARCC's parts and 1 − AD"].to_numpy() == pytest.approx(every)
    assert (table["average_drop"] == -parts["average_drop"]).all()
    assert (table["road"] == parts["road"]).all()
    positive = table[parts["road"] > 0]
    means = ["least part", "arcc", "geometric mean", "arithmetic mean"]
    assert (positive[means].diff(axis=1).iloc[:, 1:] > 0).all().all()
    assert (positive["product"].rank() == positive["geometric mean"].rank()).all()
    missing = with_composites(parts.assign(arcc=np.nan, adcc=np.nan, coherency=np.nan))
    assert missing["harmonic, ARCC's parts and 1 − AD"].isna().all()
    assert missing["least part"].isna().all()


def test_a_composite_that_is_the_truth_leads_arcc_on_models_it_was_not_chosen_on() -> None:
    maps = followed_maps()
    product = maps["coherency"] * (1 - maps["complexity"]) * maps["road"]
    noise = pd.Series(np.random.default_rng(1).random(len(maps)), maps.index)
    held = held_against_truth(maps.assign(arcc=noise, average_drop=noise, cosine=product), True, 0.95, 0, 199)
    assert held.images == 15
    ways, columns, *rows = cells(beside_arcc(held))
    assert ways[1:] == list(WAYS.values()) and columns[1:] == ["r", "− ARCC's"] * 3
    of_all = {row[0]: row[-2:] for row in rows}
    assert of_all["product"][0] == "1.00" and of_all["ARCC"][1] == "0.00 [0.00, 0.00]"
    low, high = map(float, of_all["product"][1].split("[")[1].strip("]").split(", "))
    assert 0.5 < low < high
    _, *chosen = cells(chosen_elsewhere(held))
    assert len(chosen) == 6
    (row,) = [row for row in chosen if row[:2] == ["Pearson", "all maps"]]
    assert row[2] == "product (2)" and row[3] == of_all["ARCC"][0]
    counts = facts(held)
    assert counts["nested_rows"] == 6 and int(counts["nested_better"].split()[0]) >= 4
    assert counts["nested_worse"].split()[0] == "0"


def test_a_single_model_leaves_no_model_to_choose_on() -> None:
    held = held_against_truth(followed_maps().loc[["shapes_vgg11"]], True, 0.95, 0, 9)
    assert chosen_elsewhere(held) is None and facts(held)["nested_rows"] == 0
    assert beside_arcc(held) is not None
