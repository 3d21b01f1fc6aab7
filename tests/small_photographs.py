"""Photographs under the shipped classifier, small enough to take no time: what it says of them is of no interest."""

from __future__ import annotations

from functools import cache

from segattr_lib.attribution import method_key
from segattr_lib.report.page import read_page
from segattr_lib.report.photographs import Photographs, PhotoPage, photographed

IDS = ("chelsea", "coffee")


@cache
def small_photographs(*methods: str) -> Photographs:
    """IDS at 64 px, explained by these methods."""
    page = read_page(PhotoPage, {"results": "results/none", "photo_ids": list(IDS), "image_size": 64})
    return photographed(page.of_photographs([method_key(text) for text in methods]), IDS)
