"""What the page asks of judging in domain, each question held against the images of its runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.inference.intervals import FEWEST, studentised_interval
from segattr_lib.report.tables import interval

CLAIM_OF = {  # id: the claim, all of them ours
    "in_domain_ria_above_noise": "RIA lies above pixel noise when the copy judges",
    "in_domain_dea_above_noise": "DEA lies above pixel noise when the copy judges",
    "in_domain_noise_loses": "Pixel noise earns less from the copy than from the model itself",
    "in_domain_keeps_order": "The copy orders the methods as the model itself does, more than by chance",
    "in_domain_order_of_excess": "The copy orders the methods as excess over chance does, more than by chance",
    "in_domain_nearer_truth": "The copy orders maps more as the planted truth does than the model itself",
}
CLAIMS = tuple(CLAIM_OF)
NOISE = "random"


def evidence_of(tables: Mapping[str, pd.DataFrame], taus: pd.DataFrame, level: float, seed: int) -> pd.DataFrame:
    """What one subject says of the claims but the last: a row a claim (its index) with value, low, high, n.

    tables, taus: of orders.by_way and orders.agreements. A method that was not run leaves its claim out.
    """
    judged, plain = tables["judged"], tables["plain"]
    differences = {
        f"in_domain_{method}_above_noise": judged[method] - judged[NOISE]
        for method in ("ria", "dea")
        if method in judged and NOISE in judged
    }
    if NOISE in judged:
        differences["in_domain_noise_loses"] = plain[NOISE] - judged[NOISE]
    rows = {}
    for claim, values in differences.items():
        low, high = studentised_interval(values.to_numpy(float), level, seed)
        rows[claim] = (values.mean(), low, high, len(values))
    pairs = taus.set_index(["first", "second"])
    for claim, pair in (
        ("in_domain_keeps_order", ("plain", "judged")),
        ("in_domain_order_of_excess", ("excess", "judged")),
    ):
        rows[claim] = tuple(pairs.loc[pair, ["value", "low", "high", "n"]])
    return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high", "n"])


def verdict(low: float, high: float, n: float | int) -> str:
    """Whether an interval over n images lies above 0, below it, or decides nothing."""
    if n < FEWEST or np.isnan(low) or np.isnan(high) or low <= 0 <= high:
        return UNDECIDED
    return HOLDS if low > 0 else CONTRADICTED


def claims_table(evidence: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A row a claim and a column a subject: the value with its interval, and what its images decide."""
    columns = {
        subject: {
            claim: f"{interval(value, low, high, 2, n)}: {verdict(low, high, n)}"
            for claim, (value, low, high, n) in zip(rows.index, rows.to_numpy(float), strict=True)
        }
        for subject, rows in evidence.items()
    }
    table = pd.DataFrame(columns)
    table = table.reindex([claim for claim in CLAIM_OF if claim in table.index]).fillna("–")
    return table.rename(index=CLAIM_OF)
