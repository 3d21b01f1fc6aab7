"""Halves of the images and single models: that each is a part of its own, and what it decides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.sections.ledger import repeated as module
from segattr_lib.sections.ledger.repeated import BOTH, CONTRARY, EITHER, NEITHER, OPEN, SAME, by_model, halves

IMAGES = [f"image {number}" for number in range(41)]


def rows_of(leads: np.ndarray) -> pd.DataFrame:
    """Of DEA and EGA, a row an image and method, DEA above EGA by the lead; every image is scored well."""
    about = {"run_id": "r", "dataset": "d", "model": "m", "seed": 0, "status": "ok", "k": 0.2, "fill": "mean"}
    rows = []
    for image, lead in zip(IMAGES, leads, strict=True):
        rows.append({**about, "sample_id": image, "metric": "score", "k": np.nan, "fill": None, "value": 0.9})
        for method, value in (("dea", lead), ("ega", 0.0)):
            rows.append({**about, "sample_id": image, "method": method, "variant": "", "metric": "tdd", "value": value})
    return pd.DataFrame(rows)


def decided_by_mean(rows: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """In place of the ledger: one claim a record, decided where all leads lie on one side."""
    verdicts = []
    for name, table in rows.items():
        leads = table.loc[(table["metric"] == "tdd") & (table["method"] == "dea"), "value"]
        verdict = HOLDS if (leads > 0).all() else CONTRADICTED if (leads < 0).all() else UNDECIDED
        verdicts.append({"id": "lead", "record": name, "verdict": verdict})
    return pd.DataFrame(verdicts)


def test_every_image_is_in_one_half_with_all_its_rows(monkeypatch):
    parts = []
    monkeypatch.setattr(module, "ledger", lambda rows: parts.append(rows["photographs"]) or decided_by_mean(rows))
    rows = {"photographs": rows_of(np.ones(len(IMAGES)))}
    for seed in (0, 0, 1):
        halves(rows, decided_by_mean(rows), seed)
    first, second = ([*part["sample_id"].unique()] for part in parts[:2])
    assert len(first) == 21 and len(second) == 20 and sorted(first + second) == sorted(IMAGES)
    assert all((part.groupby("sample_id").size() == 3).all() for part in parts)
    assert parts[0].equals(parts[2]) and not parts[0].equals(parts[4])  # of one seed the same, of another not


@pytest.mark.parametrize(
    ("whole", "first", "second", "repeated"),
    [
        (HOLDS, HOLDS, HOLDS, BOTH),
        (HOLDS, UNDECIDED, HOLDS, EITHER),
        (CONTRADICTED, CONTRADICTED, UNDECIDED, EITHER),
        (CONTRADICTED, UNDECIDED, UNDECIDED, NEITHER),
        (HOLDS, HOLDS, CONTRADICTED, CONTRARY),
        (CONTRADICTED, HOLDS, UNDECIDED, CONTRARY),
        (UNDECIDED, HOLDS, UNDECIDED, None),
    ],
)
def test_what_is_decided_is_held_against_both_halves(whole, first, second, repeated, monkeypatch):
    answers = iter([first, second])
    monkeypatch.setattr(module, "ledger", lambda rows: decided_by_mean(rows).assign(verdict=next(answers)))
    rows = {"photographs": rows_of(np.ones(len(IMAGES)))}
    table = halves(rows, decided_by_mean(rows).assign(verdict=whole))
    assert table["repeated"].tolist() == ([] if repeated is None else [repeated])


def test_a_lead_on_every_image_is_decided_by_both_halves_and_none_at_all_by_neither():
    noise = np.random.default_rng(0).normal(size=len(IMAGES))
    for leads, repeated in ((2 + noise, BOTH), (noise - noise.mean(), NEITHER)):
        rows = {"photographs": rows_of(leads)}
        decided = pd.DataFrame({"id": ["dea_tdd_above_ega"], "record": ["photographs"], "verdict": [HOLDS]})
        assert halves(rows, decided)["repeated"].tolist() == [repeated]


@pytest.mark.parametrize(
    ("leads", "together", "alone", "repeated"),
    [
        ((2, 1), HOLDS, [HOLDS, HOLDS], [SAME, SAME]),
        ((2, 0), HOLDS, [HOLDS, UNDECIDED], [SAME, OPEN]),
        ((2, -1), HOLDS, [HOLDS, CONTRADICTED], [SAME, CONTRARY]),
        ((1, -1), UNDECIDED, [HOLDS, CONTRADICTED], [None, None]),
    ],
)
def test_each_model_decides_alone_what_all_decide_together(leads, together, alone, repeated):
    noise = np.random.default_rng(0).normal(0, 0.1, size=len(IMAGES))
    centred = noise - noise.mean()
    models = [rows_of(lead + centred).assign(model=f"m{place}", run_id=f"m{place}") for place, lead in enumerate(leads)]
    decided = pd.DataFrame({"id": ["dea_tdd_above_ega"], "record": ["photographs"], "verdict": [together]})
    rows = {"photographs": pd.concat(models, ignore_index=True), "scenes": models[0]}
    table = by_model(rows, decided)
    assert table["model"].tolist() == ["m0", "m1"] and set(table["record"]) == {"photographs"}  # scenes are of one
    assert table["alone"].tolist() == alone
    assert [None if pd.isna(each) else each for each in table["repeated"]] == repeated
