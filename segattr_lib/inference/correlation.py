"""Do two measures go together? Correlations with their intervals."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from segattr_lib.inference.intervals import FEWEST, RESAMPLES, bootstrap
from segattr_lib.seeds import generator


class Correlation(NamedTuple):
    """A correlation with its interval; n: the pairs in it."""

    value: float
    low: float
    high: float
    n: int


def correlation(
    x: pd.Series | np.ndarray,
    y: pd.Series | np.ndarray,
    kind: Literal["spearman", "pearson"] = "spearman",
    level: float = 0.95,
    seed: int = 0,
    groups: pd.Series | np.ndarray | None = None,
) -> Correlation:
    """Correlation of x (n,) and y (n,), paired by place, with its BCa bootstrap interval; pairs with a NaN are out.

    groups (n,): what is resampled whole, such as the image where several maps of one enter; else each pair by
    itself. BCa covers correlations as it does not cover means. The interval is NaN for fewer than FEWEST groups or
    where a resample is constant, and everything is where x or y is. Raises ValueError for x, y and groups of
    different lengths.
    """
    whole = np.arange(len(x)) if groups is None else np.asarray(groups)
    pairs = pd.DataFrame({"x": np.asarray(x, float), "y": np.asarray(y, float), "group": whole}).dropna()
    first, second = pairs["x"].to_numpy(), pairs["y"].to_numpy()
    group, names = pd.factorize(pairs["group"])
    if not len(pairs) or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Correlation(np.nan, np.nan, np.nan, len(pairs))

    def statistic(times: Float[np.ndarray, "draws groups"]) -> Float[np.ndarray, " draws"]:
        """A pair weighs as often as its group was drawn."""
        weights = times[:, group]
        if kind == "pearson":
            return weighted_pearson(first, second, weights)
        return weighted_pearson(weighted_ranks(first, weights), weighted_ranks(second, weights), weights)

    low, high = np.nan, np.nan
    if len(names) >= FEWEST:
        rng = generator(seed, "", "bootstrap")
        low, high = bootstrap(statistic, len(names), RESAMPLES, rng, len(pairs), level).confidence_interval
    (value,) = statistic(np.ones((1, len(names))))
    return Correlation(float(value), float(low), float(high), len(pairs))


def weighted_ranks(
    values: Float[np.ndarray, " n"], weights: Float[np.ndarray, "draws n"]
) -> Float[np.ndarray, "draws n"]:
    """Ranks, up to a constant, of values that stand as often as they weigh; equal values share their mean rank."""
    order = np.argsort(values)
    _, starts, place = np.unique(values[order], return_index=True, return_inverse=True)
    held = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = np.empty_like(weights)
    ranks[:, order] = (held.cumsum(axis=1) - held / 2)[:, place]
    return ranks


def weighted_pearson(
    x: Float[np.ndarray, "*draws n"], y: Float[np.ndarray, "*draws n"], weights: Float[np.ndarray, "several n"]
) -> Float[np.ndarray, " several"]:
    """Pearson's correlation of pairs that stand as often as they weigh; NaN where either side is constant."""
    total = weights.sum(axis=1, keepdims=True)
    dx, dy = (values - (weights * values).sum(axis=1, keepdims=True) / total for values in (x, y))
    norms = [np.sqrt((weights * values**2).sum(axis=1)) for values in (dx, dy, x, y)]
    constant = (norms[0] <= 1e-12 * norms[2]) | (norms[1] <= 1e-12 * norms[3])  # a mean is rounded: no exact 0
    with np.errstate(invalid="ignore"):
        return np.where(constant, np.nan, (weights * dx * dy).sum(axis=1) / (norms[0] * norms[1]))
