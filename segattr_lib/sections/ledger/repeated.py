"""Would other images have decided the same? What either half of every record's images decides, parted by chance."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from segattr_lib.inference.comparison import CONTRADICTED, HOLDS
from segattr_lib.sections.ledger.claims import ledger
from segattr_lib.seeds import generator

REPEATED = BOTH, EITHER, NEITHER, CONTRARY = ("both", "one", "neither", "contrary")


def halves(rows: Mapping[str, pd.DataFrame], decided: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """What each half of the images decides of the claims that all of them decide.

    rows: of every record, by its name. decided: `ledger(rows)`. Columns: id, record, verdict (of all images), first and
    second (of either half, as if there were no other images), repeated: BOTH, EITHER or NEITHER of the halves decides
    the same and the rest is undecided, or CONTRARY, where one decides the contrary. Half of the images decide less.
    """
    parts: list[dict[str, pd.DataFrame]] = [{}, {}]
    for name, table in rows.items():
        images = pd.Series(sorted(table["sample_id"].astype(str).unique()))
        mixed = images.sample(frac=1, random_state=generator(seed, name, "halves"))
        for number, part in enumerate(parts):
            part[name] = table[table["sample_id"].isin(mixed[number::2])].reset_index(drop=True)
    verdicts = [ledger(part).set_index(["id", "record"])["verdict"] for part in parts]
    settled = decided.loc[decided["verdict"].isin([HOLDS, CONTRADICTED]), ["id", "record", "verdict"]]
    of_halves = [each[pd.MultiIndex.from_frame(settled[["id", "record"]])].to_numpy() for each in verdicts]
    table = settled.assign(first=of_halves[0], second=of_halves[1]).reset_index(drop=True)
    return table.assign(repeated=[_repeated(*row) for row in table[["verdict", "first", "second"]].to_numpy()])


def _repeated(verdict: str, first: str, second: str) -> str:
    if ({HOLDS, CONTRADICTED} - {verdict}) & {first, second}:
        return CONTRARY
    return {2: BOTH, 1: EITHER, 0: NEITHER}[(first == verdict) + (second == verdict)]
