"""What a faster precision saves and changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import plain_pearson
from scenes import toy

from segattr_lib.attribution import method_key
from segattr_lib.attribution.intervention import ria
from segattr_lib.metrics import metric_key
from segattr_lib.models.runtime import prepare, runtime_of
from segattr_lib.sections.beyond_dea.precision import chosen_precision, precisions


def test_the_same_precision_twice_changes_nothing():
    group = toy(3)
    table = precisions(group, ["float32", "float32", "bfloat16"], 4, "mean", 0.2)
    assert table["precision"].tolist() == ["float32"] * 4 + ["bfloat16"] * 2
    assert table["layout"].tolist() == ["channels first", "channels last"] * 3
    table = table[table["layout"] == "channels first"].reset_index()
    assert table["pearson"][:2].tolist() == pytest.approx([1, 1], abs=1e-6) and table["largest"][:2].tolist() == [0, 0]
    assert table["tdd"][0] == table["tdd"][1] and (table["seconds"] > 0).all()
    rows, _ = group.rows_of(method_key("ria(grid=4)"), [metric_key("tdd")])
    values = [row["value"] for row in rows]
    assert table["tdd"][0] == pytest.approx(np.mean(values), abs=1e-5)
    assert runtime_of(group.score.model) == group.runtime  # TDD is measured, and the group left, as the run has it
    coarse = ria(group.score, group.images, group.target, grid=4)
    prepare(group.score.model, (16, 16), "cpu", "bfloat16", 8, torch.contiguous_format)
    coarser = ria(group.score, group.images, group.target, grid=4)
    alike = [plain_pearson(*pair) for pair in zip(coarse.numpy(), coarser.numpy(), strict=True)]
    assert table["pearson"][2] == pytest.approx(np.mean(alike), abs=1e-3) and table["pearson"][2] < 1


def test_the_fastest_of_what_is_near_enough_is_chosen():
    table = pd.DataFrame(
        {"precision": ["a", "b", "c", "d"], "seconds": [4.0, 3.0, 2.0, 1.0], "tdd": [0.5, 0.502, 0.49, 0.6]}
    )
    for tolerance, wanted in ((0.0, "a"), (0.005, "b"), (0.02, "c"), (1.0, "d")):
        assert chosen_precision(table, tolerance)["precision"] == wanted
    slow = table.assign(seconds=[1.0, 2.0, 3.0, 4.0])
    assert chosen_precision(slow, 1.0)["precision"] == "a"
