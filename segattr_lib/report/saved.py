"""What the explorer shows, as files that a reader keeps: its settings as YAML, its figure as SVG. The links hold the
files themselves, so that no server is asked for one."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import matplotlib as mpl
import numpy as np
import yaml
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segattr_lib.benchmark.settings import FREE, Settings
from segattr_lib.report.style import STYLE, method_colours
from segattr_lib.report.vector import in_page, plain

PANEL = 2.3  # inches of a picture
HOW = """\
# {shown}
# .venv/bin/segattr benchmark -f {file} -o results/mine
# or, after `segattr generate`: .venv/bin/papermill build/notebooks/benchmark.ipynb mine.ipynb -f {file}
"""
SQUARES = """\
# A benchmark squares pictures, the explorer and `segattr explain PHOTO` keep their proportions: values differ a little.
"""
UPLOADED = """\
# root is the picture's name; put the place in front where it lies.
"""


def settings_file(run: Settings, shown: str, file: str, *, squared: bool, uploaded: bool) -> str:
    """YAML of a run's settings that `segattr benchmark -f` and papermill take, with comments how.

    All are written but those that ask for no other result: a notebook's own defaults would stand for what is left out.
    shown: what the explorer showed, in a line. file: the name it is saved under. squared: whether a benchmark resizes
    pictures otherwise than the explorer; uploaded: whether the picture is the reader's own, of which only the name is
    known.
    """
    values: dict[str, Any] = run.model_dump(exclude=set(FREE))
    said = HOW.format(shown=" ".join(shown.split()), file=file)
    said += (SQUARES if squared else "") + (UPLOADED if uploaded else "")
    return said + yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def figure_file(
    target: tuple[str, Float[np.ndarray, "h w 3"]],
    methods: Mapping[str, Sequence[tuple[str, Float[np.ndarray, "h w 3"]]]],
    curves: Mapping[str, Mapping[float, float]],
    names: Sequence[str],
    credit: str = "",
) -> str:
    """SVG of a target, of every method its pictures in a row, each with its title, and the deletion curves of all.

    methods, curves: by the method's label; a curve is the score left by the share deleted, in [0,1]. names: theirs in
    the registry, in this order, which decide the colours. credit: who made the photograph.
    """
    with mpl.rc_context(STYLE):
        lines, columns = len(methods), 2 + max(len(pictures) for pictures in methods.values())
        height, width = target[1].shape[:2]
        size = (PANEL * columns, lines * (PANEL * height / width + 0.5))
        drawn = Figure(figsize=size, layout="compressed")  # not pyplot's, which one thread alone may use
        panels = drawn.subplots(lines, columns, squeeze=False)
        for axes in panels.flat:
            axes.set_axis_off()
        _picture(panels[0, 0], *target)
        for row, pictures in zip(panels, methods.values(), strict=True):
            for axes, picture in zip(row[1:-1], pictures, strict=False):  # one method may have cues, another none
                _picture(axes, *picture)
        chart, colours = panels[0, -1], method_colours(names)
        chart.set_axis_on()
        for name, (label, curve) in zip(names, curves.items(), strict=True):
            chart.plot(list(curve), list(curve.values()), color=colours[name], label=label)
        chart.set_xlabel("share of the target deleted", fontsize=7)
        chart.set_ylabel("score left", fontsize=7)
        chart.tick_params(labelsize=7)
        chart.legend(fontsize=6)
        if credit:
            drawn.supxlabel(credit, fontsize=7, color="grey")
        return plain(in_page(drawn))


def link_to(text: str, file: str, kind: str, words: str) -> str:
    """HTML of a link that saves a text as a file of this name. kind: its media type, such as image/svg+xml."""
    source = f"data:{kind};charset=utf-8,{quote(text)}"
    line = 'style="text-decoration: underline"'  # a page of widgets leaves it out
    return f'<a {line} download="{html.escape(file)}" href="{source}">{html.escape(words)}</a>'


def _picture(axes: Axes, title: str, picture: Float[np.ndarray, "h w 3"]) -> None:
    axes.imshow(picture.clip(0, 1))
    axes.set_axis_off()
    axes.set_title(title, fontsize=8)
