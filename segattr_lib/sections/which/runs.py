"""What the page reads, and what it computes of it once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from segattr_lib.attribution import method_key
from segattr_lib.benchmark.statistics import ROBUST_FLOOR
from segattr_lib.evidence.records import Record, read_record, recorded, records_folder
from segattr_lib.registry import unknown
from segattr_lib.sections.which.change import MULTIVERSE, by_setting, models_alone
from segattr_lib.sections.which.needs import NEEDS, Answer, answer, best_control, chances, explaining, frontier

HEADLINE = ("photographs", "scenes")  # photographs first; never pooled
MANY_BUDGETS = "photographs_settings"
OF_A_BUDGET = {"grid", "budget"}  # the options that decide how many passes a map takes


@dataclass(frozen=True)
class Settings:
    """evidence: the folder of the records."""

    evidence: Path


@dataclass(frozen=True)
class Runs:
    """What the records answer, by the name of the headline's record; a record that is absent is no key.

    images: how many are recorded, and how many of them a model scores at least ROBUST_FLOOR. answers: by need. chances:
    each method's verdict beside the controls. controls: the best of those, see needs.best_control. frontiers: of
    needs.frontier, the record of many budgets among them. settings: of change.by_setting. alone: of
    change.models_alone.
    """

    images: dict[str, tuple[int, int]]
    answers: dict[str, dict[str, Answer]]
    chances: dict[str, pd.Series]
    controls: dict[str, pd.Series | None]
    frontiers: dict[str, pd.DataFrame]
    settings: dict[str, pd.DataFrame]
    alone: dict[str, pd.DataFrame]


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings. Raises UserError for another parameter, and for a folder that is not there."""
    for name in parameters:
        if name != "evidence":
            raise unknown("parameter", name, ["evidence"])
    return Settings(records_folder(parameters["evidence"]))


def run(settings: Settings) -> Runs:
    """Read the records, and answer every need."""
    asked = {*HEADLINE, MANY_BUDGETS, *MULTIVERSE}
    return of_records(
        {name: read_record(name, settings.evidence) for name in recorded(settings.evidence) if name in asked}
    )


def of_records(records: Mapping[str, Record]) -> Runs:
    """Every need answered of these records."""
    runs = Runs({}, {}, {}, {}, {}, {}, {})
    for name in HEADLINE:
        if name not in records:
            continue
        rows = records[name].rows
        scored = rows[(rows["metric"] == "score") & (rows["value"] >= ROBUST_FLOOR)]
        runs.images[name] = len(records[name].sample_ids), len(set(scored["sample_id"]))
        every = {need.name: answer(rows, need) for need in NEEDS}
        answers = {need: each for need, each in every.items() if each is not None}
        runs.answers[name] = answers
        runs.chances[name] = chances(rows)
        runs.controls[name] = best_control(rows)
        runs.frontiers[name] = frontier(rows, explaining(rows), runs.chances[name])
        runs.settings[name] = by_setting(records, name, answers)
        runs.alone[name] = models_alone(records[name], answers)
    if MANY_BUDGETS in records:
        rows = records[MANY_BUDGETS].rows
        methods = [text for text in explaining(rows) if set(method_key(text).options) <= OF_A_BUDGET]
        methods = [text for text in methods if {"segmentation", "beyond"} & {*method_key(text).entry.tables}]
        runs.frontiers[MANY_BUDGETS] = frontier(rows, methods, chances(rows))
    return runs
