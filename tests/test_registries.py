"""What the registries say of a method or a metric before its code is imported is what the code says."""

from __future__ import annotations

import pytest

from segattr_lib.attribution import METHODS, load_method
from segattr_lib.data import DATASETS
from segattr_lib.metrics import METRICS
from segattr_lib.registry import imported, options_of


@pytest.mark.parametrize("name", METHODS)
def test_a_row_names_the_options_that_the_method_has(name: str) -> None:
    method = METHODS[name]
    assert set(method.options) == set(options_of(method.function))
    assert all(part in METHODS for part in method.parts)
    assert (method.fuse is None) == (not method.parts)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.function])
def test_a_row_names_the_options_that_the_metric_has(name: str) -> None:
    function = METRICS[name].function
    assert function is not None
    assert METRICS[name].options == set(options_of(function))


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.parts])
def test_a_metric_made_of_others_takes_their_options_and_selects_in_their_regions(name: str) -> None:
    metric = METRICS[name]
    parts = [METRICS[part] for part in metric.parts]
    assert metric.combine is not None and metric.function is None
    assert metric.options == frozenset().union(*(part.options for part in parts))
    assert metric.regions == frozenset().union(*(part.regions for part in parts))


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_lies_where_its_row_says(name: str) -> None:
    assert callable(imported(f"segattr_lib.data.{DATASETS[name]}"))


def test_a_users_own_function_tells_its_options_itself(tmp_path) -> None:
    (tmp_path / "mine.py").write_text("def method(score, images, target, *, depth=1, draws): ...\n", encoding="utf-8")
    method = load_method(f"{tmp_path / 'mine.py'}:method")
    assert set(method.options) == {"depth", "draws"} and method.family == "own"
