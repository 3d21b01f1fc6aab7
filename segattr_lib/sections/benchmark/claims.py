"""The DEA paper's claims, each held against the runs at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from segattr_lib.benchmark.statistics import ROBUST_FLOOR, plain
from segattr_lib.inference import verdicts
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.inference.max_t import all_pairs
from segattr_lib.metrics import metric_key
from segattr_lib.report.labels import key_label
from segattr_lib.sections.benchmark.per_run import by_run, centre, fills_of, under_fill, wins

PAPER = ("gpa", "ega", "ria", "dea")
Answer = tuple[str, bool | None]
Check = Callable[[pd.DataFrame, str], Answer | None]
Decide = Callable[[pd.DataFrame, float, str], str | None]


@dataclass(frozen=True)
class Claim:
    """text: the claim as we read it; where: the paper's section. check: the runs to what they show and whether the
    claim holds, None where they have no values that could say so; nothing where what it speaks of was not run. decide:
    the samples' rows, k and fill to what the images decide: "holds", "contradicted" or "undecided"; None where what it
    speaks of was not run. A claim is about methods as the run has them: no variant stands for the plain one."""

    text: str
    where: str
    check: Check
    decide: Decide


def best(method: str, metric: str) -> tuple[Check, Decide]:
    """Is this method better than each other of the paper's four? By means, of those that were run; by images where all
    four were, above each other one by max-T over all pairs (see max_t.all_pairs)."""

    def check(runs: pd.DataFrame, column: str) -> Answer | None:
        means = _means(runs, metric, column)
        ran = [name for name in PAPER if ((runs["method"] == name) & (runs["variant"] == "")).any()]
        if method not in ran or not set(ran) <= set(means.index):
            return None
        leads = (means[method] - means[ran].drop(method)) * metric_key(metric).entry.direction
        return _shown(means[ran]), None if leads.isna().any() else bool((leads > 0).all())

    def decide(samples: pd.DataFrame, k: float, fill: str) -> str | None:
        table = verdicts.values_of(samples, metric, PAPER, k, fill)
        return all_pairs(table, metric_key(metric).entry.direction).verdict(method) if len(table) else None

    return check, decide


def every_run(method: str, over: str, metric: str) -> tuple[Check, Decide]:
    """Is this method better than the other in every run? By means; by images in each (see verdicts.every_run)."""

    def check(runs: pd.DataFrame, column: str) -> Answer | None:
        if not {method, over} <= set(by_run(runs, metric, column)):
            return None
        won, of = wins(runs, method, over, metric, column)
        return f"{won} of {of} runs", won == of if of else None

    def decide(samples: pd.DataFrame, k: float, fill: str) -> str | None:
        side = "above" if metric_key(metric).entry.direction > 0 else "below"
        _, runs, verdict = verdicts.every_run(samples, metric, method, over, side, k, fill)
        return verdict if runs else None

    return check, decide


def between(method: str, low: str, high: str, metric: str) -> tuple[Check, Decide]:
    """Does this method lie between two others? By means; by images above the one and below the other, both tested
    (see verdicts.decided): contradicted where it is on either side."""

    def check(runs: pd.DataFrame, column: str) -> Answer | None:
        means = _means(runs, metric, column)
        if not {method, low, high} <= set(means.index):
            return None
        three = means[[low, method, high]]
        return _shown(three), None if three.isna().any() else bool(means[low] < means[method] < means[high])

    def decide(samples: pd.DataFrame, k: float, fill: str) -> str | None:
        table = verdicts.values_of(samples, metric, [low, method, high], k, fill)
        if table.empty:
            return None
        by_median = metric_key(metric).entry.ranked_by == "median"
        beside = [(table[method] - table[other]).to_numpy(float) for other in (low, high)]
        differences = [verdicts.difference(values, by_median) for values in beside]
        sides = {verdict for _, verdict in verdicts.decided(differences, ["above", "below"])}
        return CONTRADICTED if CONTRADICTED in sides else HOLDS if sides == {HOLDS} else UNDECIDED

    return check, decide


BEST = {  # a claim that one of the paper's four leads, to the method and the metric
    "ria_highest_tdd": ("RIA has the highest TDD", "ria", "tdd"),
    "ria_lowest_odd": ("RIA has the lowest |ODD|", "ria", "odd_abs"),
    "ega_most_stable": ("EGA is the most stable", "ega", "stability"),
    "ega_fastest": ("EGA is the fastest", "ega", "seconds"),
    "gpa_highest_insertion": ("GPA has the highest insertion gain", "gpa", "insertion"),
}
OURS = "-"  # in place of the paper's section
CLAIM_OF = {
    **{name: Claim(text, "5.1", *best(method, metric)) for name, (text, method, metric) in BEST.items()},
    "dea_tdd_above_ega": Claim("DEA's TDD is above EGA's in every run", "5.1", *every_run("dea", "ega", "tdd")),
    "dea_tdd_above_gpa": Claim("DEA's TDD is above GPA's in every run", "5.1", *every_run("dea", "gpa", "tdd")),
    "dea_odd_below_ega": Claim("DEA's |ODD| is below EGA's in every run", "5.1", *every_run("dea", "ega", "odd_abs")),
    "dea_tdd_between": Claim("DEA's TDD lies between EGA's and RIA's", "5.1", *between("dea", "ega", "ria", "tdd")),
    "dea_stability_between": Claim(
        "DEA's stability lies between RIA's and EGA's", "5.1", *between("dea", "ria", "ega", "stability")
    ),
    "dea_tdd_above_random": Claim(
        "DEA's TDD is above that of random pixels in every run (ours)", OURS, *every_run("dea", "random", "tdd")
    ),
    "dea_excess_above_random": Claim("... its excess TDD, too (ours)", OURS, *every_run("dea", "random", "excess_tdd")),
    "dea_excess_above_ega": Claim(
        "DEA's excess TDD is above EGA's in every run (ours)", OURS, *every_run("dea", "ega", "excess_tdd")
    ),
}
CLAIMS = tuple(CLAIM_OF)
ANSWERS = {True: "yes", False: "no", None: "no value"}


def held(runs: pd.DataFrame, column: str = "mean") -> pd.DataFrame:
    """Every claim that these run-level rows can speak to: id, claim, section, ours, holds (None: they have no values).

    The claims are the same whatever the column. Where each map was made with several fills, the claim is told once a
    fill, in a column `fill`. Raises UserError for values of several data sets, k or evaluation fills.
    """
    rows = []
    fills = fills_of(runs)
    made: list[str | None] = [*fills] or [None]
    for name, claim in CLAIM_OF.items():
        for fill in made:
            answer = claim.check(plain(under_fill(runs, fill)), column)
            if answer:
                about = {"id": name, "claim": claim.text, "section": claim.where} | ({"fill": fill} if fills else {})
                rows.append({**about, "ours": answer[0], "holds": answer[1]})
    return pd.DataFrame(rows, columns=["id", "claim", "section", *(["fill"] if fills else []), "ours", "holds"])


def decided(samples: pd.DataFrame, k: float, fill: str) -> dict[str, str]:
    """What the images decide of each claim, by its id: "holds", "contradicted" or "undecided".

    samples: rows of store.read_samples; images count as verdicts.values_of has it. Claims whose methods these rows do
    not hold, and those of what no row tells, such as time, are left out.
    """
    outcomes = {name: claim.decide(samples, k, fill) for name, claim in CLAIM_OF.items()}
    return {name: verdict for name, verdict in outcomes.items() if verdict}


def claims_table(runs: pd.DataFrame, outcomes: Mapping[str, str]) -> pd.DataFrame:
    """What was reproduced and what was not: each claim over plain means and over well-scored samples.

    runs: run-level rows of one k and fill. outcomes: of `decided`, for the column that says what the images decide.
    """
    plainly, robustly = held(runs), held(runs, "mean_robust")
    shown = plainly.drop(columns="id").assign(
        holds=plainly["holds"].map(ANSWERS.get),
        **{f"holds, s(x) ≥ {ROBUST_FLOOR}": robustly["holds"].map(ANSWERS.get)},
    )
    return shown.assign(**{"images decide": [outcomes.get(name, "") for name in plainly["id"]]})


def count_held(runs: pd.DataFrame, column: str = "mean") -> str:
    """How many of the claims hold, of how many that these runs can speak to, as text."""
    table = held(runs, column)
    return f"{table['holds'].eq(True).sum()} of {len(table)}"


def _means(runs: pd.DataFrame, metric: str, column: str) -> pd.Series:
    """Mean over runs by key, of what methods are ranked by."""
    return by_run(runs, metric, centre(metric, column)).mean()


def _shown(means: pd.Series) -> str:
    return ", ".join(f"{key_label(name)} {value:.3g}" for name, value in means.items())
