"""Sliders over what is precomputed, which move in a page without a kernel: a frame a step."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

SCRIPT = Path(__file__).with_name("steps.js")
LOOK = """
.segattr-steps :is(label, output) { display: inline; font-size: 0.9em; margin: 0; }
.segattr-steps input[type=range] { display: block; width: 24em; max-width: 100%; min-height: 2em; }
.segattr-steps .segattr-beside { display: flex; flex-wrap: wrap; align-items: start; }
.segattr-steps [data-step] { display: flex; flex-wrap: wrap; align-items: start; }
.segattr-steps [data-step][hidden] { display: none; }
.segattr-steps img { max-width: 100%; height: auto; }
"""
INK = "max-width: 100%; height: auto; color: var(--jp-widgets-label-color, inherit)"  # as panels.CAPTION has it


@dataclass(frozen=True)
class Slider:
    """A slider with a name, the texts of its values in order, and the place among them that it begins at."""

    name: str
    values: Sequence[str]
    start: int = 0


def stepped(sliders: Sequence[Slider], frames: Mapping[tuple[int, ...], str], still: str = "") -> Any:
    """Sliders under their names, and below the frame of where they stand: HTML for IPython that needs no kernel.

    sliders: one or more. frames: HTML by the places of the sliders' values, one for every combination. still: HTML that
    stands beside whatever frame. Arrow keys, Home and End move a slider; it says its value to screen readers, and the
    frame that appears is said too. Without JavaScript the frame that the sliders begin at stands there. Raises
    ValueError where a frame is missing, or more are given than the sliders reach.
    """
    from IPython.display import HTML  # which a notebook has, and the library does without

    places = list(product(*(range(len(slider.values)) for slider in sliders)))
    if not sliders or set(places) != set(frames):
        raise ValueError(
            f"frames are given for {len(frames)} steps; expected one for each of the {len(places)} that "
            f"{len(sliders)} sliders reach."
        )
    digest = hashlib.blake2b(digest_size=4)
    for place in places:
        digest.update(frames[place].encode())
    name = f"steps-{digest.hexdigest()}"
    start = tuple(slider.start for slider in sliders)
    parts = [f'<div class="segattr-steps"><style>{LOOK}</style>']
    parts += [_input(slider, f"{name}-{number}") for number, slider in enumerate(sliders)]
    parts.append(f'<div class="segattr-beside">{still}<div aria-live="polite">')
    for place in places:
        hidden = "" if place == start else " hidden"
        parts.append(f'<div data-step="{" ".join(map(str, place))}"{hidden}>{frames[place]}</div>')
    parts.append(f"</div></div></div><script>{SCRIPT.read_text(encoding='utf-8')}</script>")
    return HTML("".join(parts))


def _input(slider: Slider, name: str) -> str:
    text, values = html.escape(slider.values[slider.start]), html.escape(json.dumps(list(slider.values)))
    return (
        f'<div><label for="{name}">{html.escape(slider.name)}:</label> <output for="{name}">{text}</output>'
        f'<input type="range" id="{name}" min="0" max="{len(slider.values) - 1}" step="1" value="{slider.start}" '
        f'aria-valuetext="{text}" data-values="{values}"></div>'
    )


def level_curve(levels: Sequence[float], scores: Sequence[float], place: int, wide: int = 230, high: int = 150) -> str:
    """SVG of a deletion curve in the page's own colours, the point at one place marked; under a kilobyte and a half.

    levels: shares of the target, rising in [0,1]. scores: what is left at each. wide, high: px.
    """
    left, bottom, top = 30, 32, 8
    highest = max(*scores, 1e-9)
    lowest = min(*scores, 0.0)
    across = [left + level * (wide - left - 10) for level in levels]
    down = [top + (highest - score) / (highest - lowest) * (high - bottom - top) for score in scores]
    line = "L".join(f"{x:.0f} {y:.1f}" for x, y in zip(across, down, strict=True))
    floor = high - bottom
    middle = (left + wide - 10) / 2
    text = f"The score over the share deleted; {scores[place]:.2f} is left at {levels[place]:.0%}"
    return (
        f'<svg class="segattr-curve" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" role="img" '
        f'aria-label="{text}" fill="currentColor" font-size="11" font-family="sans-serif" style="{INK}">'
        '<g stroke="currentColor" fill="none">'
        f'<path d="M{left} {top}V{floor}H{wide - 10}" stroke-opacity=".6"/><path d="M{line}" stroke-width="1.5"/>'
        f'<path d="M{across[place]:.0f} {top}V{floor}" stroke-dasharray="2 3"/></g>'
        f'<circle cx="{across[place]:.0f}" cy="{down[place]:.1f}" r="4"/>'
        f'<text x="{left - 4}" y="{down[0] + 4:.0f}" text-anchor="end">{scores[0]:.2f}</text>'
        f'<text x="{left}" y="{floor + 13}" text-anchor="middle">{levels[0]:.0%}</text>'
        f'<text x="{wide - 2}" y="{floor + 13}" text-anchor="end">{levels[-1]:.0%}</text>'
        f'<text x="{middle:.0f}" y="{high - 5}" text-anchor="middle">share of the target deleted</text>'
        f'<text transform="translate(11 {(top + floor) / 2:.0f}) rotate(-90)" text-anchor="middle">score left</text>'
        "</svg>"
    )


def marked(
    picture: np.ndarray, points: Sequence[tuple[float, float]], colour: tuple[float, float, float], arm: int = 3
) -> np.ndarray:
    """The picture (H,W,3) in [0,1] with a cross at each point, (x, y) in px, in black so that it shows anywhere."""
    drawn = picture.copy()
    height, width = picture.shape[:2]
    for thick, ink in ((1, (0.0, 0.0, 0.0)), (0, colour)):
        for x, y in points:
            column, row = round(x), round(y)
            for down, across in ((thick, arm + thick), (arm + thick, thick)):
                rows = slice(max(0, row - down), min(height, row + down + 1))
                columns = slice(max(0, column - across), min(width, column + across + 1))
                drawn[rows, columns] = ink
    return drawn
