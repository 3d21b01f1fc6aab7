"""What would change an answer: other settings than the headline's, and one model alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from segattr_lib.benchmark.statistics import plain
from segattr_lib.evidence.plans import images_of
from segattr_lib.evidence.records import Record
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.sections.which.needs import FILL, Answer, K, Need, centres, of_metrics, table_of, unbeaten

# One claim under many settings; see params/recorded.yaml.
MULTIVERSE = (
    "photographs_224_truth",
    "photographs_224_predicted",
    "photographs_321_truth",
    "photographs_321_predicted",
    "scenes_many",
)
AXES = {"k": "k", "fill": "fill", "size": "image size", "region": "target by"}
COLUMNS = ["need", "record", *AXES, "own_fill", "n", "first", "best"]


def by_setting(records: Mapping[str, Record], headline: str, answers: Mapping[str, Answer]) -> pd.DataFrame:
    """Every answered need under every setting of MULTIVERSE that is recorded of images such as the headline's, among
    the methods that answered there.

    Columns: need, record, k, fill, size, region, own_fill (were interventions made with this fill?), n (images), first
    (the method of the best value) and best (the methods that no other lies above). A setting under which fewer than
    FEWEST images count, or a method is missing, is no row.
    """
    rows = []
    for name in MULTIVERSE:
        if name not in records or images_of(name) != images_of(headline):
            continue
        settings, recorded = records[name].settings, records[name].rows
        about = {"record": name, "size": settings.image_size, "region": settings.region or "the data set"}
        for answered in answers.values():
            need, methods = answered.need, list(answered.ranking["method"])
            mine = plain(of_metrics(recorded, [need.metric]))
            for k, fill in mine[["k", "fill"]].dropna().drop_duplicates().itertuples(index=False):
                outcome = _outcome(mine, need, methods, k, fill)
                if outcome is not None:
                    place = {"k": k, "fill": fill, "own_fill": fill in settings.fill}
                    rows.append({"need": need.name, **about, **place, **outcome})
    return pd.DataFrame(rows, columns=COLUMNS)


def _outcome(
    rows: pd.DataFrame, need: Need, methods: Sequence[str], k: float = K, fill: str = FILL
) -> dict[str, Any] | None:
    """n, first and best of a need under one setting; None for fewer than FEWEST images."""
    table = table_of(rows, need, methods, k, fill)
    if len(table) < FEWEST:
        return None
    first = (need.direction * centres(table, need.by_median)).idxmax()
    return {"n": len(table), "first": str(first), "best": unbeaten(table, need.direction, need.by_median)}


def kept(settings: pd.DataFrame, answers: Mapping[str, Answer]) -> pd.DataFrame:
    """How an answer fares under the settings of `by_setting`: a row a need that was asked under any.

    settings: how many. same: those under which the answer's first is first again. among: those under which one of the
    answer's methods is first. stands: those under which no other lies above the answer's first. others: the methods
    that are first under the rest, the most frequent first.
    """
    rows = []
    for name, mine in settings.groupby("need", sort=False):
        best = answers[str(name)].best
        if not best:
            continue  # so few images that nothing was answered
        others = mine.loc[mine["first"] != best[0], "first"].value_counts()
        rows.append(
            {
                "need": name,
                "settings": len(mine),
                "same": int((mine["first"] == best[0]).sum()),
                "among": int(mine["first"].isin(best).sum()),
                "stands": int(sum(best[0] in unbeaten_there for unbeaten_there in mine["best"])),
                "others": tuple(others.index),
            }
        )
    return pd.DataFrame(rows, columns=["need", "settings", "same", "among", "stands", "others"])


def by_axis(settings: pd.DataFrame, answers: Mapping[str, Answer]) -> pd.DataFrame:
    """The share of the settings of each value of each axis under which one of the answer's methods is first: a row an
    axis and value, a column a need. What moves along one axis alone says on what an answer hangs. Axes of one value are
    left out."""
    best = {name: answer.best for name, answer in answers.items() if answer.best}
    decided = settings[settings["need"].isin(list(best))]
    among = [first in best[need] for need, first in decided[["need", "first"]].itertuples(index=False)]
    table = decided.assign(among=np.array(among, float))
    parts = {
        axis: table.pivot_table(index=axis, columns="need", values="among", aggfunc="mean", sort=False)
        for axis in AXES
        if len(set(decided[axis])) > 1
    }
    return pd.concat(parts).rename_axis(index=[None, None], columns=None) if parts else pd.DataFrame()


def models_alone(record: Record, answers: Mapping[str, Answer]) -> pd.DataFrame:
    """Every answered need with one model alone, where the record has several: need, model, n, first and best, as
    `by_setting` has them."""
    rows: list[dict[str, Any]] = []
    for model in record.settings.model if len(record.settings.model) > 1 else []:
        alone = record.rows[record.rows["model"] == model]
        for name, answered in answers.items():
            outcome = _outcome(alone, answered.need, list(answered.ranking["method"]))
            if outcome is not None:
                rows.append({"need": name, "model": model, **outcome})
    return pd.DataFrame(rows, columns=["need", "model", "n", "first", "best"])
