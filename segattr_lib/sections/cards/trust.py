"""What a metric is to be trusted for: six questions, each answered by a number and a bound (ours)."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from segattr_lib.inference.agreement import WAYS
from segattr_lib.report.labels import key_label
from segattr_lib.report.tables import interval, number
from segattr_lib.sections.cards.measures import Estimate, spread

FLAT = 0.5  # of the methods' spread: no further may maps that know nothing lie apart from each other
ORDERED = 0.8  # Kendall's tau from which on one setting's order of methods stands for another's
LOST = 0.05  # share of values that may be undefined, degenerate or failed
USES = {
    "chance": "telling the best method from maps that know nothing",
    "grain": "comparing maps of different grain",
    "truth": "telling where the evidence lies",
    "settings": "an order of methods at any k and fill",
    "every": "a mean over every image",
    "objective": "choosing a map by it",
}


@dataclass(frozen=True)
class Answer:
    """May the metric be used so? trusted: None where nothing is recorded that could tell. because: the number that
    decides."""

    use: str
    trusted: bool | None
    because: str


@dataclass(frozen=True)
class Measured:
    """All that a metric's answers are computed from.

    where: of measures.levels, of the data that decide. lead: of measures.lead. planted: of measures.planted, and
    planted_blind of random maps. truth: of measures.with_truth, the metric's rows, for a metric of classifiers. taus:
    of measures.setting_taus; sets: has the metric a k or fill at all? again: of measures.explains_again. faults: of
    measures.faults. shift: of measures.shift. gain, reached, best: of gaming, of so many draws.
    direction: of the metric.
    """

    where: pd.DataFrame
    lead: tuple[str, str, Estimate] | None
    planted: Estimate | None
    planted_blind: Estimate | None
    truth: pd.DataFrame | None
    taus: pd.DataFrame | None
    sets: bool
    again: bool
    faults: dict[str, float]
    shift: float
    gain: float
    reached: float
    best: tuple[str, float] | None
    draws: int
    direction: int


def answers(of: Measured) -> list[Answer]:
    """One answer for each of USES, in order."""
    return [_chance(of), _grain(of), _truth(of), _settings(of), _every(of), _objective(of)]


def _chance(of: Measured) -> Answer:
    """Trusted if the best method lies above the best of the maps that know nothing, by its whole interval."""
    if of.lead is None:
        return Answer("chance", None, "no maps that know nothing are recorded")
    best, rival, (value, low, high, n) = of.lead
    because = f"the best method, {key_label(best)}, is ahead of the best blind map, {key_label(rival)}, by "
    because += interval(value, low, high, n=n)
    return Answer("chance", bool(low > 0), because)


def _grain(of: Measured) -> Answer:
    """Trusted if random maps of different grain lie within FLAT of the spread of the methods."""
    if of.again:
        return Answer("grain", None, "random maps are drawn anew where it explains again")
    if (of.where["kind"] == "random").sum() < 2:
        return Answer("grain", None, "random maps of one grain alone are recorded")
    apart, methods = spread(of.where, "random"), spread(of.where, "method")
    because = f"random maps of different grain lie up to {number(apart)} apart, methods up to {number(methods)}"
    return Answer("grain", bool(apart <= FLAT * methods), because)


def _truth(of: Measured) -> Answer:
    """Trusted if planted evidence is found on its side, or the correlation with the truth is above 0, by the whole
    interval."""
    if of.truth is not None and len(of.truth):
        rows = of.truth.set_index("way")
        texts = []
        for way in ("pooled", "within"):
            value, low, high = (float(rows.loc[way, name]) for name in ("value", "low", "high"))
            texts.append(f"{interval(value, low, high, 2)} over {WAYS[way]}")
        above = rows.loc[["pooled", "within"], "low"].astype(float) > 0
        return Answer("truth", bool(above.all()), f"its correlation with the true shape is {' and '.join(texts)}")
    if of.planted is None:
        return Answer("truth", None, "no record of a known truth has it")
    value, low, high, n = of.planted
    because = f"with the evidence on the target it is better by {interval(value, low, high, n=n)} than with it far away"
    if of.planted_blind is not None:
        because += f"; of random maps by {interval(*of.planted_blind[:3], n=of.planted_blind[3])}"
    return Answer("truth", bool(low > 0), because)


def _settings(of: Measured) -> Answer:
    """Trusted if the mean tau over two k, and that over two fills, is at least ORDERED; also without such settings."""
    if not of.sets:
        return Answer("settings", None, "it has neither k nor fill")
    if of.taus is None:
        return Answer("settings", None, "one k and fill alone is recorded")
    texts = [f"{row['mean']:.2f} over {name} (least {row['least']:.2f})" for name, row in of.taus.iterrows()]
    return Answer("settings", bool((of.taus["mean"] >= ORDERED).all()), f"Kendall's tau is {' and '.join(texts)}")


def _every(of: Measured) -> Answer:
    """Trusted if no more than LOST of the values are undefined, degenerate or failed, and if images that the model
    scores low move no method's mean by more than FLAT of the spread of the methods."""
    lost, methods = sum(of.faults.values()), spread(of.where, "method")
    texts = [f"{share:.1%} {status}" for status, share in of.faults.items() if share]
    because = (
        f"values that do not count: {', '.join(texts) or 'none'}; images scored low move a method's mean by up to "
    )
    because += f"{number(of.shift)}, methods lie up to {number(methods)} apart"
    return Answer("every", bool(lost <= LOST and of.shift <= FLAT * methods), because)


def _objective(of: Measured) -> Answer:
    """Trusted if the best of some random maps, chosen by it, stay behind the best method on the same images."""
    if of.again:
        return Answer("objective", None, "a random map that it chose cannot be made again")
    if pd.isna(of.reached) or of.best is None:
        return Answer("objective", None, "it was not gamed")
    name, best = of.best
    because = f"the best of {of.draws} random maps reach {number(of.reached)}, on the same images the best method, "
    because += f"{key_label(name)}, {number(best)}"
    return Answer("objective", bool((best - of.reached) * of.direction > 0), because)
