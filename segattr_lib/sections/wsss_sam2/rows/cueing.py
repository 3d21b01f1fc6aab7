"""How maps become cues, and the ways to a mask that a segmenter is tried with."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from segattr_lib.registry import UserError

FUSIONS = {"mean": "mean of the maps", "weighted": "weighted by reliability"}
ALONE = {"centre_point": "centre point", "uniform_points": "uniform points"}  # the segmenter without a map
CEILING = {"truth": "points of the truth"}
THRESHOLD = "threshold"  # in a segmenter's place: the map's own support
DRAWING = ("foreground", "background", "top", "bottom", "apart")  # the options of cues.draw_cues
NO_BACKGROUND: dict[str, Any] = {"background": 0}
BOX: dict[str, Any] = {"cues": "box"}


@dataclass(frozen=True)
class CueSettings:
    """How maps become cues (spec 3; the poster's defaults).

    segmenters: names that segmenters.load_segmenter takes. threshold: of a map's support. foreground, background:
    points. top, bottom: the shares of pixels they are drawn from. apart: px between points. robustness: the metric
    that weighs a map beside consensus and focus. counts: of points of either kind, and shares, top and bottom alike,
    that the fused maps' cues are tried with too. Raises UserError for what cannot be.
    """

    segmenters: list[str] | tuple[str, ...] = ("shapes_sam2", "random_walker")
    threshold: int | float = 0.5
    foreground: int = 5
    background: int = 5
    top: float = 0.05
    bottom: float = 0.05
    apart: int | float = 8
    robustness: str = "stability"
    counts: list[int] | tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    shares: list[float] | tuple[float, ...] = (0.01, 0.02, 0.1, 0.2)

    def __post_init__(self) -> None:
        lists = {"segmenters": self.segmenters, "counts": self.counts, "shares": self.shares}
        for name, values in lists.items():
            if not isinstance(values, list | tuple):
                raise UserError(f"{name} is {values!r}; expected a list.")
        for number in (self.foreground, self.background, *self.counts):
            if not isinstance(number, int):
                raise UserError(f"foreground, background or one of counts is {number!r}; expected whole numbers.")
        for share in (self.threshold, self.top, self.bottom, self.apart, *self.shares):
            if not isinstance(share, int | float):
                raise UserError(f"threshold, top, bottom, apart or one of shares is {share!r}; expected numbers.")
        if not 0 <= self.apart < math.inf:
            raise UserError(f"apart is {self.apart}; expected a distance of 0 px or more.")
        if not self.segmenters or THRESHOLD in self.segmenters:
            raise UserError(f"segmenters is {self.segmenters}; expected one or more, {THRESHOLD!r} is always told.")
        if not 0 < self.threshold <= 1:
            raise UserError(f"threshold is {self.threshold}; expected a value in (0, 1], such as 0.5.")
        if self.foreground < 1 or self.background < 0 or min(self.counts, default=1) < 1:
            raise UserError(
                f"foreground is {self.foreground}, background {self.background}, counts {self.counts}; expected one "
                "point in the foreground or more, and no negative number."
            )
        for share in (self.top, self.bottom, *self.shares):
            if not 0 < share <= 0.5:
                raise UserError(f"top, bottom or one of shares is {share}; expected shares of pixels in (0, 0.5].")

    def drawing(self, **changes: Any) -> dict[str, Any]:
        """The options of cues.draw_cues, some of them replaced."""
        return {**{name: getattr(self, name) for name in DRAWING}, **changes}

    def about(self) -> dict[str, Any]:
        """All of it, in a form that json writes: lists of a notebook's parameters are the same as tuples."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
