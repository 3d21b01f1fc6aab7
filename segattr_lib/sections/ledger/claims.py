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
from segattr_lib.benchmark.statistics import ROBUST_FLOOR, plain
from segattr_lib.evidence.checking import CLOSE
from segattr_lib.inference.agreement import agreement, ends
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.inference.maps import PAPER, TRUTH, directed, maps_table
from segattr_lib.inference.paired import keyed
from segattr_lib.inference.verdicts import (
    SHARE_SAME,
    Difference,
    best_of,
    correlated,
    decided,
    difference,
    every_run,
    sound,
    values_of,
)
from segattr_lib.metrics import metric_key
from segattr_lib.registry import UserError

CLAIMS_FILE = Path(__file__).with_name("claims.yaml")
DECIDED = (HOLDS, CONTRADICTED, UNDECIDED)
NOT_TESTABLE, NOT_RECORDED, NOT_RUN = "not testable here", "not recorded", "not run"
COMPARED = ("difference", "correlation")  # the kinds that one family of tests decides
Kind = Literal["difference", "correlation", "best_of", "every_run", "same", "agreement", "not_testable"]


@dataclass(frozen=True)
class Claim:
    """A claim as the file has it.

    paper: its group there. says: the claim in our words; where: of the paper. side: "above" or "below", where the
    method is said to lie beside `over`, in the metric's own unit. minus: another metric of the same method, whose
    values are taken off instead of another method's. than: the difference that it is said to lie beyond; without
    `over` and `minus` the value itself. trait: of the images, a metric of no method, with which the difference is
    said to grow ("above" 0) or to fall. among: the methods of a best-of claim. end: of an agreement with the truth.
    takes: what it would take to test it. records: what decides it, a verdict each. page: of the book.
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
    than: float = 0.0
    trait: str = ""
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


def ledger(rows: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A row a claim and record: what the rows of the record, by its name, decide of it.

    Columns: those of Claim that tell it (id, paper, says, where, kind, metric, page, by_median), record, verdict, n
    (images; runs of an every-run claim), value with low and high, p (adjusted by Holm over the claims of COMPARED kinds
    of the same paper and record), share (of draws in which a best-of claim's method is first; of runs won), smallest
    (the difference that n decides with power .8), images (about how many would decide a difference as large), tests
    (of that family), note. A claim that cannot be tested has one row without a record; one whose record is absent, or
    lacks its methods, says so in `verdict`.
    """
    verdicts: list[dict[str, Any]] = []
    for group in groups():
        for name in dict.fromkeys(record for claim in group.claims for record in claim.records):
            mine = [claim for claim in group.claims if name in claim.records and claim.kind != "not_testable"]
            verdicts += _of_record(mine, name, rows.get(name))
        untestable = [claim for claim in group.claims if claim.kind == "not_testable"]
        verdicts += [_row(claim, None, NOT_TESTABLE, note=claim.takes) for claim in untestable]
    order = {claim.id: place for place, claim in enumerate(each for group in groups() for each in group.claims)}
    table = pd.DataFrame(verdicts).assign(place=lambda rows: rows["id"].map(order))
    return table.sort_values("place", kind="stable").drop(columns="place").reset_index(drop=True)


def _of_record(claims: Sequence[Claim], name: str, rows: pd.DataFrame | None) -> list[dict[str, Any]]:
    """What one record decides of some claims of one paper."""
    if rows is None:
        return [_row(claim, name, NOT_RECORDED) for claim in claims]
    verdicts = _agreements([claim for claim in claims if claim.kind == "agreement"], name, rows)
    compared: list[tuple[Claim, Difference]] = []
    for claim in claims:
        if claim.kind == "agreement":
            continue
        if claim.kind in COMPARED:
            beyond = _beyond(claim, rows)
            if beyond.n:
                compared.append((claim, beyond))
            else:
                verdicts.append(_without_images(claim, name, rows))
        else:
            verdicts.append(_other(claim, name, rows))
    tests = len(compared)
    outcomes = decided([beyond for _, beyond in compared], [claim.side for claim, _ in compared])
    for (claim, beyond), (p, verdict) in zip(compared, outcomes, strict=True):
        numbers = {end: getattr(beyond, end) + claim.than for end in ("value", "low", "high")}
        reach = {"smallest": beyond.smallest(tests), "images": beyond.images(tests), "tests": tests}
        verdicts.append(_row(claim, name, verdict, n=beyond.n, p=p, **numbers, **reach))
    return verdicts


def _beyond(claim: Claim, rows: pd.DataFrame) -> Difference:
    """What a claim of a COMPARED kind is decided by: of 0 images where the record lacks what it speaks of."""
    values = _differences(claim, rows)
    if claim.kind == "difference" or values.empty:
        return difference(values.to_numpy(float) - claim.than, claim.by_median)
    trait = plain(rows[rows["metric"] == claim.trait]).groupby(values.index.names)["value"].mean()
    both = pd.DataFrame({"value": values, "trait": trait}).dropna()
    return correlated(both["trait"].to_numpy(float), both["value"].to_numpy(float))


def _differences(claim: Claim, rows: pd.DataFrame) -> pd.Series:
    """The method's values less what it is held against, image by image; none where the record lacks either."""
    table = values_of(rows, claim.metric, _methods(claim), claim.k, claim.fill)
    values = table[claim.method]
    if claim.over:
        values = values - table[claim.over]
    if claim.minus:
        other = values_of(rows, claim.minus, [claim.method], claim.k, claim.fill)[claim.method]
        values = values.sub(other).dropna()
    return values


def _other(claim: Claim, name: str, rows: pd.DataFrame) -> dict[str, Any]:
    """A claim of another kind, on one metric."""
    if claim.kind == "every_run":
        won, runs, verdict = every_run(rows, claim.metric, claim.method, claim.over, claim.side, claim.k, claim.fill)
        if not runs:
            return _without_images(claim, name, rows)
        return _row(claim, name, verdict, n=runs, share=won / runs, note=f"{won} of {runs} runs")
    table = values_of(rows, claim.metric, _methods(claim), claim.k, claim.fill)
    if table.empty:
        return _without_images(claim, name, rows)
    if claim.kind == "same":
        same = ((table[claim.method] - table[claim.over]).abs() <= CLOSE).mean()
        verdict = UNDECIDED if len(table) < FEWEST else HOLDS if same >= SHARE_SAME else CONTRADICTED
        return _row(claim, name, verdict, n=len(table), share=same, note=f"the same on {same:.0%} of images")
    share, verdict = best_of(table, claim.method, metric_key(claim.metric).entry.direction, claim.by_median)
    note = "too few images" if np.isnan(share) else f"first in {share:.0%} of draws of images"
    return _row(claim, name, verdict, n=len(table), share=share, note=note)


def _methods(claim: Claim) -> list[str]:
    """All that a claim holds beside each other."""
    return list(claim.among) or [name for name in (claim.method, claim.over) if name]


def _without_images(claim: Claim, name: str, rows: pd.DataFrame) -> dict[str, Any]:
    """A claim that no image decides: not run, or run, and no image counts."""
    missing = []
    for metric in filter(None, (claim.metric, claim.minus)):
        run = set(keyed(rows[rows["metric"] == metric])["key"])
        missing += [method for method in _methods(claim) if method not in run]
    missing += [claim.trait] if claim.trait and claim.trait not in rows["metric"].unique() else []
    return _row(claim, name, NOT_RUN) if missing else _row(claim, name, UNDECIDED, n=0, note="no image counts")


def _agreements(claims: Sequence[Claim], name: str, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Has a metric the highest, or lowest, correlation with the truth over all maps of the images that count?"""
    if not claims:
        return []
    known = plain(sound(rows))
    well = known.loc[(known["metric"] == "score") & (known["value"] >= ROBUST_FLOOR), ["run_id", "sample_id"]]
    try:
        maps = maps_table(known.merge(well), [*PAPER, TRUTH])
    except UserError:  # a metric without rows
        return [_row(claim, name, NOT_RUN) for claim in claims]
    explained = maps[~maps.index.get_level_values("method").isin(_controls(maps))]
    if explained.dropna().empty:
        return [_row(claim, name, UNDECIDED, n=0, note="no image counts") for claim in claims]
    table = ends(agreement(directed(explained), explained[TRUTH]))
    pooled = table[table["way"] == "pooled"].set_index("end")
    verdicts = []
    for claim in claims:
        row = pooled.loc[claim.end]
        note = f"{claim.end}: {metric_key(row['metric']).entry.label}, {round(row['value'], 2) + 0.0:.2f}"  # no -0.00
        verdicts.append(_row(claim, name, row["claim"], n=row["n"], value=row["value"], note=note))
    return verdicts


def _controls(maps: pd.DataFrame) -> list[str]:
    names = maps.index.unique("method")
    return [name for name in names if method_key(name).entry.family == "control"]


def _row(claim: Claim, record: str | None, verdict: str, **numbers: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("n", "value", "low", "high", "p", "share", "smallest", "images", "tests"), np.nan)
    about = {name: getattr(claim, name) for name in ("id", "paper", "says", "where", "kind", "metric", "page")}
    about["by_median"] = claim.by_median
    return {**about, "record": record, "verdict": verdict, **empty, "note": "", **numbers}
