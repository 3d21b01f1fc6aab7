"""The bench: that all of it runs, and that what is recorded in the book is whole and agrees with the packages."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "book/evidence/bench.json"
METHODS = {
    *("gpa", "ega", "ria", "adaptive_ria", "dea", "gradcam", "gradcam_plus_plus", "hirescam", "layercam"),
    *("shapleycam", "refinecam", "scorecam", "ablationcam", "input_x_gradient", "deeplift", "guided_gradcam"),
    *("integrated_gradients", "vargrad", "occlusion", "lime", "kernel_shap"),
}
METRICS = {"tdd", "odd", "insertion", "stability", "chance_tdd", "average_drop", "road", "coherency", "arcc"}
ALONE = {"chance_tdd"}  # that no other package has
APART = {
    "whole": 0.02,  # near-ties between cells may swap
    **dict.fromkeys(("lime", "kernel_shap"), 5e-3),  # of fewer samples than superpixels: a logit's last digits tell
}
AGREE = 1e-4


def check(record: dict[str, Any]) -> None:
    """That a record has every row, that no time is missing, and that what is compared agrees."""
    rows = record["rows"]
    for group, names in {
        "methods": METHODS,
        "metrics": METRICS,
        "whole": {"whole", "whole_coarse", "whole_adaptive"},
    }.items():
        mine = [row for row in rows if row["group"] == group]
        assert {row["name"] for row in mine} == names
        if group != "whole":
            assert all({1} < {row["images"] for row in mine if row["name"] == name} for name in names)
    for row in rows:
        assert 0 < row["ours"]["minimum"] <= row["ours"]["median"] and row["passes"] > 0 and row["bound"] > 0
        assert bool(row["peers"]) == (row["name"] not in ALONE)
        for peer in row["peers"].values():
            assert peer["ratio"] == pytest.approx(row["ours"]["minimum"] / peer["minimum"], rel=1e-3)
            if peer["difference"] is not None:
                assert peer["difference"] <= APART.get(row["name"], AGREE), (row["name"], row["model"], peer)
    compared = {row["name"] for row in rows if any(p["difference"] is not None for p in row["peers"].values())}
    assert {"gpa", "ega", "ria", "dea", "gradcam", "road", "tdd", "occlusion", "lime", "whole"} <= compared
    assert {point["axis"] for point in record["growth"]} == {"images", "image size", "grid", "methods", "workers"}
    assert all(point["megabytes"] > 0 and math.isfinite(point["minimum"]) for point in record["growth"])
    assert {point["kind"] for point in record["starting"]} == {"import", "help", "refusal"}


def test_the_recorded_bench_is_whole_and_agrees_with_the_packages() -> None:
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    check(record)
    assert {"torch", "onnxruntime", "captum", "grad-cam", "torchcam"} <= set(record["machine"]["versions"])
    widest = max(record["growth"], key=lambda point: point["value"])
    assert widest["axis"] == "images" and widest["value"] == 10_000


def test_the_packages_script_is_short_enough_to_be_believed() -> None:
    assert len((ROOT / "tests/bench/script.py").read_text(encoding="utf-8").splitlines()) < 80


@pytest.mark.slow
def test_the_whole_bench_runs(tmp_path: Path) -> None:
    """Of few small images; what it says of time is not looked at."""
    out = tmp_path / "bench.json"
    command = [sys.executable, "-m", "tests.bench", "--quick", "--device", "cpu", "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert out.is_file(), ended.stderr
    check(json.loads(out.read_text(encoding="utf-8")))
