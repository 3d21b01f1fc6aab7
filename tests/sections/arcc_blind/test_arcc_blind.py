"""The page of maps that know nothing: who is fooled, and what the page says of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import papermill
import pytest
from classifier_maps import IMAGES, METHODS, PARAMETERS, answers_of_maps, cells, followed_maps, rows_of_maps
from matplotlib.collections import PathCollection
from small_photographs import IDS, small_photographs

from segattr_lib import execute
from segattr_lib.data.photographs import credits_of
from segattr_lib.evaluate import model_score
from segattr_lib.evidence.basis import Basis
from segattr_lib.evidence.plans import read_plan
from segattr_lib.evidence.records import Record
from segattr_lib.inference.comparison import UNDECIDED
from segattr_lib.profiles import defaults
from segattr_lib.registry import UserError
from segattr_lib.report.classifiers import accuracies_text, as_recorded, of_many
from segattr_lib.report.photographs import values_of
from segattr_lib.sections import arcc_blind as page
from segattr_lib.sections import arcc_shapes
from segattr_lib.sections.arcc_blind import DOES_NOT_FOOL, FOOLS, fooled

INDEX = ["model", "sample_id", "method"]


def test_leads_of_a_trivial_map_are_signed_paired_and_averaged_over_models() -> None:
    values = {
        "half": {"average_drop": [0.1, 0.2, 0.3, 0.2], "road": [0.0, 0.0, 0.0, 0.0]},
        "layercam": {"average_drop": [0.5, 0.6, 0.5, 0.4], "road": [0.5, 0.4, 0.6, 0.5]},
        "scorecam": {"average_drop": [0.1, 0.1, 0.3, 0.1], "road": [-0.1, 0.2, 0.1, np.nan]},
    }
    images = pd.Index(range(4), name="sample_id")
    of_net = pd.concat({method: pd.DataFrame(columns, images) for method, columns in values.items()}, names=["method"])
    nets = {"net0": of_net, "net1": of_net, "net2": of_net * np.nan}
    table = pd.concat(nets, names=["model"]).reorder_levels(INDEX)
    rows = fooled(table, ["half"], ["layercam", "scorecam"], ["average_drop", "road"]).set_index("metric")
    drop, road = rows.loc["average_drop"], rows.loc["road"]
    assert drop["difference"] == pytest.approx(np.mean([0.2, 0.15, 0.1, 0.05]))  # the lower drop is the better one
    assert (drop["beaten"], drop["of"]) == (1, 2)
    assert road["difference"] == pytest.approx(-np.mean([0.2, 0.3, 0.35, 0.5]))
    assert road["beaten"] == 0 and set(rows["verdict"]) == {UNDECIDED}  # of four images
    assert drop["value"] == pytest.approx(0.2)


def trivial(n: int, lead: float, spread: float, seed: int = 0) -> pd.Series:
    """What `fooled` says of a map whose ROAD lies this far above the methods', with the spread of an image's lead."""
    rng = np.random.default_rng(seed)
    base = rng.normal(0.5, 0.2, n)
    columns = {"gradcam": base, "layercam": base, "half": base + rng.normal(lead, spread, n)}
    wide = pd.DataFrame(columns).rename_axis("sample_id").melt(ignore_index=False, var_name="method", value_name="road")
    values = wide.set_index("method", append=True)
    table = pd.concat({"net": values}, names=["model"])
    (row,) = fooled(table, ["half"], ["gradcam", "layercam"], ["road"]).to_dict("records")
    return row


@pytest.mark.parametrize(
    ("n", "lead", "spread", "verdict"),
    [
        (50, -0.15, 0.2, DOES_NOT_FOOL),
        (50, 0.0, 0.05, FOOLS),  # not told apart, and with so little spread no worse by .05
        (50, 0.0, 0.5, UNDECIDED),  # not told apart is not alike
        (50, 0.4, 0.2, FOOLS),
        (50, -0.02, 0.01, FOOLS),  # worse for certain, by less than the margin
        (12, -0.02, 0.3, UNDECIDED),
        (11, 0.8, 0.01, UNDECIDED),
        (1, 0.8, 0.01, UNDECIDED),
    ],
)
def test_fooling_is_shown_and_not_assumed(n: int, lead: float, spread: float, verdict: str) -> None:
    row = trivial(n, lead, spread)
    assert (row["verdict"], row["n"], row["fools"]) == (verdict, n, verdict == FOOLS)
    assert np.isnan([row["low"], row["high"]]).all() == (n < 12)


def test_a_clearly_worse_map_is_rarely_said_to_fool_at_any_n(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segattr_lib.inference.intervals.RESAMPLES", 499)
    monkeypatch.setattr("segattr_lib.inference.comparison.RESAMPLES", 499)
    undecided = {}
    for n in (5, 12, 16, 50):
        verdicts = [trivial(n, -0.15, 0.29, seed)["verdict"] for seed in range(60)]
        assert verdicts.count(FOOLS) <= 1
        undecided[n] = verdicts.count(UNDECIDED)
    assert undecided[5] == 60 and undecided[12] > 20 and undecided[16] > 20
    assert verdicts.count(DOES_NOT_FOOL) > 50


def maps_with_half() -> pd.DataFrame:
    """The methods' maps beside a half map that is far better by AD and ADCC, far worse by ROAD and as good by ARCC, and
    a ground truth that is far better by all."""
    maps = followed_maps()
    mean = maps.groupby(["model", "sample_id"]).mean()
    near = np.random.default_rng(1).normal(0, 0.01, len(mean))
    half = mean.assign(average_drop=near, adcc=0.95 + near, road=near - 1, arcc=mean["arcc"] + near)
    truth = mean.assign(average_drop=near, adcc=0.95 + near, road=0.95 + near, arcc=0.95 + near)
    trivial = pd.concat({"half": half, "ground_truth": truth}, names=["method"]).reorder_levels(INDEX)
    return pd.concat([maps, trivial])


def basis_by_hand(maps: pd.DataFrame) -> Basis:
    rows = rows_of_maps(maps)
    return Basis(rows, pd.DataFrame(), None, None, True, rows)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> page.Runs:
    return runs_of(maps_with_half(), monkeypatch)


def runs_of(maps: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> page.Runs:
    monkeypatch.setattr(page, "basis_here", lambda settings: (settings, basis_by_hand(maps)))
    monkeypatch.setattr(page, "basis_of_many", lambda settings: None)
    monkeypatch.setattr(page, "recognised_text", lambda run, basis, level: accuracies_text(answers_of_maps(), level))
    monkeypatch.setattr(page, "opening", lambda settings: small_photographs("layercam", "half"))
    monkeypatch.setattr("segattr_lib.inference.intervals.RESAMPLES", 499)
    return page.run(page.read(PARAMETERS))


def test_the_page_opens_with_a_map_beside_maps_that_know_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = page.read({**PARAMETERS, "photo_methods": ["layercam", "half"]})
    made = runs_of(maps_with_half(), monkeypatch)
    photographs = made.photographs
    runs = replace(made, photo_values=values_of(photographs, settings.photo_methods, page.JUDGED))
    table, facts = page.photo_scores(runs), page.facts(settings, runs)
    assert list(table) == ["AD ↓", "ADCC ↑", "ROAD ↑", "ARCC ↑"]
    assert table.index.tolist() == [(name, label) for name in IDS for label in ("LayerCAM", "half")]
    group, key = photographs.group, settings.photo_methods[1]
    faded = model_score(group.score, group.images * group.maps_of(key)[0][:, None])
    drops = ((group.base - faded).clamp_min(0) / group.base).tolist()
    assert table.xs("half", level=1)["AD ↓"].tolist() == [f"{drop:.2f}" for drop in drops]
    means = runs.photo_values["average_drop"].groupby("key").mean()
    assert facts["photo_first_average_drop"] == {"half": "half", "layercam": "LayerCAM"}[means.idxmin()]
    assert facts["photo_credit"] == credits_of(IDS)
    figure = page.photo_maps(settings, runs)
    assert [axes.get_title() for axes in figure.axes[:3]] == ["photograph", "LayerCAM", "half"]


def test_the_page_marks_who_fools_what_and_leaves_the_truth_unmarked(runs: page.Runs) -> None:
    table = page.leads(page.read(PARAMETERS), runs)
    assert table.index.tolist() == ["half", "ground truth"]
    assert table.columns.tolist() == ["AD ↓", "ADCC ↑", "ROAD ↑", "ARCC ↑"]
    assert [text[-1] for text in table.loc["half"]] == ["✗", "✗", "]", "✗"]
    assert [text[-1] for text in table.loc["ground truth"]] == ["]"] * 4
    road = maps_with_half()["road"].groupby("method").mean()
    lead = road["half"] - road[METHODS].mean()
    assert table.loc["half", "ROAD ↑"].startswith(f"{lead:.2f} [")


def test_facts_and_claims_say_what_the_table_marks(runs: page.Runs) -> None:
    facts = page.facts(page.read(PARAMETERS), runs)
    assert facts["half_average_drop"] == "fools AD" and facts["half_road"] == "does not fool ROAD"
    assert facts["lies_adcc"] == "1 (0 do not, 0 undecided)" and facts["lies_road"] == "0 (1 do not, 0 undecided)"
    assert (facts["images"], facts["models"], facts["methods"], facts["blind"]) == (15, 2, 3, 1)
    assert facts["lead_road"] == page.leads(page.read(PARAMETERS), runs).loc["half", "ROAD ↑"]
    assert facts["held"] == "3 of 4 (0 undecided)"
    assert facts["accuracy"] == "vgg11 0.80 [0.55, 0.93] of 15, resnet18 1.00 [0.80, 1.00] of 15"
    _, *rows = cells(page.reproduced(runs.first))
    assert len(page.CLAIMS) == 4 and [answer for _, answer in rows] == ["yes", "yes", "yes", "no"]
    reached = runs.first.coverage.set_index("interval").loc["studentised bootstrap", "reached"]
    assert facts["coverage"] == f"{reached:.1%}" and 0.8 < reached <= 1
    assert page.coverages(runs).loc["studentised bootstrap", "n"] == 15


def test_dots_stand_at_the_means_of_methods_and_trivial_maps(runs: page.Runs) -> None:
    figure = page.dots(page.read(PARAMETERS), runs.first, ["adcc", "average_drop"])
    assert [axes.get_xlabel() for axes in figure.axes] == ["ADCC ↑", "AD ↓"]
    means = maps_with_half().groupby("method").mean()
    order = means["adcc"].sort_values(ascending=False)
    for axes, metric in zip(figure.axes, ("adcc", "average_drop"), strict=True):
        points = [artist.get_offsets()[0] for artist in axes.collections if isinstance(artist, PathCollection)]
        assert [x for x, _ in points] == pytest.approx(means.loc[order.index, metric].to_numpy())
        assert [y for _, y in points] == list(range(5))
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert set(shown[:2]) == {"half", "ground truth"}


def test_photographs_stand_first_and_who_fools_a_metric_there_alone_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings, scenes = page.read(PARAMETERS), runs_of(maps_with_half(), monkeypatch)
    keen = maps_with_half()
    half = keen.index.get_level_values("method") == "half"
    keen.loc[half, "road"] = 0.99 + np.random.default_rng(2).normal(0, 0.001, half.sum())
    many = replace(runs_of(keen, monkeypatch).scenes, dataset="photographs", models=1)
    both = replace(scenes, many=many)
    facts = page.facts(settings, both)
    assert (facts["half_road"], facts["other_half_road"]) == ("fools ROAD", "does not fool ROAD")
    assert (facts["dataset"], facts["other_dataset"]) == ("photographs", "single shapes")
    assert facts["apart"] == "half (ROAD)" and page.facts(settings, scenes)["apart"] == "none"
    assert list(page.leads(settings, both).index.unique(0)) == ["photographs, n = 15", "single shapes, n = 15"]
    few = replace(scenes, many=replace(many, images=11))
    assert few.first is scenes.scenes and few.second is not None and few.second.images == 11
    assert page.dots(settings, scenes.second, ["road"]) is page.reproduced(scenes.second) is None


def test_without_a_truth_there_is_no_map_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = runs_of(maps_with_half().assign(cosine=np.nan), monkeypatch)
    assert runs.first.shown == [*METHODS, "half"]
    assert set(runs.first.fooled["method"]) == {"half"}


def test_of_few_images_and_without_a_half_map_nothing_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = maps_with_half()
    few = maps[maps.index.get_level_values("sample_id").isin(IMAGES[:4])]
    facts = page.facts(page.read(PARAMETERS), runs_of(few, monkeypatch))
    assert facts["half_arcc"] == "may or may not fool ARCC" and facts["lead_arcc"].endswith("(n = 4)")
    assert facts["held"] == "0 of 4 (4 undecided)"
    monkeypatch.setattr(
        page, "basis_here", lambda settings: (settings, basis_by_hand(maps.drop("half", level="method")))
    )
    settings = page.read({**PARAMETERS, "trivial": ["ground_truth"]})
    facts = page.facts(settings, page.run(settings))
    assert facts["half_adcc"] == "may or may not fool ADCC" and facts["lead_adcc"] == "–"
    assert facts["lies_adcc"] == "0 (0 do not, 0 undecided)"


def test_a_page_of_trivial_maps_needs_some() -> None:
    with pytest.raises(UserError, match="trivial is empty; name maps that know nothing"):
        page.read({**PARAMETERS, "trivial": []})
    with pytest.raises(UserError, match="Unknown parameter 'bent'"):
        page.read({**PARAMETERS, "bent": "layercam"})


@pytest.mark.parametrize("profile", ["smoke", "embedded", "paper"])
def test_the_pages_of_the_truth_and_of_blind_maps_share_one_run(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    pages = {"arcc_shapes": arcc_shapes, "arcc_blind": page}
    settings = [module.read(parameters_of(name, profile)) for name, module in pages.items()]
    assert settings[0].run == settings[1].run and settings[0].results == settings[1].results
    order = list(execute.load_profile(profile))
    assert order.index("arcc_shapes") < order.index("arcc_blind")


def parameters_of(name: str, profile: str) -> dict[str, Any]:
    """A notebook's own parameters with those that a profile names in their place."""
    own = papermill.inspect_notebook(str(execute.generate(name)))
    values: dict[str, Any] = {key: eval(parameter["default"]) for key, parameter in own.items()}
    return {**values, **(execute.load_profile(profile)[name] or {})}


@pytest.mark.parametrize("name", ["arcc_shapes", "arcc_blind"])
def test_the_pages_runs_as_the_notebooks_have_them_are_those_that_are_planned(name: str) -> None:
    module = {"arcc_shapes": arcc_shapes, "arcc_blind": page}[name]
    settings = module.read({**defaults(name), "samples": 12, "surrogate_samples": 40, "steps": 8})
    for planned, own in (("classifier", of_many(settings)), ("single_shapes", as_recorded(settings))):
        record = Record(planned, Path(), read_plan(planned).settings, [], {})
        assert record.covers(own.run), planned
