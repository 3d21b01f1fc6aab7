"""The DEA paper's claims, each held against the runs at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from segattr_lib.benchmark.statistics import ROBUST_FLOOR, at, by_run, centre, fills_of, plain, under_fill, wins
from segattr_lib.inference.max_t import all_pairs
from segattr_lib.inference.paired import paired
from segattr_lib.metrics import metric_key
from segattr_lib.report.labels import key_label

PAPER = ("gpa", "ega", "ria", "dea")
Answer = tuple[str, bool | None]


@dataclass(frozen=True)
class Claim:
    """text: the claim as we read it; where: the paper's section. check: the runs to what they show and whether the
    claim holds, None where they have no values that could say so; nothing where what it speaks of was not run. A claim
    is about methods as the run has them: no variant stands for the plain one."""

    text: str
    where: str
    check: Callable[[pd.DataFrame, str], Answer | None]


def best(method: str, metric: str) -> Callable[[pd.DataFrame, str], Answer | None]:
    """Is this method's mean over runs better than that of each other of the paper's four that was run?"""

    def check(runs: pd.DataFrame, column: str) -> Answer | None:
        means = _means(runs, metric, column)
        ran = [name for name in PAPER if ((runs["method"] == name) & (runs["variant"] == "")).any()]
        if method not in ran or not set(ran) <= set(means.index):
            return None
        leads = (means[method] - means[ran].drop(method)) * metric_key(metric).entry.direction
        return _shown(means[ran]), None if leads.isna().any() else bool((leads > 0).all())

    return check


def every_run(method: str, over: str, metric: str) -> Callable[[pd.DataFrame, str], Answer | None]:
    """Is this method better than the other in every run?"""

    def check(runs: pd.DataFrame, column: str) -> Answer | None:
        if not {method, over} <= set(by_run(runs, metric, column)):
            return None
        won, of = wins(runs, method, over, metric, column)
        return f"{won} of {of} runs", won == of if of else None

    return check


def between(method: str, low: str, high: str, metric: str) -> Callable[[pd.DataFrame, str], Answer | None]:
    """Does this method's mean over runs lie between two others'?"""

    def check(runs: pd.DataFrame, column: str) -> Answer | None:
        means = _means(runs, metric, column)
        if not {method, low, high} <= set(means.index):
            return None
        three = means[[low, method, high]]
        return _shown(three), None if three.isna().any() else bool(means[low] < means[method] < means[high])

    return check


BEST = {  # a claim that one of the paper's four leads, to the method and the metric
    "RIA has the highest TDD": ("ria", "tdd"),
    "RIA has the lowest |ODD|": ("ria", "odd_abs"),
    "EGA is the most stable": ("ega", "stability"),
    "EGA is the fastest": ("ega", "seconds"),
    "GPA has the highest insertion gain": ("gpa", "insertion"),
}
CLAIMS = (
    *(Claim(text, "5.1", best(*about)) for text, about in BEST.items()),
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
    """Every claim that these run-level rows can speak to: claim, section, ours, holds (None: they have no values).

    The claims are the same whatever the column. Where each map was made with several fills, the claim is told once a
    fill, in a column `fill`. Raises UserError for values of several data sets, k or evaluation fills.
    """
    rows = []
    fills = fills_of(runs)
    made: list[str | None] = [*fills] or [None]
    for claim in CLAIMS:
        for fill in made:
            answer = claim.check(plain(under_fill(runs, fill)), column)
            if answer:
                about = {"claim": claim.text, "section": claim.where} | ({"fill": fill} if fills else {})
                rows.append({**about, "ours": answer[0], "holds": answer[1]})
    return pd.DataFrame(rows, columns=["claim", "section", *(["fill"] if fills else []), "ours", "holds"])


def leads(samples: pd.DataFrame, k: float, fill: str, level: float = 0.95, seed: int = 0) -> dict[str, str]:
    """Whether the images bear out each claim of a lead: "holds", "contradicted" or "undecided", by the claim.

    samples: rows of store.read_samples; the images that the model scores at least .3. The method leads if it lies above
    each of the paper's other three by max-T over all pairs (see max_t.all_pairs). Claims of which these rows hold
    no value of all four, such as those of time, are left out.
    """
    found = {}
    for text, (method, metric) in BEST.items():
        rows = at(plain(samples), k, fill)
        if set(PAPER) <= set(rows[(rows["metric"] == metric) & (rows["variant"].fillna("") == "")]["method"]):
            table = paired(samples, metric, k, fill, ROBUST_FLOOR)[list(PAPER)]
            if len(table.dropna()):
                found[text] = all_pairs(table, metric_key(metric).entry.direction, seed).verdict(method, level=level)
    return found


def _means(runs: pd.DataFrame, metric: str, column: str) -> pd.Series:
    """Mean over runs by key, of what methods are ranked by."""
    return by_run(runs, metric, centre(metric, column)).mean()


def _shown(means: pd.Series) -> str:
    return ", ".join(f"{key_label(name)} {value:.3g}" for name, value in means.items())
