"""What a reader without a kernel and without a network sees: Chromium opens built pages from disk."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jupytext
import papermill
import pytest
from playwright.sync_api import Browser, Page, expect

from segattr_lib.data.photographs import available
from segattr_lib.photograph import explain_into

ROOT = Path(__file__).parent.parent
VENDOR = ROOT / "book" / "_static" / "vendor"
BUILT = ROOT / "_build" / "html" / "book" / "executed" / "benchmark.html"
HARMLESS = (
    "THEBE_JS_URL",  # the theme declares it twice on some pages
    "Got invalid theme mode",  # the theme, on a reader's first visit
    "reading 'Queue'",  # html-manager looks for MathJax 2 once a label is drawn
)

NOTEBOOK = """
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # One slider

# %%
import torch
from segattr_lib.models.runtime import prepare
from segattr_lib.report.slider import deletion_slider
from segattr_lib.targets import Target, bind

torch.manual_seed(0)
model = torch.nn.Conv2d(3, 2, 1)
prepare(model, (16, 16), "cpu", batch_size=4)
mask = torch.zeros(1, 16, 16, dtype=torch.bool)
mask[:, 4:12, 4:12] = True
score = bind(model, Target(torch.ones(1, dtype=torch.long), mask))
maps = {"rows": torch.linspace(0, 1, 256).view(16, 16), "columns": torch.linspace(0, 1, 256).view(16, 16).T}
deletion_slider(score, torch.rand(3, 16, 16), maps, levels=(0.0, 0.2, 0.5, 1.0))
"""

PATIENCE = 120_000  # ms; a busy machine is no failure
expect.set_options(timeout=PATIENCE)

CONFIG = """
title: One page
execute: {execute_notebooks: "off"}
sphinx:
  config:
    html_static_path: [_static]
    nb_ipywidgets_js: {vendor/html-manager.js: {}}
    mathjax_path: vendor/mathjax-tex-svg.js
    html_theme_options: {navbar_persistent: []}
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a book of one executed notebook with a deletion slider."""
    if not (VENDOR / "html-manager.js").is_file():
        pytest.skip(f"no widget scripts in {VENDOR}: `make book` fetches them where npm is present")
    folder = tmp_path_factory.mktemp("book")
    no_model = shutil.ignore_patterns("live")  # Jupyter Book puts all scripts of _static on every page
    shutil.copytree(VENDOR, folder / "_static" / "vendor", ignore=no_model)
    (folder / "_config.yml").write_text(CONFIG, encoding="utf-8")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    raw = folder / "raw" / "index.ipynb"
    raw.parent.mkdir()
    jupytext.write(jupytext.reads(NOTEBOOK.lstrip(), "py:percent"), raw)
    executed = {"kernel_name": "python3", "cwd": ROOT, "progress_bar": False, "start_timeout": 300}
    papermill.execute_notebook(raw, folder / "index.ipynb", **executed)
    shutil.rmtree(raw.parent)
    build = [Path(sys.executable).parent / "jupyter-book", "build", folder, "--quiet"]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder / "_build" / "html" / "index.html"


@pytest.fixture
def read(browser: Browser) -> Iterator[Page]:
    """A page that fails its test on a script's error, and on asking for anything that is not on disk."""
    context = browser.new_context(offline=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda asked: faults.append(asked.url) if asked.url.startswith("http") else None)
    yield page
    context.close()
    assert [fault for fault in faults if not any(known in fault for known in HARMLESS)] == []


def frame(page: Page) -> str:
    """The alternative text of the visible frame."""
    shown = page.locator(".jupyter-widgets figure img:visible").all()
    texts = [image.get_attribute("alt") or "" for image in shown]
    return next(text for text in texts if text.startswith("The image with"))


def test_a_slider_moves_by_keyboard_without_kernel_and_network(book: Path, read: Page) -> None:
    read.goto(book.as_uri())
    expect(read.get_by_alt_text("top 20% of the target by rows")).to_be_visible()
    handle = read.locator(".noUi-handle")
    for key, share in (("ArrowRight", "50%"), ("ArrowRight", "100%"), ("Home", "0%"), ("ArrowRight", "20%")):
        handle.press(key)
        expect(read.get_by_alt_text(f"top {share} of the target by rows")).to_be_visible()
        assert frame(read).startswith(f"The image with the top {share} of the target by rows")
    expect(read.get_by_text("20% of the target deleted: score")).to_be_visible()


def test_another_map_is_chosen_at_the_same_level(book: Path, read: Page) -> None:
    read.goto(book.as_uri())
    read.locator(".noUi-handle").press("ArrowRight")
    read.get_by_role("combobox").select_option("columns")
    expect(read.get_by_alt_text("top 50% of the target by columns")).to_be_visible()
    expect(read.get_by_alt_text("The columns map over the image")).to_be_visible()
    assert read.get_by_alt_text("by rows").count() == 0


def test_the_built_benchmark_page_has_a_slider_that_moves(read: Page) -> None:
    if not BUILT.is_file():
        pytest.skip(f"the book is not built: {BUILT.relative_to(ROOT)} is missing; `make book` builds it")
    if not (VENDOR / "html-manager.js").is_file():
        pytest.skip("the book was built without npm, so its widgets need the network")
    read.goto(BUILT.as_uri())
    expect(read.get_by_alt_text("The image with the top").first).to_be_visible()
    before = frame(read)
    read.locator(".noUi-handle").first.press("ArrowRight")
    expect(read.get_by_alt_text(before)).to_have_count(0)
    assert frame(read) != before


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two photographs, one of which shows nothing that the model knows."""
    folder = tmp_path_factory.mktemp("explained")
    photos = [available()[name].path for name in ("motorcycle_left", "rocket")]
    methods = ["gpa", "ega", "adaptive_ria(budget=9)", "adaptive_dea(budget=9)"]
    explain_into(folder, photos, model="voc_deeplabv3_mobilenetv2_half", methods=methods, size=161)
    return folder / "index.html"


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_photograph_reads_at_any_width_in_both_themes(read: Page, explained: Path, width, scheme):
    """Nothing is asked for, nothing must be scrolled sideways, every picture is shown, and text stands out."""
    read.emulate_media(color_scheme=scheme)
    read.set_viewport_size({"width": width, "height": 900})
    read.goto(explained.as_uri())
    assert read.evaluate("document.documentElement.scrollWidth") == width
    shown = read.evaluate("[...document.images].map(image => image.complete && image.naturalWidth > 0)")
    assert len(shown) == 1 + 2 * 4 + 1 and all(shown)
    colours = read.evaluate(
        """[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor,
            getComputedStyle(document.querySelector(".credit")).color,
            getComputedStyle(document.querySelector(".chart text")).fill]"""
    )
    ink, ground, quiet, chart = (luminance(colour) for colour in colours)
    for text in (ink, quiet, chart):
        assert (max(text, ground) + 0.05) / (min(text, ground) + 0.05) > 4.5  # WCAG's contrast for text
    assert (ground > 0.5) == (scheme == "light")


def luminance(colour: str) -> float:
    """The relative luminance of "rgb(r, g, b)", as WCAG has it."""
    parts = [float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
