"""What a benchmark leaves behind: rows in Parquet, the aggregate, and a manifest of how they came about."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from segattr_lib.benchmark.settings import FREE, Settings, short
from segattr_lib.benchmark.statistics import run_level
from segattr_lib.crate import CRATE, write_run_crate
from segattr_lib.models.runtime import Runtime
from segattr_lib.provenance import OF_VALUES, commit, versions
from segattr_lib.registry import UserError
from segattr_lib.writing import HOLDER, LOCK, alone_in, full_disk, now, say, whole, write_json

SAMPLES = pa.schema(
    [
        ("run_id", pa.string()),
        ("dataset", pa.string()),
        ("model", pa.string()),
        ("seed", pa.int64()),
        ("sample_id", pa.string()),
        ("target", pa.string()),
        ("region", pa.string()),
        ("class_id", pa.int64()),
        ("method", pa.string()),
        ("variant", pa.string()),
        ("metric", pa.string()),
        ("k", pa.float64()),
        ("fill", pa.string()),
        ("value", pa.float64()),
        ("status", pa.string()),
        ("reason", pa.string()),
    ]
)
OF_A_MAP = ("run_id", "dataset", "model", "seed", "sample_id", "method", "variant")
TIMINGS = pa.schema([*map(SAMPLES.field, OF_A_MAP), ("seconds", pa.float64())])
BEGUN = '{\n  "settings": {'  # how a manifest begins, that was cut short
TOGETHER = 64  # parts that are one row group of a whole table: thousands of small ones cost a reader memory
OURS = {"manifest.json", "samples.parquet", "timings.parquet", "runs.csv", CRATE, "parts", LOCK, HOLDER}


class Store:
    """A results folder: parts while a run goes on, `samples.parquet`, `timings.parquet`, `runs.csv`, `manifest.json`
    and the crate once it is through. Every file appears whole or not at all; what a kill or a power cut left of one is
    recognised, and made again. `opened` keeps other processes out while it is written."""

    def __init__(self, folder: str | Path, settings: Settings, fingerprints: dict[str, Any], device: str):
        """Open or make the folder. Raises UserError where it holds the results of other settings, was made of other
        data, weights or code, is somebody else's, or was begun with other packages or on another kind of device and
        is not finished."""
        self.folder = Path(folder)
        self.parts = self.folder / "parts"
        self.settings = settings
        made = self.manifest()
        with full_disk(self.folder):
            if made:
                self._check_same(made, fingerprints)
                if not is_finished(self.folder):
                    self._check_made_by(made, device)
                    self._begin_again(made)
            else:
                self._clear()
                self._write_manifest(fingerprints, device)
            if self.finished:
                shutil.rmtree(self.parts, ignore_errors=True)  # a kill may have come before
                if not all((self.folder / name).is_file() for name in ("runs.csv", CRATE)):
                    self._summarise()
            else:
                self.parts.mkdir(exist_ok=True)

    @property
    def finished(self) -> bool:
        """Are all rows in samples.parquet?"""
        return bool(self.manifest().get("finished"))

    def manifest(self) -> dict[str, Any]:
        """What the folder's manifest says; nothing where there is none, or where it was cut short."""
        return read_manifest(self.folder)

    def has(self, part: str) -> bool:
        """Is this part done? Not where a file of it is gone, cut short, or of another run."""
        try:
            rows, timings = (pq.read_table(path) for path in self._files(part))
        except (OSError, pa.ArrowException):
            return False
        own = {part.rpartition("-")[0]}
        return (
            rows.schema.equals(SAMPLES)
            and timings.schema.equals(TIMINGS)
            and set(rows["run_id"].to_pylist()) == own
            and set(timings["run_id"].to_pylist()) <= own
        )

    def write(self, part: str, rows: list[dict[str, Any]], timings: list[dict[str, Any]]) -> None:
        """Keep a part: its timings first, so that the rows' file says that the part is done."""
        of_rows, of_timings = self._files(part)
        with full_disk(self.folder):
            _write_parquet(of_timings, [pa.Table.from_pylist(timings, TIMINGS)])
            _write_parquet(of_rows, [pa.Table.from_pylist(rows, SAMPLES)])

    def begun_with(self, model: str) -> dict[str, Any] | None:
        """How this model was run when the folder was begun: batch_size, channels_last, engine and threads; None if it
        was not yet."""
        return next((entry for entry in self.manifest().get("runtimes", []) if entry["model"] == model), None)

    def record(self, model: str, runtime: Runtime) -> None:
        """Note in the manifest how a model is run from here on; another way than before is said on stderr."""
        channels_last = runtime.memory_format == torch.channels_last
        entry = {"model": model, "batch_size": runtime.batch_size, "channels_last": channels_last}
        entry |= {"engine": runtime.engine, "threads": torch.get_num_threads()}
        manifest = self.manifest()
        before = [other for other in manifest.get("runtimes", []) if other["model"] == model]
        if entry in before[-1:]:
            return
        if before:
            was, now = (f"batch size {each['batch_size']} on {each['threads']} threads" for each in (before[-1], entry))
            last_digits = "values may differ in their last digits, and the manifest names both"
            say(f"{self.folder} was begun with {was} and goes on with {now} ({model}): {last_digits}.")
        with full_disk(self.folder):
            self._update({"runtimes": [*manifest.get("runtimes", []), entry]})

    def finish(self, order: list[str]) -> None:
        """Put the parts together in this order, tell what they are, and remove them."""
        with full_disk(self.folder):
            for kind, schema in (("timings", TIMINGS), ("samples", SAMPLES)):
                paths = [self.parts / f"{part}.{kind}.parquet" for part in order]
                some = (paths[start : start + TOGETHER] for start in range(0, len(paths), TOGETHER))
                tables = (pa.concat_tables(_table(path, schema) for path in together) for together in some)
                _write_parquet(self.folder / f"{kind}.parquet", tables)
            self._summarise(finished=now())
        shutil.rmtree(self.parts, ignore_errors=True)

    def _files(self, part: str) -> tuple[Path, Path]:
        """Of its rows and of its timings."""
        return self.parts / f"{part}.samples.parquet", self.parts / f"{part}.timings.parquet"

    def _summarise(self, **changes: Any) -> None:
        with whole(self.folder / "runs.csv") as path:
            run_level(read_samples(self.folder)).to_csv(path, index=False, float_format="%.9g", encoding="utf-8")
        write_run_crate(self.folder, self.manifest() | changes)
        self._update(changes)

    def _check_same(self, made: dict[str, Any], fingerprints: dict[str, Any]) -> None:
        asked = self.settings.model_dump(exclude=set(FREE)) | fingerprints.get("question", {})
        before = {name: value for name, value in made["settings"].items() if name not in FREE}
        before |= made["fingerprints"].get("question", {})
        other = [name for name in {**asked, **before} if asked.get(name) != before.get(name)]
        where = f"The results in {str(self.folder)!r} were made with other"
        if other:
            name = other[0]
            more = f" ({len(other) - 1} more differ)" if other[1:] else ""
            change = f"{name} was {short(before.get(name))} and is now {short(asked.get(name))}{more}"
            raise UserError(f"{where} settings: {change}; name another folder.")
        for kind, value in fingerprints.items():
            then = made["fingerprints"].get(kind)
            if then != value:
                parted = isinstance(value, dict) and isinstance(then, dict)
                whose = next((f" of {name}" for name in value if then.get(name) != value[name]), "") if parted else ""
                raise UserError(f"{where} {kind}{whose}, though under the same name; remove it or name another folder.")

    def _check_made_by(self, made: dict[str, Any], device: str) -> None:
        """The values of a folder come from one installation on one kind of device."""
        then = {**made["versions"], "device": str(made.get("device")).partition(":")[0]}
        now = {**versions(), "device": device.partition(":")[0]}
        changes = [
            f"{name} {then.get(name)} (now {now[name]})"
            for name in (*OF_VALUES, "device")
            if then.get(name) != now[name]
        ]
        if changes:
            raise UserError(
                f"The results in {str(self.folder)!r} are not finished and were begun with {', '.join(changes)}; "
                "go on as they were begun, remove the folder or name another."
            )

    def _begin_again(self, made: dict[str, Any]) -> None:
        """What cannot be read of a folder that is not finished, or says that it is, is made again."""
        for path in (*self.folder.glob("*.partial"), *self.parts.glob("*.partial")):
            path.unlink(missing_ok=True)
        if made.get("finished"):
            say(f"the results in {self.folder} are gone or cannot be read; they are made again.")
            self._update({"finished": None})

    def _clear(self) -> None:
        """Remove what a kill left of a folder that had just been begun, or of one whose manifest is cut short.

        Raises UserError where there is anything else.
        """
        if not self.folder.exists():
            return
        if not self.folder.is_dir():
            raise UserError(f"The results folder {str(self.folder)!r} is a file; name a folder.")
        cut_short = (self.folder / "manifest.json").is_file()
        left = OURS if cut_short else {LOCK, HOLDER}
        for path in self.folder.iterdir():
            partial = re.fullmatch(r"(.+?)(\.\d+)?\.partial", path.name)
            if path.name not in left and not (partial and partial[1] in OURS):
                readable = " that can be read" if cut_short else ""
                raise UserError(
                    f"The folder {str(self.folder)!r} is not empty and holds no manifest.json{readable}; name another."
                )
        if cut_short:
            say(f"{self.folder / 'manifest.json'} was cut short; what it tells of is made again.")
        shutil.rmtree(self.parts, ignore_errors=True)
        for path in self.folder.iterdir():
            if path.name not in (LOCK, HOLDER):
                path.unlink()

    def _update(self, changes: dict[str, Any]) -> None:
        write_json(self.folder / "manifest.json", self.manifest() | changes)

    def _write_manifest(self, fingerprints: dict[str, Any], device: str) -> None:
        manifest: dict[str, Any] = {
            "settings": self.settings.model_dump(),
            "run_ids": {run.run_id(): {"model": run.model[0], "seed": run.seed[0]} for run in self.settings.runs()},
            "fingerprints": fingerprints,
            "versions": versions(),
            "commit": commit(),
            "device": device,
            "runtimes": [],
            "started": now(),
            "finished": None,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "manifest.json", manifest)


@contextmanager
def opened(folder: str | Path, settings: Settings, fingerprints: dict[str, Any], device: str) -> Iterator[Store]:
    """The Store of a folder, which no other process can open until the block ends, unless it is finished.

    Raises UserError as Store does, and where another process works in it.
    """
    with nullcontext() if is_finished(Path(folder)) else alone_in(folder):
        yield Store(folder, settings, fingerprints, device)


def is_finished(folder: Path) -> bool:
    """Does the manifest say so, and are the tables there?"""
    tables = {"samples": SAMPLES, "timings": TIMINGS}
    return bool(read_manifest(folder).get("finished")) and all(
        _is_whole(folder / f"{name}.parquet", schema) for name, schema in tables.items()
    )


def read_samples(folder: str | Path) -> pd.DataFrame:
    """All rows of a finished folder; text columns are categories, so that a million rows stay small."""
    return _read(Path(folder) / "samples.parquet", SAMPLES)


def read_timings(folder: str | Path) -> pd.DataFrame:
    """Wall seconds of every explanation call."""
    return _read(Path(folder) / "timings.parquet", TIMINGS)


def _read(path: Path, schema: pa.Schema) -> pd.DataFrame:
    if not path.exists():
        raise UserError(f"There are no results at {str(path)!r}; the run is not finished, or the folder is another.")
    texts = [field.name for field in schema if field.type == pa.string()]
    return _table(path, schema, texts).to_pandas()


def _table(path: Path, schema: pa.Schema, texts: list[str] | None = None) -> pa.Table:
    """A table of this schema; texts: columns that are read as categories."""
    try:
        if not pq.read_schema(path).equals(schema):
            raise UserError(f"{path} holds another table; run again to have it made anew.")
        return pq.read_table(path, read_dictionary=texts)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be read; run again to have it made anew.") from error


def _is_whole(path: Path, schema: pa.Schema) -> bool:
    """A file that is cut short has no schema: it stands at its end."""
    try:
        return pq.read_schema(path).equals(schema)
    except (OSError, pa.ArrowException):
        return False


def read_manifest(folder: Path) -> dict[str, Any]:
    """What the manifest of a results folder says; nothing where there is none, or where it was cut short. Raises
    UserError for one that cannot be read."""
    path = folder / "manifest.json"
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}; name another folder.") from error
    try:
        manifest = json.loads(text)
    except json.JSONDecodeError as error:
        written = text.rstrip("\0")  # what a power cut leaves of a file may be zeros
        if written[: len(BEGUN)] == BEGUN[: len(written)]:
            return {}
        raise UserError(f"{path} cannot be read: {error}; name another folder.") from error
    keys = ("settings", "fingerprints", "versions")
    if not isinstance(manifest, dict) or not all(isinstance(manifest.get(key), dict) for key in keys):
        raise UserError(f"{path} is no manifest of a benchmark of this version; name another folder.")
    return manifest


def _write_parquet(path: Path, tables: Iterable[pa.Table]) -> None:
    with whole(path) as partial:
        writer = None
        try:
            for table in tables:
                writer = writer or pq.ParquetWriter(partial, table.schema, compression="zstd")
                writer.write_table(table)
        finally:
            if writer:
                writer.close()
