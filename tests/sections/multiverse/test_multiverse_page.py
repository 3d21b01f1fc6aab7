"""The page of the multiverse, on records that were written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from segattr_lib.benchmark.settings import read_settings
from segattr_lib.evidence.records import keep
from segattr_lib.registry import UserError
from segattr_lib.sections import multiverse
from segattr_lib.sections.multiverse.claims import EXAMINED
from segattr_lib.sections.multiverse.strips import mark_label

N = 20
SMALL, LARGE = "photographs_224_truth", "photographs_321_truth"  # as they are planned, of photographs
LEVELS = {"gpa": 0.1, "ega": 0.2, "dea": 0.4, "ria": 0.5, "adaptive_ria": 0.3, "adaptive_dea": 0.35}
LEVELS |= {"random": 0.45, "random_cells": 0.15, "depth": 0.25}


def write(folder: Path, name: str, size: int, turned: bool = False) -> None:
    """A record of two k and two fills; by blur, where it is turned, the order of methods is turned round."""
    about = {"run_id": "r", "dataset": "shapes", "model": "shapes_fcn", "seed": 0, "target": "class", "class_id": 1}
    rows: list[dict[str, Any]] = []
    for image in range(N):
        here = {**about, "region": "truth", "sample_id": f"image {image:02}", "status": "ok"}
        rows.append({**here, "metric": "score", "value": 0.9})
        for metric in ("tdd", "odd_abs", "leak_abs", "excess_tdd"):
            for k in (0.1, 0.2):
                for fill in ("mean", "blur"):
                    for place, (method, value) in enumerate(LEVELS.items()):
                        level = (0.6 - value if turned and fill == "blur" else value) + 0.001 * image * (place + 1)
                        setting = {"metric": metric, "k": k, "fill": fill, "method": method, "variant": ""}
                        rows.append({**here, **setting, "value": level})
    table = pd.DataFrame(rows).assign(reason=None)
    settings = read_settings({"dataset": "shapes", "model": "shapes_fcn", "image_size": size, "samples": N})
    made = {"settings": settings.model_dump(mode="json"), "question": {}, "shards": 1}
    timings = pd.DataFrame(columns=["run_id", "dataset", "model", "seed", "sample_id", "method", "variant", "seconds"])
    timings = timings.assign(target=None, region=None, class_id=None)
    keep(folder / name, "000", table, timings, {**made, "samples": sorted(set(table["sample_id"]))})


@pytest.fixture
def runs(tmp_path: Path) -> multiverse.Runs:
    write(tmp_path, SMALL, 64)
    write(tmp_path, LARGE, 96, turned=True)
    return multiverse.run(multiverse.read({"evidence": str(tmp_path), "records": [SMALL, LARGE, "photographs"]}))


def test_a_page_counts_universes_and_says_what_is_absent(runs: multiverse.Runs) -> None:
    facts = multiverse.facts(runs)
    assert facts["photographs_universes"] == 8 and facts["absent"] == "photographs"
    assert facts["photographs_records"] == f"{SMALL}, {LARGE}"
    assert facts["generated_of"] == 0 and facts["generated_turned_names"] == "none"
    # DEA lies above EGA in all but the two universes of the large images that blur judges
    mine = runs.differences[runs.differences["claim"] == "dea_tdd_above_ega"]
    against = mine[mine["side"] < 0]
    assert len(mine) == 8 and against[["fill", "size"]].drop_duplicates().to_numpy().tolist() == [["blur", 96]]
    assert "DEA's deletion drop is above EGA's" in facts["photographs_turned_names"]


def test_tables_hold_the_shares_and_the_taus(runs: multiverse.Runs) -> None:
    text = multiverse.shares_table(runs).data
    assert "75%" in text and "25%" in text
    taus = multiverse.order_taus(runs)
    assert taus.loc[("photographs", "TDD ↑"), "k"] == "1.00 (1.00)"
    # two sizes differ in half of the pairs, and then turn the order round: mean 0
    assert taus.loc[("photographs", "TDD ↑"), "the size of images"] == "0.00 (-1.00)"
    assert "whose labels give the target" not in taus
    assert "0.00 (-1.00)" in multiverse.orders_table(runs).data


def test_a_strip_has_a_column_a_universe_sorted_by_its_difference(runs: multiverse.Runs) -> None:
    figure = multiverse.strip(runs, "dea_tdd_above_ega")
    above, below = figure.axes
    points = np.concatenate([marks.get_offsets() for marks in above.collections if isinstance(marks, PathCollection)])
    points = points[np.argsort(points[:, 0])]
    assert points[:, 0].tolist() == list(range(8)) and (np.diff(points[:, 1]) >= 0).all()
    labels = [text.get_text() for text in below.get_yticklabels()]
    assert labels == ["k = 0.1", "k = 0.2", "fill: mean", "fill: blur", "image: 64 px", "image: 96 px"]
    marked = [len(np.asarray(marks.get_offsets())) for marks in below.collections]
    assert marked == [4] * 6  # every value in half of the universes


def test_settings_are_named_as_a_reader_knows_them() -> None:
    labels = [mark_label(*pair) for pair in (("grid", 7.0), ("size", 321), ("region", "predicted"), ("k", 0.5))]
    assert labels == ["grid: 7 × 7", "image: 321 px", "target: predicted", "k = 0.5"]


def test_what_cannot_be_had_is_a_clear_sentence(runs: multiverse.Runs, tmp_path: Path) -> None:
    lists: dict[str, Any] = {"records": ["scenes_many"]}
    with pytest.raises(UserError, match="None of scenes_many is recorded"):
        multiverse.run(multiverse.read({"evidence": str(tmp_path), **lists}))
    with pytest.raises(UserError, match="no folder"):
        multiverse.read({"evidence": str(tmp_path / "gone"), **lists})
    with pytest.raises(UserError, match="Unknown parameter 'record'"):
        multiverse.read({"evidence": str(tmp_path), **lists, "record": []})
    with pytest.raises(UserError, match="expected a list of names of records"):
        multiverse.read({"evidence": str(tmp_path), "records": "scenes"})
    with pytest.raises(UserError, match="Unknown record 'nothing'"):
        multiverse.read({"evidence": str(tmp_path), "records": ["nothing"]})
    with pytest.raises(UserError, match=r"Unknown claim 'dea'"):
        multiverse.strip(runs, "dea")
    assert {claim.id for claim in EXAMINED} >= set(multiverse.CLAIMS)
