"""Do the intervals and tests keep what they promise on differences shaped as a run's own? Simulated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from segattr_lib.inference.comparison import sign_flip_p, wilcoxon_p
from segattr_lib.inference.intervals import bootstrap, studentised
from segattr_lib.seeds import generator


def standardised(tables: Iterable[pd.DataFrame]) -> list[Float[np.ndarray, " n"]]:
    """The differences of every two methods of `paired` tables, each less its mean and over its standard deviation.

    A pair that never differs, or differs always by as much, has no shape and is left out.
    """
    shapes = []
    for table in tables:
        for method, over in combinations(table.columns, 2):
            differences = (table[method] - table[over]).dropna().to_numpy(float)
            if len(differences) > 1 and (spread := differences.std(ddof=1)) > 1e-9 * np.abs(differences).max():
                shapes.append((differences - differences.mean()) / spread)
    return shapes


def simulated_coverage(
    shapes: Sequence[Float[np.ndarray, " m"]],
    n: int | None = None,
    repeats: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 999,
) -> pd.DataFrame:
    """How often each kind of interval holds the true mean of differences that are shaped as a run's own.

    shapes: of `standardised`; no row without any. Each repeat takes one of them at random and draws n of its values
    with replacement, as many as the longest has unless another n is named; their true mean is 0. A row a kind: n,
    nominal (the level), reached, and low and high of the latter (Wilson, 95 %). An interval that does not exist is none
    that holds. The repeats share their resamples, so that thousands take seconds.
    """
    drawn = resampled(shapes, n, repeats, seed)
    n, rows = drawn.shape[1], []
    for kind, ends in INTERVALS.items() if len(drawn) else ():
        low, high = ends(drawn, level, resamples, generator(seed, "", "bootstrap"))
        held = int(((low <= 0) & (high >= 0)).sum())
        wilson = proportion_confint(held, repeats, method="wilson")
        rows.append((kind, n, level, held / repeats, *wilson))
    return pd.DataFrame(rows, columns=["interval", "n", "nominal", "reached", "low", "high"])


def simulated_rejections(
    shapes: Sequence[Float[np.ndarray, " m"]],
    effect: float,
    n: int | None = None,
    repeats: int = 400,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 999,
) -> pd.DataFrame:
    """How often the tests of `compare` reject differences of mean 0 and of mean `effect`, in standard deviations.

    Drawn as in `simulated_coverage`. A row a test and effect: share, low and high (Wilson, 95 %), nominal (1 - level at
    effect 0; power has none).
    """
    rows = []
    for mean in (0.0, effect) if len(shapes) else ():
        drawn = resampled(shapes, n, repeats, seed) + mean
        flips = sign_flip_p(drawn, resamples, seed)
        for test, p in (("wilcoxon", wilcoxon_p(drawn)), ("sign_flip", flips)):
            rejected = int((p <= 1 - level).sum())
            wilson = proportion_confint(rejected, repeats, method="wilson")
            rows.append((test, mean, rejected / repeats, *wilson, np.nan if mean else 1 - level))
    return pd.DataFrame(rows, columns=["test", "effect", "share", "low", "high", "nominal"])


def resampled(
    shapes: Sequence[Float[np.ndarray, " m"]], n: int | None, repeats: int, seed: int
) -> Float[np.ndarray, "repeats n"]:
    """n values of one of the shapes a repeat, both at random; no repeat without a shape."""
    if not shapes:
        return np.empty((0, n or 0))
    rng, n = generator(seed, "", "resampled differences"), n or max(map(len, shapes))
    return np.stack([rng.choice(shapes[place], n) for place in rng.integers(len(shapes), size=repeats)])


def student(
    values: Float[np.ndarray, "*repeats n"], level: float, resamples: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Student's t interval of each mean, which draws nothing."""
    n, mean = values.shape[-1], values.mean(axis=-1)
    reach = stats.t.ppf((1 + level) / 2, n - 1) * values.std(axis=-1, ddof=1) / np.sqrt(n)
    return mean - reach, mean + reach


def percentile(
    values: Float[np.ndarray, "*repeats n"], level: float, resamples: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of the resampled means."""
    return _bootstrap_of_means(values, level, resamples, rng, "percentile")


def widened_bca(
    values: Float[np.ndarray, "*repeats n"], level: float, resamples: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """BCa (Efron 1987) at a level widened as Student's t widens the normal (Hesterberg 2015, expanded percentiles)."""
    n = values.shape[-1]
    widened = 2 * stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf((1 + level) / 2, n - 1)) - 1
    return _bootstrap_of_means(values, widened, resamples, rng, "BCa")


def studentised_means(
    values: Float[np.ndarray, "*repeats n"], level: float, resamples: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What the pages use; see `studentised_interval`."""
    return studentised(values, np.ones_like(values), level, resamples, rng)


INTERVALS: dict[str, Callable[..., tuple[np.ndarray, np.ndarray]]] = {
    "Student's t": student,
    "percentile": percentile,
    "BCa, widened by t": widened_bca,
    "studentised bootstrap": studentised_means,
}


def _bootstrap_of_means(
    values: Float[np.ndarray, "*repeats n"],
    level: float,
    resamples: int,
    rng: np.random.Generator,
    method: Literal["BCa", "percentile"],
) -> tuple[np.ndarray, np.ndarray]:
    n = values.shape[-1]
    result = bootstrap(lambda times: values @ times.T / n, n, resamples, rng, n + len(values), level, method)
    return result.confidence_interval.low, result.confidence_interval.high
