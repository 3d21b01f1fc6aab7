"""Runs what own.md shows, and writes the output below each command and each block of Python anew.

    .venv/bin/python book/own.py

The blocks that begin with `# mine.py` are one file; the others are run from top to bottom in one folder. A test holds
what is written against a run.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segattr_lib.__main__ import main as segattr

PAGE = Path(__file__).with_name("own.md")
MINE = "# mine.py\n"
STEP = re.compile(r"```(sh|python)\n((?:(?!```).)*)```\n\n(<!-- output -->\n).*?(<!-- /output -->)", re.DOTALL)
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def mine(text: str) -> str:
    """The file mine.py that a page shows in blocks."""
    blocks = [block.removeprefix(MINE) for block in BLOCK.findall(text) if block.startswith(MINE)]
    return "\n\n".join(blocks)


def outputs(text: str, folder: Path) -> Iterator[str]:
    """What each command and block of the page prints that has a place for it, in order, run in a folder, which is the
    working folder meanwhile. Raises RuntimeError for a command that fails."""
    (folder / "mine.py").write_text(mine(text), encoding="utf-8")
    names: dict[str, Any] = {}
    with contextlib.chdir(folder), _at_front(str(folder)):
        for kind, source, _, _ in STEP.findall(text):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                if kind == "python":
                    exec(compile(source, "own.md", "exec"), names)
                else:
                    program, *arguments = shlex.split(source.replace("\\\n", " "))
                    if program != "segattr" or segattr(arguments):
                        raise RuntimeError(f"This command of own.md failed: {source.strip()}")
            yield "".join(f"{line.rstrip()}\n" for line in printed.getvalue().splitlines())


@contextlib.contextmanager
def _at_front(folder: str) -> Iterator[None]:
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        sys.modules.pop("mine", None)


def written(text: str) -> list[str]:
    """The outputs that stand on the page, in order."""
    return re.findall(r"<!-- output -->\n```text\n(.*?)```\n<!-- /output -->", text, re.DOTALL)


def renewed(text: str, made: list[str]) -> str:
    """The page with these outputs in their places."""
    left = iter(made)
    return STEP.sub(lambda step: f"```{step[1]}\n{step[2]}```\n\n{step[3]}```text\n{next(left)}```\n{step[4]}", text)


def main() -> None:
    """Run the page, and write it."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        made = list(outputs(text, Path(folder)))
    PAGE.write_text(renewed(text, made), encoding="utf-8")


if __name__ == "__main__":
    main()
