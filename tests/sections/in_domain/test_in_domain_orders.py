"""The orders of methods by each judge, held against cases solved by hand and against scipy's own tau."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from segattr_lib.evidence.plans import read_plan
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.models import IN_DOMAIN
from segattr_lib.sections.in_domain import claims, kinds
from segattr_lib.sections.in_domain.orders import (
    PAIRS,
    WAYS,
    Rows,
    above,
    agreements,
    beside_truth,
    by_way,
    left_out,
    mean_of_each,
    place_of,
    without_controls,
)
from segattr_lib.sections.ledger import claims as ledger

METHODS = ("ria", "dea", "ega", "random")


def run_rows(values: dict[str, np.ndarray], scores: dict[str, list[float]], model: str = "m") -> pd.DataFrame:
    """Rows of one run: by metric an array (images, METHODS), and by kind of score a value an image."""
    rows = []
    images = len(next(iter(values.values())))
    for image in range(images):
        about = {"run_id": model, "dataset": "d", "model": model, "seed": 0, "sample_id": f"image {image:02d}"}
        for kind, of_images in scores.items():
            rows.append({**about, "metric": kind, "value": of_images[image], "status": "ok"})
        for metric, array in values.items():
            for method, value in zip(METHODS, array[image], strict=True):
                where = {"k": 0.2, "fill": "mean"} if metric != "truth" else {}
                named = {"method": method, "variant": "", "metric": metric, **where}
                rows.append({**about, **named, "value": value, "status": "ok"})
    return pd.DataFrame(rows)


def noisy(order: list[float], images: int = 30, spread: float = 0.3, seed: int = 0) -> np.ndarray:
    return np.array(order) + spread * np.random.default_rng(seed).normal(size=(images, len(METHODS)))


def made(images: int = 30, spread: float = 0.3) -> Rows:
    """The model puts noise first, excess and the copy last, as the truth does; the copy explained turns all around."""
    scores = [0.9] * images
    plain = {"tdd": noisy([3, 2, 1, 4], images, spread, 1), "excess_tdd": noisy([3, 2, 1, 0], images, spread, 2)}
    truth = noisy([4, 3, 2, 1], images, 0.01, 5)
    judged = {"tdd": noisy([3, 2, 1, 0], images, spread, 3), "truth": truth}
    copy = {"tdd": noisy([0, 1, 2, 3], images, spread, 4), "truth": truth}
    return Rows(
        run_rows(plain, {"score": scores}),
        run_rows(judged, {"score": scores, "score_explained": scores}),
        run_rows(copy, {"score": scores}, "copy"),
    )


def test_every_way_takes_its_values_from_its_run_on_the_same_images():
    rows = made()
    tables = by_way(rows, "tdd", 0.2, "mean", 0.3)
    assert list(tables) == list(WAYS)
    assert {tuple(table.columns) for table in tables.values()} == {METHODS}
    first = tables["plain"].index[0]
    for way, run, metric in (
        ("plain", rows.plain, "tdd"),
        ("excess", rows.plain, "excess_tdd"),
        ("judged", rows.judged, "tdd"),
        ("copy", rows.copy, "tdd"),
    ):
        mine = run[(run["metric"] == metric) & (run["sample_id"] == first[1])]
        assert list(mine["value"]) == list(tables[way].loc[first])


def test_an_image_counts_if_both_models_score_it_well_and_every_value_is_there():
    images = 5
    well, scores = [0.9] * images, [0.9, 0.2, 0.9, 0.9, 0.9]
    values = {"tdd": noisy([1, 2, 3, 4], images), "excess_tdd": noisy([1, 2, 3, 4], images)}
    lost = {"tdd": values["tdd"].copy()}
    lost["tdd"][4, 2] = np.nan
    rows = Rows(
        run_rows(values, {"score": well}),
        run_rows({"tdd": values["tdd"]}, {"score": [0.9, 0.9, 0.1, 0.9, 0.9], "score_explained": scores}),
        run_rows(lost, {"score": well}, "copy"),
    )
    kept = by_way(rows, "tdd", 0.2, "mean", 0.3)
    assert [list(table.index.get_level_values("sample_id")) for table in kept.values()] == [
        ["image 00", "image 03"]
    ] * 4
    assert len(by_way(rows, "tdd", 0.2, "mean", None)["plain"]) == 4


def test_taus_are_those_of_the_means_and_their_intervals_hold_them():
    tables = by_way(made(), "tdd", 0.2, "mean", 0.3)
    table = agreements(tables, 0.95, 0).set_index(["first", "second"])
    assert list(table.index) == PAIRS
    for first, second in PAIRS:
        expected = stats.kendalltau(tables[first].mean(), tables[second].mean()).statistic
        row = table.loc[(first, second)]
        assert row["value"] == pytest.approx(expected)
        assert row["low"] <= row["value"] <= row["high"] and row["n"] == 30
    assert table.loc[("excess", "judged"), "value"] == 1
    assert table.loc[("excess", "copy"), "value"] == -1
    assert table.loc[("plain", "judged"), "value"] == 0  # 3 pairs alike, 3 turned


def test_an_interval_of_tau_is_that_of_orders_of_images_drawn_anew():
    """Of noisy methods it is wide, of sure ones a point; few images have none."""
    wide = agreements(by_way(made(spread=6.0), "tdd", 0.2, "mean", None), 0.95, 0)
    sure = agreements(by_way(made(spread=0.01), "tdd", 0.2, "mean", None), 0.95, 0)
    assert (wide["high"] - wide["low"]).min() > 0.3
    assert (sure["high"] == sure["low"]).all() and (sure["low"] == sure["value"]).all()
    few = agreements(by_way(made(images=FEWEST - 1), "tdd", 0.2, "mean", None), 0.95, 0)
    assert few["low"].isna().all() and few["value"].notna().all()


def test_the_way_that_orders_as_the_truth_does_is_told():
    rows = made(spread=0.7)
    taus, nearer = beside_truth(by_way(rows, "tdd", 0.2, "mean", 0.3), rows, "truth", 0.95, 0)
    mean = taus.set_index("way")["mean"]
    image = ("d", "image 07")
    tables = by_way(rows, "tdd", 0.2, "mean", 0.3)
    assert mean["judged"] > 0.6 and mean["excess"] > 0.6
    assert mean["copy"] < -0.6 and abs(mean["plain"]) < 0.2
    apart = nearer.set_index("way")
    assert list(apart.index) == ["excess", "judged", "copy"]
    assert apart.loc["judged", "low"] > 0 > apart.loc["copy", "high"]
    assert apart.loc["judged", "mean"] == pytest.approx(mean["judged"] - mean["plain"])
    truth = rows.judged[(rows.judged["metric"] == "truth") & (rows.judged["sample_id"] == image[1])]["value"]
    of_one, _ = beside_truth({way: table.loc[[image]] for way, table in tables.items()}, rows, "truth", 0.95, 0)
    for way, value in zip(of_one["way"], of_one["mean"], strict=True):
        assert value == pytest.approx(stats.kendalltau(tables[way].loc[image], truth).statistic)


def test_means_are_a_panel_a_way():
    tables = by_way(made(), "tdd", 0.2, "mean", 0.3)
    table = mean_of_each(tables, 0.95, 0)
    assert list(dict.fromkeys(table["panel"])) == list(WAYS.values())
    assert list(table["mean"][:4]) == pytest.approx(list(tables["plain"].mean()))


def test_methods_above_a_control_are_named_the_highest_first():
    tables = by_way(made(), "tdd", 0.2, "mean", 0.3)
    assert above(tables["plain"], "random") == []
    assert above(tables["judged"], "random") == ["ria", "dea", "ega"]


def test_places_and_what_is_not_ranked():
    tables = by_way(made(), "tdd", 0.2, "mean", 0.3)
    assert [place_of(tables["plain"], method) for method in METHODS] == [2, 3, 4, 1]
    assert [place_of(tables["judged"], method) for method in METHODS] == [1, 2, 3, 4]
    assert left_out([*METHODS, "depth"], tables) == ["depth"]
    assert list(without_controls(tables)["copy"]) == ["ria", "dea", "ega"]


def test_a_value_that_a_constant_decides_leaves_its_image_out_and_a_method_of_mostly_such_itself():
    rows = made()
    of_maps = rows.judged["metric"] == "tdd"
    named = rows.judged["sample_id"].isin([f"image {place:02d}" for place in range(20)])
    once = rows.judged["sample_id"] == "image 03"
    degenerate = of_maps & ((rows.judged["method"] == "ega") & named | (rows.judged["method"] == "dea") & once)
    judged = rows.judged.assign(status=rows.judged["status"].mask(degenerate, "degenerate"))
    tables = by_way(Rows(rows.plain, judged, rows.copy), "tdd", 0.2, "mean", 0.3)
    for table in tables.values():
        assert list(table) == ["ria", "dea", "random"]
        assert len(table) == 29 and ("d", "image 03") not in table.index


def test_claims_are_decided_as_the_ledger_decides_them():
    """Its own claims of the record in which the copy judges, by the same rule on the same images."""
    ours = {claim.id: claim for group in ledger.groups() for claim in group.claims if claim.page == "in_domain"}
    for name, claim in ours.items():
        noise = name.endswith("_above_noise")  # on photographs alone are holes of pixels in domain
        assert list(claim.records) == ["judged_photographs", "judged_scenes"][: 1 if noise else 2]
    differences = {name: claim for name, claim in ours.items() if claim.kind == "difference"}
    assert set(differences) == set(claims.CLAIMS)
    for name, (_, method, over) in claims.CLAIMED.items():
        assert (differences[name].method, differences[name].over) == (method, over)
    rows = made(spread=2.0).judged
    table = claims.verdicts(rows, "tdd", 0.2, "mean")
    decided = pd.DataFrame(ledger._of_record(list(differences.values()), "judged_photographs", rows))
    decided = decided.set_index("id").loc[table.index]
    assert list(table["verdict"]) == list(decided["verdict"])
    assert len(set(table["verdict"])) > 1
    for column in ("value", "low", "high", "n", "p"):
        assert list(table[column]) == pytest.approx(list(decided[column]))


def test_where_noise_is_claimed_about_its_holes_are_in_domain():
    table = kinds.read_kinds(IN_DOMAIN).query("kind == 'pixels' and fill == 'mean'").set_index("model")["known"]
    known = {name for name in ("judged_photographs", "judged_scenes") if table[read_plan(name).settings.model[0]]}
    of_noise = [
        claim
        for group in ledger.groups()
        for claim in group.claims
        if claim.id.startswith("in_domain") and claim.over == "random"
    ]
    assert known == {"judged_photographs"} and all(set(claim.records) == known for claim in of_noise)


def test_claims_of_methods_that_were_not_run_stay_open():
    rows = made().judged
    without = rows[rows["method"] != "ega"]
    table = claims.verdicts(without, "tdd", 0.2, "mean")
    assert "in_domain_dea_above_ega" not in table.index and len(table) == len(claims.CLAIMS) - 1
    shown = claims.claims_table({"photographs": claims.verdicts(rows, "tdd", 0.2, "mean"), "scenes": table})
    says = claims.CLAIMED["in_domain_dea_above_ega"][0]
    assert shown.loc[says, "scenes"] == "–" and shown.loc[says, "photographs"].startswith("holds: 1.0")
    assert len(claims.claims_table({})) == 0
    strange = claims.verdicts(rows, "tdd", 0.2, "mean", pixels=False)
    assert list(strange.index) == ["in_domain_ria_above_dea", "in_domain_dea_above_ega"]
