"""Which methods earn more than maps that know the image and the target's place, and nothing of the model?"""

from __future__ import annotations

import pandas as pd

from segattr_lib.attribution import load_method, method_key
from segattr_lib.benchmark.statistics import ROBUST_FLOOR, at, plain
from segattr_lib.inference.comparison import compare
from segattr_lib.inference.holm import SIGNIFICANT, holm
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.inference.paired import paired

VERDICTS = {True: "above chance", False: "not above", None: "undecided"}


def controls_of(samples: pd.DataFrame, metric: str = "excess_tdd") -> list[str]:
    """A run's controls that select for themselves: one whose selections a constant decides on most images does not."""
    rows = plain(samples)
    rows = rows[(rows["metric"] == metric) & (rows["variant"].fillna("") == "")]
    choosing = (rows["status"] == "ok").groupby(rows["method"], sort=False).mean() > 0.5
    return [name for name in choosing.index[choosing] if load_method(name).family == "control"]


def above_chance(
    samples: pd.DataFrame, k: float, fill: str, level: float = 0.95, seed: int = 0, metric: str = "excess_tdd"
) -> pd.DataFrame:
    """Is each method above every control? One row a method: the control that comes closest, and what parts them.

    samples: rows of store.read_samples; images that the model scores below .3 are left out. Columns: method, excess
    (the mean), control (the one of the largest p, of these the closest), n, difference to it with low and high, p,
    p_holm, verdict. p is the largest over the controls of the sign-flip test of the paired difference, 1 where that
    is not positive; Holm over the methods. "above chance" where p_holm < .05, "undecided" below 12 images. Ours: a
    control need not lie at 0, for size and border length leave the shape of a selection open, which earns something.
    """
    table = paired(at(samples, k, fill), metric, k, fill, ROBUST_FLOOR)
    controls = [name for name in controls_of(samples, metric) if name in table]
    rows = []
    for method in table:
        if method_key(method).entry.family == "control":
            continue
        beside = compare(table, [(method, control) for control in controls], metric, level, seed)
        beside["p"] = beside["sign_flip"].where(beside["difference"] > 0, 1.0)
        closest = beside.sort_values(["p", "difference"], ascending=[False, True], kind="stable").head(1)
        for row in closest[["n", "difference", "low", "high", "p", "over"]].to_dict("records"):
            rows.append({"method": method, "excess": table[method].mean(), "control": row.pop("over"), **row})
    verdicts = pd.DataFrame(rows, columns=["method", "excess", "control", "n", "difference", "low", "high", "p"])
    verdicts["p_holm"] = holm(verdicts["p"].to_numpy(float))
    decided = [None if row.n < FEWEST else bool(row.p_holm < SIGNIFICANT) for row in verdicts.itertuples()]
    return verdicts.assign(verdict=[VERDICTS[each] for each in decided])
