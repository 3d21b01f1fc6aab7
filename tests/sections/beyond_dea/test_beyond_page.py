"""What the page shows and quotes, of runs made by hand; and the whole of it once, of real ones."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from handmade import (
    BLIND,
    DRAWN,
    EXCESS,
    IMAGES,
    JUDGES_LEVEL,
    NOTEBOOK,
    ON_PICTURES,
    SEEN_OUTSIDE,
    TDD,
    WAYS,
    parameters,
    runs,
    settings,
)
from matplotlib.collections import LineCollection, PathCollection, QuadMesh
from scipy import stats

from segattr_lib.execute import load_profile
from segattr_lib.report.labels import key_label
from segattr_lib.sections import beyond_dea as page
from segattr_lib.sections.beyond_dea.settings import STRATEGIES, parts
from segattr_lib.sections.beyond_dea.significance import EFFECT, simulated, verdict

MIDDLE = (IMAGES - 1) / 2  # of the images' numbers, which every additive value has as its mean


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Fewer resamples decide the same where values are equal; multipletests collects garbage at each call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gc.collect", lambda *_: 0)
        for module in ("intervals", "comparison", "max_t"):
            patch.setattr(f"segattr_lib.inference.{module}.RESAMPLES", 999, raising=False)
        yield


@pytest.fixture(scope="module")
def chosen(quick):
    return settings()


@pytest.fixture(scope="module")
def made(chosen):
    return runs(chosen)


@pytest.fixture(scope="module")
def facts(chosen, made):
    return page.facts(chosen, made)


def of_level(levels: dict[str, int]) -> dict[str, float]:
    return {name: (level + MIDDLE) / 64 for name, level in levels.items()}


def dots(axes) -> np.ndarray:
    """The points of an axes' scatters, (n, 2)."""
    scatters = [drawn for drawn in axes.collections if isinstance(drawn, PathCollection)]
    return np.concatenate([drawn.get_offsets().compressed().reshape(-1, 2) for drawn in scatters])


def ends(axes) -> np.ndarray:
    """From where to where an axes' level lines reach, (n, 2)."""
    collections = [drawn for drawn in axes.collections if isinstance(drawn, LineCollection)]
    segments = [segment[:, 0] for drawn in collections for segment in drawn.get_segments() if segment.size]
    return np.array(segments)


def ticks(axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def lines(axes) -> dict[str, tuple[list[float], list[float]]]:
    """x and y of an axes' named lines."""
    named = {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}
    return {label: (list(line.get_xdata()), list(line.get_ydata())) for label, line in named.items()}


# significance


def test_differences_are_drawn_pair_by_pair_with_their_intervals(made):
    (axes,) = page.difference_plot(made, "excess_tdd").axes
    assert ticks(axes) == ["DEA − EGA", "DEA − GPA", "RIA − DEA", "DEA − random pixels"]
    differences = np.array([-2, 6, 10, 10]) / 64  # the same on every image
    np.testing.assert_allclose(dots(axes), np.stack([differences, range(4)], 1))
    np.testing.assert_allclose(ends(axes), np.stack([differences, differences], 1))
    assert "excess TDD" in axes.get_xlabel()


def test_the_table_of_differences_has_a_row_a_metric_and_pair(made):
    table = page.difference_table(made)
    assert list(table.index.get_level_values(0)) == ["TDD ↑"] * 4 + ["excess TDD ↑"] * 4
    row = table.loc[("excess TDD ↑", "DEA − EGA")]
    assert row["difference"] == "-0.031 [-0.031, -0.031]"
    assert (row["rank biserial"], row["wins"]) == ("-1.00", "0%")
    assert row["Cohen's d"] == "–"  # the differences have no spread
    assert float(row["p sign flip"]) == pytest.approx(4 * 2 / 1000, abs=0.005)  # Holm over four pairs
    assert float(row["p Wilcoxon"]) < 0.01
    assert table.loc[("TDD ↑", "DEA − GPA"), "difference"] == "0.125 [0.125, 0.125]"


def test_the_diagram_of_ranks_has_every_method_at_its_rank_in_excess_tdd(chosen, made):
    (axes,) = page.rank_diagram(chosen, made).axes
    assert sorted(map(tuple, dots(axes))) == [(rank, 0) for rank in range(1, 7)]
    ranked = sorted(EXCESS, key=EXCESS.get, reverse=True)
    labels = {text.get_text().strip() for text in axes.texts}
    assert {f"{key_label(name)}  {rank}.00" for rank, name in enumerate(ranked, 1)} <= labels


def test_coverage_and_rejections_are_shown_as_shares(made):
    table = page.coverage_table(made)
    assert table.loc["studentised bootstrap"].tolist() == [14, "95%", "94.5% [92.0%, 96.0%]"]
    table = page.rejection_table(made)
    assert list(table.index) == ["true mean 0", "true mean 0.5"] and list(table["test"]) == ["Wilcoxon", "sign flip"]
    assert table["rejects"].tolist() == ["4.0% [3.0%, 5.0%]", "61.2% [50.0%, 70.0%]"]
    assert table["should"].tolist() == ["5%", "–"]  # power promises nothing


def test_what_is_simulated_has_the_shapes_of_the_runs_own_differences(chosen, made):
    """Differences that are equal on every image have none; with one that has, there is a row a kind and a test."""
    rows = made.rows["main"]
    coverage, rejections = simulated(chosen, rows)
    assert coverage.empty and rejections.empty
    spread = rows.assign(value=rows["value"].where(rows["method"] != "ria", rows["value"] ** 2))
    coverage, rejections = simulated(chosen, spread)
    assert set(coverage["n"]) == {IMAGES} and set(coverage["nominal"]) == {0.95}
    assert coverage.set_index("interval").loc["studentised bootstrap", "reached"] > 0.8
    assert rejections["effect"].unique().tolist() == [0.0, EFFECT]


def test_claims_say_what_their_intervals_hold(made):
    assert page.CLAIMS == ("dea_above_ega", "dea_above_gpa")
    table = page.claims_table(made)
    assert list(table.index) == ["DEA above EGA", "DEA above GPA"] and len(table) == len(page.CLAIMS)
    assert table["in TDD ↑"].tolist() == ["holds", "holds"]
    assert table["excess TDD ↑"].tolist() == ["-0.031 [-0.031, -0.031]", "0.094 [0.094, 0.094]"]
    assert table["in excess TDD ↑"].tolist() == ["contradicted", "holds"]
    assert [verdict(-0.1, 0.1), verdict(0.0, 0.1), verdict(np.nan, np.nan)] == ["undecided"] * 3


# chance


def test_noise_is_drawn_by_its_raggedness_and_methods_at_their_own(chosen, made):
    (axes,) = page.noise_lines(chosen, made).axes
    at = [(border + MIDDLE) / 64 for border in (2, 32)]
    curves = lines(axes)
    assert list(curves) == ["mean", "zeros", "blur"]
    for fill, levels in {"mean": (4, 16), "zeros": (8, 40), "blur": (8, 8)}.items():
        x, y = curves[fill]
        assert x == pytest.approx(at) and y == pytest.approx([(level + MIDDLE) / 64 for level in levels])
    borders = {"gpa": 4, "ega": 8, "ria": 1, "dea": 2, "random": 16, "random_masked": 12}
    places = [((borders[name] + MIDDLE) / 64, (TDD[name] + MIDDLE) / 64) for name in borders]
    np.testing.assert_allclose(dots(axes), places)
    assert [text.get_text() for text in axes.texts] == [key_label(name) for name in sorted(TDD, key=TDD.get)]
    assert axes.get_xscale() == "log"


def test_methods_are_ranked_by_plain_tdd_with_excess_tdd_beside(chosen, made):
    plain, excess = page.ranking_dots(chosen, made).axes
    ranked = sorted(TDD, key=TDD.get, reverse=True)
    assert ticks(plain) == [key_label(name) for name in ranked]
    for axes, levels in ((plain, of_level(TDD)), (excess, of_level(EXCESS))):
        np.testing.assert_allclose(dots(axes), [(levels[name], place) for place, name in enumerate(ranked)])


def test_the_table_of_chance_names_the_control_that_comes_closest(made):
    table = page.chance_table(made)
    assert set(table["closest control"]) == {"pixels × mask"}
    assert table.loc["GPA", ["difference", "verdict"]].tolist() == ["-0.016 [-0.016, -0.016]", "not above"]
    assert table.loc["RIA", ["difference", "verdict"]].tolist() == ["0.234 [0.234, 0.234]", "above chance"]


# photographs


def test_every_photograph_has_its_blind_selections_and_its_maps_below_it(chosen, made):
    panels = [axes for axes in page.blind_panels(chosen, made).axes if axes.get_visible()]
    pictures, charts = panels[:2], panels[2:]
    assert [axes.get_title() for axes in pictures] == ["i00: cat", "i03: dog"]
    for axes, image in zip(charts, (0, 3), strict=True):
        points = dots(axes)
        np.testing.assert_allclose(points[:DRAWN, 1], BLIND / 64)
        np.testing.assert_allclose(points[DRAWN:, 1], [(level + image) / 64 for level in ON_PICTURES.values()])
        np.testing.assert_allclose(points[DRAWN:, 0], (8 + image) / 64)
        fit, *excess, _ = axes.get_lines()
        np.testing.assert_allclose(fit.get_ydata(), BLIND / 64, atol=1e-6)
        ends_of_excess = [line.get_ydata() for line in excess]
        wanted = [(BLIND / 64, (level + image) / 64) for level in ON_PICTURES.values()]
        np.testing.assert_allclose(ends_of_excess, wanted, atol=1e-6)


def test_maps_that_leave_their_blind_selections_behind_are_counted(facts):
    wanted = {"photo_n": 2, "photo_maps": 8, "photo_above": 4, "photo_apart": 4, "photo_blind": DRAWN}
    assert {name: facts[name] for name in wanted} == wanted
    assert facts["photo_apart_by"] == "GPA 0, EGA 0, RIA 2, DEA 2"


# judges


def test_every_judge_has_a_panel_in_the_order_of_plain_tdd(chosen, made):
    panels = page.fooled_dots(chosen, made).axes
    ranked = sorted(TDD, key=TDD.get, reverse=True)
    moved = {name: 60 if name == "random_masked" else 30 for name in TDD}
    plain = of_level(TDD)
    excess, moved = ({name: level / 64 for name, level in levels.items()} for levels in (EXCESS, moved))
    for axes, label, levels in zip(
        panels, ("TDD", "TDD less moved copies'", "excess TDD"), (plain, moved, excess), strict=True
    ):
        assert axes.get_xlabel() == label
        np.testing.assert_allclose(dots(axes), [(levels[name], place) for place, name in enumerate(ranked)])


def test_judges_are_held_against_the_truth_by_the_order_of_the_made_maps(chosen, made):
    table = page.judge_table(chosen, made)
    assert table["Spearman"].to_dict() == {
        "TDD": "0.80 [0.80, 0.80]",  # one swap of four
        "TDD less moved copies'": "-1.00 [-1.00, -1.00]",
        "excess TDD": "1.00 [1.00, 1.00]",
    }


def test_fills_that_make_maps_stand_beside_fills_that_judge_them(chosen, made):
    (axes,) = page.cross_heat(chosen, made).axes
    (mesh,) = [drawn for drawn in axes.collections if isinstance(drawn, QuadMesh)]
    fills = list(JUDGES_LEVEL)
    wanted = [[(JUDGES_LEVEL[judge] + 8 * (judge == maker) + MIDDLE) / 64 for judge in fills] for maker in fills]
    np.testing.assert_allclose(mesh.get_array(), wanted)
    assert ticks(axes) == fills and axes.get_ylabel() == "the map was made with"
    assert [label.get_text() for label in axes.get_xticklabels()] == fills


def test_the_agreement_of_fills_is_within_images_and_pooled(chosen, made):
    table = page.agreement_table(chosen, made)
    assert list(table.index) == ["mean and zeros", "mean and blur", "zeros and blur"]
    # each fill puts its own map first and the two others level: ranks 3, 1.5, 1.5 against 1.5, 3, 1.5
    assert set(table["within an image"]) == {"-0.50 [-0.50, -0.50]"} and set(table["n"]) == {IMAGES}
    pairs = [(8 * (maker == "mean"), 8 * (maker == "zeros")) for maker in JUDGES_LEVEL]
    values = np.array([(a + image, b + image) for (a, b), image in product(pairs, range(IMAGES))])
    assert table.loc["mean and zeros", "pooled"] == f"{stats.spearmanr(*values.T).statistic:.2f}"


# planted evidence


def test_what_is_owed_is_shown_by_model_and_glyph(chosen, made):
    table = page.owed_table(chosen, made)
    assert table.loc["planted_context"].to_dict() == {
        "marker": "1.000 [1.000, 1.000]",
        "badge": "0.250 [0.250, 0.250]",
    }
    assert table.loc["planted_own"].to_dict() == {"marker": "0.000 [0.000, 0.000]", "badge": "0.750 [0.750, 0.750]"}


def test_leakage_is_drawn_for_the_context_and_for_its_control(chosen, made):
    context, control = page.leakage_dots(chosen, made).axes
    assert context.get_xlabel().endswith("planted_context") and control.get_xlabel().endswith("planted_own")
    names = ticks(context)
    assert names[:2] == ["RIA", "GPA"] and "RIA (grid=3)" in names
    by_label = {key_label(name): extra for name, extra in SEEN_OUTSIDE.items()}
    wanted = [(8 + by_label.get(name, 0) + MIDDLE) / 64 for name in names]
    np.testing.assert_allclose(dots(context)[:, 0], wanted)
    np.testing.assert_allclose(dots(control)[:, 0], (8 + MIDDLE) / 64)


def test_finding_the_marker_and_the_badge_are_two_panels(chosen, made):
    marker, badge = page.find_dots(chosen, made).axes
    assert (marker.get_xlabel(), badge.get_xlabel()) == ("finds the marker", "finds the badge")
    assert ticks(marker) == ["RIA", "random pixels"]
    np.testing.assert_allclose(dots(marker), [(1, 0), (0.5, 1)])
    np.testing.assert_allclose(dots(badge), [(0.5, 0), (0.5, 1)])


def test_the_table_of_leakage_has_a_difference_and_a_share_of_images_a_metric(chosen, made):
    table = page.leakage_table(chosen, made)
    assert list(table) == ["|ODD| ↓", "images, |ODD| ↓", "LeakAbs ↓", "images, LeakAbs ↓"]
    assert table.loc["RIA"].tolist() == ["0.25 [0.25, 0.25]", "100%", "0.50 [0.50, 0.50]", "100%"]
    assert table.loc["DEA"].tolist() == ["0.00 [0.00, 0.00]", "50%", "0.00 [0.00, 0.00]", "50%"]
    assert table.loc["RIA (grid=3)", "|ODD| ↓"] == "0.03 [0.03, 0.03]"


def test_maps_are_followed_along_the_cascade(chosen, made):
    (axes,) = page.cascade_lines(chosen, made).axes
    curves = lines(axes)
    assert curves["RIA"] == ([0, 0.5, 1], [1, 0.5, 0.25])
    assert curves["random pixels"] == ([0, 0.5, 1], [1, 1, 1])


# what it costs


def test_budgets_are_drawn_over_their_passes(chosen, made):
    panels = page.budget_lines(chosen, made).axes
    assert [axes.get_title() for axes in panels] == ["TDD, mean ↑", "TDD, blur ↑", "excess TDD ↑", "|ODD| ↓"]
    weight = 1 + MIDDLE / 16
    for axes, level in zip(panels, (32, 16, 16, 4), strict=True):
        curves = lines(axes)
        assert curves["adaptive RIA"][0] == [9, 17] and curves["RIA"][0] == [10, 17]
        assert curves["adaptive RIA"][1] == pytest.approx([share * weight * level / 64 for share in (1 / 4, 3 / 4)])
        assert curves["RIA"][1] == pytest.approx([share * weight * level / 64 for share in (1 / 2, 1)])


def test_shares_are_of_the_fixed_map_and_of_the_first_strategy(chosen, made):
    table = page.budget_table(chosen, made)
    for column in table:
        assert table.loc["adaptive RIA (budget=17)", column] == "0.75 [0.75, 0.75]"
        assert table.loc["RIA (grid=4)", column] == "1.00 [1.00, 1.00]"
    table = page.strategy_table(chosen, made)
    assert list(table.index) == [key_label(name) for name in STRATEGIES]
    shares = [float(text.split()[0]) for text in table["excess TDD ↑"]]
    assert shares == pytest.approx(WAYS, abs=0.00501)  # of two digits


def test_on_thin_targets_the_adaptive_map_is_held_against_the_fixed_one(chosen, made):
    table = page.thin_table(chosen, made)
    assert list(table.index) == ["TDD ↑", "excess TDD ↑", "|ODD| ↓"]
    assert set(table["difference"]) == {"0.062 [0.062, 0.062]"}  # 4/64
    assert table["wins"].tolist() == ["100%", "100%", "0%"]  # less |ODD| is better


def test_stability_on_a_coarser_grid_stands_beside_the_passes_it_saves(chosen, made):
    table = page.stability_table(chosen, made)
    assert table["stability at 3² less at 4²"].tolist() == ["-0.031 [-0.031, -0.031]", "0.000 [0.000, 0.000]"]  # 2/64
    assert table["passes at 4²"].tolist() == [85, 85] and table["passes at 3²"].tolist() == [60, 60]
    assert table["n"].tolist() == [IMAGES, IMAGES] and list(table.index) == ["RIA", "DEA"]


def test_precisions_are_shown_to_four_digits(made):
    table = page.precision_table(made)
    shown = table.loc[("bfloat16", "channels last"), ["seconds an image ↓", "mean TDD"]]
    assert shown.tolist() == [0.1235, 0.6]


# what the prose quotes


def test_facts_are_what_the_runs_hold(facts):
    wanted = {
        "dataset": "generated scenes",
        "model": "shapes_fcn",
        "n": IMAGES,  # the image that was not recognised is none of them
        "lost": 1,
        "floor": 0.3,
        "level": "95%",
        "coverage": "94.5%",
        "central": 2,
        "central_tdd": "2",
        "central_excess": "1",
        "noise_least": f"{(4 + MIDDLE) / 64:.2f}",
        "noise_most": f"{(40 + MIDDLE) / 64:.2f}",
        "rank_agreement": f"{1 - 6 * (1 + 1 + 4 + 4) / (6 * 35):.2f}",
        "first_tdd": "RIA",
        "random_tdd": 6,
        "random_excess_tdd": 6,
        "above_chance": 3,
        "of_chance": 4,
        "fooled_n": IMAGES,
        "masked_tdd": f"{(16 + MIDDLE) / 64:.2f}",
        "best_tdd": f"{(48 + MIDDLE) / 64:.2f}",
        "masked_moved_excess_tdd": f"{60 / 64:.2f}",
        "best_moved_excess_tdd": f"{30 / 64:.2f}",
        "better_tdd": "0.200 [0.200, 0.200]",
        "better_moved_excess_tdd": "2.000 [2.000, 2.000]",
        "ordered": IMAGES,
        "own": "0.125 [0.125, 0.125]",
        "own_n": IMAGES,
        "apart_odd": "5",
        "apart_leak": "1",
        "apart_odd_controls": "1",
        "controls": 2,
        "probes": 7,
        "fixed_passes": 17,
        "reach_0": "75.0%",
        "reach_low_2": "75.0%",
        "layout_0": "25% [25%, 25%]",
        "thin_n": IMAGES,
        "thin_tdd": "-0.031 [-0.031, -0.031]",
        "chosen": "bfloat16, channels first",
    }
    assert {name: facts[name] for name in wanted} == wanted


def test_every_name_that_the_prose_quotes_is_a_fact(facts):
    quoted = set(re.findall(r"\{glue:text\}`(\w+)`", NOTEBOOK.read_text(encoding="utf-8")))
    assert quoted <= set(facts)


def test_a_lead_that_the_images_do_not_decide_is_quoted_as_such(chosen, made):
    rows = made.rows["main"]
    even = np.array([int(str(name)[1:]) % 2 if str(name)[0] == "i" else 0 for name in rows["sample_id"]])
    swapped = rows.assign(value=rows["value"].where(rows["method"] != "dea", rows["value"] + (2 * even - 1) * 0.25))
    level = swapped.assign(value=swapped["value"].where(swapped["method"] != "dea", swapped["value"] + 7 / 64))
    first = page.facts(chosen, replace(made, rows={**made.rows, "main": level}))["first_tdd"]
    assert first == "RIA (not told apart from every other)"


def test_a_page_without_the_methods_of_a_claim_or_control_has_a_dash_or_nothing():
    chosen = settings(methods=["ria", "ega", "random"])
    few = runs(chosen)
    facts = page.facts(chosen, few)
    assert (facts["central"], facts["central_tdd"], facts["masked_tdd"]) == (0, "0", "–")
    assert page.claims_table(few).empty


@pytest.mark.slow
def test_the_whole_page_runs_and_shows_everything_it_has(tmp_path):
    small = load_profile("smoke")["beyond_dea"] | {"results": str(tmp_path / "r"), "device": "cpu"}
    chosen = page.read(parameters(**small))
    whole = page.run(chosen)
    assert {name: (tmp_path / "r" / name).is_dir() for name in whole.rows} == dict.fromkeys(parts(chosen), True)
    methods = [key.text for key in chosen.run.methods]
    assert len(whole.fooled) == chosen.fooled_samples * len(methods)
    assert whole.redrawn["share"].nunique() == chosen.stages
    assert whole.redrawn["sample_id"].nunique() == chosen.few
    assert whole.drops["sample_id"].nunique() == chosen.planted_samples
    assert set(whole.finds["key"]) == {*methods, "ria(grid=3)"}
    assert whole.redrawn_basis.startswith("computed with this page")  # no record is of these settings
    random = whole.redrawn[(whole.redrawn["key"] == "random") & (whole.redrawn["measure"] != "entropy_rise")]
    np.testing.assert_allclose(random["value"], 1, atol=1e-6)
    quoted = set(re.findall(r"\{glue:text\}`(\w+)`", NOTEBOOK.read_text(encoding="utf-8")))
    assert quoted <= set(page.facts(chosen, whole))
    again = page.run(chosen)  # finished folders are read
    for name, rows in whole.rows.items():
        pd.testing.assert_frame_equal(rows, again.rows[name])
