"""What the page can be told, checked before any work begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import pandas as pd
from pydantic import Field, model_validator

from segattr_lib.benchmark import settings as settings_
from segattr_lib.registry import UserError
from segattr_lib.report.page import Page, read_page
from segattr_lib.sections.dea_mechanism.sweeps import one_at_a_time, over_layers, over_scalars

MAPS = ("gpa", "ega", "ria", "interaction", "dea")
BLIND = "random"  # whose mass lies where the pixels lie
MEASURES = ("tdd", "odd_abs", "excess_tdd")
SINGLE = ("model", "seed", "k", "fill")


class Settings(Page):
    """alphas, betas, grids: of the sweeps, the run's own beside. cases: how many of success, and as many of failure,
    unless sample_ids names some. level: of the intervals. checked: samples that are computed again where a record
    stands. photo_*: data set, model and number of cases of the pictures that the page opens with. many_*: data set,
    model and number of samples of the photographs that are counted over."""

    alphas: list[float | int]
    betas: list[float | int]
    grids: list[int]
    cases: int = Field(ge=1)
    sample_ids: list[str] | None
    level: float = Field(gt=0, lt=1)
    checked: int = Field(ge=1)
    photo_dataset: str
    photo_model: str
    photo_cases: int = Field(ge=1)
    many_dataset: str
    many_root: str | None
    many_split: str | None
    many_samples: Annotated[int, Field(ge=1)] | None
    many_model: str

    @model_validator(mode="after")
    def _can_be_run(self) -> Settings:
        for name in SINGLE:
            values = getattr(self.run, name)
            if len(values) > 1:
                raise UserError(f"{name} is {values}; this page looks into one run, expected one value.")
        self.run.changed({"methods": list(dict.fromkeys(self.sweep()["written"]))})
        self.opening()
        self.many()
        return self

    def opening(self) -> settings_.Settings:
        """The settings of the run that the page opens with: all pictures there are, and what DEA is made of alone.
        Raises UserError as read_settings does."""
        own = {
            "dataset": self.photo_dataset,
            "model": self.photo_model,
            "samples": None,
            "order": "listed",
            "methods": ["ega", "ria", "dea"],
            "metrics": ["tdd"],
        }
        return self.run.changed({**own, **dict.fromkeys(("root", "split", "backgrounds", "region", "layer", "layers"))})

    def many(self) -> settings_.Settings:
        """The settings of the run on many photographs, whose masks give the targets; see `asked_of` for its methods.
        Raises UserError as read_settings does."""
        own = {
            "dataset": self.many_dataset,
            "root": self.many_root,
            "split": self.many_split,
            "samples": self.many_samples,
            "model": self.many_model,
            "order": "listed",
            "region": "truth",
        }
        return self.run.changed({**own, **dict.fromkeys(("backgrounds", "layer", "layers"))})

    def sweep(self) -> pd.DataFrame:
        """Every setting of alpha, beta and the grid, see sweeps.one_at_a_time."""
        return one_at_a_time(self.run, self.alphas, self.betas, self.grids)

    def deep(self, layers: tuple[str, ...], own: str) -> pd.DataFrame:
        """The gradients at every layer of a model but its stem, see sweeps.over_layers."""
        return over_layers(layers[1:] or layers, own)

    def with_methods(self, run: settings_.Settings, layers: tuple[str, ...], own: str) -> settings_.Settings:
        """A run of all that the page asks about, on a model of these layers."""
        sweeps = (self.sweep(), self.deep(layers, own), over_scalars(run))
        written = [*MAPS, BLIND, *(text for sweep in sweeps for text in sweep["written"])]
        return run.changed({"methods": list(dict.fromkeys(written))})


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings; what is measured the page decides, and the methods its sweeps. Raises UserError as read_page
    does, and for several models, seeds, k or fills."""
    return read_page(Settings, parameters, metrics=[*MEASURES, "share_inside"])
