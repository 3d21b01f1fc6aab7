"""What is recorded: params/recorded.yaml, name by name, read and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from segattr_lib.benchmark.runner import Question
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.data import load_dataset
from segattr_lib.profiles import PARAMETERS, read_mapping
from segattr_lib.registry import UserError, imported, unknown

RECORDED = PARAMETERS / "recorded.yaml"
KEYS = ("of", "shows", "images", "shard", "question", "about", "settings")
IMAGES = (
    "photographs",
    "generated",
)  # never pooled: of a photograph nobody knows what is true, of a drawn one one does


@dataclass(frozen=True)
class Plan:
    """What a record is of.

    shows: one sentence, for the table of all records. images: one of IMAGES. shard: samples of which the rows are kept
    together, at most an hour's work. question: what more is asked, as "package.module:function", which makes a Question
    of the settings and of `about`; None for a plain run.
    """

    name: str
    shows: str
    images: str
    settings: Settings
    shard: int
    question: str | None = None
    about: dict[str, Any] = field(default_factory=dict)

    def asked(self) -> Question | None:
        """The Question of this plan, whatever it needs being loaded. Raises UserError as its function does."""
        if self.question is None:
            return None
        make: Callable[[Settings, dict[str, Any]], Question] = imported(self.question)
        return make(self.settings, self.about)


def plan_names(file: Path = RECORDED) -> list[str]:
    """The names of all records that are planned, in the order of the file; none where there is no file."""
    return [name for name in read_mapping("records", file) if name[:1] != "_"] if file.is_file() else []


def read_plan(name: str, file: Path = RECORDED, **changes: Any) -> Plan:
    """The plan of this name. `of` names another entry, whose settings these replace; names that begin with _ are such
    entries alone. changes: settings that are no matter of a record: where its data lie, the device, the workers.

    Raises UserError for an unknown name or key, and as read_settings does.
    """
    merged = _merged(name, file)
    return Plan(
        name,
        merged.get("shows", ""),
        merged["images"],
        read_settings({**merged["settings"], **changes}),
        merged.get("shard", 16),
        merged.get("question"),
        merged.get("about", {}),
    )


def images_of(name: str, file: Path = RECORDED) -> str:
    """What a record is of, one of IMAGES: a fact of its plan. Raises UserError as read_plan does."""
    return _merged(name, file)["images"]


def placed(name: str, file: Path = RECORDED, **changes: Any) -> Plan:
    """As read_plan, but a root is of those data sets alone that lie somewhere: a generated one has none."""
    settings = read_plan(name, file).settings
    if changes.get("root") is not None:
        try:
            load_dataset(settings.dataset, settings.root, settings.split, settings.backgrounds)
        except UserError:
            pass  # it needs one
        else:
            changes = {key: value for key, value in changes.items() if key != "root"}
    return read_plan(name, file, **changes)


def _merged(name: str, file: Path) -> dict[str, Any]:
    """An entry with all that it has of others. Raises UserError for an unknown name, key or kind of images."""
    entries = _entries(file, file.stat().st_mtime_ns) if file.is_file() else read_mapping("records", file)
    names = [known for known in entries if known[:1] != "_"]
    if name not in names:
        raise unknown("record", name, names)
    merged: dict[str, Any] = {"settings": {}, "images": IMAGES[0]}
    for entry in _ancestry(name, entries):
        for key in entry:
            if key not in KEYS:
                raise unknown(f"key of the record {name!r}", key, KEYS)
        merged |= {**entry, "settings": {**merged["settings"], **entry.get("settings", {})}}
    if merged["images"] not in IMAGES:
        raise unknown(f"kind of images of the record {name!r}", merged["images"], IMAGES)
    return merged


@cache
def _entries(file: Path, _changed: int) -> dict[str, Any]:
    """The entries of a file as it was when it was last changed: pages ask of many records what they are of."""
    return read_mapping("records", file)


def _ancestry(name: str, entries: dict[str, Any]) -> list[dict[str, Any]]:
    """The entry and those it is of, the first of all first."""
    line: list[dict[str, Any]] = []
    seen: list[str] = []
    while name is not None:
        if name not in entries or name in seen:
            raise UserError(f"The record {seen[-1]!r} is of {name!r}, which is no other entry; name one there is.")
        seen.append(name)
        line.insert(0, entries[name])
        name = entries[name].get("of")
    return line
