"""The built book, every page of it: valid, with pictures that have a text and links that lead somewhere; light enough;
without the network, wide and narrow, light and dark; and nothing that axe-core knows to keep readers out.

`make html-check` and `make a11y` run these; without a built book they are skipped.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from markup import Markup, broken_links
from playwright.sync_api import Browser, Page
from test_browser import HARMLESS, PATIENCE

ROOT = Path(__file__).parent.parent
BOOK = ROOT / "_build" / "html"
CHECKS = ROOT / "build" / "checks"
HEAVIEST = 3_000_000  # bytes of a page with its pictures, the scripts that all pages share aside
NOT_PAGES = ("prf-prf.html",)
PAGES = sorted(
    path.relative_to(BOOK).as_posix()
    for path in BOOK.rglob("*.html")
    if "_static" not in path.parts and path.name not in NOT_PAGES
)
SHOWN = PAGES or [pytest.param("", marks=pytest.mark.skip("the book is not built: `make book` builds it"))]


@cache
def markup(page: Path) -> Markup:
    return Markup(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", SHOWN)
def test_a_page_is_whole(page: str) -> None:
    """html: ids that stand once, tags that nest, pictures with a text, links to files and fragments that are there."""
    pages = {(BOOK / name).resolve(): markup(BOOK / name) for name in PAGES}
    assert markup(BOOK / page).faults == []
    assert broken_links((BOOK / page).resolve(), pages) == []


@pytest.mark.parametrize("page", SHOWN)
def test_no_two_bars_of_code_stand_between_two_paragraphs(page: str) -> None:
    assert not re.search("bar bar", " ".join(markup(BOOK / page).bars))


DEPRECATED = re.compile(r'role="(doc-biblioentry|doc-endnote|directory)"')


@pytest.mark.parametrize("page", SHOWN)
def test_a_page_has_no_role_that_readers_of_screens_no_longer_know(page: str) -> None:
    """html: of ARIA, whose deprecated roles docutils still writes."""
    assert DEPRECATED.findall((BOOK / page).read_text(encoding="utf-8")) == []


CODE = re.compile(r"<(script|style|pre|code|svg)\b.*?</\1>", re.DOTALL)
RAW = re.compile(r"<t[dh][^>]*>\s*(?:NaN|None|nan)\s*</t[dh]>|PosixPath|Traceback")


@pytest.mark.parametrize("page", SHOWN)
def test_a_page_shows_nothing_raw(page: str) -> None:
    """html: no marks of Markdown, no missing value as a computer writes it, no place of the machine that built it."""
    text = (BOOK / page).read_text(encoding="utf-8")
    assert RAW.search(text) is None and str(ROOT) not in text
    if not page.startswith("book/api/"):  # docstrings show defaults, marks and all
        assert "`" not in re.sub(r"<[^>]*>", "", CODE.sub("", text))


@pytest.mark.parametrize("page", SHOWN)
def test_a_page_weighs_little(page: str) -> None:
    place = BOOK / page
    pictures = {
        (place.parent / link).resolve()
        for link, _ in markup(place).links
        if re.search(r"\.(png|jpe?g|svg|webp)$", link)
    }
    weight = place.stat().st_size + sum(path.stat().st_size for path in pictures if "_downloads" not in path.parts)
    assert weight < HEAVIEST


def test_the_validator_of_html_finds_nothing() -> None:
    """html: vnu, the checker behind validator.w3.org, where there is java."""
    validator = CHECKS / "vnu.jar"
    if not PAGES or not validator.is_file() or shutil.which("java") is None:
        pytest.skip("no book, no java, or no build/checks/vnu.jar, which `make html-check` fetches")
    pages = [str(BOOK / page) for page in PAGES]
    asked = ["java", "-jar", str(validator), "--errors-only", "--format", "json", *pages]
    said = subprocess.run(asked, capture_output=True, text=True, check=False).stderr
    faults = [
        f"{message['url'].rpartition('/html/')[2]}, line {message['lastLine']}: {message['message']}"
        for message in json.loads(said)["messages"]
    ]
    assert faults == []


@pytest.fixture
def faults() -> list[str]:
    return []


@pytest.fixture(params=["light", "dark"])
def read(request: pytest.FixtureRequest, browser: Browser, faults: list[str]) -> Iterator[Page]:
    """A page without the network, in one of the themes, that writes down what goes wrong in it."""
    context = browser.new_context(offline=True, color_scheme=request.param)
    context.add_init_script(f"localStorage.setItem('mode', '{request.param}')")
    context.add_init_script(f"localStorage.setItem('theme', '{request.param}')")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda asked: faults.append(asked.url) if asked.url.startswith("http") else None)
    page.on("requestfailed", lambda asked: faults.append(f"{asked.url} failed"))
    yield page
    context.close()


@pytest.mark.slow
@pytest.mark.parametrize("page", SHOWN)
def test_a_page_opens_without_the_network_and_scrolls_down_only(page: str, read: Page, faults: list[str]) -> None:
    """A light one is opened narrow and made wide, a dark one opened wide and made narrow."""
    dark = read.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    narrow, wide = 390, 1280
    inside = "[...document.querySelectorAll('.scrolls, .pst-scrollable-table-container, div.figure')]"
    inside += ".filter(each => each.scrollWidth > each.clientWidth + 1).map(each => each.innerText)"
    for number, width in enumerate((wide, narrow) if dark else (narrow, wide)):
        read.set_viewport_size({"width": width, "height": 900})
        if number == 0:
            read.goto((BOOK / page).as_uri())
        assert read.evaluate("document.documentElement.scrollWidth") <= width
        if width == wide:
            assert read.evaluate(inside) == [], "must be scrolled sideways at 1280 px"
    assert [fault for fault in faults if not any(known in fault for known in HARMLESS)] == []


@pytest.mark.slow
@pytest.mark.parametrize("page", SHOWN)
def test_a_page_keeps_no_reader_out(page: str, read: Page) -> None:
    """a11y: axe-core finds no violation of any of its rules, its best practices among them."""
    script = CHECKS / "axe.min.js"
    if not script.is_file():
        pytest.skip("no build/checks/axe.min.js: `make a11y` fetches it")
    read.goto((BOOK / page).as_uri())
    read.add_script_tag(path=script)
    result = read.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [
        (violation["id"], node["html"][:200]) for violation in result["violations"] for node in violation["nodes"]
    ] == []
