"""What the DEA paper says of its mechanism, each claim held against the images of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.report.tables import interval

CLAIM_OF = {  # id: the claim as we read it, and the paper's section, "-" where it is ours
    "agreement_on_target": ("Agreement mass lies on the target more than that of random pixels", "fig. 3"),
    "agreement_above_ega": ("... and more than EGA's own mass (ours)", "-"),
    "dea_fails_on_thin": ("DEA's lead over EGA falls with the thinness of the target", "A.1"),
    "dea_fails_in_clutter": ("DEA's lead over EGA falls with the clutter outside", "A.1"),
    "dea_above_ega_over_alpha": ("DEA's TDD is above EGA's for every alpha of the paper's range", "4"),
    "dea_excess_above_ega_over_alpha": ("... its excess TDD, too (ours)", "-"),
}
CLAIMS = tuple(CLAIM_OF)
SIGNS = {"dea_fails_on_thin": -1, "dea_fails_in_clutter": -1}  # the side of 0, where it is not above


def verdict(intervals: pd.DataFrame, sign: int = 1) -> str:
    """Do all intervals (columns low, high) lie on the side of 0 that the claim says, 1 above and -1 below?

    "contradicted" where one lies wholly on the other side; "undecided" where one holds 0 or does not exist, and where
    there is none at all.
    """
    low, high = (intervals["low"], intervals["high"]) if sign > 0 else (-intervals["high"], -intervals["low"])
    if (high < 0).any():
        return CONTRADICTED
    return HOLDS if len(intervals) and (low > 0).all() else UNDECIDED


def verdicts(evidence: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """What the values of one run decide of every claim, by its id."""
    return {name: verdict(evidence[name], SIGNS.get(name, 1)) for name in CLAIM_OF}


def apart(decided: Sequence[Mapping[str, str]]) -> str:
    """The claims of which two runs decide the contrary, as text; "none" for one run, too."""
    contrary = [
        claim for name, (claim, _) in CLAIM_OF.items() if {CONTRADICTED, HOLDS} <= {of_run[name] for of_run in decided}
    ]
    return "; ".join(contrary) or "none"


def claims_table(evidence: Mapping[str, Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """What was reproduced and what was not: claim, section and, run by run, the values and what its images decide.

    evidence: by what a run is called, by the claim's id the values that it is about, columns value, low, high and n;
    several are all to be on one side of 0.
    """
    rows = []
    for name, (claim, section) in CLAIM_OF.items():
        row = {"claim": claim, "section": section}
        for title, of_run in evidence.items():
            ends = of_run[name][["value", "low", "high", "n"]].to_numpy(float)
            shown = [interval(value, low, high, n=n) for value, low, high, n in ends]
            row[title] = "; ".join(shown) or "–"
            row[f"{title.partition(',')[0]} decides"] = verdict(of_run[name], SIGNS.get(name, 1))
        rows.append(row)
    return pd.DataFrame(rows)
