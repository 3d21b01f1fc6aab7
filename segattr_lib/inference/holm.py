"""p values of several tests at once. By hand: statsmodels, which agrees, takes longer to import than a map to make."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

SIGNIFICANT = 0.05


def holm(p: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """p values adjusted by Holm's step-down (1979), over those that are numbers: the smallest of n times n, the next
    times n - 1, and so on, none below the one before it and none above 1."""
    adjusted = p.copy()
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    times = np.arange(len(order), 0, -1)
    adjusted[order] = np.maximum.accumulate(np.minimum(1, times * p[order]))
    return adjusted
