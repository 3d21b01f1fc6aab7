"""Files that appear whole or not at all, a folder in which one process works, and what is said on the way."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from segattr_lib.registry import UserError

LOCK, HOLDER = "lock", "lock.json"  # of a folder in which a process works


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path to write to that takes its name only once it is written whole, and on the disk."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
        with suppress(OSError):  # not every system can: then the name may be lost in a power cut, and is made again
            place = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(place)
            finally:
                os.close(place)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON that appears whole or not at all."""
    with whole(path) as partial:
        partial.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Turn the errors of a disk that is full or cannot be written into one clear sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            text = f"No disk space is left for {str(folder)!r}; what was finished is kept: free some and run again."
        else:
            text = f"The results folder {str(folder)!r} cannot be written: {error.strerror or error}."
        raise UserError(text) from error


@contextmanager
def alone_in(folder: str | Path) -> Iterator[None]:
    """Keep other processes out of a folder, which is made, until the block or this process ends, however it does.

    Raises UserError that says who works in it already.
    """
    folder = Path(folder)
    lock, holder = FileLock(folder / LOCK), folder / HOLDER
    with full_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise UserError(f"{_who(holder)} works in the folder {str(folder)!r}; wait, or name another.") from error
    try:
        with full_disk(folder):
            write_json(holder, {"pid": os.getpid(), "host": socket.gethostname(), "since": now()})
        yield
    finally:
        for path in (holder, folder / LOCK):
            path.unlink(missing_ok=True)
        lock.release()


def _who(holder: Path) -> str:
    """The process that holds a folder, as it wrote down."""
    try:
        process = json.loads(holder.read_text(encoding="utf-8"))
        return f"Process {process['pid']} on {process['host']}, since {process['since']},"
    except (OSError, ValueError, KeyError, TypeError):  # it has not yet
        return "Another process"


def say(text: str) -> None:
    """One line on stderr, beside a progress bar that is shown."""
    tqdm.write(f"segattr: {text}", file=sys.stderr)


def now() -> str:
    """The date and time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
