"""The DEA paper's claims, each held against the runs at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from segattr_lib.attribution import load_method
from segattr_lib.benchmark.statistics import plain, wins
from segattr_lib.metrics import load_metric

PAPER = ("gpa", "ega", "ria", "dea")


@dataclass(frozen=True)
class Claim:
    """text: the claim as we read it; where: the paper's section. check: the runs to what they show and
    whether the claim holds, None where the methods it speaks of were not run."""

    text: str
    where: str
    check: Callable[[pd.DataFrame, str], tuple[str, bool] | None]


def best(method: str, metric: str) -> Callable[[pd.DataFrame, str], tuple[str, bool] | None]:
    """Has this method the best mean over runs among the paper's four?"""

    def check(runs: pd.DataFrame, column: str) -> tuple[str, bool] | None:
        means = _means(runs, metric, column)
        if method not in means:
            return None
        means = means.reindex([name for name in PAPER if name in means])
        first = means.idxmax() if load_metric(metric).direction > 0 else means.idxmin()
        shown = ", ".join(f"{load_method(name).label} {value:.3g}" for name, value in means.items())
        return shown, first == method

    return check


def every_run(method: str, over: str, metric: str) -> Callable[[pd.DataFrame, str], tuple[str, bool] | None]:
    """Is this method better than the other in every run?"""

    def check(runs: pd.DataFrame, column: str) -> tuple[str, bool] | None:
        won, of = wins(runs, method, over, metric, column)
        return (f"{won} of {of} runs", won == of) if of else None

    return check


def between(method: str, low: str, high: str, metric: str) -> Callable[[pd.DataFrame, str], tuple[str, bool] | None]:
    """Does this method's mean over runs lie between two others'?"""

    def check(runs: pd.DataFrame, column: str) -> tuple[str, bool] | None:
        means = _means(runs, metric, column)
        if not {method, low, high} <= set(means.index):
            return None
        shown = ", ".join(f"{load_method(name).label} {means[name]:.3g}" for name in (low, method, high))
        return shown, bool(means[low] < means[method] < means[high])

    return check


CLAIMS = (
    Claim("RIA has the highest TDD", "5.1", best("ria", "tdd")),
    Claim("RIA has the lowest |ODD|", "5.1", best("ria", "odd_abs")),
    Claim("EGA is the most stable", "5.1", best("ega", "stability")),
    Claim("EGA is the fastest", "5.1", best("ega", "seconds")),
    Claim("GPA has the highest insertion gain", "5.1", best("gpa", "insertion")),
    Claim("DEA's TDD is above EGA's in every run", "5.1", every_run("dea", "ega", "tdd")),
    Claim("DEA's TDD is above GPA's in every run", "5.1", every_run("dea", "gpa", "tdd")),
    Claim("DEA's |ODD| is below EGA's in every run", "5.1", every_run("dea", "ega", "odd_abs")),
    Claim("DEA's TDD lies between EGA's and RIA's", "5.1", between("dea", "ega", "ria", "tdd")),
    Claim("DEA's stability lies between RIA's and EGA's", "5.1", between("dea", "ria", "ega", "stability")),
    Claim("DEA's TDD is above that of random pixels in every run (ours)", "-", every_run("dea", "random", "tdd")),
    Claim("... its excess TDD, too (ours)", "-", every_run("dea", "random", "excess_tdd")),
    Claim("DEA's excess TDD is above EGA's in every run (ours)", "-", every_run("dea", "ega", "excess_tdd")),
)


def held(runs: pd.DataFrame, column: str = "mean") -> pd.DataFrame:
    """Every claim that these run-level rows can speak to: claim, section, ours, holds."""
    rows = []
    for claim in CLAIMS:
        found = claim.check(plain(runs), column)
        if found:
            rows.append({"claim": claim.text, "section": claim.where, "ours": found[0], "holds": found[1]})
    return pd.DataFrame(rows)


def _means(runs: pd.DataFrame, metric: str, column: str) -> pd.Series:
    """Mean over runs by method; passes and seconds have one kind of mean alone."""
    rows = runs[(runs["metric"] == metric) & (runs["variant"] == "")]
    return rows.groupby("method", sort=False)[column if metric != "seconds" else "mean"].mean()
