"""The poster's checklist, held against rows made by hand whose verdicts are known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from made_rows import SAM, case, made

from segattr_lib.sections.wsss_sam2 import CLAIMS
from segattr_lib.sections.wsss_sam2.recommendations import HOLDS, UNTOLD, VIOLATED, recommendations, verdict
from segattr_lib.sections.wsss_sam2.tables import prior_shares
from segattr_lib.sections.wsss_sam2.ways import assisted, control, masks


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resamples that take no time; and statsmodels' multipletests collects garbage at each call, half a second."""
    monkeypatch.setattr("gc.collect", lambda *_: 0)
    monkeypatch.setattr("segattr_lib.inference.intervals.RESAMPLES", 499)
    monkeypatch.setattr("segattr_lib.inference.comparison.RESAMPLES", 499)


@pytest.mark.parametrize(
    ("low", "high", "bound", "above", "said"),
    [
        (0.1, 0.2, 0.0, True, HOLDS),
        (-0.2, -0.1, 0.0, True, VIOLATED),
        (-0.1, 0.1, 0.0, True, UNTOLD),
        (0.1, 0.4, 0.5, False, HOLDS),
        (0.6, 0.7, 0.5, False, VIOLATED),
        (math.nan, math.nan, 0.0, True, UNTOLD),
    ],
)
def test_a_verdict_needs_the_whole_interval(low: float, high: float, bound: float, above: bool, said: str) -> None:
    assert verdict(low, high, bound, above) == said


def test_the_checklist_solved_by_hand() -> None:
    rows = case(SAM, [0.5, 0.52, 0.48, 0.5, 0.55])
    checks = recommendations(rows, ["sam", "random_walker"], ["coverage"])
    assert checks["verdict"].tolist() == [
        HOLDS,  # explainers overlap little
        HOLDS,  # the fusion is better than a blind choice
        HOLDS,  # and than the best
        HOLDS,  # than thresholding
        HOLDS,  # weights better than the mean
        VIOLATED,  # background points do harm
        HOLDS,  # better than the walker
        HOLDS,  # which is half of the gain
        HOLDS,  # and less of it where neither knows what lies outside
        UNTOLD,  # as good as points that know no map
        HOLDS,  # the more coverage the less utility
    ]
    numbers = checks["value"].tolist()
    assert numbers[0] == pytest.approx(0.27)
    assert numbers[2] == pytest.approx(0.81 - 0.61)
    assert numbers[6:9] == pytest.approx([0.3, 0.3 / (0.81 - 0.202), 0.3 / (0.91 - 0.202)])
    assert numbers[10] == -1
    assert "Grad-CAM" in checks["check"][2]
    assert (checks["n"] == 15).all()
    alone = checks.set_index("check").loc[checks["check"][2]]
    assert alone[["low", "high"]].isna().all() and alone["wanted"] == "above each, all pairs"


def test_every_check_has_an_id_and_the_claims_are_these_in_order() -> None:
    rows = case(SAM, [0.5] * 5)
    effectiveness = rows[rows["metric"] == "coverage"].assign(metric="effectiveness(threshold=0.5)")
    measures = ["coverage", "effectiveness(threshold=0.5)"]
    checks = recommendations(pd.concat([rows, effectiveness]), ["sam", "random_walker"], measures)
    assert tuple(checks["id"]) == CLAIMS
    assert checks["recommendation"].nunique() == 4
    by_id = checks.set_index("id")["check"]
    assert by_id["background_points_help"] == "IoU with background points − without"
    assert by_id["prior_has_a_share_without_background"].endswith("is its prior, without background points")
    assert by_id["effectiveness_is_not_utility"].startswith("rank correlation of Effectiveness")


def equal_ways(n: int, seed: int, lead: float = 0.0) -> pd.DataFrame:
    """Nine explainers and the fusion of them, all masks equal in truth but for the fusion's lead."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0.5, 0.15, (n, 1)) + rng.normal(0, 0.15, (n, 10))
    values[:, -1] += lead
    names = ["gradcam", "layercam", "scorecam", "occlusion", "gradcam_plus_plus"]
    keys = [*names, *(f"lime(samples={count})" for count in range(2, 6)), "weighted"]
    table = {(key, "iou(segmenter=sam)"): column for key, column in zip(keys, values.T.tolist(), strict=True)}
    whole = {("mean", "iou(segmenter=sam)"): [0.5] * n, ("uniform_points", "iou(segmenter=sam)"): [0.5] * n}
    whole |= {("weighted", "iou(segmenter=sam, background=0)"): [0.5] * n}
    whole |= {("weighted", "iou(segmenter=threshold)"): [0.5] * n}
    whole |= {(key, name): [0.1] * n for key in keys[:-1] for name in ("weight", "consensus")}
    return made(table | whole)


def against_the_best(rows: pd.DataFrame) -> pd.Series:
    checks = recommendations(rows, ["sam"], [])
    return checks.set_index("id").loc["fusion_beats_the_best"]


@pytest.mark.parametrize(
    ("n", "lead", "said"), [(60, 0.4, HOLDS), (60, -0.4, VIOLATED), (60, 0.0, UNTOLD), (11, 0.8, UNTOLD)]
)
def test_a_fusion_far_from_every_explainer_is_set_apart_from_the_best_where_there_are_images(
    n: int, lead: float, said: str
) -> None:
    assert against_the_best(equal_ways(n, 1, lead))["verdict"] == said


def test_the_checklist_of_explainers_that_agree_and_a_segmenter_worse_than_none() -> None:
    worse = {**SAM, "weighted": [0.1, 0.12, 0.1, 0.1, 0.1], "uniform_points": [0.5] * 5}
    checks = recommendations(case(worse, [0.5] * 5, overlap=0.8), ["sam", "random_walker"], [])
    assert checks["verdict"].tolist() == [VIOLATED] * 7 + [UNTOLD, HOLDS, VIOLATED]
    assert math.isnan(checks["value"][7])  # a loss has no share


def test_the_checklist_without_a_second_segmenter_leaves_the_prior_untold() -> None:
    rows = case(SAM, [0.5] * 5)
    checks = recommendations(rows, ["sam"], []).set_index("id")
    assert checks["verdict"]["segmenter_beats_the_walker"] == UNTOLD
    sam, plain = masks(rows, "sam"), masks(rows, "threshold")
    assert control(rows, ["random_walker"]).isna().all(axis=None)
    assert control(rows, ["sam", "random_walker"])["weighted"].mean() == pytest.approx(0.5)
    row = prior_shares(plain, control(rows, ["sam"]), sam, ["weighted"]).iloc[0]
    assert row["gain"] == pytest.approx(0.81 - 0.202) and row["n"] == 15
    assert row[["control", "prior", "share"]].isna().all()
    assert assisted(["random_walker", "sam"]) == "sam"
    assert assisted(["random_walker"]) == "random_walker"
