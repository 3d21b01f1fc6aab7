"""Explainers as prompts, as tables: rows made by hand whose shares, ranks and verdicts are known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from segattr_lib.sections.wsss_sam2.prompted import Prompting, run_prompted
from segattr_lib.sections.wsss_sam2.protocol import HOLDS, UNTOLD, VIOLATED

from segattr_lib.benchmark.runner import group_of
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.benchmark.store import read_samples
from segattr_lib.inference.paired import paired
from segattr_lib.prompting.segmenters import load_segmenter
from segattr_lib.registry import read_key
from segattr_lib.report.charts import heat_panels, interval_rows, interval_scatter
from segattr_lib.report.pictures import prompt_panel
from segattr_lib.report.reference import reference, wsss_table2
from segattr_lib.sections.wsss_sam2 import protocol

Values = Mapping[tuple[str, str], Sequence[float]]  # key of a method and metric, one value an image
LIME = "lime(samples=8)"


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resamples that take no time; and statsmodels' multipletests collects garbage at each call, half a second."""
    monkeypatch.setattr("gc.collect", lambda *_: 0)
    monkeypatch.setattr("segattr_lib.inference.intervals.RESAMPLES", 499)
    monkeypatch.setattr("segattr_lib.inference.comparison.RESAMPLES", 499)


def made(values: Values) -> pd.DataFrame:
    """Rows as a run leaves them; None for a value that does not exist, and one image more that was not scored."""
    about = {"run_id": "r", "dataset": "d", "model": "m", "seed": 0, "k": math.nan, "fill": None, "reason": None}
    rows: list[dict[str, Any]] = [{**about, "sample_id": "lost", "status": "skipped"}]
    for (key, metric), numbers in values.items():
        name, pinned = (method := read_key(key)).name, method.options
        text = ", ".join(f"{option}={value}" for option, value in pinned.items())
        for index, number in enumerate(numbers):
            status = "undefined" if number is None else "ok"
            row = {"sample_id": f"i{index}", "method": name, "variant": text, "metric": metric, "value": number}
            rows.append({**about, **row, "status": status})
    return pd.DataFrame(rows).astype({"value": float})


def case(sam: Mapping[str, Sequence[float]], walker: Sequence[float], overlap: float = 0.2) -> pd.DataFrame:
    """Two explainers and all that the checklist asks for; sam: masks of the assisted segmenter by way.

    Every number stands for three images, a little below it, at it and above, each way by as much as no other.
    """

    def thrice(numbers: Sequence[float], place: int) -> list[float]:
        return [one + 0.002 * place * away for away in (-1, 0, 1) for one in numbers]

    values: dict[tuple[str, str], Sequence[float]] = {}
    n = 3 * len(walker)
    for key in ("gradcam", LIME):
        values |= {(key, "weight"): [0.5] * n, (key, "consensus"): [overlap + 0.01 * i for i in range(n)]}
    for place, (way, numbers) in enumerate(sam.items()):
        key, _, how = way.partition(" | ")
        values[key, f"iou(segmenter=sam{', ' + how if how else ''})"] = thrice(numbers, place)
    values["weighted", "iou(segmenter=threshold)"] = thrice([0.2, 0.22, 0.18, 0.2, 0.21], 7)
    values["weighted", "iou(segmenter=random_walker)"] = thrice(walker, 8)
    values["weighted", "iou(segmenter=random_walker, background=0)"] = thrice([one + 0.1 for one in walker], 9)
    values["gradcam", "coverage"] = thrice([0.1, 0.12, 0.1, 0.1, 0.1], 1)
    values[LIME, "coverage"] = thrice([0.6, 0.7, 0.6, 0.6, 0.5], 2)
    return made(values)


SAM = {
    "gradcam": [0.6, 0.65, 0.6, 0.6, 0.6],
    LIME: [0.3, 0.2, 0.3, 0.3, 0.3],
    "mean": [0.7, 0.6, 0.7, 0.6, 0.6],
    "weighted": [0.8, 0.82, 0.78, 0.8, 0.85],
    "weighted | background=0": [0.9, 0.95, 0.9, 0.9, 0.9],
    "uniform_points": [0.8, 0.9, 0.7, 0.8, 0.8],
}


def test_a_column_is_called_by_its_method_and_how_else_it_was_prompted() -> None:
    assert protocol.label(LIME) == "LIME"
    assert protocol.label("weighted | background=0") == "fused, weighted, no background points"
    assert protocol.label("weighted | points=4") == "fused, weighted, points=4"
    assert protocol.label("truth") == "points of the truth"


def test_masks_stand_by_way_and_a_mask_that_does_not_exist_counts_as_nothing() -> None:
    rows = made(
        {
            (LIME, "iou(segmenter=sam)"): [0.5, None],
            ("mean", "iou(segmenter=sam, background=0)"): [0.25, 0.75],
            ("mean", "iou(segmenter=walker)"): [1, 1],
            (LIME, "spill"): [None, 0.5],
        }
    )
    table = protocol.masks(protocol.settled(rows), "sam")
    assert list(table) == [LIME, "mean | background=0"]
    assert table.to_numpy().tolist() == [[0.5, 0.25], [0, 0.75]]
    assert list(table.index) == ["i0", "i1"]  # the image that was not scored is none
    assert math.isnan(protocol.masks(rows, "sam").loc["i1", LIME])
    assert protocol.settled(rows)["value"].isna().sum() == 2  # the spill, and the lost image, stay without


def test_utility_has_explainers_first_then_fusions_controls_the_segmenter_alone_and_the_ceiling() -> None:
    ways = ["random", "truth", "uniform_points", "gradcam", "weighted"]
    values = {(way, "iou(segmenter=sam)"): [0.1, 0.3] for way in ways}
    values |= {("gradcam", "iou(segmenter=threshold)"): [0, 0.5], ("gradcam", "weight"): [1, 1]}
    values["weighted", "iou(segmenter=sam, points=4)"] = [1, 1]
    values["weighted", "iou(segmenter=sam, cues=box)"] = [0.6, 0.8]
    found = protocol.utility(made(values), ["sam"]).set_index(["panel", "method"])["mean"]
    told = ["gradcam", "weighted", "weighted | cues=box", "random", "uniform_points", "truth"]
    assert list(found.loc["sam"].index) == told
    assert found["threshold", "gradcam"] == 0.25 and found["sam", "weighted | cues=box"] == pytest.approx(0.7)


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
    curve = protocol.along(rows, "iou(segmenter=sam)", "points", 5, ["mean", "absent"])
    assert curve["points"].tolist() == [1, 5, 8]
    assert curve["mean"].tolist() == pytest.approx([0.2, 0.5, 0.8])


def test_agreement_is_the_mean_over_images_and_symmetric_under_pinned_options() -> None:
    overlaps = {("gradcam", f"agreement(with={LIME})"): [0.2, 0.6], (LIME, "agreement(with=gradcam)"): [0.2, 0.6]}
    rows = made({("gradcam", "weight"): [1, 1], (LIME, "weight"): [0, 0], **overlaps})
    table = protocol.agreement(rows)
    assert table.to_numpy().tolist() == [[1, 0.4], [0.4, 1]]
    assert list(table) == list(table.index) == ["gradcam", LIME]


def test_the_share_of_the_prior_solved_by_hand() -> None:
    plain = pd.DataFrame({key: [0.25, 0.375, 0.125] * 5 for key in "abcd"})
    gains = {"a": [0.5] * 15, "b": [0.5, 0.625, 0.375] * 5, "c": [0.125, -0.125, 0.0] * 5, "d": [-0.125] * 15}
    walked = {"a": [0.25] * 15, "b": [0.625, 0.625, 0.5] * 5, "c": 0.25, "d": 0.0}
    sam, walker = plain + pd.DataFrame(gains), plain + pd.DataFrame(walked)
    found = protocol.prior_shares(plain, walker, sam, list("abcd")).set_index("method")
    assert found.loc["a", ["gain", "control", "prior"]].tolist() == pytest.approx([0.5, 0.25, 0.25])
    assert found.loc["a", ["share", "share_low", "share_high"]].tolist() == pytest.approx([0.5] * 3)
    assert found.loc["b", "share"] == pytest.approx(-0.25 / 1.5)  # the walker gains more: no prior at all
    assert found.loc["b", "share_low"] <= found.loc["b", "share"] <= found.loc["b", "share_high"]
    assert found.loc[["c", "d"], "share"].isna().all()  # no gain, or a loss, has no share
    few = protocol.prior_shares(plain[:11], walker[:11], sam[:11], ["a"]).iloc[0]
    assert few["gain"] == pytest.approx(0.5) and few[["gain_low", "share"]].isna().all()  # nor so few images


def test_the_share_is_a_ratio_of_means_and_its_interval_shrinks_with_images() -> None:
    rng = np.random.default_rng(0)

    def width(n: int) -> tuple[float, float]:
        plain = pd.DataFrame({"a": rng.uniform(0.1, 0.3, n)})
        walker, sam = plain + rng.uniform(0.1, 0.3, (n, 1)), plain + rng.uniform(0.4, 0.8, (n, 1))
        row = protocol.prior_shares(plain, walker, sam, ["a"]).iloc[0]
        wanted = (sam["a"].mean() - walker["a"].mean()) / (sam["a"].mean() - plain["a"].mean())
        assert row["share"] == pytest.approx(wanted)
        assert row["share_low"] < 2 / 3 < row["share_high"]
        return row["share_low"], row["share_high"]

    few, many = width(12), width(300)
    assert many[1] - many[0] < (few[1] - few[0]) / 2


def test_the_rank_correlation_of_means_is_scipys_and_certain_where_every_image_ranks_alike() -> None:
    rng = np.random.default_rng(1)
    x, y = (pd.DataFrame(rng.random((20, 6)), columns=list("abcdef")) for _ in range(2))
    found = protocol.rank_correlation(x, y)
    assert found.value == pytest.approx(spearmanr(x.mean(), y.mean()).statistic)
    assert found.low <= found.value <= found.high and found.n == 6
    steps = pd.DataFrame(np.arange(6) + 0.1 * rng.random((20, 6)), columns=list("abcdef"))
    assert protocol.rank_correlation(steps, 2 * steps)[:3] == pytest.approx((1, 1, 1))
    assert protocol.rank_correlation(steps, -steps)[:3] == pytest.approx((-1, -1, -1))
    assert math.isnan(protocol.rank_correlation(steps, 0 * steps).value)
    holes = x.mask(rng.random((20, 6)) < 0.2)
    assert protocol.rank_correlation(holes, y).value == pytest.approx(spearmanr(holes.mean(), y.mean()).statistic)
    assert math.isnan(protocol.rank_correlation(x[:11], y[:11]).low)


def test_the_gap_has_each_explainers_means() -> None:
    rows = case(SAM, [0.4] * 5)
    found = protocol.gap(rows, ["coverage"], protocol.masks(rows, "sam")).set_index("method")
    assert list(found.index) == ["gradcam", LIME]
    assert found.loc[LIME, ["x", "y"]].tolist() == pytest.approx([0.6, 0.28])
    assert (found["x_low"] < found["x"]).all() and (found["x"] < found["x_high"]).all()


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
    assert protocol.verdict(low, high, bound, above) == said


def test_the_checklist_solved_by_hand() -> None:
    rows = case(SAM, [0.5, 0.52, 0.48, 0.5, 0.55])
    found = protocol.recommendations(rows, ["sam", "random_walker"], ["coverage"])
    assert found["verdict"].tolist() == [
        HOLDS,  # explainers overlap little
        HOLDS,  # the fusion is better than one taken blindly
        HOLDS,  # and than the best
        HOLDS,  # than thresholding
        HOLDS,  # weights better than the mean
        VIOLATED,  # background points do harm
        HOLDS,  # better than the walker
        HOLDS,  # which is half of the gain
        HOLDS,  # and less of it where neither is told what lies outside
        UNTOLD,  # as good as points that know no map
        HOLDS,  # the more coverage the less utility
    ]
    numbers = found["value"].tolist()
    assert numbers[0] == pytest.approx(0.27)
    assert numbers[2] == pytest.approx(0.81 - 0.61)
    assert numbers[6:9] == pytest.approx([0.3, 0.3 / (0.81 - 0.202), 0.3 / (0.91 - 0.202)])
    assert numbers[10] == -1
    assert "Grad-CAM" in found["check"][2]
    assert (found["n"] == 15).all()
    alone = found.set_index("check").loc[found["check"][2]]
    assert alone[["low", "high"]].isna().all() and alone["wanted"] == "above each, all pairs"


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
    found = protocol.recommendations(rows, ["sam"], [])
    (place,) = np.flatnonzero(found["check"].str.contains("best on other images"))
    return found.loc[place]


@pytest.mark.parametrize(
    ("n", "lead", "said"), [(60, 0.4, HOLDS), (60, -0.4, VIOLATED), (60, 0.0, UNTOLD), (11, 0.8, UNTOLD)]
)
def test_a_fusion_far_from_every_explainer_is_told_from_the_best_where_there_are_images(
    n: int, lead: float, said: str
) -> None:
    assert against_the_best(equal_ways(n, 1, lead))["verdict"] == said


def test_the_checklist_of_explainers_that_agree_and_a_segmenter_worse_than_none() -> None:
    worse = {**SAM, "weighted": [0.1, 0.12, 0.1, 0.1, 0.1], "uniform_points": [0.5] * 5}
    found = protocol.recommendations(case(worse, [0.5] * 5, overlap=0.8), ["sam", "random_walker"], [])
    assert found["verdict"].tolist() == [VIOLATED] * 7 + [UNTOLD, HOLDS, VIOLATED]
    assert math.isnan(found["value"][7])  # a loss has no share


def test_the_checklist_without_a_second_segmenter_leaves_the_prior_untold() -> None:
    rows = case(SAM, [0.5] * 5)
    found = protocol.recommendations(rows, ["sam"], []).set_index("check")
    assert found["verdict"][["IoU of sam − of the random walker, same cues"]].tolist() == [UNTOLD]
    sam, plain = protocol.masks(rows, "sam"), protocol.masks(rows, "threshold")
    assert protocol.control(rows, ["random_walker"]).isna().all(axis=None)
    assert protocol.control(rows, ["sam", "random_walker"])["weighted"].mean() == pytest.approx(0.5)
    row = protocol.prior_shares(plain, protocol.control(rows, ["sam"]), sam, ["weighted"]).iloc[0]
    assert row["gain"] == pytest.approx(0.81 - 0.202) and row["n"] == 15
    assert row[["control", "prior", "share"]].isna().all()
    assert protocol.assisted(["random_walker", "sam"]) == "sam"
    assert protocol.assisted(["random_walker"]) == "random_walker"


def test_the_panel_shows_the_maps_and_masks_that_the_rows_are_of(tmp_path: Path) -> None:
    told = {"dataset": "shapes", "class_map": "shapes", "model": "shapes_vgg11", "samples": 2, "image_size": 64}
    metrics = ["coverage", "coverage(threshold=0.3)"]
    settings = read_settings({**told, "methods": ["gradcam", "scorecam", "random"], "metrics": metrics})
    prompts = Prompting(segmenters=("random_walker",), robustness="stability_noise", counts=(1,), shares=(), apart=4.0)
    rows = read_samples(run_prompted(settings, prompts, tmp_path))
    table = protocol.masks(rows, "random_walker")
    group = group_of(settings.runs()[0], list(table.index))
    keys = ["gradcam", "random", "mean", "weighted"]
    found = protocol.shown(group, rows, prompts, load_segmenter("random_walker"), keys)
    truth = group.target.truth
    assert truth is not None
    for key in keys:
        for index, (one, sample_id) in enumerate(zip(found[key], table.index, strict=True)):
            if one.mask is None:
                assert math.isnan(table.loc[sample_id, key])
                continue
            iou = (one.mask & truth[index]).sum() / (one.mask | truth[index]).sum()
            assert iou.item() == pytest.approx(table.loc[sample_id, key])
            covered = ((one.map >= 0.5) & truth[index]).sum() / truth[index].sum()
            assert covered.item() == pytest.approx(paired(rows, "coverage").droplevel("dataset").loc[sample_id, key])
    cues = {key: [one.cues and (one.cues.points, one.cues.labels) for one in those] for key, those in found.items()}
    maps = {key: [one.map for one in those] for key, those in found.items()}
    masks = {key: [one.mask for one in those] for key, those in found.items()}
    masks["random"][0] = None
    figure = prompt_panel([*group.images], [*truth], maps, cues, masks, ["one", "two"])
    assert len(figure.axes) == 2 * 2 * (1 + len(keys))
    assert [text.get_text() for text in [*figure.axes[7].texts, figure.axes[7].title]] == ["no cues"]


def test_figures_place_every_row_and_panel() -> None:
    rows = case(SAM, [0.4] * 5)
    used = protocol.utility(rows, ["sam"])
    figure = interval_rows(used, "mIoU")
    assert [axes.get_title() for axes in figure.axes] == ["threshold", "sam"]
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == used[used["panel"] == "sam"]["label"].tolist()
    (place,) = figure.axes[0].collections[3].get_offsets()[:, 1]  # the threshold's one row, beside its own label
    assert labels[int(place)] == "fused, weighted"
    between = protocol.gap(rows, ["coverage"], protocol.masks(rows, "sam"))
    scatter = interval_scatter(between.assign(panel="Coverage"), "mIoU")
    assert [text.get_text() for text in scatter.legends[0].get_texts()] == ["Grad-CAM", "LIME"]
    heat = heat_panels({"weight": paired(rows, "weight").dropna().T}, "images")
    assert heat.axes[0].get_title() == "weight"


def test_the_posters_table_is_whole_and_its_columns_are_not_named_as_told() -> None:
    table = wsss_table2()
    assert len(table) == 10 * 3 * 3
    assert table["value"].between(0, 1).all()
    values = table.set_index(["method", "column", "metric"])["value"]
    assert values["weighted", 2, "miou"] == 0.78 and values["kernel_shap", 3, "pointing_game"] == 0.9
    assert "Inferred" in reference()["wsss_table2"]["note"]
