"""The paper's claims against rows made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from run_rows import FILLS, filled, run_rows, runs

from segattr_lib.benchmark.statistics import at
from segattr_lib.registry import UserError
from segattr_lib.sections.benchmark.claims import CLAIM_OF, CLAIMS, claims_table, count_held, decided, held
from segattr_lib.sections.benchmark.per_run import fills_of, under_fill, wins


def test_a_claim_is_about_the_plain_variant():
    verdicts = held(runs()).set_index("claim")
    best = verdicts.loc["RIA has the highest TDD"]
    assert best["ours"] == "EGA 0.4, RIA 0.55, DEA 0.375" and best["holds"]
    assert verdicts.loc["DEA's TDD is above EGA's in every run", ["ours", "holds"]].tolist() == ["1 of 2 runs", False]
    other = runs()
    other.loc[(other["method"] == "dea") & (other["variant"] == ""), "variant"] = "beta=2.0"
    assert not held(other)["claim"].str.contains("DEA").any()  # no plain DEA was run


def test_a_claim_without_a_value_is_neither_held_nor_left_out():
    rows = runs()
    rows["mean_robust"] = np.nan
    assert list(held(rows, "mean_robust")["claim"]) == list(held(rows)["claim"])
    assert held(rows, "mean_robust")["holds"].isna().all()


def test_a_tie_is_not_best():
    values = {("ria", ""): (0.5,), ("ega", ""): (0.5,), ("dea", ""): (0.1,)}
    assert not held(run_rows(values)).set_index("claim").loc["RIA has the highest TDD", "holds"]


def test_under_several_fills_claims_are_told_once_a_fill():
    verdicts = held(at(filled(), 0.2, "mean")).set_index(["claim", "fill"])
    assert verdicts.loc[("RIA has the highest TDD", "mean"), "ours"] == "EGA 0.4, RIA 0.55, DEA 0.4"
    assert ("RIA has the highest TDD", "blur") not in verdicts.index  # no map made with blur was judged with the mean
    assert verdicts.loc[("EGA is the most stable", "mean"), "holds"]
    assert not verdicts.loc[("EGA is the most stable", "blur"), "holds"]
    judged = pd.concat([run_rows({**FILLS["mean"], **FILLS["blur"]}, fill="zeros")])  # judged with another fill
    verdicts = held(judged).set_index(["claim", "fill"])["holds"]
    assert verdicts["RIA has the highest TDD", "mean"] and not verdicts["RIA has the highest TDD", "blur"]
    with pytest.raises(UserError, match=r"name one of dea\(fill=mean\), dea\(fill=blur\)"):
        wins(judged, "dea", "ega", "tdd")
    assert wins(judged, "dea(fill=blur)", "ega", "tdd") == (2, 2)
    assert wins(under_fill(judged, "mean"), "dea", "ega", "tdd") == (2, 2)


def test_a_pinned_fill_is_a_variant_and_not_the_method():
    pinned = run_rows({("ega", ""): (0.4,), ("ria", ""): (0.1,), ("ria", "fill=blur"): (0.9,), ("dea", ""): (0.2,)})
    assert fills_of(pinned) == []
    assert under_fill(pinned, None) is pinned
    assert not held(pinned).set_index("claim").loc["RIA has the highest TDD", "holds"]
    assert wins(pinned, "ria", "ega", "tdd") == (0, 1)


def of_images(means, images=20, runs=1, metric="tdd"):
    """Rows of so many images a run: a method's values lie about its mean, or about its mean of each run."""
    rng = np.random.default_rng(1)
    rows = []
    for run in range(runs):
        about = {"run_id": f"run {run}", "dataset": "d", "model": "m", "seed": run, "variant": ""}
        for number in range(images):
            of_image = {**about, "sample_id": f"image {number}", "k": 0.2, "fill": "mean", "status": "ok"}
            rows.append({**of_image, "metric": "score", "value": 0.9, "k": np.nan, "fill": None})
            for method, mean in means.items():
                value = np.atleast_1d(mean)[min(run, np.size(mean) - 1)] + 0.05 * rng.standard_normal()
                rows.append({**of_image, "method": method, "metric": metric, "value": value})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("images", "lead", "verdict"),
    [(20, 0.2, "holds"), (20, -0.2, "contradicted"), (20, 0.0, "undecided"), (11, 0.2, "undecided")],
)
def test_a_lead_is_decided_by_the_images_over_all_pairs(images, lead, verdict):
    rows = of_images({"gpa": 0.3, "ega": 0.3, "ria": 0.3 + lead, "dea": 0.3}, images)
    assert decided(rows, 0.2, "mean")["ria_highest_tdd"] == verdict


@pytest.mark.parametrize(
    ("dea", "verdict"),
    [((0.5, 0.5), "holds"), ((0.5, 0.1), "contradicted"), ((0.5, 0.3), "undecided")],
)
def test_what_is_said_of_every_run_has_to_be_decided_in_each(dea, verdict):
    """Where the means of a run differ by chance alone, it decides nothing, whatever their order."""
    outcomes = decided(of_images({"ega": 0.3, "dea": dea}, runs=2), 0.2, "mean")
    assert outcomes == {"dea_tdd_above_ega": verdict}


def test_of_a_metric_that_is_to_be_low_the_lower_one_is_better():
    rows = of_images({"ega": 0.3, "dea": 0.1}, metric="odd_abs")
    assert decided(rows, 0.2, "mean") == {"dea_odd_below_ega": "holds"}


@pytest.mark.parametrize(
    ("dea", "verdict"),
    [(0.4, "holds"), (0.1, "contradicted"), (0.8, "contradicted"), (0.3, "undecided")],
)
def test_what_lies_between_two_is_decided_on_both_sides(dea, verdict):
    outcomes = decided(of_images({"ega": 0.3, "dea": dea, "ria": 0.6}), 0.2, "mean")
    assert outcomes["dea_tdd_between"] == verdict


def test_what_was_not_run_is_not_decided():
    assert decided(of_images({"ega": 0.3, "ria": 0.6}), 0.2, "mean") == {}


def test_a_claim_stands_under_an_id_of_its_own():
    assert set(held(runs())["id"]) <= set(CLAIMS)
    assert len(set(CLAIMS)) == len({claim.text for claim in CLAIM_OF.values()}) == len(CLAIMS)
    assert all(name.isidentifier() and name.islower() for name in CLAIMS)


def test_the_table_of_claims_says_what_means_well_scored_samples_and_images_decide():
    rows = runs()
    rows.loc[rows["method"] == "ria", "mean_robust"] = 0.0  # over well-scored samples RIA is last
    table = claims_table(rows, {"ria_highest_tdd": "undecided"}).set_index("claim")
    assert list(table.columns) == ["section", "ours", "holds", "holds, s(x) ≥ 0.3", "images decide"]
    best = table.loc["RIA has the highest TDD"]
    assert best.tolist() == ["5.1", "EGA 0.4, RIA 0.55, DEA 0.375", "yes", "no", "undecided"]
    assert table.loc["DEA's TDD is above EGA's in every run", "images decide"] == ""
    rows["mean_robust"] = np.nan
    assert set(claims_table(rows, {})["holds, s(x) ≥ 0.3"]) == {"no value"}


def test_claims_that_hold_are_counted():
    """Of DEA, EGA and RIA in TDD: RIA is first; DEA above EGA in 1 of 2; it does not lie between the two."""
    assert list(held(runs())["id"]) == ["ria_highest_tdd", "dea_tdd_above_ega", "dea_tdd_between"]
    assert count_held(runs()) == "1 of 3"
    assert count_held(runs()[runs()["method"] == "gpa"]) == "0 of 0"
