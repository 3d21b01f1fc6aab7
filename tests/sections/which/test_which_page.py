"""What the page says of records of known answer, and of records that are not there."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from drawn import collisions
from made_records import CONTROLS, PASSES, VALUES, made_rows, make_record

from segattr_lib.registry import UserError
from segattr_lib.report.style import method_colours
from segattr_lib.sections import which as page
from segattr_lib.sections.which.change import by_axis, kept
from segattr_lib.sections.which.tables import ABSENT

METHODS = list(PASSES)
EARNED = ("excess_tdd", "tdd", "odd_abs")
SETTINGS = [(k, fill) for k in (0.2, 0.5) for fill in ("mean", "blur")]
MANY = {"ega": 3, "ria(grid=4)": 17, "ria(grid=7)": 50, "ria(grid=14)": 197, "adaptive_ria(budget=17)": 17}
BY_MANY = {
    "ega": 0.1,
    "ria(grid=4)": 0.2,
    "ria(grid=7)": 0.3,
    "ria(grid=14)": 0.4,
    "adaptive_ria(budget=17)": 0.3,
}


def under_setting(metric: str, method: str, k: float, fill: str) -> float:
    """RIA earns most at k = .2 and fill mean, adaptive RIA at k = .5 and fill mean, DEA by blur."""
    first = "dea" if fill == "blur" else "adaptive_ria" if k == 0.5 else "ria"
    if method == first and metric != "odd_abs":
        return 0.9
    return VALUES[metric][method]


def on_scenes() -> dict[str, dict[str, float]]:
    """GPA is the most faithful of all, and the most stable; the rest as on photographs."""
    changed = {name: dict(values) for name, values in VALUES.items()}
    changed["excess_tdd"]["gpa"] = changed["stability"]["gpa"] = 0.97
    return changed


def with_variants(rows: pd.DataFrame) -> pd.DataFrame:
    """Methods such as "ria(grid=4)" in two columns, as a run has them."""
    parts = rows["method"].str.extract(r"^([^(]+)(?:\((.*)\))?$")
    return rows.assign(method=parts[0], variant=parts[1].fillna("").where(parts[0].notna()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs under two models, their settings in one record, many budgets; no scenes."""
    place = tmp_path_factory.mktemp("evidence")
    make_record(place, "photographs", made_rows(models=("shapes_fcn", "shapes_lraspp")))
    values = {metric: {name: VALUES[metric][name] for name in METHODS} for metric in EARNED}
    rows = made_rows(values, {}, settings=SETTINGS, at=under_setting)
    make_record(place, "photographs_224_truth", rows, k=[0.2, 0.5], evaluation_fill=["mean", "blur"])
    many = with_variants(made_rows({"excess_tdd": BY_MANY}, MANY))
    make_record(place, "photographs_settings", many)
    return place


@pytest.fixture(scope="module")
def runs(folder: Path) -> page.Runs:
    return page.run(page.read({"evidence": str(folder)}))


@pytest.fixture(scope="module")
def quoted(runs: page.Runs) -> dict[str, Any]:
    return page.facts(runs)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> page.Runs:
    place = tmp_path_factory.mktemp("both")
    for name, values in (("photographs", VALUES), ("scenes", on_scenes())):
        make_record(place, name, made_rows({metric: values[metric] for metric in ("excess_tdd", "stability")}))
    return page.run(page.read({"evidence": str(place)}))


def cells(html: str) -> list[list[str]]:
    """The rows of a table as text, breaks as spaces."""
    rows = re.findall(r"<tr.*?</tr>", html, re.DOTALL)
    texts = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[" ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split()) for text in row] for row in texts]


def test_the_first_table_answers_each_need_and_says_what_is_absent(runs: page.Runs) -> None:
    header, *rows = cells(page.answers_table(runs).data)
    assert header == ["you want", "photographs", "generated scenes"]
    answered = {row[0]: row[1] for row in rows}
    assert {row[2] for row in rows} == {ABSENT}
    assert answered["The most faithful excess TDD ↑"].startswith("RIA ✓, adaptive RIA ✓ ")
    assert "next: adaptive DEA ✓, 0.101 [" in answered["The most faithful excess TDD ↑"]
    assert answered["The largest drop as it stands TDD ↑"].startswith("RIA ✓ 0.748 [")  # .7 and what images share
    assert answered["The cheapest that earns more than every control passes"] == "adaptive RIA ✓ 49 passes"
    assert answered["The most faithful within a budget passes"] == "from 3 on: EGA from 49 on: adaptive RIA ✓"
    assert answered["The most stable Stability ↑"].startswith("DEA ✓ ")
    assert answered["The least off the target |ODD| ↓"].startswith("EGA, GPA ")
    assert len(rows) == 9


def test_what_the_prose_quotes_of_photographs(quoted: dict[str, Any]) -> None:
    assert quoted["photo_faithful_methods"] == "RIA and adaptive RIA"
    assert re.fullmatch(
        r"RIA and adaptive RIA \(.* n = 24\); RIA leads adaptive RIA by 0\.001 \[.*\], undecided; "
        r"the next, adaptive DEA, is 0\.101 \[.*\] behind",
        quoted["photo_faithful_says"],
    )
    assert quoted["photo_known"] == "RIA, DEA, adaptive RIA and adaptive DEA"
    assert quoted["photo_unknown"] == "GPA and EGA"
    assert quoted["photo_control"].startswith("random cells, 0.248 [")
    assert quoted["photo_cheapest"] == "adaptive RIA, of 49 passes"
    assert quoted["photo_fewest"] == "EGA and GPA, 3"
    assert quoted["photo_stable_equals"] == "depth"
    assert quoted["photo_everywhere"] == "none"
    assert quoted["photo_scored"] == "25 of 26"


def test_every_fact_of_an_absent_record_says_so(quoted: dict[str, Any]) -> None:
    scenes = {name: value for name, value in quoted.items() if name.startswith("scene_")}
    photographs = {name for name in quoted if name.startswith("photo_")}
    assert set(scenes.values()) == {ABSENT}
    assert {name.removeprefix("scene_") for name in scenes} == {name.removeprefix("photo_") for name in photographs}
    assert quoted["disagree"] == ABSENT


def test_more_budgets_are_a_frontier_of_their_own(quoted: dict[str, Any]) -> None:
    """17 passes buy more when they are adaptive, 50 no more than these, 197 do."""
    assert quoted["more_budgets"] == "from 3 on EGA; from 17 on adaptive RIA (budget=17); from 197 on RIA (grid=14)"


def test_the_share_of_settings_that_keep_an_answer_is_counted(runs: page.Runs, quoted: dict[str, Any]) -> None:
    """Of four settings RIA is first in one, adaptive RIA in another, DEA by both of blur."""
    settings, answers = runs.settings["photographs"], runs.answers["photographs"]
    fares = kept(settings, answers).set_index("need")
    assert fares.loc["faithful", ["settings", "same", "among", "stands"]].tolist() == [4, 1, 2, 1]
    assert fares.loc["faithful", "others"][0] == "dea"
    assert fares.loc["drop", ["settings", "same", "among", "stands"]].tolist() == [4, 1, 1, 1]
    assert fares.loc["on_target", ["settings", "same", "among", "stands"]].tolist() == [4, 4, 4, 4]
    assert "stable" not in fares.index and "leaks" not in fares.index  # not recorded there
    assert (quoted["photo_settings"], quoted["photo_faithful_among"]) == (4, "2 of 4")
    assert (quoted["photo_faithful_same"], quoted["photo_other_fill"]) == ("1 of 4", "0 of 2")
    assert quoted["photo_hang"] == "the most faithful; the largest drop as it stands"
    assert quoted["photo_hold"] == "2 of 4"  # the least off the target; without gradients there is no DEA


def test_the_axis_on_which_an_answer_hangs_is_seen(runs: page.Runs) -> None:
    shares = by_axis(runs.settings["photographs"], runs.answers["photographs"])
    assert shares["faithful"].to_dict() == {("k", 0.2): 0.5, ("k", 0.5): 0.5, ("fill", "mean"): 1, ("fill", "blur"): 0}
    assert set(shares["on_target"]) == {1}
    assert set(shares.index.get_level_values(0)) == {"k", "fill"}  # one size and one region say nothing


def test_one_model_alone_answers_as_both_where_they_are_alike(runs: page.Runs) -> None:
    alone = runs.alone["photographs"]
    assert set(alone["model"]) == {"shapes_fcn", "shapes_lraspp"}
    assert set(alone.loc[alone["need"] == "drop", "first"]) == {"ria"}


def test_photographs_and_scenes_are_never_pooled_and_their_disagreement_is_told(both: page.Runs) -> None:
    quoted = page.facts(both)
    assert quoted["photo_faithful_methods"] == "RIA and adaptive RIA"
    assert quoted["scene_faithful_methods"] == "GPA"
    assert quoted["disagree"] == "the most faithful; the most faithful for each pass; the most stable"
    assert quoted["photo_settings"] == ABSENT and quoted["more_budgets"] == ABSENT


def test_the_figure_names_every_method_in_its_own_colour_and_draws_the_stairs(both: page.Runs) -> None:
    figure = page.frontier_plot(both)
    assert collisions(figure) == []
    first, second = figure.axes
    assert [axes.get_title() for axes in (first, second)] == ["photographs, n = 24", "generated scenes, n = 24"]
    for axes in (first, second):
        texts = {text.get_text() for text in axes.texts}
        assert {"GPA", "EGA", "RIA", "DEA", "adaptive RIA", "adaptive DEA"} <= texts
        assert axes.get_xscale() == "log"
    colours = method_colours(METHODS)
    drawn = {container.get_label(): container.lines[0] for container in first.containers}
    assert drawn["RIA"].get_color() == colours["ria"] and drawn["DEA"].get_color() == colours["dea"]
    assert len({line.get_marker() for line in drawn.values()}) == len(METHODS)
    assert drawn["RIA"].get_xydata()[0][1] == pytest.approx(
        both.frontiers["photographs"].set_index("method").loc["ria", "mean"]
    )


def test_tables_of_records_that_are_all_absent_say_so(tmp_path: Path) -> None:
    nothing = page.run(page.read({"evidence": str(tmp_path)}))
    assert {text for row in cells(page.answers_table(nothing).data)[1:] for text in row[1:]} == {ABSENT}
    for table in (page.values_table, page.passes_table, page.settings_table, page.axes_table):
        assert ABSENT in table(nothing).data
    page.frontier_plot(nothing)
    quoted = page.facts(nothing)
    assert {quoted[name] for name in quoted if name.startswith(("photo_", "scene_"))} == {ABSENT}


def test_the_values_behind_an_answer_are_bold(runs: page.Runs) -> None:
    html = page.values_table(runs).data
    assert len(re.findall(r"<td><b>", html)) == sum(
        len(answer.best) for name, answer in runs.answers["photographs"].items() if name != "forward"
    )
    assert not set(CONTROLS) & set(re.findall(r"<th>(\w+)</th>", html))


def test_another_parameter_and_a_folder_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="evidence"):
        page.read({"record": "x"})
    with pytest.raises(UserError, match="no folder"):
        page.read({"evidence": str(tmp_path / "nowhere")})
