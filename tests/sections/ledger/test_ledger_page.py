"""The ledger: on records whose truth is known, on those that are shipped, and without any."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from made_up import GOES, IMAGES, claims, places, write

from segattr_lib.evidence.records import RECORDS, recorded
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.inference.verdicts import SIDES
from segattr_lib.metrics import metric_key
from segattr_lib.registry import UserError
from segattr_lib.sections import ledger as page
from segattr_lib.sections.ledger.claims import COMPARED, DECIDED, NOT_RECORDED, NOT_RUN, NOT_TESTABLE, Claim, groups
from segattr_lib.sections.ledger.repeated import by_model, halves

ROOT = Path(__file__).parent.parent.parent.parent
NOTEBOOK = (ROOT / "notebooks" / "ledger.py").read_text(encoding="utf-8")
LACKING = {"photographs": "ria", "prompting": "weighted", "photographs_settings": "dea"}
QUOTED = set(re.findall(r"\{glue:text\}`(\w+)`", NOTEBOOK))


def run(folder: Path) -> page.Runs:
    return page.run(page.read({"evidence": str(folder)}))


@dataclass(frozen=True)
class MadeUp:
    placed: dict
    agreeing: int
    runs: page.Runs


@pytest.fixture(scope="module", autouse=True)
def few():
    """Resamples that take little time, yet enough for the smallest p of the largest family."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("inference.intervals", "inference.verdicts", "inference.max_t"):
            patch.setattr(f"segattr_lib.{module}.RESAMPLES", 1199)
        patch.setattr("segattr_lib.sections.ledger.simulated_coverage", lambda shapes: pd.DataFrame())
        patch.setattr("segattr_lib.sections.ledger.halves", lambda rows, decided: halves({}, decided.iloc[:0]))
        patch.setattr("segattr_lib.sections.ledger.by_model", lambda rows, decided: by_model({}, decided))
        yield


@pytest.fixture(scope="module", params=[(0, 1), (1, -1)], ids=["ARCC follows", "ROAD follows"])
def made_up(request, tmp_path_factory) -> MadeUp:
    seed, agreeing = request.param
    folder, placed = tmp_path_factory.mktemp("evidence"), places(seed)
    write(folder, placed, agreeing)
    return MadeUp(placed, agreeing, run(folder))


def truth_of(claim: Claim, record: str, placed: dict, agreeing: int) -> str:
    """The verdict that the places of the methods mean."""

    def at(metric: str, method: str) -> float:
        return placed[record, metric, method]

    if claim.kind == "agreement":
        return HOLDS if agreeing == 1 or claim.end == "lowest" else CONTRADICTED
    if claim.kind == "same":
        return CONTRADICTED
    if claim.kind == "correlation":
        return HOLDS if GOES[claim.trait] == SIDES[claim.side] else CONTRADICTED
    if claim.kind == "best_of":
        direction = metric_key(claim.metric).entry.direction
        first = max(claim.among, key=lambda name: direction * at(claim.metric, name))
        return HOLDS if first == claim.method else CONTRADICTED
    difference = at(claim.metric, claim.method) - claim.than
    if claim.over:
        difference -= at(claim.metric, claim.over)
    if claim.minus:
        difference -= at(claim.minus, claim.method)
    if abs(difference) < 1e-9:
        return UNDECIDED
    return HOLDS if difference * SIDES[claim.side] > 0 else CONTRADICTED


def test_every_claim_is_decided_as_its_record_was_made(made_up):
    table = made_up.runs.ledger
    assert set(zip(table["id"], table["record"].fillna(""), strict=True)) == {
        (claim.id, record) for claim in claims() for record in (claim.records if claim.kind != "not_testable" else [""])
    }
    for claim in claims():
        mine = table[table["id"] == claim.id]
        if claim.kind == "not_testable":
            assert mine["verdict"].tolist() == [NOT_TESTABLE]
            assert mine["note"].tolist() == [claim.takes]
            continue
        for row in mine.to_dict("records"):
            assert row["verdict"] == truth_of(claim, row["record"], made_up.placed, made_up.agreeing), (
                claim.id,
                row["record"],
            )
            assert row["n"] == (2 if claim.kind == "every_run" else IMAGES)  # of two models, each image once
            if claim.kind in COMPARED:
                assert row["low"] <= row["value"] <= row["high"]
                beyond = (row["value"] - claim.than) * SIDES[claim.side]
                assert row["verdict"] == UNDECIDED or (beyond > 0) == (row["verdict"] == HOLDS)
    assert {HOLDS, CONTRADICTED} <= set(table["verdict"])
    for (_, record), family in table[table["kind"].isin(COMPARED)].groupby(["paper", "record"]):
        assert (family["tests"] == len(family)).all(), record


def test_a_value_that_is_held_against_a_number_is_shown_as_it_is(made_up):
    row = made_up.runs.ledger.set_index("id").loc["lime_spills"]
    value = made_up.placed["prompting", "spill(threshold=0.5)", "lime"]
    assert row["value"] == pytest.approx(value, abs=0.02)
    assert value - 0.03 < row["low"] < row["high"] < value + 0.03


def test_what_was_not_recorded_or_not_run_says_so(tmp_path):
    runs = run(tmp_path)
    assert set(runs.ledger["verdict"]) == {NOT_RECORDED, NOT_TESTABLE}
    assert runs.records == {}
    write(tmp_path, places(0), 1, without=LACKING)
    table = run(tmp_path).ledger
    for claim in claims():
        for record, method in LACKING.items():
            if record in claim.records and claim.kind != "not_testable":
                (verdict,) = table[(table["id"] == claim.id) & (table["record"] == record)]["verdict"]
                absent = method in (claim.method, claim.over, *claim.among)
                assert (verdict == NOT_RUN) == absent, claim.id
    tests = table[(table["record"] == "photographs") & (table["paper"] == "dea")]["tests"].dropna()
    by_hand = [
        claim
        for claim in groups()[0].claims
        if claim.kind == "difference" and "photographs" in claim.records and "ria" not in (claim.method, claim.over)
    ]
    assert set(tests) == {len(by_hand)}  # what was not run is no test


def check_shown(runs: page.Runs) -> None:
    """All that the page shows agrees with the ledger."""
    facts = page.facts(runs)
    assert set(facts) >= QUOTED
    assert not any(value != value for value in facts.values())
    decided = runs.ledger[runs.ledger["verdict"].isin(DECIDED)]
    assert facts["photo_claims"] + facts["scene_claims"] == len(decided)
    assert sum(facts[f"photo_{verdict}"] for verdict in DECIDED) == facts["photo_claims"]
    summary = page.summary_table(runs)
    assert summary[list(DECIDED)].to_numpy(int).sum() == len(decided)
    for group in groups():
        shown = page.ledger_table(runs, group.name).data
        assert shown.count("<tr>") == len(group.claims)  # the header's has a style
        for claim in group.claims:
            assert f'href="{claim.page}.html"' in shown and f">{claim.page}<" not in shown  # a page has a title
            assert claim.takes in html.unescape(shown)
        assert "nan" not in re.sub(r"<[^>]*>", "", shown).lower()
        assert "= <" not in html.unescape(shown)  # a bound of p is no value of it
    page.table1(runs)
    page.records_table(runs)


def test_the_page_without_any_evidence(tmp_path):
    check_shown(run(tmp_path))


def test_the_page_shows_what_was_decided_and_where_photographs_and_scenes_part(made_up):
    check_shown(made_up.runs)
    ledger = made_up.runs.ledger
    verdicts = ledger[ledger["verdict"].isin([HOLDS, CONTRADICTED])].groupby("says")["verdict"].agg(set)
    apart = set(verdicts.index[verdicts.map(len) == 2])
    assert apart
    assert set(page.facts(made_up.runs)["apart"].split("; ")) == apart
    shown = page.table1(made_up.runs).data
    for record in ("photographs", "scenes"):
        assert f"{made_up.placed[record, 'tdd', 'ria']:.2f}" in shown


def test_the_page_runs_on_the_records_that_are_shipped():
    runs = run(RECORDS)
    assert list(runs.records) == recorded() and "photographs" in runs.records
    headline = runs.ledger[runs.ledger["record"] == "photographs"]
    assert set(headline["verdict"]) <= set(DECIDED)
    check_shown(runs)
    by_hand = runs.records["photographs"].rows
    tdd = by_hand[(by_hand["metric"] == "tdd") & (by_hand["status"] == "ok") & by_hand["method"].isin(["dea", "ega"])]
    wide = tdd.pivot(index=["model", "sample_id"], columns="method", values="value")  # noqa: PD010 - refuses doubles
    scores = by_hand[by_hand["metric"] == "score"].set_index(["model", "sample_id"])["value"]
    wide = wide[scores.reindex(wide.index) >= 0.3]
    row = headline.set_index("id").loc["dea_tdd_above_ega"]
    counted = (wide["dea"] - wide["ega"]).dropna().groupby("sample_id").mean()
    assert row["n"] <= len(counted)  # an image that one of the models cannot judge is left out
    assert row["value"] == pytest.approx(counted.mean(), abs=0.02)


def test_another_parameter_and_a_folder_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(UserError, match="Unknown parameter 'evidense'"):
        page.read({"evidense": "."})
    with pytest.raises(UserError, match="no folder; expected the one that records lie in"):
        page.read({"evidence": str(tmp_path / "nothing")})
