"""What the page can be told, and the runs that follow from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from handmade import parameters, settings

from segattr_lib.attribution import methods_of
from segattr_lib.evidence.plans import read_plan
from segattr_lib.evidence.records import Record
from segattr_lib.profiles import defaults
from segattr_lib.registry import UserError
from segattr_lib.sections.beyond_dea.settings import STRATEGIES, checks, parts, probes, read, thin_methods

PARTS = (
    "noise",
    "cross",
    "planted_context",
    "planted_own",
    "budget",
    "strategies",
    "stability",
    "stability_coarse",
    "thin",
)

RECORDED_PARTS = ("main", *(part for part in PARTS if not part.startswith("planted")))


def test_the_notebooks_own_parameters_ask_for_the_methods_that_the_registry_marks():
    chosen = read(parameters())
    assert [key.text for key in chosen.run.methods] == methods_of("beyond")
    assert (chosen.k, chosen.fill, chosen.seed) == (0.2, "mean", 0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": ["shapes_fcn", "shapes_lraspp"]}, "model is .*; expected one, for this page looks at one model"),
        ({"fill": ["mean", "blur"]}, "fill is .*; expected one, for this page looks at one fill"),
        ({"k": [0.2, 0.5]}, "k is .*; expected one, for this page looks at one k"),
        ({"budget": 18}, r"budget is 18; expected one of budgets, \[9, 17\]"),
        ({"grid": 5}, r"grid is 5; expected one of grids, \[3, 4\]"),
        ({"k": 0.3}, r"k is 0.3; expected one of curve_k, \[0.2, 0.5\]"),
        ({"fills": ["mean"]}, r"fills is \['mean'\]: list should have at least 2 items"),
        ({"fills": ["mean", "blurr"]}, "Unknown fill 'blurr'"),
        ({"grains": [0]}, "grains.0 is 0: input should be greater than or equal to 1"),
        ({"grains": [400]}, "is empty"),
        ({"budgets": [1, 17]}, "budget is 1"),
        ({"grids": [4, 400]}, "grid is 400; expected at most 224"),
        ({"curve_k": [0.2, 1.5]}, "k is 1.5; expected a fraction"),
        ({"few": 0}, "few is 0: input should be greater than or equal to 1"),
        ({"planted_samples": 0}, "planted_samples is 0: input should be greater than or equal to 1"),
        ({"precisions": ["float8"]}, "precisions.0 is 'float8'"),
        ({"precisions": []}, "precisions is .*at least 1 item"),
        ({"tolerance": -0.1}, "tolerance is -0.1: input should be greater than or equal to 0"),
        ({"level": 95}, "level is 95: input should be less than 1"),
        ({"thin_dataset": "shape"}, "Unknown data set 'shape'"),
        ({"methods": ["rria"]}, "Unknown method 'rria'"),
        ({"stagse": 4}, "Unknown parameter 'stagse' .did you mean 'stages'?"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence_before_any_run(changes, sentence):
    with pytest.raises(UserError, match=sentence) as refused:
        settings(**changes)
    assert len(str(refused.value).splitlines()) == 1


def test_every_run_is_that_of_the_page_but_for_what_its_question_is_about():
    chosen = settings(floor=0.25, seed=3, samples=5, few=2, planted_samples=4, layer="backbone.layer3")
    asked = parts(chosen)
    assert list(asked) == ["main", "photographs", *PARTS]
    assert asked["main"] == chosen.run
    seen = asked["photographs"]
    assert (seen.dataset, seen.model, seen.layer) == ("photographs", ["voc_deeplabv3_mobilenetv2"], None)
    assert [key.text for key in seen.methods] == ["gpa", "ega", "ria", "dea"]
    for part in asked.values():
        assert (part.floor, part.seed, part.image_size, part.budget) == (0.25, [3], 224, 17)
    assert {name: part.samples for name, part in asked.items() if part.samples != 5} == {
        "photographs": None,
        "cross": 2,
        "stability": 2,
        "stability_coarse": 2,
        "planted_context": 4,
        "planted_own": 4,
    }
    methods = {name: [key.text for key in part.methods] for name, part in asked.items()}
    assert methods["noise"] == ["random_cells(grid=2)", "random_cells(grid=8)"]  # cells of less than a pixel are none
    assert methods["cross"] == ["ria(fill=mean)", "ria(fill=zeros)", "ria(fill=blur)"]
    assert methods["budget"] == ["adaptive_ria(budget=9)", "adaptive_ria(budget=17)", "ria(grid=3)", "ria(grid=4)"]
    assert methods["strategies"] == STRATEGIES
    assert methods["stability"] == methods["stability_coarse"] == ["ria", "dea"]
    assert (asked["stability"].stability_grid, asked["stability_coarse"].stability_grid) == (None, chosen.coarse)
    for name in ("planted_context", "planted_own"):
        assert (asked[name].dataset, asked[name].model, asked[name].layer) == (name, [f"{name}_lraspp"], None)
        assert methods[name] == [*(key.text for key in chosen.run.methods), "ria(grid=3)"]
    for name in ("budget", "strategies"):
        excess = asked[name].metrics[2]
        assert excess.text == "excess_tdd(k=0.2, fill=mean)"
        assert (asked[name].k, asked[name].fill, asked[name].evaluation_fill) == (
            [0.2, 0.5],
            ["mean"],
            ["mean", "blur"],
        )
    assert asked["noise"].evaluation_fill == asked["cross"].evaluation_fill == ["mean", "zeros", "blur"]
    assert (asked["thin"].dataset, asked["thin"].split) == ("shapes", "test_thin")


def test_a_record_is_checked_by_a_few_samples_and_but_for_the_main_runs_by_two_methods():
    chosen = settings(checked=3)
    asked = parts(chosen)
    for name in RECORDED_PARTS:
        again = checks(chosen, name)
        assert again["samples"] == (6 if name == "thin" else 3)
        wanted = asked[name].methods if name == "main" else asked[name].methods[:2]
        assert again["methods"] == wanted and asked[name].changed(again).methods == wanted


def test_the_thin_targets_are_explained_at_equal_budgets():
    """17 passes are those of 4 x 4 cells and s(x); 9 lie nearer to 10 than to 17."""
    assert thin_methods(settings()) == ("adaptive_ria(budget=17)", "ria(grid=4)", "random_adaptive(budget=17)")
    assert thin_methods(settings(budget=9))[1] == "ria(grid=3)"


def test_maps_that_order_no_pixels_are_not_asked_for_evidence_and_none_is_asked_twice():
    chosen = settings(methods=["half", "all_ones", "ria(grid=3)", "gpa"])
    assert probes(chosen) == ["ria(grid=3)", "gpa"]


@pytest.mark.parametrize("part", RECORDED_PARTS)
def test_a_part_of_the_page_under_its_own_settings_is_what_the_plan_of_its_name_records(part):
    plan = read_plan("scenes" if part == "main" else f"beyond_{part}")
    record = Record(plan.name, Path(), plan.settings, [], {})
    assert record.covers(parts(read(defaults("beyond_dea")))[part])
