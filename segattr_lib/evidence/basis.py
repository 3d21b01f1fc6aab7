"""What a page stands on: a record where one is of its settings, checked by what the page computes itself; else its own
run alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from segattr_lib.benchmark.runner import Question, run_benchmark
from segattr_lib.benchmark.settings import Settings
from segattr_lib.benchmark.store import read_samples, read_timings
from segattr_lib.data import load_dataset
from segattr_lib.evidence.checking import CLOSE, Check, compare
from segattr_lib.evidence.records import RECORDS, Record, read_record, recorded
from segattr_lib.registry import UserError


@dataclass(frozen=True)
class Basis:
    """Rows and timings that a page concludes from, and where they are from.

    record: its name; None for the page's own run. check: what came of holding the page's own run against it; None where
    the data are not here, or there is no record. own: was something computed here? asked: the rows with those of
    samples below the run's floor.
    """

    rows: pd.DataFrame
    timings: pd.DataFrame
    record: str | None
    check: Check | None
    own: bool
    asked: pd.DataFrame

    @property
    def images(self) -> int:
        """How many different images the rows are of."""
        return int(self.rows["sample_id"].nunique())

    def text(self) -> str:
        """Where the numbers are from, on how many images, and what the check found, for the page's prose."""
        if self.record is None:
            return f"computed with this page, on {self.images} {'image' if self.images == 1 else 'images'}"
        said = f"the record `{self.record}`, {self.images} images"
        if self.check is None:
            return f"{said}, not recomputed here"
        check = self.check
        if not check.compared:
            return f"{said}, of which {len(check.samples)} were computed again, none of them scored well enough to tell"
        again = len(check.samples)
        found = f"all {check.compared:,} values agree"
        if check.share < 1:
            found = f"{check.share:.1%} of {check.compared:,} values agree to {CLOSE:g} (1 + |value|)"
        fallen = "" if check.holds else "; by that the record does not stand"
        return (
            f"{said}, of which {again} {'was' if again == 1 else 'were'} computed again with this page: {found}{fallen}"
        )


def basis_of(
    settings: Settings,
    folder: str | Path,
    question: Question | None = None,
    records: Path = RECORDS,
    checked: Mapping[str, Any] | None = None,
) -> Basis:
    """Do or read the run of these settings in its folder, and take the record that covers it, if there is one.

    checked: changes of the settings that leave of the run what is enough to check a record by, fewer samples among
    them; a record of as many stands for the run, and without one all of it is done. Where the data of a record are not
    here, it stands for itself. Where the two do not agree, which `Basis.text` tells, the record is what the page shows.
    Raises UserError as run_benchmark does, where nothing is recorded of the settings.
    """
    record = record_of(_sought(settings, checked), question, records)
    every = None if record is None else record.of(settings.changed({"floor": None}))
    if record is not None and not is_here(settings):
        return Basis(record.of(settings), record.timings, record.name, None, False, every)
    run = run_benchmark(settings if record is None else settings.changed(dict(checked or {})), folder, question)
    rows, timings = read_samples(run), read_timings(run)
    if record is None:
        return Basis(rows, timings, None, None, True, rows)
    check = compare(record, rows, list(dict.fromkeys(rows["sample_id"].astype(str))), settings.floor)
    return Basis(record.of(settings), record.timings, record.name, check, True, every)


def recorded_basis(
    settings: Settings,
    folder: str | Path,
    question: Question | None = None,
    records: Path = RECORDS,
    checked: Mapping[str, Any] | None = None,
) -> Basis | None:
    """As basis_of where a record covers the settings; None where none does: a page that has another run to fall back on
    does nothing then."""
    if record_of(_sought(settings, checked), question, records) is None:
        return None
    return basis_of(settings, folder, question, records, checked)


def _sought(settings: Settings, checked: Mapping[str, Any] | None) -> Settings:
    """What a record has to cover: all that is asked, of as many samples as are checked."""
    return settings if checked is None else settings.changed({"samples": checked["samples"]})


def record_of(settings: Settings, question: Question | None = None, records: Path = RECORDS) -> Record | None:
    """The record that covers these settings, the largest if there are several; None without one."""
    covering = [
        record
        for record in (read_record(name, records) for name in recorded(records))
        if record.covers(settings, question.about if question else None)
    ]
    return max(covering, key=lambda record: len(record.sample_ids), default=None)


def is_here(settings: Settings) -> bool:
    """Can the data set be opened? A root that is given has to be right: a wrong one is no absence."""
    if settings.root is not None:
        return True
    try:
        load_dataset(settings.dataset, settings.root, settings.split, settings.backgrounds)
    except UserError:
        return False
    return True
