"""The claims of the ledger that this page shows, each decided of the rows of the copy as judge by the ledger's rule."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from segattr_lib.inference.verdicts import decided, difference, values_of
from segattr_lib.report.tables import interval, number

CLAIMED = {  # id: the claim, and the two methods whose deletion drops it compares; all of them ours
    "in_domain_ria_above_dea": ("RIA lies above DEA when the copy judges", "ria", "dea"),
    "in_domain_dea_above_ega": ("DEA lies above EGA when the copy judges", "dea", "ega"),
    "in_domain_ria_above_noise": ("RIA lies above pixel noise when the copy judges", "ria", "random"),
    "in_domain_dea_above_noise": ("DEA lies above pixel noise when the copy judges", "dea", "random"),
}
CLAIMS = tuple(CLAIMED)


NOISE = "random"  # a map of pixels each for itself, to be judged only where such holes are in domain


def verdicts(rows: pd.DataFrame, measure: str, k: float, fill: str, pixels: bool = True) -> pd.DataFrame:
    """A row a claim (its index) that the rows can decide: value with low and high, n, p and verdict.

    rows: of the run in which the copy judges. pixels: are holes of pixels in domain? Where they are not, claims about
    NOISE are left out. By verdicts.difference and verdicts.decided: over the images of
    verdicts.values_of, Holm over the claims of these rows.
    """
    compared = {}
    for claim, (_, method, over) in CLAIMED.items():
        if over == NOISE and not pixels:
            continue
        values = values_of(rows, measure, [method, over], k, fill)
        if len(values):
            compared[claim] = difference((values[method] - values[over]).to_numpy(float))
    outcomes = decided(list(compared.values()), ["above"] * len(compared))
    table = [
        {"value": each.value, "low": each.low, "high": each.high, "n": each.n, "p": p, "verdict": verdict}
        for each, (p, verdict) in zip(compared.values(), outcomes, strict=True)
    ]
    return pd.DataFrame(table, list(compared), columns=["value", "low", "high", "n", "p", "verdict"])


def claims_table(decisions: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A row a claim and a column a subject: the verdict, with the difference, its interval, n and p."""
    columns = {
        subject: {
            claim: f"{row['verdict']}: {interval(row['value'], row['low'], row['high'], 2)}, n = {row['n']:.0f}, "
            f"p {'< 0.001' if row['p'] < 0.001 else '= ' + number(row['p'])}"
            for claim, row in rows.iterrows()
        }
        for subject, rows in decisions.items()
    }
    table = pd.DataFrame(columns).reindex([claim for claim in CLAIMED if any(claim in own for own in columns.values())])
    return table.fillna("–").rename(index={claim: says for claim, (says, _, _) in CLAIMED.items()})
