"""The multiverse of the difference claims: each under every setting that is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure

from segattr_lib.benchmark.statistics import ROBUST_FLOOR
from segattr_lib.evidence.plans import IMAGES, images_of
from segattr_lib.evidence.records import Record, read_record, recorded, records_folder
from segattr_lib.evidence.universes import orders, recorded_values, tau_by_setting, universes
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.inference.verdicts import LEVEL
from segattr_lib.registry import UserError, unknown
from segattr_lib.report.labels import metric_label
from segattr_lib.report.tables import number, wrapped
from segattr_lib.sections.multiverse import strips
from segattr_lib.sections.multiverse.claims import EXAMINED, Claim, differences, share_by_value, shares, turns

if TYPE_CHECKING:
    from IPython.display import HTML

KINDS = IMAGES  # of data, never pooled
OURS_ALONE = ("ria_tdd_above_ega", "ria_above_cells")  # claims that no paper made, and the ledger does not have
CLAIMS = tuple(claim.id for claim in EXAMINED if claim.id not in OURS_ALONE)
ORDERED = ("gpa", "ega", "ria", "dea", "adaptive_ria", "adaptive_dea")  # whose order is compared
LABELS = {
    "k": "k",
    "fill": "the fill that judges",
    "grid": "the grid",
    "size": "the size of images",
    "region": "whose labels give the target",
    "model": "the model",
    "training": "the seed of its training",
    "any": "any of them",
}
NONE = "none"

__all__ = [
    "CLAIMS",
    "Runs",
    "Settings",
    "facts",
    "orders_table",
    "read",
    "records_table",
    "run",
    "shares_table",
    "strip",
]


@dataclass(frozen=True)
class Settings:
    """evidence: the folder of the records. names: those that are read, by kind of data."""

    evidence: Path
    names: Mapping[str, list[str]]


@dataclass(frozen=True)
class Runs:
    """records: those that are there, by kind of data. absent: the names of those that are not (yet) recorded.
    differences: of claims.differences. orders: of universes.orders, by kind of data and metric."""

    records: dict[str, list[Record]]
    absent: list[str]
    differences: pd.DataFrame
    orders: dict[tuple[str, str], pd.DataFrame]


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings. Raises UserError for another parameter, for a folder that is not there, and where `records`
    is no list of records that are planned."""
    expected = ["evidence", "records"]
    for name in parameters:
        if name not in expected:
            raise unknown("parameter", name, expected)
    folder, names = records_folder(parameters["evidence"]), parameters["records"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"records is {names!r}; expected a list of names of records.")
    kinds = {name: images_of(name) for name in names}
    return Settings(folder, {kind: [name for name in names if kinds[name] == kind] for kind in KINDS})


def run(settings: Settings) -> Runs:
    """Read the records, and compute every claim in every universe. Raises UserError where none of them is there."""
    there = recorded(settings.evidence)
    records = {
        kind: [read_record(name, settings.evidence) for name in names if name in there]
        for kind, names in settings.names.items()
    }
    absent = [name for names in settings.names.values() for name in names if name not in there]
    if not any(records.values()):
        raise UserError(f"None of {', '.join(absent)} is recorded in {settings.evidence}; make one: `record NAME`.")
    metrics = dict.fromkeys(claim.metric for claim in EXAMINED)
    values = {
        kind: {metric: [recorded_values(record, metric) for record in mine] for metric in metrics}
        for kind, mine in records.items()
    }
    ordered = {
        (kind, metric): orders(universes(by_metric[metric], ORDERED), metric)
        for kind, by_metric in values.items()
        for metric in metrics
    }
    return Runs(records, absent, differences(EXAMINED, values, LEVEL), ordered)


def facts(runs: Runs) -> dict[str, Any]:
    """All that the page's prose quotes."""
    table = shares(runs.differences).set_index(["claim", "data"])
    says = {claim.id: claim.says for claim in EXAMINED}
    made: dict[str, Any] = {
        "claims": len(EXAMINED),
        "well": ROBUST_FLOOR,
        "level": f"{LEVEL:.0%}",
        "fewest": FEWEST,
        "absent": ", ".join(runs.absent) or NONE,
        "ordered": len(ORDERED),
    }
    for kind in KINDS:
        rows = runs.differences[runs.differences["data"] == kind]
        mine = table[table.index.get_level_values("data") == kind].droplevel("data")
        settled, turned = mine["there"] == 1, (mine["sign"] > 0) & (mine["sign"] < 1)
        reversed_ = mine["sign"] == 0
        taus = _taus(runs, kind)
        made |= {
            f"{kind}_universes": int(mine["universes"].max()) if len(mine) else 0,
            f"{kind}_images": _span(rows["n"]),
            f"{kind}_records": ", ".join(record.name for record in runs.records[kind]) or NONE,
            f"{kind}_signed": int((mine["sign"] == 1).sum()),
            f"{kind}_settled": int(settled.sum()),
            f"{kind}_turned": int(turned.sum()),
            f"{kind}_turned_names": "; ".join(says[name] for name in mine.index[turned]) or NONE,
            f"{kind}_never": "; ".join(says[name] for name in mine.index[reversed_]) or NONE,
            f"{kind}_of": len(mine),
            f"{kind}_mover": _mover(rows),
            f"{kind}_tau": _tau_text(taus, "any"),
            f"{kind}_tau_mover": LABELS.get(_lowest(taus), NONE),
            **{f"{kind}_{claim}": text for claim, text in _told(mine).items()},
        }
    made["apart"] = _apart(table, says)
    return made


def _told(mine: pd.DataFrame) -> dict[str, str]:
    """In how many universes each claim lies as claimed, and in how many its whole interval does: by its id, as the end
    of a sentence."""
    told = {}
    for claim in EXAMINED:
        about = mine.loc[claim.id] if claim.id in mine.index else None
        count = 0 if about is None else int(about["universes"])
        there, wholly = (0, 0) if about is None else (round(about[share] * count) for share in ("sign", "there"))
        told[claim.id] = f"{there} of {count}, in {wholly} of them with its whole interval"
    return told


def strip(runs: Runs, claim: str) -> Figure:
    """One claim in every universe, photographs beside generated scenes. Raises UserError for a claim that is none."""
    examined = {each.id: each for each in EXAMINED}
    if claim not in examined:
        raise unknown("claim", claim, examined)
    return strips.strip(examined[claim], runs.differences[runs.differences["claim"] == claim], KINDS)


def shares_table(runs: Runs) -> HTML:
    """A row a claim and kind of data: of its universes, how many have the claimed sign, how many an interval wholly
    there, how many one wholly on the other side, and the setting that turns the sign most."""
    table = shares(runs.differences).set_index(["claim", "data"])
    rows = {}
    for claim in EXAMINED:
        for kind in KINDS:
            known = (claim.id, kind) in table.index
            about = table.loc[(claim.id, kind)] if known else None
            row = {"universes": "–" if about is None else f"{about['universes']:.0f}"}
            for column, title in (("sign", "as claimed"), ("there", "wholly"), ("against", "wholly contrary")):
                row[title] = "–" if about is None else f"{about[column]:.0%}"
            row["turned most by"] = _turned_by(runs, claim, kind)
            rows[claim.says, metric_label(claim.metric), kind] = row
    return wrapped(pd.DataFrame.from_dict(rows, orient="index"))


def orders_table(runs: Runs) -> HTML:
    """`order_taus`, for the page."""
    return wrapped(order_taus(runs))


def order_taus(runs: Runs) -> pd.DataFrame:
    """Kendall's tau between the orders of ORDERED of two universes: mean (and least) over the pairs that differ in one
    setting alone, and over all; a row a kind of data and metric."""
    rows = {}
    for (kind, metric), ordered in runs.orders.items():
        if len(ordered) < 2:
            continue
        taus = tau_by_setting(ordered)
        cells = {LABELS[name]: f"{row['mean']:.2f} ({row['least']:.2f})" for name, row in taus.iterrows()}
        rows[kind, metric_label(metric)] = {"universes": len(ordered), **cells}
    shown = pd.DataFrame.from_dict(rows, orient="index")
    columns = ["universes", *(label for label in LABELS.values() if label in shown)]
    return shown.reindex(columns=columns).fillna("–")


def records_table(runs: Runs) -> HTML:
    """What each record adds: its images, and the settings that it moves."""
    rows = []
    for kind, records in runs.records.items():
        for record in records:
            k = record.rows["k"].dropna().unique()
            fills = record.rows["fill"].dropna().unique()
            rows.append(
                {
                    "record": record.name,
                    "data": kind,
                    "images": len(record.sample_ids),
                    "models": len(record.settings.model),
                    "k": ", ".join(f"{share:g}" for share in sorted(k)),
                    "fills": ", ".join(map(str, fills)),
                    "size": f"{record.settings.image_size} px",
                    "target": ", ".join(map(str, record.rows["region"].dropna().unique())),
                }
            )
    return wrapped(pd.DataFrame(rows).set_index("record").rename_axis(None))


def _turned_by(runs: Runs, claim: Claim, kind: str) -> str:
    """The setting that turns the claim's sign most, with the share as claimed at each of its values."""
    rows = runs.differences
    mine = rows[(rows["claim"] == claim.id) & (rows["data"] == kind)]
    by_setting = turns(mine)
    if not len(by_setting) or not by_setting.max():
        return "–"
    name = str(by_setting.idxmax())
    by_value = share_by_value(mine, name).items()
    return LABELS[name] + ": " + ", ".join(f"{strips.mark_value(name, value)} {share:.0%}" for value, share in by_value)


def _mover(rows: pd.DataFrame) -> str:
    """The setting that turns a sign most often, over all claims."""
    by_claim = pd.DataFrame([turns(mine) for _, mine in rows.groupby("claim")])
    if by_claim.empty or not by_claim.mean().max():
        return NONE
    return f"{LABELS[str(by_claim.mean().idxmax())]} ({by_claim.mean().max():.0%} of pairs)"


def _taus(runs: Runs, kind: str) -> pd.DataFrame:
    """tau_by_setting of TDD, the first metric of the claims; empty where there is nothing to compare."""
    ordered = runs.orders[kind, EXAMINED[0].metric]
    return tau_by_setting(ordered) if len(ordered) > 1 else pd.DataFrame(columns=["mean"])


def _tau_text(taus: pd.DataFrame, setting: str) -> str:
    return number(taus.loc[setting, "mean"], 2) if setting in taus.index else "–"


def _lowest(taus: pd.DataFrame) -> str:
    alone = taus["mean"].drop("any", errors="ignore").astype(float)
    return str(alone.idxmin()) if len(alone) else ""


def _span(counts: pd.Series) -> str:
    """The least and the largest of some counts, as text."""
    if counts.empty:
        return "no"
    low, high = int(counts.min()), int(counts.max())
    return str(low) if low == high else f"{low} to {high}"


def _apart(table: pd.DataFrame, says: Mapping[str, str]) -> str:
    """The claims that lie as claimed in most universes of the one kind of data, and in the fewest of the other."""
    wide = table.pivot_table(index="claim", columns="data", values="sign", sort=False).reindex(columns=list(KINDS))
    wide = wide.dropna()
    contrary = wide[((wide > 0.5).sum(axis=1) == 1) & (wide != 0.5).all(axis=1)]
    return "; ".join(says[name] for name in contrary.index) or NONE
