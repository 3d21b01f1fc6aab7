"""Prints the whole book into one file, _build/segattr.pdf: Sphinx puts all pages into one, and Chromium prints it.

    .venv/bin/python book/pdf.py        # or: make pdf

What moves on a page, such as a slider, is left out; the figure beside it stands for it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SINGLE = ROOT / "_build" / "singlehtml" / "index.html"
PDF = ROOT / "_build" / "segattr.pdf"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 300_000  # ms
ON_PAPER = """
@page { size: A4; margin: 16mm 14mm 18mm 14mm; }
@media print {
  html { font-size: 13px !important; }
  .bd-header, .bd-header-article, .bd-sidebar-primary, .bd-sidebar-secondary, .bd-footer, .prev-next-footer,
  .widget-area, .jupyter-widgets, .sd-btn, button, p.downloads, details.hide:not([open]) { display: none !important; }
  .bd-content, .bd-main, .bd-article-container, .bd-article { max-width: none !important; padding: 0 !important; }
  .cell_output .text_html, .cell_output div.output, .pst-scrollable-table-container, .scrolls, div.figure, pre {
    overflow: visible !important; background: none !important;
  }
  .segattr-steps input { display: none !important; }
  pre { white-space: pre-wrap !important; }
  table { font-size: 6.6pt !important; width: 100% !important; }
  td, th { white-space: normal !important; overflow-wrap: anywhere; }
  img, svg { max-width: 100% !important; }
  svg.figure { min-width: 0 !important; }
  h1, h2, h3, h4, dt { break-after: avoid; }
  figure, img, tr, .admonition { break-inside: avoid; }
  figure.tabled, table { break-inside: auto !important; }
  figcaption, caption { break-after: avoid; }
  h1 { break-before: page; }
}
"""
FOOT = '<div style="font-size: 7pt; width: 100%; text-align: center"><span class="pageNumber"></span></div>'


def browser() -> str | None:
    """The browser that prints; None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def print_page(page: Path, pdf: Path, executable: str) -> int:
    """Print a page of HTML, its formulas set; the number of pages."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        shown = opened.new_page(color_scheme="light")
        shown.set_default_timeout(PATIENCE)
        shown.goto(page.as_uri(), wait_until="load")
        shown.evaluate("document.documentElement.dataset.theme = document.documentElement.dataset.mode = 'light'")
        shown.evaluate("document.querySelectorAll('img[loading=lazy]').forEach(image => image.loading = 'eager')")
        shown.evaluate("Promise.all([...document.images].map(image => image.decode().catch(() => null)))")
        shown.evaluate("window.MathJax && MathJax.startup ? MathJax.startup.promise : null")
        shown.add_style_tag(content=ON_PAPER)
        shown.add_style_tag(content="@media print { h1.opens { break-before: auto; } }")
        shown.evaluate("document.querySelector('h1')?.classList.add('opens')")  # no page is left empty before it
        shown.pdf(
            path=str(pdf),
            format="A4",
            print_background=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOT,
            outline=True,
            tagged=True,
            prefer_css_page_size=True,
        )
        opened.close()
    return pages_of(pdf)


def pages_of(pdf: Path) -> int:
    """The number of pages of a file that Chromium printed."""
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf.read_bytes()))


def main() -> int:
    """Build, print, and say where it lies."""
    executable = browser()
    if executable is None:
        print(f"No browser to print with: none of {', '.join(BROWSERS)} is on the path.", file=sys.stderr)
        return 1
    build = [Path(sys.executable).with_name("jupyter-book"), "build", ".", "--builder", "singlehtml"]
    if subprocess.run(build, cwd=ROOT, check=False).returncode or not SINGLE.is_file():
        print("The book cannot be put into one page; see above.", file=sys.stderr)
        return 1
    count = print_page(SINGLE, PDF, executable)
    print(f"{PDF.relative_to(ROOT)}: {count} pages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
