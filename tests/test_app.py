"""The explorer as a page of its own, in a real browser, with the kernel behind it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from test_browser import PATIENCE

ROOT = Path(__file__).parent.parent
OWN = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")
SMALL = {"dataset": "shapes", "model": "shapes_lraspp", "samples": 2, "image_size": 96, "device": "cpu"}
ASKING = """new Promise(done => {
  document.addEventListener("securitypolicyviolation", () => done("forbidden"));
  fetch("https://example.org/").catch(() => setTimeout(() => done("asked"), 2000));
})"""


def command(*words: str) -> list[str]:
    return [sys.executable, str(ROOT / "book" / "app.py"), *words]


@pytest.fixture
def address() -> Iterator[str]:
    """Where the app is served."""
    pytest.importorskip("voila", reason="voila is not installed: `make setup` brings it")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = [word for name, value in SMALL.items() for word in ("-p", f"{name}={value}")]
    served = subprocess.Popen(
        command(*settings, "--no-browser", f"--port={port}"), cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    address = f"http://127.0.0.1:{port}/"
    try:
        wait_for(address, served)
        yield address
    finally:
        served.terminate()
        served.wait(60)


def wait_for(address: str, served: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE / 1000
    while True:
        assert served.poll() is None, "the app ended before it answered"
        try:
            with socket.create_connection(("127.0.0.1", int(address.rstrip("/").rpartition(":")[2])), 1):
                return
        except OSError:
            assert time.monotonic() < until, "the app does not answer"
            time.sleep(0.5)


@pytest.mark.slow
def test_a_reader_chooses_in_a_browser_and_nothing_leaves_the_machine(address: str, browser: Browser) -> None:
    context = browser.new_context()
    context.set_default_timeout(3 * PATIENCE)
    page = context.new_page()
    elsewhere: list[str] = []
    page.on("response", lambda answer: None if answer.url.startswith(OWN) else elsewhere.append(answer.url))
    page.on("websocket", lambda opened: None if opened.url.startswith(OWN) else elsewhere.append(opened.url))
    page.goto(address, wait_until="domcontentloaded")
    shown = page.get_by_alt_text(re.compile("^Its adaptive DEA map"))
    expect(shown).to_be_visible(timeout=3 * PATIENCE)
    page.get_by_label("Method").select_option("random pixels")
    expect(page.get_by_alt_text(re.compile("^Its random pixels map"))).to_be_visible(timeout=3 * PATIENCE)
    expect(shown).to_have_count(0)
    target = page.get_by_label("Target")
    target.fill("class=teapot")
    target.press("Enter")
    said = page.get_by_role("alert")
    expect(said).to_contain_text("teapot", timeout=3 * PATIENCE)
    expect(page.get_by_alt_text(re.compile("map$"))).to_have_count(0)  # never a stale picture
    target.fill("frequent")
    target.press("Enter")
    picture = page.get_by_alt_text(re.compile("outlined$"))
    expect(picture).to_be_visible(timeout=3 * PATIENCE)
    box = picture.bounding_box()
    assert box is not None
    picture.click(position={"x": box["width"] * 10.5 / 96, "y": box["height"] * 20.5 / 96})
    expect(target).to_have_value("point=24,47", timeout=3 * PATIENCE)
    expect(page.get_by_role("img", name=re.compile("outlined$"))).to_be_visible(timeout=3 * PATIENCE)
    page.get_by_label("Beside").select_option("GPA")
    expect(page.get_by_alt_text("Its GPA map")).to_be_visible(timeout=3 * PATIENCE)
    expect(page.get_by_alt_text("Its random pixels map")).to_be_visible()
    for words, ending, begins in [("settings", "yaml", "# What the explorer showed"), ("figure", "svg", "<svg ")]:
        with page.expect_download() as download:
            page.get_by_role("link", name=re.compile(f"Save the {words}")).click()
        assert download.value.suggested_filename.endswith(f".{ending}")
        assert download.value.path().read_text(encoding="utf-8").startswith(begins)
    page.get_by_label("Method").select_option("RIA")
    page.get_by_role("button", name="Cancel").click(timeout=3 * PATIENCE)
    expect(page.get_by_text("Cancelled.")).to_be_visible(timeout=3 * PATIENCE)
    expect(page.get_by_alt_text(re.compile("map$"))).to_have_count(0)
    assert page.evaluate(ASKING) == "forbidden"
    assert elsewhere == []
    context.close()


def test_a_parameter_without_a_value_is_refused_in_a_sentence() -> None:
    ended = subprocess.run(command("-p", "model"), capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and ended.stderr == "'model' is not of the form name=value.\n"
