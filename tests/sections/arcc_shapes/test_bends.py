"""Maps bent so that every pixel keeps its rank: what must stay, and what moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from classifier_maps import bent_images

from segattr_lib.attribution import method_key
from segattr_lib.registry import UserError
from segattr_lib.sections.arcc_shapes import bends


@pytest.mark.parametrize("name", [name for name in bends.TRANSFORMS if name != "equalised"])
def test_a_transform_keeps_the_order_of_any_two_levels_and_the_ends(name: str) -> None:
    levels = torch.arange(bends.LEVELS + 1).view(1, 32, 32) / bends.LEVELS
    bent = bends.TRANSFORMS[name](levels).flatten()
    assert (bent.diff() > 0).all()
    assert bent[0] == 0
    assert bent[-1] == pytest.approx(1)


def test_equalised_maps_keep_the_order_and_have_a_flat_histogram() -> None:
    drawn = torch.rand(2, 16, 16, generator=torch.manual_seed(0)) ** 5
    flat = bends.equalised(drawn)
    assert (flat.flatten(1).argsort(1) == drawn.flatten(1).argsort(1)).all()
    assert flat.flatten(1).sort(1)[0].diff(dim=1).numpy() == pytest.approx(1 / 255, abs=1e-6)
    assert (bends.equalised(torch.ones(1, 4, 4)) == 0).all()


def test_bent_maps_keep_their_road_to_the_last_bit_and_nothing_else() -> None:
    bent = bent_images()
    group, variants, rows = bent.group, bent.variants, bent.rows
    method = method_key("layercam")
    drift = bends.moved(rows).set_index(["transform", "metric"])["most"]
    assert set(rows["status"]) == {"ok"}
    assert (drift.xs("road", level="metric") == 0).all()
    assert (drift.xs("complexity", level="metric") > 0.01).all()
    assert (drift.xs("coherency", level="metric") > 0).all()
    own = group.maps_of(method)[0]
    drawn = {key.name: group.maps_of(key)[0] for key in variants}
    assert (drawn["as it is"] - own).abs().max() <= 0.5 / bends.LEVELS + 1e-6
    assert torch.equal(drawn["square"], (drawn["as it is"].double() ** 2).float())
    shown = rows[(rows["method"] == "square") & (rows["metric"] == "complexity")]["value"]
    assert shown.to_numpy() == pytest.approx(drawn["square"].mean((1, 2)).numpy(), abs=1e-6)
    faded = group.images * drawn["square"][:, None]  # explained anew, and bent anew
    again = group.again(method, faded, group.target, "anew")
    again = ((again * bends.LEVELS).round() / bends.LEVELS) ** 2
    expected = [(np.corrcoef(a.ravel(), b.ravel())[0, 1] + 1) / 2 for a, b in zip(drawn["square"], again, strict=True)]
    coherent = rows[(rows["method"] == "square") & (rows["metric"] == "coherency")]["value"]
    assert coherent.to_numpy() == pytest.approx(expected, abs=1e-4)
    with pytest.raises(UserError, match="made of other methods"):
        bends.bent_methods("dea")


def test_the_page_shows_each_bend_and_how_far_it_moves_a_metric() -> None:
    bent = bent_images()
    figure = bends.picture(bent)
    assert [axes.get_title() for axes in figure.axes] == ["image and target", *bends.TRANSFORMS]
    drawn = {axes.get_title(): axes.images[-1].get_array() for axes in figure.axes[1:]}
    assert np.asarray(drawn["square"]) == pytest.approx(np.asarray(drawn["as it is"]) ** 2, abs=1e-6)
    table = bends.means(bent)
    assert table.index.tolist() == list(bends.TRANSFORMS)
    assert table["ROAD ↑"].nunique() == 1 and table["Complexity ↓"].nunique() == 6
    complexity = bent.rows[bent.rows["metric"] == "complexity"].pivot_table("value", "sample_id", "method")
    away = complexity.sub(complexity["as it is"], axis=0).abs().max(axis=None)
    assert bends.furthest(bent)["complexity"] == pytest.approx(away) and away > 0
    facts = bends.facts(bent)
    assert (facts["road_moved"], facts["bent"], facts["bent_images"]) == ("not at all", "LayerCAM", 2)
    assert facts["most_complexity"] == f"{away:.2f}"
    road = bent.rows["metric"] == "road"
    moved = replace(bent, rows=bent.rows.assign(value=bent.rows["value"].where(~road, range(len(bent.rows)))))
    assert bends.facts(moved)["road_moved"].startswith("by up to ")
