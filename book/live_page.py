"""Puts the live model and its panel on the page "Judge a map yourself", and on no other.

What runs the model is fetched by `make book` where npm is present; without it the page keeps its static figure.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

STATIC = Path(__file__).parent / "_static"
PAGE = "book/judge"
SCRIPTS = (
    "live/engine.js",
    "vendor/live/models.js",  # where it was made
    "live/panel-text.js",
    "live/panel-colours.js",
    "live/panel-maps.js",
    "live/panel-chart.js",
    "live/panel-stage.js",
    "live/panel-parts.js",
    "live/panel-state.js",
    "live/panel-job.js",
    "live/panel-start.js",
    "live/panel-picture.js",
    "live/panel-target.js",
    "live/panel-shown.js",
    "live/panel-brush.js",
    "live/panel-explain.js",
    "live/panel-judge.js",
    "live/panel-fills.js",
    "live/panel.js",
)


def _add_scripts(app: Any, page: str, _template: str, _context: dict[str, Any], _doctree: Any) -> None:
    if page != PAGE:
        return
    app.add_css_file("live/panel.css")
    for script in SCRIPTS:
        if (STATIC / script).is_file():
            app.add_js_file(script, loading_method="defer")


def setup(app: Any) -> dict[str, Any]:
    app.connect("html-page-context", _add_scripts)
    return {"parallel_read_safe": True}
