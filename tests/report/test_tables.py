"""Values, intervals and tests as text."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segattr_lib.report.tables import (
    coverage,
    interval,
    interval_texts,
    intervals,
    number,
    off_zero,
    power_of_ten,
    whole,
)


def test_a_number_has_its_digits_and_a_dash_where_there_is_none():
    assert [number(0.12345), number(-0.0001), number(12.5, 1)] == ["0.123", "0.000", "12.5"]
    assert number(np.nan) == "–"


def test_a_large_number_reads_as_people_write_it():
    assert [number(1e3), number(5480.4), number(-12345.6, 2)] == ["1,000", "5,480", "-12,346"]
    assert [number(1.24e7), number(-3e9), number(np.inf)] == ["1.2 × 10⁷", "-3.0 × 10⁹", "inf"]
    assert [power_of_ten(6.04e-8, 1), power_of_ten(1e-10, 1), power_of_ten(0.0)] == ["6 × 10⁻⁸", "1 × 10⁻¹⁰", "0"]


def test_an_interval_stands_behind_its_value_and_n_where_there_is_none():
    assert interval(0.25, -0.0001, 0.5) == "0.250 [0.000, 0.500]"
    assert interval(0.25, np.nan, np.nan) == "0.250"
    assert interval(0.25, np.nan, np.nan, 2, 7) == "0.25 (n = 7)"
    assert interval(np.nan, np.nan, np.nan, n=0) == "–"


def rows() -> pd.DataFrame:
    values = [("ega", "tdd", 0.25, 0.125, 0.5, 14), ("dea", "tdd", 0.5, np.nan, np.nan, 3)]
    values.append(("dea", "odd_abs", -0.5, -0.75, -0.25, 14))
    return pd.DataFrame(values, columns=["method", "metric", "mean", "low", "high", "n"])


def test_intervals_are_texts_by_row_or_in_a_table_of_labels():
    texts = ["0.250 [0.125, 0.500]", "0.500 (n = 3)", "-0.500 [-0.750, -0.250]"]
    assert interval_texts(rows(), "mean").tolist() == texts
    table = intervals(rows(), "method", "metric")
    assert table.loc["DEA"].tolist() == texts[1:]
    assert table.loc["EGA", "TDD ↑"] == texts[0] and pd.isna(table.loc["EGA", "|ODD| ↓"])


def test_what_lies_off_zero_is_counted_beside_what_has_no_interval():
    assert off_zero(rows(), "above") == off_zero(rows(), "below") == "1 (1 without an interval)"
    assert off_zero(rows().dropna(), "above") == "1"


def test_coverage_says_what_is_promised_and_what_was_reached():
    table = coverage(
        pd.DataFrame({"interval": ["BCa"], "n": 14, "nominal": 0.95, "reached": 0.931, "low": 0.9, "high": 0.95})
    )
    assert table.loc["BCa"].tolist() == [14, "95%", "93.1% [90.0%, 95.0%]"]


def test_a_long_table_is_shown_whole():
    assert whole(pd.DataFrame({"value": range(99)})).data.count("<tr") == 100
