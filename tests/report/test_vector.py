"""Figures in a page: they take its colours, keep their own, and are the same bytes each time."""

from __future__ import annotations

import base64
import io
import re
from itertools import combinations
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image
from skimage.color import rgb2lab

from segattr_lib.attribution import METHODS
from segattr_lib.report import vector
from segattr_lib.report.style import FAMILIES, STYLE, method_colours
from segattr_lib.report.vector import described, in_page, plain, with_alt

DARKEST, LIGHTEST = "#14181e", "#ffffff"  # grounds of the book's two themes
# How a page's linear RGB is seen by those whose long, middle or short cones are missing (Machado et al., 2009).
SEEN = {
    "by most": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "without long": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "without middle": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "without short": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


@pytest.fixture
def chart() -> Figure:
    """A line in blue, one in grey, one in black, a white dot; drawn afresh for each test."""
    return charted("chart")


def charted(title: str) -> Figure:
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(layout="compressed")
        axes.plot([0, 1], [0, 1], color="#0a5c9e")
        axes.axhline(0.5, color="0.7")
        axes.axvline(0.5, color="black")
        axes.plot([0.5], [0.5], "o", color="white", markeredgecolor="black")
        axes.set(title=title, xlabel="passes", ylabel="TDD")
        plt.close(figure)
    return figure


def pictured(image: np.ndarray) -> Figure:
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(2, 2))
        axes.imshow(image, vmin=0, vmax=1)
        axes.plot([0, 5], [0, 5], color="0.7")
        axes.text(8, 8, "on it", color="black")
        axes.text(8, 40, "below it", color="black")
        axes.set_title("above it")
        plt.close(figure)
    return figure


def svg(text: str) -> ElementTree.Element:
    found = re.search(r"<svg.*</svg>", text, re.DOTALL)
    assert found is not None
    return ElementTree.fromstring(found[0].replace("xlink:href", "href"))


def elements(text: str, name: str) -> list[ElementTree.Element]:
    return list(svg(text).iter(f"{{{vector.NAMESPACE}}}{name}"))


def rule(text: str, selected: str) -> str:
    (colour,) = re.findall(rf"\.{selected} {{ \w+: (.*?) }}", text)
    return colour


def test_black_is_the_pages_ink_white_its_ground_and_a_grey_lies_as_far_between(chart):
    text = in_page(chart)
    assert svg(text).attrib["fill"] == "currentColor"  # of all that names no colour
    assert rule(text, "stroke-00") == "currentColor"
    assert rule(text, "fill-ff") == vector.GROUND
    assert rule(text, "stroke-b2") == f"color-mix(in srgb, currentColor 30%, {vector.GROUND})"
    (blue,) = [path for path in elements(text, "path") if path.get("stroke") == "#0a5c9e"]
    assert blue.get("class") is None
    classes = {name for path in svg(text).iter() for name in (path.get("class") or "").split()}
    assert {path.get("stroke") for path in elements(text, "path") if "stroke-b2" in (path.get("class") or "")} == {
        "#b2b2b2"
    }
    assert classes == {"figure", "stroke-00", "stroke-b2", "fill-ff"}


def test_no_ground_is_drawn(chart):
    drawn = [shape for shape in svg(in_page(chart)).iter() if (shape.get("fill") or "").startswith("#")]
    assert all(shape.get("fill") == "#ffffff" and shape.tag.endswith("use") for shape in drawn) and len(drawn) == 1


def test_marks_inherit_the_colours_of_their_use(chart):
    """No rule of a page reaches into what `use` draws, so that there may be no colour."""
    for defined in elements(in_page(chart), "defs"):
        for path in defined.iter():
            assert path.get("stroke") is None and path.get("fill") is None and path.get("style") is None


def test_the_same_figure_gives_the_same_bytes_however_often_and_whenever_it_was_made(chart):
    first = in_page(chart)
    assert in_page(chart) == first == in_page(charted("chart"))
    assert not re.search(r"metadata|matplotlib|20\d\d-", first)


def test_two_figures_of_a_page_share_no_id_and_every_reference_is_met(chart):
    texts = in_page(chart), in_page(charted("another"))
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in texts]
    for names, text in zip(ids, texts, strict=True):
        assert names == set(re.findall(r"(?:url\(#|href=\"#)([\w-]+)", text)) and names
    assert not ids[0] & ids[1]


def test_what_stands_on_a_picture_keeps_its_colours_and_what_stands_beside_it_does_not():
    text = in_page(pictured(np.random.default_rng(0).random((16, 16, 3))))
    tree = svg(text)
    kept = [group for group in tree.iter() if group.get("fill") == "#000000"]
    words = ["".join(word.itertext()) for group in kept for word in group.iter(f"{{{vector.NAMESPACE}}}text")]
    assert words == ["on it"]
    lines = [path for group in kept for path in group.iter() if path.get("stroke") == "#b2b2b2"]
    assert len(lines) == 1 and lines[0].get("class") is None
    assert {"below it", "above it"} <= {"".join(word.itertext()) for word in elements(text, "text")}


def test_cells_of_a_heat_map_keep_their_colours_and_the_lines_between_them_are_the_pages_ground():
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots()
        axes.pcolormesh(np.array([[0.1, 0.9]]), cmap="viridis", edgecolor="white", linewidth=1)
        axes.text(0.5, 0.5, "0.1", color="0.15")
        plt.close(figure)
    text = in_page(figure)
    (word,) = [word for word in elements(text, "text") if "".join(word.itertext()) == "0.1" and word.get("fill")]
    assert (word.get("fill"), word.get("class")) == ("#262626", None)
    cells = [path for path in elements(text, "path") if path.get("stroke") == "#ffffff"]
    assert len(cells) == 2 and all(cell.get("class") == "stroke-ff" for cell in cells)


def test_a_photograph_is_a_jpeg_that_looks_like_it_and_what_is_partly_clear_is_not():
    ramp = np.linspace(0, 1, 64)
    image = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], 0.5 * np.ones((64, 64))), -1)
    noisy = (image + np.random.default_rng(0).normal(0, 0.02, image.shape)).clip(0, 1)
    (embedded,) = elements(in_page(pictured(noisy)), "image")
    kind, content = embedded.attrib["href"].split(";base64,")
    assert kind == "data:image/jpeg"
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).resize((64, 64))) / 255
    assert "scale(1 -1)" in embedded.attrib["transform"]  # it is stored upside down
    assert np.abs(shown[::-1] - image).mean() < 0.05
    clear = np.dstack([noisy, np.full((64, 64), 0.5)])
    (embedded,) = elements(in_page(pictured(clear)), "image")
    assert embedded.attrib["href"].startswith("data:image/png")


def test_noise_that_pillow_cannot_write_as_a_small_jpeg_stays_as_it_is(monkeypatch):
    """Pillow's buffer may have no room for a JPEG that is optimised and larger than its picture."""
    real = Image.Image.save

    def save(self, file, format=None, **options):
        if format == "JPEG":
            raise OSError("encoder error -2 when writing image file")
        return real(self, file, format, **options)

    noise = np.random.default_rng(0).random((64, 64, 3))
    shown = pictured(noise)
    monkeypatch.setattr(Image.Image, "save", save)
    (embedded,) = elements(in_page(shown), "image")
    assert embedded.attrib["href"].startswith("data:image/png")


def test_a_file_of_its_own_needs_no_page(chart):
    text = plain(in_page(chart))
    assert not re.search(r"var\(|color-mix|<style", text)
    tree = ElementTree.fromstring(text)  # with its namespaces
    inside = [path.get("d") for path in elements(in_page(chart), "path")]
    assert [path.get("d") for path in tree.iter(f"{{{vector.NAMESPACE}}}path")] == inside
    with pytest.raises(ValueError, match="no SVG"):
        plain("<p>nothing</p>")


def test_a_figure_is_named_by_what_is_written_at_it_or_by_its_alternative_text(chart):
    assert described(chart) == "Figure: chart: TDD over passes"
    assert 'aria-label="Figure: chart: TDD over passes"' in in_page(chart)
    named = with_alt(in_page(chart), 'less < "more"')
    assert svg(named).attrib["aria-label"] == 'less < "more"'
    assert in_page(chart, 'less < "more"') == named


def test_a_crowd_of_marks_is_one_picture():
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots()
        axes.scatter(np.arange(4000), np.arange(4000), color="#0a5c9e")
        plt.close(figure)
    text = in_page(figure)
    assert len(elements(text, "image")) == 1 and len(elements(text, "use")) < 100


def linear(colour: object) -> np.ndarray:
    parts = np.array(mpl.colors.to_rgb(colour))
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(colour: object, ground: str) -> float:
    luminances = sorted(float(np.dot([0.2126, 0.7152, 0.0722], linear(each))) + 0.05 for each in (colour, ground))
    return luminances[1] / luminances[0]


def test_every_method_stands_out_from_the_grounds_of_both_themes():
    colours = method_colours(list(METHODS))
    for name, colour in colours.items():
        assert min(contrast(colour, DARKEST), contrast(colour, LIGHTEST)) > 2, name


@pytest.mark.parametrize("eyes", SEEN)
def test_families_differ_whoever_looks(eyes):
    """2.3 is the smallest difference that is seen at all; shades are compared with shades of the same place."""

    def lab(colour: str) -> np.ndarray:
        seen = (np.array(SEEN[eyes]) @ linear(colour)).clip(0, 1)
        encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
        return rgb2lab(encoded[None, None])[0, 0]

    for end in (0, 1):
        for first, second in combinations(FAMILIES, 2):
            apart = np.linalg.norm(lab(FAMILIES[first][end]) - lab(FAMILIES[second][end]))
            assert apart > 5, (first, second)
