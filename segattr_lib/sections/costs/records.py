"""The record of a bench (`make bench` writes it), as tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from segattr_lib.attribution import METHODS
from segattr_lib.metrics import METRICS
from segattr_lib.registry import UserError, unknown

PARTS = ("machine", "rows", "growth", "starting")
WHOLE = {
    "whole": "The four methods",
    "whole_coarse": "The four methods, stability on a coarser grid",
    "whole_adaptive": "The four methods, adaptive",
}


@dataclass(frozen=True)
class Settings:
    """record: the file that a bench wrote."""

    record: Path


@dataclass(frozen=True)
class Runs:
    """What a bench measured, times in seconds.

    rows: a row a method, metric or benchmark, model and number of images: group, name, model, images, work, minimum and
    median, passes, bound, to_bound (the minimum over it); of the fastest other package that does it, peer, package,
    peer_minimum, peer_median and ratio (our minimum over its), NaN where none does; difference, the largest from any of
    them where definitions agree; to_itself, RefineCAM's over one CAM's; of a whole benchmark images_an_hour,
    peer_images_an_hour and needed, the passes that cannot be done without. growth: axis, value, minimum, median,
    megabytes (of 2^20 bytes, resident, at most). starting: kind, name, minimum, median, user (seconds of one core),
    promised, kept.
    """

    machine: dict[str, Any]
    rows: pd.DataFrame
    growth: pd.DataFrame
    starting: pd.DataFrame


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings from its parameters. Raises UserError for another parameter, and for a file that is none."""
    for name in parameters:
        if name != "record":
            raise unknown("parameter", name, ["record"])
    path = Path(parameters["record"])
    if not path.is_file():
        raise UserError(f"record is {str(path)!r}, no file; expected what `make bench` wrote.")
    return Settings(path)


def run(settings: Settings) -> Runs:
    """Read the record. Raises UserError for a file that is no record of a whole bench."""
    try:
        record = json.loads(settings.record.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"record is {str(settings.record)!r}, which is no JSON; `make bench` writes one.") from error
    missing = [part for part in PARTS if not (isinstance(record, dict) and part in record)]
    if missing:
        expected = f"{', '.join(missing)} of a whole bench"
        raise UserError(f"record is {str(settings.record)!r}, which lacks {expected}; `make bench` writes one.")
    rows = pd.DataFrame([flat(row) for row in record["rows"]])
    return Runs(record["machine"], rows, pd.DataFrame(record["growth"]), pd.DataFrame(record["starting"]))


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the record beside the fastest of its peers."""
    label = min(row["peers"], key=lambda name: row["peers"][name]["minimum"], default=None)
    peer = row["peers"][label] if label is not None else {}
    apart = [other["difference"] for other in row["peers"].values() if other["difference"] is not None]
    itself = [call["ratio"] for call in row["beside"].values()]
    kept = ("group", "name", "model", "images", "work", "passes", "bound", "to_bound")
    return {
        **{name: row[name] for name in kept},
        **row["ours"],
        "peer": label,
        "package": peer.get("package"),
        "peer_minimum": peer.get("minimum"),
        "peer_median": peer.get("median"),
        "ratio": peer.get("ratio"),
        "difference": max(apart, default=None),
        "to_itself": max(itself, default=None),
        "needed": row.get("needed"),
        "images_an_hour": row.get("images_an_hour"),
        "peer_images_an_hour": peer.get("images_an_hour"),
    }


def named(name: str) -> str:
    """What a row is called: a method's or metric's label, or what a whole benchmark is."""
    if name in METHODS:
        return METHODS[name].label
    return METRICS[name].label if name in METRICS else WHOLE.get(name, name)


def grown(growth: pd.DataFrame, axis: str, column: str) -> float:
    """How many times larger a column is at the end of an axis than at its beginning."""
    values = growth[growth["axis"] == axis].sort_values("value")[column]
    return float(values.iloc[-1] / values.iloc[0])


def efficiency(growth: pd.DataFrame) -> float:
    """What a worker of the most does of what one alone does: 1 where n workers take an n-th of the time of one."""
    return 1 / (grown(growth, "workers", "value") * grown(growth, "workers", "minimum"))
