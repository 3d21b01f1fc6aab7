"""What the page on RefineCAM says of its runs: hand-made rows in, numbers, verdicts, tables and figures out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from refinecam_rows import ARCC, BASES, FUSED, IMAGES, MODELS, REGION, STARTS, row, runs, settings, wave
from small_photographs import IDS

from segattr_lib.attribution import METHODS
from segattr_lib.attribution.fusion import FUSIONS
from segattr_lib.data.photographs import credits_of
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.inference.paired import settled
from segattr_lib.registry import UserError
from segattr_lib.report.pictures import at_quantiles
from segattr_lib.report.reference import reference
from segattr_lib.sections import refinecam as page
from segattr_lib.sections.refinecam import choices, claims, lift, looks
from segattr_lib.sections.refinecam.maps import layer_maps
from segattr_lib.sections.refinecam.runs import DEEPEST, MEANS, PLACES, REFINED, SHALLOWEST, Many, key_of

ROOT = Path(__file__).parents[3]
BASE = "layercam"


@pytest.fixture
def solved() -> pd.DataFrame:
    """Two models, two images, two bases; by hand."""
    by_place = {  # model, sample: values of a's and b's (shallowest, deepest, refined)
        ("m", "x"): ((0.1, 0.5, 0.3), (0.2, 0.9, 0.6)),
        ("m", "y"): ((0.4, 0.2, np.nan), (0.0, 0.3, 0.2)),
        ("n", "x"): ((0.8, 0.1, 0.7), (0.6, 0.1, 0.5)),
        ("n", "y"): ((0.7, 0.1, 0.9), (0.9, 0.3, 0.5)),
    }
    return pd.DataFrame(
        [
            row(model, sample, key_of(base, place), value)
            for (model, sample), bases in by_place.items()
            for base, places in zip(("gradcam", "layercam"), bases, strict=True)
            for place, value in zip(PLACES, places, strict=True)
        ]
    )


def test_lift_is_the_mean_over_the_bases_of_what_refining_adds_on_each_image_and_model(solved: pd.DataFrame) -> None:
    bases = ["gradcam", "layercam"]
    gains = lift.lift(settled(solved), bases, SHALLOWEST)
    assert gains.loc["x", "m"] == pytest.approx((0.2 + 0.4) / 2)
    assert gains.loc["y", "m"] == pytest.approx((-0.4 + 0.2) / 2)  # a map that vanished counts 0
    assert gains.loc["x", "n"] == pytest.approx(-0.1)
    assert np.isnan(lift.lift(solved, bases, SHALLOWEST).loc["y", "m"])
    assert lift.lift(solved, bases[:1], DEEPEST).loc["x", "n"] == pytest.approx(0.6)


def test_settled_fills_composites_that_do_not_exist_and_nothing_else(solved: pd.DataFrame) -> None:
    other = pd.DataFrame([row("m", "x", "gradcam", np.nan, "coherency"), row("m", "x", "gradcam", np.nan, "adcc")])
    filled = settled(pd.concat([solved, other], ignore_index=True))
    assert filled["value"].isna().sum() == 1 and filled.iloc[-2]["metric"] == "coherency"
    assert (filled["value"] == 0).sum() == 3  # one was 0 before
    assert solved["value"].isna().sum() == 1


def test_summary_counts_what_does_not_exist(solved: pd.DataFrame) -> None:
    cells = lift.summary(solved, ["gradcam", "layercam"], ["arcc"]).set_index(["model", "base", "place"])
    assert len(cells) == 12
    vanished = cells.loc["m", "gradcam", REFINED]
    assert (vanished["mean"], vanished["n"], vanished["undefined"]) == (0.3, 1, 1)
    assert cells.loc["n", "layercam", SHALLOWEST]["std"] == pytest.approx(np.std([0.6, 0.9], ddof=1))


def placed(means: dict[str, float], n: int, spread: float, metric: str = "arcc", seed: int = 0) -> pd.DataFrame:
    """Rows of a model whose ways have these means, over images of their own difficulty."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=n)
    return pd.DataFrame(
        [
            row("m", f"s{image}", key, hard[image] + mean + rng.normal(0, spread), metric)
            for key, mean in means.items()
            for image in range(n)
        ]
    )


def test_leaders_are_told_where_they_lie_above_and_their_value_is_of_images_that_did_not_choose() -> None:
    bases = ["gradcam", "layercam"]
    keys = [key_of(base, place) for base in bases for place in PLACES]
    first, second = key_of("gradcam"), key_of("layercam")
    clear = lift.leaders(placed({key: float(key == first) for key in keys}, 30, 0.2), bases)
    assert list(clear.loc["m", ["base", "place", "n", "best", "refined"]]) == ["gradcam", REFINED, 30, HOLDS, HOLDS]
    both = {key: float(key in (first, second)) for key in keys}  # which refined way is open, that it is so is not
    either = lift.leaders(placed(both, 30, 0.2), bases).loc["m"]
    assert (either["place"], either["best"], either["refined"]) == (REFINED, UNDECIDED, HOLDS)
    deep = lift.leaders(placed({key: float(DEEPEST in key and "gradcam" in key) for key in keys}, 30, 0.2), bases)
    assert list(deep.loc["m", ["place", "best", "refined"]]) == [DEEPEST, HOLDS, CONTRADICTED]
    few = lift.leaders(placed({key: float(key == first) for key in keys}, 11, 0.2), bases).loc["m"]
    assert (few["place"], few["best"], few["refined"]) == (REFINED, UNDECIDED, UNDECIDED)
    equal = [lift.leaders(placed(dict.fromkeys(keys, 0.0), 20, 1.0, seed=seed), bases) for seed in range(40)]
    assert sum(led.loc["m", "best"] != UNDECIDED for led in equal) <= 4
    shallow = lift.leaders(placed(both, 30, 0.2), bases, (SHALLOWEST, REFINED))
    assert shallow.loc["m", "refined"] == HOLDS


def test_the_best_start_is_told_only_where_it_lies_above_the_others_and_every_model_has_it() -> None:
    def at(start: int, alone: float, fused: float, model: str = "m") -> pd.DataFrame:
        rows = placed({BASE: alone, key_of(BASE): fused}, 20, 0.1, seed=start)
        hard = np.random.default_rng(start).normal(size=20)  # the images are as hard from every start
        away = dict(zip([f"s{image}" for image in range(20)], hard, strict=True))
        return rows.assign(start=start, model=model, value=rows["value"] - rows["sample_id"].map(away))

    rows = pd.concat([at(1, 0.0, 0.0), at(2, 1.0, 0.0), at(3, 0.0, 0.02)])
    best = choices.best_starts(rows, BASE, ["arcc"])
    alone, fused = best.loc[("arcc", BASE)], best.loc[("arcc", key_of(BASE))]
    assert (alone["start"], alone["best"], alone["n"]) == (2, HOLDS, 20) and alone["mean"] == pytest.approx(1, abs=0.1)
    assert fused["best"] == UNDECIDED
    other = pd.concat([rows, at(1, 0.0, 0.0, "other"), at(3, 0.5, 0.0, "other")])  # it has no stage 2
    assert choices.best_starts(other, BASE, ["arcc"]).loc[("arcc", BASE), "start"] == 3


def test_fusions_are_compared_over_images_and_models(solved: pd.DataFrame) -> None:
    fused = pd.DataFrame(
        [
            row(model, sample, key_of("gradcam", fuse=fuse), level + 0.1 * place)
            for fuse, level in [("geometric_mean", 0.0), ("inverse_exp_mean", 0.5)]
            for place, (model, sample) in enumerate([("m", "x"), ("m", "y"), ("n", "x"), ("n", "y")])
        ]
    )
    cells = choices.over_fusions(pd.concat([solved, fused]), ["gradcam"]).set_index("fuse")
    assert cells.loc["geometric_mean", "mean"] == pytest.approx(0.15)
    assert cells.loc["inverse_exp_mean", "mean"] == pytest.approx(0.65)
    assert cells.loc["geometric_mean", "std"] == pytest.approx(np.std([0, 0.1, 0.2, 0.3], ddof=1))
    assert (cells.loc["product", "mean"], cells.loc["product", "n"]) == (pytest.approx(1.9 / 3), 3)


@pytest.mark.parametrize(("count", "wanted"), [(3, "dca"), (2, "da"), (1, "d"), (9, "dbca")])
def test_samples_are_chosen_at_evenly_spaced_ranks(count: int, wanted: str) -> None:
    gains = pd.Series({"a": -0.5, "b": 0.2, "e": np.nan, "c": 0.1, "d": 0.9})
    assert "".join(at_quantiles(gains, count).index) == wanted


@pytest.mark.parametrize(
    ("gains", "median"), [([0.1, 0.9, 0.5], "c"), ([0.1, np.nan, 0.5], "c"), ([0.3, np.nan, np.nan], "a")]
)
def test_the_image_taken_apart_is_the_median_of_those_with_a_gain(gains: list[float], median: str) -> None:
    table = pd.DataFrame({"m": gains, "n": gains}, index=list("abc"))
    assert looks.median_image(table) == median
    with pytest.raises(UserError, match="None of 3 images has an ARCC of both maps"):
        looks.median_image(table * np.nan)


def test_the_papers_table_2_is_data_with_its_source() -> None:
    table = choices.paper_table2()
    assert "Table 2" in reference()["refinecam_table2"]["source"]
    assert set(table["fuse"]) == set(FUSIONS) and set(table["base"]) <= set(METHODS)
    assert len(table) == 15 and (table["mean"] < 1).all() and (table["std"] < 1).all()
    wide = table.pivot_table(index="base", columns="fuse", values="mean")
    assert list(wide.index[wide.idxmax(axis=1) != "product"]) == ["guided_gradcam"]  # against the paper's own text


def number(text: str) -> float:
    """The value that a cell of a table begins with."""
    return float(re.split(r"[ \[]", text)[0])


def test_table_1_has_the_means_of_every_model_cam_and_place() -> None:
    table = page.arcc_table(settings(), runs())
    assert list(table.columns) == list(PLACES)
    assert list(table.index) == [(model, label) for model in MODELS for label in ("Grad-CAM++", "LayerCAM")]
    for shift, model in enumerate(MODELS):
        assert list(table.loc[(model, "LayerCAM")]) == [f"{ARCC[place] + 0.1 * shift:.3f}" for place in PLACES]


def test_the_table_of_leaders_names_the_highest_and_says_whether_it_is_told_apart() -> None:
    table = page.leaders_table(settings(), runs())
    assert list(table.index) == list(MODELS)
    assert table["highest"].str.endswith(", deepest").all() and (table["n"] == IMAGES).all()
    assert list(table["above every other"]) == ["undecided", "undecided"]  # either CAM, as good
    assert list(table["a refined one above all that are not"]) == ["no", "no"]
    assert number(table["chosen on other images"].iloc[1]) == pytest.approx(0.7, abs=0.03)


def test_the_table_of_parts_has_every_metric_by_cam_and_place_over_both_models() -> None:
    table = page.parts_table(settings(), runs())
    assert list(table.columns) == ["ARCC ↑", "ROAD ↑", "Coherency ↑", "Complexity ↓"]
    assert list(table.index) == [(label, place) for label in ("Grad-CAM++", "LayerCAM") for place in PLACES]
    assert list(table.loc[("LayerCAM", REFINED)]) == ["0.550", "0.300", "0.650", "0.300"]


def test_the_tables_of_lift_and_coverage_and_of_the_shortcut() -> None:
    lifts = page.lift_table(settings(), runs())
    assert list(lifts.index) == list(MODELS) and list(lifts.columns) == ["− shallowest", "− deepest"]
    for model in MODELS:
        assert [number(text) for text in lifts.loc[model]] == [0.3, -0.1]
        assert all("[" in text for text in lifts.loc[model])
    assert page.coverage_table(settings(), runs()).loc["studentised bootstrap", "reached"].startswith("94.3%")
    shortcut = page.shortcut_table(settings(), runs())
    assert list(shortcut.index) == ["Grad-CAM++", "LayerCAM"]
    assert list(shortcut.loc["LayerCAM"])[:4] == ["0.600", "0.800", "0.500", "0.550"]
    assert number(shortcut.loc["LayerCAM", "ARCC, kept − whole"]) == 0.05


def test_the_table_of_fusions_has_the_papers_beside_ours_where_it_has_the_cam() -> None:
    table = page.fusion_table(settings(bases=["layercam", "gradcam"]), runs(("layercam", "gradcam")))
    assert list(table.index) == ["LayerCAM", "Grad-CAM"]
    assert list(table.columns)[-2:] == [("product", "ours"), ("product", "paper")]
    assert table.loc["LayerCAM", ("product", "paper")] == "0.74 ± 0.26"
    assert (table.loc["Grad-CAM"].xs("paper", level=1) == "–").all()
    for fuse, mean in FUSED.items():
        assert number(table.loc["LayerCAM", (fuse.replace("_", " "), "ours")]) == pytest.approx(mean + 0.05, abs=0.006)


def test_the_table_of_a_segmentation_has_every_method_and_metric() -> None:
    table = page.region_table(settings(), runs())
    assert list(table.columns) == ["TDD ↑", "|ODD| ↓", "excess TDD ↑"]
    assert list(table.index)[:3] == ["GPA (layer=block1)", "GPA", "RefineCAM of GPA"]
    assert [number(text) for text in table["TDD ↑"]] == list(REGION.values())
    assert number(table.loc["EGA", "|ODD| ↓"]) == -0.6


def dots(figure: Figure) -> list[tuple[str, float]]:
    """The rows of an interval plot: label and mean difference, in the order of the rows."""
    (axes,) = figure.axes
    points = np.concatenate([dot.get_offsets() for dot in axes.collections if hasattr(dot, "get_sizes")])
    points = points[np.argsort(points[:, 1])]
    labels = [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]
    return list(zip(labels, points[:, 0], strict=True))


DRAWN: list[tuple[Callable[[page.Settings, page.Runs], Figure], list[tuple[str, float]]]] = [
    (
        page.lift_plot,
        [
            ("RefineCAM of Grad-CAM++ − Grad-CAM++ (layer=shallowest)", 0.3),
            ("RefineCAM of LayerCAM − LayerCAM (layer=shallowest)", 0.3),
            ("RefineCAM of Grad-CAM++ − Grad-CAM++ (layer=deepest)", -0.1),
            ("RefineCAM of LayerCAM − LayerCAM (layer=deepest)", -0.1),
        ],
    ),
    (
        page.fusion_plot,
        [
            (f"{label} (fuse=product) − {label} (fuse={fuse.replace('_', ' ')})", FUSED["product"] - FUSED[fuse])
            for fuse in MEANS
            for label in ("Grad-CAM++", "LayerCAM")
        ],
    ),
    (
        page.region_plot,
        [
            ("RefineCAM of GPA − GPA", 0.1),
            ("RefineCAM of EGA − EGA", -0.05),
            ("RefineCAM of GPA − GPA (layer=block1)", 0.15),
            ("RefineCAM of EGA − EGA (layer=block1)", 0.1),
        ],
    ),
]


@pytest.mark.parametrize(("draw", "wanted"), DRAWN, ids=["lift", "fusions", "region"])
def test_paired_differences_are_drawn_where_they_are(
    draw: Callable[[page.Settings, page.Runs], Figure], wanted: list[tuple[str, float]]
) -> None:
    drawn = dots(draw(settings(), runs()))
    assert [label for label, _ in drawn] == [label for label, _ in wanted]
    assert [value for _, value in drawn] == pytest.approx([value for _, value in wanted])


def test_the_curves_run_over_the_starting_layers_a_panel_a_metric() -> None:
    figure = page.start_curves(settings(), runs())
    assert [axes.get_title() for axes in figure.axes] == ["ARCC ↑", "ROAD ↑"]
    for axes in figure.axes:
        lines = {str(line.get_label()): line for line in axes.get_lines()}
        for place, label in enumerate(("LayerCAM", "RefineCAM of LayerCAM")):
            assert np.asarray(lines[label].get_xdata()).tolist() == list(STARTS)
            wanted = [means[place] + 0.05 for means in STARTS.values()]  # over both models
            np.testing.assert_allclose(np.asarray(lines[label].get_ydata(), float), wanted, atol=1e-9)


def shown(axes: Axes) -> np.ndarray:
    """The map that lies over a picture of a gallery."""
    return np.ma.filled(np.ma.asarray(axes.images[-1].get_array()), np.nan)


def test_a_stage_that_a_model_lacks_is_left_bare_and_its_product_stands_last() -> None:
    four, two = ([torch.full((2, 2), float(value)) for value in range(count)] for count in (5, 3))
    columns = looks.by_stage([four, two])
    assert list(columns) == ["stage 1", "stage 2", "stage 3", "stage 4", "product"]
    values = {name: [float(drawn[0, 0]) for drawn in maps] for name, maps in columns.items()}
    assert values["stage 2"] == [1, 1] and values["product"] == [4, 2]
    assert np.isnan([values["stage 3"][1], values["stage 4"][1]]).all()


def of_photographs() -> Many:
    """One model's photographs, on which RefineCAM lies below its base at both ends, and no mean was tried of one."""
    own = settings(model="shapes_resnet18", averaged=["layercam"])
    made = runs()
    ends = made.ends[made.ends["model"] == "shapes_resnet18"]
    lowered = ends.assign(value=ends["value"] - 0.45 * (ends["method"] == "refinecam"))
    fused = made.fused[made.fused["model"] == "shapes_resnet18"]
    run = own.run.changed({"dataset": "photographs"})
    about = {"metrics": made.metrics, "coverage": made.coverage, "source": "a record", "accuracy": "–"}
    return Many(lowered, fused=fused, page=own.model_copy(update={"run": run}), **about)


def test_photographs_stand_first_and_what_they_decide_to_the_contrary_is_named() -> None:
    both = replace(runs(), many=of_photographs())
    facts = page.facts(settings(), both)
    assert (facts["lifts"], facts["other_lifts"]) == ("did not hold", "held")
    assert "RefineCAM lifts its base's ARCC on most models" in facts["apart"]
    assert (facts["dataset"], facts["models"], facts["other_models"], facts["averaged"]) == ("photographs", 1, 2, 1)
    titles = [f"photographs, n = {IMAGES}", f"single shapes, n = {IMAGES}"]
    for table in (page.arcc_table, page.leaders_table, page.parts_table, page.lift_table, page.fusion_table):
        assert list(table(settings(), both).index.unique(0)) == titles
    drawn = [page.lift_plot(settings(), both, beside=beside) for beside in (False, True)]
    assert [dots(figure)[0][1] for figure in drawn] == pytest.approx([-0.15, 0.3])
    assert page.lift_plot(settings(), runs(), beside=True) is None
    few = both.many.ends[both.many.ends["sample_id"].isin([f"s{image:02}" for image in range(11)])]
    facts = page.facts(settings(), replace(both, many=replace(both.many, ends=few)))
    assert (facts["dataset"], facts["other_dataset"], facts["other_n"]) == ("single shapes", "photographs", 11)


def test_where_no_cam_stands_at_the_deepest_stage_nothing_is_held_against_it() -> None:
    made = runs()
    there = ~made.ends["variant"].astype(str).str.contains("deepest")
    shallow = replace(made, ends=made.ends[there])
    assert shallow.places == (SHALLOWEST, REFINED) and made.places == PLACES
    facts = page.facts(settings(), shallow)
    assert (facts["gain_deepest"], facts["side_deepest"], facts["road_deepest"]) == ("–", "not held against", "–")
    assert facts["gain_shallowest"] == page.facts(settings(), made)["gain_shallowest"]
    assert list(page.arcc_table(settings(), shallow)) == [SHALLOWEST, REFINED]
    assert list(page.lift_table(settings(), shallow)) == ["− shallowest"]
    assert page.leaders_table(settings(), shallow)["highest"].str.endswith(", refined").all()


def test_the_galleries_show_the_maps_of_the_images_that_the_rule_chooses() -> None:
    """On real images, whose gains are made: the first has the least, the last the most."""
    page_settings = settings(model="shapes_resnet18", samples=3, few=3, pictures=2)
    samples = ["test-00000", "test-00001", "test-00002"]
    table = [
        row("shapes_resnet18", sample, key_of(base, place), gain if place == REFINED else 0.0)
        for sample, gain in zip(samples, (0.1, 0.2, 0.3), strict=True)
        for base in BASES
        for place in PLACES
    ]
    made = replace(runs(), ends=pd.DataFrame(table))
    (run,) = page_settings.run.runs()
    apart = page.taken_apart(page_settings, made)
    maps = looks.layer_maps(looks.group_of(run, samples[1:2]), "layercam")
    titles = [axes.get_title() for axes in apart.axes]
    assert titles == ["image and target", *(f"stage {stage}" for stage in range(1, len(maps))), "product"]
    assert apart.axes[0].get_ylabel() == "shapes\nresnet18"
    for axes, of_layer in zip(apart.axes[1:], maps.values(), strict=True):
        np.testing.assert_allclose(shown(axes), of_layer[0].cpu().numpy(), atol=1e-6)

    both = page.ends_gallery(page_settings, made)
    rows = np.array(both.axes).reshape(2, 7)
    assert [axes.get_ylabel() for axes in rows[:, 0]] == [f"{samples[2]}\n+0.30", f"{samples[0]}\n+0.10"]
    labels = ("LayerCAM", "Grad-CAM++")  # the swept one first
    assert [axes.get_title() for axes in rows[0, 1:]] == [f"{label}\n{place}" for label in labels for place in PLACES]
    first = looks.layer_maps(looks.group_of(run, samples[2:]), "layercam")
    for axes, name in zip(rows[0, 1:4], [next(iter(first)), list(first)[-2], "RefineCAM"], strict=True):
        np.testing.assert_allclose(shown(axes), first[name][0].cpu().numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("borne_out", "contradicted", "verdict"),
    [("1110", "0000", HOLDS), ("1100", "0000", UNDECIDED), ("1100", "0011", CONTRADICTED), ("0000", "0001", UNDECIDED)],
)
def test_a_claim_of_most_models_asks_for_more_than_half(borne_out: str, contradicted: str, verdict: str) -> None:
    assert claims.of_most(*(pd.Series(list(flags)) == "1" for flags in (borne_out, contradicted))) == verdict


def test_every_claim_has_its_row_and_its_verdict() -> None:
    made = runs()
    verdicts = claims.verdicts(settings(), made)
    assert tuple(verdicts) == page.CLAIMS
    assert set(verdicts.values()) == {HOLDS}
    table = page.claims_table(settings(), made)
    assert len(table) == len(page.CLAIMS) and set(table["it"]) == {"held"}
    assert table.loc["multiplication beats the two means", "the paper"] == "for 4 of 5 CAMs"
    assert "interval above 0 in 4 of 4 pairs, below in 0" in table.loc["multiplication beats the two means", "here"]
    worse = FUSED | {"geometric_mean": 0.6}
    away = made.fused["variant"].str.contains("geometric_mean") * (worse["geometric_mean"] - FUSED["geometric_mean"])
    beaten = replace(made, fused=made.fused.assign(value=made.fused["value"] + away))
    assert claims.verdicts(settings(), beaten)["product_beats_means"] == CONTRADICTED
    drop = (made.ends["method"] == "refinecam") * 0.4
    lowered = replace(made, ends=made.ends.assign(value=made.ends["value"] - drop))
    lost = claims.verdicts(settings(), lowered)
    assert lost["refinement_lifts_arcc"] == lost["refined_strongest_on_most_models"] == CONTRADICTED


def test_the_page_opens_with_photographs_shallow_deep_and_refined() -> None:
    made = runs()
    figure = page.photo_ends(settings(), made)
    assert [axes.get_title() for axes in figure.axes[:4]] == ["photograph", *PLACES]
    assert [figure.axes[place].get_ylabel() for place in (0, 4)] == made.photographs.titles
    maps = list(layer_maps(made.photographs.group, BASE).values())
    for row_number in range(2):
        drawn = [figure.axes[4 * row_number + column].images[1].get_array() for column in (1, 2, 3)]
        for shown, of_layer in zip(drawn, (maps[0], maps[3], maps[4]), strict=True):
            np.testing.assert_array_equal(shown, of_layer[row_number])
    table = page.photo_table(made)
    assert table.index.tolist() == [(name, place) for name in IDS for place in PLACES]
    assert table.loc[("coffee", REFINED)].tolist() == ["0.40", "0.70", "0.50", "–"]


def test_the_facts_are_what_the_page_quotes_and_say_what_the_rows_say() -> None:
    facts = page.facts(settings(), runs())
    quoted = re.findall(r"\{glue:text\}`(\w+)`", (ROOT / "notebooks/refinecam.py").read_text(encoding="utf-8"))
    assert set(facts) == set(quoted)
    wanted = {
        "n": IMAGES,
        "models": 2,
        "cams": 2,
        "level": "95%",
        "vanished": 0,
        "composites": 2 * IMAGES * len(MODELS),
        "truth": "no truth is known",
        "basis": "made by hand",
        "apart": "none",
        "swept": "LayerCAM",
        "shown_model": MODELS[0],
        "led": "0 (0 undecided)",
        "led_shallow": "2 (0 undecided)",
        "paper_strongest": 3,
        "lifts": "held",
        "multiplies": "held",
        "up_shallowest": 2,
        "up_deepest": 0,
        "above_shallowest": "2",
        "below_deepest": "2",
        "side_shallowest": "higher than",
        "side_deepest": "lower than",
        "road_shallowest": "0.15",
        "road_refined": "0.30",
        "coherency_deepest": "0.75",
        "coverage": "94.3%",
        "few": IMAGES,
        "product_best": 2,
        "paper_best": 4,
        "fusion_above": "4",
        "side_geometric_mean": "higher than",
        "by": "ROAD",
        "best_start": "2",
        "best_alone": "3",
        "flattered_coherency": "+0.200",
        "seg_n": IMAGES,
        "seg_pairs": 4,
        "seg_above_tdd": "3",
        "seg_below_tdd": "1",
        "seg_below_odd_abs": "3",
        "shallow": "block1",
        "seg_layer": "block4",
        "photos": 2,
        "photo_up_shallowest": 2,
        "photo_up_deepest": 1,
        "photo_road_refined": "0.50",
        "photo_road_shallowest": "0.30",
        "photo_credit": credits_of(IDS),
    }
    assert {name: facts[name] for name in wanted} == wanted
    assert facts["other_gain_shallowest"] == "–"
    assert number(facts["gain_shallowest"]) == 0.3 and number(facts["gain_inverse_exp_mean"]) == 0.2
    assert number(facts["flattered"]) == 0.05


@pytest.mark.slow
def test_a_map_that_vanished_is_counted_and_a_start_that_is_not_told_apart_is_said_so() -> None:
    made = runs()
    gone = (made.ends["method"] == "refinecam") & (made.ends["metric"] == "arcc") & (made.ends["sample_id"] == "s00")
    ends = made.ends.assign(status=made.ends["status"].mask(gone, "undefined"))
    phases = made.starts["start"].map({1: 0.0, 2: 0.3, 3: 0.6})  # every start is as good, on other images
    images = made.starts["sample_id"].str[1:].astype(int)
    starts = made.starts.assign(value=[wave(image, phase) for image, phase in zip(images, phases, strict=True)])
    facts = page.facts(settings(), replace(made, ends=ends, starts=starts))
    assert facts["vanished"] == len(BASES) * len(MODELS)
    assert facts["best_start"].endswith(" (not told apart from every other)")
