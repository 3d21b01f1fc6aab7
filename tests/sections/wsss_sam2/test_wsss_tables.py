"""Ways to a mask and what the rows say of them, from rows made by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from made_rows import BARE, BOXED, LIME, SAM, case, made
from scipy.stats import spearmanr

from segattr_lib.registry import make_key
from segattr_lib.sections.wsss_sam2.tables import (
    agreement,
    along,
    gap,
    prior_shares,
    rank_correlation,
    summary,
    utility,
)
from segattr_lib.sections.wsss_sam2.ways import cued_as, explainers_of, labels, map_of, masks, settled


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resamples that take no time; and statsmodels' multipletests collects garbage at each call, half a second."""
    monkeypatch.setattr("gc.collect", lambda *_: 0)
    monkeypatch.setattr("segattr_lib.inference.intervals.RESAMPLES", 499)
    monkeypatch.setattr("segattr_lib.inference.comparison.RESAMPLES", 499)


def test_a_way_is_called_by_its_method_and_how_else_it_was_cued() -> None:
    called = {
        LIME: "LIME",
        "faster_scorecam(share=0.1)": "FasterScore-CAM",
        "weighted": "fused, weighted",
        BARE: "fused, weighted, no background points",
        BOXED: "fused, weighted, box of the support",
        "weighted(points=4)": "fused, weighted, points=4",
        "truth": "points of the truth",
    }
    assert labels(called) == called
    assert list(labels(called)) == list(called)


def test_the_options_of_a_fusion_are_how_it_was_cued_and_those_of_a_method_its_own() -> None:
    assert (map_of(BARE), cued_as(BARE)) == ("weighted", "background=0")
    assert (map_of("truth(background=0)"), cued_as("truth(background=0)")) == ("truth", "background=0")
    own = "faster_scorecam(share=0.1)"  # an option of its own that bears the name of a cue's
    assert (map_of(own), cued_as(own)) == (own, "")
    assert (map_of(LIME), cued_as(LIME)) == (LIME, "")


def test_masks_are_read_by_keys_whatever_a_segmenter_or_a_method_is_called() -> None:
    place, own = "my (1)/a, b.py:spots", "my (1)/own.py:f(grid=(2, 3))"
    metrics = [make_key("iou", {"segmenter": name, **how}).text for name, how in ((place, {}), ("sam", {"points": 4}))]
    rows = made({(own, metrics[0]): [0.25], ("weighted", metrics[0]): [0.5], ("weighted", metrics[1]): [1.0]})
    assert masks(rows, place).to_dict("list") == {own: [0.25], "weighted": [0.5]}
    assert masks(rows, "sam").to_dict("list") == {"weighted(points=4)": [1.0]}
    other = make_key("agreement", {"with": own}).text
    table = agreement(
        made(
            {(LIME, "weight"): [1.0], (own, "weight"): [1.0], (LIME, other): [0.5]}
            | {(own, make_key("agreement", {"with": LIME}).text): [0.5]}
        )
    )
    assert table.loc[LIME, own] == table.loc[own, LIME] == 0.5


def test_masks_stand_by_way_and_a_mask_that_does_not_exist_counts_as_nothing() -> None:
    rows = made(
        {
            (LIME, "iou(segmenter=sam)"): [0.5, None],
            ("mean", "iou(segmenter=sam, background=0)"): [0.25, 0.75],
            ("mean", "iou(segmenter=walker)"): [1, 1],
            (LIME, "spill"): [None, 0.5],
        }
    )
    table = masks(settled(rows), "sam")
    assert list(table) == [LIME, "mean(background=0)"]
    assert table.to_numpy().tolist() == [[0.5, 0.25], [0, 0.75]]
    assert list(table.index) == ["i0", "i1"]  # the image that was not scored is none
    assert math.isnan(masks(rows, "sam").loc["i1", LIME])
    assert settled(rows)["value"].isna().sum() == 2  # the spill, and the lost image, stay without


def test_utility_has_explainers_first_then_fusions_controls_the_segmenter_alone_and_the_ceiling() -> None:
    ways = ["random", "truth", "uniform_points", "gradcam", "weighted"]
    values = {(way, "iou(segmenter=sam)"): [0.1, 0.3] for way in ways}
    values |= {("gradcam", "iou(segmenter=threshold)"): [0, 0.5], ("gradcam", "weight"): [1, 1]}
    values["weighted", "iou(segmenter=sam, points=4)"] = [1, 1]
    values["weighted", "iou(segmenter=sam, cues=box)"] = [0.6, 0.8]
    table = utility(made(values), ["sam"]).set_index(["panel", "method"])["mean"]
    order = ["gradcam", "weighted", "weighted(cues=box)", "random", "uniform_points", "truth"]
    assert list(table.loc["sam"].index) == order
    assert table["threshold", "gradcam"] == 0.25 and table["sam", "weighted(cues=box)"] == pytest.approx(0.7)


def test_a_curve_has_the_default_setting_between_the_others_once() -> None:
    rows = made(
        {
            ("mean", "iou(segmenter=sam)"): [0.4, 0.6],
            ("mean", "iou(segmenter=sam, points=8)"): [0.8, 0.8],
            ("mean", "iou(segmenter=sam, points=1)"): [0.1, 0.3],
            ("mean", "iou(segmenter=sam, share=0.1)"): [0, 0],
            ("mean", "iou(segmenter=other, points=2)"): [0, 0],
        }
    )
    curve = along(rows, "iou(segmenter=sam)", "points", 5, ["mean", "absent"])
    assert curve["points"].tolist() == [1, 5, 8]
    assert curve["mean"].tolist() == pytest.approx([0.2, 0.5, 0.8])


def test_agreement_is_the_mean_over_images_and_symmetric_under_pinned_options() -> None:
    overlaps = {("gradcam", f"agreement(with={LIME})"): [0.2, 0.6], (LIME, "agreement(with=gradcam)"): [0.2, 0.6]}
    rows = made({("gradcam", "weight"): [1, 1], (LIME, "weight"): [0, 0], **overlaps})
    table = agreement(rows)
    assert table.to_numpy().tolist() == [[1, 0.4], [0.4, 1]]
    assert list(table) == list(table.index) == ["gradcam", LIME]


def test_the_share_of_the_prior_solved_by_hand() -> None:
    plain = pd.DataFrame({key: [0.25, 0.375, 0.125] * 5 for key in "abcd"})
    gains = {"a": [0.5] * 15, "b": [0.5, 0.625, 0.375] * 5, "c": [0.125, -0.125, 0.0] * 5, "d": [-0.125] * 15}
    walked = {"a": [0.25] * 15, "b": [0.625, 0.625, 0.5] * 5, "c": 0.25, "d": 0.0}
    sam, walker = plain + pd.DataFrame(gains), plain + pd.DataFrame(walked)
    shares = prior_shares(plain, walker, sam, list("abcd")).set_index("method")
    assert shares.loc["a", ["gain", "control", "prior"]].tolist() == pytest.approx([0.5, 0.25, 0.25])
    assert shares.loc["a", ["share", "share_low", "share_high"]].tolist() == pytest.approx([0.5] * 3)
    assert shares.loc["b", "share"] == pytest.approx(-0.25 / 1.5)  # the walker gains more: no prior at all
    assert shares.loc["b", "share_low"] <= shares.loc["b", "share"] <= shares.loc["b", "share_high"]
    assert shares.loc[["c", "d"], "share"].isna().all()  # no gain, or a loss, has no share
    few = prior_shares(plain[:11], walker[:11], sam[:11], ["a"]).iloc[0]
    assert few["gain"] == pytest.approx(0.5) and few[["gain_low", "share"]].isna().all()  # nor so few images


def test_the_share_is_a_ratio_of_means_and_its_interval_shrinks_with_images() -> None:
    rng = np.random.default_rng(0)

    def width(n: int) -> tuple[float, float]:
        plain = pd.DataFrame({"a": rng.uniform(0.1, 0.3, n)})
        walker, sam = plain + rng.uniform(0.1, 0.3, (n, 1)), plain + rng.uniform(0.4, 0.8, (n, 1))
        row = prior_shares(plain, walker, sam, ["a"]).iloc[0]
        wanted = (sam["a"].mean() - walker["a"].mean()) / (sam["a"].mean() - plain["a"].mean())
        assert row["share"] == pytest.approx(wanted)
        assert row["share_low"] < 2 / 3 < row["share_high"]
        return row["share_low"], row["share_high"]

    few, many = width(12), width(300)
    assert many[1] - many[0] < (few[1] - few[0]) / 2


def test_the_rank_correlation_of_means_is_scipys_and_certain_where_every_image_ranks_alike() -> None:
    rng = np.random.default_rng(1)
    x, y = (pd.DataFrame(rng.random((20, 6)), columns=list("abcdef")) for _ in range(2))
    ranks = rank_correlation(x, y)
    assert ranks.value == pytest.approx(spearmanr(x.mean(), y.mean()).statistic)
    assert ranks.low <= ranks.value <= ranks.high and ranks.n == 6
    steps = pd.DataFrame(np.arange(6) + 0.1 * rng.random((20, 6)), columns=list("abcdef"))
    assert rank_correlation(steps, 2 * steps)[:3] == pytest.approx((1, 1, 1))
    assert rank_correlation(steps, -steps)[:3] == pytest.approx((-1, -1, -1))
    assert math.isnan(rank_correlation(steps, 0 * steps).value)
    holes = x.mask(rng.random((20, 6)) < 0.2)
    assert rank_correlation(holes, y).value == pytest.approx(spearmanr(holes.mean(), y.mean()).statistic)
    assert math.isnan(rank_correlation(x[:11], y[:11]).low)


def test_the_gap_has_each_explainers_means() -> None:
    rows = case(SAM, [0.4] * 5)
    table = gap(rows, ["coverage"], masks(rows, "sam")).set_index("method")
    assert list(table.index) == ["gradcam", LIME]
    assert table.loc[LIME, ["x", "y"]].tolist() == pytest.approx([0.6, 0.28])
    assert (table["x_low"] < table["x"]).all() and (table["x"] < table["x_high"]).all()


def test_a_summary_has_a_row_a_method_and_metric_under_their_labels() -> None:
    rows = made({("gradcam", "spill"): [0.2, 0.4], (LIME, "spill"): [0.5, None], (LIME, "coverage"): [1.0, 0.0]})
    table = summary(rows, {"spill": "Spill ↓", "coverage": "Coverage ↑"})
    assert table["label"].tolist() == ["Grad-CAM", "LIME", "LIME"]
    assert table["panel"].tolist() == ["Spill ↓", "Spill ↓", "Coverage ↑"]
    assert table["mean"].tolist() == pytest.approx([0.3, 0.5, 0.5]) and table["n"].tolist() == [2, 1, 2]


def test_explainers_are_those_that_weigh() -> None:
    rows = case(SAM, [0.4] * 5)
    assert explainers_of(rows) == ["gradcam", LIME]
