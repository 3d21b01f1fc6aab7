"""Which of many ways is best, told without being taken in by the luck of the one that looks best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.inference.intervals import FEWEST, RESAMPLES
from segattr_lib.inference.paired import check_units
from segattr_lib.registry import UserError
from segattr_lib.seeds import generator

SPLITS = 20  # of the images in halves, one to choose on and one to take the value from


@dataclass(frozen=True)
class AllPairs:
    """Every two ways held against each other on the same n images, above being better.

    difference (ways, ways): row minus column. p: two-sided, adjusted over all pairs by max-T, so that the chance of any
    false verdict among them is at most the level's complement, whichever of the ways the images made look best.
    """

    difference: pd.DataFrame
    p: pd.DataFrame
    n: int

    @property
    def highest(self) -> str:
        """The way that looks best, which need not lie above the others."""
        return str(self.difference.mean(axis=1).idxmax())

    def verdict(self, way: str, over: Sequence[str] | None = None, level: float = 0.95) -> str:
        """Does it lie above every one of the others, or of `over`? Contradicted where one of them lies above it."""
        others = [name for name in (self.difference.columns if over is None else over) if name != way]
        apart = (self.p.loc[way, others] <= 1 - level) & (self.n >= FEWEST)
        above = self.difference.loc[way, others] > 0
        if (apart & ~above).any():
            return CONTRADICTED
        return HOLDS if (apart & above).all() and others else UNDECIDED


def all_pairs(table: pd.DataFrame, direction: int = 1, seed: int = 0) -> AllPairs:
    """Every two columns of a table (images, ways), over the images with a value of all; direction -1: lower is better.

    Single-step max-T (Westfall and Young 1993): all differences of an image change their signs together, in every way
    there is up to n = 13, else in RESAMPLES drawn, and a pair's |t| has to exceed the largest |t| of all pairs.

    Raises UserError where no image has a value of all, and where an image stands in several rows.
    """
    values, _ = _complete(table)
    n, ways = values.shape
    means = direction * values.mean(axis=0)
    # mean over root mean square: t rises with it whatever the signs, and has no pole where all differences are equal
    size = np.sqrt(((values[:, :, None] - values[:, None]) ** 2).mean(axis=0))
    size[size == 0] = np.inf
    if exact := 2**n <= RESAMPLES:
        signs = 1.0 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        signs = generator(seed, "", "sign flip").choice([-1.0, 1.0], (RESAMPLES, n))
    flipped = signs @ values / n
    first, second = np.triu_indices(ways, 1)
    largest = (np.abs(flipped[:, first] - flipped[:, second]) / size[first, second]).max(axis=1, initial=0)
    difference = pd.DataFrame(means[:, None] - means, table.columns, table.columns)
    return adjusted(difference, np.abs(difference.to_numpy()) / size, largest, n, exact)


def adjusted(
    difference: pd.DataFrame,
    t: Float[np.ndarray, "ways ways"],
    largest: Float[np.ndarray, " draws"],
    n: int,
    exact: bool = False,
) -> AllPairs:
    """p of each |t| as the share of draws whose largest is no smaller, what was seen itself a draw unless `exact`."""
    reached = len(largest) - np.searchsorted(np.sort(largest), t - 1e-12)
    p = (reached + (not exact)) / (len(largest) + (not exact))
    return AllPairs(difference, pd.DataFrame(p, difference.index, difference.columns), n)


def cross_fitted(table: pd.DataFrame, direction: int = 1, seed: int = 0) -> pd.Series:
    """What the best of the columns is worth on images that did not choose it: one value an image that has all of them.

    SPLITS times the images are halved at random, and each half gets the values of the way that is best on the other;
    the mean over the splits. The best of equal ways then has their common mean, where its own mean is too high. The
    values of two images hang together by the choice: an interval as of single images would be too short.

    Errors as `all_pairs`; one image chooses nothing, its value is NaN.
    """
    values, images = _complete(table)
    rng = generator(seed, "", "halves")
    splits = np.zeros((SPLITS, len(values)))
    for split in splits:
        half = rng.permutation(len(values)) % 2 == 0
        for chosen_on, taken_on in ((half, ~half), (~half, half)):
            split[taken_on] = np.nan
            if chosen_on.any():
                split[taken_on] = values[taken_on, (direction * values[chosen_on].mean(axis=0)).argmax()]
    return pd.Series(splits.mean(axis=0), images)


def _complete(table: pd.DataFrame) -> tuple[Float[np.ndarray, "images ways"], pd.Index]:
    """The images with a value of every column."""
    check_units(table)
    complete = table.dropna()
    if complete.empty:
        names = ", ".join(map(str, table.columns))
        raise UserError(f"None of {len(table)} images has a value of each of {names}; expected one to compare them on.")
    return complete.to_numpy(float), complete.index
