"""What the book makes of cells: a page of one notebook, whose outputs are given, is built and read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from markup import Markup, broken_links
from matplotlib import pyplot as plt

from segattr_lib.report.vector import in_page, plain

ROOT = Path(__file__).parent.parent
CONFIG = f"""
title: One page
execute: {{execute_notebooks: "off"}}
sphinx:
  local_extensions: {{shown: "{ROOT / "book"}"}}
  config: {{numfig: true}}
"""


def drawn() -> str:
    figure, axes = plt.subplots()
    axes.plot([0, 1], color="#0a5c9e")
    plt.close(figure)
    return in_page(figure)


def cell(source: str, html: str, tags: tuple[str, ...] = ("hide-input",), **mystnb: dict[str, str]):
    output = nbformat.v4.new_output("display_data", {"text/html": html, "text/plain": "what it is"})
    metadata = {"tags": list(tags), **({"mystnb": mystnb} if mystnb else {})}
    return nbformat.v4.new_code_cell(source, outputs=[output], metadata=metadata)


def text(source: str):
    return nbformat.v4.new_markdown_cell(source)


TABLE = pd.DataFrame({"mean": [0.5, 0.25]}, index=["EGA", "RIA"])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shown")
    cells = [
        text("# One page\n\nA text that names {numref}`tab-means` and {numref}`fig-line`."),
        cell("table()", TABLE._repr_html_(), figure={"name": "tab-means", "caption": "Means of *methods*."}),
        cell(
            "line()", drawn(), image={"alt": 'A line "up".'}, figure={"name": "fig-line", "caption": "A line, rising."}
        ),
        text("## Another section\n\nAnother text."),
        cell("bare()", TABLE.to_html(index=False)),
        cell("long()", "<p>long</p>", ("hide-input", "hide-output")),
    ]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
    nbformat.write(book, folder / "index.ipynb")
    (folder / "_config.yml").write_text(CONFIG, encoding="utf-8")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    build = [Path(sys.executable).parent / "jupyter-book", "build", folder, "--quiet", "-n", "-W", "--keep-going"]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "_build" / "html"


@pytest.fixture(scope="module")
def page(built: Path) -> str:
    return (built / "index.html").read_text(encoding="utf-8")


def test_the_page_is_whole(built: Path, page: str) -> None:
    place, read = (built / "index.html").resolve(), Markup(page)
    assert read.faults == []
    assert broken_links(place, {place: read}) == []


def test_cells_between_two_texts_lie_under_one_bar_with_the_code_of_all(page: str) -> None:
    bars = re.findall(r'<details class="hide above-input">(.*?)</details>', page, re.DOTALL)
    codes = [re.findall(r'<span class="n">(\w+)</span>', bar) for bar in bars]
    assert codes == [["table", "line"], ["bare"], ["long"]]
    assert "<p>long</p>" in bars[2]  # code and what it shows under one
    assert not re.search(r"<p[^>]*>", bars[0].partition("</summary>")[0])


def test_a_table_has_its_number_and_caption_above_it_and_a_figure_below(page: str) -> None:
    table = page[page.index('id="tab-means"') : page.index('id="fig-line"')]
    assert re.search(r'caption-number">Table 1.*?Means of <em>methods</em>', table, re.DOTALL)
    assert table.index("</figcaption>") < table.index("<table")
    figure = page[page.index('id="fig-line"') :]
    assert re.search(r'caption-number">Fig. 1', figure)
    assert figure.index("<svg") < figure.index("<figcaption")
    assert 'href="#tab-means"><span class="std std-numref">Table 1</span>' in page
    assert 'href="#fig-line"><span class="std std-numref">Fig. 1</span>' in page


def test_a_figure_is_named_by_the_alternative_text_of_its_cell(page: str) -> None:
    assert 'aria-label="A line &quot;up&quot;."' in page


def test_tables_scroll_by_themselves_and_name_what_their_heads_are_of(page: str) -> None:
    first, second = re.findall(r'<div class="scrolls"[^>]*>(.*?)</div>', page, re.DOTALL)
    assert re.findall(r'<th scope="(\w+)">(.*?)</th>', first) == [("col", "mean"), ("row", "EGA"), ("row", "RIA")]
    assert "<style" not in first and "border=" not in second
    assert re.findall(r'class="scrolls"[^>]*aria-label="([^"]*)"', page) == [
        "Table: Means of methods.",
        "Table: Another section",
    ]


def test_what_is_shown_can_be_taken_along_as_files(built: Path, page: str) -> None:
    links = re.findall(r'<a href="(_downloads/[^"]+)" download', page)
    assert links == ["_downloads/index/tab-means.csv", "_downloads/index/fig-line.svg", "_downloads/index/index-2.csv"]
    assert (built / links[0]).read_text(encoding="utf-8") == ",mean\nEGA,0.50\nRIA,0.25\n"
    figure = re.search(r'<div class="figure".*?</svg></div>', page, re.DOTALL)
    assert figure is not None and (built / links[1]).read_text(encoding="utf-8") == plain(figure[0])
    assert (built / links[2]).read_text(encoding="utf-8") == "mean\n0.50\n0.25\n"
