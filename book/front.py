"""Makes the front of the project anew: the picture that README.md and index.md open with, and its numbers in both.

    .venv/bin/python book/front.py

The numbers are those of segattr_lib.explain with its defaults; a test holds what is written against a run.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image

from segattr_lib import explain
from segattr_lib.data.photographs import available
from segattr_lib.report.explained import Explanation, listed
from segattr_lib.report.vector import in_page

ROOT = Path(__file__).resolve().parent.parent
PHOTO = "motorcycle_left"
INKS = {"light": "#1f2328", "dark": "#f0f6fc"}  # of text and axes, as GitHub has them on its grounds
PICTURES = {theme: f"book/front-{theme}.webp" for theme in INKS}  # on no ground of their own
DRAWN = "book/front.html"  # the same on the book's pages, in the colours of their theme
PIXELS = 110  # an inch
SHOWN = re.compile(r"^<picture>\n.*?^</picture>$", re.MULTILINE | re.DOTALL)
BLACK = (0.0, 0.0, 0.0, 1.0)
FRONT = re.compile(r"(<!-- front -->\n).*?(<!-- /front -->)", re.DOTALL)


def front(answer: Explanation) -> str:
    """Markdown of the picture, and of what it shows in numbers."""
    share, score = f"{answer.share:.0%}", f"{answer.score:.2f}"
    labels = listed([str(label) for label in answer.scores["label"]])
    alt = (
        f"{available()[PHOTO].shows}, its region outlined; the maps of {labels}; the photograph without each one's top"
    )
    lines = [
        "<picture>",
        f'<source media="(prefers-color-scheme: dark)" srcset="{PICTURES["dark"]}">',
        f'<img alt="A photograph: {alt}" src="{PICTURES["light"]}">',
        "</picture>",
        "",
        f"*What a segmenter sees as a {answer.class_name} ({share} of the picture, mean probability {score}), and four "
        f"maps of what that answer rests on. Below each, the photograph without the fifth of the region that the map "
        f"ranks highest; at the left, what that costs the score (a dot in each map's colour) beside blind selections "
        f"of the region (grey), by how ragged they are. "
        f"Photograph: {answer.credit}.*",
        "",
        "| map | deleting its top fifth costs | a blind selection as ragged | p | to be read? |",
        "|---|---|---|---|---|",
    ]
    for row in answer.scores.itertuples():
        verdict = "yes" if row.beyond else "no"
        lines.append(f"| {row.label} | {row.tdd:.0%} | {row.chance:.0%} | {row.p_holm:.3f} | {verdict} |")
    return "\n".join(lines)


def in_book(block: str) -> str:
    """The Markdown as the book shows it: its picture drawn in the page."""
    return SHOWN.sub(f"```{{raw}} html\n:file: {DRAWN}\n```", block, count=1)


def alt_of(block: str) -> str:
    """The alternative text of the picture in a README's block."""
    return re.findall(r'<img alt="([^"]*)"', block)[0]


def picture(figure: Figure, ink: str) -> bytes:
    """The figure as WebP on no ground, what is black in it drawn in another colour."""
    for artist in figure.findobj():
        for part in ("color", "edgecolor", "facecolor"):
            colour = getattr(artist, f"get_{part}", lambda: None)()
            if isinstance(colour, str | tuple) and to_rgba(colour) == BLACK:
                getattr(artist, f"set_{part}")(ink)
    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, dpi=PIXELS, transparent=True)
    Image.open(drawn).save(packed, "WEBP", quality=88, method=6)
    return packed.getvalue()


def main() -> None:
    """Write the picture, and the block between the marks of README.md and index.md."""
    answer = explain(available()[PHOTO].path)
    for theme, ink in INKS.items():
        (ROOT / PICTURES[theme]).write_bytes(picture(answer.figure(), ink))
    readme = front(answer)
    (ROOT / DRAWN).write_text(in_page(answer.figure(), alt_of(readme)) + "\n", encoding="utf-8")
    for page, block in (("README.md", readme), ("index.md", in_book(readme))):
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        path.write_text(FRONT.sub(lambda marks, block=block: f"{marks[1]}{block}\n{marks[2]}", text), encoding="utf-8")


if __name__ == "__main__":
    main()
