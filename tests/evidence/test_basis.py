"""What a page stands on: the record where there is one of its settings, its own run where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segattr_lib.benchmark.statistics import plain
from segattr_lib.evidence.basis import Basis, basis_of
from segattr_lib.evidence.plans import read_plan
from segattr_lib.evidence.recording import record
from segattr_lib.registry import UserError

PLANS = """
few:
  shows: A few scenes
  shard: 4
  settings:
    {dataset: shapes, order: shuffled, samples: 4, model: [shapes_fcn, shapes_lraspp], methods: [gpa, ega, random],
     metrics: [tdd, odd_abs, excess_tdd], k: [0.1, 0.2], evaluation_fill: [mean, blur], null_every: 40,
     image_size: 112, batch_size: 8}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("basis")
    (folder / "plans.yaml").write_text(PLANS, encoding="utf-8")
    record(read_plan("few", folder / "plans.yaml"), folder / "evidence", folder / "results")
    return folder


def stood_on(place: Path, tmp_path: Path, **changes: object) -> Basis:
    settings = read_plan("few", place / "plans.yaml").settings.changed(changes)
    return basis_of(settings, tmp_path / "run", records=place / "evidence")


def test_a_shorter_run_stands_on_the_whole_record_and_checks_it(place, tmp_path):
    basis = stood_on(place, tmp_path, samples=2)
    assert (basis.record, basis.own, basis.images) == ("few", True, 4)
    assert basis.check is not None
    assert len(basis.check.samples) == 2
    assert basis.check.holds
    compared = f"all {basis.check.compared} values agree"
    assert basis.text() == f"the record `few`, 4 images, of which 2 were computed again with this page: {compared}"


def test_what_both_score_below_the_floor_of_a_page_does_not_make_a_record_fall(place, tmp_path):
    scores = plain(stood_on(place, tmp_path, samples=4).asked).query("metric == 'score'")
    floor = float(scores["value"].median())
    basis = stood_on(place, tmp_path / "floored", samples=4, floor=floor)
    assert basis.check is not None
    assert basis.check.holds and basis.check.lost.empty
    assert 0 < basis.check.compared < stood_on(place, tmp_path, samples=4).check.compared


def test_only_what_was_asked_for_is_taken_of_a_record(place, tmp_path):
    basis = stood_on(place, tmp_path, samples=1, model="shapes_fcn", methods=["gpa", "random"], metrics=["tdd"], k=0.1)
    rows = plain(basis.rows)
    assert set(rows["model"]) == {"shapes_fcn"}
    assert set(rows["method"].dropna()) == {"gpa", "random"}
    assert set(rows["metric"]) == {"score", "tdd"}
    assert basis.record == "few"


def test_other_settings_stand_on_their_own_run(place, tmp_path):
    basis = stood_on(place, tmp_path, samples=1, metrics=["tdd"], fill="blur", evaluation_fill=None)
    assert (basis.record, basis.check, basis.images) == (None, None, 1)
    assert basis.text() == "computed with this page, on 1 image"


def test_a_record_that_does_not_agree_is_shown_and_told(place, tmp_path):
    evidence = tmp_path / "evidence" / "few"
    evidence.mkdir(parents=True)
    for path in (place / "evidence" / "few").iterdir():
        (evidence / path.name).write_bytes(path.read_bytes())
    rows = pd.read_parquet(evidence / "000.rows.parquet")
    rows["value"] = np.where(rows["metric"] == "tdd", rows["value"] + 0.5, rows["value"]).astype(np.float32)
    rows.to_parquet(evidence / "000.rows.parquet")
    settings = read_plan("few", place / "plans.yaml").settings.changed({"samples": 4})
    basis = basis_of(settings, tmp_path / "run", records=tmp_path / "evidence")
    assert basis.record == "few"
    assert basis.check is not None
    assert not basis.check.holds
    assert basis.text().endswith("by that the record does not stand")


def test_where_the_data_are_not_here_the_record_stands_for_itself(place, tmp_path, monkeypatch):
    def nowhere(*_: object) -> None:
        raise UserError("The data set 'shapes' needs root.")

    monkeypatch.setattr("segattr_lib.evidence.basis.load_dataset", nowhere)
    basis = stood_on(place, tmp_path, samples=2)
    assert (basis.record, basis.own, basis.check, basis.images) == ("few", False, None, 4)
    assert basis.text() == "the record `few`, 4 images, not recomputed here"
    assert not (tmp_path / "run").exists()
