"""Metrics against a known truth: correlations by hand, intervals beside scipy's, choices that must be made."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import nn

from segattr_lib.benchmark.runner import group_of
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.data.single_shapes import tier_of
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.inference.correlation import correlation
from segattr_lib.metrics.composite import arcc, harmonic_mean
from segattr_lib.registry import UserError
from segattr_lib.sections.arcc_shapes import validity

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


def told(found: pd.DataFrame, model: str, kind: str, way: str, metric: str) -> pd.Series:
    return found.set_index(["model", "kind", "way", "metric"]).loc[(model, kind, way, metric)]


@pytest.mark.parametrize(("kind", "scipy_has"), [("pearson", stats.pearsonr), ("spearman", stats.spearmanr)])
def test_the_three_ways_are_scipys_correlations_of_images_of_means_and_of_everything(kind, scipy_has) -> None:
    table, truth = maps()
    missing = ("net1", "im3", "way2")
    table.loc[missing, "weak"] = np.nan  # one metric lacks one map: it counts for none
    agreement = validity.agreement(table, truth, resamples=9)
    found = validity.correlations(agreement, over="weak")
    assert (agreement.maps, agreement.missing, agreement.images) == (63, 1, 8)
    one = table.assign(truth=truth).drop(missing).loc["net1"]
    for metric in table:
        within = [scipy_has(rows[metric], rows["truth"])[0] for _, rows in one.groupby("method")]
        means = one.groupby("method").mean()
        across, pooled = (scipy_has(rows[metric], rows["truth"])[0] for rows in (means, one))
        for way, expected in (("within", np.mean(within)), ("across", across), ("pooled", pooled)):
            row = told(found, "net1", kind, way, metric)
            assert row["value"] == pytest.approx(expected, abs=1e-12)
            both = [told(found, f"net{i}", kind, way, metric)["value"] for i in range(2)]
            assert told(found, validity.EVERY, kind, way, metric)["value"] == pytest.approx(np.mean(both))
            weak = told(found, "net1", kind, way, "weak")["value"]
            assert row["difference"] == pytest.approx(row["value"] - weak)


@pytest.mark.parametrize("kind", validity.KINDS)
def test_intervals_are_scipys_bca_with_images_resampled_whole(kind) -> None:
    table, truth = maps(models=1, images=12)
    found = validity.correlations(validity.agreement(table, truth, resamples=4000), over="weak")
    images = table.index.get_level_values("sample_id").to_numpy()
    for metric in table:
        expected = correlation(table[metric], truth, kind, groups=images)
        row = told(found, "net0", kind, "pooled", metric)
        assert row["value"] == pytest.approx(expected.value, abs=1e-12)
        assert [row["low"], row["high"]] == pytest.approx([expected.low, expected.high], abs=0.03)


def test_a_method_that_stands_ten_times_tells_no_more_than_once() -> None:
    table, truth = maps(models=1, images=14, methods=1)
    copies = pd.concat({f"way{i}": table.droplevel("method") for i in range(10)}, names=["method"])
    truths = pd.concat({f"way{i}": truth.droplevel("method") for i in range(10)}, names=["method"])
    once = validity.correlations(validity.agreement(table, truth, resamples=300), over="weak")
    often = validity.agreement(copies.reorder_levels(INDEX), truths.reorder_levels(INDEX), resamples=300)
    shown = ["low", "high", "difference_low", "difference_high"]
    for metric in ("good", "blind"):
        for way in ("within", "pooled"):
            many = told(validity.correlations(often, over="weak"), "net0", "pearson", way, metric)
            few = told(once, "net0", "pearson", way, metric)
            assert many[shown].astype(float).to_numpy() == pytest.approx(few[shown].astype(float).to_numpy())


def test_intervals_hold_the_truth_as_often_as_they_say_and_shrink_with_images() -> None:
    rng = np.random.default_rng(1)
    index = pd.MultiIndex.from_product([["net"], range(30), ["way"]], names=INDEX)
    held, widths = 0, []
    for _ in range(40):
        x = rng.normal(size=30)
        truth = pd.Series(0.6 * x + 0.8 * rng.normal(size=30), index)
        row = validity.correlations(validity.agreement(pd.DataFrame({"x": x}, index), truth, resamples=300), "x").iloc[
            0
        ]
        held += row["low"] <= 0.6 <= row["high"]
        widths.append(row["high"] - row["low"])
    assert 33 <= held <= 40
    assert 0.2 < np.mean(widths) < 0.8


def test_a_metric_that_is_the_truth_is_first_and_is_chosen_on_every_model() -> None:
    table, truth = maps(models=3, images=14)
    table.insert(0, "itself", truth)
    agreement = validity.agreement(table, truth, resamples=200)
    found = validity.correlations(agreement, over="weak")
    ends = validity.ends(agreement, over="weak").set_index(["way", "end"])
    highest = ends.xs("highest", level="end")
    assert (highest["metric"] == "itself").all() and (ends.xs("lowest", level="end")["metric"] == "blind").any()
    assert highest.loc["pooled", "verdict"] == HOLDS and highest["value"].tolist() == pytest.approx([1] * 3)
    assert ends.loc[("pooled", "lowest"), "verdict"] == HOLDS
    assert set(validity.ends(agreement, over="weak", among=["good", "weak"])["metric"]) <= {"good", "weak"}
    row = told(found, validity.EVERY, "pearson", "pooled", "itself")
    assert row[["value", "low", "high"]].tolist() == pytest.approx([1, 1, 1])
    assert told(found, "net0", "pearson", "pooled", "weak")[["difference", "difference_low"]].tolist() == [0, 0]
    nested = validity.nested(agreement, over="weak")
    assert all(one == {"itself": 3} for one in nested["chosen"])
    assert nested["value"].tolist() == pytest.approx([1] * 6)
    assert (nested["difference"] == nested["value"] - nested["baseline"]).all()
    assert (nested[nested["way"] != "across"]["low"] > 0).all()  # four means can agree by chance


def test_the_choice_is_made_on_the_other_models_alone() -> None:
    table, truth = maps(models=2, methods=2)
    other = maps(models=2, methods=2, seed=7)[0]["blind"]
    first = table.index.get_level_values("model") == "net0"
    table["best on net0"] = np.where(first, truth, other)
    table["best on net1"] = np.where(first, other, truth)
    agreement = validity.agreement(table[["best on net0", "best on net1", "weak"]], truth, resamples=9)
    pooled = validity.nested(agreement, over="weak").set_index(["kind", "way"]).loc[("pearson", "pooled")]
    values = validity.correlations(agreement, over="weak")
    misled = [told(values, *where)["value"] for where in (
        ("net0", "pearson", "pooled", "best on net1"), ("net1", "pearson", "pooled", "best on net0"))]  # fmt: skip
    assert pooled["chosen"] == {"best on net1": 1, "best on net0": 1}
    assert pooled["value"] == pytest.approx(np.mean(misled))
    with pytest.raises(UserError, match="two or more"):
        validity.nested(validity.agreement(*[one.loc[["net0"]] for one in (table, truth)], resamples=9), over="weak")


def test_without_a_complete_map_there_is_nothing_to_correlate_and_it_is_said() -> None:
    table, truth = maps()
    assert not validity.truth_known(pd.DataFrame({"cosine": truth * np.nan}))
    with pytest.raises(UserError, match="None of 64 maps"):
        validity.agreement(table, truth * np.nan)
    some = truth.index.get_level_values("sample_id") == "im0"
    one = validity.correlations(validity.agreement(table[some], truth[some], resamples=9), over="weak")
    assert one["low"].isna().all()
    assert one.set_index("way").loc["within", "value"].isna().all()


def test_composites_are_arcc_and_what_else_its_parts_make() -> None:
    rng = np.random.default_rng(0)
    parts = pd.DataFrame(rng.random((5, 4)), columns=["average_drop", "complexity", "coherency", "road"])
    parts.loc[0, "road"] = -0.2
    tensors = {name: torch.tensor(values.to_numpy()) for name, values in parts.items()}
    whole = arcc(tensors["coherency"], tensors["complexity"], tensors["road"])
    table = validity.with_composites(parts.assign(arcc=whole.numpy(), adcc=0.5))
    three = [tensors["coherency"], 1 - tensors["complexity"], tensors["road"]]
    assert validity.harmonic(*(pd.Series(one.numpy()) for one in three)).to_numpy() == pytest.approx(whole.numpy())
    every = harmonic_mean(*three, 1 - tensors["average_drop"]).numpy()
    assert table["harmonic, ARCC's parts and 1 − AD"].to_numpy() == pytest.approx(every)
    assert (table["average_drop"] == -parts["average_drop"]).all()
    assert (table["road"] == parts["road"]).all()
    positive = table[parts["road"] > 0]
    means = ["least part", "arcc", "geometric mean", "arithmetic mean"]
    assert (positive[means].diff(axis=1).iloc[:, 1:] > 0).all().all()
    assert (positive["product"].rank() == positive["geometric mean"].rank()).all()
    missing = validity.with_composites(parts.assign(arcc=np.nan, adcc=np.nan, coherency=np.nan))
    assert missing["harmonic, ARCC's parts and 1 − AD"].isna().all()
    assert missing["least part"].isna().all()


def test_scores_of_parts_stand_beside_the_runs_own_metrics_of_the_same_maps() -> None:
    """Two seeds of one model, two methods of which one has options, two samples in another order than the run's."""
    keys = [
        (seed, method, name) for seed in (0, 1) for method in (("lime", "samples=40"), ("half", "")) for name in "ba"
    ]
    about = [{"model": "net", "seed": s, "method": m, "variant": v, "sample_id": name} for s, (m, v), name in keys]
    scores = pd.DataFrame(about).assign(
        **{name: np.arange(8.0) + place for place, name in enumerate(validity.FUNNYBIRDS)}
    )
    scores.loc[7, "contrastivity"] = np.nan  # half, seed 1, sample a
    run = pd.DataFrame(about).assign(dataset="d", run_id="r", k=np.nan, fill=None, metric="road", status="ok")
    table = validity.maps_table(run.assign(value=np.arange(8.0) * 2)[::-1], ["road"])
    both = table.join(validity.parts_table(scores))
    assert len(both) == 4
    assert (both["road"] == both["funnybirds"] * 2).all()
    assert both.loc[("net", "a", "lime(samples=40)"), "funnybirds"] == pytest.approx((1 + 5) / 2)
    assert both["contrastivity"].isna().tolist() == [one == ("net", "a", "half") for one in both.index]


def test_tiers_are_those_the_scenes_were_drawn_in() -> None:
    names = [f"test-{number:05d}" for number in range(20)]
    found = validity.tiers(names, "single_shapes")
    assert sorted(name for those in found.values() for name in those) == names
    assert all(tier_of(name) == tier for tier, those in found.items() for name in those)
    assert validity.tiers(names, "image_folder") == {"all": names}


def test_leads_of_a_trivial_map_are_signed_paired_and_averaged_over_models() -> None:
    values = {
        "half": {"average_drop": [0.1, 0.2, 0.3, 0.2], "road": [0.0, 0.0, 0.0, 0.0]},
        "layercam": {"average_drop": [0.5, 0.6, 0.5, 0.4], "road": [0.5, 0.4, 0.6, 0.5]},
        "scorecam": {"average_drop": [0.1, 0.1, 0.3, 0.1], "road": [-0.1, 0.2, 0.1, np.nan]},
    }
    of = {method: pd.DataFrame(one, pd.Index(range(4), name="sample_id")) for method, one in values.items()}
    one = pd.concat(of, names=["method"])
    table = pd.concat({"net0": one, "net1": one, "net2": one * np.nan}, names=["model"]).reorder_levels(INDEX)
    found = validity.fooled(table, ["half"], ["layercam", "scorecam"], ["average_drop", "road"]).set_index("metric")
    drop, road = found.loc["average_drop"], found.loc["road"]
    assert drop["difference"] == pytest.approx(np.mean([0.2, 0.15, 0.1, 0.05]))  # the lower drop is the better one
    assert (drop["beaten"], drop["of"]) == (1, 2)
    assert road["difference"] == pytest.approx(-np.mean([0.2, 0.3, 0.35, 0.5]))
    assert road["beaten"] == 0 and set(found["verdict"]) == {UNDECIDED}  # of four images
    assert drop["value"] == pytest.approx(0.2)


def trivial(n: int, lead: float, spread: float, seed: int = 0) -> pd.Series:
    """What `fooled` says of a map whose ROAD lies this far above the methods', with the spread of an image's lead."""
    rng = np.random.default_rng(seed)
    base = rng.normal(0.5, 0.2, n)
    columns = {"gradcam": base, "layercam": base, "half": base + rng.normal(lead, spread, n)}
    wide = pd.DataFrame(columns).rename_axis("sample_id").melt(ignore_index=False, var_name="method", value_name="road")
    values = wide.set_index("method", append=True)
    table = pd.concat({"net": values}, names=["model"])
    (row,) = validity.fooled(table, ["half"], ["gradcam", "layercam"], ["road"]).to_dict("records")
    return row


@pytest.mark.parametrize(
    ("n", "lead", "spread", "said"),
    [
        (50, -0.15, 0.2, validity.DOES_NOT_FOOL),
        (50, 0.0, 0.05, validity.FOOLS),  # not told apart, and with so little spread no worse by .05
        (50, 0.0, 0.5, UNDECIDED),  # not told apart is not alike
        (50, 0.4, 0.2, validity.FOOLS),
        (50, -0.02, 0.01, validity.FOOLS),  # worse for certain, by less than the margin
        (12, -0.02, 0.3, UNDECIDED),
        (11, 0.8, 0.01, UNDECIDED),
        (1, 0.8, 0.01, UNDECIDED),
    ],
)
def test_fooling_is_shown_and_not_assumed(n: int, lead: float, spread: float, said: str) -> None:
    row = trivial(n, lead, spread)
    assert (row["verdict"], row["n"], row["fools"]) == (said, n, said == validity.FOOLS)
    assert np.isnan([row["low"], row["high"]]).all() == (n < 12)


def test_a_clearly_worse_map_is_rarely_said_to_fool_at_any_n(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segattr_lib.inference.intervals.RESAMPLES", 499)
    monkeypatch.setattr("segattr_lib.inference.comparison.RESAMPLES", 499)
    for n in (5, 12, 16, 50):
        said = [trivial(n, -0.15, 0.29, seed)["verdict"] for seed in range(60)]
        assert said.count(validity.FOOLS) <= 1
        assert said.count(UNDECIDED) == 60 if n == 5 else said.count(UNDECIDED) > 20 if n < 20 else True
    assert said.count(validity.DOES_NOT_FOOL) > 50


@pytest.mark.slow
@pytest.mark.parametrize("images", [12, 50])
def test_of_six_equal_metrics_none_is_called_highest_or_lowest(images: int) -> None:
    repeats, wrong, leads = 100, dict.fromkeys(validity.WAYS, 0), []
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=(images, 10)) + 0.3 * np.arange(10)
        names = [["net"], range(images), [f"way{place}" for place in range(10)]]
        index = pd.MultiIndex.from_product(names, names=INDEX)
        values = (truth[..., None] + rng.normal(0, 1.5, (images, 10, 6))).reshape(-1, 6)
        table = pd.DataFrame(values, index, columns=list(validity.PAPER))
        agreement = validity.agreement(table, pd.Series(truth.ravel(), index), seed, 499)
        for way in validity.WAYS:
            wrong[way] += bool((validity.all_metrics(agreement, way=way).p <= 0.05).any(axis=None))
        leads.append(validity.ends(agreement).set_index(["way", "end"])["difference"].xs("highest", level="end"))
    assert max(wrong.values()) <= stats.binom.ppf(0.9995, repeats, 0.05)
    leads = pd.DataFrame(leads)
    assert (leads.mean().abs() < 3.5 * leads.std() / repeats**0.5).all()  # what was chosen elsewhere has no lead


def test_a_lead_of_one_metric_over_five_equal_ones_is_seen_and_few_images_say_nothing() -> None:
    rng = np.random.default_rng(0)
    for images, said in ((40, HOLDS), (11, UNDECIDED)):
        truth = rng.normal(size=(images, 6))
        index = pd.MultiIndex.from_product([["net"], range(images), list("abcdef")], names=INDEX)
        values = truth[..., None] + rng.normal(0, [2, 2, 2, 2, 2, 0.3], (images, 6, 6))
        table = pd.DataFrame(values.reshape(-1, 6), index, columns=list(validity.PAPER))
        agreement = validity.agreement(table, pd.Series(truth.ravel(), index), resamples=499)
        highest = validity.ends(agreement).set_index(["end", "way"]).loc[("highest", "pooled")]
        assert (highest["metric"], highest["verdict"], highest["claim"]) == ("arcc", said, said)
        lowest = validity.ends(agreement).set_index(["end", "way"]).loc[("lowest", "pooled")]
        assert lowest["verdict"] == lowest["claim"] == UNDECIDED
        assert highest["difference"] == 0
    assert validity.PAPER[-1] == "arcc"
    table = table.rename(columns={"arcc": "road", "road": "arcc"})
    whole = pd.concat({place: table.assign(truth=truth.ravel()) for place in range(4)}, names=["copy"])
    whole.index = pd.MultiIndex.from_tuples(
        [("net", f"{copy} {image}", way) for copy, _, image, way in whole.index], names=INDEX
    )
    agreement = validity.agreement(whole.drop(columns="truth"), whole["truth"], resamples=499)
    found = validity.ends(agreement).set_index(["end", "way"]).loc[("highest", "pooled")]
    assert (found["metric"], found["claim"]) == ("road", CONTRADICTED) and found["difference"] > 0


@pytest.mark.parametrize("name", [name for name in validity.TRANSFORMS if name != "equalised"])
def test_a_transform_keeps_the_order_of_any_two_levels_and_the_ends(name: str) -> None:
    levels = torch.arange(validity.LEVELS + 1).view(1, 32, 32) / validity.LEVELS
    bent = validity.TRANSFORMS[name](levels).flatten()
    assert (bent.diff() > 0).all()
    assert bent[0] == 0
    assert bent[-1] == pytest.approx(1)


def test_equalised_maps_keep_the_order_and_have_a_flat_histogram() -> None:
    drawn = torch.rand(2, 16, 16, generator=torch.manual_seed(0)) ** 5
    flat = validity.equalised(drawn)
    assert (flat.flatten(1).argsort(1) == drawn.flatten(1).argsort(1)).all()
    assert flat.flatten(1).sort(1)[0].diff(dim=1).numpy() == pytest.approx(1 / 255, abs=1e-6)
    assert (validity.equalised(torch.ones(1, 4, 4)) == 0).all()


def plain_classifier() -> nn.Module:
    """A net of one convolution with weights of its own, so that runs can name it."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 5, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6))
    return module.eval()


def test_bent_maps_keep_their_road_to_the_last_bit_and_nothing_else() -> None:
    told = {"dataset": "single_shapes", "image_size": 48, "model": f"{__file__}:plain_classifier", "layers": ["1"]}
    methods = {"methods": ["layercam"], "metrics": list(validity.PAPER), "batch_size": 8, "scalar": "logit"}
    run = read_settings({**told, **methods, "samples": 2}).runs()[0]
    group = group_of(run, ["test-00000", "test-00001"])
    variants = validity.bent_methods("layercam")
    rows = validity.transformed(group, variants, validity.PAPER)
    drift = validity.moved(rows).set_index(["transform", "metric"])["most"]
    assert set(rows["status"]) == {"ok"}
    assert (drift.xs("road", level="metric") == 0).all()
    assert (drift.xs("complexity", level="metric") > 0.01).all()
    assert (drift.xs("coherency", level="metric") > 0).all()
    own = group.maps_of(run.method_keys()[0])[0]
    drawn = {one.name: group.maps_of(one)[0] for one in variants}
    assert (drawn["as it is"] - own).abs().max() <= 0.5 / validity.LEVELS + 1e-6
    assert torch.equal(drawn["square"], (drawn["as it is"].double() ** 2).float())
    shown = rows[(rows["method"] == "square") & (rows["metric"] == "complexity")]["value"]
    assert shown.to_numpy() == pytest.approx(drawn["square"].mean((1, 2)).numpy(), abs=1e-6)
    faded = group.images * drawn["square"][:, None]  # explained anew, and bent anew
    again = group.again(run.method_keys()[0], faded, group.target, "anew")
    again = ((again * validity.LEVELS).round() / validity.LEVELS) ** 2
    expected = [(np.corrcoef(a.ravel(), b.ravel())[0, 1] + 1) / 2 for a, b in zip(drawn["square"], again, strict=True)]
    coherent = rows[(rows["method"] == "square") & (rows["metric"] == "coherency")]["value"]
    assert coherent.to_numpy() == pytest.approx(expected, abs=1e-4)
    with pytest.raises(UserError, match="made of other methods"):
        validity.bent_methods("dea")
