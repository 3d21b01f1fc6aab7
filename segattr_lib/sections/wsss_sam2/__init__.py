"""Explainers as prompts: the page's settings, run, facts, tables, figures and claims."""

from segattr_lib.sections.wsss_sam2.cells import (
    against_proxies,
    along_points,
    along_shares,
    along_the_threshold,
    checklist,
    gaps,
    interpretability,
    interval_coverage,
    misalignment,
    on_foreign,
    overlaps,
    prior,
    rank_correlations,
    reliability,
    reliability_by_image,
    steps,
    utility,
    utility_rows,
)
from segattr_lib.sections.wsss_sam2.opening import photo_agreement, photo_cues
from segattr_lib.sections.wsss_sam2.page import Runs, Side, run
from segattr_lib.sections.wsss_sam2.poster import beside_poster
from segattr_lib.sections.wsss_sam2.quoted import facts
from segattr_lib.sections.wsss_sam2.recommendations import RECOMMENDATIONS
from segattr_lib.sections.wsss_sam2.settings import Settings, read
from segattr_lib.sections.wsss_sam2.sliders import along_counts

CLAIMS = tuple(RECOMMENDATIONS)
__all__ = [
    "CLAIMS",
    "Runs",
    "Settings",
    "Side",
    "against_proxies",
    "along_counts",
    "along_points",
    "along_shares",
    "along_the_threshold",
    "beside_poster",
    "checklist",
    "facts",
    "gaps",
    "interpretability",
    "interval_coverage",
    "misalignment",
    "on_foreign",
    "overlaps",
    "photo_agreement",
    "photo_cues",
    "prior",
    "rank_correlations",
    "read",
    "reliability",
    "reliability_by_image",
    "run",
    "steps",
    "utility",
    "utility_rows",
]
