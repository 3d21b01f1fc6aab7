"""The run on generated scenes: what of the main run it keeps, and how its order of the maps is held against it."""

from __future__ import annotations

import pytest
from run_rows import run_rows

from segattr_lib.benchmark.settings import read_settings
from segattr_lib.sections.benchmark.scenes import images_of, order_facts, settings_of

MEANS = {"gpa": 0.1, "ega": 0.2, "ria": 0.5, "dea": 0.4, "random": 0.3}


def run_level(means: dict[str, float]):
    return run_rows({(method, ""): (mean - 0.05, mean + 0.05) for method, mean in means.items()})


def test_the_scenes_are_seen_as_the_main_run_sees_its_images_but_for_data_models_and_metrics():
    own = {"dataset": "voc", "root": "data", "split": "val", "target": "class=cat", "region": "predicted"}
    own |= {"model": ["fcn_resnet50"], "layer": "backbone.layer3", "seed": [4, 5], "k": [0.3, 0.2], "grid": 7}
    main = read_settings({**own, "samples": 200, "metrics": ["tdd", "odd", "border", "excess_tdd", "passes"]})
    asked = settings_of(main, "shapes", ["shapes_fcn", "shapes_lraspp"], 4)
    assert (asked.dataset, asked.model, asked.samples) == ("shapes", ["shapes_fcn", "shapes_lraspp"], 4)
    assert (asked.root, asked.split, asked.layer, asked.region, asked.target) == (None, None, None, None, "frequent")
    assert (asked.seed, asked.k, asked.grid, asked.methods) == ([4], [0.3], 7, main.methods)
    assert [key.text for key in asked.metrics] == ["tdd", "excess_tdd"]
    assert settings_of(main.changed({"samples": 2}), "shapes", ["shapes_fcn"], 4).samples == 2
    assert settings_of(main.changed({"samples": None}), "shapes", ["shapes_fcn"], None).samples is None


@pytest.mark.parametrize(
    ("changed", "tau", "swapped"),
    [
        ({}, "1.00", "none"),
        ({"ega": 0.45}, "0.60", "EGA and DEA"),  # past random pixels, too: 8 pairs of 10 agree, 2 do not
        ({"ega": 0.25}, "1.00", "none"),  # another value, the same order
        (dict(zip(MEANS, (0.5, 0.4, 0.1, 0.2, 0.3), strict=True)), "-1.00", None),
    ],
)
def test_the_two_orders_of_the_maps_are_compared_pair_by_pair(changed: dict[str, float], tau: str, swapped: str | None):
    facts = order_facts(run_level(MEANS), run_level({**MEANS, **changed}))
    assert facts["order_tau"] == tau and (facts["order_n"], facts["order_methods"]) == (5, 4)
    if swapped is None:  # every pair of the four
        assert facts["order_swapped"].count(" and ") == 6
    else:
        assert facts["order_swapped"] == swapped


def test_maps_that_one_of_the_runs_lacks_are_in_neither_order():
    few = {name: mean for name, mean in MEANS.items() if name != "gpa"}
    assert order_facts(run_level(few), run_level(MEANS))["order_n"] == 4


def test_an_image_counts_once_however_many_models_scored_it_and_not_where_none_did():
    rows = run_level(MEANS).head(5).assign(sample_id=["a", "a", "b", "c", "c"], metric=["score"] * 3 + ["tdd", None])
    assert images_of(rows) == 2
