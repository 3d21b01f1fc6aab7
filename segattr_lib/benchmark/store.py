"""What a benchmark leaves behind: rows in Parquet, the aggregate, and a manifest of how they came about."""

from __future__ import annotations

import errno
import json
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from segattr_lib.benchmark.settings import FREE, Settings
from segattr_lib.registry import UserError

SAMPLES = pa.schema(
    [
        ("run_id", pa.string()),
        ("dataset", pa.string()),
        ("model", pa.string()),
        ("seed", pa.int64()),
        ("sample_id", pa.string()),
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
TIMINGS = pa.schema(
    [*(SAMPLES.field(name) for name in SAMPLES.names[:5] + SAMPLES.names[6:8]), ("seconds", pa.float64())]
)
VERSIONS = ("segattr", "torch", "torchvision", "numpy", "scipy", "pandas", "pyarrow", "pillow")


class Store:
    """A results folder: parts while a run goes on, `samples.parquet`, `timings.parquet`, `runs.csv` and
    `manifest.json` once it is through. Every file appears whole or not at all."""

    def __init__(self, folder: str | Path, settings: Settings, fingerprints: dict[str, Any], device: str):
        """Open or make the folder. Raises UserError where it holds the results of other settings, or was
        made of other data or weights."""
        self.folder = Path(folder)
        self.parts = self.folder / "parts"
        self.settings = settings
        made = self.manifest()
        if made:
            self._check_same(made, fingerprints)
        else:
            if self.folder.exists() and any(self.folder.iterdir()):
                raise UserError(
                    f"The folder {str(self.folder)!r} is not empty and holds no manifest.json; name another."
                )
            self._write_manifest(fingerprints, device)
        if not self.finished:
            with full_disk(self.folder):
                self.parts.mkdir(exist_ok=True)

    @property
    def finished(self) -> bool:
        """Are all rows in samples.parquet?"""
        return bool(self.manifest().get("finished"))

    def manifest(self) -> dict[str, Any]:
        path = self.folder / "manifest.json"
        try:
            return json.loads(path.read_text()) if path.exists() else {}
        except json.JSONDecodeError as error:
            raise UserError(f"{path} cannot be read: {error}; name another folder.") from error

    def has(self, part: str) -> bool:
        """Is this part done?"""
        return (self.parts / f"{part}.samples.parquet").exists()

    def write(self, part: str, rows: list[dict[str, Any]], timings: list[dict[str, Any]]) -> None:
        """Keep a part: its timings first, so that the rows' file says that the part is done."""
        with full_disk(self.folder):
            _write_parquet(self.parts / f"{part}.timings.parquet", [pa.Table.from_pylist(timings, TIMINGS)])
            _write_parquet(self.parts / f"{part}.samples.parquet", [pa.Table.from_pylist(rows, SAMPLES)])

    def finish(self, order: list[str]) -> None:
        """Put the parts together in this order, aggregate them, and remove them."""
        from segattr_lib.benchmark.statistics import run_level

        with full_disk(self.folder):
            for kind in ("timings", "samples"):
                tables = (pq.read_table(self.parts / f"{part}.{kind}.parquet") for part in order)
                _write_parquet(self.folder / f"{kind}.parquet", tables)
            with _whole(self.folder / "runs.csv") as path:
                run_level(read_samples(self.folder)).to_csv(path, index=False, float_format="%.9g")
            manifest = self.manifest() | {"finished": _now()}
            _write_json(self.folder / "manifest.json", manifest)
        shutil.rmtree(self.parts)

    def _check_same(self, made: dict[str, Any], fingerprints: dict[str, Any]) -> None:
        asked = fingerprints.get("question", {})
        told = self.settings.model_dump(exclude=set(FREE)) | asked
        before = {name: value for name, value in made["settings"].items() if name not in FREE}
        before |= made["fingerprints"].get("question", {})
        other = [name for name in {**told, **before} if told.get(name) != before.get(name)]
        where = f"The results in {str(self.folder)!r} were made with other"
        if other:
            name = other[0]
            more = f" ({len(other) - 1} more differ)" if other[1:] else ""
            change = f"{name} was {_short(before.get(name))} and is now {_short(told.get(name))}{more}"
            raise UserError(f"{where} settings: {change}; name another folder.")
        for kind, value in fingerprints.items():
            if made["fingerprints"].get(kind) != value:
                raise UserError(f"{where} {kind}, though under the same name; remove it or name another folder.")

    def _write_manifest(self, fingerprints: dict[str, Any], device: str) -> None:
        manifest = {
            "settings": self.settings.model_dump(),
            "run_ids": {run.run_id(): {"model": run.model[0], "seed": run.seed[0]} for run in self.settings.runs()},
            "fingerprints": fingerprints,
            "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
            "commit": _commit(),
            "device": device,
            "started": _now(),
            "finished": None,
        }
        with full_disk(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            _write_json(self.folder / "manifest.json", manifest)


def read_samples(folder: str | Path) -> pd.DataFrame:
    """All rows of a finished folder; text columns are categories, so that a million rows stay small."""
    return _read(Path(folder) / "samples.parquet", SAMPLES)


def read_timings(folder: str | Path) -> pd.DataFrame:
    """Wall seconds of every explanation call."""
    return _read(Path(folder) / "timings.parquet", TIMINGS)


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Turn the errors of a disk that is full or cannot be written into one clear sentence."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            text = f"No disk space is left for {str(folder)!r}; what was finished is kept: free some and run again."
        elif error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            text = f"The results folder {str(folder)!r} cannot be written: {error.strerror}."
        else:
            raise
        raise UserError(text) from error


def _read(path: Path, schema: pa.Schema) -> pd.DataFrame:
    if not path.exists():
        raise UserError(f"There are no results at {str(path)!r}; the run is not finished, or the folder is another.")
    texts = [field.name for field in schema if field.type == pa.string()]
    return pq.read_table(path, read_dictionary=texts).to_pandas()


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A path to write to that takes its name only once it is written whole."""
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_parquet(path: Path, tables: Any) -> None:
    with _whole(path) as partial:
        writer = None
        try:
            for table in tables:
                writer = writer or pq.ParquetWriter(partial, table.schema, compression="zstd")
                writer.write_table(table)
        finally:
            if writer:
                writer.close()


def _write_json(path: Path, value: Any) -> None:
    with _whole(path) as partial:
        partial.write_text(json.dumps(value, indent=2) + "\n")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _commit() -> str | None:
    try:
        run = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return run.stdout.strip() or None
