"""The page's run, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from segattr_lib.benchmark.runner import open_run
from segattr_lib.benchmark.settings import Settings as RunSettings
from segattr_lib.benchmark.store import read_samples
from segattr_lib.inference.comparison import compare
from segattr_lib.inference.coverage import simulated_coverage, standardised
from segattr_lib.registry import make_key
from segattr_lib.report.classifiers import answers_of
from segattr_lib.report.labels import metric_label
from segattr_lib.sections.wsss_sam2.opening import CuedPhotographs, cued_photographs
from segattr_lib.sections.wsss_sam2.recommendations import recommendations
from segattr_lib.sections.wsss_sam2.rows.cueing import ALONE, CEILING, FUSIONS, THRESHOLD
from segattr_lib.sections.wsss_sam2.rows.run import run_with_cues
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
class Runs:
    """The page's run, and the tables of it that both its facts and its cells read.

    run: as it was run, its layer named. raw: the rows; rows: the same, a mask that does not exist being worth 0.
    explainers: the keys of those that are fused. main: the segmenter that is assisted. assisted, plain, walked: IoU of
    its masks, of the maps' own supports and of the random walker's masks, images by ways. compared: the weighted
    fusion paired with every other way, by segmenter. photographs: that the page opens with.
    answers: what the model names on each image that it was asked about.
    """

    run: RunSettings
    raw: pd.DataFrame
    rows: pd.DataFrame
    explainers: list[str]
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
    photographs: CuedPhotographs
    answers: pd.DataFrame


def run(settings: Settings) -> Runs:
    """Do or read the run; CAMs are explained at the deepest of the model's stages unless a layer is named."""
    of_run = settings.run
    if of_run.layer is None:
        model = open_run(of_run, classes=False).models[of_run.model[0]]
        of_run = of_run.changed({"layer": model.layers[-1]})
    raw = read_samples(run_with_cues(of_run, settings.cueing, settings.results))
    return runs_of(settings, of_run, raw, cued_photographs(settings), answers_of(of_run, raw))


def runs_of(
    settings: Settings, of_run: RunSettings, raw: pd.DataFrame, photographs: CuedPhotographs, answers: pd.DataFrame
) -> Runs:
    """What the rows of a run come to; photographs: that the page opens with; answers: of the model."""
    segmenters, level, seed = settings.cueing.segmenters, settings.level, settings.seed
    rows = settled(raw)
    explainers, main = explainers_of(rows), assisted(segmenters)
    table, plain, walked = masks(rows, main), masks(rows, THRESHOLD), control(rows, segmenters)
    controls = [way for way in table if way in settings.controls]
    rivals = [*explainers, "mean", BARE, BOXED, *controls, *ALONE, *CEILING]
    pairs = [("weighted", way) for way in rivals if way in table]
    sides = [(main, table), (WALKER, walked)]
    cued = [*explainers, *FUSIONS, *WITHOUT_BACKGROUND.values()]
    return Runs(
        run=of_run,
        raw=raw,
        rows=rows,
        explainers=explainers,
        main=main,
        assisted=table,
        plain=plain,
        walked=walked,
        proxies=summary(rows, against(segmenters), level, seed),
        reliability=summary(rows, {name: name for name in RELIABILITY}, level, seed),
        utility=utility(rows, segmenters, level, seed),
        compared={
            name: compare(side, pairs, "iou", level, seed) for name, side in sides if side.notna().any(axis=None)
        },
        coverage=simulated_coverage(standardised([table[[*explainers, *FUSIONS]]]), seed=seed, level=level),
        shares=prior_shares(plain, walked, table, cued, level, seed),
        checks=recommendations(rows, segmenters, held_apart(settings), level, seed),
        photographs=photographs,
        answers=answers,
    )


def against(segmenters: list[str] | tuple[str, ...]) -> dict[str, str]:
    """Coverage and spill where a segmenter's mask stands for the truth, to what the page calls them."""
    return {
        make_key(name, {"against": segmenter}).text: f"{metric_label(name)}, {segmenter}"
        for name in SWEPT
        for segmenter in segmenters
    }


def held_apart(settings: Settings) -> list[str]:
    """The metrics of interpretability whose ranking is held against that by utility."""
    return [settings.measure("coverage"), settings.measure("effectiveness")]
