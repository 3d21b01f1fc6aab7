from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_collection(monkeypatch):
    """statsmodels' multipletests collects garbage at each call: half a second where torch is loaded."""
    monkeypatch.setattr("gc.collect", lambda *_: 0)


@pytest.fixture
def few(monkeypatch):
    """Resamples that take no time, where what they are does not matter."""
    for module in ("comparison", "intervals", "correlation"):
        monkeypatch.setattr(f"segattr_lib.inference.{module}.RESAMPLES", 499)
