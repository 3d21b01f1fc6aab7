"""What a reader may need of an attribution, and which methods of a recorded run answer it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from segattr_lib.attribution import method_key
from segattr_lib.inference.chance import VERDICTS, above_chance, controls_of
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS
from segattr_lib.inference.holm import SIGNIFICANT
from segattr_lib.inference.intervals import FEWEST, means, median_interval
from segattr_lib.inference.max_t import all_pairs
from segattr_lib.inference.paired import keyed
from segattr_lib.inference.verdicts import Difference, decided, difference, sound, values_of
from segattr_lib.metrics import metric_key

K, FILL = 0.2, "mean"  # the share that is deleted and what it is filled with, where a record has several
EXCESS = "excess_tdd"
ABOVE, NO_CONTROL = VERDICTS[True], "–"
FORWARD = "intervention"  # the family of maps that take forward passes alone


@dataclass(frozen=True)
class Need:
    """What a reader looks for.

    name: of its facts. wish: in a reader's words. metric: what measures it. forward_only: of the methods that take no
    gradient. per_pass: the value over the passes that a map took.
    """

    name: str
    wish: str
    metric: str
    forward_only: bool = False
    per_pass: bool = False

    @property
    def direction(self) -> int:
        """1 where higher is better, -1 where lower is."""
        return metric_key(self.metric).entry.direction

    @property
    def by_median(self) -> bool:
        """Is its metric ranked by the median?"""
        return metric_key(self.metric).entry.ranked_by == "median"


NEEDS = (
    Need("faithful", "The most faithful", EXCESS),
    Need("drop", "The largest drop as it stands", "tdd"),
    Need("per_pass", "The most faithful for each pass", EXCESS, per_pass=True),
    Need("stable", "The most stable", "stability"),
    Need("on_target", "The least off the target", "odd_abs"),
    Need("leaks", "The least off the target for its drop", "leak_abs"),
    Need("forward", "The most faithful without gradients", EXCESS, forward_only=True),
)


@dataclass(frozen=True)
class Answer:
    """Which methods of a run answer a need.

    n: images. ranking: a row a method, the best first: method, value (mean, or median where the metric is ranked by it)
    with low and high. best: the methods that no other lies above, the best first; none below FEWEST images. following:
    the first of those that another lies above, None where there is none. lead, behind: how much better the first of
    `best` is than the second of them, and than `following`, image by image; of no image where there is none. smallest:
    the difference between the first and the next, of `best` or else `following`, that so many images decide with the
    power of verdicts.POWER. equalled_by: the controls that the first of `best` is not measured to be better than.
    """

    need: Need
    n: int
    ranking: pd.DataFrame
    best: tuple[str, ...]
    following: str | None
    lead: Difference
    behind: Difference
    smallest: float
    equalled_by: tuple[str, ...]


def of_metrics(rows: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The rows of these metrics, and of the models' scores."""
    return rows[rows["metric"].isin([*metrics, "score"])]


def of_methods(rows: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """The rows of these methods, whatever their options, and those of no method: values_of is slow on more."""
    return rows[rows["method"].isna() | rows["method"].isin([method_key(text).name for text in methods])]


def explaining(rows: pd.DataFrame) -> list[str]:
    """The run's methods that are no controls, in order, as texts of their keys."""
    keys = keyed(rows.loc[rows["method"].notna(), ["method", "variant"]].drop_duplicates())["key"]
    return [text for text in keys if method_key(text).entry.family != "control"]


def without_gradients(methods: Sequence[str]) -> list[str]:
    """Those whose maps take forward passes alone."""
    return [text for text in methods if method_key(text).entry.family == FORWARD]


def passes_of(rows: pd.DataFrame, methods: Sequence[str]) -> pd.Series:
    """The mean passes that a map of each method took; empty where the run did not count them."""
    return values_of(rows, "passes", methods, None, None).mean()


def unbeaten(table: pd.DataFrame, direction: int, by_median: bool = False) -> tuple[str, ...]:
    """The methods that no other lies above, the best first; none below FEWEST images.

    table: images as rows, methods as columns, no value missing. All pairs are tested at once: means by max-T, medians
    of differences by the sign test under Holm.
    """
    if len(table) < FEWEST:
        return ()
    ordered = list((direction * centres(table, by_median)).sort_values(ascending=False, kind="stable").index)
    if not by_median:
        pairs = all_pairs(table, direction)
        return tuple(name for name in ordered if pairs.verdict(name) != CONTRADICTED)
    tested = list(combinations(ordered, 2))
    differences = [_better(table, *pair, direction, by_median) for pair in tested]
    beaten = set()
    for (first, second), (_, verdict) in zip(tested, decided(differences, ["above"] * len(tested)), strict=True):
        if verdict == HOLDS:
            beaten.add(second)
        elif verdict == CONTRADICTED:
            beaten.add(first)
    return tuple(name for name in ordered if name not in beaten)


def table_of(rows: pd.DataFrame, need: Need, methods: Sequence[str], k: float = K, fill: str = FILL) -> pd.DataFrame:
    """What measures a need: images as rows, those of the methods that can answer it as columns, no value missing. Empty
    where the run lacks the metric, the passes, or a method."""
    asked = without_gradients(methods) if need.forward_only else list(methods)
    rows = of_methods(rows, asked)
    table = values_of(rows, need.metric, asked, k, fill)
    if need.per_pass:
        passes = passes_of(rows, asked)
        table = table / passes if len(passes) and passes.notna().all() else table.iloc[:0]
    return table


def answer(rows: pd.DataFrame, need: Need, k: float = K, fill: str = FILL) -> Answer | None:
    """What a run's rows answer; None where `table_of` is empty."""
    rows = of_metrics(rows, [need.metric, "passes"] if need.per_pass else [need.metric])
    table = table_of(rows, need, explaining(rows), k, fill)
    if table.empty:
        return None
    ranking = _ranking(table, need.direction, need.by_median)
    best = unbeaten(table, need.direction, need.by_median)
    following = next((name for name in ranking["method"] if best and name not in best), None)
    lead, behind = (
        difference(np.array([])) if name is None else _better(table, best[0], name, need.direction, need.by_median)
        for name in (best[1] if len(best) > 1 else None, following)
    )
    pairs = len(ranking) * (len(ranking) - 1) // 2
    smallest = (lead if len(best) > 1 else behind).smallest(pairs) if pairs else np.nan
    equalled_by = () if need.per_pass or not best else _equalled_by(rows, need, best[0], k, fill)
    return Answer(need, len(table), ranking, best, following, lead, behind, smallest, equalled_by)


def centres(table: pd.DataFrame, by_median: bool) -> pd.Series:
    """What each column is ranked by."""
    return table.median() if by_median else table.mean()


def _ranking(table: pd.DataFrame, direction: int, by_median: bool) -> pd.DataFrame:
    """A row a method, the best first: method, value, low, high."""
    rows = means(table).rename(columns={"mean": "value"})
    if by_median:
        ends = [median_interval(table[name].to_numpy(float)) for name in table]
        rows = rows.assign(value=table.median().to_numpy(), low=[low for low, _ in ends], high=[up for _, up in ends])
    places = (direction * rows["value"]).sort_values(ascending=False, kind="stable").index
    return rows.loc[places, ["method", "value", "low", "high"]].reset_index(drop=True)


def _better(table: pd.DataFrame, method: str, over: str, direction: int, by_median: bool) -> Difference:
    """How much better one method is than another, image by image; positive is better."""
    return difference(direction * (table[method] - table[over]).to_numpy(float), by_median)


def _equalled_by(rows: pd.DataFrame, need: Need, method: str, k: float, fill: str) -> tuple[str, ...]:
    """The controls that choose for themselves under the need's metric and that the method is not better than."""
    equals = []
    for control in controls_of(rows, need.metric):
        table = values_of(rows, need.metric, [method, control], k, fill)
        beside = _better(table, method, control, need.direction, need.by_median)
        if not (beside.p < SIGNIFICANT and beside.value > 0):
            equals.append(control)
    return tuple(equals)


def chances(rows: pd.DataFrame, k: float = K, fill: str = FILL) -> pd.Series:
    """Each method's verdict of chance.above_chance, by its key; empty where the run has no excess TDD or no control."""
    rows = of_metrics(rows, [EXCESS])
    if not len(values_of(rows, EXCESS, explaining(rows), k, fill)) or not controls_of(rows):
        return pd.Series(dtype=object)
    table = above_chance(sound(rows), k, fill)
    return table.set_index("method")["verdict"]


def best_control(rows: pd.DataFrame, k: float = K, fill: str = FILL) -> pd.Series | None:
    """The control with the highest mean excess TDD over the images that all methods have, too: method, mean, low, high
    and n; None without any."""
    rows = of_metrics(rows, [EXCESS])
    methods = explaining(rows)
    shared = [values_of(rows, EXCESS, [*methods, name], k, fill)[[name]] for name in controls_of(rows)]
    if not shared:
        return None
    table = pd.concat([means(values) for values in shared], ignore_index=True)
    return table.loc[table["mean"].idxmax()]


def frontier(
    rows: pd.DataFrame, methods: Sequence[str], verdicts: pd.Series, k: float = K, fill: str = FILL
) -> pd.DataFrame:
    """What passes buy: a row a method by its passes, method, passes, mean excess TDD with low and high, n, above (its
    verdict of `chances`, NO_CONTROL without), step (does it lie on the frontier?).

    A method lies on it if it lies above every method of fewer passes, and none of as many lies above it; none does
    below FEWEST images. Empty where the run lacks passes or excess TDD.
    """
    rows = of_metrics(rows, [EXCESS, "passes"])
    columns = ["method", "passes", "mean", "low", "high", "n", "above", "step"]
    table, passes = values_of(rows, EXCESS, methods, k, fill), passes_of(rows, methods)
    if table.empty or passes.isna().any() or passes.empty:
        return pd.DataFrame(columns=columns)
    pairs = all_pairs(table)
    on = {}
    for name in methods:
        cheaper = [other for other in methods if passes[other] < passes[name]]
        alike = [other for other in methods if passes[other] == passes[name]]
        beaten = pairs.verdict(name, alike) == CONTRADICTED
        on[name] = len(table) >= FEWEST and not beaten and (not cheaper or pairs.verdict(name, cheaper) == HOLDS)
    bought = means(table).assign(
        passes=passes[list(table)].to_numpy(),
        above=[verdicts.get(name, NO_CONTROL) for name in table],
        step=[on[name] for name in table],
    )
    return bought.sort_values(["passes", "mean"], ascending=[True, False], kind="stable")[columns].reset_index(
        drop=True
    )


def steps(passes: pd.DataFrame) -> list[tuple[int, tuple[str, ...]]]:
    """The frontier from the fewest passes on: the passes, and the methods that a reader with so many takes."""
    rising = passes[passes["step"].astype(bool)].groupby("passes", sort=True)["method"]
    return [(round(float(count)), tuple(names)) for count, names in rising]


def cheapest(passes: pd.DataFrame) -> tuple[int, tuple[str, ...]] | None:
    """The fewest passes of a method that lies above every control, and the methods of so many that do."""
    above = passes[passes["above"] == ABOVE]
    if above.empty:
        return None
    fewest = above["passes"].min()
    return round(float(fewest)), tuple(above.loc[above["passes"] == fewest, "method"])
