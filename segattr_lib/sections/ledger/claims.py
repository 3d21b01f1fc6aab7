"""The claims of the three papers and ours (claims.yaml), and what the records decide of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml

from segattr_lib.attribution import method_key
from segattr_lib.benchmark.statistics import plain
from segattr_lib.evidence.checking import CLOSE
from segattr_lib.evidence.records import Record
from segattr_lib.inference.agreement import agreement, ends
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.inference.maps import PAPER, TRUTH, directed, maps_table
from segattr_lib.inference.paired import settled
from segattr_lib.inference.verdicts import SHARE_SAME, Difference, best_of, decided, difference, every_run, values_of
from segattr_lib.metrics import metric_key
from segattr_lib.registry import UserError

CLAIMS_FILE = Path(__file__).with_name("claims.yaml")
NOT_TESTABLE, NOT_RECORDED, NOT_RUN = "not testable here", "not recorded", "not run"
Kind = Literal["difference", "best_of", "every_run", "same", "agreement", "not_testable"]


@dataclass(frozen=True)
class Claim:
    """A claim as the file has it.

    paper: its group there. says: the claim in our words; where: of the paper. side: "above" or "below", where the
    method is said to lie beside `over`, in the metric's own unit. minus: another metric of the same method, whose
    values are taken off instead of another method's. among: the methods of a best-of claim. end: of an agreement with
    the truth. takes: what it would take to test it. records: what decides it, a verdict each. page: of the book.
    """

    id: str
    paper: str
    says: str
    where: str
    kind: Kind
    page: str
    metric: str = ""
    method: str = ""
    over: str = ""
    minus: str = ""
    side: str = "above"
    among: Sequence[str] = ()
    end: str = ""
    takes: str = ""
    k: float = 0.2
    fill: str = "mean"
    records: Sequence[str] = field(default_factory=tuple)

    @property
    def by_median(self) -> bool:
        """Is its metric ranked by the median?"""
        return bool(self.metric) and metric_key(self.metric).entry.ranked_by == "median"


@dataclass(frozen=True)
class Group:
    """A paper's claims, or ours: its title, and the key of its entry in the bibliography, None for ours."""

    name: str
    title: str
    cites: str | None
    claims: list[Claim]


@cache
def groups() -> list[Group]:
    """All claims, group by group. Raises UserError for a key that no claim has, and for an id that stands twice."""
    known, seen = {each.name for each in fields(Claim)}, set()
    made = []
    for name, entry in yaml.safe_load(CLAIMS_FILE.read_text(encoding="utf-8")).items():
        claims = []
        for row in entry["claims"]:
            own = {"paper": name, "records": entry["records"], "page": entry["page"], **row}
            if set(own) - known or own["id"] in seen:
                raise UserError(f"The claim {own['id']!r} stands twice or has a key that is none: {set(own) - known}.")
            seen.add(own["id"])
            claims.append(Claim(**own))
        made.append(Group(name, entry["title"], entry["cites"], claims))
    return made


def ledger(records: Mapping[str, Record]) -> pd.DataFrame:
    """A row a claim and record: what the record decides of it.

    Columns: those of Claim that tell it (id, paper, says, where, kind, metric, page, by_median), record, verdict, n
    (images; runs of an every-run claim), value with low and high, p (adjusted by Holm over the difference claims of the
    same paper and record), share (of draws in which a best-of claim's method is first; of runs won), smallest (the
    difference that n decides with power .8), images (about how many would decide a difference as large), tests (of that
    family), note. A claim that cannot be tested has one row without a record; one whose record is absent, or lacks its
    methods, says so in `verdict`.
    """
    rows: list[dict[str, Any]] = []
    for group in groups():
        for name in dict.fromkeys(record for claim in group.claims for record in claim.records):
            mine = [claim for claim in group.claims if name in claim.records and claim.kind != "not_testable"]
            rows += _of_record(mine, name, records.get(name))
        untestable = [claim for claim in group.claims if claim.kind == "not_testable"]
        rows += [_row(claim, None, NOT_TESTABLE, note=claim.takes) for claim in untestable]
    order = {claim.id: place for place, claim in enumerate(each for group in groups() for each in group.claims)}
    table = pd.DataFrame(rows).assign(place=lambda rows: rows["id"].map(order))
    return table.sort_values("place", kind="stable").drop(columns="place").reset_index(drop=True)


def _of_record(claims: Sequence[Claim], name: str, record: Record | None) -> list[dict[str, Any]]:
    """What one record decides of some claims of one paper."""
    if record is None:
        return [_row(claim, name, NOT_RECORDED) for claim in claims]
    rows = []
    compared: list[tuple[Claim, Difference]] = []
    for claim in claims:
        if claim.kind == "difference":
            found = _difference(claim, record)
            if found is None:
                rows.append(_row(claim, name, NOT_RUN))
            else:
                compared.append((claim, found))
        else:
            rows.append(_other(claim, name, record))
    outcomes = decided([found for _, found in compared], [claim.side for claim, _ in compared])
    for (claim, found), (p, verdict) in zip(compared, outcomes, strict=True):
        about = {"n": found.n, "value": found.value, "low": found.low, "high": found.high, "p": p}
        tests = len(compared)
        about |= {"smallest": found.smallest(tests), "images": found.images(tests), "tests": tests}
        rows.append(_row(claim, name, verdict, **about))
    return rows


def _difference(claim: Claim, record: Record) -> Difference | None:
    """Image by image; None where the record lacks what is compared."""
    if claim.minus:
        columns = [
            values_of(record.rows, metric, [claim.method], claim.k, claim.fill)
            for metric in (claim.metric, claim.minus)
        ]
        both = pd.concat([table[claim.method] for table in columns], axis=1, join="inner", keys=["metric", "minus"])
        values = (both["metric"] - both["minus"]).dropna()
    else:
        table = values_of(record.rows, claim.metric, [claim.method, claim.over], claim.k, claim.fill)
        values = table[claim.method] - table[claim.over]
    return difference(values.to_numpy(float), claim.by_median) if len(values) else None


def _other(claim: Claim, name: str, record: Record) -> dict[str, Any]:
    """A claim that is no difference."""
    rows = record.rows
    if claim.kind == "every_run":
        won, runs, verdict = every_run(
            plain(rows), claim.metric, claim.method, claim.over, claim.side, claim.k, claim.fill
        )
        return _row(claim, name, verdict, n=runs, share=won / runs if runs else np.nan, note=f"{won} of {runs} runs")
    if claim.kind == "agreement":
        return _agreement(claim, name, record)
    methods = list(claim.among) or [claim.method, claim.over]
    table = values_of(rows, claim.metric, methods, claim.k, claim.fill)
    if table.empty:
        return _row(claim, name, NOT_RUN)
    if claim.kind == "same":
        same = ((table[claim.method] - table[claim.over]).abs() <= CLOSE).mean()
        verdict = UNDECIDED if len(table) < FEWEST else HOLDS if same >= SHARE_SAME else CONTRADICTED
        return _row(claim, name, verdict, n=len(table), share=same, note=f"the same on {same:.0%} of images")
    share, verdict = best_of(table, claim.method, metric_key(claim.metric).entry.direction, claim.by_median)
    return _row(claim, name, verdict, n=len(table), share=share, note=f"first in {share:.0%} of draws of images")


def _agreement(claim: Claim, name: str, record: Record) -> dict[str, Any]:
    """Has a metric the highest, or lowest, correlation with the truth over all maps?"""
    maps = maps_table(settled(record.rows), [*PAPER, TRUTH])
    explained = maps[~maps.index.get_level_values("method").isin(_controls(maps))]
    agreed = agreement(directed(explained), explained[TRUTH])
    table = ends(agreed)
    (row,) = table[(table["way"] == "pooled") & (table["end"] == claim.end)].to_dict("records")
    note = f"{claim.end}: {row['metric']}, {row['value']:.2f}"
    return _row(claim, name, row["claim"], n=row["n"], value=row["value"], note=note)


def _controls(maps: pd.DataFrame) -> list[str]:
    names = maps.index.unique("method")
    return [name for name in names if method_key(name).entry.family == "control"]


def _row(claim: Claim, record: str | None, verdict: str, **numbers: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("n", "value", "low", "high", "p", "share", "smallest", "images", "tests"), np.nan)
    about = {name: getattr(claim, name) for name in ("id", "paper", "says", "where", "kind", "metric", "page")}
    about["by_median"] = claim.by_median
    return {**about, "record": record, "verdict": verdict, **empty, "note": "", **numbers}


DECIDED = (HOLDS, CONTRADICTED, UNDECIDED)
