"""What the DEA paper says of its mechanism, each claim held against the images of the run."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.report.tables import interval

CLAIM_OF = {  # id: the claim as we read it, and the paper's section, "-" where it is ours
    "agreement_on_target": ("Agreement mass lies on the target more than its area would have it", "fig. 3"),
    "agreement_above_ega": ("... and more than EGA's own mass (ours)", "-"),
    "dea_fails_on_thin": ("DEA's lead over EGA falls with the thinness of the target", "A.1"),
    "dea_fails_in_clutter": ("DEA's lead over EGA falls with the clutter outside", "A.1"),
    "dea_above_ega_over_alpha": ("DEA's TDD is above EGA's for every alpha of the paper's range", "4"),
    "dea_excess_above_ega_over_alpha": ("... its excess TDD, too (ours)", "-"),
}
CLAIMS = tuple(CLAIM_OF)


def verdict(intervals: pd.DataFrame, sign: int = 1) -> str:
    """Do all intervals (columns low, high) lie on the side of 0 that the claim says, 1 above and -1 below?

    "contradicted" where one lies wholly on the other side; "undecided" where one holds 0 or does not exist, and where
    there is none at all.
    """
    low, high = (intervals["low"], intervals["high"]) if sign > 0 else (-intervals["high"], -intervals["low"])
    if (high < 0).any():
        return CONTRADICTED
    return HOLDS if len(intervals) and (low > 0).all() else UNDECIDED


def claims_table(evidence: Mapping[str, pd.DataFrame], signs: Mapping[str, int]) -> pd.DataFrame:
    """What was reproduced and what was not: claim, section, ours and what the images decide, a row a claim.

    evidence: by the claim's id the values that it is about, columns value, low, high and n; several are all to be on
    one side of 0. signs: by id the side that the claim says, where it is not above (1).
    """
    rows = []
    for name, (claim, section) in CLAIM_OF.items():
        values = evidence[name]
        shown = [
            interval(value, low, high, n=n)
            for value, low, high, n in values[["value", "low", "high", "n"]].to_numpy(float)
        ]
        decided = verdict(values, signs.get(name, 1))
        rows.append((claim, section, "; ".join(shown) or "–", decided))
    return pd.DataFrame(rows, columns=["claim", "section", "ours", "images decide"])
