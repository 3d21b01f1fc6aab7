"""Shapes and dtypes of jaxtyping annotations are checked at run time while the tests run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

install_import_hook("segattr_lib", "beartype.beartype")

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the tests measure of this machine is not what a user's runs remember."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def real() -> Path:
    """A folder with VOCdevkit, models.py and weights; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("SEGATTR_REAL", ROOT.parent / "shared" / "real"))
    if not (folder / "VOCdevkit").is_dir():
        pytest.skip(f"no real images at {folder}; set SEGATTR_REAL to a folder that holds VOCdevkit and models.py")
    return folder
