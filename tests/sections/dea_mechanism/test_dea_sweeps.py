"""DEA's settings swept: settings of one map are one method, one test, and cost no pass twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from segattr_lib.benchmark.runner import group_of
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.metrics.null import FIELDS
from segattr_lib.models.engine import counted_passes
from segattr_lib.perturbation import top_fraction
from segattr_lib.sections.dea_mechanism.sweeps import (
    differences,
    means,
    one_at_a_time,
    option_table,
    over_layers,
    over_scalars,
    scalar_table,
)


def test_one_option_moves_at_a_time_and_settings_that_give_one_map_are_one_method(run):
    points = one_at_a_time(run, [0, 0.5, 1], [0, 1], [4, 2])
    assert points.groupby("option")["value"].apply(list).to_dict() == {
        "alpha": [0, 0.5, 0.65, 1],
        "beta": [0, 0.35, 1],
        "grid": [2, 4],
    }
    written = points.set_index(["option", "value"])["written"]
    assert written["alpha", 0] == "ria" and written["grid", 2] == "dea(grid=2)"
    assert {written["alpha", 0.65], written["beta", 0.35], written["grid", 4]} == {"dea"}
    settings = run.changed({"methods": list(dict.fromkeys(written))})
    assert {key.text for key in settings.method_keys()} == set(points["key"])


def test_a_sweep_asks_for_each_gradient_and_each_grid_once(run):
    """Three passes for A_g, grid^2 + 1 for each A_r, TDD and ODD of each map that selects other pixels than one before
    it, and the null once for all."""
    mixed = [
        f"dea(alpha={alpha}, beta={beta}, grid={grid})"
        for grid in (2, 4)
        for beta in (0.0, 0.35)
        for alpha in (0.2, 0.5)
    ]
    written = ["ria", "ria(grid=2)", "ega", *mixed]
    settings = run.changed({"methods": written})
    group = group_of(settings, ["test-00000", "test-00001"])
    with counted_passes(group.score.model) as passes:
        for key in settings.method_keys():
            group.rows_of(key, settings.metrics)
    mask, k = group.target.mask, settings.k[0]
    maps = [group.maps_of(key)[0] for key in settings.method_keys()]
    selected = {
        (image, where.numpy().tobytes())
        for region in (mask, ~mask)
        for of_method in maps
        for image, where in enumerate(top_fraction(of_method, region, k).pixels)
    }
    assert len(selected) < 2 * 2 * len(written)
    assert passes[0] == 2 * (3 + (2**2 + 1) + (4**2 + 1) + len(FIELDS[::20])) + len(selected)


def test_the_corners_of_a_sweep_are_ria_and_ega(run):
    """What `one_at_a_time` takes for granted: DEA is RIA at alpha 0 to the last bit, EGA at alpha 1, beta 0."""
    settings = run.changed({"methods": ["ria", "ega", "dea(alpha=0.0, beta=1.0)", "dea(alpha=1.0, beta=0.0)"]})
    group = group_of(settings, ["test-00000", "test-00001", "test-00002"])
    ria, ega, none, full = (group.maps_of(key)[0] for key in settings.method_keys())
    assert torch.equal(none, ria) and torch.equal(full, ega)
    values = [[row["value"] for row in group.rows_of(key, settings.metrics)[0]] for key in settings.method_keys()]
    assert values[0] == values[2] and values[1] == values[3]


def swept() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two alphas on one grid, and thirteen images, numbered i: TDD i / 10 by RIA, half more by DEA and i / 8 by EGA."""
    points = one_at_a_time(read_settings({"alpha": 0.5}), [0, 0.5], [], [])
    points = points[points["option"] == "alpha"]
    rows = [
        {"run_id": "r", "dataset": "d", "model": "m", "seed": 0, "sample_id": f"s{image}", "class_id": 1}
        | {"method": method, "variant": "", "metric": metric, "k": 0.2, "fill": "mean", "status": "ok"}
        | {"value": sign * value}
        for image in range(13)
        for metric, sign in (("tdd", 1), ("odd_abs", -1))
        for method, value in (("ria", image / 10), ("dea", image / 10 + 0.5), ("ega", image / 8))
    ]
    return points, pd.DataFrame(rows)


def test_a_sweeps_means_and_differences_stand_beside_its_settings():
    points, rows = swept()
    at_points = means(points, rows, ["tdd", "odd_abs"]).set_index(["metric", "value"])
    assert at_points["mean"].to_dict() == pytest.approx(
        {("tdd", 0): 0.6, ("tdd", 0.5): 1.1, ("odd_abs", 0): -0.6, ("odd_abs", 0.5): -1.1}
    )
    assert (at_points["low"] < at_points["mean"]).all() and (at_points["mean"] < at_points["high"]).all()
    assert set(at_points["n"]) == {13}
    tested = differences(points, rows, ["tdd"], "ega").set_index("value")
    assert tested["difference"].to_dict() == pytest.approx({0: -0.15, 0.5: 0.35})
    assert (tested["low"] < tested["difference"]).all() and (tested["difference"] < tested["high"]).all()
    assert tested["n"].tolist() == [13, 13] and tested["win_rate"].tolist() == [0.5 / 13, 1]  # RIA ties once
    assert tested.loc[0.5, "sign_flip_holm"] == pytest.approx(2 * 2 / 2**13)  # two tests, all signs alike
    assert list(differences(points, rows, ["tdd"], "ria")["value"]) == [0.5]  # RIA is not tested against itself


def test_settings_of_one_map_share_a_test_and_its_correction():
    points, rows = swept()
    once = differences(points, rows, ["tdd"])
    both = differences(pd.concat([points, points.assign(option="beta")]), rows, ["tdd"])
    assert len(both) == 2 * len(once)
    assert both["sign_flip_holm"].tolist() == once["sign_flip_holm"].tolist() * 2


def test_layers_and_scalars_that_the_run_has_are_the_plain_methods(run):
    layers = over_layers(["a.1", "a.2"], "a.2", ["gpa", "dea"])
    assert list(layers["key"]) == ["gpa(layer=a.1)", "gpa", "dea(layer=a.1)", "dea"]
    scalars = over_scalars(run, ["ega"])
    assert list(scalars["key"]) == ["ega", "ega(scalar=logit)"]
    texts = [*layers["written"], *scalars["written"]]
    settings = read_settings({"methods": list(dict.fromkeys(texts))})
    assert [key.text for key in settings.method_keys()] == list(dict.fromkeys([*layers["key"], *scalars["key"]]))


def test_a_mean_leaves_out_what_has_no_value():
    points, rows = swept()
    lost = (rows["method"] == "ria") & (rows["sample_id"] == "s12")
    at_zero = means(points, rows.assign(value=rows["value"].mask(lost)), ["tdd"]).iloc[0]
    assert at_zero["mean"] == pytest.approx(sum(range(12)) / 12 / 10) and at_zero["n"] == 12


def test_the_table_of_settings_has_the_difference_the_share_that_gains_and_p():
    columns = ["metric", "option", "value", "difference", "low", "high", "n", "win_rate", "sign_flip_holm"]
    rows = [
        ("tdd", "alpha", 0.0, -0.1, np.nan, np.nan, 3, 0.25, 1.0),
        ("tdd", "grid", 7, 0.2, 0.1, 0.3, 14, 0.75, 0.0125),
    ]
    table = option_table(pd.DataFrame(rows, columns=columns))
    assert list(table.index) == [("α", "0"), ("cells a side", "7")]
    assert table.iloc[0].tolist() == ["-0.100 (n = 3)", "25%", "1.000"]
    assert table.iloc[1].tolist() == ["0.200 [0.100, 0.300]", "75%", "0.013"]


def test_the_table_of_scalars_has_the_change_from_the_scalar_of_the_run():
    about = {"method": ["ega", "ega"], "scalar": ["probability", "logit"], "metric": "tdd"}
    ends = {"low": np.nan, "high": np.nan, "n": 5}
    changes = pd.DataFrame({**about, "difference": 0.25, "low": 0.125, "high": 0.375, "n": 14}).iloc[1:]
    table = scalar_table(pd.DataFrame({**about, "mean": [0.5, 0.75], **ends}), changes)
    assert table.loc[("EGA", "probability")].tolist() == ["0.500 (n = 5)", ""]
    assert table.loc[("EGA", "logit")].to_dict() == {
        "TDD ↑": "0.750 (n = 5)",
        "change in TDD ↑": "0.250 [0.125, 0.375]",
    }
