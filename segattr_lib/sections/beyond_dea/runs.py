"""What the page's runs left, as tables: all that its numbers, tables and figures are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from segattr_lib.inference.paired import paired
from segattr_lib.targets import Images, Masks


@dataclass(frozen=True)
class Photographs:
    """Some pictures (B) and what the model sees on them.

    names: their ids. seen: the name of the class that is explained on each. blind: a row a blind selection, columns
    sample_id, border (px of border length a selected pixel) and tdd.
    """

    names: list[str]
    seen: list[str]
    images: Images
    masks: Masks
    blind: pd.DataFrame


@dataclass(frozen=True)
class Runs:
    """Rows by run, what some images were asked beside, and the tests that take seconds and are shown more than once.

    rows: of store.read_samples, by the names of `settings.parts`. bases: what those of each part stand on, where a
    record may be it. fooled: `judge.judged_twice`. drops, finds: `evidence.drops` and `evidence.finds`. made:
    `judge.ordering`. redrawn: `randomisation.randomisation`, and redrawn_basis what it stands on. precisions:
    `precision.precisions`. compared: `significance.compared`, by metric. chance: `chance.above_chance`. coverage,
    rejections: `significance.simulated`. photographs: those that the page opens with.
    """

    rows: Mapping[str, pd.DataFrame]
    bases: Mapping[str, str]
    fooled: pd.DataFrame
    drops: pd.DataFrame
    finds: pd.DataFrame
    made: pd.DataFrame
    redrawn: pd.DataFrame
    redrawn_basis: str
    precisions: pd.DataFrame
    compared: Mapping[str, pd.DataFrame]
    chance: pd.DataFrame
    coverage: pd.DataFrame
    rejections: pd.DataFrame
    photographs: Photographs


def by_image(rows: pd.DataFrame, metric: str, k: float | None = None, fill: str | None = None) -> pd.DataFrame:
    """A metric's values, images as rows and methods as columns; see inference.paired. All are of one data set."""
    return paired(rows, metric, k, fill).droplevel("dataset")
