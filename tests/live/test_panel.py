"""The panel of "Judge a map yourself" in Chromium, from disk and offline: with an engine without a model, whose scores
are worked out by hand, and in the built book with the real one."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from segattr_lib.perturbation import top_fraction

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "book"))

from live_page import SCRIPTS  # noqa: E402

LIVE = ROOT / "book" / "_static" / "live"
BUILT = ROOT / "_build" / "html" / "book" / "judge.html"
PURE = ("text", "colours", "maps", "chart", "stage")
PANEL = [script for script in SCRIPTS if "/panel" in script]
HARMLESS = ("THEBE_JS_URL", "Got invalid theme mode", "reading 'Queue'")  # of the theme and the widgets' scripts
PATIENCE = 120_000  # ms; a busy machine is no failure
expect.set_options(timeout=PATIENCE)

PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>Judge</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="{theme}"><link rel="stylesheet" href="{live}/panel.css">
<script src="{live}/engine.js"></script><script src="{fake}"></script>
<script>segattr.live.pictures = async () => {pictures};</script>
{scripts}</head>
<body><main class="bd-article" style="padding: 1rem"><h1>Judge a map yourself</h1>
<div id="judge" class="judge"><p class="judge-note">A figure.</p></div></main></body></html>
"""


def picture(pixels: np.ndarray) -> bytes:
    """Pixels (H,W,3), 8 bit, as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def half_bright() -> np.ndarray:
    """A picture of 32 x 24 px whose left half is as bright as .8, the right half .2."""
    pixels = np.full((24, 32, 3), 51, np.uint8)
    pixels[:, :16] = 204
    return pixels


def spotted() -> np.ndarray:
    """A bright disc with a brighter middle, on a dark ground."""
    rows, columns = np.mgrid[:24, :32]
    away = np.hypot(rows - 11, columns - 15)
    grey = np.where(away < 8, 255 - 10 * away, 30).astype(np.uint8)
    return np.repeat(grey[..., None], 3, 2)


@pytest.fixture
def read(browser: Browser) -> Iterator[Page]:
    """A page that fails its test on a script's error, on a failed request, and on asking for what is not on disk."""
    context = browser.new_context(offline=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda asked: faults.append(f"failed: {asked.url[:200]}"))
    page.on("request", lambda asked: faults.append(asked.url) if not asked.url.startswith(LOCAL) else None)
    yield page
    context.close()
    assert [fault for fault in faults if not any(known in fault for known in HARMLESS)] == []


LOCAL = ("file:", "data:", "blob:")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of the panel alone, with the engine without a model and two pictures."""
    folder = tmp_path_factory.mktemp("judge")
    (theme,) = (path for path in Path(find_spec("pydata_sphinx_theme").origin).parent.rglob("pydata-sphinx-theme.css"))
    offered = [
        {
            "id": name,
            "title": name,
            "credit": "drawn here",
            "shows": name,
            "truth": None,
            "source": "data:image/png;base64," + base64.b64encode(picture(pixels)).decode(),
        }
        for name, pixels in {"a bright half": half_bright(), "a bright disc": spotted()}.items()
    ]
    scripts = "\n".join(f'<script src="{(ROOT / "book/_static" / script).as_uri()}"></script>' for script in PANEL)
    page = PAGE.format(
        theme=theme.as_uri(),
        live=LIVE.as_uri(),
        fake=(Path(__file__).parent / "fake_engine.js").as_uri(),
        pictures=json.dumps(offered),
        scripts=scripts,
    )
    (folder / "index.html").write_text(page, encoding="utf-8")
    return (folder / "index.html").as_uri()


@pytest.fixture
def started(read: Page, address: str) -> Page:
    """The panel, started, its first picture looked at."""
    read.goto(address)
    read.get_by_role("button", name="Start", exact=True).click()
    expect(read.get_by_text("The target is outlined: bright.")).to_be_visible()
    return read


def stage(page: Page, x: float, y: float) -> None:
    """Click at a share of the picture's width and height."""
    canvas = page.locator(".judge-pictures canvas").first
    box = canvas.bounding_box()
    assert box is not None
    canvas.click(position={"x": x * box["width"], "y": y * box["height"]})


def says(page: Page, text: str) -> None:
    """Below the picture without something there stands, soon, this."""
    expect(page.locator(".judge-caption").nth(1)).to_contain_text(text)


def test_a_bright_half_without_cells_scores_as_worked_out_by_hand(started: Page) -> None:
    expect(started.get_by_text("mean probability 0.80")).to_be_visible()
    started.get_by_label("take cells away").check()
    started.get_by_label("What is taken away becomes").select_option("zeros")
    started.get_by_label("Cells", exact=True).select_option("7")
    stage(started, 0.02, 0.02)  # the first cell, 4 x 3 px of a target of 16 x 24 px
    left = 0.8 * (1 - 12 / 384)
    says(started, f"Without 3% of the bright the score is {left:.2f} instead of 0.80: 3% of it is lost.")
    stage(started, 0.98, 0.98)  # on the dark half: nothing of the score
    says(started, "3% of the bright and 5% of what is around it")
    stage(started, 0.02, 0.02)
    stage(started, 0.98, 0.98)
    says(started, "Nothing is taken away: the score of the bright is 0.80.")


def test_another_fill_is_another_score_and_no_old_sentence_stays(started: Page) -> None:
    started.get_by_label("take cells away").check()
    started.get_by_label("Cells", exact=True).select_option("7")
    started.get_by_label("What is taken away becomes").select_option("mean")
    for row in range(7):
        stage(started, 0.02, (row + 0.5) / 7)
    lost = 4 / 16 * (0.8 - 0.5)  # a quarter of the target takes the mean of the picture, .5
    says(started, f"the score is {0.8 - lost:.2f} instead of 0.80")
    started.get_by_label("What is taken away becomes").select_option("zeros")
    says(started, "the score is 0.60 instead of 0.80: 25% of it is lost.")


def test_an_answer_that_comes_after_its_fill_was_changed_is_never_shown(started: Page) -> None:
    started.get_by_label("take cells away").check()
    stage(started, 0.02, 0.02)
    says(started, "of the bright the score is 0.80")  # the mean of the picture takes little
    seen = started.evaluate(
        """async () => {
        const caption = document.querySelectorAll(".judge-caption")[1];
        const fill = [...document.querySelectorAll("select")].find((select) => select.innerText.includes("black"));
        const texts = [];
        new MutationObserver(() => texts.push(caption.textContent)).observe(caption, { childList: true });
        for (const value of ["blur", "zeros"]) {
          fill.value = value;
          fill.dispatchEvent(new Event("change"));
        }
        while (!texts.length) await new Promise((go) => setTimeout(go, 20));
        await new Promise((go) => setTimeout(go, 500));
        return texts;
        }"""
    )
    assert seen == [
        f"Without 1% of the bright the score is {0.8 * (1 - 2 / 384):.2f} instead of 0.80: 1% of it is lost."
    ]


def test_a_target_is_chosen_on_the_picture_and_dark_ground_is_none(started: Page) -> None:
    stage(started, 0.9, 0.5)
    expect(started.get_by_text("The target is outlined: bright.")).to_be_visible()
    stage(started, 0.1, 0.5)
    expect(started.get_by_role("button", name="bright", exact=True)).to_have_attribute("aria-pressed", "true")


def focus_by_tab(page: Page, name: str, most: int = 60) -> None:
    """Press Tab until what is so named has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """() => { const at = document.activeElement;
            const own = at.getAttribute("aria-label") || at.innerText || at.querySelector?.("img")?.alt || "";
            return (at.labels?.[0]?.innerText || own).trim(); }"""
        )
        if seen.startswith(name):
            return
    raise AssertionError(f"{name} is not reached by Tab")


def test_the_keyboard_alone_leads_from_start_to_a_curve(read: Page, address: str) -> None:
    read.goto(address)
    focus_by_tab(read, "Start")
    read.keyboard.press("Enter")
    expect(read.get_by_text("The target is outlined: bright.")).to_be_visible()
    assert read.evaluate("document.activeElement.innerText") == "Picture"
    focus_by_tab(read, "a bright disc")
    read.keyboard.press("Enter")
    expect(read.get_by_role("button", name="a bright disc")).to_have_attribute("aria-pressed", "true")
    focus_by_tab(read, "choose the target")
    read.keyboard.press("ArrowDown")  # to taking away
    focus_by_tab(read, "A bright disc")  # the picture itself
    read.keyboard.press("Space")
    expect(read.get_by_text("Row 8, column 8: bright, taken away")).to_have_count(1)
    read.keyboard.press("ArrowUp")
    expect(read.get_by_text("Row 7, column 8: bright")).to_have_count(1)
    says(read, "of the bright the score is")
    focus_by_tab(read, "Run RIA")
    read.keyboard.press("Enter")
    expect(read.get_by_text("RIA is made: 197 passes")).to_be_visible()
    assert read.evaluate("document.activeElement.innerText") == "Run RIA"
    focus_by_tab(read, "Judge them")
    read.keyboard.press("Enter")
    expect(read.locator(".judge-chart")).to_have_count(2)
    expect(
        read.get_by_text(re.compile(r"Deleting the top fifth of the bright by RIA costs \d+% of its score"))
    ).to_be_visible()
    focus_by_tab(read, "Map")
    focus_by_tab(read, "Deleted of the target")
    read.keyboard.press("ArrowRight")
    says(read, "Without the top 30% of the bright by RIA the score is")


def test_what_is_deleted_by_a_map_is_what_the_curve_says(started: Page) -> None:
    """RIA of a bright half is flat on it: any 30% of it under black lose 30% of the score."""
    started.get_by_label("What is taken away becomes").select_option("zeros")
    started.get_by_role("button", name="Run RIA").click()
    expect(started.get_by_text("RIA is made")).to_be_visible()
    started.get_by_role("button", name="Judge them").click()
    expect(started.locator(".judge-chart")).to_have_count(2)
    row = started.get_by_role("row", name="RIA 20%")
    expect(row.first).to_be_visible()
    started.get_by_text("The curves in numbers").click()
    expect(started.get_by_role("row", name="30% 0.56")).to_be_visible()


def test_a_map_drawn_by_hand_is_judged_and_wiped(started: Page) -> None:
    started.get_by_label("draw a map").check()
    expect(started.get_by_label("your own map (draw it")).to_be_disabled()
    stage(started, 0.25, 0.5)
    box = started.get_by_label("your own map", exact=True)
    expect(box).to_be_enabled()
    box.check()
    started.get_by_role("button", name="Judge them").click()
    expect(started.get_by_text("of the bright by your own map costs")).to_be_visible()
    started.get_by_role("button", name="Wipe your map").click()
    expect(started.locator(".judge-chart")).to_have_count(0)
    expect(started.get_by_text("of the bright by your own map costs")).to_have_count(0)


SLOW = """() => {
  const forward = segattr.live.fakeForward;
  segattr.live.fakeForward = (...asked) => {
    const until = performance.now() + 20;
    while (performance.now() < until) {}
    return forward(...asked);
  };
}"""


def test_escape_cancels_and_nothing_half_done_stays(read: Page, address: str) -> None:
    read.goto(address)
    read.evaluate(SLOW)
    read.get_by_role("button", name="Start", exact=True).click()
    expect(read.get_by_text("The target is outlined: bright.")).to_be_visible()
    read.get_by_label("random pixels").check()
    read.get_by_role("button", name="Judge them").click()
    expect(read.get_by_text("blind deletions beside random pixels")).to_be_visible()
    expect(read.get_by_role("button", name="Run RIA")).to_be_disabled()
    read.keyboard.press("Escape")
    expect(read.locator(".judge-going")).to_be_hidden()
    read.wait_for_timeout(500)
    expect(read.get_by_role("alert")).to_have_text("")
    expect(read.locator(".judge-chart")).to_have_count(0)
    read.get_by_role("button", name="Judge them").click()
    expect(read.get_by_text("by random pixels costs")).to_be_visible()


def test_a_new_picture_leaves_nothing_of_the_last_one(started: Page) -> None:
    started.get_by_role("button", name="Run RIA").click()
    expect(started.get_by_text("RIA is made")).to_be_visible()
    started.get_by_role("button", name="Judge them").click()
    expect(started.locator(".judge-chart")).to_have_count(2)
    started.get_by_role("button", name="Run adaptive RIA").click()
    dark = np.full((20, 20, 3), 40, np.uint8)
    started.locator("input[type=file]").set_input_files(
        {"name": "dark.png", "mimeType": "image/png", "buffer": picture(dark)}
    )
    expect(started.get_by_text("The model sees none of the things it knows")).to_be_visible()
    expect(started.locator(".judge-chart")).to_have_count(0)
    for text in ("RIA is made", "costs", "instead of"):
        expect(started.get_by_text(text, exact=False).locator("visible=true")).to_have_count(0)
    expect(started.get_by_role("button", name="Run RIA")).to_be_disabled()


def test_a_photograph_of_ones_own_is_read_and_nothing_is_asked_for(started: Page) -> None:
    asked: list[str] = []
    started.on("request", lambda request: asked.append(request.url))
    started.locator("input[type=file]").set_input_files(
        {"name": "own.png", "mimeType": "image/png", "buffer": picture(spotted())}
    )
    expect(started.get_by_label("Your own picture; the bright is outlined")).to_be_visible()
    started.get_by_role("button", name="Run adaptive RIA").click()
    expect(started.get_by_text("RIA is made")).to_be_visible()
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == []


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_is_dropped_and_pasted(started: Page, way: str) -> None:
    encoded = base64.b64encode(picture(spotted())).decode()
    started.evaluate(
        """([way, encoded]) => {
        const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
        const brought = new DataTransfer();
        brought.items.add(new File([bytes], "own.png", { type: "image/png" }));
        const root = document.getElementById("judge");
        if (way === "drop") root.dispatchEvent(new DragEvent("drop", { dataTransfer: brought, bubbles: true }));
        else document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: brought }));
        }""",
        [way, encoded],
    )
    expect(started.get_by_label("Your own picture; the bright is outlined")).to_be_visible()


def test_another_model_begins_with_nothing_of_the_last_one(started: Page) -> None:
    started.get_by_role("button", name="Run adaptive RIA").click()
    expect(started.get_by_text("RIA is made")).to_be_visible()
    started.get_by_role("button", name="Choose another model").click()
    expect(started.get_by_text("RIA is made")).to_have_count(0)
    started.get_by_role("button", name="Start", exact=True).click()
    expect(started.get_by_text("The target is outlined: bright.")).to_be_visible()
    expect(started.get_by_label("RIA (run it first)", exact=True)).to_be_disabled()


def test_a_classifier_says_what_the_whole_picture_is_of_and_its_class_is_chosen(read: Page, address: str) -> None:
    read.goto(address)
    read.get_by_label("Brightness of all").check()
    expect(read.get_by_text("It says which of 2 things a picture is of, and not where.")).to_be_visible()
    read.get_by_role("button", name="Start", exact=True).click()
    expect(read.get_by_text("The target is the whole picture, as")).to_be_visible()
    read.get_by_role("button", name="bright", exact=True).click()
    expect(read.get_by_text("Its score, the probability of that class, is 0.50.")).to_be_visible()
    expect(read.get_by_role("button", name="bright", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(read.get_by_role("button", name="dark", exact=True)).to_have_attribute("aria-pressed", "false")
    expect(read.get_by_text("The whole picture is the target; choose above")).to_be_visible()
    stage(read, 0.9, 0.5)  # of which no object is another target
    expect(read.get_by_role("button", name="bright", exact=True)).to_have_attribute("aria-pressed", "true")
    read.get_by_label("take cells away").check()
    read.get_by_label("What is taken away becomes").select_option("zeros")
    read.get_by_label("Cells", exact=True).select_option("7")
    for row in range(3):
        stage(read, 0.02, (row + 0.5) / 7)  # 4 x 10 px of 32 x 24, .8 bright
    left = 0.5 - 40 / 768 * 0.8
    says(read, f"Without 5% of the picture the score is {left:.2f} instead of 0.50: 8% of it is lost.")
    read.get_by_role("button", name="Run RIA").click()
    expect(read.get_by_text("RIA is made")).to_be_visible()
    read.get_by_role("button", name="Judge them").click()
    # a fifth of the picture, the bright half first, falls from .8 to 0
    expect(read.get_by_text("Deleting the top fifth of the picture by RIA costs 32% of its score")).to_be_visible()


def test_what_is_no_picture_is_said_in_a_sentence(started: Page) -> None:
    started.locator("input[type=file]").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    )
    expect(started.get_by_role("alert")).to_have_text(re.compile(r"^This is no picture [^.]*\.$"))
    started.get_by_role("button", name="a bright disc").click()
    expect(started.get_by_role("alert")).to_have_text("")
    expect(started.get_by_text("The target is outlined: bright.")).to_be_visible()


def test_two_fills_are_compared_and_equal_ones_refused(started: Page) -> None:
    started.get_by_label("or", exact=True).select_option("mean")
    started.get_by_role("button", name="Compare").click()
    expect(started.get_by_role("alert")).to_have_text("Both fills are its mean colour; choose two that differ.")
    started.get_by_label("or", exact=True).select_option("zeros")
    started.get_by_role("button", name="Compare").click()
    # .8 falls to .5 or to 0 on a fifth of the target
    sentence = (
        "costs 8% of the score where its mean colour takes its place, and costs 20% of the score where black does"
    )
    expect(started.get_by_text(sentence)).to_be_visible()


CONTRASTS = """() => {
  const parsed = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const luminance = ([red, green, blue]) => {
    const linear = [red, green, blue].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const groundOf = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parsed(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  const walk = document.createTreeWalker(document.getElementById("judge"), NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const parent = walk.currentNode.parentElement;
    const shown = walk.currentNode.textContent.trim() && parent.getClientRects().length;
    if (!shown || parent.closest(":disabled")) continue;
    const style = getComputedStyle(parent);
    const ink = parsed(parent.closest("svg") ? style.fill : style.color);
    const [light, dark] = [luminance(ink), luminance(groundOf(parent))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) low.push(`${walk.currentNode.textContent.trim()}: ${ratio.toFixed(2)}`);
  }
  return low;
}"""


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_panel_reads_at_any_width_in_both_themes(started: Page, width: int, theme: str) -> None:
    started.set_viewport_size({"width": width, "height": 900})
    started.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    started.get_by_role("button", name="a bright disc").click()
    started.get_by_role("button", name="Run RIA").click()
    expect(started.get_by_text("RIA is made")).to_be_visible()
    started.get_by_role("button", name="Judge them").click()
    expect(started.locator(".judge-chart")).to_have_count(2)
    started.get_by_text("The curves in numbers").click()
    assert started.evaluate("document.documentElement.scrollWidth") == width
    assert started.evaluate(CONTRASTS) == []
    names = started.locator(".judge-chart .name").all_text_contents()
    assert {"RIA", "random pixels", "by chance"} <= set(names)


def test_the_page_lists_every_part_of_the_panel_and_no_two_have_one_name() -> None:
    assert {Path(script).name for script in PANEL} == {path.name for path in LIVE.glob("panel*.js")}
    if shutil.which("node") is None:
        pytest.skip("node is not on the path")
    loaded = """globalThis.segattr = {}; const twice = [];
    for (const script of SCRIPTS) {
      const before = { ...segattr.panel };
      require(script);
      for (const name of Object.keys(before)) if (segattr.panel[name] !== before[name]) twice.push(name);
    }
    console.log(JSON.stringify(twice));"""
    scripts = json.dumps([str(ROOT / "book" / "_static" / script) for script in PANEL])
    command = ["node", "-e", loaded.replace("SCRIPTS", scripts)]
    assert json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout) == []


def test_without_a_live_model_the_figure_stays_and_a_sentence_says_why(read: Page, address: str) -> None:
    read.add_init_script("addEventListener('DOMContentLoaded', () => { segattr.live.models = []; }, true)")
    read.goto(address)
    expect(read.locator(".judge-note")).to_contain_text("The live model is not part of this build of the book")
    expect(read.get_by_role("button", name="Start")).to_have_count(0)


def node(script: str) -> str:
    """What a script prints that has the panel's pure functions as `panel`."""
    if shutil.which("node") is None:
        pytest.skip("node is not on the path")
    loaded = "".join(f"require({json.dumps(str(LIVE / f'panel-{name}.js'))});" for name in PURE)
    done = subprocess.run(
        ["node", "-e", f"{loaded} const panel = globalThis.segattr.panel; {script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_panels_own_functions() -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not on the path")
    done = subprocess.run(
        ["node", "--test", Path(__file__).parent / "panel.test.js"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_top_of_a_map_is_the_librarys() -> None:
    rng = np.random.default_rng(0)
    maps = rng.integers(0, 9, (4, 12, 15)) / 8  # many ties
    masks = rng.random((4, 12, 15)) < 0.4
    for values, mask in zip(maps, masks, strict=True):
        for k in (0.05, 0.2, 0.55, 1.0):
            expected = top_fraction(torch.tensor(values)[None].float(), torch.tensor(mask)[None], k).pixels[0]
            given = f"new Float32Array({values.ravel().tolist()}), new Uint8Array({mask.ravel().astype(int).tolist()})"
            chosen = json.loads(node(f"console.log(JSON.stringify([...panel.topFraction({given}, {k})]));"))
            assert chosen == expected.flatten().int().tolist()


def test_maps_have_the_colours_of_the_library() -> None:
    drawn = json.loads(node("console.log(JSON.stringify([...panel.MAGMA]));"))
    expected = (mpl.colormaps["magma"](np.arange(256))[:, :3] * 255).round()
    assert np.array_equal(np.array(drawn).reshape(256, 3), expected)


@pytest.fixture
def book(read: Page) -> Page:
    """The page of the built book, started with the real engine."""
    if not BUILT.is_file():
        pytest.skip(f"the book is not built: {BUILT.relative_to(ROOT)} is missing; `make book` builds it")
    read.goto(BUILT.as_uri())
    if not read.evaluate("globalThis.segattr?.live?.models?.length"):
        pytest.skip("the book was built without npm, so no live model is part of it")
    return read


@pytest.mark.slow
@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_the_books_page_judges_a_photograph_live(book: Page, width: int, theme: str) -> None:
    """From Start to a curve on the first photograph, with the real model, from disk and offline."""
    book.set_viewport_size({"width": width, "height": 900})
    book.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    book.get_by_role("button", name="Start", exact=True).click()
    expect(book.get_by_text("The target is outlined: motorbike.")).to_be_visible()
    book.get_by_role("button", name="Run adaptive RIA").click()
    expect(book.get_by_text("RIA is made: 49 passes")).to_be_visible()
    book.get_by_role("button", name="Judge them").click()
    expect(book.locator(".judge-chart")).to_have_count(2)
    expect(book.get_by_text(re.compile(r"of the motorbike by adaptive RIA costs \d+% of its score"))).to_be_visible()
    expect(book.locator(".judge-going")).to_be_hidden()
    assert book.evaluate("document.documentElement.scrollWidth") == width
    assert book.evaluate(CONTRASTS) == []
