from __future__ import annotations

import inspect
import math
import os
from pathlib import Path
from typing import Any

import pytest

from segattr_lib.registry import UserError, accepted, lookup, make_key, options_of, read_key, user_object

REGISTRY = {"gpa": 1, "ega": 2, "ria": 3}


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("ria", "ria", {}),
        ("  ria  ", "ria", {}),
        ("ria()", "ria", {}),
        ("ria(grid=7)", "ria", {"grid": 7}),
        ("ria ( grid = 7 , fill = blur )", "ria", {"grid": 7, "fill": "blur"}),
        ("ria(grid=7,)", "ria", {"grid": 7}),
        ("dea(alpha=.65, beta=-1e-3)", "dea", {"alpha": 0.65, "beta": -0.001}),
        ("ega(window=None, signed=True)", "ega", {"window": None, "signed": True}),
        ("gpa(layer=backbone.layer4)", "gpa", {"layer": "backbone.layer4"}),
        ("gpa(layer='backbone.layer4')", "gpa", {"layer": "backbone.layer4"}),
        ("mine.py:method(k=2)", "mine.py:method", {"k": 2}),
        ("x(a=b=c)", "x", {"a": "b=c"}),
        ("refinecam(layers=['a','b.c'], fuse=product)", "refinecam", {"layers": ["a", "b.c"], "fuse": "product"}),
        ("x(a=(1, 2), b='c, d')", "x", {"a": (1, 2), "b": "c, d"}),
        ("iou(segmenter=sam, background=0)", "iou", {"segmenter": "sam", "background": 0}),
        (
            "agreement(with=lime(samples=60, segments=20), k=.2)",
            "agreement",
            {"with": "lime(samples=60, segments=20)", "k": 0.2},
        ),
        (
            "agreement(with=refinecam(layers=['a', 'b.c'], size=(7, 7)))",
            "agreement",
            {"with": "refinecam(layers=['a', 'b.c'], size=(7, 7))"},
        ),
        ("x(a=my (1)/own.py:f(k=(1, 2)), b=3)", "x", {"a": "my (1)/own.py:f(k=(1, 2))", "b": 3}),
    ],
)
def test_a_variant_is_a_name_and_its_options(text: str, name: str, options: dict[str, Any]):
    key = read_key(text)
    assert (key.name, key.options) == (name, options)
    assert [type(value) for value in key.options.values()] == [type(value) for value in options.values()]


@pytest.mark.parametrize(
    "text", ["", "()", "(grid=7)", "ria(grid=7", "ria grid=7)", "ria(a=1)(b=2)", "ria(a=1) b", "ria(a=1))", "ria((a=1)"]
)
def test_a_variant_of_another_form_is_an_error(text: str):
    with pytest.raises(UserError, match="not a name") as caught:
        read_key(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "part"), [("ria(7)", "7"), ("ria(grid 7)", "grid 7"), ("ria(a=1, 2b=3)", "2b=3"), ("ria(a=1, b)", "b")]
)
def test_an_option_of_another_form_is_named(text: str, part: str):
    with pytest.raises(UserError, match="option=value") as caught:
        read_key(text)
    assert repr(part) in str(caught.value)


def test_a_registered_name_is_found():
    assert {name: lookup("method", name, REGISTRY) for name in REGISTRY} == REGISTRY


def test_an_unknown_name_suggests_the_nearest_and_lists_all():
    with pytest.raises(UserError, match=r"Unknown method 'rai' \(did you mean 'ria'\?\)") as caught:
        lookup("method", "rai", REGISTRY)
    assert all(name in str(caught.value) for name in (*REGISTRY, "path/to/file.py:name", "package.module:name"))


def test_a_name_near_to_nothing_suggests_nothing():
    with pytest.raises(UserError, match="Unknown method 'zzzz'; valid are") as caught:
        lookup("method", "zzzz", REGISTRY)
    assert "did you mean" not in str(caught.value)


def test_a_registered_name_wins_over_a_place():
    assert lookup("method", "math:sqrt", {"math:sqrt": "mine"}) == "mine"
    assert lookup("method", "math:sqrt", REGISTRY) is math.sqrt


def method(score: int, images: int, *, grid: int = 14, fill: str) -> None:
    """Two things to work on and two options."""


def test_options_are_the_keyword_only_parameters():
    assert options_of(method) == {"grid": 14, "fill": inspect.Parameter.empty}
    assert options_of(lambda a, b=1: a) == {}


def test_accepted_keeps_the_options_a_function_takes():
    assert accepted(method, {"grid": 7, "alpha": 0.5, "score": 3}) == {"grid": 7}
    assert accepted(method, {}) == {}


def test_an_object_of_a_module():
    assert user_object("method", "os.path:join") is os.path.join


def test_an_object_of_a_file(tmp_path: Path):
    file = tmp_path / "my_methods.py"
    file.write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Box:\n    side: int\nvalue = Box(3).side\n",
        encoding="utf-8",
    )
    assert user_object("method", f"{file}:value") == 3
    file.write_text("value = 4.0\n", encoding="utf-8")
    assert user_object("method", f"{file}:value") == 4.0  # as the file is now


def test_a_path_may_be_relative_to_here_or_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "near_here.py").write_text("value = 5\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_object("method", "near_here.py:value") == user_object("method", "~/near_here.py:value") == 5


def test_a_file_does_not_replace_a_module_of_its_name(tmp_path: Path):
    (tmp_path / "math.py").write_text("value = 6\n", encoding="utf-8")
    assert user_object("method", f"{tmp_path / 'math.py'}:value") == 6
    import math as after

    assert after is math
    assert after.sqrt(4) == 2


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(UserError, match="does not exist") as caught:
        user_object("metric", f"{tmp_path / 'gone.py'}:value")
    assert str(tmp_path / "gone.py") in str(caught.value)


def test_a_missing_name_lists_what_the_file_has(tmp_path: Path):
    file = tmp_path / "some_functions.py"
    file.write_text("def alpha(): ...\ndef beta(): ...\ndef _hidden(): ...\nnumber = 3\n")
    with pytest.raises(UserError, match=r"has no 'gamma'; it has alpha, beta\.$"):
        user_object("metric", f"{file}:gamma")


@pytest.mark.parametrize("place", ["no_such_package:f", "os.no_such_module:f", ":f", ".relative:f"])
def test_a_module_that_cannot_be_imported_is_an_error(place: str):
    with pytest.raises(UserError, match="cannot be imported"):
        user_object("metric", place)


def test_a_missing_name_of_a_module_is_an_error():
    with pytest.raises(UserError, match=r"math has no 'nothing'; it has .*sqrt"):
        user_object("metric", "math:nothing")


@pytest.mark.parametrize(
    "inner",
    [
        "ria",
        "lime(samples=60, segments=20)",
        "refinecam(layers=['a', 'b.c'], size=(7, 7))",
        "x(b='c, d')",
        "my (1)/a, b.py:f(k=2)",
        "o'neil/own.py:f(grid=7)",
        "x(a=((1, 2), 3))",
        "copy)/own.py:f",
    ],
)
def test_a_key_as_the_value_of_an_option_reads_back_as_it_was(inner: str) -> None:
    outer = make_key("agreement", {"with": inner, "k": 0.2})
    again = read_key(outer.text)
    assert again == outer and again.options == {"with": inner, "k": 0.2}
    twice = make_key("iou", {"of": outer.text})
    assert read_key(twice.text).options == {"of": outer.text}


def test_a_metric_is_known_by_its_name_whatever_it_is_pinned_to() -> None:
    from segattr_lib.metrics import METRICS, OF_CUES, metric_key

    assert metric_key("excess_tdd(k=0.2)").entry is METRICS["excess_tdd"]
    agreement = metric_key("agreement(with=lime(samples=60))")
    assert agreement.entry is OF_CUES["agreement"] and agreement.options == {"with": "lime(samples=60)"}
