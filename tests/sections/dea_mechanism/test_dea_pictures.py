"""The pictures of a map's anatomy: what is drawn is what the tables say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgba

from segattr_lib.report.style import method_colours
from segattr_lib.sections.dea_mechanism.pictures import (
    PARTS,
    decomposition,
    forest,
    layer_curves,
    option_curves,
    share_plot,
)


def points(collection) -> list[list[float]]:
    return collection.get_offsets().tolist()


def test_every_part_of_a_case_is_drawn_up_to_its_own_maximum_with_its_share_below():
    masks = torch.zeros(2, 6, 6, dtype=torch.bool)
    masks[:, 2:4, 2:4] = True
    parts = {name: torch.rand(2, 6, 6, generator=torch.Generator().manual_seed(1)) * 3 for name in PARTS}
    parts["interaction"][1] = 0  # the two maps nowhere meet
    shares = pd.DataFrame({name: [0.25, 0.5] for name in PARTS})
    shares.loc[1, "interaction"] = np.nan
    cases = pd.DataFrame({"case": ["success", "named"], "difference": [-0.004, np.nan]}, index=["a", "b"])
    figure = decomposition(torch.rand(2, 3, 6, 6), masks, parts, shares, cases)
    panels = np.array(figure.axes).reshape(2, 6)
    assert [axes.get_title() for axes in panels[0]] == ["image and target", *PARTS.values()]
    assert [axes.get_ylabel() for axes in panels[:, 0]] == ["a\nsuccess, +0.00", "b\nnamed"]
    assert [axes.get_xlabel() for axes in panels[0, 1:]] == ["25% on target"] * 5
    assert panels[1, 3].get_xlabel() == "no mass"
    for row, (axes, maps) in enumerate([(panels[0, 1], parts["gradient"]), (panels[1, 5], parts["dea"])]):
        drawn = axes.images[1]
        np.testing.assert_allclose(drawn.get_array(), maps[row], rtol=1e-6)
        assert drawn.get_clim() == pytest.approx((0, float(maps[row].max())))
    assert panels[1, 3].images[1].get_clim()[1] > 0  # of a map of zeros, too


def test_the_share_plot_has_a_dot_an_image_the_mean_with_its_interval_and_the_area():
    shares = pd.DataFrame({"ria": [0.25, 0.75], "ega": [0.5, 0.5]}, index=["a", "b"])
    ends = pd.DataFrame({"mean": [0.5, 0.5], "low": [0.2, np.nan], "high": [0.8, np.nan]}, index=["ria", "ega"])
    (axes,) = share_plot(shares, pd.Series([0.1, 0.3]), ends).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["RIA", "EGA"]
    ria, ega = axes.collections
    assert [x for x, _ in points(ria)] == [0.25, 0.75] and [x for x, _ in points(ega)] == [0.5, 0.5]
    assert all(abs(y - 1) < 0.5 for _, y in points(ega))
    assert to_rgba(ria.get_facecolor()[0], 1) == to_rgba(method_colours(["ria", "ega"])["ria"])
    interval, mean = axes.lines[:2]
    assert list(interval.get_xdata()) == [0.2, 0.8] and list(interval.get_ydata()) == [0, 0]
    assert list(mean.get_xdata()) == [0.5, 0.5]
    assert list(axes.lines[-1].get_xdata()) == [0.2, 0.2]  # the mean area
    first, last = axes.get_ylim()
    assert first > last  # the first method stands above


def test_the_forest_fills_what_is_told_from_zero_and_leaves_out_what_is_not_there():
    rows = [("thin", "gain", -0.5, -0.8, -0.1), ("clutter", "gain", 0.1, -0.2, 0.4), ("thin", "tdd", 0.3, 0.1, 0.5)]
    table = pd.DataFrame(rows, columns=["trait", "outcome", "value", "low", "high"])
    figure = forest(table, {"thin": "thinness", "clutter": "clutter off"}, {"gain": "DEA − EGA", "tdd": "TDD"})
    first, second = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["DEA − EGA", "TDD"]
    assert [text.get_text() for text in first.get_yticklabels()] == ["thinness", "clutter off"]
    interval, dot, other_interval, other_dot = first.lines[:4]
    assert (list(interval.get_xdata()), list(interval.get_ydata())) == ([-0.8, -0.1], [0, 0])
    assert (list(dot.get_xdata()), dot.get_markerfacecolor()) == ([-0.5], "black")
    assert (list(other_interval.get_xdata()), other_dot.get_markerfacecolor()) == ([-0.2, 0.4], "w")
    assert np.isnan(second.lines[3].get_xdata()).all()  # the one that the table does not have


def test_curves_of_settings_are_sorted_with_bands_the_papers_range_and_the_runs_own_ringed():
    rows = [("alpha", 0.8, 0.3, 0.2, 0.4), ("alpha", 0.2, 0.1, 0.0, 0.2), ("grid", 7, -0.1, -0.2, 0.0)]
    table = pd.DataFrame(rows, columns=["option", "value", "difference", "low", "high"]).assign(metric="tdd")
    figure = option_curves(table, ["tdd"], {"alpha": 0.8, "grid": 14}, (0.5, 0.75))
    alpha, grid = figure.axes
    line, ring = alpha.lines[1:]
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([0.2, 0.8], [0.1, 0.3])
    assert (ring.get_xdata().tolist(), ring.get_ydata().tolist()) == ([0.8], [0.3])
    band = alpha.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (0.0, 0.4)
    span = alpha.patches[0].get_extents().transformed(alpha.transData.inverted())
    assert (span.x0, span.x1) == pytest.approx((0.5, 0.75))
    assert grid.lines[1].get_ydata().tolist() == [-0.1] and not len(grid.lines[2].get_xdata())
    assert not grid.patches and grid.get_xlabel() == "cells a side"


def test_layer_curves_run_from_shallow_to_deep_with_a_bar_an_interval():
    rows = [("ega", "net.b", 0.4, 0.3, 0.5), ("ega", "net.a", 0.2, 0.1, 0.3), ("dea", "net.b", 0.6, 0.5, 0.7)]
    table = pd.DataFrame(rows, columns=["method", "layer", "mean", "low", "high"]).assign(metric="tdd")
    (axes,) = layer_curves(table, ["tdd"], ["net.a", "net.b"]).axes
    ega, dea = axes.lines[:2]
    assert ega.get_label() == "EGA" and ega.get_ydata().tolist() == [0.2, 0.4]
    assert np.isnan(dea.get_ydata()[0]) and dea.get_ydata()[1] == 0.6
    assert (dea.get_xdata() > ega.get_xdata()).all()  # bars side by side
    segments = axes.collections[0].get_segments()
    assert [segment[:, 1].tolist() for segment in segments] == [[0.1, 0.3], [0.3, 0.5]]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b"]
    (other,) = layer_curves(table, ["tdd"], ["net.a", "head.b"]).axes
    assert [text.get_text() for text in other.get_xticklabels()] == ["net.a", "head.b"]
