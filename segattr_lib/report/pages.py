"""The pages of the book that notebooks make: what each is called, and a link to it."""

from __future__ import annotations

import html

TITLES = {  # of a notebook's first heading, by its name
    "ledger": "The claims ledger",
    "which": "Which attribution should I use?",
    "multiverse": "One claim, many settings",
    "cards": "Cards of the metrics",
    "benchmark": "The segmentation benchmark",
    "dea_mechanism": "Why DEA works, and when it does not",
    "beyond_dea": "Beyond DEA: what the paper left open",
    "in_domain": "Judged in its own world",
    "arcc_shapes": "Which metric follows the truth?",
    "arcc_blind": "Maps that know nothing",
    "arcc_parts": "Parts taken away",
    "refinecam": "RefineCAM: fine maps from deep meaning",
    "wsss_sam2": "Explainers as prompts: diagnose, then assist",
    "explore": "Explore one image at a time",
    "costs": "What it costs",
    "status": "Status",
}


def title_of(page: str) -> str:
    """What a reader knows the page of this name by; the name itself of a page that the book does not have."""
    return TITLES.get(page, page)


def link_to(page: str) -> str:
    """HTML of a link from one of these pages to another, by its title without what follows a colon."""
    return f'<a href="{page}.html">{html.escape(title_of(page).partition(":")[0])}</a>'
