"""The verdict above chance: rows made by hand, and what follows from them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from segattr_lib.benchmark.statistics import run_level
from segattr_lib.inference.chance import above_chance, controls_of
from segattr_lib.report import tables

METHODS = {"ria": 0.3, "gpa": 0.09, "ega": -0.1}
CONTROLS = {"random": 0.0, "depth": 0.1, "ground_truth": 0.5}


def rows_of(images: int, tied: dict[str, float] | None = None) -> pd.DataFrame:
    """Excess TDD of each method about its mean, spread .04; the truth's selections are all decided by a constant."""
    rng = np.random.default_rng(0)
    about = {"run_id": "r", "dataset": "d", "model": "m", "seed": 0, "class_id": 1, "variant": "", "reason": None}
    rows = []
    for number, (method, mean) in product(range(images), {**METHODS, **CONTROLS}.items()):
        sample = {**about, "sample_id": f"image {number}"}
        scored = {"method": method, "k": 0.2, "fill": "mean", "metric": "excess_tdd"}
        status = "degenerate" if method == "ground_truth" else "ok"
        rows.append({**sample, **scored, "value": mean + 0.04 * rng.standard_normal(), "status": status})
        share = (tied or {}).get(method, 0.0) if number % 2 else 0.0
        rows.append({**sample, **scored, "fill": None, "metric": "tied_share", "value": share, "status": "ok"})
    whole = [{**about, "sample_id": f"image {number}", "metric": "score"} for number in range(images)]
    return pd.DataFrame([*rows, *({**row, "value": 0.9, "status": "ok"} for row in whole)])


def test_a_control_whose_selections_a_constant_decides_is_none_to_be_held_against():
    assert controls_of(rows_of(12)) == ["random", "depth"]


def test_a_method_is_above_chance_only_if_it_is_above_every_control():
    verdicts = above_chance(rows_of(20), 0.2, "mean").set_index("method")
    assert verdicts["verdict"].to_dict() == {"ria": "above chance", "gpa": "not above", "ega": "not above"}
    assert set(verdicts["control"]) == {"depth"}
    assert verdicts.loc["ria", "excess"] == pytest.approx(0.3, abs=0.03)
    assert verdicts.loc["ria", "difference"] == pytest.approx(0.2, abs=0.04)
    assert verdicts.loc["ega", ["p", "p_holm"]].tolist() == [1, 1]  # below a control: no evidence of more than chance
    # Holm over three methods: the smallest p is tripled
    assert verdicts.loc["ria", "p_holm"] == pytest.approx(3 * verdicts.loc["ria", "p"])


def test_fewer_than_twelve_images_decide_nothing():
    assert set(above_chance(rows_of(11), 0.2, "mean")["verdict"]) == {"undecided"}
    shown = tables.chance(above_chance(rows_of(11), 0.2, "mean"))
    assert list(shown.index) == ["RIA", "GPA", "EGA"] and (shown["n"] == 11).all()


def test_images_that_the_model_hardly_sees_are_left_out():
    rows = rows_of(20)
    rows.loc[(rows["metric"] == "score") & rows["sample_id"].isin(["image 1", "image 2"]), "value"] = 0.2
    assert set(above_chance(rows, 0.2, "mean")["n"]) == {18}


def test_means_without_tied_selections_stand_beside_the_others():
    rows = rows_of(12, {"ria": 0.6, "random": 0.5})
    runs = run_level(rows)
    runs = runs[runs["metric"] == "excess_tdd"].set_index("method")
    assert runs["count_untied"].to_dict() == {name: 6 if name == "ria" else 12 for name in {**METHODS, **CONTROLS}}
    values = rows[(rows["metric"] == "excess_tdd") & (rows["method"] == "ria")]["value"].to_numpy()
    assert runs.loc["ria", "mean_untied"] == pytest.approx(values[::2].mean())
    without = run_level(rows[rows["metric"] != "tied_share"])
    assert without["mean_untied"].isna().all() and (without["count_untied"] == 0).all()
