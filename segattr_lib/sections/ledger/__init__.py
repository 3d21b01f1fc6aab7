"""The claims ledger: every claim of the three papers and ours, and what the recorded runs decide of it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from segattr_lib.benchmark.statistics import ROBUST_FLOOR
from segattr_lib.evidence.plans import images_of
from segattr_lib.evidence.records import Record, read_record, recorded, records_folder
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.inference.coverage import simulated_coverage, standardised
from segattr_lib.inference.holm import SIGNIFICANT
from segattr_lib.inference.intervals import FEWEST, means
from segattr_lib.inference.verdicts import LEVEL, POWER, values_of
from segattr_lib.metrics import metric_key
from segattr_lib.registry import UserError, unknown
from segattr_lib.report import tables
from segattr_lib.report.labels import key_label
from segattr_lib.report.pages import link_to
from segattr_lib.report.reference import reference
from segattr_lib.report.tables import interval, number, wrapped
from segattr_lib.sections.ledger.claims import COMPARED, DECIDED, NOT_RECORDED, NOT_TESTABLE, groups, ledger
from segattr_lib.sections.ledger.repeated import ALONE, CONTRARY, REPEATED, by_model, halves

if TYPE_CHECKING:
    from IPython.display import HTML

CLAIMS = tuple(claim.id for group in groups() for claim in group.claims)
TABLE1 = ("gpa", "ega", "ria", "dea")
WITH_N = ("best_of", "same", "agreement")  # kinds whose note tells no number of images
README_MARKS = ("<!-- ledger: begin -->", "<!-- ledger: end -->")

__all__ = [
    "CLAIMS",
    "Runs",
    "Settings",
    "coverage_table",
    "facts",
    "halves_table",
    "in_readme",
    "ledger_table",
    "models_table",
    "read",
    "readme_table",
    "records_table",
    "run",
    "summary_table",
    "table1",
    "whole_summary",
]


@dataclass(frozen=True)
class Settings:
    """evidence: the folder of the records."""

    evidence: Path


@dataclass(frozen=True)
class Runs:
    """records: by name. ledger: of claims.ledger. coverage: of simulated_coverage on the headline's differences.
    halves, models: of repeated.halves and repeated.by_model."""

    records: dict[str, Record]
    ledger: pd.DataFrame
    coverage: pd.DataFrame
    halves: pd.DataFrame
    models: pd.DataFrame


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings. Raises UserError for another parameter, and for a folder that is not there."""
    for name in parameters:
        if name != "evidence":
            raise unknown("parameter", name, ["evidence"])
    return Settings(records_folder(parameters["evidence"]))


def run(settings: Settings) -> Runs:
    """Read the records, and decide every claim."""
    records = {name: read_record(name, settings.evidence) for name in recorded(settings.evidence)}
    headline = records.get("photographs")
    shapes = [] if headline is None else standardised([values_of(headline.rows, "tdd", TABLE1, 0.2, "mean")])
    rows = {name: record.rows for name, record in records.items()}
    decided = ledger(rows)
    return Runs(records, decided, simulated_coverage(shapes), halves(rows, decided), by_model(rows, decided))


def facts(runs: Runs) -> dict[str, Any]:
    """All that the page's prose quotes."""
    decided = _decided(runs)
    sides = {"photo": decided[~_generated(decided)], "scene": decided[_generated(decided)]}
    verdicts = {
        f"{side}_{verdict}": int((rows["verdict"] == verdict).sum())
        for side, rows in sides.items()
        for verdict in DECIDED
    }
    compared = decided[decided["kind"].isin(COMPARED)]
    return {
        "claims": len(CLAIMS),
        "untestable": int((runs.ledger["verdict"] == NOT_TESTABLE).sum()),
        "absent": int((runs.ledger["verdict"] == NOT_RECORDED).sum()),
        "records": len(runs.records),
        "record_names": ", ".join(runs.records),
        "well": ROBUST_FLOOR,
        "level": f"{LEVEL:.0%}",
        "significant": SIGNIFICANT,
        "power": POWER,
        "fewest": FEWEST,
        "largest_family": int(compared["tests"].max()) if len(compared) else 0,
        "apart": _apart(decided),
        **{f"photo_{name}": text for name, text in _decisions(decided[~_generated(decided)]).items()},
        **{f"scene_{name}": text for name, text in _decisions(decided[_generated(decided)]).items()},
        "settled": len(runs.halves),
        **{f"halves_{name}": int((runs.halves["repeated"] == name).sum()) for name in REPEATED},
        "halves_against": _against(runs, runs.halves),
        "alone": int(runs.models["repeated"].notna().sum()),
        **{f"alone_{name}": int((runs.models["repeated"] == name).sum()) for name in ALONE},
        "alone_against": _against(runs, runs.models),
        "models_apart": _models_apart(runs),
        **verdicts,
        **{f"{side}_claims": len(rows) for side, rows in sides.items()},
    }


def _decisions(rows: pd.DataFrame) -> dict[str, str]:
    """What a claim of a COMPARED kind stands on and what is decided of it, by its id, as text; of a claim that several
    records decide the first."""
    compared = rows[rows["kind"].isin(COMPARED)].drop_duplicates("id")
    return {
        row["id"]: f"{interval(row['value'], row['low'], row['high'])}, n = {row['n']:.0f}, {_p(row['p'])}: "
        f"{row['verdict']}"
        for row in compared.to_dict("records")
    }


def ledger_table(runs: Runs, paper: str) -> HTML:
    """The claims of a paper (or "ours"): a row each, with where it stands there and on which page here; a column a kind
    of data, and how far the difference lies."""
    rows = runs.ledger[runs.ledger["paper"] == paper]
    table = []
    for _, same in rows.groupby("id", sort=False):
        first = same.iloc[0]
        on_photographs, on_scenes = same[~_generated(same)], same[_generated(same)]
        table.append(
            {
                "claim": f"{first['says']} <small>({first['where']}; {link_to(first['page'])})</small>",
                "photographs": _cell(on_photographs),
                "generated": _cell(on_scenes),
            }
        )
    return _html(pd.DataFrame(table))


def summary_table(runs: Runs) -> pd.DataFrame:
    """How many claims hold, are contradicted and undecided, by paper, on photographs and on generated scenes."""
    titles = {group.name: group.title for group in groups()}
    rows = []
    for name, title in titles.items():
        mine = runs.ledger[(runs.ledger["paper"] == name)]
        for called, part in (("photographs", mine[~_generated(mine)]), ("generated", mine[_generated(mine)])):
            counts = {verdict: int((part["verdict"] == verdict).sum()) for verdict in DECIDED}
            if sum(counts.values()):
                rows.append({"claims of": title, "on": called, **counts})
    return pd.DataFrame(rows, columns=["claims of", "on", *DECIDED])


def whole_summary(runs: Runs) -> HTML:
    """`summary_table` as the page shows it."""
    return wrapped(summary_table(runs), index=False)


def readme_table(runs: Runs) -> str:
    """`summary_table` in Markdown with what it stands on, as README shows it between README_MARKS."""
    table = summary_table(runs)
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in table.to_numpy()]
    quoted = facts(runs)
    images = {name: len(runs.records[name].sample_ids) for name in _decided(runs)["record"].unique()}
    by = ", ".join(f"{name} ({count} images)" for name, count in images.items())
    lines += [
        "",
        f"Of {quoted['claims']} claims {quoted['untestable']} cannot be tested here, and {quoted['absent']} verdicts "
        f"wait for a record. Decided by: {by or 'no record'}.",
        "",
        f"Parted by chance, either half of the images decides the same of {quoted['halves_both']} of the "
        f"{quoted['settled']} that hold or are contradicted, one half of {quoted['halves_one']}, neither of "
        f"{quoted['halves_neither']}; {quoted['halves_contrary']} are decided to the contrary by a half. Where a "
        f"record is of several models, one alone decides the same in {quoted['alone_same']} of {quoted['alone']} "
        f"cases, nothing in {quoted['alone_undecided']}, the contrary in {quoted['alone_contrary']}.",
    ]
    return "\n".join(lines)


def in_readme(text: str, table: str) -> str:
    """README with this table between README_MARKS. Raises UserError where it lacks them."""
    begin, end = README_MARKS
    before, opened, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (opened and closed):
        raise UserError(f"README.md lacks {begin} or {end} after it; put both where the ledger's table is to stand.")
    return f"{before}{begin}\n{table}\n{end}{after}"


def table1(runs: Runs) -> HTML:
    """The paper's Table 1 beside the same numbers of the records: mean over the images that the model scores well."""
    columns = {}
    metrics = ("tdd", "odd_abs", "insertion", "stability")
    for dataset in ("voc", "sbd"):
        rows = {row["method"]: row for row in reference()["dea_table1"]["rows"] if row["dataset"] == dataset}
        columns[f"paper, {dataset.upper()}"] = {
            (method, metric): f"{rows[method][metric][0]:.3f}" for method in TABLE1 for metric in metrics
        }
    for name in ("photographs", "scenes"):
        if name not in runs.records:
            continue
        record = runs.records[name]
        cells = {}
        for metric in metrics:
            values = values_of(record.rows, metric, TABLE1, 0.2, "mean")
            for row in means(values).to_dict("records"):
                cells[row["method"], metric] = interval(row["mean"], row["low"], row["high"])
        columns[f"{name}, n = {len(record.sample_ids)}"] = cells
    table = pd.DataFrame(columns).fillna("–")
    labels = [(key_label(method), metric_key(metric).entry.label) for method, metric in table.index]
    table.index = pd.MultiIndex.from_tuples(labels)
    return wrapped(table)


def records_table(runs: Runs) -> HTML:
    """What is recorded: images, models, rows, size, and what it was made with."""
    rows = []
    for name, record in runs.records.items():
        engines = {entry["engine"] for shard in record.made for entry in shard["runtimes"]}
        devices = {shard["device"].partition(":")[0] for shard in record.made}
        rows.append(
            {
                "record": name,
                "images": len(record.sample_ids),
                "models": len(record.settings.model),
                "values": f"{len(record.rows):,}",
                "MB": f"{record.size / 1e6:.2f}",
                "hours": f"{sum(shard['hours'] for shard in record.made):.1f}",
                "made by": f"{', '.join(sorted(engines))} on {', '.join(sorted(devices))}",
            }
        )
    return wrapped(pd.DataFrame(rows), index=False)


def halves_table(runs: Runs) -> HTML:
    """How many verdicts the halves of the images repeat, by kind of data and verdict."""
    kinds = _generated(runs.halves).map({True: "generated", False: "photographs"})
    counts = pd.crosstab([kinds.rename("on"), runs.halves["verdict"]], runs.halves["repeated"])
    return wrapped(counts.reindex(columns=REPEATED, fill_value=0).rename_axis(columns=None).reset_index(), index=False)


def models_table(runs: Runs) -> HTML:
    """Of what all models of a record decide together, how much each decides alone, by record and model."""
    settled = runs.models.dropna(subset="repeated")
    counts = pd.crosstab([settled["record"], settled["model"]], settled["repeated"])
    return wrapped(counts.reindex(columns=ALONE, fill_value=0).rename_axis(columns=None).reset_index(), index=False)


def coverage_table(runs: Runs) -> pd.DataFrame:
    """How often each kind of interval covers, on differences shaped as the headline's own."""
    return tables.coverage(runs.coverage)


def _decided(runs: Runs) -> pd.DataFrame:
    """The rows of the ledger that have a verdict."""
    return runs.ledger[runs.ledger["verdict"].isin(DECIDED)]


def _generated(rows: pd.DataFrame) -> pd.Series:
    """Which rows are of a record of generated images; those of none are not."""
    kinds = {name: images_of(name) for name in rows["record"].dropna().unique()}
    return rows["record"].map(kinds) == "generated"


def _cell(rows: pd.DataFrame) -> str:
    """The verdicts of some rows of one claim, with what they stand on."""
    cells = []
    for row in rows.to_dict("records"):
        text = f"<b>{row['verdict']}</b>"
        if row["kind"] in COMPARED and row["verdict"] in DECIDED:
            numbers = interval(row["value"], row["low"], row["high"])
            kind = "ρ = " if row["kind"] == "correlation" else "median " if row["by_median"] else ""
            text += f"<br>{kind}{numbers}, n = {row['n']:.0f}, {html.escape(_p(row['p']))}"
            if row["verdict"] == UNDECIDED and not pd.isna(row["smallest"]):
                text += f"; decides from {number(row['smallest'])}"
        elif row["note"]:
            text += f"<br>{row['note']}" + (f", n = {row['n']:.0f}" if row["kind"] in WITH_N else "")
        if len(rows) > 1:
            text = f"{row['record']}: {text}"
        cells.append(text)
    return "<br>".join(cells) or "–"


def _p(value: float) -> str:
    return "no p" if pd.isna(value) else "p < .001" if value < 0.001 else f"p = {value:.3f}"


def _against(runs: Runs, parts: pd.DataFrame) -> str:
    """The claims that a part of a record decides to the contrary of the whole."""
    return _named(runs, parts.loc[parts["repeated"] == CONTRARY, "id"].unique())


def _models_apart(runs: Runs) -> str:
    """The claims of which two models of a record decide the contrary."""
    said = runs.models.groupby(["id", "record"], sort=False)["alone"].agg(set)
    apart = said[said.map({HOLDS, CONTRADICTED}.issubset)]
    return _named(runs, apart.index.unique("id"))


def _named(runs: Runs, ids: Iterable[str]) -> str:
    """What some claims say, as text."""
    return "; ".join(runs.ledger.drop_duplicates("id").set_index("id")["says"][list(ids)]) or "none"


def _apart(decided: pd.DataFrame) -> str:
    """The claims of which photographs and generated scenes decide the contrary."""
    on = {
        side: decided[part].set_index("id")["verdict"]
        for side, part in (("photographs", ~_generated(decided)), ("scenes", _generated(decided)))
    }
    both = pd.concat(on, axis=1, join="inner") if all(each.index.is_unique for each in on.values()) else pd.DataFrame()
    if both.empty:
        return "none"
    contrary = both[(both != UNDECIDED).all(axis=1) & (both["photographs"] != both["scenes"])]
    says = decided.drop_duplicates("id").set_index("id")["says"]
    return "; ".join(says[contrary.index]) or "none"


def _html(table: pd.DataFrame) -> HTML:
    from IPython.display import HTML

    return HTML(table.to_html(index=False, classes="wrap", border=0, escape=False))
