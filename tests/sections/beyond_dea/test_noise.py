"""What noise earns by its raggedness, and how methods stand beside it."""

from __future__ import annotations

from itertools import product

import pytest
from scenes import rows_of

from segattr_lib.sections.beyond_dea.chance import BORDER, noise_curve


def test_noise_stands_at_its_mean_border_length():
    rows = rows_of(
        [
            {"sample_id": f"i{n}", "method": "random_cells", "variant": f"grid={grid}", "fill": fill, "metric": metric}
            | {"value": weight * 32 / grid + n, "k": k}
            for n, grid, (fill, weight), (metric, k) in product(
                range(3), (8, 2, 32), (("mean", 1), ("blur", 3)), (("tdd", 0.2), ("tdd", 0.4), ("odd", 0.2))
            )
        ]
        + [
            {"sample_id": f"i{n}", "method": "random_cells", "variant": f"grid={grid}", "fill": None}
            | {"metric": "border", "value": grid / 32 + n, "k": 0.2}
            for n, grid in product(range(3), (8, 2, 32))
        ]
    )
    rows.loc[rows["k"] == 0.4, "value"] = -1
    curve = noise_curve(rows, 0.2)
    assert curve[BORDER].tolist() == pytest.approx([1 + grid / 32 for grid in (2, 2, 8, 8, 32, 32)])
    for row in curve.to_dict("records"):
        side = 1 / (row[BORDER] - 1)
        assert row["mean"] == pytest.approx({"mean": 1, "blur": 3}[row["line"]] * side + 1)
        assert row["n"] == 3
