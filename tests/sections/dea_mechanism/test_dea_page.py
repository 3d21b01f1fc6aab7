"""The page on DEA's mechanism as a whole: what it refuses, and that its facts are those of its run."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from segattr_lib.data.photographs import available
from segattr_lib.evidence.plans import read_plan
from segattr_lib.evidence.records import Record
from segattr_lib.models.loading import load_model
from segattr_lib.profiles import defaults
from segattr_lib.registry import UserError
from segattr_lib.report.reference import reference
from segattr_lib.sections import dea_mechanism as page
from segattr_lib.sections.dea_mechanism.claims import CLAIM_OF, apart, claims_table, verdict, verdicts
from segattr_lib.sections.dea_mechanism.rows.traits import asked_of

OWN = {"alphas": [0.0, 0.65], "betas": [0.35], "grids": [4], "cases": 1, "sample_ids": None, "level": 0.95}
OWN |= {"checked": 1, "many_dataset": "voc", "many_root": None, "many_split": "voc200", "many_samples": 100}
OWN |= {"many_model": "voc_deeplabv3_mobilenetv2_half"}
OWN |= {"photo_dataset": "photographs", "photo_model": "voc_deeplabv3_mobilenetv2_half", "photo_cases": 2}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"model": ["shapes_fcn", "shapes_lraspp"]}, "model is .*; this page looks into one run, expected one value"),
        ({"seed": [0, 1]}, "seed is .*expected one value"),
        ({"alphas": [0.5, 1.5]}, "alpha is 1.5; expected 0"),
        ({"grids": [300]}, "grid is 300; expected at most 224"),
        ({"level": 1.0}, "level is 1.0: input should be less than 1"),
        ({"many_model": "shapes"}, "Unknown model 'shapes'"),
        ({"photo_dataset": "photos"}, "Unknown data set 'photos'"),
        ({"photo_cases": 0}, "photo_cases is 0: input should be greater than or equal to 1"),
        ({"cases": 0}, "cases is 0: input should be greater than or equal to 1"),
        ({"alpas": [0.5]}, "Unknown parameter 'alpas' \\(did you mean 'alphas'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence_before_any_work(changes: dict[str, Any], match: str):
    with pytest.raises(UserError, match=match) as error:
        page.read({"results": "r", **OWN, **changes})
    assert len(str(error.value).splitlines()) == 1


def test_the_page_measures_what_it_shows_whatever_the_parameters_say():
    settings = page.read({"results": "r", **OWN})
    assert [key.text for key in settings.run.metrics] == [*page.MEASURES, "share_inside"]
    assert set(settings.sweep()["written"]) == {"ria", "dea", "dea(grid=4)"}


def test_the_pages_runs_as_the_notebook_has_them_are_those_that_are_planned():
    settings = page.read({**defaults("dea_mechanism"), "samples": 100})
    layers = {name: load_model(name).layers for name in ("shapes_fcn", "voc_deeplabv3_mobilenetv2_half")}
    for name, run in (("photographs_settings", settings.many()), ("scenes_settings", settings.run)):
        plan = read_plan(name)
        asked = settings.with_methods(run, layers[run.model[0]], layers[run.model[0]][-1])
        record = Record(name, Path(), plan.settings, [], plan.asked().about)
        assert record.covers(asked, asked_of(asked).about), name


def test_the_page_opens_with_all_photographs_and_the_parts_of_dea_alone():
    settings = page.read({"results": "r", **OWN, "dataset": "shapes", "samples": 3, "order": "shuffled", "grid": 7})
    seen = settings.opening()
    assert (seen.dataset, seen.samples, seen.order) == ("photographs", None, "listed")
    assert (seen.model, seen.layer, seen.grid) == (["voc_deeplabv3_mobilenetv2_half"], None, 7)
    assert [key.text for key in seen.methods] == ["ega", "ria", "dea"]
    assert settings.run.dataset == "shapes"


def intervals(*ends: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame([(sum(pair) / 2, *pair, 14) for pair in ends], columns=["value", "low", "high", "n"])


def test_a_claim_holds_where_every_interval_lies_on_its_side():
    assert verdict(intervals((0.1, 0.2), (0.3, 0.4))) == "holds"
    assert verdict(intervals((0.1, 0.2), (-0.3, 0.4))) == "undecided"
    assert verdict(intervals((0.1, 0.2), (-0.3, -0.1))) == "contradicted"
    assert verdict(intervals((-0.2, -0.1)), -1) == "holds" and verdict(intervals((0.1, 0.2)), -1) == "contradicted"
    assert verdict(intervals((np.nan, np.nan))) == verdict(intervals()) == "undecided"


def test_the_table_of_claims_shows_all_the_values_of_each():
    evidence = dict.fromkeys(CLAIM_OF, intervals((0.125, 0.25))) | {"dea_above_ega_over_alpha": intervals()}
    evidence["dea_fails_on_thin"] = pd.concat([intervals((-0.25, -0.125)), intervals((np.nan, np.nan))])
    table = claims_table({"voc, n = 14": evidence, "shapes, n = 14": evidence}).set_index("claim")
    assert len(table) == len(page.CLAIMS)
    assert table.iloc[0].tolist() == ["fig. 3", *["0.188 [0.125, 0.250]", "holds"] * 2]
    thin = table.loc[CLAIM_OF["dea_fails_on_thin"][0]]
    assert thin["voc, n = 14"] == "-0.188 [-0.250, -0.125]; –" and thin["shapes decides"] == "undecided"
    assert table.loc[CLAIM_OF["dea_above_ega_over_alpha"][0], "voc, n = 14"] == "–"


def test_runs_lie_apart_where_they_decide_the_contrary_and_not_where_one_decides_nothing():
    up, down = intervals((0.1, 0.2)), intervals((-0.2, -0.1))
    first = verdicts(dict.fromkeys(CLAIM_OF, up))
    second = verdicts(dict.fromkeys(CLAIM_OF, intervals((-0.1, 0.1))) | {"agreement_above_ega": down})
    assert first["agreement_on_target"] == "holds" and first["dea_fails_on_thin"] == "contradicted"
    assert apart([first, second]) == CLAIM_OF["agreement_above_ega"][0]
    assert apart([first]) == apart([]) == "none"


@pytest.mark.slow
def test_the_facts_of_a_small_run_are_those_of_its_rows(parameters: dict[str, Any], tmp_path: Path):
    own = {**OWN, "alphas": [0.0, 0.6, 0.65], "image_size": 96}  # at fewer px nothing is seen on a photograph
    settings = page.read({**parameters, "results": str(tmp_path / "results"), **own})
    runs = page.run(settings)
    facts = page.facts(settings, runs)
    assert runs.photographs is None and runs.second is None and facts["beside"] == "no other run is at hand"
    scenes = runs.scenes
    gain = scenes.by_metric["tdd"]["dea"] - scenes.by_metric["tdd"]["ega"]
    assert facts["n"] == 3 and facts["other_n"] == "–"
    assert facts["gain"] == f"{round(gain.mean(), 3) + 0.0:.3f} (n = 3)"  # three images have no interval
    assert facts["gains"] == facts["narrower"] == facts["thinness_goes"] == "not told apart from"
    assert facts["layer"] == "features" and scenes.layers[-1] == "features"
    agreement = scenes.shares["interaction"].dropna()  # where the two maps meet at all
    assert facts["agreement"] == f"{agreement.mean():.3f} (n = {len(agreement)})"
    assert facts["alphas_claimed"] == 2 and page.claimed_alphas() == (0.5, 0.8)
    assert facts["claimed_low"] == reference()["dea_alpha_range"]["low"]
    assert facts["pairs"] == len(page.TRAITS) * len(page.OUTCOMES)
    assert facts["held_tdd"] == "0 (2 without an interval)"
    cells = re.findall("<td>(.*?)</td>", page.claims_table(settings, runs).data)
    assert cells[::4] == [claim for claim, _ in CLAIM_OF.values()]
    assert set(cells[3::4]) == {"undecided"}
    assert list(runs.cases.table["case"]) == ["success", "failure"]
    seen = runs.opening
    assert facts["photo_n"] == seen.of >= len(seen.table) == facts["photo_cases"]
    assert facts["photo_leads"] == (seen.table["difference"] > 0).sum()
    assert seen.table["difference"].is_monotonic_decreasing
    for name in seen.table.index:
        assert available()[name].credit in html.unescape(page.credit(seen).data)
    assert page.credit(runs.cases) is None
    assert runs.cases.masks.shape == (2, 96, 96) and set(scenes.against_ega["option"]) == {"alpha", "beta", "grid"}
    assert page.share_plot(runs.second) is page.forest(runs.second) is page.layer_curves(runs.second) is None
