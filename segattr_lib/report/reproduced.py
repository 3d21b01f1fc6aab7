"""What of a paper a page reproduced: its claims in words, and what the page's own runs say of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from segattr_lib.inference.agreement import WAYS
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.report.labels import signed_label
from segattr_lib.report.tables import wrapped

if TYPE_CHECKING:
    from IPython.display import HTML

YES, NO = "yes", "no"
ANSWERS = {HOLDS: YES, CONTRADICTED: NO, UNDECIDED: UNDECIDED}


def claims_table(claims: Mapping[str, str], answers: Mapping[str, str]) -> HTML:
    """A row a claim that has an answer, in the order of the claims; both by the claim's id."""
    rows = [(text, answers[name]) for name, text in claims.items() if name in answers]
    return wrapped(pd.DataFrame(rows, columns=["the paper's claim", "here"]), index=False)


def held(answers: Mapping[str, str]) -> str:
    """How many of the claims hold, as text: "3 of 8 (2 undecided)"."""
    given = list(answers.values())
    return f"{given.count(YES)} of {len(given)} ({given.count(UNDECIDED)} undecided)"


def claims_of_ends(truth: str) -> dict[str, str]:
    """The ARCC paper's claims of the highest and the lowest correlation with a truth, in words, by id."""
    claims = {}
    for way, title in WAYS.items():
        claims[f"arcc_highest_{way}"] = f"ARCC has the highest correlation with {truth}: {title}"
        claims[f"ad_lowest_{way}"] = f"AD has the lowest correlation with {truth}: {title}"
    return claims


def answers_of_ends(ends: pd.DataFrame) -> dict[str, str]:
    """What a table of agreement.ends says of each of `claims_of_ends`."""
    names = {"highest": "arcc_highest", "lowest": "ad_lowest"}
    return {f"{names[row['end']]}_{row['way']}": ANSWERS[row["claim"]] for row in ends.to_dict("records")}


def end_label(ends: pd.DataFrame, way: str, end: str) -> str:
    """The metric of the highest or lowest correlation, as the prose has it, and whether it is told apart from every
    other; a dash where nothing was correlated. ends: of agreement.ends, or empty."""
    if ends.empty:
        return "–"
    (row,) = ends[(ends["way"] == way) & (ends["end"] == end)].to_dict("records")
    apart = "" if row["verdict"] == HOLDS else " (not told apart from every other)"
    return signed_label(row["metric"]) + apart
