"""Opens the explorer as a page of its own, served by voila: no code, no notebook, a kernel behind it.

    .venv/bin/python book/app.py                                  # or: make app
    .venv/bin/python book/app.py -p model=shapes_lraspp -p dataset=shapes --no-browser --port 8866

What stands behind -p are settings of the explorer (see `segattr_lib.explorer.explore`), all else is voila's.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "build" / "app" / "explorer.ipynb"
OWN_ALONE = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' ws: wss:"
TITLE = "Explore one image at a time"
OPENING = f"""# {TITLE}

Pick a photograph or upload one; a model says what it sees, a method where that answer rests, and a second one beside
it. What is left of the answer without the map's top, and whether the map leaves chance behind, stands below the
pictures. Points of the map may prompt a segmenter, whose mask then stands beside the map's own. The target is the most
frequent class, or what you click on; or `largest_component`, `class=person`, `point=x,y` or `box=x0,y0,x1,y1` in pixels
of the picture. Settings and figure can be saved. No picture of yours leaves this machine.
"""


def notebook(settings: dict[str, Any]) -> nbformat.NotebookNode:
    """The page as a notebook: what it says, and one cell that makes the app of these settings."""
    made = f"from segattr_lib.explorer import explore\n\nexplore(**{settings!r})"
    page = nbformat.v4.new_notebook()
    page.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    page.cells = [nbformat.v4.new_markdown_cell(OPENING), nbformat.v4.new_code_cell(made)]
    return page


def command(page: Path, more: list[str]) -> list[str]:
    """What serves a page, which may ask nothing of another server: voila's own looks would fetch icons, which they
    have, and formulas' scripts."""
    headers = {"headers": {"Content-Security-Policy": OWN_ALONE}}
    return [sys.executable, "-m", "voila", str(page), f"--Voila.tornado_settings={headers!r}", *more]


def main(words: list[str] | None = None) -> int:
    """Write the notebook and become what serves it; the exit status where that cannot be."""
    parser = argparse.ArgumentParser(prog="python book/app.py", description=__doc__.partition("\n")[0])
    parser.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    asked, more = parser.parse_known_args(words)
    wrong = [each for each in asked.parameter if "=" not in each]
    if wrong:
        print(f"{wrong[0]!r} is not of the form name=value.", file=sys.stderr)
        return 2
    if find_spec("voila") is None:
        print("voila is not installed; `make setup` brings it, or: pip install '.[app]'", file=sys.stderr)
        return 1
    given = dict(each.split("=", 1) for each in asked.parameter)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook({name: yaml.safe_load(value) for name, value in given.items()}), PAGE)
    os.chdir(ROOT)
    return os.execv(sys.executable, command(PAGE, more))  # whoever stops this process stops the server


if __name__ == "__main__":
    sys.exit(main())
