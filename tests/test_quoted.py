"""What a page of prose quotes of an executed notebook."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
CONFIG = f"""
title: Two pages
execute: {{execute_notebooks: "off"}}
only_build_toc_files: true
sphinx:
  local_extensions: {{quoted: "{ROOT / "book"}"}}
"""


def build(folder: Path, prose: str) -> subprocess.CompletedProcess[str]:
    """A book of a page of prose beside a notebook that glued a number and a text."""
    outputs = [
        nbformat.v4.new_output(
            "display_data",
            {"application/papermill.record/text/plain": repr(value)},
            metadata={"scrapbook": {"name": name, "mime_prefix": "application/papermill.record/"}},
        )
        for name, value in {"images": 145, "best": "RIA's map"}.items()
    ]
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("glue()", outputs=outputs)])
    (folder / "book" / "executed").mkdir(parents=True)
    nbformat.write(page, folder / "book" / "executed" / "which.ipynb")
    (folder / "_config.yml").write_text(CONFIG, encoding="utf-8")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\n", encoding="utf-8")
    (folder / "index.md").write_text(f"# Front\n\n{prose}\n", encoding="utf-8")
    asked = [sys.executable, "-m", "jupyter_book", "build", str(folder), "-W", "--keep-going"]
    return subprocess.run(asked, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_quoted_text_is_what_the_notebook_glued(tmp_path: Path) -> None:
    done = build(tmp_path, "First is {quoted}`which/best`, on {quoted}`which/images` images.")
    assert done.returncode == 0, done.stderr
    shown = (tmp_path / "_build" / "html" / "index.html").read_text(encoding="utf-8")
    assert "First is RIA’s map, on 145 images." in re.sub(r"<[^>]*>", "", shown)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "said"), [("which/worst", "glues no 'worst'"), ("absent/best", "absent.ipynb is not there")]
)
def test_a_text_that_no_notebook_glued_fails_the_build(tmp_path: Path, asked: str, said: str) -> None:
    done = build(tmp_path, f"First is {{quoted}}`{asked}`.")
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())
