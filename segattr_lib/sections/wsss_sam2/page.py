"""The page's settings and its run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

import pandas as pd
from pydantic import Field, field_validator, model_validator

from segattr_lib.attribution import methods_of
from segattr_lib.benchmark.runner import open_run
from segattr_lib.benchmark.settings import Settings as RunSettings
from segattr_lib.benchmark.store import read_samples
from segattr_lib.inference.comparison import compare
from segattr_lib.inference.coverage import simulated_coverage, standardised
from segattr_lib.metrics import metric_key, metrics_of
from segattr_lib.registry import make_key
from segattr_lib.report.labels import metric_label
from segattr_lib.report.page import Page, read_page
from segattr_lib.sections.wsss_sam2.recommendations import recommendations
from segattr_lib.sections.wsss_sam2.rows.cueing import ALONE, CEILING, FUSIONS, THRESHOLD, CueSettings
from segattr_lib.sections.wsss_sam2.rows.run import run_with_cues
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
SWEPT = ("coverage", "spill")  # along the threshold, and against a segmenter's mask
BARE = WITHOUT_BACKGROUND["weighted"]


class Settings(Page):
    """cueing: how maps become cues. controls: maps beside the explainers that are not fused. surrogate_samples: images
    that LIME and KernelSHAP look at. steps: of Integrated Gradients, and images that VarGrad looks at. thresholds: that
    coverage and spill are drawn along. pictured: the explainers that the panel shows, where they were run, on so many
    pictures. level: of the intervals."""

    cueing: CueSettings
    controls: tuple[str, ...] = ("random", "random_smooth")
    surrogate_samples: Annotated[int, Field(ge=1)] = 200
    steps: Annotated[int, Field(ge=1)] = 50
    thresholds: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    pictured: tuple[str, ...] = ()
    pictures: Annotated[int, Field(ge=1)] = 2
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95

    @field_validator("thresholds")
    @classmethod
    def _of_supports(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        for value in values:
            if not 0 < value <= 1:
                raise ValueError(f"thresholds has {value}; expected values in (0, 1], such as 0.5.")
        return values

    @model_validator(mode="after")
    def _one_run(self) -> Settings:
        if len(self.run.model) > 1 or len(self.run.seed) > 1:
            raise ValueError(
                f"model is {self.run.model} and seed {self.run.seed}; the page is of one model and one seed."
            )
        return self

    @property
    def seed(self) -> int:
        """Of the run, and of what is resampled."""
        return self.run.seed[0]

    @property
    def measures(self) -> dict[str, str]:
        """The metrics of interpretability, each at the threshold where it takes one, to what the page calls them."""
        return {text: metric_label(text) for text in map(self.measure, metrics_of("prompting"))}

    def measure(self, name: str) -> str:
        """A metric's text, at the page's threshold where it takes one."""
        takes = "threshold" in metric_key(name).entry.options
        return make_key(name, {"threshold": self.cueing.threshold} if takes else {}).text

    def method(self, name: str) -> str:
        """A method's text, with as many samples or steps as the page has for it."""
        looks = {"samples": self.surrogate_samples}
        options = {
            "lime": looks,
            "kernel_shap": looks,
            "integrated_gradients": {"steps": self.steps},
            "vargrad": {"samples": self.steps},
        }
        return make_key(name, options[name]).text if name in options else name


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings. Raises UserError for what cannot be, as read_page and CueSettings do."""
    values = dict(parameters)
    names = [field.name for field in fields(CueSettings)]
    cueing = CueSettings(**{name: values.pop(name) for name in names if name in values})
    methods = values.pop("methods", None) or methods_of("prompting")
    methods = [methods] if isinstance(methods, str) else methods
    page = read_page(Settings, {**values, "cueing": cueing}, methods=methods, metrics=metrics_of("prompting"))
    sweep = [make_key(name, {"threshold": value}).text for name in SWEPT for value in page.thresholds]
    of_run = {
        "methods": [*map(page.method, methods), *page.controls],
        "metrics": list(dict.fromkeys([*page.measures, *sweep])),
    }
    return page.model_copy(update={"run": page.run.changed(of_run)})


@dataclass(frozen=True)
class Runs:
    """The page's run, and the tables of it that both its facts and its cells read.

    run: as it was run, its layer named. raw: the rows; rows: the same, a mask that does not exist being worth 0.
    explainers: the keys of those that are fused. main: the segmenter that is assisted. assisted, plain, walked: IoU of
    its masks, of the maps' own supports and of the random walker's masks, images by ways. compared: the weighted
    fusion paired with every other way, by segmenter.
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


def run(settings: Settings) -> Runs:
    """Do or read the run; CAMs are explained at the deepest of the model's stages unless a layer is named."""
    of_run = settings.run
    if of_run.layer is None:
        model = open_run(of_run, classes=False).models[of_run.model[0]]
        of_run = of_run.changed({"layer": model.layers[-1]})
    return runs_of(settings, of_run, read_samples(run_with_cues(of_run, settings.cueing, settings.results)))


def runs_of(settings: Settings, of_run: RunSettings, raw: pd.DataFrame) -> Runs:
    """What the rows of a run come to."""
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
