"""Writes the glossary's methods and metrics anew, from what their functions say of themselves.

    .venv/bin/python book/glossary.py

The notation above them is written by hand. A test holds the page against the registries.
"""

from __future__ import annotations

import inspect
import re
import sys
from operator import sub
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the library of this very checkout
from segattr_lib.attribution import METHODS
from segattr_lib.metrics import METRICS, Metric

PAGE = Path(__file__).resolve().parent / "glossary.md"
FAMILIES = {
    "gradient": "Of gradients.",
    "intervention": "Of interventions.",
    "fusion": "A fusion of maps.",
    "control": "A control: it knows nothing of the model.",
    "own": "",
}
BETTER = {1: "Higher is better.", -1: "Lower is better.", 0: ""}
MARKS = re.compile(r"(<!-- (methods|metrics) -->\n).*?(<!-- /\2 -->)", re.DOTALL)


def methods() -> str:
    """A glossary of every registered method."""
    return _glossary({entry.label: f"{_first(entry.function)} {FAMILIES[entry.family]}" for entry in METHODS.values()})


def metrics() -> str:
    """A glossary of every registered metric."""
    return _glossary({entry.label: _of_metric(entry) for entry in METRICS.values()})


def _of_metric(entry: Metric) -> str:
    parts = [METRICS[part].label for part in entry.parts]
    if entry.combined_by is abs:
        text = f"The absolute value of {parts[0]}."
    elif entry.combined_by is sub:
        text = f"{parts[0]} less {parts[1]}: what is left when chance is taken off."
    else:
        text = _first(entry.function or entry.combine)
    return text if "is better" in text else f"{text} {BETTER[entry.direction]}"


def _first(function: object) -> str:
    """The first paragraph of a function's docstring, in one line."""
    return " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())


def _glossary(texts: dict[str, str]) -> str:
    """MyST of some terms, those that share a text together."""
    shared: dict[str, list[str]] = {}
    for label, text in texts.items():
        shared.setdefault(text.strip(), []).append(label)
    lines = ["```{glossary}"]
    for text, labels in shared.items():
        lines += [*map(_escaped, labels), f"  {_escaped(text)}", ""]
    return "\n".join([*lines[:-1], "```", ""])


def _escaped(text: str) -> str:
    """Text whose signs Markdown would read otherwise, code in backticks aside."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_\\<>$\[\]])", r"\\\1", part) for part in parts)


def renewed(page: str) -> str:
    """The page with both glossaries between their marks as the registries have them."""
    made = {"methods": methods(), "metrics": metrics()}
    return MARKS.sub(lambda marks: f"{marks[1]}{made[marks[2]]}{marks[3]}", page)


def main() -> None:
    """Write the page."""
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
