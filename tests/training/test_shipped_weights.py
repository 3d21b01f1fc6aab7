"""What the shipped weights reach, measured as training measures, and what their files say of how they came about."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from segattr_lib.data.single_shapes import TIERS
from segattr_lib.models import MODELS, WEIGHTS
from segattr_lib.models.loading import load_model
from segattr_lib.models.sam2 import embedded_sam2
from segattr_lib.training import classifiers, figures, sam2, segmenters
from segattr_lib.training.clutter import HELD_OUT
from segattr_lib.training.figures import accuracies
from segattr_lib.training.segmenters import MEASURED
from segattr_lib.training.suites import CLASSIFIERS, SEGMENTERS


def shipped(name: str) -> Path:
    path = WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        pytest.skip(f"the weights of {name} are not at {path}; `make train` makes them")
    return path


def metadata(name: str) -> dict[str, str]:
    with safe_open(shipped(name), framework="pt") as file:
        return file.metadata()


@pytest.mark.parametrize("name", [*SEGMENTERS, *CLASSIFIERS, "figures_resnet", "shapes_sam2"])
def test_shipped_weights_say_how_they_came_about(name: str):
    facts = metadata(name)
    assert facts["command"] == f"python -m segattr_lib train {name} --seed {facts['seed']}"
    assert float(facts["seconds"]) > 0
    recipes = segmenters.RECIPE | classifiers.RECIPE | figures.RECIPE | sam2.RECIPE
    tuned = classifiers.TUNING.get(name, [])
    assert int(facts["images"]) == sum(stage.images for stage in [*recipes[name], *tuned])
    assert facts.get("tuned_images", "0") == str(sum(stage.images for stage in tuned))


@pytest.mark.parametrize("name", SEGMENTERS)
def test_shipped_segmenters_are_measured_on_each_held_out_split(name: str):
    assert all(0 < float(metadata(name)[f"miou_{part}"]) <= 1 for part in MEASURED[MODELS[name].trained_on])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_shipped_classifiers_are_measured_on_each_tier(name: str):
    facts = metadata(name)
    tiers = [float(facts[f"accuracy_{tier}"]) for tier in TIERS]
    assert min(tiers) <= float(facts["accuracy_test"]) <= max(tiers)
    assert facts.get("stem_of") == classifiers.STEM_OF.get(name)


TUNED = tuple(classifiers.TUNING)
BAR = 0.85  # on each kind of ground that none was trained on, set before any was tuned


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_what_tuning_brought_cost_nothing_on_generated_grounds(name: str):
    assert float(metadata(name)["accuracy_test"]) >= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("name", TUNED)
def test_what_a_classifier_says_of_grounds_it_does_not_know_is_what_it_reaches(name: str):
    module, facts = load_model(name, kind="classifier").module, metadata(name)
    for kind in HELD_OUT:
        share = classifiers.accuracy(module, classifiers._examples_on([kind], "test", 200))["test"]
        claimed = float(facts[f"accuracy_{kind}"])
        assert abs(share - claimed) < 4 * np.sqrt(claimed * (1 - claimed) / 200)  # of the first 200 of them
        assert claimed > 0.5  # before, 0.20 to 0.27 of a crowd, 0.33 to 0.49 of polygons, 0.43 to 0.60 of photographs


@pytest.mark.parametrize("name", TUNED)
@pytest.mark.xfail(
    reason="the bar set before any was tuned; after two attempts those that ship stay below", strict=True
)
def test_a_tuned_classifier_reaches_the_bar_on_every_ground(name: str):
    assert min(float(metadata(name)[f"accuracy_{kind}"]) for kind in HELD_OUT) >= BAR


@cache
def measured_figures() -> dict[str, float]:
    return accuracies(load_model("figures_resnet", kind="classifier").module, 150)


@pytest.mark.slow
def test_the_shipped_classifier_tells_the_birds_whole_and_in_parts():
    shipped("figures_resnet")
    assert measured_figures()["test"] >= 0.95
    assert measured_figures()["parts"] >= 0.85


@pytest.mark.slow
@pytest.mark.xfail(reason="the bar set before any weights met it; those that ship stay just below", strict=True)
def test_the_shipped_classifier_reaches_the_bar_set_before_it_was_trained():
    shipped("figures_resnet")
    assert measured_figures()["test"] >= 0.97
    assert measured_figures()["parts"] >= 0.9


def test_the_shipped_classifier_of_the_birds_is_small_and_says_how_it_was_made():
    facts = metadata("figures_resnet")
    assert shipped("figures_resnet").stat().st_size <= 2**20
    assert float(facts["accuracy_test"]) >= 0.95
    assert facts["command"] == "python -m segattr_lib train figures_resnet --seed 0"


def test_the_embedded_sam2_reaches_its_bar_and_more_with_more_clicks():
    facts = metadata("shapes_sam2")
    three, seven, many = (float(facts[f"miou_{clicks}"]) for clicks in ("1_2", "3_4", "8_8"))
    assert three < seven < many
    assert three >= 0.80
    assert shipped("shapes_sam2").stat().st_size <= 15e6


@pytest.mark.slow
def test_what_the_file_of_the_embedded_sam2_says_is_what_it_reaches():
    claimed = float(metadata("shapes_sam2")["miou_1_2"])
    ious = sam2.held_out(embedded_sam2(), (1, 2), each=3)
    spread = ious.std() / np.sqrt(ious.size)
    assert abs(ious.mean() - claimed) < 4 * spread
