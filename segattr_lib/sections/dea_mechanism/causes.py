"""Which images DEA fails on: what an image looks like, and how that goes with what the maps are worth."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pandas as pd

from segattr_lib.benchmark.statistics import plain
from segattr_lib.inference.correlation import correlation
from segattr_lib.report.tables import interval_texts

TRAITS = {  # what may make DEA fail (DEA paper, A.1), as rows.traits measures it, and the model's score
    "thinness": "thinness of the target",
    "width": "width of the target, px",
    "area": "area of the target",
    "clutter": "clutter outside",
    "others": "other objects, area",
    "score": "model score s(x)",
}


def traits_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The traits of every sample of a run that was asked for them (rows.traits), and its score; index sample_id."""
    asked = plain(rows[rows["metric"].isin([*TRAITS])])
    table = asked.pivot_table(index="sample_id", columns="metric", values="value", sort=False)
    return table.reindex(columns=list(TRAITS)).rename_axis(columns=None)


def relations(causes: pd.DataFrame, outcomes: pd.DataFrame, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Spearman's correlation over samples of every cause with every outcome, with its bootstrap interval.

    causes, outcomes: a row a sample by its id, a column each. Columns trait, outcome, value, low, high
    and n, the samples that have both; NaN where there is no correlation, for a constant, say.
    """
    rows = []
    for trait, outcome in product(causes, outcomes):
        paired_outcome = outcomes[outcome].reindex(causes.index)
        rows.append((trait, outcome, *correlation(causes[trait], paired_outcome, "spearman", level, seed)))
    return pd.DataFrame(rows, columns=["trait", "outcome", "value", "low", "high", "n"])


def relation_table(relations: pd.DataFrame, traits: Mapping[str, str], outcomes: Mapping[str, str]) -> pd.DataFrame:
    """Correlations with their intervals as text: traits as rows, outcomes as columns, and the fewest images."""
    rows = relations.assign(
        text=interval_texts(relations, "value", 2),
        trait=relations["trait"].map(traits),
        outcome=relations["outcome"].map(outcomes),
    )
    table = rows.pivot_table(index="trait", columns="outcome", values="text", aggfunc="first", sort=False)
    return table.assign(n=rows.groupby("trait")["n"].min()).rename_axis(index=None, columns=None)
