"""Shapes and dtypes of jaxtyping annotations are checked at run time while the tests run."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jaxtyping import install_import_hook

if TYPE_CHECKING:
    from playwright.sync_api import Browser

gc.disable()  # until all is imported, none of which is garbage: a quarter of what importing takes
install_import_hook("segattr_lib", "beartype.beartype")

ROOT = Path(__file__).parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")  # of a browser's own accord


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser that asks for nothing of its own accord; tests that need one skip where there is none."""
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on the path")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu", *QUIET])
        yield opened
        opened.close()


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the tests measure of this machine is not what a user's runs remember. The processes of a test run share the
    models they export, which are the same bytes, and no measurements: what one of them runs twice is run alike."""
    cache, base = tmp_path_factory.mktemp("cache"), tmp_path_factory.getbasetemp()
    exported = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "onnx"
    exported.mkdir(exist_ok=True)
    (cache / "segattr").mkdir()
    (cache / "segattr" / "onnx").symlink_to(exported, target_is_directory=True)
    os.environ["XDG_CACHE_HOME"] = str(cache)


@pytest.fixture(scope="session")
def real() -> Path:
    """A folder with VOCdevkit, models.py and weights; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("SEGATTR_REAL", ROOT.parent / "shared" / "real"))
    if not (folder / "VOCdevkit").is_dir():
        pytest.skip(f"no real images at {folder}; set SEGATTR_REAL to a folder that holds VOCdevkit and models.py")
    return folder
