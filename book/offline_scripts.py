"""Serve the widgets' and formulas' scripts from the book itself where `make book` could fetch them.

Without npm they come from the usual CDN, and the build log says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.util import logging

VENDOR = Path(__file__).parent / "_static" / "vendor"


def _switch(_app: Any, config: Any) -> None:
    if (VENDOR / "html-manager.js").exists():
        config.nb_ipywidgets_js = {"vendor/html-manager.js": {}}
        config.mathjax_path = "vendor/mathjax-tex-svg.js"
    else:
        logging.getLogger(__name__).info("book/_static/vendor is empty: widgets and formulas load from a CDN")


# The widgets' script asks for MathJax 2's queue, which MathJax 3 does not have.
QUEUE = "addEventListener('load', () => { if (window.MathJax && !MathJax.Hub) MathJax.Hub = { Queue() {} }; });"


def setup(app: Any) -> dict[str, Any]:
    app.connect("config-inited", _switch)
    app.add_js_file(None, body=QUEUE)
    return {"parallel_read_safe": True}
