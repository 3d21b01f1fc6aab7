"""The benchmark's pictures: what is drawn is what the rows say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from run_rows import TDD, run_rows, runs

from segattr_lib.registry import UserError
from segattr_lib.report.style import method_colours
from segattr_lib.sections.benchmark.charts import curves, dot_plot, rank_heatmap, trade_off
from segattr_lib.sections.benchmark.per_run import ranking
from segattr_lib.sections.benchmark.tables import wide

LABELS = ["RIA (grid=2)", "RIA", "EGA", "DEA (alpha=1.0, beta=0.0)", "DEA"]


def test_pictures_show_every_variant():
    labels = {"RIA (grid=2)", "RIA", "EGA", "DEA (alpha=1.0, beta=0.0)", "DEA"}
    dots = dot_plot(runs(), ["tdd"])
    assert {text.get_text() for text in dots.axes[0].get_yticklabels()} == labels
    scatter = trade_off(runs(), ["passes"])
    assert {text.get_text() for text in scatter.legends[0].get_texts()} == labels
    along = pd.concat([run_rows(TDD).assign(k=k) for k in (0.2, 0.5)])
    lines = curves(along, ["tdd"])
    assert {text.get_text() for text in lines.legends[0].get_texts()} == labels
    drawn = {line.get_label(): line.get_ydata().tolist() for line in lines.axes[0].lines}
    assert drawn["RIA (grid=2)"] == pytest.approx([0.8, 0.8]) and drawn["RIA"] == pytest.approx([0.55, 0.55])
    with pytest.raises(UserError, match="one data set, k and evaluation fill"):
        curves(pd.concat([along, along.assign(fill="blur")]), ["tdd"])


def test_ranks_are_written_into_the_heat_map():
    rows = pd.concat([runs(), run_rows({("ria", ""): (3.0,), ("ega", ""): (5.0,)}, "leak_abs")])
    rows = rows[rows["variant"] == ""]
    (axes,) = rank_heatmap(ranking(wide(rows, ["tdd", "leak_abs"]))).axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["TDD ↑", "LeakAbs ↓, median"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["RIA", "EGA", "DEA"]
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(0.5, 0.5): "1", (0.5, 1.5): "2", (0.5, 2.5): "3", (1.5, 0.5): "1", (1.5, 1.5): "2"}


def test_a_dot_is_a_run_and_the_bar_their_mean():
    (axes,) = dot_plot(run_rows(TDD), ["tdd"]).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == LABELS
    dots = [collection.get_offsets().tolist() for collection in axes.collections]
    assert dots[1] == [[0.5, 1], [0.6, 1]]  # RIA
    bars = [line.get_xdata()[0] for line in axes.lines[:-1]]
    assert bars == pytest.approx([0.8, 0.55, 0.4, 0.1, 0.375])
    assert axes.lines[-1].get_xdata() == [0, 0]  # chance
    assert axes.yaxis_inverted()


def test_the_trade_off_has_a_small_point_a_run_and_a_large_one_at_their_mean():
    rows = pd.concat([run_rows(TDD), run_rows({("ria", ""): (2.0, 4.0), ("ega", ""): (1.0, 1.0)}, "passes", None)])
    (axes,) = trade_off(rows[rows["variant"] == ""], ["passes"]).axes
    small, large = axes.collections[:2]
    assert small.get_offsets().tolist() == [[2.0, 0.5], [4.0, 0.6]]
    np.testing.assert_allclose(large.get_offsets(), [[3.0, 0.55]])
    assert large.get_label() == "RIA" and large.get_sizes()[0] > small.get_sizes()[0]
    assert axes.get_xscale() == "symlog" and axes.get_ylabel() == "TDD ↑"


def test_a_curves_band_is_the_deviation_over_runs_and_a_controls_line_is_dashed():
    values = {("ria", ""): (0.5, 0.7), ("random", ""): (0.1, 0.1)}
    along = pd.concat([run_rows(values).assign(k=k, mean=lambda rows, k=k: rows["mean"] * k) for k in (0.5, 1.0)])
    (axes,) = curves(along, ["tdd"]).axes
    line, control = axes.lines
    assert line.get_xdata().tolist() == [0.5, 1.0]
    assert line.get_ydata() == pytest.approx([0.3, 0.6])
    assert (line.get_linestyle(), control.get_linestyle()) == ("-", "--")
    assert to_rgba(line.get_color()) == to_rgba(method_colours(["ria"])["ria"])
    ends = axes.collections[0].get_paths()[0].vertices
    deviation = np.std([0.5, 0.7], ddof=1)
    assert ends[ends[:, 0] == 1.0][:, 1].min() == pytest.approx(0.6 - deviation)
    assert ends[ends[:, 0] == 1.0][:, 1].max() == pytest.approx(0.6 + deviation)
