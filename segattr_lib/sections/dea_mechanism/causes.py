"""Which images DEA fails on: what an image looks like, and how that goes with what the maps are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from scipy import ndimage
from skimage.measure import perimeter_crofton
from skimage.morphology import skeletonize

from segattr_lib.benchmark.runner import Opened
from segattr_lib.data.sample import IGNORE, Sample
from segattr_lib.inference.correlation import correlation
from segattr_lib.models.predicted import targeted
from segattr_lib.report.tables import interval_texts

TRAITS = {  # what may make DEA fail (DEA paper, A.1), as `traits` measures it, and the model's score
    "thinness": "thinness of the target",
    "width": "width of the target, px",
    "area": "area of the target",
    "clutter": "clutter outside",
    "others": "other objects, area",
    "score": "model score s(x)",
}


def traits(sample: Sample) -> dict[str, float]:
    """What the DEA paper holds responsible for failures (A.1), measured on one sample.

    thinness: perimeter^2 / (4 pi area), 1 for a disc, more the thinner; the perimeter is Crofton's, of
    every border, holes included. width: the mean thickness in px, 2 d - 1 with d the distance to the
    nearest pixel off the target, averaged along the skeleton; exact for a bar an odd number of px wide, 1 px
    short for an even one. area: the target's share of the image. clutter: the mean brightness gradient a
    px, by Sobel's filter, of the pixels neither on the target nor touching it; NaN where there are none.
    others: the share of the image that is labelled otherwise, neither background nor ignored.
    """
    mask = np.pad(sample.mask.cpu().numpy(), 1)  # the image's edge is a border, too
    thickness = ndimage.distance_transform_edt(mask)[skeletonize(mask)]
    grey = sample.image.mean(0).cpu().numpy()
    slope = np.hypot(ndimage.sobel(grey, 0), ndimage.sobel(grey, 1)) / 8  # the filter adds up 4 slopes over 2 px
    away = slope[~ndimage.binary_dilation(mask, np.ones((3, 3)))[1:-1, 1:-1]]
    others = (sample.labels != 0) & (sample.labels != IGNORE) & (sample.labels != sample.class_id)
    return {
        "thinness": float(perimeter_crofton(mask) ** 2 / (4 * np.pi * mask.sum())),
        "width": float(2 * thickness.mean() - 1),
        "area": float(sample.mask.float().mean()),
        "clutter": float(away.mean()) if away.size else float("nan"),
        "others": float(others.float().mean()),
    }


def traits_of(opened: Opened, sample_ids: Sequence[str]) -> pd.DataFrame:
    """The `traits` of some samples of a run, of the targets that it explains; index sample_id.

    Raises SampleError for one that cannot be read or has no target.
    """
    run, dataset = opened.settings, opened.dataset
    model, runtime = opened.models[run.model[0]], opened.prepared(run.model[0])
    rows: list[dict[str, float]] = []
    for sample_id in sample_ids:
        sample = dataset.load(sample_id, run.image_size)
        rows += map(traits, targeted(run, dataset, model, runtime, runtime.place(sample.image[None]), [sample]))
    return pd.DataFrame(rows, index=pd.Index(sample_ids, name="sample_id"))


def relations(causes: pd.DataFrame, outcomes: pd.DataFrame, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Spearman's correlation over samples of every cause with every outcome, with its bootstrap interval.

    causes, outcomes: a row a sample by its id, a column each. Columns trait, outcome, value, low, high
    and n, the samples that have both; NaN where there is no correlation, for a constant, say.
    """
    rows = []
    for trait, outcome in product(causes, outcomes):
        paired_outcome = outcomes[outcome].reindex(causes.index)
        rows.append((trait, outcome, *correlation(causes[trait], paired_outcome, "spearman", level, seed)))
    return pd.DataFrame(rows, columns=["trait", "outcome", "value", "low", "high", "n"])


def relation_table(relations: pd.DataFrame, traits: Mapping[str, str], outcomes: Mapping[str, str]) -> pd.DataFrame:
    """Correlations with their intervals as text: traits as rows, outcomes as columns, and the fewest images."""
    rows = relations.assign(
        text=interval_texts(relations, "value", 2),
        trait=relations["trait"].map(traits),
        outcome=relations["outcome"].map(outcomes),
    )
    table = rows.pivot_table(index="trait", columns="outcome", values="text", aggfunc="first", sort=False)
    return table.assign(n=rows.groupby("trait")["n"].min()).rename_axis(index=None, columns=None)
