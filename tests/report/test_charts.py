"""Figures that several pages share: what is drawn is what the table says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from drawn import collisions
from matplotlib.colors import to_rgba

from segattr_lib.attribution import METHODS, methods_of
from segattr_lib.report.charts import heat_table, interval_dots, interval_lines, interval_plot
from segattr_lib.report.pictures import gallery
from segattr_lib.report.style import method_colours


def test_a_registered_method_keeps_its_colour_whoever_stands_beside_it():
    colours = method_colours(list(METHODS))
    assert method_colours(["dea", "ria"]) == {name: colours[name] for name in ("dea", "ria")}
    segmenting = methods_of("explorer")
    assert len({colours[name] for name in segmenting}) == len(segmenting)


def lines() -> pd.DataFrame:
    rows = [("TDD", "ega", 4, 0.2, 0.1, 0.3), ("TDD", "ega", 8, 0.4, 0.3, 0.5), ("TDD", "random", 4, 0.0, -0.1, 0.1)]
    rows.append(("|ODD|", "ega", 4, 0.7, 0.6, 0.8))
    return pd.DataFrame(rows, columns=["panel", "line", "cells", "mean", "low", "high"])


def test_interval_lines_have_a_band_an_interval_and_the_colours_of_methods():
    first, second = interval_lines(lines(), "cells").axes
    assert [axes.get_title() for axes in (first, second)] == ["TDD", "|ODD|"]
    ega, random = first.lines[:2]
    assert (ega.get_xdata().tolist(), ega.get_ydata().tolist()) == ([4, 8], [0.2, 0.4])
    assert (ega.get_label(), ega.get_linestyle(), random.get_linestyle()) == ("EGA", "-", "--")
    assert to_rgba(ega.get_color()) == to_rgba(method_colours(["ega"])["ega"])
    band = first.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (0.1, 0.5)
    assert second.lines[0].get_ydata().tolist() == [0.7]


def test_marks_are_named_points_and_ticks_of_a_log_axis_stand_apart():
    table = pd.concat([lines().assign(cells=cells) for cells in (4.0, 5.0, 8.0)])
    marks = pd.DataFrame({"panel": "TDD", "name": ["mine", "other"], "cells": [4.0, 8.0], "mean": [0.3, 0.1]})
    first, second = interval_lines(table, "cells", marks, log=True).axes
    assert first.get_xscale() == "log"
    assert first.get_xticks().tolist() == [4.0, 8.0]  # 5 is too near to 4
    assert {text.get_text(): text.xy for text in first.texts} == {"mine": (4.0, 0.3), "other": (8.0, 0.1)}
    assert first.collections[-1].get_offsets().tolist() == [[4.0, 0.3], [8.0, 0.1]]
    assert not second.texts


def test_interval_dots_stand_in_the_order_of_the_first_panel():
    rows = [("a", "ega", 0.2, 0.1, 0.3), ("a", "dea", 0.4, 0.3, 0.5), ("b", "ega", 0.9, 0.8, 1.0)]
    first, second = interval_dots(pd.DataFrame(rows, columns=["panel", "method", "mean", "low", "high"])).axes
    assert [text.get_text() for text in first.get_yticklabels()] == ["DEA", "EGA"]
    interval, dot = first.collections[:2]
    assert interval.get_segments()[0].tolist() == [[0.3, 0], [0.5, 0]]
    assert dot.get_offsets().tolist() == [[0.4, 0]]
    assert second.collections[3].get_offsets().tolist() == [[0.9, 1]]
    assert first.get_ylim()[0] > first.get_ylim()[1]


@pytest.mark.parametrize("shift", [-1.0, -0.5, -0.1, 0.1, 1.0])
@pytest.mark.parametrize("metric", ["arcc", "odd_abs"])
def test_what_stands_above_an_interval_plot_never_collides(metric: str, shift: float):
    """Wherever 0 lies in it, and whichever side is better."""
    keys = ["refinecam(base=gradcam_plus_plus)", "refinecam(base=layercam)"]
    values = {"method": keys, "over": ["gradcam_plus_plus(layer=shallowest)", "layercam"], "metric": metric}
    ends = {"level": 0.95, "difference": shift, "low": shift - 0.2, "high": shift + 0.2}
    rows = pd.DataFrame({**values, **ends, "sign_flip_holm": [0.01, 0.9], "win_rate": [0.5, 1.0]})
    figure = interval_plot(rows)
    assert collisions(figure) == []
    assert any(text.get_text().strip("← →") == "first better" for text in figure.axes[0].texts)


def test_a_heat_table_writes_every_value_and_is_brighter_where_it_is_more():
    (axes,) = heat_table(pd.DataFrame({"x": [0.1, 0.25], "y": [0.5, 1.0]}, index=["a", "b"]), "made", "judged").axes
    assert [text.get_text() for text in axes.texts] == ["0.10", "0.50", "0.25", "1.00"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("made", "judged")
    brightness = axes.collections[0].get_facecolors()[:, :3].sum(axis=1)
    assert brightness.argmax() == 3 and brightness.argmin() == 0


def test_a_gallery_draws_every_map_over_the_grey_image_on_one_scale():
    images = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(2, 6, 6, dtype=torch.bool)
    masks[0, 2:4, 2:4] = True  # the second target is not known
    maps = {"EGA": torch.rand(2, 6, 6), "DEA": torch.rand(2, 6, 6)}
    figure = gallery(list(images), list(masks), {name: list(values) for name, values in maps.items()}, ["a", "b"])
    panels = np.array(figure.axes).reshape(2, 3)
    assert [axes.get_title() for axes in panels[0]] == ["image and target", "EGA", "DEA"]
    assert [axes.get_ylabel() for axes in panels[:, 0]] == ["a", "b"]
    np.testing.assert_array_equal(panels[1, 0].images[0].get_array(), images[1].movedim(0, -1))
    under, over = panels[1, 2].images
    np.testing.assert_allclose(under.get_array()[..., 0], images[1].mean(0), rtol=1e-6)
    np.testing.assert_array_equal(over.get_array(), maps["DEA"][1])
    assert over.get_clim() == pytest.approx((0, 1))
    assert panels[0, 0].collections and not panels[1, 0].collections  # outlined only where there is a target
