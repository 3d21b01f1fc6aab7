"""The page's own figures: what is drawn, and that the cues in the pictures are those that were scored."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.collections import LineCollection

from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import group_of
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.benchmark.store import read_samples
from segattr_lib.inference.paired import paired
from segattr_lib.prompting.cues import Cues
from segattr_lib.prompting.segmenters import load_segmenter
from segattr_lib.sections.wsss_sam2.charts import heat_panels, interval_rows, interval_scatter
from segattr_lib.sections.wsss_sam2.pictures import CuedMap, cue_panel, cued_maps
from segattr_lib.sections.wsss_sam2.rows.cueing import CueSettings
from segattr_lib.sections.wsss_sam2.rows.masks import Way, ways_to_masks
from segattr_lib.sections.wsss_sam2.rows.run import run_with_cues
from segattr_lib.sections.wsss_sam2.ways import masks

CUEING = CueSettings(("random_walker",), robustness="stability_noise", counts=(1,), shares=(), apart=4.0)
BLUE, GREY = mpl.colors.to_rgba("tab:blue"), mpl.colors.to_rgba("0.6")


def interval_table() -> pd.DataFrame:
    rows = [("a", "x", 0.2, True), ("b", "x", 0.5, False), ("b", "y", -0.1, True)]
    table = pd.DataFrame(rows, columns=["label", "panel", "mean", "apart"])
    return table.assign(low=table["mean"] - 0.1, high=table["mean"] + 0.2)


def test_rows_lie_at_their_labels_blue_where_they_are_apart() -> None:
    figure = interval_rows(interval_table(), "IoU")
    assert [axes.get_title() for axes in figure.axes] == ["x", "y"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["a", "b"]
    for axes, expected in zip(figure.axes, [{BLUE: [(0, 0.2)], GREY: [(1, 0.5)]}, {BLUE: [(1, -0.1)]}], strict=True):
        assert axes.get_xlabel() == "IoU"
        lines, points = {}, {}
        for drawn in axes.collections:
            if isinstance(drawn, LineCollection):
                lines[tuple(drawn.get_color()[0])] = [segment.tolist() for segment in drawn.get_segments()]
            elif len(drawn.get_offsets()):
                points[tuple(drawn.get_facecolor()[0])] = [(y, pytest.approx(x)) for x, y in drawn.get_offsets()]
        assert points == expected
        for colour, spots in expected.items():
            ends = [[[pytest.approx(x - 0.1), y], [pytest.approx(x + 0.2), y]] for y, x in spots]
            assert lines[colour] == ends
    without = interval_rows(interval_table().drop(columns="apart"), "IoU")
    lines = [drawn for drawn in without.axes[0].collections if isinstance(drawn, LineCollection)]
    assert {tuple(drawn.get_color()[0]) for drawn in lines if drawn.get_segments()} == {BLUE}


def test_a_scatter_has_every_explainer_at_its_two_values_with_both_intervals() -> None:
    table = pd.DataFrame({"method": ["gradcam", "lime(samples=8)"], "panel": "Coverage", "x": [0.1, 0.6]})
    table = table.assign(y=[0.7, 0.3], x_low=[0.0, 0.5], x_high=[0.2, 0.7], y_low=[0.6, 0.2], y_high=[0.8, 0.4])
    figure = interval_scatter(table, "mIoU")
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Coverage", "mIoU")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Grad-CAM", "LIME"]
    across, up, spot = axes.collections[3:6]
    assert across.get_segments()[0].tolist() == [[0.5, 0.3], [0.7, 0.3]]
    assert up.get_segments()[0].tolist() == [[0.6, 0.2], [0.6, 0.4]]
    assert spot.get_offsets().tolist() == [[0.6, 0.3]]


def test_heat_maps_show_their_tables_with_rows_named_once() -> None:
    first = pd.DataFrame([[0.1, 0.2], [0.3, math.nan]], ["Grad-CAM", "LIME"])
    figure = heat_panels({"focus": first, "weight": 2 * first}, "images")
    assert [axes.get_title() for axes in figure.axes[:2]] == ["focus", "weight"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["Grad-CAM", "LIME"]
    for axes, table in zip(figure.axes, (first, 2 * first), strict=False):
        drawn = np.ma.filled(axes.collections[0].get_array(), np.nan).reshape(2, 2)
        np.testing.assert_array_equal(drawn, table)


def test_a_panel_draws_maps_points_and_masks_and_says_where_there_are_none() -> None:
    image, truth = torch.rand(3, 8, 8), torch.zeros(8, 8, dtype=torch.bool)
    truth[2:4, 2:4] = True
    cues = Cues(torch.tensor([[3.0, 2.0], [5.0, 6.0]]), torch.tensor([1, 0]))
    own, none = CuedMap(torch.rand(8, 8), cues, truth), CuedMap(torch.zeros(8, 8), None, None)
    figure = cue_panel([image], [truth], {"": {"Grad-CAM": [own], "flat": [none]}}, ["title"])
    above, below = figure.axes[:3], figure.axes[3:]
    assert [axes.get_title() for axes in above] == ["image and truth", "Grad-CAM", "flat"]
    assert above[0].get_ylabel() == "title"
    np.testing.assert_array_equal(above[1].images[1].get_array(), own.map)
    np.testing.assert_allclose(below[1].images[1].get_array()[..., 3], 0.6 * truth.double())
    for axes in (above[1], below[1]):
        inside, outside = axes.collections[-2:]
        assert inside.get_offsets().tolist() == [[3, 2]] and outside.get_offsets().tolist() == [[5, 6]]
        assert tuple(outside.get_facecolor()[0]) == mpl.colors.to_rgba("red")
    assert below[2].get_title() == "no cues" and len(below[2].images) == 1


def settings_of() -> Settings:
    about = {"dataset": "shapes", "class_map": "shapes", "model": "shapes_vgg11", "samples": 2, "image_size": 64}
    metrics = ["coverage", "coverage(threshold=0.3)"]
    return read_settings({**about, "methods": ["gradcam", "scorecam", "random"], "metrics": metrics})


def test_the_panel_shows_the_maps_and_masks_that_the_rows_are_of(tmp_path: Path) -> None:
    rows = read_samples(run_with_cues(settings_of(), CUEING, tmp_path))
    table, coverage = masks(rows, "random_walker"), paired(rows, "coverage").droplevel("dataset")
    group = group_of(settings_of().runs()[0], list(table.index))
    methods = ["gradcam", "random", "mean", "weighted"]
    pictured = cued_maps(group, rows, CUEING, load_segmenter("random_walker"), methods)
    truth = group.target.truth
    assert truth is not None
    for method in methods:
        for index, (shown, sample_id) in enumerate(zip(pictured[method], table.index, strict=True)):
            if shown.mask is None:
                assert math.isnan(table.loc[sample_id, method])
                continue
            iou = (shown.mask & truth[index]).sum() / (shown.mask | truth[index]).sum()
            assert iou.item() == pytest.approx(table.loc[sample_id, method])
            covered = ((shown.map >= 0.5) & truth[index]).sum() / truth[index].sum()
            assert covered.item() == pytest.approx(coverage.loc[sample_id, method])


def test_the_pictured_cues_are_the_scored_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point for point: what a segmenter was asked while the rows were made, and what the panel draws."""
    asked: dict[tuple[str, str], Cues | str] = {}

    def noted(group: Group, index: int, *about: Any) -> list[Way]:
        ways = ways_to_masks(group, index, *about)
        asked.update({(group.samples[index].sample_id, way.method.text): way.cues for way in ways if not way.how})
        return ways

    monkeypatch.setattr("segattr_lib.sections.wsss_sam2.rows.masks.ways_to_masks", noted)
    rows = read_samples(run_with_cues(settings_of(), CUEING, tmp_path))
    names = list(masks(rows, "random_walker").index)
    group = group_of(settings_of().runs()[0], names[::-1])  # others beside an image, and in another order
    methods = ["random", "weighted", "mean", "gradcam", "scorecam"]
    pictured = cued_maps(group, rows, CUEING, load_segmenter("random_walker"), methods)
    compared = 0
    for method in methods:
        for sample_id, shown in zip(names[::-1], pictured[method], strict=True):
            scored = asked[sample_id, method]
            assert isinstance(scored, str) == (shown.cues is None)
            if isinstance(scored, Cues) and shown.cues is not None:
                assert torch.equal(scored.points, shown.cues.points)
                assert torch.equal(scored.labels, shown.cues.labels)
                compared += 1
    assert compared > len(methods)
