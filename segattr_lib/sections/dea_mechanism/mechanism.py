"""Why DEA works: its parts and where they agree, which images it fails on, and its settings swept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage
from skimage.measure import perimeter_crofton
from skimage.morphology import skeletonize

from segattr_lib.attribution import method_key
from segattr_lib.attribution.fusion import dual_evidence
from segattr_lib.benchmark.group import Group, scalar_of
from segattr_lib.benchmark.settings import Settings
from segattr_lib.data import load_dataset
from segattr_lib.data.sample import IGNORE, Sample
from segattr_lib.inference.comparison import compare
from segattr_lib.inference.correlation import correlation
from segattr_lib.inference.intervals import studentised_interval
from segattr_lib.inference.paired import paired
from segattr_lib.metrics.localization import mass
from segattr_lib.targets import Maps, Masks

TAIL = 0.25  # the share of samples, best and worst, that success and failure cases are taken from
GRADIENTS = ("gpa", "ega", "dea")  # the methods that take a gradient at a layer
TRAITS = {  # what may make DEA fail (DEA paper, A.1), as `traits` measures it, and the model's score
    "thinness": "thinness of the target",
    "width": "width of the target, px",
    "area": "area of the target",
    "clutter": "clutter outside",
    "others": "other objects, area",
    "score": "model score s(x)",
}


MAPS = ("gpa", "ega", "ria", "interaction", "dea")


def decompose(
    gradient: Maps,
    intervention: Maps,
    *,
    alpha: float = 0.65,
    beta: float = 0.35,
) -> dict[str, Maps]:
    """DEA's map and what it is made of (DEA paper, eq. 2 and figure 3), by name.

    gradient A_g and intervention A_r as given; interaction A_g A_r, not normalised; corrected
    A_g (1 + beta A_r), in [0, 1 + beta]; dea N(alpha corrected + (1 - alpha) A_r). Raises ValueError
    for alpha outside [0,1] and beta below 0.
    """
    return {
        "gradient": gradient,
        "intervention": intervention,
        "interaction": gradient * intervention,
        "corrected": gradient * (1 + beta * intervention),
        "dea": dual_evidence(gradient, intervention, alpha=alpha, beta=beta),
    }


def parts_of(group: Group) -> dict[str, Maps]:
    """`decompose` of a group's samples, under its run's layer, grid, fill, alpha and beta."""
    gradient, intervention = (group.maps_of(method_key(name))[0] for name in ("ega", "ria"))
    return decompose(gradient, intervention, alpha=group.run.alpha, beta=group.run.beta)


def agreement_table(parts: Mapping[str, Maps], masks: Masks) -> pd.DataFrame:
    """Agreement mass, the mass of A_g A_r, of each sample, and the share of each part's mass on the target.

    Columns: inside and outside, the agreement mass in px; one share in [0,1] for each part by its name;
    area, the target's share of the image, which a map that knows nothing would reach. One row a sample.
    """
    inside, outside = mass(parts["interaction"], masks)
    found = {"inside": inside, "outside": outside}
    for name, maps in parts.items():
        own, other = mass(maps, masks)
        found[name] = own / (own + other)
    return pd.DataFrame({name: values.cpu().numpy() for name, values in found.items()}).assign(
        area=masks.float().mean((1, 2)).cpu().numpy()
    )


def cases_of(differences: pd.Series, cases: int, named: Sequence[str] | None = None) -> pd.DataFrame:
    """The samples to look at, by a rule: none is chosen by hand unless its id is `named`.

    differences: a number a sample, by id. The cases of success lie at evenly spaced quantiles from the
    highest down to the edge of the upper TAIL, those of failure from the edge of the lower TAIL down to
    the lowest; the nearest rank, ties by id. A sample stands in one case alone, so that few samples make
    fewer cases. Index: sample_id, highest first; columns case ("success", "failure", "named"), quantile
    and difference, either NaN where a named sample has none.
    """
    ordered = differences.dropna().sort_index().sort_values(kind="stable")
    if named is not None:
        known = ordered.reindex(list(named))
        told = pd.DataFrame({"case": "named", "quantile": np.nan, "difference": known})
        return told.rename_axis("sample_id")
    levels = np.linspace(0, TAIL, cases)
    rows = []
    for case, quantiles in (("success", 1 - levels), ("failure", levels[::-1])):
        for quantile in quantiles:
            place = int(quantile * (len(ordered) - 1) + 0.5)
            rows.append((ordered.index[place], case, float(quantile), float(ordered.iloc[place])))
    table = pd.DataFrame(rows, columns=["sample_id", "case", "quantile", "difference"])
    return table.drop_duplicates("sample_id").set_index("sample_id")


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


def traits_of(run: Settings, sample_ids: Sequence[str]) -> pd.DataFrame:
    """The `traits` of some samples of a run; index sample_id. Raises SampleError for one that cannot be read."""
    dataset = load_dataset(run.dataset, run.root, run.split)
    rows = [traits(dataset.load(one, run.image_size)) for one in sample_ids]
    return pd.DataFrame(rows, index=pd.Index(sample_ids, name="sample_id"))


def lattice(
    run: Settings, alphas: Sequence[float | int], betas: Sequence[float | int], grids: Sequence[int]
) -> pd.DataFrame:
    """Every setting of a sweep of DEA and the method that gives its map, the run's own setting included.

    Columns alpha, beta, grid, method, key (as inference.paired names it) and written (as `methods` takes
    it). Settings of one map are one method, so that it is measured once: alpha 0 is RIA whatever beta is,
    alpha 1 with beta 0 is EGA whatever the grid is, and the run's own alpha, beta and grid are plain `dea`.
    In a run of these methods A_g costs 3 passes and A_r grid^2 + 1 passes a grid, whatever the number of
    alphas and betas; a method more costs the passes of the metrics alone.
    """
    settings = [
        (float(alpha), float(beta), grid)
        for grid in sorted({run.grid, *grids})
        for beta in sorted({run.beta, *betas})
        for alpha in sorted({run.alpha, *alphas})
    ]
    told = [dict(zip(("alpha", "beta", "grid"), one, strict=True)) for one in settings]
    return _points([_written(run, *one) for one in settings], told)


def over_layers(layers: Sequence[str], own: str, methods: Sequence[str] = GRADIENTS) -> pd.DataFrame:
    """Methods at each of the layers; columns layer, method, key and written. At the layer `own`, the one a run
    explains, they are the plain methods."""
    settings = [{"layer": layer} for _ in methods for layer in layers]
    texts = [name if layer == own else f"{name}(layer={layer!r})" for name in methods for layer in layers]
    return _points(texts, settings)


def over_scalars(run: Settings, methods: Sequence[str] = GRADIENTS) -> pd.DataFrame:
    """Methods with the gradient of the probability and of the logit; columns scalar, method, key and written."""
    settings = [{"scalar": scalar} for _ in methods for scalar in ("probability", "logit")]
    texts = [
        name if scalar == scalar_of(run, classifies=False) else f"{name}(scalar={scalar})"
        for name in methods
        for scalar in ("probability", "logit")
    ]
    return _points(texts, settings)


def _points(written: Sequence[str], settings: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Settings and the methods that have them: the settings' own columns, then method, key and written."""
    rows = []
    for text, setting in zip(written, settings, strict=True):
        method = method_key(text)
        rows.append({**setting, "method": method.name, "key": method.text, "written": text})
    return pd.DataFrame(rows)


def mean_of(values: pd.Series, level: float = 0.95, seed: int = 0) -> tuple[float, float, float]:
    """The mean of what is no NaN, and the ends of its inference.studentised_interval."""
    known = values.dropna().to_numpy(float)
    return (float(known.mean()) if len(known) else np.nan, *studentised_interval(known, level, seed))


def means(
    points: pd.DataFrame, samples: pd.DataFrame, metrics: Sequence[str], level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """The mean over samples at every point of a sweep, with its interval.

    points: as lattice, over_layers and over_scalars give them. samples: of one run, as store.read_samples
    gives them. Columns: those of points, metric, mean, low, high and n; one row a metric and point.
    """
    tables = []
    for metric in metrics:
        values = paired(samples, metric)
        known = {key: (*mean_of(values[key], level, seed), values[key].count()) for key in dict.fromkeys(points["key"])}
        told = pd.DataFrame([known[key] for key in points["key"]], points.index, ["mean", "low", "high", "n"])
        tables.append(pd.concat([points.assign(metric=metric), told], axis=1))
    return pd.concat(tables, ignore_index=True)


def differences(
    points: pd.DataFrame,
    samples: pd.DataFrame,
    metrics: Sequence[str],
    over: str | None = "ega",
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Every point of a sweep against one method on the same images, as inference.compare has it.

    over: the method's key; None takes the point's own method as the run has it. A point that is `over`
    itself is left out, settings of one map are one test, and Holm's correction is over the tests of a
    metric. Columns: those of points, then those of compare; one row a metric and point.
    """
    told = points.assign(over=points["method"] if over is None else over)
    told = told[told["key"] != told["over"]]
    pairs = list(dict.fromkeys(zip(told["key"], told["over"], strict=True)))
    tables = []
    for metric in metrics:
        found = compare(paired(samples, metric), pairs, metric, level, seed).rename(columns={"method": "key"})
        tables.append(told.merge(found, on=["key", "over"], how="left"))
    return pd.concat(tables, ignore_index=True)


def relations(causes: pd.DataFrame, outcomes: pd.DataFrame, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Spearman's correlation over samples of every cause with every outcome, with its bootstrap interval.

    causes, outcomes: a row a sample by its id, a column each. Columns trait, outcome, value, low, high
    and n, the samples that have both; NaN where there is no correlation, for a constant, say.
    """
    rows = []
    for trait, outcome in product(causes, outcomes):
        found = correlation(causes[trait], outcomes[outcome].reindex(causes.index), "spearman", level, seed)
        rows.append((trait, outcome, *found))
    return pd.DataFrame(rows, columns=["trait", "outcome", "value", "low", "high", "n"])


def _written(run: Settings, alpha: float, beta: float, grid: int) -> str:
    """The shortest method text of a setting of DEA."""
    if alpha == 0:
        return "ria" if grid == run.grid else f"ria(grid={grid})"
    if alpha == 1 and beta == 0:
        return "ega"
    if (alpha, beta, grid) == (run.alpha, run.beta, run.grid):
        return "dea"
    return f"dea(alpha={float(alpha)}, beta={float(beta)}, grid={grid})"
