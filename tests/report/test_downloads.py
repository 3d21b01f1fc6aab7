"""Tables and records as files: what a reader opens is what the page shows and the record holds."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pandas as pd
import pytest

from segattr_lib.report.downloads import as_csv, rows_as_csv, tables_of


def test_a_table_of_pandas_is_read_as_pandas_wrote_it():
    index = pd.MultiIndex.from_tuples([("TDD", "EGA"), ("TDD", "RIA"), ("ODD", "EGA")])
    table = pd.DataFrame({"mean": ["1", "2", "3"], "n, all": ["a", 'b "quoted"', "<c>"]}, index=index)
    (rows,) = tables_of(table.to_html())
    assert rows == [
        ["", "", "mean", "n, all"],
        ["TDD", "EGA", "1", "a"],
        ["TDD", "RIA", "2", 'b "quoted"'],
        ["ODD", "EGA", "3", "<c>"],
    ]
    read = pd.read_csv(io.StringIO(as_csv(rows)), dtype=str)
    assert read["n, all"].tolist() == table["n, all"].tolist() and read["mean"].tolist() == ["1", "2", "3"]


def test_cells_that_span_stand_in_each_of_their_places():
    html = """<table><tr><th colspan="2">both</th><th rowspan="2">down</th></tr><tr><td>a<br>b</td><td> c </td></tr>
    <tr><td rowspan="2">d</td><td>e</td><td>f</td></tr><tr><td>g</td><td>h</td></tr></table><table><tr><td>i</td></tr>
    </table>"""
    first, second = tables_of(html)
    assert first == [["both", "both", "down"], ["a; b", "c", "down"], ["d", "e", "f"], ["d", "g", "h"]]
    assert second == [["i"]]
    assert tables_of("<p>no table</p>") == []


def test_all_rows_of_a_record_are_one_file_of_the_same_bytes(tmp_path: Path):
    shards = [pd.DataFrame({"method": ["ega"], "value": [0.5]}), pd.DataFrame({"method": ["ria"], "value": [None]})]
    for number, rows in enumerate(shards):
        rows.astype({"value": "float32"}).to_parquet(tmp_path / f"{number:03}.rows.parquet")
        rows.to_parquet(tmp_path / f"{number:03}.timings.parquet")
    written = rows_as_csv(tmp_path)
    assert gzip.decompress(written).decode() == "method,value\nega,0.5\nria,\n"
    assert rows_as_csv(tmp_path) == written
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="expected the folder of a record"):
        rows_as_csv(tmp_path / "empty")
