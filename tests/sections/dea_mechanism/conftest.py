"""A run of three small images by a model of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from segattr_lib.benchmark.settings import Settings, read_settings

OWN = """
from oracles import ConvNet


def tiny():
    return ConvNet(classes=7, seed=99)
"""


@pytest.fixture
def parameters(tmp_path: Path) -> dict[str, Any]:
    """What a parameters cell would say of the run."""
    path = tmp_path / "own.py"
    path.write_text(OWN, encoding="utf-8")
    model = {"model": f"{path}:tiny", "layer": "features", "device": "cpu", "batch_size": 8}
    return {"dataset": "shapes", "samples": 3, "image_size": 32, "grid": 4, "null_every": 20, **model}


@pytest.fixture
def run(parameters: dict[str, Any]) -> Settings:
    return read_settings({**parameters, "metrics": ["tdd", "odd_abs", "excess_tdd"]})
