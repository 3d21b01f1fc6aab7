"""The page's runs, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from segattr_lib.benchmark.runner import open_run
from segattr_lib.benchmark.settings import Settings as RunSettings
from segattr_lib.evidence.basis import Basis, basis_of, recorded_basis
from segattr_lib.evidence.records import Record, read_record, recorded
from segattr_lib.inference.comparison import HOLDS, compare
from segattr_lib.inference.coverage import simulated_coverage, standardised
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.models.loading import load_model
from segattr_lib.registry import make_key
from segattr_lib.report.classifiers import recognised_text
from segattr_lib.report.labels import metric_label
from segattr_lib.sections.wsss_sam2.opening import OF_SCENES, CuedPhotographs, cued_photographs
from segattr_lib.sections.wsss_sam2.recommendations import VIOLATED, recommendations
from segattr_lib.sections.wsss_sam2.rows.cueing import ALONE, CEILING, FUSIONS, THRESHOLD
from segattr_lib.sections.wsss_sam2.rows.run import question_of, with_robustness
from segattr_lib.sections.wsss_sam2.settings import SWEPT, Settings
from segattr_lib.sections.wsss_sam2.tables import prior_shares, summary, utility
from segattr_lib.sections.wsss_sam2.ways import (
    BOXED,
    WALKER,
    WITHOUT_BACKGROUND,
    assisted,
    control,
    explainers_of,
    masks,
    settled,
)

RELIABILITY = ("consensus", "focus", "robustness", "weight")
BARE = WITHOUT_BACKGROUND["weighted"]


@dataclass(frozen=True)
class Side:
    """One run, on photographs or on generated scenes, and the tables of it that both its facts and its cells read.

    page: the settings that are its own, those of its run among them, its layer named. source: where its rows are from.
    accuracy: how often the classifier names the images' class. raw: the rows; rows: the same, a mask that does not
    exist being worth 0. explainers: the keys of those that are fused. segmenters: those whose masks are counted; main:
    the one that is assisted. assisted, plain, walked: IoU of its masks, of the maps' own supports and of the random
    walker's masks, images by ways. compared: the weighted fusion paired with every other way, by segmenter.
    """

    page: Settings
    source: str
    accuracy: str
    raw: pd.DataFrame
    rows: pd.DataFrame
    explainers: list[str]
    segmenters: list[str]
    main: str
    assisted: pd.DataFrame
    plain: pd.DataFrame
    walked: pd.DataFrame
    proxies: pd.DataFrame
    reliability: pd.DataFrame
    utility: pd.DataFrame
    compared: dict[str, pd.DataFrame]
    coverage: pd.DataFrame
    shares: pd.DataFrame
    checks: pd.DataFrame

    @property
    def run(self) -> RunSettings:
        """The settings of its run."""
        return self.page.run


@dataclass(frozen=True)
class Runs:
    """photographs: many of them, None where they are neither recorded nor at hand. scenes: the page's own run, or the
    record that it is of. opening: the photographs that the page opens with."""

    photographs: Side | None
    scenes: Side
    opening: CuedPhotographs

    @property
    def first(self) -> Side:
        """What the page is told from: photographs, where there are enough of them for an interval."""
        many = self.photographs
        return many if many is not None and len(many.assisted) >= FEWEST else self.scenes

    @property
    def second(self) -> Side | None:
        """What stands beside it."""
        return self.photographs if self.first is self.scenes else self.scenes


def run(settings: Settings) -> Runs:
    """Do or read the page's run, or take the record that it is of; CAMs are explained at the deepest of the model's
    stages unless a layer is named."""
    if settings.run.layer is None:
        model = open_run(settings.run, classes=False).models[settings.run.model[0]]
        settings = _at(settings, model.layers[-1])
    own = _asked(settings.as_recorded())
    question, checked = question_of(own.run, own.cueing), {"samples": settings.checked}
    basis = recorded_basis(own.run, f"{settings.results}-checked", question, checked=checked)
    if basis is None:
        own = _asked(settings)
        basis = basis_of(own.run, settings.results, question_of(own.run, own.cueing))
    return Runs(on_photographs(settings), side_of(own, basis, own.cueing.segmenters), cued_photographs(settings))


def on_photographs(settings: Settings) -> Side | None:
    """Many photographs: as they are recorded, or as they lie at the root that the parameters name. A segmenter that
    knows generated scenes alone is no judge of them, and stands beside the others."""
    own = settings.many()
    shape = (own.run.image_size, own.run.image_size)
    own = _asked(_at(own, load_model(own.run.model[0], shape=shape, kind="classifier").layers[-1]))
    take = recorded_basis if own.run.root is None else basis_of
    question, checked = question_of(own.run, own.cueing), {"samples": settings.checked}
    basis = take(own.run, f"{settings.results}-many", question, checked=checked)
    if basis is None:
        return None
    in_domain = [name for name in own.cueing.segmenters if name != OF_SCENES]
    return side_of(own, basis, in_domain or own.cueing.segmenters)


def foreign_record(settings: Settings) -> Record | None:
    """The record of images for whose class the classifier has no name; None where it is not recorded here."""
    return read_record(settings.foreign) if settings.foreign in recorded() else None


def _at(settings: Settings, layer: str) -> Settings:
    return settings.model_copy(update={"run": settings.run.changed({"layer": layer})})


def _asked(settings: Settings) -> Settings:
    """With the metric of robustness among those of the run."""
    return settings.model_copy(update={"run": with_robustness(settings.run, settings.cueing)})


def side_of(settings: Settings, basis: Basis, segmenters: Sequence[str]) -> Side:
    """What the rows of the run of these settings come to, assisting one of these segmenters."""
    accuracy = recognised_text(settings.run, basis, settings.level)
    return tables_of(settings, basis.rows, segmenters, basis.text(), accuracy)


def tables_of(settings: Settings, raw: pd.DataFrame, segmenters: Sequence[str], source: str, accuracy: str) -> Side:
    """The same of rows, wherever they are from."""
    level, seed, everyone = settings.level, settings.seed, settings.cueing.segmenters
    rows = settled(raw)
    explainers, main = explainers_of(rows), assisted(segmenters)
    table, plain, walked = masks(rows, main), masks(rows, THRESHOLD), control(rows, segmenters)
    controls = [way for way in table if way in settings.controls]
    rivals = [*explainers, "mean", BARE, BOXED, *controls, *ALONE, *CEILING]
    pairs = [("weighted", way) for way in rivals if way in table]
    sides = [(main, table), (WALKER, walked)]
    cued = [*explainers, *FUSIONS, *WITHOUT_BACKGROUND.values()]
    return Side(
        page=settings,
        source=source,
        accuracy=accuracy,
        raw=raw,
        rows=rows,
        explainers=explainers,
        segmenters=list(segmenters),
        main=main,
        assisted=table,
        plain=plain,
        walked=walked,
        proxies=summary(rows, against(everyone), level, seed),
        reliability=summary(rows, {name: name for name in RELIABILITY}, level, seed),
        utility=utility(rows, everyone, level, seed),
        compared={
            name: compare(side, pairs, "iou", level, seed) for name, side in sides if side.notna().any(axis=None)
        },
        coverage=simulated_coverage(standardised([table[[*explainers, *FUSIONS]]]), seed=seed, level=level),
        shares=prior_shares(plain, walked, table, cued, level, seed),
        checks=recommendations(rows, segmenters, held_apart(settings), level, seed),
    )


def contrary(runs: Runs) -> str:
    """The checks that photographs and generated scenes decide to the contrary, as text."""
    if runs.second is None:
        return "none"
    first, second = (side.checks.set_index("id")["verdict"] for side in (runs.first, runs.second))
    names = [name for name in first.index if {first[name], second.get(name)} == {HOLDS, VIOLATED}]
    return "; ".join(runs.first.checks.set_index("id")["check"][names]) or "none"


def against(segmenters: Sequence[str]) -> dict[str, str]:
    """Coverage and spill where a segmenter's mask stands for the truth, to what the page calls them."""
    return {
        make_key(name, {"against": segmenter}).text: f"{metric_label(name)}, {segmenter}"
        for name in SWEPT
        for segmenter in segmenters
    }


def held_apart(settings: Settings) -> list[str]:
    """The metrics of interpretability whose ranking is held against that by utility."""
    return [settings.measure("coverage"), settings.measure("effectiveness")]
