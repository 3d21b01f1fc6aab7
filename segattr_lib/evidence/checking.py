"""A record computed again: some samples of it by the code at hand, held against the rows that are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch

from segattr_lib.benchmark.runner import run_benchmark
from segattr_lib.benchmark.settings import Settings
from segattr_lib.benchmark.statistics import ROBUST_FLOOR, plain
from segattr_lib.benchmark.store import read_samples
from segattr_lib.evidence.plans import RECORDED, Plan, placed, plan_names
from segattr_lib.evidence.records import RECORDS, Record, read_record
from segattr_lib.metrics import metric_key
from segattr_lib.registry import UserError
from segattr_lib.seeds import generator

CLOSE = 1e-4  # of (1 + |value|); what another machine, other threads or another engine may move a value by
SHARE = 0.98  # of values that have to be close: near-tied pixels swap, and each moves what it is deleted in
OF_A_VALUE = ["model", "seed", "sample_id", "method", "variant", "metric", "k", "fill"]


@dataclass(frozen=True)
class Check:
    """What came of computing some samples of a record again.

    samples: their names. compared: how many values of samples that the model scores at least ROBUST_FLOOR in the
    record; share: of them those that are CLOSE; largest: the greatest difference over (1 + |value|); same: to float32's
    last bit. apart: the others, with both values. lost: rows that either has alone, or with another status. orders: of
    which metrics two methods stand the other way round, by the mean of these samples.
    """

    name: str
    samples: list[str]
    compared: int
    share: float
    largest: float
    same: float
    apart: pd.DataFrame
    lost: pd.DataFrame
    orders: list[str]

    @property
    def holds(self) -> bool:
        """Does the record stand? One of which there is nothing to compare does not fall by that."""
        return (not self.compared or self.share >= SHARE) and self.lost.empty and not self.orders

    def text(self) -> str:
        """What came of it, in one line, and a line for each value that lies apart."""
        result = "stands" if self.holds else "DOES NOT STAND"
        if not self.compared and self.holds:
            return f"{self.name}: nothing to compare, for the model scores none of {len(self.samples)} samples well."
        lines = [
            f"{self.name}: {result}. Of {self.compared} values of {len(self.samples)} samples {self.share:.2%} lie "
            f"within {CLOSE:g} (1 + |value|), {self.same:.2%} are the same; the largest difference is "
            f"{self.largest:.2g}."
        ]
        for row in self.apart.to_dict("records"):
            lines.append(f"  {_named(row)}: {row['value_recorded']:.6g} recorded, {row['value_again']:.6g} now")
        for row in self.lost.to_dict("records"):
            lines.append(f"  {_named(row)}: {row['status_recorded']} recorded, {row['status_again']} now")
        lines += [f"  the order of two methods is another under {order}" for order in self.orders]
        return "\n".join(lines)


def _named(row: Mapping[str, Any]) -> str:
    """Which value a row is of, as text."""
    return ", ".join(str(row[name]) for name in OF_A_VALUE if row[name] not in ("", 0.0))


def verify(
    name: str,
    samples: int = 3,
    seed: int = 0,
    folder: Path = RECORDS,
    file: Path = RECORDED,
    k: float | None = None,
    **changes: Any,
) -> Check:
    """Compute some samples of a record again, drawn by the seed, in batches as large as the record's, and on as many
    threads where that was made on a CPU. k: this one alone of a record that has it and others. changes: see
    plans.placed.

    Raises UserError as run_benchmark does, for an unknown record, and where the record was made of other settings than
    are planned under its name.
    """
    record, plan = read_record(name, folder), placed(name, file, **changes) if name in plan_names(file) else None
    question = plan.asked() if plan else None
    about = question.about if question else None
    if plan is None or not record.covers(plan.settings.changed({"samples": record.settings.samples}), about):
        raise UserError(
            f"The record {name!r} is of other settings than {file} plans; record it anew, or mend the plan."
        )
    chosen = drawn(record, samples, seed)
    settings = _as_recorded(plan, record)
    if k in settings.k:
        settings = settings.changed({"k": k})
    with TemporaryDirectory() as place, _threads_of(record):
        run = run_benchmark(settings, Path(place) / "run", question, only=chosen)
        again = read_samples(run)
    return compare(record, again, chosen)


def drawn(record: Record, samples: int, seed: int) -> list[str]:
    """So many samples of a record, drawn at random of those that every model scores at least ROBUST_FLOOR, for only
    their values are held to be close; all of these where there are no more, and of all where there is none."""
    scores = record.rows[record.rows["metric"] == "score"].groupby("sample_id", observed=True)["value"].min()
    well = set(scores.index[scores >= ROBUST_FLOOR])
    names = [name for name in record.sample_ids if name in well] or record.sample_ids
    order = generator(seed, record.name, "verify").permutation(len(names))[:samples]
    return [names[place] for place in sorted(order)]


def compare(record: Record, again: pd.DataFrame, samples: Sequence[str], floor: float | None = None) -> Check:
    """Rows computed again, of some of the samples, held against the record's.

    floor: of the run that computed them. What the record scores below it, and that run skipped, is left out of both.
    """
    recorded = record.rows[record.rows["sample_id"].isin(samples)]
    again = again[again["sample_id"].isin(samples)]
    if floor is not None:
        low = recorded[(recorded["metric"] == "score") & (recorded["value"] < floor)]
        recorded = recorded[~_of_samples(recorded, low)]
        again = again[~(_of_samples(again, low) & (again["status"] == "skipped"))]
    kept, computed = _by_value(recorded, again), _by_value(again, again)
    both = kept.join(computed, how="outer", suffixes=("_recorded", "_again"))
    parted = both["status_recorded"].astype(object).ne(both["status_again"].astype(object))
    lost, both = both[parted], both[~parted & both["value_recorded"].notna()]
    scores = record.rows[record.rows["metric"] == "score"]
    well = scores.loc[scores["value"] >= ROBUST_FLOOR, ["model", "seed", "sample_id"]]
    keys = pd.MultiIndex.from_frame(plain(well))
    both = both[both.index.droplevel([name for name in OF_A_VALUE if name not in keys.names]).isin(keys)]
    # the record holds float32's digits
    away = (both["value_again"].astype(np.float32).astype(float) - both["value_recorded"]).abs()
    away /= 1 + both["value_recorded"].abs()
    return Check(
        record.name,
        list(samples),
        len(both),
        float((away <= CLOSE).mean()) if len(both) else np.nan,
        float(away.max()) if len(both) else np.nan,
        float((away == 0).mean()) if len(both) else np.nan,
        both[away > CLOSE][["value_recorded", "value_again"]].reset_index(),
        lost[["status_recorded", "status_again"]].reset_index(),
        _orders_changed(both),
    )


def _of_samples(rows: pd.DataFrame, some: pd.DataFrame) -> np.ndarray:
    """Which rows are of a model, seed and sample that one of some other rows is of."""
    theirs, others = (pd.MultiIndex.from_frame(plain(table[["model", "seed", "sample_id"]])) for table in (rows, some))
    return theirs.isin(others)


def _by_value(rows: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    """Value and status by all that tells one value from another, of those models, methods, metrics and k that were
    asked again; s(x) and lost samples, which are of no method, stand beside them."""
    nothing = {"method": "", "variant": "", "metric": "", "fill": "", "k": 0.0}
    rows, asked = (plain(table).fillna(nothing).round({"k": 6}) for table in (rows, asked))
    for name in ("model", "seed", "metric", "k", "fill"):
        rows = rows[rows[name].isin([*asked[name].unique(), nothing.get(name, "")])]
    # a method that was asked without options is not asked with those of another
    methods = pd.MultiIndex.from_frame(asked[["method", "variant"]].drop_duplicates())
    rows = rows[pd.MultiIndex.from_frame(rows[["method", "variant"]]).isin(methods) | (rows["method"] == "")]
    return rows.set_index(OF_A_VALUE)[["value", "status"]]


def _orders_changed(both: pd.DataFrame) -> list[str]:
    """The metrics under which two methods' means stand the other way round, each by more than CLOSE."""
    by = ["model", "metric", "k", "fill"]
    both = both[both.index.get_level_values("method") != ""]  # s(x) is of no method
    means = both.groupby([*by, "method", "variant"])[["value_recorded", "value_again"]].mean()
    changed = []
    for place, table in means.groupby(by):
        if metric_key(place[1]).entry.direction:
            was, now = (table[column].to_numpy() for column in ("value_recorded", "value_again"))
            before, after = was[:, None] - was, now[:, None] - now
            if ((before * after < 0) & (abs(before) > CLOSE) & (abs(after) > CLOSE)).any():
                changed.append(" ".join(str(part) for part in place if part))
    return changed


def _as_recorded(plan: Plan, record: Record) -> Settings:
    """The plan's settings, of those samples that are recorded, with the batch size of the record where it is known for
    every model alike."""
    sizes = {entry["batch_size"] for shard in record.made for entry in shard["runtimes"]}
    batch = {"batch_size": sizes.pop()} if len(sizes) == 1 and plan.settings.batch_size is None else {}
    return plan.settings.changed({"samples": record.settings.samples, **batch})


@contextmanager
def _threads_of(record: Record) -> Iterator[None]:
    """torch's threads as they were when a record was made on a CPU; as they are otherwise."""
    before = torch.get_num_threads()
    counts = {entry["threads"] for shard in record.made for entry in shard["runtimes"] if shard["device"] == "cpu"}
    if len(counts) == 1:
        torch.set_num_threads(counts.pop())
    try:
        yield
    finally:
        torch.set_num_threads(before)
