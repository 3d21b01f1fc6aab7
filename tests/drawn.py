"""What a figure looks like once it is drawn."""

from __future__ import annotations

from itertools import combinations

from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def collisions(figure: Figure, least: float = 1.0) -> list[tuple[str, str]]:
    """The texts of a figure that lie on one another, by more than so many pixels both ways."""
    figure.draw_without_rendering()
    shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    shown = [text for text in shown if text.axes is None or text.axes.get_visible()]
    boxes = {text: text.get_window_extent() for text in shown if _in_view(text)}
    pairs = []
    for first, second in combinations(boxes, 2):
        both = Bbox.intersection(boxes[first], boxes[second])
        if both is not None and both.width > least and both.height > least:
            pairs.append((first.get_text(), second.get_text()))
    return pairs


def _in_view(text: Text) -> bool:
    """Whether a text is drawn: ticks beyond the ends of an axis, and names of an axis that is off, are not."""
    axes = text.axes
    if axes is None:
        return True
    ticks = [*axes.xaxis.get_ticklabels(which="both"), *axes.yaxis.get_ticklabels(which="both")]
    if any(text is tick for tick in ticks):
        return axes.axison and bool(axes.bbox.padded(2).contains(*_nearest(text, axes.bbox)))
    return axes.axison or text not in (axes.xaxis.label, axes.yaxis.label)


def _nearest(text: Text, box: Bbox) -> tuple[float, float]:
    """The middle of a tick's label, moved onto the axis that it stands at."""
    own = text.get_window_extent()
    x, y = (own.x0 + own.x1) / 2, (own.y0 + own.y1) / 2
    below = y < box.y0 or y > box.y1
    return (x, box.y0) if below else (box.x0, y)
