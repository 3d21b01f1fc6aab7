"""A record as a multiverse: which universes there are, what the orders of methods have in common, what turns a sign."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from segattr_lib.evidence.universes import (
    SETTINGS,
    Recorded,
    Universe,
    at_grid,
    kendall,
    orders,
    pairs_apart,
    takes_grid,
    tau_by_setting,
    universes,
)
from segattr_lib.models import REPEATED
from segattr_lib.sections.ledger.claims import groups
from segattr_lib.sections.multiverse import CLAIMS, OURS_ALONE
from segattr_lib.sections.multiverse.claims import (
    EXAMINED,
    Claim,
    differences,
    share_by_value,
    shares,
    turns,
    wholly,
)

IMAGES = [f"image {number}" for number in range(20)]


def table(columns: dict[str, float], images: int = 20, gaps: tuple[str, ...] = ()) -> pd.DataFrame:
    """Values of each method, spread by .01 over the images; the first image has none of the methods in gaps."""
    steps = 0.01 * (np.arange(images) - (images - 1) / 2)
    made = pd.DataFrame({key: value + steps * (place + 1) for place, (key, value) in enumerate(columns.items())})
    made.index = pd.Index(IMAGES[:images], name="sample_id")
    for key in gaps:
        made.loc[IMAGES[0], key] = np.nan
    return made


def recorded(tables: dict[tuple[float, str], pd.DataFrame], size: int = 224, region: str = "truth") -> Recorded:
    return Recorded(size, 14, {(k, fill, region, "m"): rows for (k, fill), rows in tables.items()})


FOUR = {"gpa": 0.1, "ega": 0.2, "ria": 0.5, "ria(grid=7)": 0.3, "random_cells": 0.15, "dea": 0.4}


def test_maps_of_interventions_have_a_universe_a_grid_and_others_are_counted_once() -> None:
    record = recorded({(0.2, "mean"): table(FOUR), (0.2, "blur"): table(FOUR)})
    of_gradients = universes([record], ["ega", "gpa"])
    assert [(each.fill, each.grid) for each in of_gradients] == [("mean", None), ("blur", None)]
    of_ria = universes([record], ["ria", "ega"])
    assert [(each.fill, each.grid) for each in of_ria] == [("mean", 7), ("mean", 14), ("blur", 7), ("blur", 14)]
    means = {each.grid: rows["ria"].mean() for each, rows in of_ria.items() if each.fill == "mean"}
    assert means == pytest.approx({7: 0.3, 14: 0.5})
    assert [each.grid for each in universes([record], ["dea", "ega"])] == [14, 14]  # dea(grid=7) was not run


def test_a_control_keeps_its_grain_and_a_method_that_names_a_grid_keeps_that() -> None:
    assert takes_grid("ria") and takes_grid("dea")
    assert not any(map(takes_grid, ("random_cells", "ega", "ria(grid=7)", "adaptive_ria")))
    assert at_grid("ria", 7, 14) == "ria(grid=7)" and at_grid("ria", 14, 14) == "ria"
    assert at_grid("dea(alpha=0.5)", 7, 14) == "dea(alpha=0.5, grid=7)"
    found = universes([recorded({(0.2, "mean"): table(FOUR)})], ["ria", "random_cells"])
    assert {each.grid for each in found} == {7, 14}
    assert all(rows["random_cells"].mean() == pytest.approx(0.15) for rows in found.values())


def test_only_images_with_both_values_count_and_of_two_records_of_a_universe_the_larger() -> None:
    few = recorded({(0.2, "mean"): table({"ega": 0.9, "gpa": 0.1}, images=15)})
    many = recorded({(0.2, "mean"): table({"ega": 0.2, "gpa": 0.1}, gaps=("gpa",))})
    for several in ([few, many], [many, few]):
        ((universe, rows),) = universes(several, ["ega", "gpa"]).items()
        assert universe == Universe(0.2, "mean", None, 224, "truth", "m")
        assert len(rows) == 19 and IMAGES[0] not in rows.index


def test_models_of_one_recipe_are_one_model_of_several_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REPEATED, "m_again", ("m", 1))
    values = Recorded(
        224, 14, {(0.2, "mean", "truth", model): table({"ega": 0.9, "gpa": 0.1}) for model in ("m", "m_again")}
    )
    assert list(universes([values], ["ega", "gpa"])) == [
        Universe(0.2, "mean", None, 224, "truth", "m", training) for training in (0, 1)
    ]


def test_a_difference_is_the_mean_over_images_and_of_leakage_the_median() -> None:
    values = table({"dea": 0.4, "ega": 0.2})
    values.loc[IMAGES[3], "dea"] = 100.0  # a ratio that exploded
    record = {"tdd": [recorded({(0.2, "mean"): values})], "leak_abs": [recorded({(0.2, "mean"): values})]}
    claims = [Claim("a", "", "tdd", "dea", "ega"), Claim("b", "", "leak_abs", "dea", "ega", "below")]
    rows = differences(claims, {"photographs": record}, 0.95).set_index("claim")
    apart = values["dea"] - values["ega"]
    assert rows.loc["a", "value"] == pytest.approx(apart.mean())
    assert rows.loc["b", "value"] == pytest.approx(apart.median())
    assert list(rows["side"]) == [1, -1]  # the second is said to lie below
    # by the sign test the interval of a median of 20 runs from the sixth value to the fifteenth
    assert rows.loc["b", ["low", "high"]].tolist() == pytest.approx(np.sort(apart)[[5, 14]].tolist())


def universe_rows(sides: list[int], low: list[float], high: list[float], **settings: list) -> pd.DataFrame:
    n = len(sides)
    plain = {"k": 0.2, "fill": "mean", "grid": 14, "size": 224, "region": "truth", "model": "m", "training": 0}
    return pd.DataFrame(
        {"claim": ["c"] * n, "data": ["photographs"] * n, "side": sides, "low": low, "high": high}
        | {name: settings.get(name, [value] * n) for name, value in plain.items()}
    )


def test_shares_of_universes_solved_by_hand() -> None:
    rows = universe_rows([1, 1, -1, -1], [0.1, -0.1, -0.3, np.nan], [0.2, 0.3, -0.1, np.nan], k=[0.1, 0.2, 0.3, 0.5])
    assert wholly(rows).tolist() == [1, 0, -1, 0]  # of too few images nothing lies wholly anywhere
    (row,) = shares(rows).to_dict("records")
    assert row == {
        "claim": "c",
        "data": "photographs",
        "universes": 4,
        "sign": 0.5,
        "there": 0.25,
        "against": 0.25,
    }


def test_what_turns_a_sign_is_counted_over_pairs_that_differ_in_nothing_else() -> None:
    k, fill = [0.1, 0.2, 0.3, 0.5] * 2, ["mean"] * 4 + ["blur"] * 4
    sides = [1, 1, 1, 1, -1, -1, -1, 1]  # blur turns three of four
    rows = universe_rows(sides, [0.0] * 8, [0.0] * 8, k=k, fill=fill)
    by_setting = turns(rows)
    assert by_setting.to_dict() == {"k": pytest.approx(3 / 12)}  # four pairs of fills are too few to tell a share
    assert share_by_value(rows, "fill").to_dict() == {"blur": 0.25, "mean": 1.0}
    pairs = pairs_apart(rows)
    assert len(pairs["k"][0]) == 12 and len(pairs["fill"][0]) == 4 and not len(pairs["model"][0])


def test_kendall_is_scipys_tau_b_with_ties_too() -> None:
    rng = np.random.default_rng(5)
    values = rng.integers(0, 4, size=(7, 6)).astype(float)
    taus = kendall(pd.DataFrame(values))
    for first, second in combinations(range(7), 2):
        assert taus[first, second] == pytest.approx(stats.kendalltau(values[first], values[second]).statistic)
    assert np.isnan(kendall(pd.DataFrame([[1.0, 1.0], [1.0, 2.0]]))[0, 1])


def test_orders_turn_round_where_lower_is_better_and_leakage_goes_by_its_median() -> None:
    values = table({"ega": 0.2, "gpa": 0.3})
    values.loc[IMAGES[0], "ega"] = 50.0
    universe = Universe(0.2, "mean", None, 224, "truth", "m")
    assert orders({universe: values}, "odd_abs").loc[:, "ega"].item() == pytest.approx(-values["ega"].mean())
    assert orders({universe: values}, "leak_abs").loc[:, "ega"].item() == pytest.approx(-values["ega"].median())


def test_tau_by_setting_solved_by_hand() -> None:
    index = pd.MultiIndex.from_tuples(
        [(k, fill, 14, 224, "truth", "m", 0) for k in (0.1, 0.2) for fill in ("mean", "blur")], names=SETTINGS
    )
    ordered = pd.DataFrame([[1, 2, 3], [1, 2, 3], [1, 2, 3], [3, 2, 1]], index, ["a", "b", "c"])
    taus = tau_by_setting(ordered)
    assert list(taus.index) == ["k", "fill", "any"]
    assert taus.loc["k"].tolist() == [0.0, -1.0, 0.5, 2]  # (mean: 1 and 3 alike; blur: 2 and 4 turned round)
    assert taus.loc["any", "pairs"] == 6 and taus.loc["any", "same"] == 0.5


def test_claims_are_the_ledgers_own() -> None:
    ledger = {claim.id: claim for group in groups() for claim in group.claims}
    for claim in EXAMINED:
        if claim.id in OURS_ALONE:
            assert claim.id not in ledger
            continue
        named = ledger[claim.id]
        assert (claim.metric, claim.method, claim.over, claim.side) == (
            named.metric,
            named.method,
            named.over,
            named.side,
        )
    assert set(CLAIMS) <= set(ledger)
