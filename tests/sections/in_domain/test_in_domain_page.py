"""The page on judging in domain: what it refuses, which runs it asks for, and that its facts are those of its rows."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jupytext
import numpy as np
import pandas as pd
import pytest
from safetensors.torch import save_file
from test_in_domain_orders import made

from segattr_lib.benchmark.settings import Settings
from segattr_lib.evidence.basis import Basis
from segattr_lib.evidence.plans import read_plan
from segattr_lib.evidence.records import Record, read_record, recorded
from segattr_lib.models import IN_DOMAIN
from segattr_lib.registry import UserError
from segattr_lib.report.tables import interval
from segattr_lib.sections import in_domain as page
from segattr_lib.sections.in_domain import kinds
from segattr_lib.sections.in_domain.orders import WAYS
from segattr_lib.training import in_domain as training

OWN: dict[str, Any] = {"photo_dataset": "photographs", "photo_root": None, "photo_split": None}
OWN |= {
    "photo_region": None,
    "photo_samples": None,
    "least": 0.3,
    "level": 0.95,
    "results": "r",
    "samples": 3,
    "image_size": 64,
    "grid": 4,
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copies' files as they would say: pixels stay out of domain for the scenes' copy alone."""
    monkeypatch.setattr(kinds, "WEIGHTS", tmp_path)
    for model, copy in IN_DOMAIN.items():
        about = {"miou": "0.8", "miou_original": "0.85"}
        for kind in kinds.KINDS:
            for fill in kinds.UNDER:
                low = kind == "pixels" and model == "shapes_lraspp"
                about |= {f"iou_{kind}_{fill}": "0.2" if low else "0.7", f"iou_{kind}_{fill}_original": "0.1"}
        save_file({}, tmp_path / f"{copy}.safetensors", about)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"k": [0.1, 0.2]}, "k is .*; this page compares judges, expected one value"),
        ({"seed": [0, 1]}, "seed is .*expected one value"),
        ({"level": 1.0}, "level is 1.0: input should be less than 1"),
        ({"least": 1.5}, "least is 1.5"),
        ({"photo_dataset": "photos"}, "Unknown data set 'photos'"),
        ({"photo_samples": 0}, "photo_samples"),
        ({"fill": "linear"}, "The fill is 'linear'; copies were measured under mean, zeros, blur"),
        ({"leest": 0.3}, "Unknown parameter 'leest' \\(did you mean 'least'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence_before_any_work(changes: dict[str, Any], match: str):
    with pytest.raises(UserError, match=match) as error:
        page.read({**OWN, **changes})
    assert len(str(error.value).splitlines()) == 1


PLANNED = {"plain": "{}", "judged": "judged_{}", "copy": "judged_{}_copy"}  # records, by use, of a subject


def notebook_parameters() -> dict[str, Any]:
    """The parameters cell of the page as it stands in the notebook."""
    cells = jupytext.read(Path(__file__).parents[3] / "notebooks" / "in_domain.py").cells
    (source,) = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    values: dict[str, Any] = {}
    exec(source, {}, values)
    return values


def asked(settings: page.Settings) -> dict[tuple[str, str], Settings]:
    return {(name, use): settings.of(name, use) for name in page.SUBJECTS for use in page.USES}


def test_every_subject_is_judged_by_itself_by_its_copy_and_as_the_copy():
    runs = asked(page.read({**OWN, "methods": None}))
    assert len(runs) == 12
    for (name, use), run in runs.items():
        subject = page.SUBJECTS[name]
        copy = IN_DOMAIN[subject.model]
        assert (run.model, run.judge) == {
            "plain": ([subject.model], None),
            "judged": ([subject.model], copy),
            "copy": ([copy], None),
        }[use]
        names = [key.text for key in run.metrics]
        assert names[0] == subject.measure
        assert (f"excess_{subject.measure}" in names) == (use == "plain")
        assert (subject.truth in names) == (bool(subject.truth) and use != "plain")
        assert [key.text for key in run.methods] == list(page.METHODS)
    photographs = runs["photographs", "judged"]
    assert (photographs.dataset, photographs.region, photographs.samples) == ("photographs", None, None)


def test_the_runs_that_the_notebook_asks_for_are_planned_and_those_of_no_judge_recorded():
    """So that the page stands on records, whatever it computes itself."""
    settings = page.read(notebook_parameters())
    for (name, use), run in asked(settings).items():
        planned = PLANNED[use].format(name)
        record = read_record(planned) if planned in recorded() else None
        plan = read_plan(planned).settings
        assert Record(planned, Path(), plan, [], {}).covers(run), (name, use)
        assert record is not None or use != "plain"
        assert record is None or record.covers(run), (name, use)


def test_photographs_of_ones_own_have_their_own_masks_and_place():
    own = {"photo_dataset": "voc", "photo_root": "r", "photo_split": "voc200", "photo_region": "truth"}
    settings = page.read({**OWN, **own, "photo_samples": 9})
    run = settings.of("photographs", "judged")
    assert (run.dataset, run.root, run.split, run.samples, run.region) == ("voc", "r", "voc200", 9, "truth")
    assert settings.of("scenes", "judged").root is None


def test_kinds_are_those_of_the_training_and_a_bar_decides():
    assert (kinds.KINDS, kinds.UNDER) == (training.KINDS, training.JUDGED_UNDER)


def cells(table: str) -> list[list[str]]:
    """What stands in a table of HTML, row by row."""
    return [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in table.split("<tr")[1:]]


def runs_of(monkeypatch: pytest.MonkeyPatch) -> tuple[page.Settings, page.Runs]:
    """The page of rows made by hand, the same for every subject."""
    settings = page.read(OWN)
    planted = replace(page.SUBJECTS["planted_own"], truth="truth")
    monkeypatch.setitem(page.SUBJECTS, "planted_own", planted)
    return settings, page.compared({name: made(spread=0.7) for name in ("photographs", "planted_own")}, settings)


@pytest.mark.usefixtures("files")
def test_the_facts_are_those_of_the_rows(monkeypatch: pytest.MonkeyPatch):
    settings, runs = runs_of(monkeypatch)
    facts = page.facts(settings, runs)
    tables = runs.tables["photographs"]
    assert facts["images_photographs"] == len(tables["plain"]) == 30
    assert (facts["first_photographs_plain"], facts["first_photographs_judged"]) == ("random pixels", "RIA")
    assert (facts["above_noise_photographs_plain"], facts["above_noise_photographs_judged"]) == (0, 3)
    assert facts["noise_place_photographs_plain"] == "number 1 of 4"
    assert facts["noise_place_photographs_judged"] == "number 4 of 4"
    assert facts["left_out_photographs"].startswith("GPA, adaptive")
    loses = (tables["plain"]["random"] - tables["judged"]["random"]).mean()
    assert facts["noise_loses_photographs"].startswith(f"{loses:.2f} [")
    assert facts["tau_seeing_photographs_plain_judged"].startswith("1.00 [") and facts["few"] == "none"
    assert facts["noise_photographs_judged"] == f"{tables['judged']['random'].mean():.2f}"
    row = runs.taus["photographs"].query("first == 'plain' and second == 'judged'").iloc[0]
    assert facts["tau_photographs_plain_judged"] == interval(row["value"], row["low"], row["high"], 2)
    best = runs.truth["planted_own"].set_index("way")["mean"].idxmax()
    assert facts["nearest_planted_own"] == WAYS[str(best)]
    assert (facts["kinds"], facts["known"], facts["known_before"]) == (6, 6, 0)
    assert facts["not_in_domain"] == "none" and facts["most_lost"] == "0.050"


@pytest.mark.usefixtures("files")
def test_tables_and_figures_show_the_runs(monkeypatch: pytest.MonkeyPatch):
    _, runs = runs_of(monkeypatch)
    for name in runs.taus:
        assert page.SUBJECTS[name].title in page.agreement_table(runs).data
    assert "less the model's own" in page.truth_table(runs).data
    heading, *rows = cells(page.order_table(runs, "photographs").data)
    assert heading == ["", *WAYS.values()]
    assert [row[0] for row in rows] == ["random pixels", "RIA", "DEA", "EGA"]  # as the model itself orders them
    assert [row[3].partition(":")[0] for row in rows] == ["4", "1", "2", "3"]
    assert list(runs.decisions) == ["photographs"] and "holds" in page.claims_table(runs).data
    table = kinds.kinds_table(kinds.read_kinds(["shapes_lraspp"]))
    assert table.loc[("shapes_lraspp", "pixels"), "mean"] == "[0.20] (0.10)"
    assert table.loc[("shapes_lraspp", "cells"), "blur"] == "0.70 (0.10)"
    assert page.clean_table(runs.kinds).loc["planted_own_lraspp"].tolist() == ["0.850", "0.800", "0.050"]
    figure = page.kinds_chart(runs.kinds, "mean")
    assert len(figure.axes) == 2
    assert len(page.means_chart(runs, "photographs").axes) == len(WAYS)


@pytest.mark.usefixtures("files")
def test_the_page_asks_each_run_for_what_it_stands_on(monkeypatch: pytest.MonkeyPatch):
    rows, folders = made(spread=0.7), []

    def basis_of(settings: Settings, folder: str, checked: dict[str, Any]) -> Basis:
        folders.append(folder)
        assert checked["samples"] == settings.samples
        assert checked["methods"] == [key for key in settings.methods if key.name not in ("ria", "dea")]
        use = folder.rpartition("-")[2]
        assert (settings.judge is not None) == (use == "judged")
        of_use = getattr(rows, use)
        return Basis(of_use, pd.DataFrame(), f"record of {use}", None, False, of_use)

    monkeypatch.setattr(page, "basis_of", basis_of)
    monkeypatch.setattr(page, "SUBJECTS", {"photographs": page.SUBJECTS["photographs"]})
    runs = page.run(page.read(OWN))
    assert folders == [f"r/photographs-{use}" for use in page.USES]
    heading, *of_uses = cells(page.basis_table(runs).data)
    assert heading == ["of", "judge", "from"]
    texts = [f"the record record of {use}, 30 images, not recomputed here" for use in page.USES]
    assert of_uses == [["photographs", who, text] for who, text in zip(page.USES.values(), texts, strict=True)]


def test_a_recorded_run_is_compared_as_one_made_now(monkeypatch: pytest.MonkeyPatch, files: None):
    """Whatever else a record holds, categories and other metrics, models, methods, k and images among it."""
    settings, runs = runs_of(monkeypatch)
    rows = made(spread=0.7)
    more = rows.plain[rows.plain["metric"] == "tdd"].assign(metric="insertion")
    of_each = (rows.plain, rows.judged, rows.copy)
    tables = [pd.concat([table, more.assign(run_id=table["run_id"].iloc[0])]) for table in of_each]
    beside = rows.plain.assign(model="another", run_id="another", value=0.9)
    of_maps = rows.plain[rows.plain["method"].notna()]
    other_method = of_maps[of_maps["method"] == "ria"].assign(method="gpa")
    tables[0] = pd.concat(
        [tables[0], beside, other_method, of_maps.assign(k=0.5), of_maps.assign(sample_id="image 99")]
    )
    tables[0] = tables[0].drop_duplicates(["model", "sample_id", "method", "metric", "k", "fill"])
    recorded = page.Rows(*(table.astype({"method": "category", "metric": "category"}) for table in tables))
    again = page.compared({"photographs": recorded}, settings)
    assert np.array_equal(again.taus["photographs"]["value"], runs.taus["photographs"]["value"])
