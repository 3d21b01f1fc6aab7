"""Recorded runs as they lie in git: shards of rows, each with what made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from segattr_lib.benchmark.settings import FREE, Settings, read_settings
from segattr_lib.benchmark.statistics import OF_EXPLAINED, plain
from segattr_lib.benchmark.store import SAMPLES, TIMINGS
from segattr_lib.metrics import load_metric
from segattr_lib.registry import UserError, make_key, unknown
from segattr_lib.writing import whole, write_json

RECORDS = Path("book/evidence")
PLACE = ("root", *FREE, "engine")  # settings that say where and how, not what: a record stands for all of them
MANY = ("methods", "metrics", "model", "seed", "k", "evaluation_fill")  # of these a run may ask for some alone


ONLY_OF = {  # settings that decide the values of some metrics alone: how the names of these begin
    "null_every": ("excess", "chance"),
    "stability_grid": ("stability",),
    "strength": ("stability",),
}


@dataclass(frozen=True)
class Record:
    """A recorded run, read from its folder.

    settings: of the run that is recorded so far, defaults of later versions filled in. made: what each shard was made
    by, in order: its samples, fingerprints, versions, device and runtimes. question: what more was asked, see
    runner.Question.about.
    """

    name: str
    folder: Path
    settings: Settings
    made: list[dict[str, Any]]
    question: dict[str, Any]

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The rows, with the columns of store.read_samples; values are float32's. Texts are categories."""
        return self._read("rows", SAMPLES)

    @cached_property
    def timings(self) -> pd.DataFrame:
        """Wall seconds of every explanation call, on the machine that `made` tells of."""
        return self._read("timings", TIMINGS)

    @property
    def sample_ids(self) -> list[str]:
        """The samples recorded, in order."""
        return list(dict.fromkeys(name for shard in self.made for name in shard["samples"]))

    @property
    def left(self) -> int:
        """Shards that are planned and not recorded yet."""
        return self.made[0]["shards"] - len(self.made)

    @property
    def size(self) -> int:
        """Bytes of its folder."""
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def covers(self, asked: Settings, question: Mapping[str, Any] | None = None) -> bool:
        """Are the values of a run of these settings among the record's? It may ask for fewer methods, metrics, models,
        seeds, k, fills and samples; the rest has to be the same, but for where the data lie, what computes, and what
        none of the metrics it asks for depends on."""
        if (question or {}) != self.question:
            return False
        mine, theirs = (each.model_dump(exclude={*PLACE, *MANY, "samples"}) for each in (self.settings, asked))
        if mine["floor"] is None:  # what lies below another is left out of the rows
            del mine["floor"], theirs["floor"]
        for setting, metrics in ONLY_OF.items():
            if not any(key.name.startswith(metrics) for key in asked.metrics):
                del mine[setting], theirs[setting]
        recorded, wanted = self.settings.samples, asked.samples
        fewer = recorded is None or (wanted is not None and wanted <= recorded)
        among = all(set(_many(asked, name)) <= set(_many(self.settings, name)) for name in MANY)
        return fewer and among and mine == theirs

    def of(self, asked: Settings) -> pd.DataFrame:
        """The rows of all samples, of those methods, metrics, models, seeds, k and fills that a run of these settings
        has; rows of no method, s(x) and lost samples, and those of a question are among them. Without samples that a
        model scores below its floor."""
        rows = self.rows
        kept = rows["model"].isin(asked.model) & rows["seed"].isin(asked.seed)
        left_out = _pairs(self.settings) - _pairs(asked)
        kept &= ~pd.MultiIndex.from_frame(plain(rows[["method", "variant"]]).fillna("")).isin(list(left_out))
        kept &= ~rows["metric"].isin(_metrics(self.settings) - _metrics(asked))
        if asked.floor is not None:
            low = rows[rows["metric"].isin(["score", OF_EXPLAINED]) & (rows["value"] < asked.floor)]
            runs = pd.MultiIndex.from_frame(plain(rows[["run_id", "sample_id"]]))
            kept &= ~runs.isin(pd.MultiIndex.from_frame(plain(low[["run_id", "sample_id"]])))
        return rows[kept].reset_index(drop=True)

    def _read(self, kind: str, schema: pa.Schema) -> pd.DataFrame:
        texts = [column.name for column in schema if column.type == pa.string()]
        paths = [self.folder / f"{shard['shard']}.{kind}.parquet" for shard in self.made]
        tables = [pq.read_table(path, read_dictionary=texts) for path in paths]
        whole_table = pa.concat_tables(tables).unify_dictionaries()
        return whole_table.to_pandas().astype({"value": float} if kind == "rows" else {"seconds": float})


def _many(settings: Settings, name: str) -> list[Any]:
    """What a setting that is a list asks for."""
    if name == "evaluation_fill":
        return settings.evaluation_fills(None)
    return [key.text for key in getattr(settings, name)] if name in ("methods", "metrics") else getattr(settings, name)


def _pairs(settings: Settings) -> set[tuple[str, str]]:
    """What the rows of each method have in the columns method and variant."""
    return {(key.name, key.pinned) for key in settings.method_keys()}


def _metrics(settings: Settings) -> set[str]:
    """What the rows of each metric have in the column metric."""
    return {make_key(key.name, _without_place(key.options), load_metric).text for key in settings.metrics}


def _without_place(options: Mapping[str, Any]) -> dict[str, Any]:
    """A metric's options but for k and fill, which stand in columns of their own."""
    return {name: value for name, value in options.items() if name not in ("k", "fill")}


def records_folder(place: str | Path) -> Path:
    """The folder that a page's parameter `evidence` names. Raises UserError for one that is not there."""
    folder = Path(place)
    if not folder.is_dir():
        raise UserError(f"evidence is {str(folder)!r}, no folder; expected the one that records lie in.")
    return folder


def recorded(folder: Path = RECORDS) -> list[str]:
    """The names of the records that lie in the folder, those among them that are not whole yet."""
    return sorted(path.parent.name for path in folder.glob("*/000.json"))


def read_record(name: str, folder: Path = RECORDS) -> Record:
    """The record of this name: its first shards, up to one that is not recorded yet. What lies so far is a record of
    fewer samples, for a run of the first of them is a part of one of all.

    Raises UserError for an unknown one, and for a shard that cannot be read, or that was made of other settings than
    the first.
    """
    made: list[dict[str, Any]] = []
    while (path := folder / name / f"{len(made):03d}.json").is_file():
        made.append(_manifest(path))
    if not made:
        raise unknown("record", name, recorded(folder))
    first = made[0]
    for shard in made[1:]:
        same = {"settings": _whole(shard["settings"]) == _whole(first["settings"])}
        same["question"] = shard["question"] == first["question"]
        for what, equal in same.items():
            if not equal:
                raise UserError(f"The shard {shard['shard']} of {name!r} was made of other {what}; record it anew.")
    settings = read_settings({key: value for key, value in first["settings"].items() if key in Settings.model_fields})
    if len(made) < first["shards"]:
        of_a_seed = sum(len(shard["samples"]) for shard in made) // len(settings.seed)
        settings = settings.changed({"samples": of_a_seed})
    return Record(name, folder / name, settings, made, first["question"])


def keep(folder: Path, shard: str, rows: pd.DataFrame, timings: pd.DataFrame, made: Mapping[str, Any]) -> None:
    """Write a shard: its rows and timings, and last of all, so that it says that the shard is whole, what made it."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, table, schema in (("rows", rows, SAMPLES), ("timings", timings, TIMINGS)):
        numbers = {"value": pa.float32(), "seconds": pa.float32()}
        narrow = pa.schema([(column.name, numbers.get(column.name, column.type)) for column in schema])
        with whole(folder / f"{shard}.{kind}.parquet") as path:
            pq.write_table(
                pa.Table.from_pandas(table, narrow, preserve_index=False),
                path,
                compression="zstd",
                compression_level=19,
            )
    write_json(folder / f"{shard}.json", {"shard": shard, **made})


def _whole(settings: dict[str, Any]) -> dict[str, Any]:
    """A shard's settings, with the defaults of those that came after it was made."""
    later = Settings.model_fields.keys() - settings.keys() - {*PLACE}
    return settings | {name: Settings.model_fields[name].get_default(call_default_factory=True) for name in later}


def _manifest(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}; record it anew.") from error
