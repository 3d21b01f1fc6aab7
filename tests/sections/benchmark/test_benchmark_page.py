"""The benchmark's page as a whole: what it refuses, how its gallery is chosen, and that its facts are its runs'."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from segattr_lib.attribution import methods_of
from segattr_lib.metrics import metrics_of
from segattr_lib.registry import UserError
from segattr_lib.sections import benchmark as page
from segattr_lib.sections.benchmark import _lost, dea_beside_ega
from segattr_lib.sections.benchmark.cases import evenly_spaced, ranked_samples

OWN: dict[str, Any] = {"results": "r", "curve_k": [0.2, 0.5], "gallery_rows": 2, "methods": None, "metrics": None}
OWN |= {"scenes_dataset": "shapes", "scenes_model": ["shapes_lraspp"], "scenes_samples": 4}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"curve_k": [0.2, 1.5]}, r"k is 1.5; expected a fraction in \(0, 1\]"),
        ({"curve_k": []}, "is empty or names something twice"),
        ({"gallery_rows": 0}, "gallery_rows is 0: input should be greater than or equal to 1"),
        ({"gallery_row": 1}, "Unknown parameter 'gallery_row' \\(did you mean 'gallery_rows'"),
        ({"methods": ["rria"]}, "Unknown method 'rria' \\(did you mean 'ria'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence_before_any_work(changes: dict[str, Any], match: str):
    with pytest.raises(UserError, match=match) as error:
        page.read({**OWN, **changes})
    assert len(str(error.value).splitlines()) == 1


def test_methods_and_metrics_left_open_are_the_registrys_of_segmentation():
    settings = page.read(OWN)
    assert [key.text for key in settings.run.methods] == methods_of("segmentation")
    assert {key.text for key in settings.run.metrics} == {*metrics_of("segmentation"), "chance_tdd", "passes"}
    shown = {"tdd", "odd_abs", "leak_abs", "excess_tdd", "border", "stability_flip", "insertion"}
    assert shown <= {key.text for key in settings.run.metrics}
    given = page.read({**OWN, "methods": ["ega"], "fill": ["blur", "mean"]})
    assert [key.text for key in given.run.methods] == ["ega"] and given.judge() == "blur"
    assert given.along_k().k == [0.2, 0.5]
    assert [key.text for key in given.along_k().metrics] == ["tdd", "odd_abs", "insertion"]


def sample_rows(tdd: dict[str, list[float]], scores: list[float]) -> pd.DataFrame:
    """One run: by method the TDD of samples a, b, c ..., and the model's score of each."""
    about = {"run_id": "r", "dataset": "d", "model": "m", "seed": 0, "variant": "", "status": "ok", "fill": "mean"}
    rows = [
        {**about, "sample_id": name, "method": method, "metric": "tdd", "k": 0.2, "value": value}
        for method, values in tdd.items()
        for name, value in zip("abcdef", values, strict=False)
    ]
    scored = [
        {**about, "sample_id": name, "metric": "score", "value": value, "fill": None}
        for name, value in zip("abcdef", scores, strict=False)
    ]
    return pd.DataFrame([*rows, *scored])


def test_the_gallery_ranks_well_scored_samples_by_the_lead_of_dea():
    rows = sample_rows({"ega": [0.1, 0.2, 0.3], "dea": [0.2, 0.6, 0.9]}, [0.9, 0.9, 0.1])
    by, values = ranked_samples(rows, 0.2, "mean")
    assert (
        by == "DEA − EGA"
        and values.to_dict() == pytest.approx({"b": 0.4, "a": 0.1})
        and list(values.index) == ["b", "a"]
    )
    by, values = ranked_samples(rows[rows["method"] != "dea"], 0.2, "mean")
    assert by == "EGA" and list(values.index) == ["b", "a"]
    none_well = rows.assign(value=rows["value"].where(rows["metric"] != "score", 0.1))
    assert list(ranked_samples(none_well, 0.2, "mean")[1].index) == ["c", "b", "a"]


def test_the_gallery_takes_evenly_spaced_ranks_the_ends_among_them():
    values = pd.Series(np.arange(9.0), list("abcdefghi"))
    assert list(evenly_spaced(values, 3).index) == ["a", "e", "i"]
    assert list(evenly_spaced(values, 1).index) == ["a"]
    assert list(evenly_spaced(values[:2], 5).index) == ["a", "b"]


def test_the_lead_of_dea_is_over_well_scored_images_and_has_its_side():
    count = 13
    rng = np.random.default_rng(0)
    lead = 0.2 + 0.01 * rng.standard_normal(count)
    rows = pd.concat(
        [
            sample_rows({"ega": [0.1], "dea": [0.1 + value]}, [0.9]).assign(sample_id=f"image {number}")
            for number, value in enumerate(lead)
        ]
    )
    rows.loc[(rows["sample_id"] == "image 0") & (rows["metric"] == "score"), "value"] = 0.2
    facts = dea_beside_ega(rows, 0.2, "mean")
    assert facts["dea_side"] == "higher than" and facts["dea_images"] == count - 1
    assert facts["dea_lead"].startswith(f"{lead[1:].mean():.3f} [0.1")
    alone = dea_beside_ega(rows[rows["method"] != "dea"], 0.2, "mean")
    assert alone == {"dea_side": "not compared with", "dea_lead": "–", "dea_images": 0}


def test_what_was_left_out_is_counted_by_its_reason():
    rows = pd.DataFrame({"metric": ["tdd", None, None, None], "reason": [None, "no object", "no object", "unreadable"]})
    assert _lost(rows) == "3 (no object: 2; unreadable: 1)"
    assert _lost(rows[:1]) == "0"


def test_what_cannot_be_of_the_scenes_is_refused_as_well():
    for changes, match in (
        ({"scenes_dataset": "shape"}, "Unknown data set 'shape'"),
        ({"scenes_model": []}, "scenes_model is "),
        ({"scenes_samples": 0}, "scenes_samples is 0"),
    ):
        with pytest.raises(UserError, match=match):
            page.read({**OWN, **changes})


@pytest.mark.slow
def test_photographs_are_explained_as_the_model_sees_them_and_credited(tmp_path: Path):
    small = {"samples": 2, "model": "voc_deeplabv3_mobilenetv2", "image_size": 128, "grid": 4, "null_every": 20}
    small |= {"device": "cpu", "batch_size": 8, "methods": ["ega", "ria", "dea", "random"], "curve_k": [0.2]}
    metrics = ["tdd", "odd_abs", "leak_abs", "insertion", "stability", "excess_tdd"]
    settings = page.read({**OWN, **small, "metrics": metrics, "results": str(tmp_path / "r"), "scenes_samples": 1})
    runs = page.run(settings)
    facts = page.facts(settings, runs)
    assert (facts["samples"], facts["drawn"], facts["each_run"], facts["lost"]) == (2, 2, "2", "0")
    assert sorted(sample.class_id for sample in runs.cases.group.samples) == [14, 15]  # motorbike, person
    credited = page.credit(runs.cases).data
    assert "NASA" in credited and "Westling" in credited
    first = runs.cases.group.samples[0].sample_id
    assert ("NASA" in page.credit(runs.cases, 1).data) == (first == "astronaut")
    assert (facts["scenes_images"], facts["scenes_dataset"], facts["order_n"]) == (1, "generated scenes", 4)
    scenes = runs.scenes.per_run[runs.scenes.per_run["metric"] == "tdd"].set_index("method")["mean"]
    assert set(runs.scenes.rows["dataset"]) == {"shapes"} and set(runs.rows["dataset"]) == {"photographs"}
    shown = page.beside_scenes(settings, runs)
    assert list(shown.columns) == ["photographs, n = 2", "generated scenes, n = 1"]
    assert shown.loc[("TDD ↑", "RIA"), "generated scenes, n = 1"] == f"{scenes['ria']:.3f}"
    verdicts = page.chance_beside_scenes(settings, runs)
    assert list(verdicts.index.get_level_values(0).unique()) == list(shown.columns)
    assert set(verdicts["verdict"]) == {"undecided"}


@pytest.mark.slow
def test_the_facts_of_a_small_run_are_those_of_its_rows(tmp_path: Path):
    small = {
        "dataset": "shapes",
        "order": "shuffled",
        "samples": 2,
        "model": "shapes_lraspp",
        "image_size": 96,
        "grid": 4,
        "null_every": 20,
        "device": "cpu",
        "batch_size": 8,
        "seed": [0, 1],
    }
    own = {**OWN, "results": str(tmp_path / "r"), "methods": ["ega", "ria", "dea", "random"], "curve_k": [0.2]}
    settings = page.read(
        {**small, **own, "metrics": ["tdd", "odd_abs", "leak_abs", "insertion", "stability", "excess_tdd"]}
    )
    runs = page.run(settings)
    facts = page.facts(settings, runs)
    assert (facts["runs"], facts["models"], facts["seeds"], facts["ranked"]) == (2, 1, 2, 4)
    tdd = runs.per_run[runs.per_run["metric"] == "tdd"].pivot_table(index="run_id", columns="method", values="mean")
    won = int((tdd["dea"] > tdd["ega"]).sum())
    assert facts["wins_ega"] == f"{won} of 2" and facts["wins_gpa"] == "none (not run)"
    best = tdd.mean().idxmax()
    assert facts["first_tdd"] == {"ega": "EGA", "ria": "RIA", "dea": "DEA", "random": "random pixels"}[best]
    assert facts["paper_sbd_ega"] == "11 of 11" and facts["made"] == "mean" and facts["gallery_by"] == "DEA − EGA"
    assert re.fullmatch(r"\d of 1\d", facts["claims_held"])
    figure = page.gallery(runs.cases)
    titles = [axes.get_title() for axes in figure.axes[:4]]
    assert titles == ["image and target", "EGA", "RIA", "DEA"]  # no controls
    assert page.credit(runs.cases) is None  # no photographs
    np.testing.assert_array_equal(figure.axes[1].images[1].get_array(), runs.cases.maps["EGA"][0])
    assert figure.axes[0].get_ylabel() == runs.cases.titles[0]
    maps = page.slider(runs.cases).children[0]
    assert maps.options == ("EGA", "RIA", "DEA")
    assert re.findall("<td>(.*?)</td>", page.claims_table(runs).data)[:2] == ["RIA has the highest TDD", "5.1"]
