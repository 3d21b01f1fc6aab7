"""Reads a page of HTML for what readers stumble over: ids, nesting, pictures without a text, links to nowhere."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
SHAPES = {"path", "use", "rect", "circle", "line", "polygon", "polyline", "image", "stop"}  # of SVG, often self-closing
OPTIONAL = {"p", "li", "dt", "dd", "tr", "td", "th", "tbody", "thead", "option", "colgroup"}  # need no end tag
BLOCKS = {"p", "div", "table", "ul", "ol", "dl", "figure", "section", "pre", "details", "h1", "h2", "h3", "h4"}
CONTROLS = {"a", "button", "select", "textarea", "details"}  # none stands in a link or a button


class Markup(HTMLParser):
    """One page: ids in order, links and sources with their lines, and faults as sentences."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[tuple[str, int]] = []
        self.faults: list[str] = []
        self.bars: list[str] = []  # "bar" and "text" in the order of the page: folded code, and paragraphs
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.faults += [f"{tag} is never closed" for tag in self._open if tag not in OPTIONAL]
        repeated = {name for name in self.ids if self.ids.count(name) > 1} if len(set(self.ids)) < len(self.ids) else ()
        self.faults += [f"id {name!r} stands more than once" for name in sorted(repeated)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._begin(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._begin(tag, attrs)
        if tag not in VOID and "svg" not in self._open and tag not in SHAPES:
            self._open.append(tag)  # in HTML such a tag is only opened

    def _begin(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        line = self.getpos()[0]
        if len(named) < len(attrs):
            self.faults.append(f"line {line}: {tag} has an attribute twice")
        if named.get("id"):
            self.ids.append(str(named["id"]))
        if tag in BLOCKS and self._open and "p" in self._open:
            if self._open[-1] == "p" or tag != "p":
                self.faults.append(f"line {line}: {tag} stands in a p")
            self._open = self._open[: len(self._open) - self._open[::-1].index("p") - 1]
        if tag in CONTROLS and {"a", "button"} & set(self._open):
            self.faults.append(f"line {line}: {tag} stands in a link or a button")
        if tag == "img" and not (named.get("alt") or "").strip():
            self.faults.append(f"line {line}: a picture without a text, {str(named.get('src'))[:60]}")
        if tag == "svg" and not named.get("aria-label") and named.get("aria-hidden") != "true":
            self.faults.append(f"line {line}: a drawing without a name")
        for name in ("href", "src"):
            if named.get(name) and tag not in SHAPES:
                self.links.append((str(named[name]), line))
        if tag == "details" and "hide" in (named.get("class") or "").split():
            self.bars.append("bar")
        elif tag in ("p", "h1", "h2", "h3", "h4") and "downloads" not in (named.get("class") or "").split():
            self.bars.append("text")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open[-1] != tag and self._open[-1] in OPTIONAL:
            self._open.pop()
        if self._open and self._open[-1] == tag:
            self._open.pop()
        elif tag not in VOID:
            self.faults.append(f"line {self.getpos()[0]}: /{tag} closes nothing; open is {self._open[-3:]}")
            if tag in self._open:
                self._open = self._open[: len(self._open) - self._open[::-1].index(tag) - 1]


def broken_links(page: Path, pages: dict[Path, Markup]) -> list[str]:
    """The links and sources of a page to files that are not there, and to fragments that their page has not."""
    broken = []
    for link, line in pages[page].links:
        split = urlsplit(link)
        if split.scheme or split.netloc:
            continue
        target = page if not split.path else (page.parent / unquote(split.path)).resolve()
        if not target.exists():
            broken.append(f"line {line}: {link} is not there")
        elif split.fragment and target in pages and unquote(split.fragment) not in pages[target].ids:
            broken.append(f"line {line}: {link} names a place that is not there")
    return broken
