"""What the page on RefineCAM can be told, and how it refuses what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from refinecam_rows import PARAMETERS, settings

from segattr_lib.attribution import METHODS, methods_of
from segattr_lib.attribution.fusion import REFINABLE
from segattr_lib.evidence.plans import read_plan
from segattr_lib.evidence.records import Record
from segattr_lib.metrics import metrics_of
from segattr_lib.models.loading import load_model
from segattr_lib.profiles import defaults
from segattr_lib.registry import UserError
from segattr_lib.sections.refinecam import read
from segattr_lib.sections.refinecam.runs import methods_of as methods_asked


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bases": ["gradcam", "gpa"], "swept": "gradcam"}, "Unknown base CAM 'gpa'"),
        ({"bases": ["gradcam", "layer_cam"]}, "Unknown method 'layer_cam' (did you mean 'layercam'?)"),
        ({"bases": []}, "[] is empty or names something twice."),
        ({"swept": "scorecam"}, "swept is 'scorecam'; expected one of the bases: gradcam_plus_plus, layercam."),
        (
            {"averaged": ["scorecam"]},
            "averaged has 'scorecam'; expected some of the bases: gradcam_plus_plus, layercam.",
        ),
        ({"few": 0}, "few is 0: input should be greater than or equal to 1."),
        ({"pictures": "many"}, "pictures is 'many': input should be a valid integer"),
        ({"level": 95}, "level is 95: input should be less than 1."),
        ({"seg_layers": []}, "seg_layers is []; expected the names of one layer or more"),
        ({"seg_floor": 2}, "floor is 2.0: input should be less than or equal to 1."),
        ({"seg_dataset": "shape"}, "Unknown data set 'shape' (did you mean 'shapes'?)"),
        ({"model": []}, "[] is empty or names something twice."),
        ({"sedd": 1}, "Unknown parameter 'sedd' (did you mean 'seed'?)"),
    ],
)
def test_what_the_page_cannot_do_is_refused_in_a_sentence(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        read({**PARAMETERS, **changes})
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_bases_left_out_are_the_classifiers_cams_that_refinecam_takes() -> None:
    page = settings(bases=None)
    assert set(page.bases) == set(REFINABLE) & set(methods_of("classification"))
    assert all(METHODS[base].family in ("gradient", "intervention") for base in page.bases)
    assert [key.text for key in page.run.methods] == page.bases


def test_the_run_has_every_metric_of_classifiers_and_arcc_with_its_parts_first() -> None:
    metrics = [key.text for key in settings().run.metrics]
    assert metrics[:4] == ["arcc", "road", "coherency", "complexity"]
    assert sorted(metrics) == sorted(metrics_of("classification"))


@pytest.mark.parametrize(("samples", "few", "wanted"), [(14, 12, 12), (3, 12, 3), (None, 12, 12)])
def test_the_first_few_are_no_more_than_there_are(samples: int | None, few: int, wanted: int) -> None:
    assert settings(samples=samples, few=few).first_few().samples == wanted


def test_the_segmentation_shares_what_is_not_its_own() -> None:
    page = settings(seed=3, k=0.1, null_every=4, seg_layers=["a", "b"], seg_floor=0.3, floor=0.5, samples=5)
    run = page.segmentation()
    assert (run.seed, run.k, run.null_every, run.image_size) == ([3], [0.1], 4, 64)
    assert (run.layer, run.layers, run.floor, run.samples, run.scalar) == ("b", ["a", "b"], 0.3, 2, None)
    assert settings().segmentation().layer is None


def test_the_pages_runs_as_the_notebook_has_them_are_those_that_are_planned() -> None:
    page = read({**defaults("refinecam"), "bases": ["gradcam_plus_plus", "layercam", "shapleycam"], "samples": 12})
    deepest = load_model("imagenet_mobilenet_v2").layers[-1]
    for name, run, layer in (("classifier", page.many(), deepest), ("single_shapes", page.run, None)):
        record = Record(name, Path(), read_plan(name).settings, [], {})
        assert record.covers(run.changed({"methods": methods_asked(page, layer)})), name
