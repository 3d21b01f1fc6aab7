"""The page of the truth: its settings, what it draws and tabulates, and what it says where no truth is known."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from classifier_maps import (
    IMAGES,
    METHODS,
    MODELS,
    PARAMETERS,
    answers_of_maps,
    bent_images,
    cells,
    followed_maps,
    rows_of_maps,
)
from matplotlib.collections import PathCollection
from scipy import stats
from small_photographs import IDS, small_photographs

from segattr_lib.data.photographs import credits_of
from segattr_lib.data.single_shapes import tier_of
from segattr_lib.inference.agreement import WAYS
from segattr_lib.registry import UserError
from segattr_lib.report.classifiers import accuracies_text
from segattr_lib.report.labels import model_label
from segattr_lib.sections import arcc_shapes as page
from segattr_lib.sections.arcc_shapes import composites, truth
from segattr_lib.sections.arcc_shapes.truth import tiers

OWN = {"bent": "layercam", "few": 2, "resamples": 99}
PAPERS = ["− AD", "− Complexity", "Coherency", "ADCC", "ROAD", "ARCC"]


def settings_of(**changes: Any) -> page.Settings:
    return page.read({**PARAMETERS, **OWN, **changes})


def runs_of(maps: pd.DataFrame, known: bool = True) -> page.Runs:
    """What the page has of a run with these maps, of which some of the first image have no Coherency."""
    return page.Runs(
        rows_of_maps(maps),
        maps,
        known,
        truth.held_against_truth(maps, known, "single_shapes", 0.95, 0, 99),
        composites.held_against_truth(maps, known, 0.95, 0, 99),
        bent_images(),
        small_photographs("layercam", "half"),
        photo_values(),
        "made by hand",
        accuracies_text(answers_of_maps(), 0.95),
    )


def photo_values() -> pd.DataFrame:
    """Of two photographs: the half map is first by AD and Coherency, LayerCAM by ROAD and ARCC, none by the others."""
    index = pd.MultiIndex.from_product([IDS, ["layercam", "half"]], names=["sample_id", "key"])
    columns = {"average_drop": [0.9, 0.2, 0.8, 0.3], "complexity": 0.5, "coherency": [0.4, 1.0, 0.4, 1.0]}
    return pd.DataFrame({**columns, "adcc": 0.3, "road": [0.3, 0.0, 0.2, 0.0], "arcc": [0.4, 0.0, 0.5, 0.0]}, index)


def numbers(text: str) -> tuple[float, ...]:
    """Value, low and high of "0.98 [0.97, 0.99]"."""
    return tuple(map(float, re.findall(r"-?[\d.]+", text)))


@pytest.fixture(scope="module")
def runs() -> page.Runs:
    return runs_of(followed_maps())


def test_settings_are_those_of_the_registry_where_none_are_named() -> None:
    settings = settings_of(methods=None, trivial=None)
    assert settings.real[:2] == ["gradcam_plus_plus", "layercam"] and len(settings.real) == 10
    assert {"lime(samples=8)", "kernel_shap(samples=8)", "integrated_gradients(steps=4)"} <= set(settings.real)
    assert settings.blind == ["random", "half", "all_ones", "centre", "edges"]
    assert [key.name for key in settings.trivial] == [*settings.blind, "ground_truth"]
    assert [key.text for key in settings.run.methods] == [*settings.real, *settings.blind, "ground_truth"]
    pinned = settings_of(methods=["lime(samples=3)", "layercam"], trivial=[])
    assert pinned.real == [key.text for key in pinned.run.methods] == ["lime(samples=3)", "layercam"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": []}, "methods is empty; name a method"),
        ({"methods": ["layercm"]}, "Unknown method 'layercm' .did you mean 'layercam'"),
        ({"trivial": ["layercam"]}, "names something twice"),
        ({"level": 1.5}, "level is 1.5: input should be less than 1"),
        ({"few": 0}, "few is 0: input should be greater than or equal to 1"),
        ({"stepps": 3}, "Unknown parameter 'stepps' .did you mean 'steps'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        settings_of(**changes)
    assert "\n" not in str(error.value)


def test_tiers_are_those_the_scenes_were_drawn_in() -> None:
    names = [f"test-{number:05d}" for number in range(20)]
    by_tier = tiers(names, "single_shapes")
    assert sorted(name for those in by_tier.values() for name in those) == names
    assert all(tier_of(name) == tier for tier, those in by_tier.items() for name in those)
    assert tiers(names, "image_folder") == {"all": names}


def test_the_forest_has_a_point_a_correlation(runs: page.Runs) -> None:
    figure = page.forest(runs.truth)
    pearson = runs.truth.correlations.query("kind == 'pearson'")
    assert [axes.get_title() for axes in figure.axes] == list(WAYS.values())
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert shown == ["− AD", "− Complexity", "Coherency", "ADCC", "ROAD", "ARCC"]
    for axes, way in zip(figure.axes, WAYS, strict=True):
        clouds = [artist for artist in axes.collections if isinstance(artist, PathCollection)]
        drawn = {cloud.get_label(): cloud.get_offsets()[:, 0] for cloud in clouds}
        called = {"all models": "all models", **{model_label(model): model for model in MODELS}}
        assert set(drawn) == set(called)
        for label, values in drawn.items():
            model = called[label]
            expected = pearson[(pearson["model"] == model) & (pearson["way"] == way)]["value"]
            assert np.asarray(values) == pytest.approx(expected.to_numpy())
            assert values[0] < -0.9 and values[5] > 0.9  # AD, ARCC


def test_tables_show_that_one_metric_follows_and_one_runs_against(runs: page.Runs) -> None:
    table = page.over_models(runs.truth)
    assert table.loc["Pearson"].index.tolist() == table.loc["Spearman"].index.tolist() == PAPERS
    assert list(table) == list(WAYS.values())
    for kind, correlate in (("Pearson", stats.pearsonr), ("Spearman", stats.spearmanr)):
        for title, metric, sign in (("ARCC", "arcc", 1), ("− AD", "average_drop", -1), ("ROAD", "road", 1)):
            nets = [runs.maps.loc[[model]] for model in MODELS]
            expected = np.mean([sign * correlate(net[metric], net["cosine"])[0] for net in nets])
            value, low, high = numbers(table.loc[(kind, title), "all maps"])
            assert value == pytest.approx(expected, abs=0.0051) and low <= value <= high
    of_model = page.by_model(runs.truth)
    blocks = [(kind, model) for model in ("resnet18", "vgg11") for kind in ("Pearson", "Spearman")]
    assert of_model.index.droplevel(2).unique().tolist() == blocks
    pearson = stats.pearsonr(*runs.maps.loc["shapes_vgg11", ["arcc", "cosine"]].to_numpy().T)[0]
    assert numbers(of_model.loc[("Pearson", "vgg11", "ARCC"), "all maps"])[0] == pytest.approx(pearson, abs=0.0051)


def test_tables_of_sizes_name_the_images_of_each_tier(runs: page.Runs) -> None:
    counts = {tier: len(names) for tier, names in tiers(IMAGES, "single_shapes").items()}
    table = page.by_size(runs.truth)
    assert list(table) == [f"{tier} ({count})" for tier, count in counts.items()]
    assert table.index.get_level_values(0).unique().tolist() == ["images of a method", "all maps"]
    first = next(iter(counts))
    shown = table.loc[("all maps", "ARCC")]
    assert [text.partition(" ")[2] for text in shown] == [f"(n = {count})" for count in counts.values()]
    every = page.by_size_and_model(runs.truth)
    assert set(every.index.get_level_values(1)) == {"vgg11", "resnet18", "mean"}
    assert every.loc[("Pearson", "mean", "all maps", "ARCC"), f"{first} ({counts[first]})"] == shown.iloc[0]


def test_the_methods_are_tabulated_with_what_they_lack(runs: page.Runs) -> None:
    maps = runs.maps.copy()
    maps.loc[(MODELS[0], IMAGES[0], "layercam"), "coherency"] = np.nan
    table = page.overview(runs_of(maps, known=False))
    assert table.index.tolist() == ["Grad-CAM++", "LayerCAM", "LIME (samples=8)"]
    assert table["undefined"].tolist() == [0, 1, 0]
    assert table.loc["LayerCAM", "ROAD ↑"] == f"{maps.xs('layercam', level='method')['road'].mean():.2f}"
    of_models = page.arcc_by_model(runs)
    assert of_models.columns.levels[0].tolist() == ["ARCC ↑", "cosine with truth ↑"]
    assert of_models.columns.levels[1].tolist() == ["resnet18", "vgg11"] and of_models.shape == (3, 4)
    expected = maps.xs((MODELS[0], METHODS[0]), level=("model", "method"))["arcc"].mean()
    assert of_models.loc["Grad-CAM++", ("ARCC ↑", "vgg11")] == f"{expected:.2f}"


def test_facts_of_hand_made_maps(runs: page.Runs) -> None:
    facts = page.facts(settings_of(), runs)
    assert (facts["images"], facts["models"], facts["methods"], facts["maps"]) == (15, 2, 3, 90)
    assert (facts["unsure"], facts["scored"], facts["lost"], facts["undefined"]) == (0, 30, 0, 0)
    assert (facts["complete"], facts["incomplete"]) == (90, 0)
    assert facts["accuracy"] == "vgg11 0.80 [0.55, 0.93] of 15, resnet18 1.00 [0.80, 1.00] of 15"
    assert facts["truth"] == "The truth is known here."
    assert facts["highest_pooled"] == "ARCC" and facts["lowest_pooled"] == "− AD"
    assert facts["lead_pooled"] == "0.00"
    assert facts["arcc_pooled"] == page.over_models(runs.truth).loc[("Pearson", "ARCC"), "all maps"]
    assert facts["road_moved"] == "not at all" and facts["bent"] == "LayerCAM" and facts["bent_images"] == 2
    assert facts["nested_rows"] == 6 and facts["nested_better"] == "0 (1 without an interval)"
    unsure = replace(runs, rows=rows_of_maps(runs.maps, 0.4))
    assert page.facts(settings_of(), unsure)["unsure"] == 30


def test_the_page_opens_with_photographs_and_says_whom_each_metric_puts_first(runs: page.Runs) -> None:
    settings = settings_of(photo_methods=["layercam", "half"])
    facts = page.facts(settings, runs)
    first = {name.removeprefix("photo_first_"): facts[name] for name in facts if name.startswith("photo_first_")}
    assert first == {
        "average_drop": "half",
        "complexity": "none",
        "coherency": "half",
        "adcc": "none",
        "road": "LayerCAM",
        "arcc": "LayerCAM",
    }
    assert (facts["photo_maps"], facts["photo_model"]) == (2, "imagenet_mobilenet_v2")
    assert facts["photo_credit"] == credits_of(IDS) and facts["photo_said"] == runs.photographs.said
    table = page.photo_scores(runs)
    assert table.index.tolist() == [(name, label) for name in IDS for label in ("LayerCAM", "half")]
    assert table.loc[("chelsea", "LayerCAM")].tolist() == ["0.90", "0.50", "0.40", "0.30", "0.30", "0.40"]
    figure = page.photo_maps(settings, runs)
    assert [axes.get_title() for axes in figure.axes[:3]] == ["photograph", "LayerCAM", "half"]
    half = figure.axes[2].images[1].get_array()
    assert np.median(half) == 0.5 and sorted({half.min(), half.max()}) == [0, 1]


def test_methods_of_photographs_look_at_as_many_images_as_the_pages_own() -> None:
    assert [key.text for key in settings_of(photo_methods=["lime", "half"]).photo_methods] == [
        "lime(samples=8)",
        "half",
    ]
    for changes, said in (({"photo_methods": []}, "photo_methods is"), ({"photo_model": "mobilenet"}, "Unknown model")):
        with pytest.raises(UserError, match=said):
            settings_of(**changes)


def test_photographs_stand_beside_and_what_lies_on_the_other_side_of_0_there_is_named(runs: page.Runs) -> None:
    assert page.many_forest(runs) is page.many_over_models(runs) is None
    assert page.facts(settings_of(), runs)["many_apart"] == "none"
    turned = runs.maps.assign(road=-runs.maps["road"])
    held = truth.held_against_truth(turned, True, "voc", 0.95, 0, 199)
    many = replace(runs, many=page.Many("voc", 15, 90, held, "a record", "–"))
    facts = page.facts(settings_of(), many)
    assert "ROAD over means of methods" in facts["many_apart"] and "ARCC" not in facts["many_apart"]
    assert (
        facts["many_basis"] == "a record"
        and facts["many_arcc_pooled"].split(" ")[0] == (facts["arcc_pooled"].split(" ")[0])
    )
    assert page.many_forest(many) is not None


def test_claims_are_held_against_the_runs(runs: page.Runs) -> None:
    heading, *rows = cells(page.reproduced(runs))
    assert heading == ["the paper's claim", "here"] and len(rows) == len(page.CLAIMS) == 8
    answers = {name: answer for name, (_, answer) in zip(page.CLAIMS, rows, strict=True)}
    assert answers["arcc_highest_pooled"] == answers["ad_lowest_pooled"] == "yes"
    assert answers["road_keeps_ranks"] == answers["arcc_sees_values"] == "yes"
    held = list(answers.values()).count("yes")
    assert page.facts(settings_of(), runs)["held"].startswith(f"{held} of 8 (")


def test_without_a_truth_nothing_is_held_against_it_and_the_page_says_so() -> None:
    runs = runs_of(followed_maps().assign(cosine=np.nan), known=False)
    drawn = [page.forest, page.over_models, page.by_model, page.by_size, page.by_size_and_model]
    assert [show(runs.truth) for show in drawn] == [None] * 5
    assert page.beside_arcc(runs.composites) is None and page.chosen_elsewhere(runs.composites) is None
    facts = page.facts(settings_of(), runs)
    assert facts["truth"] == "No truth is known of these images: nothing is shown."
    assert {facts[f"{end}_{way}"] for end in ("highest", "lowest", "lead", "arcc") for way in WAYS} == {"–"}
    assert (facts["complete"], facts["incomplete"], facts["nested_rows"]) == (0, 90, 0)
    assert facts["held"] == "2 of 2 (0 undecided)"
    assert list(page.arcc_by_model(runs).columns.get_level_values(0).unique()) == ["ARCC ↑"]
