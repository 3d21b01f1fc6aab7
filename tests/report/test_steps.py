"""Sliders that move without a kernel: what is in the page, and what Chromium makes of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from segattr_lib.report.steps import Slider, level_curve, marked, stepped

SLIDERS = [Slider("Alpha & more", ["none", "half", "all"], 1), Slider("Beta", ["0", "1"])]
FRAMES = {(first, second): f"<p>frame {first}{second}</p>" for first in range(3) for second in range(2)}


def test_a_missing_frame_and_a_frame_too_many_are_refused() -> None:
    with pytest.raises(ValueError, match="given for 5 steps; expected one for each of the 6 that 2 sliders"):
        stepped(SLIDERS, {place: FRAMES[place] for place in list(FRAMES)[:5]})
    with pytest.raises(ValueError, match="expected one for each of the 2"):
        stepped(SLIDERS[1:], {(0,): "", (1,): "", (2,): ""})


def test_the_frame_to_begin_with_alone_is_shown_without_a_script() -> None:
    written = stepped(SLIDERS, FRAMES, "<b>still</b>").data
    shown = re.findall(r'data-step="([\d ]+)">', written)
    assert shown == ["1 0"] and written.count(" hidden>") == 5
    assert "<b>still</b>" in written and "Alpha &amp; more" in written


def test_the_same_frames_give_the_same_bytes_and_others_other_names() -> None:
    assert stepped(SLIDERS, FRAMES).data == stepped(SLIDERS, FRAMES).data
    names = [re.search(r'id="(steps-\w+)-0"', stepped(SLIDERS, frames).data)[1] for frames in (FRAMES, OTHERS)]
    assert len(set(names)) == 2


OTHERS = {**FRAMES, (0, 0): "<p>another</p>"}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


def test_two_outputs_of_one_page_move_by_keyboard_and_say_their_values(page: Page, tmp_path: Path) -> None:
    both = stepped(SLIDERS, FRAMES).data + stepped(SLIDERS, OTHERS).data
    (tmp_path / "index.html").write_text(f'<html lang="en"><meta charset="utf-8">{both}</html>', encoding="utf-8")
    page.goto((tmp_path / "index.html").as_uri())
    first = page.get_by_role("slider", name="Alpha & more").first
    expect(first).to_have_attribute("aria-valuetext", "half")
    expect(page.get_by_text("frame 10").locator("visible=true")).to_have_count(2)
    first.press("ArrowRight")
    expect(first).to_have_attribute("aria-valuetext", "all")
    expect(page.get_by_text("frame 20").locator("visible=true")).to_have_count(1)
    page.get_by_role("slider", name="Beta").first.press("End")
    expect(page.get_by_text("frame 21").locator("visible=true")).to_have_count(1)
    page.get_by_role("slider", name="Alpha & more").last.press("Home")
    expect(page.get_by_text("another").locator("visible=true")).to_have_count(1)
    expect(page.get_by_text("frame 21").locator("visible=true")).to_have_count(1)


def test_a_curve_runs_from_the_whole_score_and_marks_its_level() -> None:
    levels, scores = (0.0, 0.5, 1.0), (0.8, 0.4, 0.0)
    drawn = level_curve(levels, scores, 1)
    assert "0.40 is left at 50%" in drawn and ">0.80</text>" in drawn
    points = [tuple(map(float, pair.split())) for pair in re.search(r'd="M([^"V]+)"', drawn)[1].split("L")]
    assert points[1][1] == pytest.approx((points[0][1] + points[2][1]) / 2, abs=0.1)  # half the score, half the height
    circle = re.search(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)
    assert circle is not None and tuple(map(float, circle.groups())) == points[1]
    assert len(drawn) < 1500


def test_a_curve_of_a_score_that_rises_or_is_nought_stays_in_its_frame() -> None:
    for scores in ((0.2, 0.9, -0.1), (0.0, 0.0, 0.0)):
        drawn = level_curve((0.0, 0.5, 1.0), scores, 0)
        heights = [float(pair.split()[1]) for pair in re.search(r'd="M([^"V]+)"', drawn)[1].split("L")]
        assert all(8 <= height <= 118 for height in heights)


def test_a_mark_is_a_cross_with_black_around_it_and_the_picture_is_left_as_it_was() -> None:
    picture = np.full((20, 20, 3), 0.5)
    drawn = marked(picture, [(10.0, 8.0), (0.0, 0.0)], (1.0, 0.0, 0.0))
    assert (picture == 0.5).all()
    assert drawn[8, 10].tolist() == drawn[8, 13].tolist() == drawn[5, 10].tolist() == [1.0, 0.0, 0.0]
    assert drawn[9, 11].tolist() == drawn[8, 14].tolist() == [0.0, 0.0, 0.0]
    assert drawn[8, 15].tolist() == drawn[11, 13].tolist() == [0.5, 0.5, 0.5]
    assert drawn[0, 0].tolist() == [1.0, 0.0, 0.0]
