"""The page "Which attribution should I use?": the recorded runs, asked by what a reader needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from segattr_lib.benchmark.statistics import ROBUST_FLOOR
from segattr_lib.inference.holm import SIGNIFICANT
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.inference.verdicts import LEVEL, POWER
from segattr_lib.report.labels import key_label
from segattr_lib.report.tables import interval, number
from segattr_lib.sections.which.change import kept
from segattr_lib.sections.which.figures import frontier_plot
from segattr_lib.sections.which.needs import ABOVE, FILL, NEEDS, Answer, K
from segattr_lib.sections.which.runs import HEADLINE, MANY_BUDGETS, Runs, Settings, read, run
from segattr_lib.sections.which.tables import (
    ABSENT,
    KNOWS,
    NONE,
    answers_table,
    axes_table,
    budgets,
    cheapest_text,
    digits,
    listed,
    passes_table,
    says,
    settings_table,
    values_table,
)

CLAIMS: tuple[str, ...] = ()
PREFIX = dict(zip(HEADLINE, ("photo", "scene"), strict=True))  # of the facts of each kind of images

__all__ = [
    "CLAIMS",
    "Runs",
    "Settings",
    "answers_table",
    "axes_table",
    "facts",
    "frontier_plot",
    "passes_table",
    "read",
    "run",
    "settings_table",
    "values_table",
]


def facts(runs: Runs) -> dict[str, Any]:
    """All that the page's prose quotes."""
    quoted = {
        "well": ROBUST_FLOOR,
        "fewest": FEWEST,
        "power": POWER,
        "significant": SIGNIFICANT,
        "level": f"{LEVEL:.0%}",
        "k": f"{K:.0%}",
        "fill": FILL,
        "mark": KNOWS.strip(),
        "more_budgets": budgets(runs, MANY_BUDGETS),
        "disagree": _apart(runs),
    }
    for name, prefix in PREFIX.items():
        quoted |= {f"{prefix}_{fact}": value for fact, value in _of_images(runs, name).items()}
    return quoted


def _of_images(runs: Runs, name: str) -> dict[str, Any]:
    """The facts of one kind of images."""
    answers = runs.answers.get(name, {})
    quoted: dict[str, Any] = {}
    for need in NEEDS:
        answer = answers.get(need.name)
        quoted |= {f"{need.name}_{fact}": text for fact, text in _of_answer(answer).items()}
    quoted |= {"cheapest": cheapest_text(runs, name), "budgets": budgets(runs, name)}
    counts = runs.images.get(name)
    quoted["scored"] = ABSENT if counts is None else f"{counts[1]} of {counts[0]}"
    everywhere = [text for text in _methods(answers) if all(text in answer.best for answer in answers.values())]
    quoted["everywhere"] = listed(everywhere) if answers else ABSENT
    return quoted | _beside_controls(runs, name) | _under_settings(runs, name)


def _methods(answers: Mapping[str, Answer]) -> list[str]:
    """All methods that stand in an answer."""
    return list(dict.fromkeys(text for answer in answers.values() for text in answer.best))


def _of_answer(answer: Answer | None) -> dict[str, Any]:
    """An answer's methods, all that it says, the controls that equal it, and the difference that n decides."""
    if answer is None or not answer.best:
        return dict.fromkeys(("methods", "says", "equals", "decides"), says(answer))
    decides = number(answer.smallest, digits(answer.need))
    return {
        "methods": listed(answer.best),
        "says": says(answer),
        "equals": listed(answer.equalled_by),
        "decides": f"{decides}, n = {answer.n}",
    }


def _beside_controls(runs: Runs, name: str) -> dict[str, Any]:
    """Which methods earn more than every control, which do not, what the best control earns, and what maps cost."""
    names = ("known", "unknown", "control", "fewest", "passes")
    verdicts, control = runs.chances.get(name), runs.controls.get(name)
    if verdicts is None or verdicts.empty or control is None:
        return dict.fromkeys(names, ABSENT)
    passes = runs.frontiers[name]
    least = passes[passes["passes"] == passes["passes"].min()]
    return {
        "known": listed(verdicts.index[verdicts == ABOVE]),
        "unknown": listed(verdicts.index[verdicts != ABOVE]),
        "control": f"{key_label(control['method'])}, {interval(*control[['mean', 'low', 'high']])}",
        "fewest": f"{listed(least['method'])}, {least['passes'].min():.0f}" if len(least) else ABSENT,
        "passes": ", ".join(f"{listed(same['method'])} {count:.0f}" for count, same in passes.groupby("passes")),
    }


def _under_settings(runs: Runs, name: str) -> dict[str, Any]:
    """How many other settings there are, how each answer fares under them, and which answers hang on them."""
    settings, answers = runs.settings.get(name), runs.answers.get(name, {})
    quoted: dict[str, Any] = {f"{need.name}_among": ABSENT for need in NEEDS}
    quoted |= {f"{need.name}_same": ABSENT for need in NEEDS}
    if settings is None or settings.empty:
        return quoted | dict.fromkeys(("settings", "other_fill", "hang", "hold"), ABSENT)
    fares = kept(settings, answers)
    for fare in fares.to_dict("records"):
        quoted[f"{fare['need']}_among"] = f"{fare['among']} of {fare['settings']}"
        quoted[f"{fare['need']}_same"] = f"{fare['same']} of {fare['settings']}"
    moved = fares["among"] < fares["settings"]
    faithful = (settings["need"] == "faithful") & ~settings["own_fill"].astype(bool)
    others = next(iter(kept(settings[faithful], answers).to_dict("records")), None)
    return quoted | {
        "settings": len(settings[["record", "k", "fill"]].drop_duplicates()),
        "other_fill": f"{others['among']} of {others['settings']}" if others else NONE,
        "hang": _wishes(fares.loc[moved, "need"]),
        "hold": f"{(~moved).sum()} of {len(fares)}",
    }


def _wishes(names: Iterable[str]) -> str:
    """Needs as the table of answers calls them."""
    return "; ".join(need.wish.lower() for need in NEEDS if need.name in set(names)) or NONE


def _apart(runs: Runs) -> str:
    """The needs that photographs and generated scenes answer with no method in common."""
    if not set(HEADLINE) <= set(runs.answers):
        return ABSENT
    photographs, scenes = (runs.answers[name] for name in HEADLINE)
    both = [name for name in photographs if name in scenes and photographs[name].best and scenes[name].best]
    return _wishes([name for name in both if not set(photographs[name].best) & set(scenes[name].best)])
