"""The page: its parameters, what its prose quotes, its tables and figures, from rows made by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from made_rows import LIME, columns, cued_by_hand, whole
from matplotlib.axes import Axes
from small_photographs import IDS

from segattr_lib.attribution import methods_of
from segattr_lib.data.photographs import credits_of
from segattr_lib.evidence.plans import read_plan
from segattr_lib.evidence.records import Record, read_record
from segattr_lib.profiles import defaults
from segattr_lib.prompting.segmenters import random_walker
from segattr_lib.registry import UserError
from segattr_lib.report.reference import reference
from segattr_lib.sections import wsss_sam2 as page
from segattr_lib.sections.wsss_sam2.opening import CONTROL, EXPLAINERS, SUPPORT, cued_photographs
from segattr_lib.sections.wsss_sam2.page import Runs, contrary, tables_of
from segattr_lib.sections.wsss_sam2.poster import poster_table
from segattr_lib.sections.wsss_sam2.rows.masks import cues_of_map
from segattr_lib.sections.wsss_sam2.rows.run import question_of, with_robustness

GIVEN: dict[str, Any] = {
    "results": "results/none",
    "dataset": "single_shapes",
    "model": "shapes_vgg11",
    "layer": "features.20",
    "methods": ["gradcam", "lime"],
    "controls": ["random"],
    "surrogate_samples": 8,
    "steps": 4,
    "thresholds": [0.3, 0.5],
    "counts": [1, 16],
    "shares": [0.1],
    "pictured": ["gradcam", "lime"],
}


@pytest.fixture(autouse=True, scope="module")
def few() -> Any:
    """Resamples that take no time; and statsmodels' multipletests collects garbage at each call, half a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gc.collect", lambda *_: 0)
        patch.setattr("segattr_lib.inference.intervals.RESAMPLES", 499)
        patch.setattr("segattr_lib.inference.comparison.RESAMPLES", 499)
        patch.setattr("segattr_lib.inference.max_t.RESAMPLES", 499)
        yield


@pytest.fixture(scope="module")
def settings() -> page.Settings:
    return page.read(GIVEN)


ACCURACY = "vgg11 0.90 [0.70, 0.97] of 20"


def runs_of(settings: page.Settings, rows: pd.DataFrame, segmenters: list[str] | None = None) -> Runs:
    """The page's own run alone, of these rows."""
    side = tables_of(settings, rows, settings.cueing.segmenters, "made by hand", ACCURACY)
    return Runs(None, side, cued_by_hand(segmenters) if segmenters else cued_by_hand())


@pytest.fixture(scope="module")
def runs(settings: page.Settings, few: None) -> page.Runs:
    return runs_of(settings, whole())


def test_parameters_pin_what_the_page_has_for_a_method_and_for_a_metric(settings: page.Settings) -> None:
    assert [key.text for key in settings.run.methods] == ["gradcam", LIME, "random"]
    assert [key.text for key in settings.run.metrics] == [
        "coverage(threshold=0.5)",
        "spill(threshold=0.5)",
        "pointing_game",
        "effectiveness(threshold=0.5)",
        "coverage(threshold=0.3)",
        "spill(threshold=0.3)",
    ]
    assert list(settings.measures.values()) == ["Coverage ↑", "Spill ↓", "LA ↑", "Effectiveness ↑"]
    own = page.read({**GIVEN, "methods": ["gradcam", "lime(samples=3)", "vargrad"]})
    assert [key.text for key in own.run.methods] == ["gradcam", "lime(samples=3)", "vargrad(samples=4)", "random"]


def test_no_methods_are_those_of_the_registry() -> None:
    every = page.read({**GIVEN, "methods": None})
    assert [key.name for key in every.run.methods] == [*methods_of("prompting"), "random"]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"treshold": 0.5}, "Unknown parameter 'treshold'"),
        ({"threshold": 0}, r"^threshold is 0; expected a value in \(0, 1\], such as 0\.5\.$"),
        ({"thresholds": [0.5, 0]}, r"^thresholds has 0\.0; expected values in \(0, 1\], such as 0\.5\.$"),
        ({"thresholds": 0.5}, "^thresholds is 0.5: .*tuple"),
        ({"level": 1.0}, "^level is 1.0: .*less than 1"),
        ({"pictures": 0}, "^pictures is 0: .*greater than or equal to 1"),
        ({"steps": "many"}, "^steps is 'many': .*integer"),
        ({"segmenters": []}, "^segmenters is .*expected one or more"),
        ({"model": ["shapes_vgg11", "shapes_resnet18"]}, "the page is of one model and one seed"),
        ({"seed": [0, 1]}, "the page is of one model and one seed"),
        ({"methods": ["gradcm"]}, "did you mean 'gradcam'"),
        ({"controls": ["gradcam"]}, "names something twice"),
        ({"photo_methods": ["gradcm"]}, "did you mean 'gradcam'"),
        ({"photo_ids": ["chelsa"]}, "did you mean 'chelsea'"),
    ],
)
def test_parameters_that_cannot_be_are_refused_in_one_sentence(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(UserError, match=match) as caught:
        page.read({**GIVEN, **changes})
    assert "\n" not in str(caught.value)


def test_what_the_prose_quotes_is_what_the_rows_say(settings: page.Settings, runs: page.Runs) -> None:
    facts = page.facts(settings, runs)
    counts = {"explainers": 2, "n": 15, "skipped": 1, "asked": 8 * 15, "without": 0, "checks": 12, "fewest": 12}
    assert {name: facts[name] for name in counts} == counts
    assert (facts["segmenter"], facts["others"], facts["layer"]) == ("shapes_sam2", "random_walker", "features.20")
    means = {  # of whole()
        "fused_iou": 0.6,
        "uniform_iou": 0.4,
        "scene_random_iou": 0.1,
        "over_mean": 0.05,
        "over_background": 0.15,
        "over_box": 0.02,
        "over_uniform": 0.2,
        "over_truth": -0.3,
        "scene_weighted_gain": 0.3,
        "scene_weighted_control": 0.1,
        "scene_weighted_share": 0.67,
        "scene_bare_gain": 0.15,
        "scene_bare_control": -0.05,
        "scene_bare_share": 1.33,
        "agreement": 0.2,
        "gradcam_covers": 0.8,
        "lime_spills": 0.2,
    }
    assert {name: float(facts[name].split(" [")[0]) for name in means} == means
    assert facts["shap_spills"] == "not run"
    assert facts["accuracy"] == "vgg11 0.90 [0.70, 0.97] of 20"
    assert (facts["heaviest"], facts["heaviest_weight"], facts["even_weight"]) == ("Grad-CAM", "0.75", "0.50")
    assert (facts["single_above"], facts["single_below"]) == ("2", "0")
    assert facts["beside_uniform"] == facts["beside_mean"] == "higher than"
    verdicts = runs.first.checks["verdict"].value_counts()
    assert facts["holding"] == verdicts["holds"] and facts["violated"] == verdicts["violated"] and facts["untold"] == 0
    assert {facts[name] for name in ("overlaps", "assists", "weighs", "grounds", "scene_declares")} == {"held"}
    assert (facts["paper_leads"], facts["paper_columns"], facts["fused_rank"], facts["ranked"]) == (2, 3, 1, 3)
    assert (facts["partial"], facts["spilling"]) == ("100%", "100%")
    photographs = {name: facts[name] for name in ("photos", "photo_supports", "photo_walked", "photo_walked_by_chance")}
    assert list(photographs.values()) == [2, "0.67", "0.67", "0.58"]
    assert facts["photo_credit"] == credits_of(IDS)
    assert all(isinstance(value, str | int | float) for value in facts.values())


def test_the_page_quotes_facts_and_nothing_else(settings: page.Settings, runs: page.Runs) -> None:
    notebook = Path(__file__).parents[3] / "notebooks" / "wsss_sam2.py"
    quoted = set(re.findall(r"\{glue:text\}`(\w+)`", notebook.read_text(encoding="utf-8")))
    assert quoted == set(page.facts(settings, runs))


def test_agreement_is_of_pairs_of_explainers_and_of_each_with_the_control(runs: page.Runs) -> None:
    """Strips of 16 columns, 8 apart, share a third of their union; those 16 apart nothing."""
    table = runs.opening.agreement
    kinds = [(kind, name) for kind in (EXPLAINERS, CONTROL) for name in (SUPPORT, "random_walker", "shapes_sam2")]
    assert list(table) == kinds
    assert table.loc["chelsea"].tolist() == [1] * 6
    walked = [1 / 3, (0 + 1 / 3) / 2]
    assert table.loc["coffee", [kinds[0], kinds[3]]].tolist() == pytest.approx(walked)
    assert table.loc["coffee", [kinds[1], kinds[4]]].tolist() == pytest.approx(walked)
    assert np.isnan(table.loc["coffee", kinds[2]]) and table.loc["coffee", kinds[5]] == 0  # LIME has no mask
    shown = page.photo_agreement(runs.opening)
    assert shown.index.tolist() == ["chelsea", "coffee", "mean"]
    assert shown.columns.get_level_values(1).tolist()[:3] == [SUPPORT, "masks of random_walker", "masks of shapes_sam2"]
    assert shown.loc["coffee"].tolist() == ["0.33", "0.33", "–", "0.17", "0.17", "0.00"]
    assert shown.loc["mean"].tolist() == ["0.67", "0.67", "1.00", "0.58", "0.58", "0.50"]


def test_the_panel_of_photographs_has_a_row_a_segmenter_and_says_who_is_out_of_its_domain(runs: page.Runs) -> None:
    figure = page.photo_cues(runs.opening)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:4] == ["photograph", "Grad-CAM", "LIME", "random\npixels"]
    assert [figure.axes[place].get_ylabel() for place in (0, 12)] == runs.opening.photographs.titles
    beside = [figure.axes[place].texts[0].get_text() for place in (4, 8, 16, 20)]
    assert beside == ["random_walker", "shapes_sam2,\nout of its domain"] * 2
    walked, assisted = figure.axes[17], figure.axes[21]  # Grad-CAM of coffee
    for axes, ends in ((walked, (0, 16)), (assisted, (0, 8))):
        np.testing.assert_allclose(axes.images[1].get_array()[..., 3], 0.6 * columns(*ends).double())
    assert titles[22] == "no cues" and titles.count("no cues") == 1


def test_photographs_are_cued_as_the_pages_images_are() -> None:
    changes = {"photo_ids": ["chelsea"], "photo_methods": ["gradcam", "lime", "random"], "image_size": 64}
    settings = page.read({**GIVEN, **changes, "segmenters": ["random_walker"]})
    cued = cued_photographs(settings)
    group = cued.photographs.group
    assert group.offered["layer"] == "features.18"  # the deepest
    for key in group.run.method_keys():
        (drawn,) = cued.pictured["random_walker"][key.text]
        assert torch.equal(drawn.map, group.maps_of(key)[0][0])
        expected = cues_of_map(group, 0, key, drawn.map, settings.cueing)
        assert drawn.cues is not None and torch.equal(drawn.cues.points, expected.points)
        answer = random_walker(group.images[0])
        assert torch.equal(drawn.mask, answer(expected.points[None], expected.labels[None])[0][0])
    assert [key.text for key in group.run.method_keys()] == ["gradcam", LIME, "random"]
    assert settings.photographs().model_dump(exclude={"layer"}) == group.run.model_dump(exclude={"layer"})


def test_verdicts_and_words_follow_the_rows(settings: page.Settings) -> None:
    rows = whole()
    worse = rows["metric"].astype(str).str.startswith("iou(segmenter=shapes_sam2") & (rows["method"] == "weighted")
    rows.loc[worse & (rows["metric"] == "iou(segmenter=shapes_sam2)"), "value"] -= 0.45
    undefined = (
        (rows["metric"] == "iou(segmenter=shapes_sam2)") & (rows["sample_id"] == "i3") & (rows["method"] == "random")
    )
    rows.loc[undefined, ["value", "status"]] = [None, "undefined"]
    facts = page.facts(settings, runs_of(settings, rows))
    assert facts["beside_uniform"] == facts["beside_mean"] == "lower than"
    assert (facts["assists"], facts["weighs"], facts["grounds"]) == ("did not hold",) * 3
    assert facts["fused_rank"] == 3 and facts["without"] == 1
    assert float(facts["scene_random_iou"].split(" [")[0]) == pytest.approx(0.1 * 14 / 15, abs=0.01)
    few = rows[rows["sample_id"].isin(["lost", *(f"i{index}" for index in range(5))])]
    facts = page.facts(settings, runs_of(settings, few))
    assert facts["beside_uniform"] == "not told apart from" and facts["assists"] == "could not be told"
    assert facts["untold"] == 12 and facts["fused_iou"] == "0.15 (n = 5)"


def test_the_walker_alone_is_assisted_and_has_no_control() -> None:
    alone = page.read({**GIVEN, "segmenters": ["random_walker"]})
    rows = whole()
    rows = rows[~rows["metric"].astype(str).str.contains("shapes_sam2")]
    facts = page.facts(alone, runs_of(alone, rows, ["random_walker"]))
    assert (facts["segmenter"], facts["others"], facts["scene_declares"]) == (
        "random_walker",
        "no other",
        "could not be told",
    )
    assert facts["over_uniform"].startswith("0.200") and facts["scene_weighted_control"] == "–"


def middle(cell: str) -> float:
    return float(cell.split(" [")[0])


def test_tables_have_the_means_of_the_rows_under_labels(settings: page.Settings, runs: page.Runs) -> None:
    table = page.interpretability(settings, runs)
    assert list(table.index) == ["Grad-CAM", "LIME", "random pixels", "fused, mean", "fused, weighted"]
    assert table["Coverage ↑"].map(middle).tolist() == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0])
    assert table["LA ↑"].map(middle).tolist() == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9])
    table = page.against_proxies(runs)
    assert list(table) == [
        f"{name}, {segmenter}" for name in ("Coverage ↑", "Spill ↓") for segmenter in ("shapes_sam2", "random_walker")
    ]
    assert table.loc["LIME"].map(middle).tolist() == pytest.approx([0.7, 0.7, 0.2, 0.2])
    assert page.reliability(runs)["weight"].map(middle).to_dict() == {"Grad-CAM": 0.75, "LIME": 0.25}
    table = page.utility(runs)
    assert table.loc["fused, weighted, box of the support"].tolist()[0] == "–"
    assert table.loc["fused, weighted", ["threshold", "shapes_sam2", "random_walker"]].map(middle).tolist() == [
        0.3,
        0.6,
        0.4,
    ]
    table = page.prior(runs.first)
    assert table.loc["fused, weighted"].map(middle).tolist() == [0.3, 0.1, 0.2, 0.67]
    assert list(table) == ["gain of shapes_sam2", "gain of the walker", "difference", "share of the prior"]
    assert page.rank_correlations(settings, runs)["rank correlation with mIoU"].map(middle).tolist() == [1, -1, -1, 1]
    assert list(page.interval_coverage(runs).index)[-1] == "studentised bootstrap"


def test_the_checklist_shows_every_check_under_its_recommendation(runs: page.Runs) -> None:
    html = page.checklist(runs).data
    cells = re.findall("<td>(.*?)</td>", html.replace("\N{NO-BREAK SPACE}", " "))
    measured, wanted, counts, verdicts = (cells[place::4] for place in range(4))
    assert measured[:4] == ["0.20 [0.20, 0.20]", "0.20 [0.20, 0.20]", "0.10 (n = 15)", "0.30 [0.30, 0.30]"]
    assert wanted == runs.first.checks["wanted"].tolist() and verdicts == runs.first.checks["verdict"].tolist()
    assert counts == ["15"] * 12
    assert [html.count(text) for text in runs.first.checks["recommendation"].unique()] == [1] * 4


def test_ours_stand_beside_the_posters(settings: page.Settings, runs: page.Runs) -> None:
    table = page.beside_poster(settings, runs.first)
    assert table.loc["fused, weighted", "mIoU"].tolist() == ["0.60", "0.77", "0.78", "0.55"]
    assert table.loc["LIME", "LA"].tolist() == ["0.60", "0.86", "0.75", "0.88"]
    assert table.loc["KernelSHAP", ("mIoU", "ours")] == "–" and len(table) == 10


def test_the_posters_table_is_whole_and_its_columns_are_not_named_in_it() -> None:
    table = poster_table()
    assert len(table) == 10 * 3 * 3
    assert table["value"].between(0, 1).all()
    values = table.set_index(["method", "column", "metric"])["value"]
    assert values["weighted", 2, "miou"] == 0.78 and values["kernel_shap", 3, "pointing_game"] == 0.9
    assert "Inferred" in reference()["wsss_table2"]["note"]


def lines_of(axes: Axes) -> dict[str, tuple[list[float], list[float]]]:
    drawn = axes.get_legend_handles_labels()
    return {label: (line.get_xdata().tolist(), line.get_ydata().tolist()) for line, label in zip(*drawn, strict=True)}


def test_curves_have_the_page_s_own_setting_among_those_that_were_tried(
    settings: page.Settings, runs: page.Runs
) -> None:
    figure = page.along_the_threshold(settings, runs.first)
    assert [axes.get_title() for axes in figure.axes] == ["Coverage ↑", "Spill ↓"]
    x, y = lines_of(figure.axes[0])["LIME (samples=8)"]
    assert x == [0.3, 0.5] and y == pytest.approx([0.5, 0.3])
    figure = page.along_points(settings, runs.first)
    assert [axes.get_title() for axes in figure.axes] == ["mIoU of shapes_sam2 ↑", "mIoU of random_walker ↑"]
    x, y = lines_of(figure.axes[0])["fused, weighted"]
    assert x == [1, 5, 16] and y == pytest.approx([0.2, 0.6, 0.7])
    x, y = lines_of(page.along_shares(settings, runs.first).axes[1])["fused, mean"]
    assert x == [0.05, 0.1] and y == pytest.approx([0.35, 0.3])


def test_steps_are_differences_to_the_weighted_fusion(settings: page.Settings, runs: page.Runs) -> None:
    figure = page.steps(settings, runs.first)
    assert [axes.get_title() for axes in figure.axes] == ["shapes_sam2", "random_walker"]
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    places = {
        labels[int(y)]: x for drawn in figure.axes[0].collections for x, y in drawn.get_offsets() if len(labels) > y
    }
    assert places["− Grad-CAM"] == pytest.approx(0.1) and places["− points of the truth"] == pytest.approx(-0.3)
    assert places["− fused, weighted, no background points"] == pytest.approx(0.15)
    assert labels.index("− random pixels") > labels.index("− fused, weighted, box of the support")


def test_photographs_stand_first_and_what_they_decide_to_the_contrary_is_named(settings: page.Settings) -> None:
    rows = whole()
    worse = (rows["metric"] == "iou(segmenter=shapes_sam2)") & (rows["method"] == "weighted")
    rows.loc[worse, "value"] -= 0.45
    scenes = runs_of(settings, whole()).scenes
    own = settings.model_copy(update={"run": settings.run.changed({"dataset": "photographs"})})
    photographs = replace(runs_of(settings, rows).scenes, page=own)
    both = Runs(photographs, scenes, cued_by_hand())
    assert both.first is photographs and both.second is scenes
    assert "IoU under weighted fusion − under the mean" in contrary(both)
    assert contrary(Runs(None, scenes, cued_by_hand())) == contrary(Runs(scenes, scenes, cued_by_hand())) == "none"
    facts = page.facts(settings, both)
    assert (facts["assists"], facts["other_assists"], facts["scene_declares"]) == ("did not hold", "held", "held")
    few = rows[rows["sample_id"].isin([f"i{image}" for image in range(5)])]
    five = replace(runs_of(settings, few).scenes, page=own)
    facts = page.facts(settings, Runs(five, scenes, cued_by_hand()))
    assert (facts["n"], facts["other_n"], facts["scene_n"]) == (15, 5, 15)
    assert list(page.utility(both).index.unique(0)) == ["photographs, n = 15", "single shapes, n = 15"]


def test_the_pages_runs_as_the_notebook_has_them_are_those_that_are_planned() -> None:
    settings = page.read({**defaults("wsss_sam2"), "surrogate_samples": 60, "steps": 16})
    for name, own in (("prompting", settings.many()), ("prompting_scenes", settings.as_recorded())):
        plan = read_plan(name)
        asked = with_robustness(own.run.changed({"layer": plan.settings.layer, "samples": 100}), settings.cueing)
        record = Record(name, Path(), plan.settings, [], plan.asked().about)
        assert record.covers(asked, question_of(asked, settings.cueing).about), name


def test_figures_of_explainers_show_the_rows_values(settings: page.Settings, runs: page.Runs) -> None:
    (heat,) = page.overlaps(runs.first).axes
    assert np.ma.filled(heat.collections[0].get_array(), np.nan).ravel().tolist() == pytest.approx([1, 0.2, 0.2, 1])
    assert [text.get_text() for text in heat.get_yticklabels()] == ["Grad-CAM", "LIME"]
    panels = page.reliability_by_image(runs.first).axes[:4]
    assert [axes.get_title() for axes in panels] == ["consensus", "focus", "robustness", "weight"]
    weights = np.ma.filled(panels[3].collections[0].get_array(), np.nan).reshape(2, 15)
    assert weights.mean(1).tolist() == pytest.approx([0.75, 0.25])
    figure = page.utility_rows(runs.first)
    assert [axes.get_title() for axes in figure.axes] == ["threshold", "shapes_sam2", "random_walker"]
    figure = page.gaps(settings, runs.first)
    assert [axes.get_xlabel() for axes in figure.axes] == ["Coverage ↑", "Spill ↓", "Effectiveness ↑"]
    assert figure.axes[0].get_ylabel() == "mIoU of shapes_sam2 ↑"
    assert figure.axes[1].collections[5].get_offsets().tolist() == [[pytest.approx(0.3), pytest.approx(0.3)]]


@pytest.mark.slow
def test_a_run_of_which_no_image_can_be_weighed_says_so(tmp_path: Path) -> None:
    small = {"samples": 2, "image_size": 64, "surrogate_samples": 4, "foreground": 3, "apart": 4, "layer": None}
    about = {**GIVEN, **small, "counts": [1], "robustness": "stability_noise", "results": str(tmp_path / "here")}
    settings = page.read(about)
    runs = page.run(settings)
    rows = runs.scenes.rows
    lost = replace(runs.scenes, rows=rows.assign(value=rows["value"].where(rows["metric"] != "weight")))
    facts = page.facts(settings, replace(runs, scenes=lost))
    assert (facts["heaviest"], facts["heaviest_weight"]) == ("none", "–")


@pytest.mark.slow
def test_a_small_run_has_all_its_facts_and_its_panel(tmp_path: Path) -> None:
    small = {"samples": 3, "image_size": 96, "surrogate_samples": 8, "foreground": 3, "apart": 4, "layer": None}
    about = {**GIVEN, **small, "counts": [1], "robustness": "stability_noise", "results": str(tmp_path / "here")}
    settings = page.read(about)
    runs = page.run(settings)
    facts = page.facts(settings, runs)
    assert facts["layer"] == runs.scenes.run.layer == "features.20" and facts["n"] + facts["skipped"] == 3
    figure = page.misalignment(settings, runs.first)
    titles = [axes.get_title() for axes in figure.axes[:4]]
    assert titles == ["image and truth", "Grad-CAM", "LIME", "fused,\nweighted"]
    assert figure.axes[0].get_ylabel().split("\n")[0] in runs.scenes.assisted.index


def test_of_few_images_without_a_class_every_one_is_shown(settings: page.Settings) -> None:
    record = read_record("prompting_kvasir")
    table = page.on_foreign(settings)
    assert len(table.columns) == len(record.sample_ids) + 1
    rows = record.rows[(record.rows["metric"] == "iou(segmenter=random_walker)") & (record.rows["method"] == "truth")]
    values = rows.set_index(rows["sample_id"].astype(str))["value"][sorted(record.sample_ids)]
    shown = [f"{value:.2f}" for value in (*values, values.mean())]
    assert table.loc[("random_walker", "points of the truth")].tolist() == shown


def test_where_nothing_is_recorded_there_is_nothing_of_foreign_images(settings: page.Settings, runs: page.Runs) -> None:
    absent = settings.model_copy(update={"foreign": "never_recorded"})
    assert page.on_foreign(absent) is None
    quoted = page.facts(absent, runs)
    assert [quoted[f"foreign_{name}"] for name in ("dataset", "n", "score")] == ["–"] * 3
