"""The page of the evidence is a data dictionary: nothing that a record holds is missing on it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segattr_lib.__main__ import _parser
from segattr_lib.benchmark.statistics import ROBUST_FLOOR, plain
from segattr_lib.benchmark.store import SAMPLES, TIMINGS
from segattr_lib.evidence.checking import CLOSE, SHARE
from segattr_lib.evidence.records import RECORDS, Record, read_record, recorded

PAGE = (Path(__file__).parent.parent.parent / "book" / "evidence.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shipped() -> Record:
    return read_record(recorded()[0])


def section(title: str) -> str:
    """The text below a heading, down to the next one of any depth."""
    return re.split(r"^#+ ", PAGE.partition(f" {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def described(title: str) -> set[str]:
    """The names in the first column of the tables below a heading."""
    firsts = [line.split("|")[1] for line in section(title).splitlines() if line.startswith("| `")]
    return {name for first in firsts for name in re.findall(r"`([^`]+)`", first)}


def test_every_column_of_the_rows_stands_on_the_page_and_every_status():
    statuses = {"ok", "degenerate", "undefined", "failed", "skipped"}
    assert described("Rows") == set(SAMPLES.names) | statuses
    for name in recorded():
        assert set(read_record(name).rows["status"].dropna()) <= statuses


def test_every_column_of_the_timings_stands_on_the_page():
    assert described("Timings") == set(TIMINGS.names)


def test_every_field_of_what_made_a_shard_stands_on_the_page(shipped):
    described_fields = described("What made a shard")
    for name in recorded():
        for shard in read_record(name).made:
            assert set(shard) == described_fields, (name, shard["shard"])
            for runtime in shard["runtimes"]:
                assert all(f"`{field}`" in section("What made a shard") for field in runtime)


def test_the_page_tells_by_what_a_record_is_judged():
    judged = section("Computing some of it again")
    assert f"at least {SHARE:.0%}".replace("%", " %") in judged
    assert f"{CLOSE:.0e}".replace("e-0", "e-") in judged
    assert f"{ROBUST_FLOOR:g}".lstrip("0") in judged


def test_the_lines_that_the_page_reads_a_record_by_read_it(shipped, monkeypatch):
    monkeypatch.chdir(RECORDS.absolute().parent.parent)
    (lines,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "read_parquet" in block]
    assert len(lines.strip().splitlines()) == 3
    names: dict[str, pd.DataFrame] = {}
    exec(lines.replace("photographs", shipped.name), names)
    own = plain(shipped.rows)
    assert list(names["rows"].columns) == list(own.columns) and len(names["rows"]) == len(own)
    for column in ("sample_id", "method", "value", "status"):
        read = names["rows"][column].to_numpy(own[column].dtype)
        np.testing.assert_array_equal(pd.isna(read), own[column].isna())
        assert (read[own[column].notna()] == own[column].dropna().to_numpy()).all()


def test_every_command_of_the_page_is_one():
    for line in re.findall(r"^python -m segattr_lib ([^#\n]*)", PAGE, re.MULTILINE):
        _parser().parse_args(line.replace("NUMBER", "1").split())  # exits where it is none
