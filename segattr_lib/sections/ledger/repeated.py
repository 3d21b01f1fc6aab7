"""Would other images, or one model alone, have decided the same? What the parts of every record decide."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.sections.ledger.claims import DECIDED, ledger
from segattr_lib.seeds import generator

REPEATED = BOTH, EITHER, NEITHER, CONTRARY = ("both", "one", "neither", "contrary")
ALONE = SAME, OPEN, CONTRARY = ("same", "undecided", "contrary")


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


def by_model(rows: Mapping[str, pd.DataFrame], decided: pd.DataFrame) -> pd.DataFrame:
    """What each model alone decides, where a record is of several models.

    rows: of every record, by its name. decided: `ledger(rows)`. Columns: id, record, model, verdict (of all models
    together), alone (of this one), repeated: SAME, OPEN where it decides nothing, or CONTRARY; None where all together
    decide nothing. Claims that a record cannot decide are left out.
    """
    tables = [pd.DataFrame(columns=["id", "record", "model", "verdict", "alone", "repeated"])]
    together = decided[decided["verdict"].isin(DECIDED)]
    for name, table in rows.items():
        claims = together.loc[together["record"] == name, ["id", "record", "verdict"]].reset_index(drop=True)
        names = table["model"].astype(str).unique()
        for model in names if len(names) > 1 and len(claims) else ():
            own = ledger({name: table[table["model"] == model].reset_index(drop=True)})
            verdicts = own[own["record"] == name].set_index("id")["verdict"]
            alone = claims.assign(model=model, alone=claims["id"].map(verdicts))
            tables.append(alone.assign(repeated=[_alone(*row) for row in alone[["verdict", "alone"]].to_numpy()]))
    return pd.concat(tables, ignore_index=True)


def _alone(verdict: str, alone: str) -> str | None:
    if verdict == UNDECIDED:
        return None
    return SAME if alone == verdict else CONTRARY if alone in (HOLDS, CONTRADICTED) else OPEN


def _repeated(verdict: str, first: str, second: str) -> str:
    if ({HOLDS, CONTRADICTED} - {verdict}) & {first, second}:
        return CONTRARY
    return {2: BOTH, 1: EITHER, 0: NEITHER}[(first == verdict) + (second == verdict)]
