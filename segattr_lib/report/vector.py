"""Figures as SVG that stands in a page and takes the page's colours, light or dark.

Text, axes and whatever else is black take the colour of the page's text, white that of its ground, and a grey lies as
far between the two as it did between black and white. All other colours stay, and so does what is drawn on a picture or
a heat map, whose ground is the same in both themes. A file of its own is the same SVG without this (see `plain`).
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

VECTOR: Any = {"svg.fonttype": "none", "svg.hashsalt": "segattr", "image.composite_image": True}
NAMESPACE = "http://www.w3.org/2000/svg"
LINK = "http://www.w3.org/1999/xlink"
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
CSS_PX = 96 / 72  # CSS pixels a point
PIXELS = 144  # of a picture in a figure, an inch: half as many again as CSS pixels
QUALITY = 85  # of photographs, as JPEG
NARROWEST = 0.62  # of its own width, to which a figure may be made narrower; beyond it scrolls, so that it can be read
MOST_MARKS = 2500  # of one collection; more are one picture, which is lighter than so many paths
ON_PICTURE = "on-picture"  # the group of what keeps its colours
PRESENTED = {  # what of a style is an attribute in SVG, too
    "opacity",
    "fill-opacity",
    "stroke-opacity",
    "stroke-width",
    "stroke-dasharray",
    "stroke-dashoffset",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-miterlimit",
    "text-anchor",
    "font-size",
    "font-style",
}
NEUTRAL = re.compile(r"#([0-9a-f]{2})\1\1")
GROUND = "var(--pst-color-background, var(--jp-layout-color0, #fff))"  # of the book, of JupyterLab, of anything else
THEMED = re.compile(r"<style>.*?</style>", re.DOTALL)
LABEL = re.compile(r'aria-label="[^"]*"')


def in_page(figure: Figure, alt: str | None = None) -> str:
    """HTML of a figure that follows the page's theme and width, named for screen readers by `alt` (by default by its
    titles and axes); the same figure gives the same bytes."""
    drawn = _scene(figure)
    points = [float(part) for part in drawn.attrib["viewBox"].split()]
    width = round(points[2] * CSS_PX)
    drawn.attrib = {
        "xmlns": NAMESPACE,
        "class": "figure",
        "viewBox": drawn.attrib["viewBox"],
        "width": str(width),
        "height": str(round(points[3] * CSS_PX)),
        "role": "img",
        "aria-label": described(figure) if alt is None else alt,
        "fill": "currentColor",
        "font-family": "inherit",
        "stroke-linejoin": "round",
        "stroke-linecap": "butt",
        "style": f"width: 100%; max-width: {width}px; min-width: {round(NARROWEST * width)}px; height: auto",
    }
    neutral = _recolour(drawn)
    if neutral:
        styled = ElementTree.Element("style")
        styled.text = _rules(neutral)
        drawn.insert(0, styled)
    _round(drawn)
    _lighten(drawn)
    text = _named_apart(_written(drawn))
    return f'<div class="figure" tabindex="0" style="overflow-x: auto">{text}</div>'


def plain(text: str) -> str:
    """The SVG of `in_page` as a file of its own, black on nothing. Raises ValueError for a text without one."""
    drawn = re.search(r"<svg.*</svg>", text, re.DOTALL)
    if drawn is None:
        raise ValueError("the text holds no SVG; expected what in_page gives")
    bare = THEMED.sub("", drawn[0]).replace('font-family="inherit"', 'font-family="DejaVu Sans, sans-serif"', 1)
    bare = re.sub(r'(<svg[^>]*?) style="[^"]*"', r"\1", bare, count=1)
    return bare.replace("<svg ", f'<svg xmlns:xlink="{LINK}" ', 1)


def with_alt(text: str, alt: str) -> str:
    """The HTML of `in_page` under another name for screen readers."""
    return LABEL.sub(lambda _: f'aria-label="{html.escape(alt)}"', text, count=1)


def described(figure: Figure) -> str:
    """What a figure shows, by what is written at it: the titles and the axes' names of its panels."""
    panels = []
    for axes in figure.axes:
        names = [axes.get_title(), axes.get_ylabel() and f"{axes.get_ylabel()} over {axes.get_xlabel() or 'the rows'}"]
        panels.append(": ".join(filter(None, names)) or axes.get_xlabel())
    shown = "; ".join(dict.fromkeys(" ".join(panel.split()) for panel in panels if panel))
    return f"Figure: {shown}" if shown else "Figure"


def _scene(figure: Figure) -> ElementTree.Element:
    """The figure as matplotlib draws it, as a tree without namespaces, metadata and a style of its own."""
    for axes in figure.axes:
        for collection in axes.collections:
            if max(len(np.atleast_1d(collection.get_offsets())), len(collection.get_paths())) > MOST_MARKS:
                collection.set_rasterized(True)
    figure.draw_without_rendering()  # so that texts know their places
    if figure.get_layout_engine() is not None:
        figure.set_layout_engine("none")  # laid out once: again, and it would stand elsewhere by a hair
    kept = [artist for axes in figure.axes for artist in _on_pictures(axes)]
    for artist in kept:
        artist.set_gid(ON_PICTURE)
    file = io.StringIO()
    with mpl.rc_context(VECTOR):
        figure.savefig(
            file, format="svg", dpi=PIXELS, transparent=True, bbox_inches="tight", pad_inches=0.04, metadata=NO_METADATA
        )
    for artist in kept:
        artist.set_gid(None)
    drawn = ElementTree.fromstring(file.getvalue())
    for element in drawn.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.text, element.tail = (element.text or "").strip() or None, None
        for name in list(element.attrib):
            if name.startswith("{"):
                element.attrib[f"xlink:{name.rpartition('}')[2]}"] = element.attrib.pop(name)
    for parent in list(drawn.iter()):
        for child in list(parent):
            if child.tag in ("metadata", "style") or (child.tag == "defs" and not len(child)):
                parent.remove(child)
    return drawn


def _on_pictures(axes: Axes) -> list[Artist]:
    """What lies over a picture or the cells of a heat map."""
    cells = [collection for collection in axes.collections if isinstance(collection, QuadMesh)]
    if not axes.images and not cells:
        return []
    drawn = [*axes.lines, *axes.patches, *(other for other in axes.collections if other not in cells)]
    written = [text for text in [*axes.texts, axes.title] if text.get_text() and _within(text, axes)]
    return [artist for artist in [*drawn, *written] if artist.get_gid() is None]


def _within(text: Text, axes: Axes) -> bool:
    """Whether the middle of a text lies inside of the axes."""
    box = text.get_window_extent()
    return bool(axes.bbox.contains((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2))


def _recolour(drawn: ElementTree.Element) -> list[tuple[str, str]]:
    """Turn colours from styles into attributes, which rules of a page overrule, and mark the neutral ones by classes.

    Of what keeps its colours the unnamed one, black, is written down. Gives the marked pairs: fill or stroke, and the
    grey as two digits.
    """
    marked: set[tuple[str, str]] = set()
    for defined in drawn.iter("defs"):
        for path in defined.iter("path"):
            path.attrib.pop("style", None)  # of a mark; each use of it says the same, and no rule reaches it here

    def visit(element: ElementTree.Element, kept: bool) -> None:
        if not kept and element.get("id") == ON_PICTURE:
            kept = True
            element.set("fill", "#000000")
        style = dict(re.findall(r"\s*([\w-]+):\s*([^;]+)", element.attrib.pop("style", "")))
        style.pop("font-family", None)
        classes = []
        for name in ("fill", "stroke"):
            colour = style.pop(name, None)
            if colour is not None:
                element.set(name, colour)
                grey = NEUTRAL.fullmatch(colour)
                if grey and not kept:
                    marked.add((name, grey[1]))
                    classes.append(f"{name}-{grey[1]}")
        if classes:
            element.set("class", " ".join(classes))
        for name in list(style):
            if name in PRESENTED:
                element.set(name, style.pop(name))
        if style:
            element.set("style", ";".join(f"{name}:{value}" for name, value in style.items()))
        for child in element:
            visit(child, kept)

    for child in drawn:
        visit(child, False)
    return sorted(marked)


def _rules(marked: list[tuple[str, str]]) -> str:
    """CSS that gives the neutral colours of a figure to the page's ink and ground."""
    rules = []
    for name, grey in marked:
        ink = round(100 * (1 - to_rgb(f"#{grey * 3}")[0]))
        colour = {0: GROUND, 100: "currentColor"}.get(ink, f"color-mix(in srgb, currentColor {ink}%, {GROUND})")
        rules.append(f"svg.figure .{name}-{grey} {{ {name}: {colour} }}")
    return f"@supports (color: color-mix(in srgb, red, blue)) {{ {' '.join(rules)} }}"


def _round(drawn: ElementTree.Element) -> None:
    """Places to a hundredth of a point."""
    for element in drawn.iter():
        if (element.get("transform") or "").startswith("rotate(-0 "):
            del element.attrib["transform"]
        for name in ("d", "x", "y"):
            if name in element.attrib and element.tag != "image":
                places = re.sub(r"-?\d+\.\d+", lambda match: f"{float(match[0]):z.2f}", element.attrib[name])
                element.set(name, " ".join(places.split()))


def _lighten(drawn: ElementTree.Element) -> None:
    """Photographs as JPEG where that is smaller; what is partly clear stays PNG."""
    for element in drawn.iter("image"):
        content = base64.b64decode(element.attrib["xlink:href"].partition("base64,")[2])
        picture = Image.open(io.BytesIO(content))
        if picture.mode == "RGBA" and picture.getchannel("A").getextrema() != (255, 255):
            continue
        file = io.BytesIO()
        try:
            picture.convert("RGB").save(file, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
        except OSError:  # noise that takes more than a byte a pixel, for which Pillow's buffer has no room
            continue
        if len(file.getvalue()) < len(content):
            element.set("xlink:href", f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}")


def _written(drawn: ElementTree.Element) -> str:
    return ElementTree.tostring(drawn, encoding="unicode")


def _named_apart(text: str) -> str:
    """Only ids that something in the figure refers to, each with a prefix of this figure, so that no two figures of a
    page have the same."""
    used = set(re.findall(r"(?:url\(#|xlink:href=\"#)([\w.-]+)", text))
    prefix = hashlib.blake2b(LABEL.sub("", text).encode(), digest_size=4).hexdigest()
    text = re.sub(r' id="([^"]*)"', lambda match: f' id="f{prefix}-{match[1]}"' if match[1] in used else "", text)
    return re.sub(r"(url\(#|xlink:href=\"#)(?=[\w.-])", rf"\1f{prefix}-", text)
