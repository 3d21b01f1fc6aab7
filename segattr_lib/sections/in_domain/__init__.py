"""The page on judging in domain: what a judge says that has seen images with holes, beside one that has not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pandas as pd
from matplotlib.figure import Figure
from pydantic import Field, model_validator

from segattr_lib.benchmark import settings as settings_
from segattr_lib.evidence.basis import Basis, basis_of
from segattr_lib.inference.intervals import FEWEST, means
from segattr_lib.models import IN_DOMAIN
from segattr_lib.registry import UserError
from segattr_lib.report import charts
from segattr_lib.report.labels import key_label
from segattr_lib.report.page import Page, read_page, soon_explained
from segattr_lib.report.tables import interval_texts, wrapped
from segattr_lib.sections.in_domain import claims
from segattr_lib.sections.in_domain.claims import CLAIMS, NOISE
from segattr_lib.sections.in_domain.kinds import BAR, UNDER, clean_table, kinds_chart, kinds_table, read_kinds
from segattr_lib.sections.in_domain.orders import (
    PAIRS,
    WAYS,
    Rows,
    above,
    agreements,
    beside_truth,
    by_way,
    left_out,
    mean_of_each,
    place_of,
    without_controls,
)

if TYPE_CHECKING:
    from IPython.display import HTML

__all__ = [
    "CLAIMS",
    "Rows",
    "Runs",
    "Settings",
    "agreement_table",
    "basis_table",
    "claims_table",
    "clean_table",
    "facts",
    "kinds_chart",
    "kinds_table",
    "means_chart",
    "order_table",
    "read",
    "run",
    "truth_table",
]

METHODS = (  # those that every plain record has
    *("gpa", "ega", "ria", "dea", "adaptive_ria", "adaptive_dea"),
    *("random", "random_cells", "random_smooth_28", "random_smooth", "discs", "depth"),
)


@dataclass(frozen=True)
class Subject:
    """What is explained and judged: data set and model, in which order its samples are drawn, the measure that orders
    its maps, and, on planted scenes, the metric that says how well a map finds the evidence."""

    title: str
    dataset: str
    model: str
    order: Literal["listed", "shuffled"] = "listed"
    measure: str = "tdd"
    truth: str | None = None


SUBJECTS = {
    "photographs": Subject("photographs", "voc", "voc_deeplabv3_mobilenetv2_half"),
    "scenes": Subject("generated scenes", "shapes", "shapes_lraspp", order="shuffled"),
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
CLAIMED_OF = ("photographs", "scenes")  # the subjects that the ledger's claims are of
USES = {  # the fields of Rows: who is explained and who judges
    "plain": "the model judges itself",
    "judged": "its copy judges",
    "copy": "the copy judges itself",
}


class Settings(Page):
    """photo_*: data set, where it lies, split, region and number of samples of the photographs. least: images that a
    model scores lower are left out, by either of the two. level: of the intervals."""

    photo_dataset: str
    photo_root: str | None
    photo_split: str | None
    photo_region: Literal["truth", "predicted"] | None
    photo_samples: Annotated[int, Field(ge=1)] | None
    least: Annotated[float, Field(ge=0, le=1)] | None
    level: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _can_be_run(self) -> Settings:
        for name in ("k", "seed", "fill"):
            if len(getattr(self.run, name)) > 1:
                raise UserError(f"{name} is {getattr(self.run, name)}; this page compares judges, expected one value.")
        if self.fill not in UNDER:
            text = f"The fill is {self.fill!r}; copies were measured under {', '.join(UNDER)}: name one of these."
            raise UserError(text)
        for name in SUBJECTS:
            for use in USES:
                self.of(name, use)
        return self

    @property
    def fill(self) -> str:
        """The fill that judges."""
        return self.run.evaluation_fills(None)[0]

    def of(self, name: str, use: str) -> settings_.Settings:
        """The settings of one of the three runs (USES) of a subject. Raises UserError as read_settings does."""
        subject = SUBJECTS[name]
        metrics = [subject.measure, *([subject.truth] if subject.truth else [])]
        if use == "plain":
            metrics = [subject.measure, f"excess_{subject.measure}"]
        copy = IN_DOMAIN[subject.model]
        changes: dict[str, Any] = {
            "dataset": subject.dataset,
            "order": subject.order,
            "model": copy if use == "copy" else subject.model,
            "judge": copy if use == "judged" else None,
            "metrics": metrics,
        }
        if name == "photographs":
            own = ("dataset", "root", "split", "region", "samples")
            changes |= {field: getattr(self, f"photo_{field}") for field in own}
        return self.run.changed(changes)


@dataclass(frozen=True)
class Runs:
    """What the page shows, by subject.

    basis: of each of USES, what its rows stand on; of a run that was made by hand none. tables: of orders.by_way.
    means: of orders.mean_of_each. taus, taus_seeing: of orders.agreements, of all maps and of those that see the model.
    truth, nearer: of orders.beside_truth, of planted scenes alone. decisions: of claims.verdicts, of CLAIMED_OF alone.
    kinds: of kinds.read_kinds.
    """

    basis: dict[str, dict[str, Basis]]
    tables: dict[str, dict[str, pd.DataFrame]]
    means: dict[str, pd.DataFrame]
    taus: dict[str, pd.DataFrame]
    taus_seeing: dict[str, pd.DataFrame]
    truth: dict[str, pd.DataFrame]
    nearer: dict[str, pd.DataFrame]
    decisions: dict[str, pd.DataFrame]
    kinds: pd.DataFrame


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings; models and metrics the page decides, and methods None are METHODS. Raises UserError as
    read_page does, and for several k, seeds or fills."""
    left_open = {"methods": list(METHODS)} if parameters.get("methods") is None else {}
    return read_page(Settings, parameters, metrics=["tdd"], **left_open)


def run(settings: Settings) -> Runs:
    """Do or read the three runs of every subject, or take the records that they are of, and compare the judges."""
    asked = {name: {use: settings.of(name, use) for use in USES} for name in SUBJECTS}
    basis = {
        name: {
            use: basis_of(of_use, f"{settings.results}/{name}-{use}", checked=_checked(of_use))
            for use, of_use in uses.items()
        }
        for name, uses in asked.items()
    }
    rows = {name: Rows(**{use: each.rows for use, each in uses.items()}) for name, uses in basis.items()}
    return compared(rows, settings, basis)


def _checked(asked: settings_.Settings) -> dict[str, Any]:
    return {"samples": asked.samples, "methods": soon_explained(asked.methods)}


def compared(rows: Mapping[str, Rows], settings: Settings, basis: Mapping[str, dict[str, Basis]] | None = None) -> Runs:
    """What the page shows of rows by subject, whether they were made now or recorded."""
    level, seed = settings.level, settings.run.seed[0]
    k, fill = settings.run.k[0], settings.fill
    tables = {name: by_way(of, SUBJECTS[name].measure, k, fill, settings.least) for name, of in rows.items()}
    truths = {name: SUBJECTS[name].truth for name in rows}
    beside = {
        name: beside_truth(tables[name], rows[name], truth, level, seed) for name, truth in truths.items() if truth
    }
    kinds = read_kinds(SUBJECTS[name].model for name in rows)
    decisions = {}
    for name in [name for name in CLAIMED_OF if name in rows]:
        of_model = kinds[(kinds["model"] == SUBJECTS[name].model) & (kinds["kind"] == "pixels")]
        pixels = bool(of_model.set_index("fill").loc[fill, "known"])
        decisions[name] = claims.verdicts(rows[name].judged, SUBJECTS[name].measure, k, fill, pixels)
    return Runs(
        basis=dict(basis or {}),
        tables=tables,
        means={name: mean_of_each(own, level, seed) for name, own in tables.items()},
        taus={name: agreements(own, level, seed) for name, own in tables.items()},
        taus_seeing={name: agreements(without_controls(own), level, seed) for name, own in tables.items()},
        truth={name: both[0] for name, both in beside.items()},
        nearer={name: both[1] for name, both in beside.items()},
        decisions=decisions,
        kinds=kinds,
    )


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """All that the page's prose quotes, as it is printed."""
    images = {name: len(tables["plain"]) for name, tables in runs.tables.items()}
    few = [f"{SUBJECTS[name].title} ({count})" for name, count in images.items() if count < FEWEST]
    quoted: dict[str, Any] = {
        "fill": settings.fill,
        "k": settings.run.k[0],
        "least": "nothing" if settings.least is None else settings.least,
        "level": f"{settings.level:.0%}",
        "fewest": FEWEST,
        "few": "; ".join(few) or "none",
        "maps": len(settings.run.methods),
        **_of_kinds(runs.kinds, settings.fill),
        **{f"images_{name}": count for name, count in images.items()},
    }
    for name, tables in runs.tables.items():
        quoted |= _of_orders(name, tables, runs, settings)
    for name, table in runs.truth.items():
        quoted |= _of_truth(name, table, runs.nearer[name])
    return quoted


def _of_kinds(kinds: pd.DataFrame, fill: str) -> dict[str, Any]:
    """How many kinds of deletion originals and copies know under the fill, and what tuning costs."""
    known = kinds[kinds["fill"] == fill]
    strange = known.loc[~known["known"], ["model", "kind"]].to_numpy()
    return {
        "bar": BAR,
        "kinds": len(known),
        "known": int(known["known"].sum()),
        "known_before": int(known["known_before"].sum()),
        "not_in_domain": "; ".join(f"{kind} under {model}" for model, kind in strange) or "none",
        "most_lost": f"{(known['clean_original'] - known['clean_copy']).max():.3f}",
    }


def _of_orders(name: str, tables: Mapping[str, pd.DataFrame], runs: Runs, settings: Settings) -> dict[str, Any]:
    """How far the orders of a subject agree, which map is first in each, and where pixel noise stands."""
    missing = left_out([key.text for key in settings.run.methods], tables)
    of_all, of_seeing = (interval_texts(taus, "value", 2) for taus in (runs.taus[name], runs.taus_seeing[name]))
    quoted: dict[str, Any] = {
        f"left_out_{name}": ", ".join(map(key_label, missing)) or "none",
        **{f"tau_{name}_{first}_{second}": text for (first, second), text in zip(PAIRS, of_all, strict=True)},
        **{f"tau_seeing_{name}_{first}_{second}": text for (first, second), text in zip(PAIRS, of_seeing, strict=True)},
    }
    for way, table in tables.items():
        ordered = table.mean().sort_values(ascending=False, kind="stable")
        quoted[f"first_{name}_{way}"] = key_label(str(ordered.index[0])) if len(table) else "–"
        if NOISE in table and len(table):
            quoted[f"above_noise_{name}_{way}"] = len(above(table, NOISE))
            quoted[f"noise_{name}_{way}"] = f"{table[NOISE].mean():.2f}"
            quoted[f"noise_place_{name}_{way}"] = f"number {place_of(table, NOISE)} of {table.shape[1]}"
    if NOISE in tables["plain"]:
        less = means((tables["plain"] - tables["judged"])[[NOISE]], settings.level, settings.run.seed[0])
        quoted[f"noise_loses_{name}"] = interval_texts(less, "mean", 2).iloc[0]
    return quoted


def _of_truth(name: str, taus: pd.DataFrame, nearer: pd.DataFrame) -> dict[str, Any]:
    """How each way's order of an image's maps agrees with the planted truth's, and which does most: undecided where its
    lead over the plain way, or the plain way's over another, has an interval that holds 0, or none."""
    best = taus.loc[taus["mean"].idxmax(), "way"] if taus["mean"].notna().any() else None
    ends = nearer.set_index("way")
    apart = (ends["high"] < 0).all() if best == "plain" else best is not None and ends.loc[best, "low"] > 0
    most = "–" if best is None else WAYS[best] + ("" if apart else " (undecided)")
    texts = zip(taus["way"], interval_texts(taus, "mean", 2), strict=True)
    less = zip(nearer["way"], interval_texts(nearer, "mean", 2), strict=True)
    return {
        f"nearest_{name}": most,
        **{f"truth_{name}_{way}": text for way, text in texts},
        **{f"nearer_{name}_{way}": text for way, text in less},
    }


def basis_table(runs: Runs) -> HTML:
    """Where the rows of every run are from, and what came of computing some of them again."""
    rows = [
        {"of": SUBJECTS[name].title, "judge": USES[use], "from": each.text().replace("`", "")}
        for name, uses in runs.basis.items()
        for use, each in uses.items()
    ]
    return wrapped(pd.DataFrame(rows, columns=["of", "judge", "from"]), index=False)


def means_chart(runs: Runs, name: str) -> Figure:
    """The methods' means of a subject, a panel a way of judging."""
    return charts.interval_dots(runs.means[name])


def order_table(runs: Runs, name: str) -> HTML:
    """The methods of a subject in the order of the model's own judgement: by each way the place, and the mean with its
    interval."""
    columns = {}
    for title, rows in runs.means[name].groupby("panel", sort=False):
        places = rows["mean"].rank(ascending=False, method="min")
        texts = interval_texts(rows, "mean", 2)
        shown = [f"{place:.0f}: {text}" for place, text in zip(places, texts, strict=True)]
        columns[str(title)] = pd.Series(shown, rows["method"])
    first = runs.means[name][runs.means[name]["panel"] == WAYS["plain"]]
    ordered = first.sort_values("mean", ascending=False, kind="stable")["method"]
    return wrapped(pd.DataFrame(columns).loc[ordered].rename(index=key_label).rename_axis(None))


def agreement_table(runs: Runs) -> HTML:
    """Kendall's tau between the orders of every two ways, a column a subject: of all maps, and of those that see the
    model."""
    blocks = {}
    for title, taus in (("all maps", runs.taus), ("without controls", runs.taus_seeing)):
        columns = {}
        for name, table in taus.items():
            pairs = [f"{WAYS[first]} / {WAYS[second]}" for first, second in table[["first", "second"]].to_numpy()]
            columns[SUBJECTS[name].title] = interval_texts(table, "value", 2).set_axis(pairs)
        blocks[title] = pd.DataFrame(columns)
    return wrapped(pd.concat(blocks))


def truth_table(runs: Runs) -> HTML:
    """Of each way Kendall's tau of an image's maps with the planted truth, and that less the plain way's, two columns a
    subject."""
    columns = {}
    for name, table in runs.truth.items():
        less = runs.nearer[name]
        for title, taus in (("tau with the truth", table), ("less the model's own", less)):
            columns[SUBJECTS[name].title, title] = interval_texts(taus, "mean", 2).set_axis(taus["way"].map(WAYS))
    return wrapped(pd.DataFrame(columns).reindex(list(WAYS.values())).fillna("–").rename_axis(None))


def claims_table(runs: Runs) -> HTML:
    """What the images of each subject decide of every claim."""
    return wrapped(claims.claims_table({SUBJECTS[name].title: rows for name, rows in runs.decisions.items()}))
