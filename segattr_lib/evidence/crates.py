"""What the recorded runs tell archives of themselves: a crate a record, and one that names all records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from segattr_lib.crate import CRATE, OURS, add_dataset, add_file, add_run, new_crate, write_crate

HOLDS = {
    "rows.parquet": "Every value of the shard, a row each",
    "timings.parquet": "Wall seconds of every explanation call of the shard",
    "json": "What made the shard, and its samples",
}
BESIDE = {"bench.json": "What methods, metrics and a whole benchmark cost beside the same work by other packages"}


def write_crates(folder: Path, shows: Mapping[str, str]) -> None:
    """Write the crates of the records of the folder that `shows` names and of those that have none, and the one that
    names all records and BESIDE.

    shows: what a record shows, one sentence, by its name.
    """
    ends = {name: max(_ends(folder / name).values()) for name in _names(folder)}
    for name in ends:
        if name in shows or not (folder / name / CRATE).is_file():
            write_record_crate(folder / name, shows.get(name, "A recorded run of segattr"))
    crate = new_crate(
        "The evidence of the executable book on faithful segmentation attribution",
        "Recorded runs of segattr, a crate each: numbers and names of samples, no image and no map.",
        max(ends.values()),
        OURS,
    )
    for name, end in ends.items():
        add_dataset(crate, f"{name}/", _description(folder / name), end)
    for name, holds in BESIDE.items():
        if (folder / name).is_file():
            add_file(crate, name, holds)
    write_crate(crate, folder)


def write_record_crate(folder: Path, shows: str) -> None:
    """Write the crate of a record: every file of its shards, and a run a shard that made it."""
    ends = _ends(folder)
    crate = new_crate(f"The record {folder.name} of segattr", shows, max(ends.values()), OURS)
    for shard, end in ends.items():
        made = _made(folder, shard)
        names = [f"{shard}.{kind}" for kind in HOLDS]
        for name, holds in zip(names, HOLDS.values(), strict=True):
            add_file(crate, name, holds)
        add_run(crate, f"shard-{shard}", made, made["samples"], end, names)
    write_crate(crate, folder)


def _made(folder: Path, shard: str) -> dict[str, Any]:
    return json.loads((folder / f"{shard}.json").read_text(encoding="utf-8"))


def _ends(folder: Path) -> dict[str, str]:
    """When each shard that lies in a record's folder ended, by its number."""
    ends = {}
    for path in sorted(folder.glob("[0-9][0-9][0-9].json")):
        made = _made(folder, path.stem)
        end = datetime.fromisoformat(made["started"]) + timedelta(hours=made["hours"])
        ends[path.stem] = end.isoformat(timespec="seconds")
    return ends


def _description(folder: Path) -> str:
    """What a record's crate says that it shows."""
    entities = json.loads((folder / CRATE).read_text(encoding="utf-8"))["@graph"]
    return next(entity["description"] for entity in entities if entity["@id"] == "./")


def _names(folder: Path) -> list[str]:
    """The records of which a shard lies in the folder, the first one or another."""
    return sorted({path.parent.name for path in folder.glob("*/[0-9][0-9][0-9].json")})
