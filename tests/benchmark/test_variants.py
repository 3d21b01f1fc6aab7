"""Two variants of a method are two methods: no table, count, rank, claim or picture puts them together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from segattr_lib.benchmark.runner import group_of, run_benchmark
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.benchmark.store import read_samples
from segattr_lib.explorer import look
from segattr_lib.registry import UserError
from segattr_lib.report import tables
from segattr_lib.report.labels import short_labels
from segattr_lib.sections.beyond_dea import economy
from segattr_lib.sections.wsss_sam2.ways import labels


def test_a_table_of_intervals_refuses_a_value_that_stands_twice():
    table = pd.DataFrame({"method": ["ria", "dea"], "metric": "tdd", "mean": [0.5, 0.1], "low": 0.0, "high": 1.0})
    assert list(tables.intervals(table, "method", "metric").index) == ["RIA", "DEA"]
    with pytest.raises(ValueError, match="duplicate"):
        tables.intervals(pd.concat([table, table]), "method", "metric")


def test_labels_bear_options_where_these_tell_two_apart():
    keys = ["lime(samples=60)", "lime(samples=200)", "gradcam", "weighted", "weighted(background=0)"]
    assert list(labels(keys).values()) == [
        "LIME (samples=60)",
        "LIME (samples=200)",
        "Grad-CAM",
        "fused, weighted",
        "fused, weighted, no background points",
    ]
    assert labels(["lime(samples=60)"]) == {"lime(samples=60)": "LIME"}
    assert short_labels(["ria(grid=4)", "ria"]) == {"ria(grid=4)": "RIA (grid=4)", "ria": "RIA"}


def test_a_line_of_budgets_is_one_variant():
    values = {"ria(grid=2)": 5, "ria(grid=4)": 17, "ria(grid=2, fill=blur)": 5, "ria(fill=blur, grid=4)": 17}
    about = {"dataset": "d", "model": "m", "seed": 0, "run_id": "r", "status": "ok"}
    rows = [
        {**about, "sample_id": sample, "method": "ria", "variant": key[4:-1], "metric": metric, "k": k, "fill": fill}
        | {"value": passes / 20 if metric != "passes" else passes}
        for sample in ("a", "b")
        for key, passes in values.items()
        for metric in ("tdd", "excess_tdd", "odd_abs", "passes")
        for k, fill in [(np.nan, None) if metric == "passes" else (0.2, "mean")]
    ]
    curve = economy.budget_curve(pd.DataFrame(rows), 0.2)
    assert curve.groupby("line")["method"].unique().map(list).to_dict() == {
        "ria": ["ria(grid=2)", "ria(grid=4)"],
        "ria(fill=blur)": ["ria(grid=2, fill=blur)", "ria(fill=blur, grid=4)"],
    }
    several = pd.DataFrame(rows).assign(fill=lambda table: table["fill"].replace("mean", "blur"))
    with pytest.raises(UserError, match="expected values of one"):
        economy.faithfulness(pd.concat([pd.DataFrame(rows), several]), 0.2)


def test_a_method_that_is_written_twice_is_run_once(tmp_path):
    usual = {"image_size": 64, "metrics": ["tdd"], "grid": 4, "batch_size": 8, "fill": ["mean", "blur"]}
    usual |= {"dataset": "shapes", "model": "shapes_fcn", "samples": 1}
    settings = read_settings({**usual, "methods": ["ria", "ria(fill=mean)", "ega", "ega( window=1 )", "ega(window=1)"]})
    rows = read_samples(run_benchmark(settings, tmp_path / "r"))
    rows = rows[rows["metric"] == "tdd"]
    assert not rows.duplicated(["method", "variant", "fill"]).any()
    assert list(rows["variant"].unique()) == ["fill=mean", "fill=blur", "", "window=1"]


def test_a_side_is_told_from_twelve_images_on_and_only_by_an_interval_off_zero():
    assert tables.side(0.1, 0.3, 12) == "higher than"
    assert tables.side(-0.3, -0.1, 12) == "lower than"
    assert tables.side(-0.1, 0.3, 500) == tables.side(0.0, 0.3, 500) == "not told apart from"
    assert tables.side(np.nan, np.nan, 500) == tables.side(0.1, 0.3, 11) == "not told apart from"


def test_the_explorer_shows_the_value_under_the_fill_whose_deletion_it_draws():
    usual = {"image_size": 64, "grid": 4, "metrics": ["tdd"], "batch_size": 8}
    usual |= {"dataset": "shapes", "model": "shapes_fcn"}
    groups = [
        group_of(read_settings({**usual, "evaluation_fill": fills}), ["test-00000"])
        for fills in (["zeros"], ["zeros", "blur"])
    ]
    alone, several = (look(group, "circle", "ega", 0.2) for group in groups)
    assert several.measures["tdd"] == alone.measures["tdd"]
    assert torch.equal(several.deleted, alone.deleted)
