"""Metrics against a known truth: correlations by hand, intervals beside scipy's, choices that must be made."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from segattr_lib.inference.agreement import EVERY, KINDS, WAYS, agreement, all_metrics, correlations, ends, nested
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.inference.correlation import correlation
from segattr_lib.inference.maps import PAPER
from segattr_lib.registry import UserError

INDEX = ["model", "sample_id", "method"]


def maps(models: int = 2, images: int = 8, methods: int = 4, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Maps whose truth depends on image and method; "good" follows it, "weak" a little, "blind" not."""
    rng = np.random.default_rng(seed)
    names = [[f"net{i}" for i in range(models)], [f"im{i}" for i in range(images)], [f"way{i}" for i in range(methods)]]
    index = pd.MultiIndex.from_product(names, names=INDEX)
    shape = (models, images, methods)
    truth = 0.3 * rng.random(shape) + rng.random((1, images, 1)) + rng.random((1, 1, methods))
    noise = rng.normal(size=(3, *shape))
    columns = {"good": truth + 0.1 * noise[0], "weak": truth + noise[1], "blind": noise[2]}
    table = pd.DataFrame({name: values.ravel() for name, values in columns.items()}, index)
    return table, pd.Series(truth.ravel(), index)


def row_of(table: pd.DataFrame, model: str, kind: str, way: str, metric: str) -> pd.Series:
    return table.set_index(["model", "kind", "way", "metric"]).loc[(model, kind, way, metric)]


@pytest.mark.parametrize(("kind", "scipy_has"), [("pearson", stats.pearsonr), ("spearman", stats.spearmanr)])
def test_the_three_ways_are_scipys_correlations_of_images_of_means_and_of_everything(kind, scipy_has) -> None:
    table, truth = maps()
    missing = ("net1", "im3", "way2")
    table.loc[missing, "weak"] = np.nan  # one metric lacks one map: it counts for none
    agreed = agreement(table, truth, resamples=9)
    correlated = correlations(agreed, over="weak")
    assert (agreed.maps, agreed.missing, agreed.images) == (63, 1, 8)
    of_net = table.assign(truth=truth).drop(missing).loc["net1"]
    for metric in table:
        within = [scipy_has(rows[metric], rows["truth"])[0] for _, rows in of_net.groupby("method")]
        means = of_net.groupby("method").mean()
        across, pooled = (scipy_has(rows[metric], rows["truth"])[0] for rows in (means, of_net))
        for way, expected in (("within", np.mean(within)), ("across", across), ("pooled", pooled)):
            row = row_of(correlated, "net1", kind, way, metric)
            assert row["value"] == pytest.approx(expected, abs=1e-12)
            both = [row_of(correlated, f"net{i}", kind, way, metric)["value"] for i in range(2)]
            assert row_of(correlated, EVERY, kind, way, metric)["value"] == pytest.approx(np.mean(both))
            weak = row_of(correlated, "net1", kind, way, "weak")["value"]
            assert row["difference"] == pytest.approx(row["value"] - weak)


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_are_scipys_bca_with_images_resampled_whole(kind) -> None:
    table, truth = maps(models=1, images=12)
    correlated = correlations(agreement(table, truth, resamples=4000), over="weak")
    images = table.index.get_level_values("sample_id").to_numpy()
    for metric in table:
        expected = correlation(table[metric], truth, kind, groups=images)
        row = row_of(correlated, "net0", kind, "pooled", metric)
        assert row["value"] == pytest.approx(expected.value, abs=1e-12)
        assert [row["low"], row["high"]] == pytest.approx([expected.low, expected.high], abs=0.03)


def test_a_method_that_stands_ten_times_tells_no_more_than_once() -> None:
    table, truth = maps(models=1, images=14, methods=1)
    copies = pd.concat({f"way{i}": table.droplevel("method") for i in range(10)}, names=["method"])
    truths = pd.concat({f"way{i}": truth.droplevel("method") for i in range(10)}, names=["method"])
    once = correlations(agreement(table, truth, resamples=300), over="weak")
    often = agreement(copies.reorder_levels(INDEX), truths.reorder_levels(INDEX), resamples=300)
    shown = ["low", "high", "difference_low", "difference_high"]
    for metric in ("good", "blind"):
        for way in ("within", "pooled"):
            many = row_of(correlations(often, over="weak"), "net0", "pearson", way, metric)
            few = row_of(once, "net0", "pearson", way, metric)
            assert many[shown].astype(float).to_numpy() == pytest.approx(few[shown].astype(float).to_numpy())


def test_intervals_hold_the_truth_as_often_as_they_say_and_shrink_with_images() -> None:
    rng = np.random.default_rng(1)
    index = pd.MultiIndex.from_product([["net"], range(30), ["way"]], names=INDEX)
    held, widths = 0, []
    for _ in range(40):
        x = rng.normal(size=30)
        truth = pd.Series(0.6 * x + 0.8 * rng.normal(size=30), index)
        row = correlations(agreement(pd.DataFrame({"x": x}, index), truth, resamples=300), "x").iloc[0]
        held += row["low"] <= 0.6 <= row["high"]
        widths.append(row["high"] - row["low"])
    assert 33 <= held <= 40
    assert 0.2 < np.mean(widths) < 0.8


def test_a_metric_that_is_the_truth_is_first_and_is_chosen_on_every_model() -> None:
    table, truth = maps(models=3, images=14)
    table.insert(0, "itself", truth)
    agreed = agreement(table, truth, resamples=200)
    correlated = correlations(agreed, over="weak")
    both_ends = ends(agreed, over="weak").set_index(["way", "end"])
    highest = both_ends.xs("highest", level="end")
    assert (highest["metric"] == "itself").all() and (both_ends.xs("lowest", level="end")["metric"] == "blind").any()
    assert highest.loc["pooled", "verdict"] == HOLDS and highest["value"].tolist() == pytest.approx([1] * 3)
    assert both_ends.loc[("pooled", "lowest"), "verdict"] == HOLDS
    assert set(ends(agreed, over="weak", among=["good", "weak"])["metric"]) <= {"good", "weak"}
    row = row_of(correlated, EVERY, "pearson", "pooled", "itself")
    assert row[["value", "low", "high"]].tolist() == pytest.approx([1, 1, 1])
    assert row_of(correlated, "net0", "pearson", "pooled", "weak")[["difference", "difference_low"]].tolist() == [0, 0]
    choices = nested(agreed, over="weak")
    assert all(chosen == {"itself": 3} for chosen in choices["chosen"])
    assert choices["value"].tolist() == pytest.approx([1] * 6)
    assert (choices["difference"] == choices["value"] - choices["baseline"]).all()
    assert (choices[choices["way"] != "across"]["low"] > 0).all()  # four means can agree by chance


def test_the_choice_is_made_on_the_other_models_alone() -> None:
    table, truth = maps(models=2, methods=2)
    other = maps(models=2, methods=2, seed=7)[0]["blind"]
    first = table.index.get_level_values("model") == "net0"
    table["best on net0"] = np.where(first, truth, other)
    table["best on net1"] = np.where(first, other, truth)
    agreed = agreement(table[["best on net0", "best on net1", "weak"]], truth, resamples=9)
    pooled = nested(agreed, over="weak").set_index(["kind", "way"]).loc[("pearson", "pooled")]
    values = correlations(agreed, over="weak")
    misled = [
        row_of(values, "net0", "pearson", "pooled", "best on net1")["value"],
        row_of(values, "net1", "pearson", "pooled", "best on net0")["value"],
    ]
    assert pooled["chosen"] == {"best on net1": 1, "best on net0": 1}
    assert pooled["value"] == pytest.approx(np.mean(misled))
    with pytest.raises(UserError, match="two or more"):
        nested(agreement(table.loc[["net0"]], truth.loc[["net0"]], resamples=9), over="weak")


def test_without_a_complete_map_there_is_nothing_to_correlate_and_it_is_said() -> None:
    table, truth = maps()
    with pytest.raises(UserError, match="None of 64 maps"):
        agreement(table, truth * np.nan)
    some = truth.index.get_level_values("sample_id") == "im0"
    of_image = correlations(agreement(table[some], truth[some], resamples=9), over="weak")
    assert of_image["low"].isna().all()
    assert of_image.set_index("way").loc["within", "value"].isna().all()


@pytest.mark.slow
@pytest.mark.parametrize("images", [12, 50])
def test_of_six_equal_metrics_none_is_called_highest_or_lowest(images: int) -> None:
    repeats, wrong, leads = 100, dict.fromkeys(WAYS, 0), []
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=(images, 10)) + 0.3 * np.arange(10)
        names = [["net"], range(images), [f"way{place}" for place in range(10)]]
        index = pd.MultiIndex.from_product(names, names=INDEX)
        values = (truth[..., None] + rng.normal(0, 1.5, (images, 10, 6))).reshape(-1, 6)
        table = pd.DataFrame(values, index, columns=list(PAPER))
        agreed = agreement(table, pd.Series(truth.ravel(), index), seed, 199)
        for way in WAYS:
            wrong[way] += bool((all_metrics(agreed, way=way).p <= 0.05).any(axis=None))
        leads.append(ends(agreed).set_index(["way", "end"])["difference"].xs("highest", level="end"))
    assert max(wrong.values()) <= stats.binom.ppf(0.9995, repeats, 0.05)
    leads = pd.DataFrame(leads)
    assert (leads.mean().abs() < 3.5 * leads.std() / repeats**0.5).all()  # what was chosen elsewhere has no lead


def test_a_lead_of_one_metric_over_five_equal_ones_is_seen_and_few_images_say_nothing() -> None:
    rng = np.random.default_rng(0)
    for images, said in ((40, HOLDS), (11, UNDECIDED)):
        truth = rng.normal(size=(images, 6))
        index = pd.MultiIndex.from_product([["net"], range(images), list("abcdef")], names=INDEX)
        values = truth[..., None] + rng.normal(0, [2, 2, 2, 2, 2, 0.3], (images, 6, 6))
        table = pd.DataFrame(values.reshape(-1, 6), index, columns=list(PAPER))
        agreed = agreement(table, pd.Series(truth.ravel(), index), resamples=499)
        highest = ends(agreed).set_index(["end", "way"]).loc[("highest", "pooled")]
        assert (highest["metric"], highest["verdict"], highest["claim"]) == ("arcc", said, said)
        lowest = ends(agreed).set_index(["end", "way"]).loc[("lowest", "pooled")]
        assert lowest["verdict"] == lowest["claim"] == UNDECIDED
        assert highest["difference"] == 0
    assert PAPER[-1] == "arcc"
    table = table.rename(columns={"arcc": "road", "road": "arcc"})
    whole = pd.concat({place: table.assign(truth=truth.ravel()) for place in range(4)}, names=["copy"])
    whole.index = pd.MultiIndex.from_tuples(
        [("net", f"{copy} {image}", way) for copy, _, image, way in whole.index], names=INDEX
    )
    agreed = agreement(whole.drop(columns="truth"), whole["truth"], resamples=499)
    highest = ends(agreed).set_index(["end", "way"]).loc[("highest", "pooled")]
    assert (highest["metric"], highest["claim"]) == ("road", CONTRADICTED) and highest["difference"] > 0
