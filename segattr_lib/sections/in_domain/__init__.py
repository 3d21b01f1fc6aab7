"""The page on judging in domain: what a judge says that has seen images with holes, beside one that has not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from matplotlib.figure import Figure
from pydantic import Field, model_validator

from segattr_lib.attribution import methods_of
from segattr_lib.benchmark import settings as settings_
from segattr_lib.benchmark.runner import run_benchmark
from segattr_lib.benchmark.store import read_samples
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.models import IN_DOMAIN
from segattr_lib.registry import UserError
from segattr_lib.report import charts
from segattr_lib.report.labels import key_label
from segattr_lib.report.page import Page, read_page
from segattr_lib.report.tables import interval_texts, wrapped
from segattr_lib.report.tables import intervals as interval_table
from segattr_lib.sections.in_domain import claims
from segattr_lib.sections.in_domain.claims import CLAIMS, NOISE
from segattr_lib.sections.in_domain.kinds import BAR, UNDER, clean_table, kinds_chart, kinds_table, read_kinds
from segattr_lib.sections.in_domain.orders import WAYS, Rows, above, agreements, beside_truth, by_way, mean_of_each

__all__ = [
    "CLAIMS",
    "Rows",
    "Runs",
    "Settings",
    "agreement_table",
    "claims_table",
    "clean_table",
    "facts",
    "kinds_chart",
    "kinds_table",
    "means_chart",
    "means_table",
    "read",
    "run",
    "truth_table",
]


@dataclass(frozen=True)
class Subject:
    """What is explained and judged: data set and model, the measure that orders its maps, and, on planted scenes, the
    metric that says how well a map finds the evidence."""

    title: str
    dataset: str
    model: str
    measure: str = "tdd"
    truth: str | None = None


SUBJECTS = {
    "photographs": Subject("photographs", "photographs", "voc_deeplabv3_mobilenetv2_half"),
    "scenes": Subject("generated scenes", "shapes", "shapes_lraspp"),
    "planted_own": Subject(
        "planted, evidence on the target",
        "planted_own",
        "planted_own_lraspp",
        truth="evidence_auc(role=badge)",
    ),
    "planted_context": Subject(
        "planted, evidence off the target",
        "planted_context",
        "planted_context_lraspp",
        measure="odd_abs",
        truth="evidence_auc(role=marker)",
    ),
}
PLANTED = {name: subject.truth for name, subject in SUBJECTS.items() if subject.truth}
USES = ("plain", "judged", "copy")  # the fields of Rows


class Settings(Page):
    """photo_*: data set, where it lies, split and number of samples of the photographs. least: images that a model
    scores lower are left out, by either of the two. level: of the intervals."""

    photo_dataset: str
    photo_root: str | None
    photo_split: str | None
    photo_samples: Annotated[int, Field(ge=1)] | None
    least: Annotated[float, Field(ge=0, le=1)] | None
    level: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _can_be_run(self) -> Settings:
        for name in ("k", "seed", "fill"):
            if len(getattr(self.run, name)) > 1:
                raise UserError(f"{name} is {getattr(self.run, name)}; this page compares judges, expected one value.")
        fill = self.run.evaluation_fills(None)[0]
        if fill not in UNDER:
            raise UserError(f"The fill is {fill!r}; copies were measured under {', '.join(UNDER)}: name one of these.")
        for name in SUBJECTS:
            for use in USES:
                self.of(name, use)
        return self

    def of(self, name: str, use: str) -> settings_.Settings:
        """The settings of one of the three runs (USES) of a subject. Raises UserError as read_settings does."""
        subject = SUBJECTS[name]
        metrics = [subject.measure, *([subject.truth] if subject.truth else [])]
        if use == "plain":
            metrics = [subject.measure, f"excess_{subject.measure}"]
        copy = IN_DOMAIN[subject.model]
        changes: dict[str, Any] = {
            "dataset": subject.dataset,
            "model": copy if use == "copy" else subject.model,
            "judge": copy if use == "judged" else None,
            "metrics": metrics,
        }
        if name == "photographs":
            changes |= {"dataset": self.photo_dataset, "root": self.photo_root, "split": self.photo_split}
            changes |= {"samples": self.photo_samples, "order": "listed"}
            if self.photo_dataset == "photographs":
                changes["region"] = "predicted"
        return self.run.changed(changes)


@dataclass(frozen=True)
class Runs:
    """What the page shows, by subject.

    images: how many are counted. tables: of orders.by_way. means: of orders.mean_of_each. taus: of orders.agreements.
    truth, nearer: of orders.beside_truth, of planted scenes alone. evidence: of claims.evidence_of. kinds: of
    kinds.read_kinds.
    """

    images: dict[str, int]
    tables: dict[str, dict[str, pd.DataFrame]]
    means: dict[str, pd.DataFrame]
    taus: dict[str, pd.DataFrame]
    truth: dict[str, pd.DataFrame]
    nearer: dict[str, pd.DataFrame]
    evidence: dict[str, pd.DataFrame]
    kinds: pd.DataFrame


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings; models and metrics the page decides, and methods None are the registry's of
    segmentation. Raises UserError as read_page does, and for several k,
    seeds or fills."""
    left_open = {"methods": methods_of("segmentation")} if parameters.get("methods") is None else {}
    return read_page(Settings, parameters, metrics=["tdd"], **left_open)


def run(settings: Settings) -> Runs:
    """Do or read the three runs of every subject, and compare the judges."""
    rows = {}
    for name in SUBJECTS:
        folders = {use: Path(f"{settings.results}-{name}-{use}") for use in USES}
        done = {use: read_samples(run_benchmark(settings.of(name, use), folders[use])) for use in USES}
        rows[name] = Rows(**done)
    return compared(rows, settings)


def compared(rows: Mapping[str, Rows], settings: Settings) -> Runs:
    """What the page shows of rows by subject, whether they were made now or recorded."""
    level, seed = settings.level, settings.run.seed[0]
    at = (settings.run.k[0], settings.run.evaluation_fills(None)[0], settings.least)
    tables = {name: by_way(some, SUBJECTS[name].measure, *at) for name, some in rows.items()}
    taus = {name: agreements(some, level, seed) for name, some in tables.items()}
    beside = {
        name: beside_truth(tables[name], rows[name], truth, level, seed)
        for name, truth in PLANTED.items()
        if name in rows
    }
    evidence = {}
    for name, some in tables.items():
        evidence[name] = claims.evidence_of(some, taus[name], level, seed)
        if name in beside:
            (nearer,) = beside[name][1].query("way == 'judged'")[["mean", "low", "high", "n"]].to_numpy(float)
            evidence[name].loc["in_domain_nearer_truth"] = nearer
    return Runs(
        images={name: len(some["plain"]) for name, some in tables.items()},
        tables=tables,
        means={name: mean_of_each(some, level, seed) for name, some in tables.items()},
        taus=taus,
        truth={name: tables_of[0] for name, tables_of in beside.items()},
        nearer={name: tables_of[1] for name, tables_of in beside.items()},
        evidence=evidence,
        kinds=read_kinds(SUBJECTS[name].model for name in rows),
    )


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """All that the page's prose quotes, as it is printed."""
    known = runs.kinds[runs.kinds["fill"] == settings.run.evaluation_fills(None)[0]]
    strange = known.loc[~known["known"], ["model", "kind"]].to_numpy()
    quoted: dict[str, Any] = {
        "fill": settings.run.evaluation_fills(None)[0],
        "k": settings.run.k[0],
        "least": "nothing" if settings.least is None else settings.least,
        "level": f"{settings.level:.0%}",
        "fewest": FEWEST,
        "bar": BAR,
        "kinds": len(known),
        "known": int(known["known"].sum()),
        "known_before": int(known["known_before"].sum()),
        "not_in_domain": "; ".join(f"{kind} under {model}" for model, kind in strange) or "none",
        "most_lost": f"{(known['clean_original'] - known['clean_copy']).max():.3f}",
    }
    for name, tables in runs.tables.items():
        quoted[f"images_{name}"] = runs.images[name]
        taus = runs.taus[name]
        for first, second, text in zip(taus["first"], taus["second"], interval_texts(taus, "value", 2), strict=True):
            quoted[f"tau_{name}_{first}_{second}"] = text
        for way, table in tables.items():
            ordered = table.mean().sort_values(ascending=False, kind="stable")
            quoted[f"first_{name}_{way}"] = key_label(str(ordered.index[0])) if len(table) else "–"
            if NOISE in table:
                quoted[f"above_noise_{name}_{way}"] = len(above(table, NOISE))
                quoted[f"noise_{name}_{way}"] = f"{table[NOISE].mean():.2f}"
    for name, table in runs.truth.items():
        for way, text in zip(table["way"], interval_texts(table, "mean", 2), strict=True):
            quoted[f"truth_{name}_{way}"] = text
        best = table.loc[table["mean"].idxmax(), "way"] if table["mean"].notna().any() else None
        quoted[f"nearest_{name}"] = WAYS[best] if best else "–"
        nearer = runs.nearer[name].set_index("way")
        quoted[f"nearer_{name}"] = interval_texts(nearer, "mean", 2)["judged"]
    return quoted


def means_chart(runs: Runs, name: str) -> Figure:
    """The methods' means of a subject, a panel a way of judging."""
    return charts.interval_dots(runs.means[name])


def means_table(runs: Runs, name: str) -> pd.DataFrame:
    """The same as text."""
    return interval_table(runs.means[name], "method", "panel", digits=2)


def agreement_table(runs: Runs) -> pd.DataFrame:
    """Kendall's tau between the orders of every two ways, a column a subject."""
    columns = {}
    for name, table in runs.taus.items():
        pairs = [f"{WAYS[first]} / {WAYS[second]}" for first, second in table[["first", "second"]].to_numpy()]
        columns[SUBJECTS[name].title] = interval_texts(table, "value", 2).set_axis(pairs)
    return pd.DataFrame(columns)


def truth_table(runs: Runs) -> pd.DataFrame:
    """Kendall's tau of an image's maps by each way with the planted truth, a column a subject."""
    columns = {}
    for name, table in runs.truth.items():
        columns[SUBJECTS[name].title] = interval_texts(table, "mean", 2).set_axis(table["way"].map(WAYS))
    return pd.DataFrame(columns).rename_axis(None)


def claims_table(runs: Runs) -> Any:
    """What the images of each subject decide of every claim."""
    table = claims.claims_table({SUBJECTS[name].title: rows for name, rows in runs.evidence.items()})
    return wrapped(table)
