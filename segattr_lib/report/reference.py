"""The papers' own numbers, as data with their source."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml


@cache
def reference() -> dict[str, Any]:
    """Everything in reference.yaml, by the name of the table."""
    return yaml.safe_load((Path(__file__).parent / "reference.yaml").read_text(encoding="utf-8"))
