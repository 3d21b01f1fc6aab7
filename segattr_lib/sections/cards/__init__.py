"""One card a metric: what it measures, and what it is to be trusted for, computed from the records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml
from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from segattr_lib.benchmark.settings import Settings as Run
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.benchmark.statistics import ROBUST_FLOOR
from segattr_lib.evidence.plans import images_of
from segattr_lib.evidence.records import Record, read_record, recorded, records_folder
from segattr_lib.inference.verdicts import LEVEL
from segattr_lib.metrics import metric_key
from segattr_lib.registry import UserError, unknown
from segattr_lib.report import charts
from segattr_lib.report.labels import key_label, metric_label
from segattr_lib.report.tables import interval, wrapped
from segattr_lib.sections.cards import gaming, measures, trust
from segattr_lib.sections.cards.trust import Answer, Measured

if TYPE_CHECKING:
    from IPython.display import HTML

CLAIMS: tuple[str, ...] = ()  # no paper claims what a card holds
SEGMENTERS, CLASSIFIERS = "segmenters", "classifiers"
HEADLINES = {SEGMENTERS: ("photographs", "scenes"), CLASSIFIERS: ("classifier", "single_shapes")}
METRICS = {
    SEGMENTERS: ("tdd", "odd_abs", "leak_abs", "insertion", "stability", "excess_tdd"),
    CLASSIFIERS: ("average_drop", "complexity", "coherency", "adcc", "road", "arcc"),
}
MANY_SETTINGS = (
    "photographs_224_truth",
    "photographs_224_predicted",
    "photographs_321_truth",
    "photographs_321_predicted",
    "scenes_many",
)
OWN, CONTEXT, SHAPES = "planted_own", "planted_context", "single_shapes"
GAMED = {SEGMENTERS: "gamed_segmenters", CLASSIFIERS: "gamed_classifiers"}  # records of what gaming gains
CONTROL = {SEGMENTERS: "random_cells", CLASSIFIERS: "random"}  # what is drawn again and again to game a metric
PROBE = {SEGMENTERS: "ega", CLASSIFIERS: "gradcam_plus_plus"}  # whose map a metric's passes are counted on
COMPARED = {  # methods that random maps chosen by a metric are held against, on the same images
    SEGMENTERS: ("gpa", "ega", "ria", "dea"),
    CLASSIFIERS: ("gradcam_plus_plus", "layercam", "input_x_gradient"),
}
LEVELS = {"random": "Random maps", "other": "Other maps that know nothing", "method": "Methods"}
MARKS = {True: "✓", False: "✗", None: "–"}

__all__ = ["CLAIMS", "Runs", "Settings", "card", "facts", "levels_dots", "read", "run", "trust_table"]


class Settings(BaseModel):
    """evidence: the folder of the records. What is computed with the page, to count passes, and to game the metrics
    where that is not recorded (gamed_segmenters, gamed_classifiers): the data and model of
    segmenters and of classifiers, how many of their samples (all where None), the side of the images in px, the
    random maps of each image (draws), and every how many draws of the null (null_every)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    evidence: str
    segmenter_dataset: str
    segmenter_model: str
    segmenter_samples: int | None = Field(ge=1)
    classifier_dataset: str
    classifier_model: str
    classifier_samples: int | None = Field(ge=1)
    image_size: int = Field(ge=32)
    draws: int = Field(ge=2)
    null_every: int = Field(ge=1)

    def game(self, kind: str) -> Run:
        """The settings under which the metrics of segmenters, or of classifiers, are gamed."""
        segments = kind == SEGMENTERS
        return read_settings(
            {
                "dataset": self.segmenter_dataset if segments else self.classifier_dataset,
                "model": self.segmenter_model if segments else self.classifier_model,
                "samples": self.segmenter_samples if segments else self.classifier_samples,
                "image_size": self.image_size,
                "methods": [CONTROL[kind]],
                "metrics": list(METRICS[kind]),
                "k": measures.K,
                "evaluation_fill": measures.FILL,
                "null_every": self.null_every,
            }
        )


@dataclass(frozen=True)
class Runs:
    """records: those that are there, by name. measured: what the answers are computed from, by metric and record.
    games: of gaming.gamed, by kind of model."""

    records: dict[str, Record]
    measured: dict[tuple[str, str], Measured]
    games: dict[str, gaming.Gamed]

    @cached_property
    def answers(self) -> dict[tuple[str, str], list[Answer]]:
        """What each metric is to be trusted for, by metric and record."""
        return {place: trust.answers(measured) for place, measured in self.measured.items()}

    def of(self, metric: str) -> list[str]:
        """The headline records that have the metric, photographs first."""
        return [record for name, record in self.measured if name == metric]


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings. Raises UserError for another parameter, for a value that is not of its kind, and for a
    folder that is not there."""
    for name in parameters:
        if name not in Settings.model_fields:
            raise unknown("parameter", name, Settings.model_fields)
    try:
        settings = Settings(**parameters)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise UserError(f"{name} is {first['input']!r}: {first['msg'].lower()}.") from error
    records_folder(settings.evidence)
    return settings


def run(settings: Settings) -> Runs:
    """Read the records, game the metrics that they have, and measure all that the cards hold."""
    folder = Path(settings.evidence)
    wanted = {*MANY_SETTINGS, *GAMED.values(), OWN, CONTEXT, *(name for names in HEADLINES.values() for name in names)}
    records = {name: read_record(name, folder) for name in recorded(folder) if name in wanted}
    games = {
        kind: _game(settings, kind, records.get(GAMED[kind]))
        for kind, names in HEADLINES.items()
        if any(name in records for name in names)
    }
    truth = measures.with_truth(records[SHAPES]) if SHAPES in records else None
    measured = {}
    for kind, names in HEADLINES.items():
        for metric in METRICS[kind]:
            for name in names:
                if name in records:
                    made = _measured(records, name, metric, games[kind], truth)
                    if len(made.where):
                        measured[metric, name] = made
    return Runs(records, measured, games)


def _game(settings: Settings, kind: str, record: Record | None) -> gaming.Gamed:
    """What came of gaming the metrics of a kind of model: as it was recorded, where it was; passes are counted here."""
    run = settings.game(kind)
    if record is None:
        return gaming.gamed(run, settings.draws, CONTROL[kind], PROBE[kind], COMPARED[kind])
    seen = gaming.scored(run)
    return gaming.of_record(record, gaming.cost(run, seen[0], PROBE[kind]) if seen else {}, PROBE[kind])


def _measured(
    records: Mapping[str, Record], name: str, metric: str, game: gaming.Gamed, truth: pd.DataFrame | None
) -> Measured:
    """All that the answers about a metric on the data of one record are computed from."""
    record = records[name]
    where = measures.levels(record, metric)
    own, context = records.get(OWN), records.get(CONTEXT)
    planted, planted_blind = None, None
    if own is not None and context is not None:
        planted = measures.planted(own, context, metric)
        planted_blind = measures.planted(own, context, metric, [CONTROL[SEGMENTERS]])
    among = [other for other in MANY_SETTINGS if other in records and images_of(other) == images_of(name)]
    options = metric_key(metric).entry.options
    return Measured(
        where=where,
        lead=measures.lead(record, metric, where),
        planted=planted,
        planted_blind=planted_blind,
        truth=None if truth is None else truth[truth["metric"] == metric],
        taus=measures.setting_taus([records[other] for other in among], metric),
        sets=bool({"k", "fill"} & options),
        again=measures.explains_again(metric),
        faults=measures.faults(record, metric),
        shift=measures.shift(record, metric),
        gain=gaming.gain(game.chosen, metric),
        reached=gaming.reached(game.chosen, metric),
        best=gaming.best_method(game.methods, metric),
        draws=game.draws,
        direction=metric_key(metric).entry.direction,
    )


def facts(runs: Runs) -> dict[str, Any]:
    """All that the page's prose quotes."""
    metrics = [name for names in METRICS.values() for name in names]
    expected = [*(name for names in HEADLINES.values() for name in names), OWN, CONTEXT, *MANY_SETTINGS]
    made: dict[str, Any] = {
        "metrics": len({metric for metric, _ in runs.measured}),
        "without": _names([metric for metric in metrics if not runs.of(metric)]),
        "absent": ", ".join(name for name in expected if name not in runs.records) or "none",
        "well": ROBUST_FLOOR,
        "level": f"{LEVEL:.0%}",
        "k": measures.K,
        "fill": measures.FILL,
        "flat": trust.FLAT,
        "ordered": trust.ORDERED,
        "lost": f"{trust.LOST:.0%}",
        "draws": next((game.draws for game in runs.games.values()), 0),
        "basis": ", ".join(dict.fromkeys(runs.of(metric)[0] for metric in metrics if runs.of(metric))) or "none",
    }
    for kind in HEADLINES:
        game = runs.games.get(kind)
        made[f"{kind}_gamed"] = 0 if game is None else len(game.images)
    for use in trust.USES:
        for trusted, word in ((True, "for"), (False, "not"), (None, "unknown")):
            made[f"{word}_{use}"] = _names(
                [metric for metric in metrics if runs.of(metric) and _answer(runs, metric, use).trusted is trusted]
            )
    return made


def card(runs: Runs, metric: str) -> HTML:
    """The card of a metric; where no record has it yet, a sentence that says so."""
    from IPython.display import HTML

    kind = _kind(metric)
    label = metric_key(metric).entry.label
    records = runs.of(metric)
    if not records:
        waited = " or ".join(HEADLINES[kind])
        return HTML(f"<p>{escape(label)}: no record has it yet ({escape(waited)}).</p>")
    rows = [*_registered(runs, metric), *_recorded(runs, metric), *_trusted(runs, metric)]
    cells = "".join(f"<tr><th>{escape(title)}</th><td>{text}</td></tr>" for title, text in rows)
    return HTML(
        f'<table class="wrap" border="0"><caption><b>{escape(label)}</b></caption><tbody>{cells}</tbody></table>'
    )


def trust_table(runs: Runs) -> HTML:
    """Every metric and kind of data: may it be used so? ✓ yes, ✗ no, – not known."""
    rows = {
        (metric_label(metric), record): {trust.USES[each.use]: MARKS[each.trusted] for each in answers}
        for (metric, record), answers in runs.answers.items()
    }
    return wrapped(pd.DataFrame.from_dict(rows, orient="index", columns=list(trust.USES.values())))


def levels_dots(runs: Runs, metrics: list[str]) -> Figure:
    """Where methods and maps that know nothing lie under some metrics, a panel each, on the first record that has it.

    Raises UserError where none of them is recorded.
    """
    there = [metric for metric in metrics if runs.of(metric)]
    if not there:
        raise UserError(f"None of {', '.join(metrics)} is recorded; there is nothing to draw.")
    panels = []
    for metric in there:
        where = runs.measured[metric, runs.of(metric)[0]].where
        panels.append(where.assign(panel=metric_label(metric)))
    return charts.interval_dots(pd.concat(panels))


def _kind(metric: str) -> str:
    """What models the metric is of."""
    for kind, names in METRICS.items():
        if metric in names:
            return kind
    raise unknown("metric with a card", metric, [name for names in METRICS.values() for name in names])


def said() -> dict[str, dict[str, str]]:
    """What each metric is said to measure ("says"), and by whom ("by"), of the file said.yaml."""
    return yaml.safe_load(files(__package__).joinpath("said.yaml").read_text(encoding="utf-8"))


def _names(metrics: list[str]) -> str:
    return ", ".join(metric_key(metric).entry.label for metric in metrics) or "none"


def _answer(runs: Runs, metric: str, use: str) -> Answer:
    """The answer on the first record that has the metric: on photographs where there are any."""
    (answer,) = [each for each in runs.answers[metric, runs.of(metric)[0]] if each.use == use]
    return answer


def _registered(runs: Runs, metric: str) -> list[tuple[str, str]]:
    """What is known of a metric without measuring it, and what one value costs."""
    words = said()[metric]
    entry = metric_key(metric).entry
    better = {1: "higher is better", -1: "lower is better", 0: "neither end is better"}[entry.direction]
    ends = " to ".join({float("inf"): "∞", float("-inf"): "−∞"}.get(end, f"{end:g}") for end in entry.range)
    ranked = "; methods are ranked by its median" if entry.ranked_by == "median" else ""
    game = runs.games[_kind(metric)]
    passes = game.passes.get(metric)
    cost = "not measured" if passes is None else f"{passes} pass{'' if passes == 1 else 'es'} a map, beside its own"
    if "null" in entry.options:
        cost += ", all maps of an image sharing those of the blind selections"
    return [
        ("Said to measure", f"{escape(words['says'])} ({escape(words['by'])})"),
        ("Reads", f"{better}, {ends}{ranked}"),
        ("Costs", f"{cost} (counted on a map of {escape(key_label(game.probe))})"),
    ]


def _recorded(runs: Runs, metric: str) -> list[tuple[str, str]]:
    """What was measured, with the data it was measured on."""
    rows = []
    for name in runs.of(metric):
        where = runs.measured[metric, name].where
        for kind, title in LEVELS.items():
            texts = [
                f"{escape(key_label(row['method']))} {interval(row['mean'], row['low'], row['high'], n=row['n'])}"
                for row in where[where["kind"] == kind].to_dict("records")
            ]
            rows.append((f"{title}, {name}", "; ".join(texts) or "–"))
    game = runs.games[_kind(metric)]
    measured = runs.measured[metric, runs.of(metric)[0]]
    gained = (
        "not gamed"
        if pd.isna(measured.gain)
        else (
            f"the best of {game.draws} maps of {escape(key_label(game.control))} is better than their mean by "
            f"{interval(measured.gain, *gaming.gain_interval(game.chosen, metric, LEVEL))}, on {len(game.images)} "
            f"image{'' if len(game.images) == 1 else 's'}"
        )
    )
    return [*rows, ("Gamed", gained)]


def _trusted(runs: Runs, metric: str) -> list[tuple[str, str]]:
    """What to trust it for and what not, by the first record; then what the others answer otherwise."""
    first, *others = runs.of(metric)
    answers = runs.answers[metric, first]
    rows = []
    for trusted, title in ((True, "Trust it for"), (False, "Do not trust it for"), (None, "Not known")):
        rows.append((title, _listed([each for each in answers if each.trusted is trusted])))
    for other in others:
        unlike = [
            theirs
            for ours, theirs in zip(answers, runs.answers[metric, other], strict=True)
            if theirs.trusted is not None and theirs.trusted != ours.trusted
        ]
        for trusted, word in ((True, "trust it for"), (False, "do not trust it for")):
            texts = [each for each in unlike if each.trusted is trusted]
            if texts:
                rows.append((f"On {other}, {word}", _listed(texts)))
    return rows


def _listed(answers: list[Answer]) -> str:
    if not answers:
        return "–"
    return "<br>".join(f"<b>{trust.USES[each.use]}</b>: {escape(each.because)}" for each in answers)
