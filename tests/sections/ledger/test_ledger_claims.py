"""The file of claims: what each names exists, and the paper's words that are numbers agree with the pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from made_up import claims

from segattr_lib.evidence.plans import images_of, plan_names, read_plan
from segattr_lib.inference.agreement import CLAIMED
from segattr_lib.inference.verdicts import SIDES
from segattr_lib.metrics import BY_PAGES, MEASURED, METRICS, OF_SAMPLES, metric_key
from segattr_lib.registry import UserError, make_key
from segattr_lib.sections import arcc_blind, wsss_sam2
from segattr_lib.sections.ledger import claims as module
from segattr_lib.sections.ledger.claims import CLAIMS_FILE, Kind, groups
from segattr_lib.sections.wsss_sam2.rows.cueing import ALONE, CEILING, FUSIONS, THRESHOLD

ROOT = Path(__file__).parent.parent.parent.parent
OF_PHOTOGRAPHS = ("voc", "sbd", "kvasir_seg", "photographs")
TESTABLE = [claim for claim in claims() if claim.kind != "not_testable"]


def test_ids_are_unique_and_kinds_known():
    ids = [claim.id for claim in claims()]
    assert len(ids) == len(set(ids))
    assert {claim.kind for claim in claims()} == set(Kind.__args__)
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in ids)
    assert len({(claim.paper, claim.says) for claim in claims()}) == len(ids)


@pytest.mark.parametrize("claim", TESTABLE, ids=lambda claim: claim.id)
def test_a_claim_names_records_methods_and_metrics_that_are_planned(claim):
    assert claim.records
    for name in claim.records:
        assert name in plan_names()
        plan = read_plan(name)
        asked = {metric.name for metric in plan.settings.metrics} | set(MEASURED)
        methods = {key.text for key in plan.settings.method_keys()}
        if plan.question:
            asked |= set(BY_PAGES)
            methods |= set(FUSIONS) | set(ALONE) | set(CEILING)
        for text in filter(None, (claim.metric, claim.minus)):
            key = metric_key(text)
            assert key.name in asked, name
            if key.name in METRICS and key.options:
                assert text in {metric.text for metric in plan.settings.metrics}
            segmenter = key.options.get("segmenter", THRESHOLD)
            assert segmenter in (THRESHOLD, *plan.about.get("segmenters", ()))
            assert "with" not in key.options or key.options["with"] in methods
            assert make_key(key.name, key.options).text == text  # as rows have it
            if "k" in key.entry.options:
                assert claim.k in plan.settings.k
            if "fill" in key.entry.options:
                assert claim.fill in plan.settings.evaluation_fills(None)
        if claim.trait:
            assert claim.trait in OF_SAMPLES and claim.trait in asked
        named = [*claim.among, *filter(None, (claim.method, claim.over))]
        assert set(named) <= methods, name


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.id)
def test_a_claim_says_what_its_kind_needs_and_no_more(claim):
    has = {
        name for name in ("method", "over", "minus", "among", "end", "takes", "than", "trait") if getattr(claim, name)
    }
    allowed = {
        "difference": [{"method", "over"}, {"method", "minus"}, {"method", "than"}, {"method", "over", "than"}],
        "correlation": [{"method", "over", "trait"}],
        "best_of": [{"method", "among"}],
        "every_run": [{"method", "over"}],
        "same": [{"method", "over"}],
        "agreement": [{"end"}],
        "not_testable": [{"takes"}],
    }
    assert has in allowed[claim.kind]
    assert claim.side in SIDES
    assert claim.says and claim.where
    assert claim.method != claim.over or not claim.method
    if claim.among:
        assert claim.method in claim.among and len(set(claim.among)) == len(claim.among) > 1
        assert metric_key(claim.metric).entry.direction
    if claim.kind == "agreement":
        assert CLAIMED[claim.end] == claim.metric


def test_every_claim_links_to_a_page_of_the_book():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    pages = {Path(chapter["file"]).name for part in contents["parts"] for chapter in part["chapters"]}
    assert {claim.page for claim in claims()} <= pages - {"ledger"}


def test_a_claim_has_a_verdict_at_most_of_photographs_and_one_of_generated_data():
    """So that what they decide stands side by side."""
    for claim in claims():
        for generated in (True, False):
            assert len([name for name in claim.records if (images_of(name) == "generated") == generated]) <= 1, claim.id


def test_records_are_taken_for_what_their_data_are():
    for name in plan_names():
        settings = read_plan(name).settings
        on_photographs = settings.dataset in OF_PHOTOGRAPHS
        assert (images_of(name) == "photographs") == on_photographs, name


def test_every_paper_is_cited_as_the_bibliography_has_it():
    entries = re.findall(r"^@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.M)
    page = (ROOT / "notebooks" / "ledger.py").read_text(encoding="utf-8")
    for group in groups():
        assert group.cites is None or (group.cites in entries and f"{{cite:t}}`{group.cites}`" in page)
        assert f'page.ledger_table(runs, "{group.name}")' in page


def test_numbers_of_claims_are_those_of_the_papers_and_the_margin_of_the_page():
    by_id = {claim.id: claim for claim in claims()}
    for claim in claims():
        if "fools" in claim.says and claim.than:
            assert abs(claim.than) == arcc_blind.MARGIN
            worse = metric_key(claim.metric).entry.direction * (-claim.than)
            assert worse > 0  # as good, though worse by the margin
        elif claim.than:
            assert f"{claim.than:g}".lstrip("0") in claim.says or "half" in claim.says
    assert by_id["wsss_sam2_voc"].says.endswith(".784 on VOC")
    assert wsss_sam2.CLAIMS


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"id": "dea_tdd_above_ega"}, "'dea_tdd_above_ega' stands twice"),
        ({"sides": "above"}, "has a key that is none: {'sides'}"),
    ],
)
def test_a_claim_that_stands_twice_or_has_an_unknown_key_is_refused(change, answer, tmp_path, monkeypatch):
    entries = yaml.safe_load(CLAIMS_FILE.read_text(encoding="utf-8"))
    entries["ours"]["claims"][0] |= change
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump(entries), encoding="utf-8")
    monkeypatch.setattr(module, "CLAIMS_FILE", tmp_path / "claims.yaml")
    groups.cache_clear()
    try:
        with pytest.raises(UserError, match=re.escape(answer)):
            groups()
    finally:
        monkeypatch.undo()
        groups.cache_clear()
